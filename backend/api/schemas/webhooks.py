"""Webhook events, as they go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from backend.api.fields import Cursor, Limit, one_line
from backend.api.schemas.common import Answer, Body, Instant, Uuid, example
from backend.paging import LIMIT_DEFAULT
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.payloads import ID_LENGTH_MAX, TYPE_LENGTH_MAX
from backend.webhooks.providers import PROVIDERS


def _known(value: str) -> str:
    if value not in PROVIDERS:
        raise PydanticCustomError("invalid", f"must be {' or '.join(sorted(PROVIDERS))}")
    return value


ProviderName = Annotated[
    str,
    PlainValidator(_known),
    WithJsonSchema({"type": "string", "enum": sorted(PROVIDERS)}),
]

_ID = "0199f0d4-3c10-7a52-8f63-5e0d2b7a9c11"
_HEAD = {
    "webhook_event_id": _ID,
    "provider": "stripe",
    "external_event_id": "evt_1PqR5s2eZvKYlo2C",
    "event_type": "payment_intent.succeeded",
    "status": "processed",
    "signature": "verified",
    "received_at": "2026-03-20T15:21:08.902114Z",
    "processed_at": "2026-03-20T15:21:09.120001Z",
    "attempts": 1,
    "error": None,
    "correlation_id": "9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
    "webhook_endpoint_id": "0199f0d4-1b22-7c41-a0d5-77e1c2b3d4e5",
    "deliveries": 1,
    "last_delivered_at": "2026-03-20T15:21:08.902114Z",
    "last_attempt_at": "2026-03-20T15:21:09.101532Z",
    "latency_ms": 217,
    "effect": "applied",
    "codes": [],
    "detail": "$500.00 recorded and applied to INV-000042.",
    "payment_id": "0199f0b7-55aa-7c11-b2d0-0f3f6c8e2d91",
    "replay_requested_at": None,
}


class Delivered(Answer):
    """The event's id with us. `received`: it is stored, and the worker processes it."""

    model_config = example(webhook_event_id=_ID, status="received")

    webhook_event_id: Uuid
    status: Literal["received"]


class ReplayQueued(Answer):
    """The event is processed again by the worker; what was done before is not done twice."""

    model_config = example(webhook_event_id=_ID, status="replay_queued")

    webhook_event_id: Uuid
    status: Literal["replay_queued"]


class WebhookEventQuery(Body):
    """Which events."""

    provider: ProviderName | None = None
    status: WebhookEventStatus | None = None
    event_type: Annotated[str, one_line(TYPE_LENGTH_MAX)] | None = None
    external_event_id: Annotated[str, one_line(ID_LENGTH_MAX)] | None = None
    signature: SignatureResult | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class WebhookEventOut(Answer):
    """An event as lists show it. `error`: why it failed; `detail`: what it did."""

    model_config = example(**_HEAD)

    webhook_event_id: Uuid
    provider: str
    external_event_id: str = Field(description="The provider's id of it, taken once for ever.")
    event_type: str | None
    status: Literal["received", "processing", "processed", "failed", "ignored"]
    signature: Literal["verified", "api_key", "failed"]
    received_at: Instant
    processed_at: Instant | None
    attempts: int = Field(description="How often it was processed.")
    error: str | None
    correlation_id: str
    webhook_endpoint_id: Uuid | None = Field(description="Null when it came with an API key.")
    deliveries: int = Field(description="How often the provider sent it.")
    last_delivered_at: Instant
    last_attempt_at: Instant | None
    latency_ms: int | None = Field(description="From its arrival until it was processed.")
    effect: Literal["applied", "unchanged", "kept_as_credit", "waiting"] | None
    codes: list[str] = Field(description="Stable words for what was out of the ordinary.")
    detail: str | None
    payment_id: Uuid | None
    replay_requested_at: Instant | None = Field(description="Set while a replay is waiting.")


class WebhookEventDetailOut(WebhookEventOut):
    """An event with the body as it came, and the headers that explain its signature."""

    model_config = example(
        **_HEAD,
        payload='{"id": "evt_1PqR5s2eZvKYlo2C", "type": "payment_intent.succeeded"}',
        headers={"stripe-signature": "t=1774020068,v1=[redacted]"},
    )

    payload: str = Field(description="The body as text, untouched.")
    headers: dict[str, str]


class WebhookEventPage(Answer):
    """Some events, newest first."""

    items: list[WebhookEventOut]
    next_cursor: str | None
