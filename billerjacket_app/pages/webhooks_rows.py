"""The provider events that an address names, as text: rows, filters, endpoints, a page's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.actor import Action
from backend.unit_of_work import Reader
from backend.webhooks.endpoints import EndpointView, list_endpoints
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.plan import ReplayPlan
from backend.webhooks.queries import (
    WebhookEventFilter,
    WebhookEventView,
    find_event,
    list_events,
)
from backend.webhooks.replay import REPLAYS_MAX
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters
from billerjacket_app.newer import LOOK_MAX
from billerjacket_app.pages import rows
from billerjacket_app.status import Badge

PAGE_SIZE = 50
FILTERS = ("status", "provider", "signature", "type", "q", "endpoint", "cursor")
# A refusal as young as this is told above the list.
_RECENT = timedelta(hours=24)


@dataclass
class WebhookRow:
    """An event as a row."""

    key: str = ""
    href: str = ""
    received: fmt.When = field(default_factory=fmt.When)
    provider: str = ""
    event_type: str = ""
    external_id: str = ""
    signature: Badge = field(default_factory=Badge)
    badge: Badge = field(default_factory=Badge)
    problem: str = ""
    attempts: str = ""
    latency: str = ""
    correlation_id: str = ""
    correlation_short: str = ""
    trace_href: str = ""


@dataclass
class EndpointRow:
    """An address of the tenant as support sees it."""

    key: str = ""
    name: str = ""
    events_href: str = ""
    badge: Badge = field(default_factory=Badge)
    last: fmt.When = field(default_factory=fmt.When)
    refused: str = ""
    refused_last: fmt.When = field(default_factory=fmt.When)
    reason: str = ""


@dataclass(frozen=True)
class WebhookList:
    """One page of events with what stands around it."""

    rows: list[WebhookRow]
    tabs: list[filters.Tab]
    types: list[str]
    chips: list[filters.Chip]
    pager: filters.Pager
    endpoints: list[EndpointRow]
    warnings: list[str]
    newest: list[str]


@dataclass
class PlanView:
    """What a replay of many would be, in words."""

    title: str = ""
    verb: str = ""
    span: str = ""
    processed: str = ""
    is_possible: bool = False


@dataclass(frozen=True)
class Looked:
    """What changed meanwhile: the rows that are shown as they stand now, and the newest keys."""

    rows: dict[str, WebhookRow]
    newest: list[str]


def filter_of(query: Mapping[str, str]) -> WebhookEventFilter:
    """The address as a filter. Raises InvalidInput."""
    return WebhookEventFilter(
        provider=query["provider"] or None,
        status=rows.optional_choice(WebhookEventStatus, query["status"], "status"),
        event_type=query["type"] or None,
        external_event_id=query["q"] or None,
        signature=rows.optional_choice(SignatureResult, query["signature"], "signature"),
        endpoint_id=rows.optional_id(query["endpoint"], "endpoint"),
    )


def load_webhooks(reader: Reader, query: dict[str, str]) -> WebhookList:
    """The page that the address names. Raises InvalidInput, NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    zone, cursor = rows.zone_of(reader), query["cursor"] or None
    page = list_events(reader, filter_of(query), limit=PAGE_SIZE, cursor=cursor)
    here = {**query, "cursor": ""}
    count, more = fmt.count(len(page.items), "event"), page.next_cursor
    endpoints = list_endpoints(reader)
    return WebhookList(
        rows=[webhook_row(event, zone) for event in page.items],
        tabs=_tabs(here),
        types=sorted({event.event_type for event in page.items if event.event_type}),
        chips=_chips(here, endpoints),
        pager=filters.Pager(
            text=f"{count} on this page" if more or cursor else count,
            first_href=routes.webhooks(**here) if cursor else "",
            next_href=routes.webhooks(**here | {"cursor": more}) if more else "",
        ),
        endpoints=[_endpoint(one, zone) for one in endpoints],
        warnings=_warnings(reader, endpoints),
        newest=_newest(reader, query),
    )


def look_again(reader: Reader, query: dict[str, str], keys: list[str]) -> Looked:
    """The rows that are shown, whether they still match or not, and what is new."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    zone = rows.zone_of(reader)
    found = {key: find_event(reader, UUID(key)) for key in keys}
    return Looked(
        {key: webhook_row(event, zone) for key, event in found.items() if event},
        _newest(reader, query),
    )


def _newest(reader: Reader, query: dict[str, str]) -> list[str]:
    """The newest events that match; none of an older page, which nothing new belongs to."""
    if query["cursor"]:
        return []
    newest = list_events(reader, filter_of(query), limit=LOOK_MAX)
    return [str(event.webhook_event_id) for event in newest.items]


def webhook_row(event: WebhookEventView, zone: ZoneInfo) -> WebhookRow:
    """One event."""
    return WebhookRow(
        key=str(event.webhook_event_id),
        href=routes.webhook(event.webhook_event_id),
        received=fmt.when_exactly(event.received_at, zone),
        provider=provider_text(event.provider),
        event_type=event.event_type or "Unreadable",
        external_id=event.external_event_id,
        signature=status.SIGNATURE[event.signature],
        badge=badge_of(event),
        problem=problem_text(event.error),
        attempts=fmt.count(event.attempts),
        latency=latency_text(event.latency_ms),
        correlation_id=event.correlation_id,
        correlation_short=fmt.short_id(event.correlation_id),
        trace_href=routes.trace(event.correlation_id),
    )


def badge_of(event: WebhookEventView) -> Badge:
    """How the event stands."""
    return status.webhook(event.status, is_asked_again=event.replay_requested_at is not None)


def provider_text(provider: str) -> str:
    """A provider's name for people."""
    return status.PROVIDERS.get(provider, provider)


