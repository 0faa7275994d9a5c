"""The database handle: opens connections, owns the writer, reads snapshots, tells of changes."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, Engine

from backend.db.connection import Connection
from backend.db.writer import GroupCommitWriter

BUSY_TIMEOUT_MS = 5_000  # how long SQLite waits for another process's write before we answer Busy
READ_THREADS = 4  # SQLite reads are CPU under the interpreter lock: more threads do not help
POLL_SECONDS = 0.05  # a commit of another process is seen within this time
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an acknowledged payment survives a power cut
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",  # or INSERT OR REPLACE would slip past the append-only triggers
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA cache_size=-32000",
    "PRAGMA temp_store=MEMORY",
)


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class Database:
    """One database, SQLite or SQL Server. Thread-safe; one per process.

    `clock` gives every use case its `now`; tests pass their own.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if not parsed.database:
                raise ValueError("an SQLite database needs a file: sqlite:///path")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = sa.create_engine(url, poolclass=sa.NullPool)
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_immediate)
            self.path: str | None = parsed.database
        else:
            # pyodbc's own pool would hide dead connections from ours.
            self.engine = sa.create_engine(url, pool_pre_ping=True, pool_recycle=1500)
            self.path = None
        self.dialect: Dialect = self.engine.dialect
        self.writer = GroupCommitWriter(self.connect) if self.is_sqlite else None
        self.reading_pool = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="database-read")
        self._local = threading.local()
        self._closed = False

    def connect(self) -> Connection:
        """A new connection of the driver, outside any pool (SQLite), to be closed by its owner."""
        assert self.path is not None
        driver = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        _apply_pragmas(driver)
        return Connection(driver, self.dialect)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read transaction: every statement sees the same state, and no writer waits for it."""
        if self.is_sqlite:
            connection = self.thread_connection()
            connection.control("BEGIN")
            try:
                yield connection
            finally:
                # After an I/O error SQLite has ended the transaction by itself.
                if connection.driver.in_transaction:
                    connection.control("COMMIT")
            return
        pooled = self.engine.raw_connection()
        try:
            yield Connection(pooled.driver_connection, self.dialect)
        finally:
            pooled.rollback()
            pooled.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One write transaction on a pooled connection (SQL Server)."""
        pooled = self.engine.raw_connection()
        try:
            yield Connection(pooled.driver_connection, self.dialect)
            pooled.commit()
        except BaseException:
            pooled.rollback()
            raise
        finally:
            pooled.close()

    def thread_connection(self) -> Connection:
        """This thread's own read connection (SQLite)."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.connect()
        return connection

    def version_seen(self) -> int:
        """A number that changes when another connection commits (SQLite); see wait_for_change."""
        if not self.is_sqlite:
            return 0
        row = self.thread_connection().driver.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def wait_for_change(self, seen: int, *, timeout_seconds: float) -> int:
        """Wait until somebody commits, or the time is over; the version then.

        The version belongs to the calling thread: pass back what this thread got before. On
        SQLite a look costs microseconds, so an idle process stays near zero CPU. On SQL Server
        there is nothing to look at, and the wait is one poll long.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            version = self.version_seen()
            left = deadline - time.monotonic()
            if version != seen or left <= 0 or self._closed:
                return version
            time.sleep(min(POLL_SECONDS if self.is_sqlite else 0.15, left))
            if not self.is_sqlite:
                return 0

    def close(self) -> None:
        """Stop the writer after what it holds, and let the connections go."""
        self._closed = True
        if self.writer is not None:
            self.writer.close()
        self.reading_pool.shutdown(wait=True)
        self.engine.dispose()


def _apply_pragmas(driver: Any) -> None:
    cursor = driver.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _prepare_sqlite(driver: Any, _record: object) -> None:
    driver.isolation_level = None
    _apply_pragmas(driver)


def _begin_immediate(connection: sa.Connection) -> None:
    # The driver is in autocommit: SQLAlchemy's own transactions (migrations) begin here.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
