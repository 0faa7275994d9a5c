"""The outbox: messages written in the same transaction as the change they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import sqlalchemy as sa

from backend.db.connection import Connection
from backend.db.statements import PlatformStatement
from backend.messaging.contracts import Message, Queue
from backend.messaging.models import OUTBOX

_ADD = PlatformStatement(sa.insert(OUTBOX))


@dataclass(frozen=True, slots=True)
class Pending:
    """A message to be sent when its use case commits; `available_at` in UTC."""

    message_id: UUID
    message: Message
    available_at: datetime


def envelope_of(
    pending: Pending,
    *,
    tenant_id: UUID,
    correlation_id: str,
    causation_id: str | None,
    user_id: UUID | None,
    occurred_at: datetime,
) -> str:
    """The envelope as JSON text, with the names the contract fixes."""
    payload = pending.message.model_dump(mode="json")
    message_type = payload.pop("message_type")
    return orjson.dumps(
        {
            "message_id": str(pending.message_id),
            "message_type": message_type,
            "tenant_id": str(tenant_id),
            "correlation_id": correlation_id,
            "causation_id": causation_id,
            "external_source": None,
            "external_reference_id": None,
            "requested_by_user_id": str(user_id) if user_id else None,
            "occurred_at": occurred_at.isoformat(),
            "payload": payload,
        }
    ).decode()


def add(
    connection: Connection,
    pending: Sequence[Pending],
    *,
    tenant_id: UUID,
    correlation_id: str,
    causation_id: str | None,
    user_id: UUID | None,
    now: datetime,
) -> None:
    """Write the messages, inside the caller's transaction."""
    rows = []
    for one in pending:
        queue: Queue = one.message.queue
        rows.append(
            {
                "message_id": one.message_id,
                "tenant_id": tenant_id,
                "queue": queue.value,
                "message_type": one.message.message_type,  # type: ignore[attr-defined]
                "correlation_id": correlation_id,
                "body": envelope_of(
                    one,
                    tenant_id=tenant_id,
                    correlation_id=correlation_id,
                    causation_id=causation_id,
                    user_id=user_id,
                    occurred_at=now,
                ),
                "available_at": one.available_at,
                "created_at": now,
                "sent_at": None,
            }
        )
    connection.execute_many(_ADD, rows)
