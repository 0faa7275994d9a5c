"""One provider event as text: what came, why it was believed, and what it did."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.actor import Action
from backend.errors import NotFound
from backend.payments.queries import find_payment
from backend.reporting.activity import ActivityEntry, ActivityFilter, list_activity
from backend.unit_of_work import Reader
from backend.webhooks.endpoints import EndpointView, get_endpoint
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.queries import WebhookEventDetail, WebhookEventView, get_event
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components.timeline import Change, Entry, TimelineDay, group_by_day
from billerjacket_app.pages import rows
from billerjacket_app.pages.webhooks_rows import (
    badge_of,
    endpoint_name,
    latency_text,
    problem_text,
    provider_text,
)
from billerjacket_app.status import Badge

# As much of a body as a browser shows without trouble; all of it can be downloaded.
BODY_CHARACTERS_MAX = 60_000
STEPS_MAX = 50
_PAGES_OF = {
    "invoice": ("invoice", routes.invoice),
    "payment": ("payment", routes.payment),
    "customer": ("customer", routes.customer),
    "communication": ("e-mail", lambda email_id: routes.mailbox(open=email_id)),
}


@dataclass
class Pair:
    """A name and its value."""

    name: str = ""
    value: str = ""


@dataclass
class Link:
    """A link with its text."""

    label: str = ""
    href: str = ""


@dataclass
class WebhookFacts:
    """The event."""

    webhook_event_id: str = ""
    title: str = ""
    badge: Badge = field(default_factory=Badge)
    provider: str = ""
    event_type: str = ""
    external_id: str = ""
    received: fmt.When = field(default_factory=fmt.When)
    deliveries: str = ""
    attempts: str = ""
    processed: fmt.When = field(default_factory=fmt.When)
    latency: str = ""
    correlation_id: str = ""
    trace_href: str = ""
    endpoint: Link = field(default_factory=Link)
    signature: Badge = field(default_factory=Badge)
    why: str = ""
    effect: Badge = field(default_factory=Badge)
    has_effect: bool = False
    detail: str = ""
    codes: str = ""
    error: str = ""
    replay: str = ""  # who waits for it
    is_processed: bool = False
    is_unfinished: bool = False
    pretty: str = ""
    raw: str = ""
    cut: str = ""
    download_href: str = ""


@dataclass(frozen=True)
class WebhookPage:
    """All of the page."""

    facts: WebhookFacts
    headers: list[Pair]
    caused: list[Link]
    history: list[TimelineDay]
    effects: list[TimelineDay]


def get_event_for_support(reader: Reader, event_id: UUID) -> WebhookEventDetail:
    """One event with its body, which only those who support may see here. Raises NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    return get_event(reader, event_id)


def load_webhook(reader: Reader, webhook_event_id: str) -> WebhookPage:
    """One event. Raises NotAllowed, NotFound."""
    event_id = rows.record_id(webhook_event_id, "webhook event")
    event = get_event_for_support(reader, event_id)
    about = ActivityFilter(entity_type="webhook_event", entity_id=event_id)
    history = list_activity(reader, about, limit=STEPS_MAX).items
    same = ActivityFilter(correlation_id=event.head.correlation_id)
    effects = [
        entry
        for entry in list_activity(reader, same, limit=STEPS_MAX).items
        if entry.entity_type != "webhook_event"
    ]
    zone = rows.zone_of(reader)

    def days(entries: list[Entry]) -> list[TimelineDay]:
        return group_by_day(entries, zone=zone, today=reader.today, unfolded=True)

    return WebhookPage(
        facts=_facts(reader, event, zone),
        headers=[Pair(name, value) for name, value in event.headers.items()],
        caused=_caused(reader, event.head),
        history=days([_arrival(event.head), *_entries(history)]),
        effects=days(list(_entries(effects))),
    )


def _facts(reader: Reader, event: WebhookEventDetail, zone: ZoneInfo) -> WebhookFacts:
    head = event.head
    endpoint = _endpoint_of(reader, head)
    text = event.payload_text
    size = len(event.payload)
    is_long = len(text) > BODY_CHARACTERS_MAX
    return WebhookFacts(
        webhook_event_id=str(head.webhook_event_id),
        title=head.event_type or "Unreadable event",
        badge=badge_of(head),
        provider=provider_text(head.provider),
        event_type=head.event_type or fmt.NOTHING,
        external_id=head.external_event_id,
        received=fmt.when_exactly(head.received_at, zone),
        deliveries=_deliveries(head, zone),
        attempts=fmt.count(head.attempts),
        processed=fmt.when_exactly(head.processed_at, zone),
        latency=latency_text(head.latency_ms),
        correlation_id=head.correlation_id,
        trace_href=routes.trace(head.correlation_id),
        endpoint=Link(
            endpoint_name(endpoint), routes.webhooks(endpoint=endpoint.webhook_endpoint_id)
        )
        if endpoint
        else Link(),
        signature=status.SIGNATURE[head.signature],
        why=why_believed(head, endpoint, zone),
        effect=status.EFFECT.get(head.effect or "", Badge()),
        has_effect=head.effect is not None,
        detail=head.detail or "",
        codes=", ".join(code.replace("_", " ") for code in head.codes),
        error=problem_text(head.error),
        replay=f"A replay was asked for at {fmt.when_exactly(head.replay_requested_at, zone).text} "
        "and waits for the worker."
        if head.replay_requested_at
        else "",
        is_processed=head.status is WebhookEventStatus.PROCESSED,
        is_unfinished=head.status in (WebhookEventStatus.RECEIVED, WebhookEventStatus.PROCESSING),
        pretty="" if is_long else pretty_json(text),
        raw=text[:BODY_CHARACTERS_MAX],
        cut=f"The first {fmt.count(BODY_CHARACTERS_MAX)} characters of {fmt.size(size)}."
        if is_long
        else "",
        download_href=f"/files/webhooks/{head.webhook_event_id}",
    )


