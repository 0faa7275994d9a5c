"""Heartbeats: a worker says every few seconds that it lives, and anybody can see who does.

A worker that ends in order says so. One that is killed falls silent, and counts as gone when it
has not been heard of for RUNNING_SECONDS.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa

from backend.db.statements import PlatformStatement, at_most
from backend.health.models import WORKER_HEARTBEATS
from backend.unit_of_work import Reader, UnitOfWork

# How often a worker says that it lives.
BEAT_SECONDS = 5.0
# Six beats: a slow disk or a restarting database makes nobody believe that nothing runs.
RUNNING_SECONDS = 30.0
# Long enough to find out on a Monday which worker ran on the Friday before.
GONE_WORKERS_KEPT = timedelta(days=90)
_WORKERS_MAX = 100
_HOST_LENGTH_MAX = 255

_W = WORKER_HEARTBEATS.c
_OF_WORKER = _W.worker_id == sa.bindparam("of_worker", type_=_W.worker_id.type)
_BEAT = PlatformStatement(
    sa.update(WORKER_HEARTBEATS)
    .where(_OF_WORKER)
    .values(seen_at=sa.bindparam("now"), stopped_at=sa.bindparam("stopped_at"))
)
_APPEAR = PlatformStatement(sa.insert(WORKER_HEARTBEATS))
_LATEST = PlatformStatement(
    sa.select(_W.worker_id, _W.host, _W.pid, _W.started_at, _W.seen_at, _W.stopped_at)
    .order_by(_W.seen_at.desc(), _W.row_id.desc())
    .limit(at_most(_WORKERS_MAX))
)
_FORGET = PlatformStatement(
    sa.delete(WORKER_HEARTBEATS).where(_W.seen_at < sa.bindparam("before", type_=_W.seen_at.type))
)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """Which process it is. The id is new at every start: a pid is soon somebody else's."""

    worker_id: UUID
    host: str
    pid: int
    started_at: datetime

    @classmethod
    def this(cls, started_at: datetime) -> WorkerProcess:
        """The process that asks, as a worker that starts at this instant (UTC)."""
        return cls(uuid4(), socket.gethostname()[:_HOST_LENGTH_MAX], os.getpid(), started_at)


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker as it was last heard of; instants in UTC."""

    worker_id: UUID
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None
    is_running: bool


def beat(work: UnitOfWork, worker: WorkerProcess, *, is_last: bool = False) -> None:
    """Note that the worker lives now; the last time, that it ends in order."""
    stopped_at = work.now if is_last else None
    seen = work.execute(_BEAT, of_worker=worker.worker_id, now=work.now, stopped_at=stopped_at)
    if not seen:
        work.execute(
            _APPEAR,
            worker_id=worker.worker_id,
            host=worker.host,
            pid=worker.pid,
            started_at=worker.started_at,
            seen_at=work.now,
            stopped_at=stopped_at,
        )


def list_workers(reader: Reader) -> list[WorkerSeen]:
    """The workers that were heard of, the latest first; the newest hundred."""
    return [
        WorkerSeen(**row._asdict(), is_running=_is_running(row.seen_at, row.stopped_at, reader.now))
        for row in reader.rows(_LATEST)
    ]


def forget_gone_workers(work: UnitOfWork) -> int:
    """Delete workers that were not heard of for a long time; how many. For the scheduler."""
    return work.execute(_FORGET, before=work.now - GONE_WORKERS_KEPT)


def _is_running(seen_at: datetime, stopped_at: datetime | None, now: datetime) -> bool:
    # Either way: a heartbeat from the future was written before the clock was set back.
    silent_seconds = abs((now - seen_at).total_seconds())
    return stopped_at is None and silent_seconds <= RUNNING_SECONDS