def latency_text(milliseconds: int | None) -> str:
    """From arrival until processed: `120 ms`, `1.2 s`, `3 min`, `2 h`."""
    if milliseconds is None:
        return fmt.NOTHING
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s"
    minutes = milliseconds // 60_000
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def endpoint_name(endpoint: EndpointView) -> str:
    """An address by its provider and how its token begins."""
    return f"{provider_text(endpoint.provider)} {endpoint.token_hint}…"


def endpoint_badge(endpoint: EndpointView) -> Badge:
    """Whether it takes deliveries."""
    if endpoint.is_active:
        return Badge("Active", "circle-check", "green")
    return Badge("Switched off", "ban", "slate")


def plan_view(plan: ReplayPlan, zone: ZoneInfo) -> PlanView:
    """The plan in words."""
    if plan.count == 0:
        return PlanView("There is nothing to replay", "Replay")
    what = fmt.count(plan.count, "event")
    if plan.count > REPLAYS_MAX:
        limit = fmt.count(REPLAYS_MAX)
        return PlanView(f"{what} are too many for one go", "Replay", f"Narrow it to {limit}.")
    oldest, newest = (fmt.when_exactly(at, zone).text for at in (plan.oldest_at, plan.newest_at))
    span = f"Received from {oldest} to {newest}." if oldest != newest else f"Received {oldest}."
    done = fmt.count(plan.processed)
    said = {
        0: "None of them has been processed yet.",
        plan.count: "All of them are processed already; asked again, they change nothing.",
    }.get(
        plan.processed, f"{done} of them are processed already; asked again, they change nothing."
    )
    return PlanView(f"Replay {what}?", f"Replay {what}", span, said, is_possible=True)


def _endpoint(endpoint: EndpointView, zone: ZoneInfo) -> EndpointRow:
    return EndpointRow(
        key=str(endpoint.webhook_endpoint_id),
        name=endpoint_name(endpoint),
        events_href=routes.webhooks(endpoint=endpoint.webhook_endpoint_id),
        badge=endpoint_badge(endpoint),
        last=fmt.when_exactly(endpoint.last_event_at, zone),
        refused=fmt.count(endpoint.refused_count),
        refused_last=fmt.when_exactly(endpoint.last_refused_at, zone),
        reason=sentence(endpoint.last_refused_reason),
    )


def sentence(text: str | None) -> str:
    """With a capital and a full stop; nothing of nothing."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def problem_text(error: str | None) -> str:
    """Why it could not be processed: the sentence without the code before it."""
    if not error:
        return ""
    code, colon, said = error.partition(": ")
    return sentence(said if colon and " " not in code else error)


def _warnings(reader: Reader, endpoints: list[EndpointView]) -> list[str]:
    """What was refused of late: a provider with a wrong secret tells nobody else."""
    zone = rows.zone_of(reader)
    return [
        f"Deliveries to {endpoint_name(endpoint)} are refused, the last at "
        f"{fmt.when_exactly(endpoint.last_refused_at, zone).text}: "
        f"{sentence(endpoint.last_refused_reason)}"
        for endpoint in endpoints
        if endpoint.last_refused_at is not None
        and reader.now - endpoint.last_refused_at < _RECENT
        and (endpoint.last_event_at is None or endpoint.last_event_at < endpoint.last_refused_at)
    ]


def _tabs(here: dict[str, str]) -> list[filters.Tab]:
    return [
        filters.Tab(
            status.WEBHOOK[state].label if state else "All",
            "",
            routes.webhooks(**here | {"status": state}),
            here["status"] == state,
        )
        for state in ("", *(str(known) for known in WebhookEventStatus))
    ]


def _chips(here: dict[str, str], endpoints: list[EndpointView]) -> list[filters.Chip]:
    names: dict[str, str] = {str(one.webhook_endpoint_id): endpoint_name(one) for one in endpoints}
    said: dict[str, Any] = {
        "provider": provider_text,
        "signature": lambda value: f"Signature: {status.SIGNATURE[value].label}",
        "type": lambda value: f"Type is {value}",
        "endpoint": lambda value: f"Delivered to {names.get(value, 'an unknown endpoint')}",
    }
    return [
        filters.Chip(say(here[name]), routes.webhooks(**here | {name: ""}))
        for name, say in said.items()
        if here[name]
    ]
