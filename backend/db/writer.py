"""SQLite's one writer: a thread that runs use cases one after another and commits them in groups.

SQLite has one write lock and pays one fsync per commit. Many threads that each begin, write and
commit spend their time sleeping for the lock. Here they hand their use case to a single thread:
each runs in its own SAVEPOINT (a failing one rolls back alone), and one COMMIT, hence one fsync,
makes the whole batch durable. Nobody is answered before that commit.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import structlog

from backend.db.connection import Connection
from backend.db.failures import is_unavailable
from backend.errors import Busy

log = structlog.get_logger(__name__)

BATCH_MAX = 128  # bounds what one failed COMMIT can take with it
BATCH_SECONDS = 0.02  # and how long the first of a batch waits for the last
WAITING_MAX = 4096  # beyond this the caller is told to come back: memory stays bounded
_CLOSE = None


@dataclass(slots=True)
class Job:
    """One use case waiting for the writer; `loop` and `waiter` when an event loop waits for it."""

    work: Callable[[Connection], Any]
    future: Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    waiter: asyncio.Future[Any] | None = None
    result: Any = None
    error: BaseException | None = field(default=None)

    def deliver(self) -> None:
        if self.waiter is not None:
            if self.waiter.cancelled():
                return
            if self.error is not None:
                self.waiter.set_exception(self.error)
            else:
                self.waiter.set_result(self.result)
        elif self.future is not None:
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)


class GroupCommitWriter:
    """Runs jobs in order on one connection, in batches with one commit each."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._waiting: queue.Queue[Job | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._handing_in = threading.Lock()
        self._closed = False

    def run(self, work: Callable[[Connection], Any]) -> Any:
        """Run a job and wait for its commit. Raises what the job raised, or Busy."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a use case may not start another one: it would wait for itself")
        job = Job(work, future=Future())
        self._submit(job)
        assert job.future is not None
        return job.future.result()

    async def run_async(self, work: Callable[[Connection], Any]) -> Any:
        """The same from an event loop, without occupying a thread."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop=loop, waiter=loop.create_future())
        self._submit(job)
        assert job.waiter is not None
        return await job.waiter

    def close(self) -> None:
        """Finish what was handed in, then stop."""
        with self._handing_in:
            self._closed = True
            thread = self._thread
            self._waiting.put(_CLOSE)
        if thread is not None:
            thread.join()

    def _submit(self, job: Job) -> None:
        # Under the lock, so that nothing is ever handed in behind the order to close.
        with self._handing_in:
            if self._closed:
                raise Busy("The service is stopping.")
            if self._waiting.qsize() >= WAITING_MAX:
                raise Busy("Too many writes are waiting.")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="sqlite-writer", daemon=True
                )
                self._thread.start()
            self._waiting.put(job)

    def _serve(self) -> None:
        connection: Connection | None = None
        while (job := self._waiting.get()) is not _CLOSE:
            batch = [job]
            try:
                if connection is None:
                    connection = self._connect()
                self._run_batch(connection, batch)
            except Exception as error:  # noqa: BLE001 - callers are answered, and the thread lives.
                # The batch is lost as a whole (database locked, disk full): nothing was committed.
                log.warning("database.batch_lost", use_cases=len(batch), problem=str(error))
                connection = _rolled_back(connection)
                for job in batch:
                    job.result, job.error = None, _busy_because(error)
            _deliver(batch)
        if connection is not None:
            connection.driver.close()

    def _run_batch(self, connection: Connection, batch: list[Job]) -> None:
        """Run batch[0] and whatever else is waiting, then commit."""
        connection.control("BEGIN IMMEDIATE")
        deadline = time.monotonic() + BATCH_SECONDS
        _run_in_savepoint(connection, batch[0])
        while len(batch) < BATCH_MAX and time.monotonic() < deadline:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is _CLOSE:
                self._waiting.put(_CLOSE)
                break
            batch.append(job)
            _run_in_savepoint(connection, job)
        connection.control("COMMIT")


def _rolled_back(connection: Connection | None) -> Connection | None:
    """The connection without its transaction; None, closed, when not even that is possible."""
    if connection is None:
        return None
    try:
        if connection.driver.in_transaction:
            connection.control("ROLLBACK")
    except Exception:  # noqa: BLE001 - a fault on top of a fault: begin anew.
        connection.driver.close()
        return None
    return connection


def _run_in_savepoint(connection: Connection, job: Job) -> None:
    connection.control("SAVEPOINT use_case")
    try:
        job.result = job.work(connection)
    except BaseException as error:
        job.error = _busy_because(error) if is_unavailable(error) else error
        if not connection.driver.in_transaction:
            # SQLite rolled everything back by itself (disk full, I/O error).
            raise sqlite3.OperationalError("transaction lost") from error
        connection.control("ROLLBACK TO use_case")
    connection.control("RELEASE use_case")


def _busy_because(error: BaseException) -> Busy:
    busy = Busy("The database cannot be written just now; nothing was changed.")
    busy.__cause__ = error
    return busy


def _deliver(batch: list[Job]) -> None:
    """Answer a batch; callers in an event loop are woken once per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in batch:
        if job.loop is None:
            job.deliver()
        else:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, jobs)
        except RuntimeError:
            # The loop is closed: its callers are gone, and the commit stands.
            continue


def _deliver_all(jobs: list[Job]) -> None:
    for job in jobs:
        job.deliver()
