"""The dead letters that an address names, as text: cards, groups, rows, filters, a page's place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backend.errors import InvalidInput
from backend.messaging.transport import Transport
from backend.support.groups import Groups, LetterGroup, QueueDead, group_letters
from backend.support.items import Handled
from backend.support.letters import (
    LetterFilter,
    LetterKey,
    LetterSummary,
    list_letters,
    parse_queue,
)
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters
from billerjacket_app.pages import rows
from billerjacket_app.pages.support_dlq_state import (
    QUEUE_TITLES,
    AnyActor,
    age,
    asked_for,
    clock_text,
    named,
    zone_of,
)
from billerjacket_app.status import Badge

PAGE_SIZE = 50
FILTERS = ("queue", "reason", "type", "tenant_id", "q", "cursor")


@dataclass
class QueueCard:
    """A queue: how many dead letters, and how old the oldest is."""

    queue: str = ""
    title: str = ""
    href: str = ""
    count: str = ""
    note: str = ""
    current: bool = False
    has_any: bool = False


@dataclass
class GroupRow:
    """Letters of one queue, reason and type."""

    key: str = ""
    href: str = ""
    badge: Badge = field(default_factory=Badge)
    reason: str = ""  # as the address spells it
    queue: str = ""
    message_type: str = ""
    type_text: str = ""
    count: str = ""
    first: fmt.When = field(default_factory=fmt.When)
    last: fmt.When = field(default_factory=fmt.When)
    note: str = ""
    noted: str = ""


@dataclass
class LetterRow:
    """A dead letter as a row."""

    key: str = ""
    href: str = ""
    message_id: str = ""
    short_id: str = ""
    message_type: str = ""
    queue: str = ""
    badge: Badge = field(default_factory=Badge)
    description: str = ""
    tenant: str = ""
    tenant_href: str = ""
    deliveries: str = ""
    at: fmt.When = field(default_factory=fmt.When)
    handled: str = ""


@dataclass
class Option:
    """A choice of a filter."""

    value: str = ""
    label: str = ""


@dataclass(frozen=True)
class LetterList:
    """What the page shows. `total` is how many match, -1 where only counting all would tell.

    `counted` is how many matched when the groups were counted, some seconds ago at most.
    """

    cards: list[QueueCard]
    groups: list[GroupRow]
    rows: list[LetterRow]
    reasons: list[Option]
    types: list[Option]
    chips: list[filters.Chip]
    pager: filters.Pager
    total: int
    counted: int
    is_exact: bool


def filter_of(query: dict[str, str]) -> LetterFilter:
    """The address as a filter. Raises InvalidInput."""
    return LetterFilter(
        queue=parse_queue(query["queue"]) if query["queue"] else None,
        reason=asked_for(query["reason"]),
        message_type=asked_for(query["type"]),
        tenant_id=rows.optional_id(query["tenant_id"], "tenant_id"),
        q=query["q"] or None,
    )


def key_of(text: str) -> LetterKey:
    """A row's key as the services have it. Raises InvalidInput."""
    queue, _, rest = text.partition("/")
    number, _, message_id = rest.partition("/")
    if not number.isdecimal() or not message_id:
        raise InvalidInput.of("message", "is not a dead letter")
    return LetterKey(parse_queue(queue), int(number), message_id)


def load_letters(
    db: Any, transport: Transport, actor: AnyActor, query: dict[str, str]
) -> LetterList:
    """The page that the address names. Raises InvalidInput, NotAllowed, Busy."""
    wanted = filter_of(query)
    zone, now = zone_of(db, actor), db.clock()
    counted = group_letters(db, transport, actor)
    page = list_letters(
        db, transport, actor, wanted, limit=PAGE_SIZE, cursor=query["cursor"] or None
    )
    here = {**query, "cursor": ""}
    is_all = not query["cursor"] and page.next_cursor is None
    known = _matching(counted, wanted)
    if 0 <= known < len(page.items):
        # Kept from before these came: no page may say fewer than it shows.
        counted = group_letters(db, transport, actor, anew=True)
        known = _matching(counted, wanted)
    total = len(page.items) if is_all else known
    is_exact = is_all or counted.is_complete
    tenant_name = next((one.tenant_name for one in page.items if one.tenant_name), "")
    return LetterList(
        cards=[_card(one, here, now) for one in counted.queues],
        groups=[_group(one, zone, now) for one in counted.groups],
        rows=[_row(one, here, zone, now) for one in page.items],
        reasons=_options(
            {one.reason: status.dead_reason(one.reason).label for one in counted.groups},
            query["reason"],
        ),
        types=_options(
            {one.message_type: one.message_type or "No type" for one in counted.groups},
            query["type"],
        ),
        chips=_chips(query, here, tenant_name or ""),
        pager=filters.Pager(
            text=_shown(len(page.items), total, is_exact),
            first_href=routes.dead_letters(**here) if query["cursor"] else "",
            next_href=routes.dead_letters(**here | {"cursor": page.next_cursor})
            if page.next_cursor
            else "",
        ),
        total=total,
        counted=known,
        is_exact=is_exact,
    )


