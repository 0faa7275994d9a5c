"""Tables of the outbox, of the embedded queues, and of deliveries that failed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, LongText, Text, UtcInstant, choice


class QueueMessageState(StrEnum):
    """Where an embedded message stands. A leased one is ready again when its lease ends."""

    READY = "ready"
    DONE = "done"
    DEAD = "dead"


class OutboxMessage(Row, table=True):
    """A message that commits with its business change, and that the relay hands to the transport.

    The row stays after it was sent, as the record of what this service has said.
    """

    __tablename__ = "outbox"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("message_id"),
        sa.Index(
            "ix_outbox__unsent",
            "row_id",
            sqlite_where=sa.text("sent_at IS NULL"),
            mssql_where=sa.text("sent_at IS NULL"),
        ),
        sa.Index("ix_outbox__correlation_id", "correlation_id"),
    )

    message_id: UUID = Field(sa_type=Id)
    tenant_id: UUID = Field(sa_type=Id)
    queue: str = Field(sa_type=Text(64))
    message_type: str = Field(sa_type=Text(64))
    correlation_id: str = Field(sa_type=Text(128))
    body: str = Field(sa_type=LongText)
    available_at: datetime = Field(sa_type=UtcInstant)
    created_at: datetime = Field(sa_type=UtcInstant)
    sent_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class QueueMessage(Row, table=True):
    """A message in one of the embedded queues.

    `lease_token` fences: only the consumer that took the message may settle it. The tenant and
    type are copies for people and filters; a body that cannot be read leaves them empty.
    """

    __tablename__ = "queue_messages"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("queue", "message_id"),
        sa.Index(
            "ix_queue_messages__ready",
            "queue",
            "available_at",
            "row_id",
            sqlite_where=sa.text("state = 'ready'"),
            mssql_where=sa.text("state = 'ready'"),
        ),
        sa.Index(
            "ix_queue_messages__dead",
            "queue",
            "row_id",
            sqlite_where=sa.text("state = 'dead'"),
            mssql_where=sa.text("state = 'dead'"),
        ),
        sa.Index(
            "ix_queue_messages__done",
            "completed_at",
            sqlite_where=sa.text("state = 'done'"),
            mssql_where=sa.text("state = 'done'"),
        ),
        sa.Index("ix_queue_messages__correlation_id", "correlation_id"),
    )

    queue: str = Field(sa_type=Text(64))
    message_id: str = Field(sa_type=Text(128))
    message_type: str | None = Field(default=None, sa_type=Text(64))
    tenant_id: UUID | None = Field(default=None, sa_type=Id)
    correlation_id: str | None = Field(default=None, sa_type=Text(128))
    body: str = Field(sa_type=LongText)
    state: QueueMessageState = Field(sa_type=choice(QueueMessageState, "state"))
    enqueued_at: datetime = Field(sa_type=UtcInstant)
    available_at: datetime = Field(sa_type=UtcInstant)
    lease_token: UUID | None = Field(default=None, sa_type=Id)
    delivery_count: int = Field(sa_type=sa.Integer)
    completed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    dead_reason: str | None = Field(default=None, sa_type=Text(64))
    dead_description: str | None = Field(default=None, sa_type=Text(2000))


class DeliveryOutcome(StrEnum):
    """What became of a message whose delivery failed: it comes again, or it was set aside."""

    PUT_BACK = "put_back"
    DEAD_LETTERED = "dead_lettered"


class DeliveryFailure(Row, table=True):
    """A delivery that did not end well, for the person who looks into it.

    Any broker's: the queue may have forgotten the message. The tenant is what the body says, when
    it can be read; `original_message_id` is what all copies of a message have in common.
    """

    __tablename__ = "delivery_failures"
    __table_args__: ClassVar[Any] = (
        sa.Index("ix_delivery_failures__message", "queue", "original_message_id"),
        sa.Index("ix_delivery_failures__at", "at"),
    )

    queue: str = Field(sa_type=Text(64))
    message_id: str = Field(sa_type=Text(128))
    original_message_id: str = Field(sa_type=Text(128))
    tenant_id: UUID | None = Field(default=None, sa_type=Id)
    delivery_count: int = Field(sa_type=sa.Integer)
    at: datetime = Field(sa_type=UtcInstant)
    outcome: DeliveryOutcome = Field(sa_type=choice(DeliveryOutcome, "outcome"))
    problem: str = Field(sa_type=Text(2000))


OUTBOX = table_of(OutboxMessage)
QUEUE_MESSAGES = table_of(QueueMessage)
DELIVERY_FAILURES = table_of(DeliveryFailure)
