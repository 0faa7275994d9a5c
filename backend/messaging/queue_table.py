"""The SQL of the embedded queues, each function inside its caller's transaction.

Claiming is one conditional UPDATE that returns what it took. It walks a partial index over the
waiting messages only, so a claim costs the same with ten messages in the table or ten million.
A taken message stays "ready" with `available_at` at the end of its lease: when the consumer dies,
nothing has to be cleaned up for the message to be due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from backend.db.connection import Connection
from backend.db.statements import PlatformStatement, constant
from backend.messaging.contracts import Queue
from backend.messaging.models import QUEUE_MESSAGES, QueueMessageState
from backend.messaging.transport import (
    BACKOFF_SECONDS_MAX,
    DELIVERIES_MAX,
    DESCRIPTION_LENGTH_MAX,
    LEASE_SECONDS,
    DeadReason,
    Outgoing,
    QueueDepth,
)

_Q = QUEUE_MESSAGES.c
_LEASE = timedelta(seconds=LEASE_SECONDS)
_COLUMNS = [column for column in QUEUE_MESSAGES.columns if column.key != "row_id"]
_NEVER_RETURNED = "The consumer took the message and never came back"

_OF_QUEUE = _Q.queue == sa.bindparam("of_queue", type_=_Q.queue.type)
_WAITING = _Q.state == constant(QueueMessageState.READY)
_MINE = sa.and_(
    _Q.row_id == sa.bindparam("of_row_id"),
    _Q.lease_token == sa.bindparam("token", type_=_Q.lease_token.type),
    _Q.state == constant(QueueMessageState.READY),
)
_AT = sa.bindparam("at", type_=_Q.available_at.type)
_NOW = sa.bindparam("now", type_=_Q.available_at.type)

# Not ON CONFLICT DO NOTHING: SQL Server has no such thing. Not OR IGNORE either: it would swallow
# a violated CHECK, and with it the message.
_ADD = PlatformStatement(
    sa.insert(QUEUE_MESSAGES).from_select(
        [column.key for column in _COLUMNS],
        sa.select(
            *(sa.bindparam(f"new_{column.key}", type_=column.type) for column in _COLUMNS)
        ).where(
            ~sa.exists().where(
                _Q.queue == sa.bindparam("new_queue", type_=_Q.queue.type),
                _Q.message_id == sa.bindparam("new_message_id", type_=_Q.message_id.type),
            )
        ),
        include_defaults=False,
    )
)
_CLAIM = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(
        _Q.row_id.in_(
            sa.select(_Q.row_id)
            # READPAST: on SQL Server a second worker takes the next ones instead of waiting.
            .with_hint(QUEUE_MESSAGES, "WITH (UPDLOCK, READPAST, ROWLOCK)", "mssql")
            .where(_OF_QUEUE, _WAITING, _Q.available_at <= _NOW)
            .order_by(_Q.available_at, _Q.row_id)
            .limit(sa.bindparam("messages_max", type_=sa.Integer))
        )
    )
    .values(lease_token=sa.bindparam("token"), available_at=_AT)
    .values(delivery_count=_Q.delivery_count + 1)
    .returning(_Q.row_id, _Q.message_id, _Q.body, _Q.delivery_count, _Q.dead_description)
)
_COMPLETE = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(_MINE)
    .values(
        state=QueueMessageState.DONE, completed_at=_NOW, lease_token=None, dead_description=None
    )
)
_PUT_BACK = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(_MINE)
    .values(available_at=_AT, lease_token=None, dead_description=sa.bindparam("description"))
)
_RELEASE = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(_MINE)
    .values(
        # It was due, and it keeps its place among those queued at the same time.
        available_at=_Q.enqueued_at,
        lease_token=None,
        delivery_count=_Q.delivery_count - 1,
    )
)
_RENEW = PlatformStatement(sa.update(QUEUE_MESSAGES).where(_MINE).values(available_at=_AT))
_BURY = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(_MINE)
    .values(
        state=QueueMessageState.DEAD,
        completed_at=_NOW,
        lease_token=None,
        dead_reason=sa.bindparam("reason"),
        dead_description=sa.bindparam("description"),
    )
)
_NEXT = PlatformStatement(
    sa.select(sa.func.min(_Q.available_at).label("available_at")).where(_OF_QUEUE, _WAITING)
)
# Delivered once, it is being worked on, whatever it waits for now.
_IS_ACTIVE = sa.or_(_Q.delivery_count > 0, _Q.available_at <= _NOW)
_COUNT_WAITING = sa.select(
    sa.func.coalesce(sa.func.sum(sa.case((_IS_ACTIVE, 1), else_=0)), 0).label("active"),
    sa.func.count().label("all"),
    sa.type_coerce(sa.func.min(sa.case((_IS_ACTIVE, _Q.enqueued_at))), _Q.enqueued_at.type).label(
        "oldest_at"
    ),
).where(_OF_QUEUE, _WAITING)
_COUNT_DEAD = sa.select(
    sa.func.count().label("dead"), sa.func.min(_Q.enqueued_at).label("oldest_at")
).where(_OF_QUEUE, _Q.state == constant(QueueMessageState.DEAD))
_OF_TENANT = _Q.tenant_id == sa.bindparam("of_tenant_id", type_=_Q.tenant_id.type)
_DEPTH = PlatformStatement(_COUNT_WAITING), PlatformStatement(_COUNT_DEAD)
_DEPTH_OF_TENANT = (
    PlatformStatement(_COUNT_WAITING.where(_OF_TENANT)),
    PlatformStatement(_COUNT_DEAD.where(_OF_TENANT)),
)
_FORGET_DONE = PlatformStatement(
    sa.delete(QUEUE_MESSAGES).where(
        _Q.row_id.in_(
            sa.select(_Q.row_id)
            .where(
                _Q.state == constant(QueueMessageState.DONE),
                _Q.completed_at < sa.bindparam("before", type_=_Q.completed_at.type),
            )
            .order_by(_Q.completed_at)
            .limit(sa.bindparam("rows_max", type_=sa.Integer))
        )
    )
)
# Waits that no message can have by the clock as it is now: it was ahead and has been set back.
_BRING_FORWARD = PlatformStatement(
    sa.update(QUEUE_MESSAGES)
    .where(
        _OF_QUEUE,
        _WAITING,
        _Q.available_at > _NOW,
        sa.or_(
            sa.and_(_Q.delivery_count == 0, _Q.available_at <= _Q.enqueued_at),
            sa.and_(
                _Q.lease_token.is_not(None),
                _Q.available_at > sa.bindparam("lease_end", type_=_Q.available_at.type),
            ),
            sa.and_(
                _Q.lease_token.is_(None),
                _Q.delivery_count > 0,
                _Q.available_at > sa.bindparam("backoff_end", type_=_Q.available_at.type),
            ),
        ),
    )
    .values(available_at=_NOW)
)


def add(connection: Connection, messages: Sequence[Outgoing], *, now: datetime) -> None:
    """Queue the messages; those whose id the queue knows already are left out."""
    connection.execute_many(
        _ADD,
        [
            {
                "new_queue": message.queue.value,
                "new_message_id": message.message_id,
                "new_message_type": message.message_type,
                "new_tenant_id": message.tenant_id,
                "new_correlation_id": message.correlation_id,
                "new_body": message.body.decode("utf-8", "backslashreplace"),
                "new_state": QueueMessageState.READY,
                "new_enqueued_at": now,
                # Never before it was queued: an overdue message does not overtake the others.
                "new_available_at": max(message.available_at, now),
                "new_lease_token": None,
                "new_delivery_count": 0,
                "new_completed_at": None,
                "new_dead_reason": None,
                "new_dead_description": None,
            }
            for message in messages
        ],
    )


def claim(
    connection: Connection, queue: Queue, *, messages_max: int, now: datetime
) -> tuple[UUID, list[Any]]:
    """Take due messages for LEASE_SECONDS, oldest first; the lease's token and the rows.

    A message whose every consumer died is buried here instead of being handed out once more.
    """
    token = uuid4()
    rows = connection.query(
        _CLAIM,
        {
            "of_queue": queue.value,
            "messages_max": messages_max,
            "token": token,
            "now": now,
            "at": now + _LEASE,
        },
    )
    rows.sort(key=lambda row: row.row_id)  # RETURNING promises no order
    given = []
    for row in rows:
        if row.delivery_count <= DELIVERIES_MAX:
            given.append(row)
            continue
        description = f"{_NEVER_RETURNED}, {DELIVERIES_MAX} times."
        if row.dead_description:
            description = f"{description} Its last problem: {row.dead_description}"
        bury(
            connection,
            row.row_id,
            token,
            reason=DeadReason.MAX_DELIVERY_COUNT_EXCEEDED,
            description=description,
            now=now,
        )
    return token, given


def complete(connection: Connection, row_id: int, token: UUID, *, now: datetime) -> bool:
    """Mark as done; False when the lease was lost."""
    return connection.execute(_COMPLETE, {"of_row_id": row_id, "token": token, "now": now}) == 1


def put_back(
    connection: Connection, row_id: int, token: UUID, *, at: datetime, problem: str
) -> bool:
    """Make it due again at an instant, keeping what went wrong; False when the lease was lost."""
    return (
        connection.execute(
            _PUT_BACK,
            {
                "of_row_id": row_id,
                "token": token,
                "at": at,
                "description": problem[:DESCRIPTION_LENGTH_MAX],
            },
        )
        == 1
    )


def release(connection: Connection, row_id: int, token: UUID) -> bool:
    """Make it due again and uncount the delivery; False when the lease was lost."""
    return connection.execute(_RELEASE, {"of_row_id": row_id, "token": token}) == 1


def renew(connection: Connection, row_id: int, token: UUID, *, now: datetime) -> bool:
    """Hold it for another LEASE_SECONDS; False when the lease was lost."""
    return (
        connection.execute(_RENEW, {"of_row_id": row_id, "token": token, "at": now + _LEASE}) == 1
    )


def bury(
    connection: Connection,
    row_id: int,
    token: UUID,
    *,
    reason: DeadReason,
    description: str,
    now: datetime,
) -> bool:
    """Make it a dead letter; False when the lease was lost."""
    return (
        connection.execute(
            _BURY,
            {
                "of_row_id": row_id,
                "token": token,
                "now": now,
                "reason": reason.value,
                "description": description[:DESCRIPTION_LENGTH_MAX],
            },
        )
        == 1
    )


def next_due(connection: Connection, queue: Queue) -> datetime | None:
    """When the next message is due, which may have passed; None for an empty queue."""
    due: datetime | None = connection.query(_NEXT, {"of_queue": queue.value})[0].available_at
    return due


def depth(
    connection: Connection, queue: Queue, *, tenant_id: UUID | None, now: datetime
) -> QueueDepth:
    """How full the queue is, of one tenant's messages when it is named."""
    count_waiting, count_dead = _DEPTH if tenant_id is None else _DEPTH_OF_TENANT
    given = {"of_queue": queue.value, "of_tenant_id": tenant_id, "now": now}
    waiting = connection.query(count_waiting, given)[0]
    dead = connection.query(count_dead, given)[0]
    return QueueDepth(
        active=waiting.active,
        scheduled=waiting.all - waiting.active,
        dead=dead.dead,
        oldest_active_at=waiting.oldest_at,
        oldest_dead_at=dead.oldest_at,
    )


def forget_done(connection: Connection, *, before: datetime, rows_max: int) -> int:
    """Delete up to `rows_max` messages that were done before an instant; how many."""
    return connection.execute(_FORGET_DONE, {"before": before, "rows_max": rows_max})


def bring_forward(connection: Connection, queue: Queue, *, now: datetime) -> int:
    """After the clock was set back, make due what would wait longer than it can have to."""
    return connection.execute(
        _BRING_FORWARD,
        {
            "of_queue": queue.value,
            "now": now,
            "lease_end": now + _LEASE,
            # The longest back-off with its jitter.
            "backoff_end": now + timedelta(seconds=BACKOFF_SECONDS_MAX * 1.25),
        },
    )
