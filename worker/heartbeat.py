"""Says every few seconds that this worker lives, so that everybody can see whether one does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from backend.actor import platform_system
from backend.db.engine import Database
from backend.errors import Busy
from backend.health.heartbeats import BEAT_SECONDS, WorkerProcess, beat
from backend.unit_of_work import run
from worker.failures import describe
from worker.loops import repeat

# The last word may wait for a database that is busy, but not hold up the end of the process.
_STOP_SECONDS = 3.0

log = structlog.get_logger(__name__)


class Heartbeat:
    """The heartbeat of this process."""

    def __init__(self, db: Database, ended: threading.Event, beat_seconds: float) -> None:
        self._db = db
        self._ended = ended
        self._beat_seconds = beat_seconds
        self._worker = WorkerProcess.this(db.clock())
        self._actor = platform_system("heartbeat")

    def live(self) -> None:
        """Say that the worker lives until it ends, and then that it has ended."""
        repeat("heartbeat", self._step, self._ended)
        try:
            self._say(is_last=True)
        except Exception as error:  # noqa: BLE001 (it falls silent, and counts as gone soon)
            log.warning("worker.goodbye_not_said", problem=describe(error))

    def _step(self) -> None:
        try:
            self._say(is_last=False)
        except Busy as busy:
            # At the next beat the database may be there again.
            log.warning("worker.heartbeat_missed", problem=describe(busy))
        self._ended.wait(self._beat_seconds)

    def _say(self, *, is_last: bool) -> None:
        run(self._db, self._actor, beat, self._worker, is_last=is_last)


@contextmanager
def heartbeat(db: Database, *, beat_seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Let everybody see that this worker lives until the block ends, and then that it ended."""
    ended = threading.Event()
    heart = Heartbeat(db, ended, beat_seconds)
    thread = threading.Thread(target=heart.live, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_STOP_SECONDS)
