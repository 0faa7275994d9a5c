"""The audit log that an address names, as text: rows with their changes, and filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from backend.customers.queries import find_customer
from backend.invoices.queries import find_invoice
from backend.payments.queries import find_payment
from backend.reporting.activity import (
    ActivityEntry,
    ActivityFilter,
    list_activity,
    list_choices,
)
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters
from billerjacket_app.components.changes import SHOWN, Line, lines_of
from billerjacket_app.newer import LOOK_MAX
from billerjacket_app.pages import rows
from billerjacket_app.status import Node

PAGE_SIZE = 50
FILTERS = (
    "entity_type", "action", "actor", "since", "until", "entity_id", "correlation_id", "cursor",
)  # fmt: skip
# From what occurs.
CHOSEN = ("entity_type", "action", "actor")
# Ids that are typed or pasted.
TYPED = ("entity_id", "correlation_id")
_PAGES_OF = {
    "invoice": routes.invoice,
    "payment": routes.payment,
    "customer": routes.customer,
    "communication": lambda email_id: routes.mailbox(open=email_id),
}
# For those who may use the support tools.
_SUPPORT_PAGES_OF = {"webhook_event": routes.webhook}


@dataclass
class Option:
    """A choice of a filter."""

    value: str = ""
    label: str = ""


@dataclass
class ActivityRow:
    """An entry as a row."""

    key: str = ""
    when: fmt.When = field(default_factory=fmt.When)
    title: str = ""
    action: str = ""
    mark: Node = field(default_factory=Node)
    kind: str = ""
    about: str = ""
    about_id: str = ""
    about_href: str = ""
    lines: list[Line] = field(default_factory=list)
    more: list[Line] = field(default_factory=list)
    more_text: str = ""
    actor: str = ""
    correlation_id: str = ""
    correlation_short: str = ""
    correlation_href: str = ""


@dataclass(frozen=True)
class Activity:
    """One page of the log with what stands around it."""

    rows: list[ActivityRow]
    kinds: list[Option]
    actions: list[Option]
    actors: list[Option]
    chips: list[filters.Chip]
    pager: filters.Pager
    export_href: str
    newest: list[str]


def filter_of(query: Mapping[str, str]) -> ActivityFilter:
    """The address as a filter. Raises InvalidInput."""
    return ActivityFilter(
        entity_type=query["entity_type"] or None,
        entity_id=rows.optional_id(query["entity_id"], "entity_id"),
        action=query["action"] or None,
        actor=query["actor"] or None,
        correlation_id=query["correlation_id"] or None,
        since=rows.optional_date(query["since"], "since"),
        until=rows.optional_date(query["until"], "until"),
    )


def load_activity(reader: Reader, query: dict[str, str], may_trace: bool) -> Activity:
    """The page that the address names. Raises InvalidInput, NotAllowed."""
    narrowed = filter_of(query)
    cursor = query["cursor"] or None
    page = list_activity(reader, narrowed, limit=PAGE_SIZE, cursor=cursor)
    here = {**query, "cursor": ""}
    told = Telling(reader, may_trace)
    kinds, actions, actors = (_options(reader, name, query) for name in CHOSEN)
    count, more = fmt.count(len(page.items), "entry", "entries"), page.next_cursor
    return Activity(
        rows=[told.row(entry) for entry in page.items],
        kinds=kinds,
        actions=actions,
        actors=actors,
        chips=_chips(here),
        pager=filters.Pager(
            text=f"{count} on this page" if more or cursor else count,
            first_href=routes.activity(**here) if cursor else "",
            next_href=routes.activity(**here | {"cursor": more}) if more else "",
        ),
        export_href=routes.activity_export(**here),
        newest=look_for_newer(reader, query),
    )


def look_for_newer(reader: Reader, query: dict[str, str]) -> list[str]:
    """The newest entries that match; none of an older page, which nothing new belongs to."""
    if query["cursor"]:
        return []
    newest = list_activity(reader, filter_of(query), limit=LOOK_MAX)
    return [str(entry.sequence) for entry in newest.items]


class Telling:
    """Entries as rows; the name of each thing is looked up once."""

    def __init__(self, reader: Reader, may_trace: bool) -> None:
        self._reader = reader
        self._zone = rows.zone_of(reader)
        self._may_trace = may_trace
        self._names: dict[tuple[str, UUID], str] = {}

    def row(self, entry: ActivityEntry) -> ActivityRow:
        """One entry."""
        lines = lines_of(entry.changes)
        shown = SHOWN if len(lines) > SHOWN + 1 else len(lines)
        more = lines[shown:]
        correlation = entry.correlation_id
        return ActivityRow(
            key=str(entry.sequence),
            when=fmt.when_exactly(entry.at, self._zone),
            title=entry.title,
            action=entry.action,
            mark=status.timeline(entry.action),
            kind=kind_text(entry.entity_type),
            about=self._name(entry.entity_type, entry.entity_id),
            about_id=str(entry.entity_id),
            about_href=self._href(entry.entity_type, entry.entity_id),
            lines=lines[:shown],
            more=more,
            more_text=f"{fmt.count(len(more))} more lines" if more else "",
            actor=entry.actor,
            correlation_id=correlation,
            correlation_short=fmt.short_id(correlation),
            correlation_href=routes.trace(correlation)
            if self._may_trace
            else routes.activity(correlation_id=correlation),
        )

    def _href(self, kind: str, entity_id: UUID) -> str:
        page_of = _PAGES_OF.get(kind)
        if page_of is None and self._may_trace:
            page_of = _SUPPORT_PAGES_OF.get(kind)
        return page_of(entity_id) if page_of else ""

    def _name(self, kind: str, entity_id: UUID) -> str:
        known = self._names.get((kind, entity_id))
        if known is None:
            known = self._names[kind, entity_id] = self._look_up(kind, entity_id)
        return known

    def _look_up(self, kind: str, entity_id: UUID) -> str:
        if kind == "invoice" and (invoice := find_invoice(self._reader, entity_id)):
            return invoice.invoice_number or "Draft"
        if kind == "customer" and (customer := find_customer(self._reader, entity_id)):
            return customer.display_name
        if kind == "payment" and (payment := find_payment(self._reader, entity_id)):
            return fmt.money(payment.amount, payment.currency_code)
        return fmt.short_id(entity_id)


def kind_text(entity_type: str) -> str:
    """A kind of thing in words: "dunning_plan" → "Dunning plan"."""
    if entity_type == "communication":
        return "E-mail"
    return entity_type.replace("_", " ").capitalize().replace("Api ", "API ")


def _options(reader: Reader, name: str, query: Mapping[str, str]) -> list[Option]:
    """What occurs, and what the address names even if nothing of it occurs."""
    found = list_choices(reader, name)
    if query[name] and query[name] not in found:
        found.append(query[name])
    label = kind_text if name == "entity_type" else str
    return [Option(value, label(value)) for value in found]


def _chips(here: dict[str, str]) -> list[filters.Chip]:
    said = {
        "entity_type": lambda value: f"About {kind_text(value).lower()}",
        "action": lambda value: f"Action is {value}",
        "actor": lambda value: f"By {value}",
        "since": lambda value: f"On or after {value}",
        "until": lambda value: f"On or before {value}",
        "entity_id": lambda value: f"Id is {fmt.short_id(value)}",
        "correlation_id": lambda value: f"Correlation id is {fmt.short_id(value)}",
    }
    return [
        filters.Chip(say(here[name]), routes.activity(**here | {name: ""}))
        for name, say in said.items()
        if here[name]
    ]
