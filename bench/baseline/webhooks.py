"""Baseline: a bare route that stores the delivery as one row, and does nothing else.

No signature is looked at, nothing is found by a token, no repetition is noticed, nothing is queued.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from backend.ids import new_id
from backend.webhooks.models import SignatureResult, WebhookEvent, WebhookEventStatus
from bench.baseline.database import engine

router = APIRouter()


@router.post("/bare/webhooks", status_code=202)
async def store_event(request: Request) -> dict[str, Any]:
    """Store the body and answer."""
    body = await request.body()
    return await run_in_threadpool(_store, body, request.headers["x-event-id"])


def _store(body: bytes, external_event_id: str) -> dict[str, Any]:
    now, event_id = datetime.now(UTC), new_id()
    with Session(engine) as session:
        session.add(
            WebhookEvent(
                tenant_id=UUID(os.environ["BENCH_TENANT"]),
                id=event_id,
                provider="stripe",
                external_event_id=external_event_id,
                event_type="payment_intent.succeeded",
                status=WebhookEventStatus.RECEIVED,
                signature=SignatureResult.VERIFIED,
                payload=body,
                headers="{}",
                received_at=now,
                deliveries=1,
                last_delivered_at=now,
                attempts=0,
                correlation_id=event_id.hex,
            )
        )
        session.commit()
    return {"webhook_event_id": event_id, "status": "received"}
