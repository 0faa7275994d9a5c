"""Webhooks that come with an API key, the events there are, and their replay.

What providers deliver and sign themselves is in `signed_webhooks`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import Query

from backend.actor import Action, Actor
from backend.api import render
from backend.api.bodies import RawHeaders
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints, RawBody
from backend.api.replies import Reply, ok
from backend.api.schemas.common import Body
from backend.api.schemas.webhooks import (
    Delivered,
    ReplayQueued,
    WebhookEventDetailOut,
    WebhookEventPage,
    WebhookEventQuery,
)
from backend.db.engine import Database
from backend.errors import InvalidInput
from backend.idempotency import Answer
from backend.unit_of_work import UnitOfWork, run_async
from backend.webhooks.ingest import Delivery, Stored, read_delivery, store_delivery
from backend.webhooks.models import SignatureResult
from backend.webhooks.providers import provider_called
from backend.webhooks.providers.base import Headers
from backend.webhooks.queries import WebhookEventFilter, get_event, list_events
from backend.webhooks.replay import replay_event

endpoints = Endpoints("Webhooks")
EVENTS_PATH = "/api/webhooks/events"
UNREADABLE = "The body is no event; it is kept, and `webhook_event_id` names it."


class Fingerprint(Body):
    """What makes two deliveries the same request."""

    event_id: str
    body_sha256: str


@endpoints(
    "POST",
    "/api/webhooks/{provider}",
    Action.PAYMENTS_WRITE,
    status=202,
    answer=Delivered,
    answers="Stored. The worker processes it.",
    problems={404: "There is no such payment provider.", 422: UNREADABLE},
    not_at=EVENTS_PATH,
)
async def deliver_event(call: Call, provider: str, body: RawBody) -> Reply:
    """Hand over an event that a provider sent to you, with your API key.

    The body must be what the provider sent. An event that is known is answered with 200.
    """
    source = provider_called(provider)
    headers = plain_headers(call.scope["headers"])
    source.require_headers(headers)
    delivery = read_delivery(source, body, headers, SignatureResult.API_KEY)
    if delivery.identity is None:
        raise await kept_as_unreadable(call.services.db, call.actor, delivery)
    request = Fingerprint(
        event_id=delivery.identity.event_id, body_sha256=hashlib.sha256(body).hexdigest()
    )
    return await call.write(lambda work: taken(store_delivery(work, delivery)), body=request)


@endpoints(
    "GET",
    EVENTS_PATH,
    Action.READ,
    answer=WebhookEventPage,
    answers="A page of events.",
)
async def get_webhook_events(call: Call, query: Annotated[WebhookEventQuery, Query()]) -> Reply:
    """List webhook events, newest first."""
    narrowed = WebhookEventFilter(
        provider=query.provider,
        status=query.status,
        event_type=query.event_type,
        external_event_id=query.external_event_id,
        signature=query.signature,
    )
    found = await call.read(list_events, narrowed, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.webhook_event))


@endpoints(
    "GET",
    f"{EVENTS_PATH}/{{webhook_event_id}}",
    Action.READ,
    answer=WebhookEventDetailOut,
    answers="The event.",
)
async def get_one_webhook_event(call: Call, webhook_event_id: UUID) -> Reply:
    """Read a webhook event with its body and headers."""
    found = await call.read_by_key(get_event, webhook_event_id)
    return ok(render.webhook_event_detail(found))


@endpoints(
    "POST",
    "/api/webhooks/{webhook_event_id}/replay",
    Action.SUPPORT_TOOLS,
    status=202,
    answer=ReplayQueued,
    answers="Queued. The worker processes it again.",
)
async def replay_webhook_event(call: Call, webhook_event_id: UUID) -> Reply:
    """Have a webhook event processed again; what it did before is not done twice."""

    def replay(work: UnitOfWork) -> Answer:
        replay_event(work, webhook_event_id)
        told = {"webhook_event_id": webhook_event_id, "status": "replay_queued"}
        return answered(told, status=202)

    return await call.write(replay)


def plain_headers(raw: RawHeaders) -> Headers:
    """The headers of a delivery, by lower-case name; the first of each."""
    headers: dict[str, str] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def taken(stored: Stored) -> Answer:
    """202 for an event that is new, 200 for one that is known."""
    told = {"webhook_event_id": stored.webhook_event_id, "status": "received"}
    return answered(told, status=202 if stored.is_new else 200)


async def kept_as_unreadable(db: Database, actor: Actor, delivery: Delivery) -> InvalidInput:
    """Store what is no event, and return the error that says so."""
    assert delivery.problem is not None
    stored = await run_async(db, actor, store_delivery, delivery)
    delivery.problem.facts["webhook_event_id"] = str(stored.webhook_event_id)
    return delivery.problem