def _endpoint_of(reader: Reader, head: WebhookEventView) -> EndpointView | None:
    if head.webhook_endpoint_id is None:
        return None
    try:
        return get_endpoint(reader, head.webhook_endpoint_id)
    except NotFound:
        return None


def _deliveries(head: WebhookEventView, zone: ZoneInfo) -> str:
    if head.deliveries == 1:
        return "Once"
    last = fmt.when_exactly(head.last_delivered_at, zone).text
    return f"{fmt.count(head.deliveries)} times, the last {last}; kept once"


def why_believed(head: WebhookEventView, endpoint: EndpointView | None, zone: ZoneInfo) -> str:
    """Why the sender was believed, or not, in words."""
    if head.signature is SignatureResult.API_KEY:
        return (
            "It came with an API key of your business in place of a signature: whoever holds the "
            "key is trusted to pass on what the provider said."
        )
    if head.signature is SignatureResult.FAILED:
        return (
            "No secret of the endpoint made this signature, or it was too old. It proves nothing "
            "about who sent the event, so nothing was done with it."
        )
    name = f"the endpoint {endpoint_name(endpoint)}" if endpoint else "an endpoint"
    both = ""
    if endpoint and endpoint.previous_secret_set_at is not None:
        both = " Two secrets are good there just now; one of them made it."
    at = fmt.when_exactly(head.received_at, zone).text
    return (
        f"The signature was made over these very bytes with the secret of {name}, and its "
        f"timestamp lay within five minutes of our clock when it came ({at}).{both}"
    )


def pretty_json(text: str) -> str:
    """The body indented, its numbers as they came; empty when it is no JSON."""
    # Python would write 12.50 as 12.5: each such number is kept apart, under a name of its own.
    numbers: list[str] = []
    name = uuid.uuid4().hex

    def kept(number: str) -> str:
        numbers.append(number)
        return f"{name}{len(numbers) - 1}"

    try:
        indented = json.dumps(json.loads(text, parse_float=kept), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
    return re.sub(rf'"{name}(\d+)"', lambda found: numbers[int(found[1])], indented)


def _caused(reader: Reader, head: WebhookEventView) -> list[Link]:
    """The payment that the event made or changed, its customer, and its invoices."""
    payment = find_payment(reader, head.payment_id) if head.payment_id else None
    if payment is None:
        return []
    amount = fmt.money(payment.amount, payment.currency_code)
    return [
        Link(f"Payment of {amount}", routes.payment(payment.payment_id)),
        *(
            Link(f"Invoice {part.invoice_number}", routes.invoice(part.invoice_id))
            for part in payment.allocations
        ),
        Link(payment.customer_name, routes.customer(payment.customer_id)),
    ]


def _arrival(head: WebhookEventView) -> Entry:
    return Entry(
        at=head.received_at,
        type="webhook.received",
        title="Received",
        detail="Kept as it came, before anything else",
        actor=provider_text(head.provider),
    )


def _entries(found: Iterable[ActivityEntry]) -> Iterable[Entry]:
    """Entries of the log, oldest first."""
    for entry in sorted(found, key=lambda one: one.sequence):
        after = {change.name: change.after or "" for change in entry.changes}
        noun, page_of = _PAGES_OF.get(entry.entity_type, ("", None))
        is_event = entry.entity_type == "webhook_event"
        yield Entry(
            at=entry.at,
            type=entry.action,
            title=entry.title.removeprefix("Webhook event ").capitalize()
            if is_event
            else entry.title,
            detail=problem_text(after.get("error")) or after.get("detail", "") if is_event else "",
            actor=entry.actor,
            href=page_of(entry.entity_id) if page_of else "",
            link_text=noun,
            changes=()
            if is_event
            else tuple(
                Change(change.name.replace("_", " "), change.before or "—", change.after or "—")
                for change in entry.changes
                if change.before is not None
            ),
        )
