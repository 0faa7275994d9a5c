"""Deliveries of payment providers, signed as they sign them: by their own libraries."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook
from stripe import WebhookSignature

Json = dict[str, Any]
STRIPE_SECRET = "whsec_" + "s3cret" * 6
STANDARD_SECRET = "whsec_" + base64.b64encode(b"standard-webhooks-secret-of-32-b").decode()


def as_bytes(event: Json) -> bytes:
    """The body a provider sends, in its own spacing."""
    return json.dumps(event, indent=2).encode()


def signed_by_stripe(body: bytes, *secrets: str, at: datetime) -> dict[str, str]:
    """The header; with several secrets one signature of each, as while a secret is rolled."""
    seconds = int(at.timestamp())
    text = body.decode("utf-8", "replace")
    signatures = [
        WebhookSignature.generate_signature_header(text, secret, seconds).partition(",")[2]
        for secret in secrets or (STRIPE_SECRET,)
    ]
    return {"Stripe-Signature": ",".join([f"t={seconds}", *signatures])}


def signed_by_standard(
    body: bytes, event_id: str, *secrets: str, at: datetime | None = None
) -> dict[str, str]:
    """The three headers; the library that verifies them looks at the real clock."""
    moment = at or datetime.now(UTC)
    text = body.decode("utf-8", "replace")
    signatures = [
        Webhook(secret).sign(event_id, moment, text) for secret in secrets or (STANDARD_SECRET,)
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def stripe_event(event_id: str, event_type: str, subject: Json, **more: Any) -> Json:
    """An event as Stripe sends it."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": 1_772_600_000,
        "type": event_type,
        "data": {"object": subject},
    } | more


def payment_intent(intent_id: str, amount: int, currency: str = "usd", **metadata: str) -> Json:
    """A payment intent that succeeded; `amount` in the smallest unit."""
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount,
        "currency": currency,
        "metadata": metadata,
        "status": "succeeded",
    }


def charge(intent_id: str, amount: int, refunded: int, currency: str = "usd") -> Json:
    """The charge of a payment intent, some of it refunded."""
    return {
        "id": f"ch_{intent_id}",
        "object": "charge",
        "amount": amount,
        "amount_refunded": refunded,
        "currency": currency,
        "payment_intent": intent_id,
        "metadata": {},
    }


def dispute(intent_id: str, amount: int, status: str, currency: str = "usd") -> Json:
    """A dispute of a payment."""
    return {
        "id": f"du_{intent_id}",
        "object": "dispute",
        "amount": amount,
        "charge": f"ch_{intent_id}",
        "currency": currency,
        "payment_intent": intent_id,
        "reason": "fraudulent",
        "status": status,
        "metadata": {},
    }


def standard_event(event_type: str, **data: Any) -> Json:
    """An event in the shape that we document."""
    return {"type": event_type, "timestamp": "2026-03-04T17:30:00Z", "data": data}
