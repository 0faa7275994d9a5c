"""Tables of webhook endpoints and of the events providers sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import TenantRow, owned, reference, table_of
from backend.db.types import Id, LongText, Text, UtcInstant, choice


class WebhookEventStatus(StrEnum):
    """Where a provider's event stands."""

    RECEIVED = "received"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
    IGNORED = "ignored"


class SignatureResult(StrEnum):
    """How we know who sent it."""

    VERIFIED = "verified"
    API_KEY = "api_key"
    FAILED = "failed"


class WebhookEndpoint(TenantRow, table=True):
    """A tenant's own address for one provider.

    Of the token only its digest is kept, and its beginning for people. The secrets are encrypted;
    while one is replaced both are good. Deliveries that were refused are counted, not kept.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__: ClassVar[Any] = owned(
        sa.UniqueConstraint("token_digest"),
        sa.CheckConstraint("refused_count >= 0", name="refused_count"),
        sa.CheckConstraint(
            "(encrypted_previous_secret IS NULL AND previous_secret_set_at IS NULL) OR "
            "(encrypted_previous_secret IS NOT NULL AND previous_secret_set_at IS NOT NULL)",
            name="previous_secret",
        ),
    )

    provider: str = Field(sa_type=Text(50))
    token_digest: str = Field(sa_type=Text(64))
    token_hint: str = Field(sa_type=Text(8))
    encrypted_secret: str = Field(sa_type=Text(1000))
    secret_set_at: datetime = Field(sa_type=UtcInstant)
    encrypted_previous_secret: str | None = Field(default=None, sa_type=Text(1000))
    previous_secret_set_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    is_active: bool = Field(sa_type=sa.Boolean)
    created_at: datetime = Field(sa_type=UtcInstant)
    refused_count: int = Field(sa_type=sa.Integer)
    last_refused_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    last_refused_reason: str | None = Field(default=None, sa_type=Text(200))


class WebhookEvent(TenantRow, table=True):
    """One event as it came, and what became of it.

    `payload` holds the very bytes. `headers` is JSON of those that explain the signature, without
    the signature itself. `deliveries` counts how often the provider sent it, `attempts` how often
    it was processed. `effect`, `codes` and `detail` say what it did; `error` why it could not.
    `settled_message_id` names the message that was last done with, so that it is done once.
    """

    __tablename__ = "webhook_events"
    __table_args__: ClassVar[Any] = owned(
        reference("endpoint_id", "webhook_endpoints"),
        reference("payment_id", "payments"),
        sa.UniqueConstraint("tenant_id", "provider", "external_event_id"),
        sa.Index("ix_webhook_events__created", "tenant_id", "row_id"),
        sa.Index("ix_webhook_events__status", "tenant_id", "status", "row_id"),
        sa.Index("ix_webhook_events__type", "tenant_id", "event_type", "row_id"),
        sa.Index("ix_webhook_events__correlation_id", "tenant_id", "correlation_id"),
        sa.Index("ix_webhook_events__endpoint", "tenant_id", "endpoint_id", "row_id"),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
        sa.CheckConstraint("deliveries >= 1", name="deliveries"),
    )

    endpoint_id: UUID | None = Field(default=None, sa_type=Id)
    provider: str = Field(sa_type=Text(50))
    external_event_id: str = Field(sa_type=Text(200))
    event_type: str | None = Field(default=None, sa_type=Text(100))
    status: WebhookEventStatus = Field(sa_type=choice(WebhookEventStatus, "status"))
    signature: SignatureResult = Field(sa_type=choice(SignatureResult, "signature"))
    received_at: datetime = Field(sa_type=UtcInstant)
    deliveries: int = Field(sa_type=sa.Integer)
    last_delivered_at: datetime = Field(sa_type=UtcInstant)
    attempts: int = Field(sa_type=sa.Integer)
    last_attempt_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    processed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    error: str | None = Field(default=None, sa_type=Text(1000))
    effect: str | None = Field(default=None, sa_type=Text(32))
    codes: str | None = Field(default=None, sa_type=Text(200))
    detail: str | None = Field(default=None, sa_type=Text(1000))
    payment_id: UUID | None = Field(default=None, sa_type=Id)
    replay_requested_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    settled_message_id: UUID | None = Field(default=None, sa_type=Id)
    correlation_id: str = Field(sa_type=Text(128))
    # Last, so that whoever reads only the others does not have to walk over them.
    headers: str = Field(sa_type=LongText)
    payload: bytes = Field(sa_type=sa.LargeBinary)


WEBHOOK_ENDPOINTS = table_of(WebhookEndpoint)
WEBHOOK_EVENTS = table_of(WebhookEvent)
