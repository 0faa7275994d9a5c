"""Whether messages move: which workers run, and what waits, how long, and what is dead.

What waits has two parts. Messages that are committed but not yet handed to the queues lie in the
outbox, in the database; without a worker they stay there. The rest is the broker's to tell, and
when it cannot be reached its figures are unknown, with the reason; that is never an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from backend.actor import Action, Actor, PlatformActor
from backend.db.engine import Database
from backend.db.statements import TENANT, PlatformStatement, Statement, at_most
from backend.health.depths import Found, depths_of
from backend.health.heartbeats import WorkerSeen, list_workers
from backend.messaging.contracts import Queue
from backend.messaging.models import OUTBOX
from backend.messaging.transport import QueueDepth, Transport
from backend.unit_of_work import Reader, read

# Of the outbox this much is counted; a page says "at least" beyond it.
UNSENT_COUNTED_MAX = 10_000

_O = OUTBOX.c
_UNSENT = (
    sa.select(_O.queue, _O.created_at)
    .where(_O.sent_at.is_(None))
    .order_by(_O.row_id)
    .limit(at_most(UNSENT_COUNTED_MAX))
)


def _by_queue(unsent: sa.Select[Any]) -> sa.Select[Any]:
    rows = unsent.subquery()
    return sa.select(
        rows.c.queue,
        sa.func.count().label("count"),
        sa.func.min(rows.c.created_at, type_=_O.created_at.type).label("oldest_at"),
    ).group_by(rows.c.queue)


_UNSENT_OF_ALL = PlatformStatement(_by_queue(_UNSENT))
_UNSENT_OF_TENANT = Statement(_by_queue(_UNSENT.where(_O.tenant_id == TENANT)))


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One queue: what it holds, or why nobody knows, and what is still on the way to it.

    `unsent` counts the messages in the outbox, which wait as well; of very many messages there may
    be more than counted (`is_exact`). Instants are UTC.
    """

    queue: Queue
    depth: QueueDepth | None
    problem: str | None
    unsent: int
    oldest_unsent_at: datetime | None
    is_exact: bool = True

    @property
    def waiting(self) -> int | None:
        """How many messages wait for a worker or are in its hands; None when unknown."""
        return None if self.depth is None else self.depth.active + self.unsent

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest of those was written, as far as it is known."""
        known = [self.oldest_unsent_at, self.depth.oldest_active_at if self.depth else None]
        return min((at for at in known if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Health:
    """All of it at `now` (UTC). Which workers there are is told to the platform only."""

    now: datetime
    is_running: bool
    last_seen_at: datetime | None
    queues: tuple[QueueHealth, ...]
    workers: tuple[WorkerSeen, ...]


def get_health(db: Database, transport: Transport, actor: Actor | PlatformActor) -> Health:
    """How things stand: of one tenant's messages for its people, of all for the platform.

    Takes a few seconds at most, however the broker is. Raises NotAllowed, Busy.
    """
    now, workers, unsent = read(db, actor, _look)
    tenant_id = actor.tenant_id if isinstance(actor, Actor) else None
    found = depths_of(transport).find(transport, tenant_id)
    all_counted = sum(row.count for row in unsent.values()) < UNSENT_COUNTED_MAX
    return Health(
        now=now,
        is_running=any(worker.is_running for worker in workers),
        last_seen_at=workers[0].seen_at if workers else None,
        queues=tuple(
            _queue(queue, found[queue], unsent.get(queue), all_counted=all_counted)
            for queue in Queue
        ),
        workers=() if isinstance(actor, Actor) else tuple(workers),
    )


def _look(reader: Reader) -> tuple[datetime, list[WorkerSeen], dict[str, Any]]:
    if isinstance(reader.actor, Actor):
        reader.actor.require(Action.READ)
        rows = reader.rows(_UNSENT_OF_TENANT)
    else:
        reader.actor.require(Action.PLATFORM_ADMIN)
        rows = reader.rows(_UNSENT_OF_ALL)
    return reader.now, list_workers(reader), {row.queue: row for row in rows}


def _queue(queue: Queue, found: Found, unsent: Any | None, *, all_counted: bool) -> QueueHealth:
    return QueueHealth(
        queue=queue,
        depth=found.depth,
        problem=found.problem,
        unsent=unsent.count if unsent is not None else 0,
        oldest_unsent_at=unsent.oldest_at if unsent is not None else None,
        is_exact=all_counted and (found.depth is None or found.depth.is_exact),
    )
