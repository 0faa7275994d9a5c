"""A database whose transactions can be watched and broken, for tests of the writer."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from backend.actor import Actor
from backend.db.connection import Connection
from backend.db.engine import Database
from backend.db.writer import BATCH_MAX
from backend.unit_of_work import UnitOfWork, run
from tests.factories import Clock


class WatchedConnection(Connection):
    """Counts the transaction control that goes through it, and fails where a test says so."""

    def __init__(self, database: WatchedDatabase, driver: Any, dialect: Any) -> None:
        super().__init__(driver, dialect)
        self.database = database

    def control(self, sql: str) -> None:
        self.database.controls.append(sql)
        faults = self.database.faults.get(sql)
        if faults:
            raise faults.pop(0)
        super().control(sql)


class WatchedDatabase(Database):
    """A database that gives up on a lock soon, and whose connections are watched."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.controls: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.opened: list[sqlite3.Connection] = []
        super().__init__(f"sqlite:///{path}", clock=clock)

    def connect(self) -> Connection:
        connection = super().connect()
        connection.driver.execute("PRAGMA busy_timeout=20")
        self.opened.append(connection.driver)
        return WatchedConnection(self, connection.driver, connection.dialect)


def disk_error(message: str = "disk I/O error", code: int = sqlite3.SQLITE_IOERR) -> Exception:
    """What the driver raises when the disk fails."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


@contextlib.contextmanager
def batched(db: Database, mine: Actor) -> Iterator[Callable[..., Future[Any]]]:
    """What is handed in inside waits for the end of the block and then runs as one batch."""
    running, go_on = threading.Event(), threading.Event()

    def hold(_: UnitOfWork) -> None:
        running.set()
        go_on.wait(10)

    assert db.writer is not None
    waiting = db.writer._waiting
    with ThreadPoolExecutor(BATCH_MAX) as pool:
        holding = pool.submit(run, db, mine, hold)
        running.wait(10)

        def hand_in(use_case: Any, *arguments: Any) -> Future[Any]:
            before = waiting.qsize()
            future = pool.submit(run, db, mine, use_case, *arguments)
            while waiting.qsize() == before:
                threading.Event().wait(0.0005)
            return future

        try:
            yield hand_in
        finally:
            go_on.set()
        holding.exception()
