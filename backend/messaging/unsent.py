"""The outbox as the relay sees it: what has been committed but not yet handed to the queues."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from backend.db.connection import Connection
from backend.db.statements import PlatformStatement
from backend.messaging.contracts import Queue
from backend.messaging.models import OUTBOX
from backend.messaging.transport import Outgoing

_O = OUTBOX.c
_OLDEST_UNSENT = (
    sa.select(
        _O.row_id,
        _O.queue,
        _O.message_id,
        _O.message_type,
        _O.tenant_id,
        _O.correlation_id,
        _O.body,
        _O.available_at,
        _O.created_at,
    )
    .where(_O.sent_at.is_(None))
    .order_by(_O.row_id)
    .limit(sa.bindparam("rows_max", type_=sa.Integer))
)
_UNSENT = PlatformStatement(_OLDEST_UNSENT)
_SKIPPED = [f"skipped_{number}" for number in range(len(Queue))]
_UNSENT_OF_OTHERS = PlatformStatement(
    _OLDEST_UNSENT.where(
        sa.and_(*(_O.queue != sa.bindparam(name, type_=_O.queue.type) for name in _SKIPPED))
    )
)
_MARK_SENT = PlatformStatement(
    sa.update(OUTBOX)
    .where(_O.row_id == sa.bindparam("of_row_id"), _O.sent_at.is_(None))
    .values(sent_at=sa.bindparam("now"))
)


def list_unsent(
    connection: Connection, *, rows_max: int, without: Collection[Queue] = ()
) -> list[Any]:
    """The oldest rows that were not handed over, in the order in which they were written.

    `without` some queues: those that take nothing just now, and would fill the page.
    """
    if not without:
        return connection.query(_UNSENT, {"rows_max": rows_max})
    names = [queue.value for queue in without]
    skipped = [*names, *[names[0]] * (len(_SKIPPED) - len(names))]
    return connection.query(
        _UNSENT_OF_OTHERS, {"rows_max": rows_max} | dict(zip(_SKIPPED, skipped, strict=True))
    )


def mark_sent(connection: Connection, row_ids: Sequence[int], *, now: datetime) -> None:
    """Note that the queues have these rows. Noting it twice changes nothing."""
    connection.execute_many(_MARK_SENT, [{"of_row_id": one, "now": now} for one in row_ids])


def outgoing(row: Any) -> Outgoing:
    """A row of `list_unsent` as the transport takes it."""
    return Outgoing(
        queue=Queue(row.queue),
        message_id=str(row.message_id),
        body=row.body.encode(),
        available_at=row.available_at,
        message_type=row.message_type,
        tenant_id=row.tenant_id,
        correlation_id=row.correlation_id,
    )
