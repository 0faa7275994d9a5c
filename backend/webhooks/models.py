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
    """A tenant's own address for one provider; secrets are kept encrypted."""

    __tablename__ = "webhook_endpoints"
    __table_args__: ClassVar[Any] = owned(sa.UniqueConstraint("token_digest"))

    provider: str = Field(sa_type=Text(50))
    token_digest: str = Field(sa_type=Text(64))
    encrypted_secret: str = Field(sa_type=Text(1000))
    encrypted_previous_secret: str | None = Field(default=None, sa_type=Text(1000))
    is_active: bool = Field(sa_type=sa.Boolean)
    created_at: datetime = Field(sa_type=UtcInstant)


class WebhookEvent(TenantRow, table=True):
    """One event as it came, and what became of it."""

    __tablename__ = "webhook_events"
    __table_args__: ClassVar[Any] = owned(
        reference("endpoint_id", "webhook_endpoints"),
        sa.UniqueConstraint("tenant_id", "provider", "external_event_id"),
        sa.Index("ix_webhook_events__created", "tenant_id", "row_id"),
        sa.Index("ix_webhook_events__status", "tenant_id", "status", "row_id"),
        sa.Index("ix_webhook_events__correlation_id", "tenant_id", "correlation_id"),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )

    endpoint_id: UUID | None = Field(default=None, sa_type=Id)
    provider: str = Field(sa_type=Text(50))
    external_event_id: str = Field(sa_type=Text(200))
    event_type: str | None = Field(default=None, sa_type=Text(100))
    status: WebhookEventStatus = Field(sa_type=choice(WebhookEventStatus, "status"))
    signature: SignatureResult = Field(sa_type=choice(SignatureResult, "signature"))
    payload: str = Field(sa_type=LongText)
    received_at: datetime = Field(sa_type=UtcInstant)
    processed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    attempts: int = Field(sa_type=sa.Integer)
    error: str | None = Field(default=None, sa_type=Text(1000))
    correlation_id: str = Field(sa_type=Text(128))


WEBHOOK_ENDPOINTS = table_of(WebhookEndpoint)
WEBHOOK_EVENTS = table_of(WebhookEvent)