def count_letters(db: Any, transport: Transport, actor: AnyActor, query: dict[str, str]) -> int:
    """How many letters match now; -1 where only looking into all of them would tell."""
    return _matching(group_letters(db, transport, actor), filter_of(query))


def handled_text(handled: Handled | None, zone: ZoneInfo, now: datetime) -> str:
    """Who acts on a letter, or did last: what a colleague must know before acting too."""
    if handled is None:
        return ""
    at = clock_text(handled.at, zone, now)
    doing = {"resubmit": "Resubmit", "discard": "Discard", "purge": "Purge"}[handled.what]
    when = "since" if handled.state in ("waiting", "sent", "archived") else "at"
    return f"{doing} by {handled.who} {when} {at}: {handled.text}"


def _matching(counted: Groups, wanted: LetterFilter) -> int:
    if wanted.tenant_id is not None or wanted.q:
        return -1
    return sum(
        one.count
        for one in counted.groups
        if wanted.queue in (None, one.queue)
        and wanted.reason in (None, one.reason or "")
        and wanted.message_type in (None, one.message_type or "")
    )


def _card(one: QueueDead, here: dict[str, str], now: datetime) -> QueueCard:
    count = fmt.count(one.count)
    return QueueCard(
        queue=one.queue.value,
        title=QUEUE_TITLES[one.queue],
        href=routes.dead_letters(queue=one.queue.value),
        count=count if one.is_exact else f"at least {count}",
        note=f"oldest {age(one.oldest_at, now)}" if one.oldest_at else "none",
        current=here["queue"] == one.queue,
        has_any=one.count > 0,
    )


def _group(one: LetterGroup, zone: ZoneInfo, now: datetime) -> GroupRow:
    noted = f"{one.note_by}, {fmt.exactly(one.note_at, zone)}" if one.note_at else ""
    place = {
        "queue": one.queue.value, "reason": named(one.reason), "type": named(one.message_type)
    }  # fmt: skip
    return GroupRow(
        key="/".join(place.values()),
        href=routes.dead_letters(**place),
        badge=status.dead_reason(one.reason),
        reason=place["reason"],
        queue=place["queue"],
        message_type=place["type"],
        type_text=one.message_type or "No type",
        count=fmt.count(one.count),
        first=fmt.when(one.first_at, zone, now),
        last=fmt.when(one.last_at, zone, now),
        note=one.note or "",
        noted=noted,
    )


def _row(one: LetterSummary, here: dict[str, str], zone: ZoneInfo, now: datetime) -> LetterRow:
    return LetterRow(
        key=f"{one.queue.value}/{one.sequence_number}/{one.message_id}",
        href=routes.dead_letter(one.queue.value, one.sequence_number),
        message_id=one.message_id,
        short_id=short_message_id(one),
        message_type=one.message_type or "No type",
        queue=one.queue.value,
        badge=status.dead_reason(one.reason),
        description=one.description or "",
        tenant=one.tenant_name or (str(one.tenant_id) if one.tenant_id else "Unreadable"),
        tenant_href=routes.dead_letters(**here | {"tenant_id": str(one.tenant_id)})
        if one.tenant_id
        else "",
        deliveries=fmt.count(one.delivery_count),
        at=fmt.when(one.enqueued_at, zone, now),
        handled=handled_text(one.handled, zone, now),
    )


def short_message_id(one: LetterSummary) -> str:
    """A message's id as it fits into a row; that it is a copy is always told."""
    short = fmt.short_id(one.original_message_id)
    return f"{short} · retry {one.resubmission}" if one.resubmission else short


def _options(labels: dict[str | None, str], chosen: str) -> list[Option]:
    """Choices by label; what the address names is among them even when nothing is left of it."""
    found = {named(value): label for value, label in labels.items()}
    if chosen:
        found.setdefault(chosen, status.DEAD_REASONS.get(chosen, chosen))
    return sorted((Option(*one) for one in found.items()), key=lambda one: one.label)


def _chips(query: dict[str, str], here: dict[str, str], tenant: str) -> list[filters.Chip]:
    said = {
        "queue": f"Queue is {query['queue']}",
        "reason": f"Reason is {status.dead_reason(asked_for(query['reason'])).label}",
        "type": f"Type is {asked_for(query['type']) or 'missing'}",
        "tenant_id": f"Business is {tenant or query['tenant_id']}",
        "q": f"Contains “{query['q']}”",
    }
    return [
        filters.Chip(text, routes.dead_letters(**here | {name: ""}))
        for name, text in said.items()
        if query[name]
    ]


def _shown(on_page: int, total: int, is_exact: bool) -> str:
    if total < 0:
        return f"{fmt.count(on_page, 'dead letter')} on this page"
    found = fmt.count(total, "dead letter")
    if not is_exact:
        return f"{fmt.count(on_page)} of at least {found}"
    return found if on_page == total else f"{fmt.count(on_page)} of {found}"
