"""Reading webhook events: one with its payload, and lists by key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from backend.actor import Action
from backend.db.statements import TENANT, Statement, constant
from backend.errors import NotFound
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader
from backend.webhooks.models import WEBHOOK_EVENTS, SignatureResult, WebhookEventStatus
from backend.webhooks.providers import PROVIDERS

_W = WEBHOOK_EVENTS
_HEAD = (
    _W.c.id.label("webhook_event_id"),
    _W.c.endpoint_id.label("webhook_endpoint_id"),
    _W.c.provider,
    _W.c.external_event_id,
    _W.c.event_type,
    _W.c.status,
    _W.c.signature,
    _W.c.received_at,
    _W.c.deliveries,
    _W.c.last_delivered_at,
    _W.c.attempts,
    _W.c.last_attempt_at,
    _W.c.processed_at,
    _W.c.error,
    _W.c.effect,
    _W.c.codes,
    _W.c.detail,
    _W.c.payment_id,
    _W.c.replay_requested_at,
    _W.c.correlation_id,
)
_ALL = sa.select(*_HEAD).where(_W.c.tenant_id == TENANT)
_ONE = _W.c.id == sa.bindparam("event_id")
_GET = Statement(
    sa.select(*_HEAD, _W.c.payload, _W.c.headers).where(_W.c.tenant_id == TENANT, _ONE)
)
_FIND = Statement(_ALL.where(_ONE))
_PLACE = Statement(sa.select(_W.c.row_id).where(_W.c.tenant_id == TENANT, _ONE))
_EQUAL = ("provider", "status", "event_type", "external_event_id", "signature", "endpoint_id")


@dataclass(frozen=True, slots=True)
class WebhookEventView:
    """An event as lists show it.

    `error` is why it could not be processed; `effect`, `codes` and `detail` what it did when it
    could. `deliveries` counts how often it came, `attempts` how often it was processed.
    """

    webhook_event_id: UUID
    webhook_endpoint_id: UUID | None
    provider: str
    external_event_id: str
    event_type: str | None
    status: WebhookEventStatus
    signature: SignatureResult
    received_at: datetime
    deliveries: int
    last_delivered_at: datetime
    attempts: int
    last_attempt_at: datetime | None
    processed_at: datetime | None
    error: str | None
    effect: str | None
    codes: tuple[str, ...]
    detail: str | None
    payment_id: UUID | None
    replay_requested_at: datetime | None
    correlation_id: str

    @property
    def latency_ms(self) -> int | None:
        """Milliseconds from its arrival until it was processed."""
        if self.processed_at is None:
            return None
        taken = self.processed_at - self.received_at
        return taken.days * 86_400_000 + taken.seconds * 1000 + taken.microseconds // 1000


@dataclass(frozen=True, slots=True)
class WebhookEventDetail:
    """An event with the very bytes that came, and the headers that explain its signature."""

    head: WebhookEventView
    payload: bytes
    headers: dict[str, str]

    @property
    def payload_text(self) -> str:
        """The payload as text; bytes that are none are shown as �."""
        return self.payload.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class WebhookEventFilter:
    """What a list of events is narrowed to; `received_from` is inclusive, `received_before` not."""

    provider: str | None = None
    status: WebhookEventStatus | None = None
    event_type: str | None = None
    external_event_id: str | None = None
    signature: SignatureResult | None = None
    endpoint_id: UUID | None = None
    received_from: datetime | None = None
    received_before: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """What is given, by the names of the statements' parameters."""
        return {
            name: value
            for name in (*_EQUAL, "received_from", "received_before")
            if (value := getattr(self, name)) is not None
        }


def get_event(reader: Reader, event_id: UUID) -> WebhookEventDetail:
    """One event. Raises NotAllowed, or NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    row = reader.first(_GET, event_id=event_id)
    if row is None:
        raise NotFound("There is no such webhook event.", code="webhook_event_not_found")
    *head, payload, headers = row
    return WebhookEventDetail(_view(head), bytes(payload), orjson.loads(headers))


def find_event(reader: Reader, event_id: UUID) -> WebhookEventView | None:
    """One event as lists show it, or None when the tenant has none of that id."""
    row = reader.first(_FIND, event_id=event_id)
    return None if row is None else _view(row)


def list_events(
    reader: Reader,
    narrowed: WebhookEventFilter = WebhookEventFilter(),
    *,
    limit: int = 25,
    cursor: str | None = None,
) -> Page[WebhookEventView]:
    """Events, newest first."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    params = narrowed.parameters()
    if cursor is not None:
        place = reader.scalar(_PLACE, event_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["before"] = place
    statement = _list_statement(frozenset(params))
    rows = reader.rows(statement, page=limit + 1, **params)
    items = [_view(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].webhook_event_id) if more else None)


def narrowed_to(query: sa.Select[Any], given: frozenset[str]) -> sa.Select[Any]:
    """The query with the conditions of a filter's parameters."""
    for name in _EQUAL:
        if name in given:
            query = query.where(_W.c[name] == sa.bindparam(name, type_=_W.c[name].type))
    if "external_event_id" in given and "provider" not in given:
        # The index of the providers' ids begins with the provider.
        query = query.where(_W.c.provider.in_([constant(name) for name in PROVIDERS]))
    instant = _W.c.received_at.type
    if "received_from" in given:
        query = query.where(_W.c.received_at >= sa.bindparam("received_from", type_=instant))
    if "received_before" in given:
        query = query.where(_W.c.received_at < sa.bindparam("received_before", type_=instant))
    return query


@functools.lru_cache(maxsize=512)
def _list_statement(given: frozenset[str]) -> Statement:
    query = narrowed_to(_ALL, given)
    order: ColumnElement[int] = _W.c.row_id
    if "external_event_id" in given:
        # There are few: found by their index and then sorted, rather than looked for along the
        # tenant's whole list because that happens to be in order.
        order = _W.c.row_id + constant(0)
    if "before" in given:
        query = query.where(order < sa.bindparam("before", type_=sa.BigInteger))
    page = sa.bindparam("page", type_=sa.Integer)
    return Statement(query.order_by(order.desc()).limit(page))


def _view(head: Any) -> WebhookEventView:
    facts = dict(zip((column.key for column in _HEAD), head, strict=True))
    facts["codes"] = tuple(facts["codes"].split()) if facts["codes"] else ()
    return WebhookEventView(**facts)
