"""Deliveries that failed: noted by the worker, read by whoever looks into a dead letter.

A queue tells only the last problem of a message, and Service Bus forgets even that when the
message is sent again. These rows say of every failed delivery when it was, what went wrong and
what became of the message, whichever broker carries it and however often it was sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from backend.db.connection import Connection
from backend.db.statements import PlatformStatement, Statement, at_most
from backend.messaging.contracts import Queue
from backend.messaging.lineage import original_id
from backend.messaging.models import DELIVERY_FAILURES, DeliveryOutcome
from backend.messaging.transport import DESCRIPTION_LENGTH_MAX

# Ten deliveries each of the original and of a few copies; of more the newest are shown.
SHOWN_MAX = 100

_F = DELIVERY_FAILURES.c
_ID_LENGTH_MAX = 128

_NOTE = PlatformStatement(sa.insert(DELIVERY_FAILURES))
_NEWEST = (
    sa.select(_F.message_id, _F.delivery_count, _F.at, _F.outcome, _F.problem)
    .where(
        _F.queue == sa.bindparam("queue"),
        _F.original_message_id == sa.bindparam("original_message_id"),
    )
    .order_by(_F.row_id.desc())
    .limit(at_most(SHOWN_MAX))
)
_OF_ANYBODY = PlatformStatement(_NEWEST)
_OF_A_TENANT = Statement(_NEWEST.where(_F.tenant_id == sa.bindparam("tenant_id")))
_FORGET = PlatformStatement(
    sa.delete(DELIVERY_FAILURES).where(
        _F.row_id.in_(
            sa.select(_F.row_id)
            .where(_F.at < sa.bindparam("before", type_=_F.at.type))
            .order_by(_F.at)
            .limit(sa.bindparam("rows_max", type_=sa.Integer))
        )
    )
)


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """One delivery that did not end well. `at` is UTC; the first delivery of a message is 1."""

    message_id: str
    delivery_count: int
    at: datetime
    outcome: DeliveryOutcome
    problem: str


def note_failed_delivery(
    connection: Connection,
    *,
    queue: Queue,
    message_id: str,
    tenant_id: UUID | None,
    delivery_count: int,
    outcome: DeliveryOutcome,
    problem: str,
    now: datetime,
) -> None:
    """Write down a failed delivery; `tenant_id` is what the body says, if it can be read.

    `problem` must hold no secrets; what is too long of it is cut off.
    """
    connection.execute(
        _NOTE,
        {
            "queue": queue.value,
            "message_id": message_id[:_ID_LENGTH_MAX],
            "original_message_id": original_id(message_id)[:_ID_LENGTH_MAX],
            "tenant_id": tenant_id,
            "delivery_count": delivery_count,
            "at": now,
            "outcome": outcome,
            "problem": problem[:DESCRIPTION_LENGTH_MAX],
        },
    )


def list_failed_deliveries(
    connection: Connection, queue: Queue, message_id: str, *, tenant_id: UUID | None
) -> Sequence[FailedDelivery]:
    """The failed deliveries of a message and of all its copies, oldest first; SHOWN_MAX at most.

    `message_id` may be that of any of them. With a tenant only what was noted as that tenant's;
    without one (for the platform) everything.
    """
    wanted = {"queue": queue.value, "original_message_id": original_id(message_id)}
    if tenant_id is None:
        rows = connection.query(_OF_ANYBODY, wanted)
    else:
        rows = connection.query(_OF_A_TENANT, wanted | {"tenant_id": tenant_id})
    return [FailedDelivery(*row) for row in reversed(rows)]


def forget_failed_deliveries(connection: Connection, *, before: datetime, rows_max: int) -> int:
    """Delete the oldest rows from before an instant, at most `rows_max`; how many."""
    return connection.execute(_FORGET, {"before": before, "rows_max": rows_max})
