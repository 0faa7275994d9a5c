"""Baseline: what every write adds, in the caller's session: audit row, outbox row, kept answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import HTTPException
from sqlmodel import Session, select

from backend.audit import GENESIS, AuditEntry, AuditHead, chain_hash
from backend.idempotency import KEPT_DAYS, IdempotencyKey
from backend.ids import new_id
from backend.messaging.models import OutboxMessage


@dataclass(frozen=True)
class Context:
    """One write: for whom, by whom, when."""

    session: Session
    tenant_id: UUID
    who: str
    correlation_id: str
    now: datetime

    @classmethod
    def of(cls, session: Session, tenant_id: UUID, who: str) -> Context:
        """A write that begins now."""
        return cls(session, tenant_id, who, new_id().hex, datetime.now(UTC))


def kept_answer(
    context: Context, operation: str, key: str, body: str
) -> tuple[IdempotencyKey | None, str]:
    """The answer this key was given before, and the hash of the request."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    found = context.session.exec(
        select(IdempotencyKey).where(
            IdempotencyKey.tenant_id == context.tenant_id,
            IdempotencyKey.operation == operation,
            IdempotencyKey.key == key,
        )
    ).first()
    if found is not None and found.request_hash != digest:
        raise HTTPException(422, "this key was used with another request")
    return found, digest


def keep_answer(context: Context, operation: str, key: str, digest: str, answer: str) -> None:
    """Store the answer for a repetition of the request."""
    context.session.add(
        IdempotencyKey(
            tenant_id=context.tenant_id,
            operation=operation,
            key=key,
            request_hash=digest,
            status_code=201,
            response=answer,
            created_at=context.now,
            expires_at=context.now + timedelta(days=KEPT_DAYS),
        )
    )


def audit(
    context: Context, action: str, entity_type: str, entity_id: UUID, after: dict[str, object]
) -> None:
    """Chain a row to the tenant's audit log."""
    session = context.session
    head = session.exec(select(AuditHead).where(AuditHead.tenant_id == context.tenant_id)).first()
    if head is None:
        head = AuditHead(tenant_id=context.tenant_id, sequence=0, hash=GENESIS)
        session.add(head)
    data = json.dumps({"before": None, "after": after}, default=str)
    previous, sequence = head.hash, head.sequence + 1
    digest = chain_hash(
        previous,
        context.tenant_id,
        sequence,
        (entity_type, entity_id, action),
        (context.who, None, context.now, context.correlation_id),
        data,
    )
    session.add(
        AuditEntry(
            tenant_id=context.tenant_id,
            id=new_id(),
            sequence=sequence,
            entity_type=entity_type,
            entity_id=entity_id,
            action=action,
            actor=context.who,
            at=context.now,
            correlation_id=context.correlation_id,
            data=data,
            previous_hash=previous,
            hash=digest,
        )
    )
    head.sequence, head.hash = sequence, digest


def send(context: Context, queue: str, message_type: str, payload: dict[str, str]) -> None:
    """Put a message into the outbox."""
    message_id = new_id()
    envelope = {
        "message_id": str(message_id),
        "message_type": message_type,
        "tenant_id": str(context.tenant_id),
        "correlation_id": context.correlation_id,
        "causation_id": None,
        "external_source": None,
        "external_reference_id": None,
        "requested_by_user_id": None,
        "occurred_at": context.now.isoformat(),
        "payload": payload,
    }
    context.session.add(
        OutboxMessage(
            message_id=message_id,
            tenant_id=context.tenant_id,
            queue=queue,
            message_type=message_type,
            correlation_id=context.correlation_id,
            body=json.dumps(envelope),
            available_at=context.now,
            created_at=context.now,
        )
    )
