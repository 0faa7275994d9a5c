"""The SQL of the embedded queues' dead letters, each function inside its caller's transaction.

A dead letter is a row like any other; its row number is its sequence number. Holding one uses the
lease columns, as taking a message does: whoever dies while holding it loses it with the lease.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from backend.db.connection import Connection
from backend.db.statements import PlatformStatement, constant
from backend.messaging.contracts import Queue
from backend.messaging.lineage import original_id
from backend.messaging.models import QUEUE_MESSAGES, QueueMessageState
from backend.messaging.transport import LEASE_SECONDS, DeadLetter

_Q = QUEUE_MESSAGES.c
_LEASE = timedelta(seconds=LEASE_SECONDS)

_OF_QUEUE = _Q.queue == sa.bindparam("of_queue", type_=_Q.queue.type)
_OF_ROW = _Q.row_id == sa.bindparam("of_row_id")
_DEAD = _Q.state == constant(QueueMessageState.DEAD)
_MINE = sa.and_(_OF_ROW, _DEAD, _Q.lease_token == sa.bindparam("token", type_=_Q.lease_token.type))
_NOW = sa.bindparam("now", type_=_Q.available_at.type)
_LEASE_END = sa.bindparam("lease_end", type_=_Q.available_at.type)
_LETTER = (
    _Q.row_id,
    _Q.message_id,
    _Q.message_type,
    _Q.tenant_id,
    _Q.correlation_id,
    _Q.body,
    _Q.delivery_count,
    _Q.enqueued_at,
    _Q.completed_at,
    _Q.dead_reason,
    _Q.dead_description,
)

_PEEK = PlatformStatement(
    sa.select(*_LETTER)
    .where(_OF_QUEUE, _DEAD, _Q.row_id > sa.bindparam("after_row_id", type_=_Q.row_id.type))
    .order_by(_Q.row_id)
    .limit(sa.bindparam("rows_max", type_=sa.Integer))
)
_HOLD = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(
        _OF_ROW,
        _OF_QUEUE,
        _DEAD,
        sa.or_(
            _Q.lease_token.is_(None),
            _Q.available_at <= _NOW,
            # No lease lasts that long: the clock was ahead when it began.
            _Q.available_at > _LEASE_END,
        ),
    )
    .values(lease_token=sa.bindparam("token"), available_at=_LEASE_END)
    .returning(*_LETTER)
)
# The reason stays: it tells a removed dead letter from a message that was handled.
_REMOVE = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(_MINE)
    .values(state=QueueMessageState.DONE, completed_at=_NOW, lease_token=None)
)
_GIVE_BACK = PlatformStatement(sa.update(QUEUE_MESSAGES).where(_MINE).values(lease_token=None))


def peek(connection: Connection, queue: Queue, *, after: int, rows_max: int) -> list[DeadLetter]:
    """The next dead letters with row numbers above `after`, held or not."""
    rows = connection.query(
        _PEEK, {"of_queue": queue.value, "after_row_id": after, "rows_max": rows_max}
    )
    return [_letter(queue, row) for row in rows]


def hold(
    connection: Connection, queue: Queue, row_ids: Collection[int], *, now: datetime
) -> tuple[UUID, list[DeadLetter]]:
    """Take those that are there and nobody holds, for LEASE_SECONDS; the token and the letters."""
    token = uuid4()
    given = {"of_queue": queue.value, "token": token, "now": now, "lease_end": now + _LEASE}
    rows = [
        row
        for row_id in sorted(row_ids)
        for row in connection.query(_HOLD, given | {"of_row_id": row_id})
    ]
    return token, [_letter(queue, row) for row in rows]


def remove(connection: Connection, row_id: int, token: UUID, *, now: datetime) -> bool:
    """Take it out for good; False when somebody else has it or it is gone."""
    return connection.execute(_REMOVE, {"of_row_id": row_id, "token": token, "now": now}) == 1


def give_back(connection: Connection, row_ids: Collection[int], token: UUID) -> None:
    """Let others have those that are still held under the token."""
    connection.execute_many(
        _GIVE_BACK, [{"of_row_id": row_id, "token": token} for row_id in row_ids]
    )


def _letter(queue: Queue, row: Any) -> DeadLetter:
    properties = {
        "tenant_id": row.tenant_id and str(row.tenant_id),
        "message_type": row.message_type,
        "original_message_id": _different(original_id(row.message_id), row.message_id),
    }
    return DeadLetter(
        queue=queue,
        sequence_number=row.row_id,
        message_id=row.message_id,
        body=row.body.encode(),
        delivery_count=row.delivery_count,
        enqueued_at=row.enqueued_at,
        dead_at=row.completed_at,
        reason=row.dead_reason,
        description=row.dead_description,
        message_type=row.message_type,
        tenant_id=row.tenant_id,
        correlation_id=row.correlation_id,
        properties={key: value for key, value in properties.items() if value is not None},
    )


def _different(original: str, message_id: str) -> str | None:
    return None if original == message_id else original
