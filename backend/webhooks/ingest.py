"""Taking a delivery: the very bytes are stored, and processing is left to the worker.

One transaction, so one commit: the row, and the message that has it processed. The same event
delivered again finds the first row, for ever, and is only counted. What cannot be read as an event
is stored too, so that support can look at it, but under an id of its own: were it to take the
event's, the event proper would be taken for a repetition.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.errors import BillerJacketError, InvalidInput
from backend.ids import new_id
from backend.messaging.contracts import WebhookReceived
from backend.unit_of_work import UnitOfWork
from backend.webhooks.models import WEBHOOK_EVENTS, SignatureResult, WebhookEventStatus
from backend.webhooks.payloads import parse_object
from backend.webhooks.providers.base import Headers, Identity, Provider

_W = WEBHOOK_EVENTS
_ERROR_LENGTH = 1000
_FIND = Statement(
    sa.select(_W.c.id).where(
        _W.c.tenant_id == TENANT,
        _W.c.provider == sa.bindparam("provider"),
        _W.c.external_event_id == sa.bindparam("external_event_id"),
    )
)
_INSERT = Statement(sa.insert(_W))
_DELIVERED_AGAIN = Statement(
    sa.update(_W)
    .where(_W.c.tenant_id == TENANT, _W.c.id == sa.bindparam("event_id"))
    .values(deliveries=_W.c.deliveries + 1, last_delivered_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a provider, or an app in its place, has sent: bytes, the headers that explain them.

    `identity` is None when no event could be read, and `problem` says why.
    """

    provider: str
    signature: SignatureResult
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    identity: Identity | None
    problem: InvalidInput | None = None
    endpoint_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The event's id with us, and whether this delivery was the first of it."""

    webhook_event_id: UUID
    is_new: bool


def read_delivery(
    provider: Provider,
    body: bytes,
    headers: Headers,
    signature: SignatureResult,
    endpoint_id: UUID | None = None,
) -> Delivery:
    """What was delivered; never fails, for whatever came is stored."""
    identity, problem = None, None
    try:
        identity = provider.identify(parse_object(body), headers)
    except InvalidInput as error:
        problem = error
    return Delivery(
        provider=provider.name,
        signature=signature,
        body=body,
        headers=provider.explain(headers),
        identity=identity,
        problem=problem,
        endpoint_id=endpoint_id,
    )


def store_delivery(work: UnitOfWork, delivery: Delivery) -> Stored:
    """Store it, and have it processed; a repetition is only counted."""
    identity, problem = delivery.identity, delivery.problem
    external_id = identity.event_id if identity else _id_of_unreadable(delivery.body)
    known: UUID | None = work.scalar(
        _FIND, provider=delivery.provider, external_event_id=external_id
    )
    if known is not None:
        work.execute(_DELIVERED_AGAIN, event_id=known, now=work.now)
        return Stored(known, is_new=False)
    event_id = new_id()
    work.execute(
        _INSERT,
        id=event_id,
        endpoint_id=delivery.endpoint_id,
        provider=delivery.provider,
        external_event_id=external_id,
        event_type=identity.event_type if identity else None,
        status=WebhookEventStatus.FAILED if problem else WebhookEventStatus.RECEIVED,
        signature=delivery.signature,
        payload=delivery.body,
        headers=orjson.dumps(delivery.headers).decode(),
        received_at=work.now,
        deliveries=1,
        last_delivered_at=work.now,
        attempts=0,
        last_attempt_at=None,
        processed_at=None,
        error=told(problem) if problem else None,
        effect=None,
        codes=None,
        detail=None,
        payment_id=None,
        replay_requested_at=None,
        settled_message_id=None,
        correlation_id=work.actor.correlation_id,
    )
    if problem is None:
        work.send(WebhookReceived(webhook_event_id=event_id))
    return Stored(event_id, is_new=True)


def told(error: BillerJacketError) -> str:
    """An error as it is kept with an event: its code, and the sentence for people."""
    return f"{error.code}: {error.detail}"[:_ERROR_LENGTH]


def _id_of_unreadable(body: bytes) -> str:
    return f"unreadable:{hashlib.sha256(body).hexdigest()}"
