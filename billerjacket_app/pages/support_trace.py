"""/support/trace?id=…: paste any id, and see everything that is known about it, in time order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import reflex as rx

from backend.actor import Action
from backend.customers.queries import find_customer
from backend.errors import InvalidInput, NotFound
from backend.invoices.queries import find_invoice
from backend.payments.queries import find_payment
from backend.reporting.history import TimelineItem
from backend.reporting.trace import list_trace
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import basic, filters, forms, shell, states
from billerjacket_app.components.timeline import Change, Entry, TimelineDay, group_by_day, timeline
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import rows

PAGE_SIZE = 100
# A run of reminders mentions every customer: the first few show what it is about.
MENTIONED_MAX = 8
# No id of ours or of a provider is longer; what is, was pasted by mistake.
ID_LENGTH_MAX = 255
_PAGES_OF = {
    "invoice": ("invoice", routes.invoice),
    "payment": ("payment", routes.payment),
    "customer": ("customer", routes.customer),
    "communication": ("e-mail", lambda email_id: routes.mailbox(open=email_id)),
    "webhook_event": ("webhook event", routes.webhook),
}


@dataclass
class Mentioned:
    """Something the trace is about, with its page."""

    label: str = ""
    href: str = ""


@dataclass(frozen=True)
class Trace:
    """What is known of an id; without any days, nothing is."""

    days: list[TimelineDay] = field(default_factory=list)
    mentioned: list[Mentioned] = field(default_factory=list)
    pager: filters.Pager = field(default_factory=filters.Pager)


def load_trace(reader: Reader, wanted: str, page: str) -> Trace:
    """One page of the trace, newest first. Raises NotAllowed, InvalidInput for the page."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    number = _page_number(page)
    if not wanted:
        return Trace()
    try:
        items = list_trace(reader, wanted[:ID_LENGTH_MAX])
    except NotFound:
        return Trace()
    pages = -(-len(items) // PAGE_SIZE)
    skipped = (min(number, pages) - 1) * PAGE_SIZE
    shown = items[max(len(items) - skipped - PAGE_SIZE, 0) : len(items) - skipped]
    return Trace(
        days=group_by_day(
            [_entry(item, wanted) for item in shown],
            zone=rows.zone_of(reader),
            today=reader.today,
            unfolded=True,
        ),
        mentioned=_mentioned(reader, items),
        pager=filters.Pager(
            text=fmt.count(len(items), "entry", "entries")
            + (f", page {min(number, pages)} of {pages}" if pages > 1 else ""),
            first_href=routes.trace(wanted) if skipped else "",
            next_href=routes.trace(wanted, page=number + 1) if number < pages else "",
        ),
    )


def _page_number(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or not 1 <= len(text) <= 6 or int(text) < 1:
        raise InvalidInput.of("page", "must be a number from 1 on")
    return int(text)


def _entry(item: TimelineItem, wanted: str) -> Entry:
    href, link_text = _link(item, wanted)
    return Entry(
        at=item.at,
        type=item.type,
        title=item.title,
        # The changes say in rows what the detail says in one line.
        detail="" if item.changes else item.detail or "",
        actor=item.actor or "by itself",
        correlation_id=item.correlation_id or "",
        about=str(item.entity_id or ""),
        href=href,
        link_text=link_text,
        changes=tuple(Change(name.replace("_", " "), *values) for name, *values in item.changes),
    )


def _link(item: TimelineItem, wanted: str) -> tuple[str, str]:
    """The page of what an entry is about, or the trace of the request it came with."""
    if item.entity_id is not None and item.entity_type in _PAGES_OF:
        noun, page_of = _PAGES_OF[item.entity_type]
        return page_of(item.entity_id), noun
    if item.correlation_id and item.correlation_id != wanted:
        return routes.trace(item.correlation_id), "its request"
    return "", ""


def _mentioned(reader: Reader, items: Iterable[TimelineItem]) -> list[Mentioned]:
    """The first few invoices, payments and customers that occur, and whose they are."""
    found: dict[tuple[str, UUID], Mentioned] = {}
    for item in items:
        if item.entity_type is not None and item.entity_id is not None:
            _mention(reader, item.entity_type, item.entity_id, found)
        if len(found) >= MENTIONED_MAX:
            break
    return list(found.values())[:MENTIONED_MAX]


def _mention(
    reader: Reader, kind: str, entity_id: UUID, found: dict[tuple[str, UUID], Mentioned]
) -> None:
    if (kind, entity_id) in found:
        return
    if kind == "invoice" and (invoice := find_invoice(reader, entity_id)):
        label = f"Invoice {invoice.invoice_number or 'draft'}"
        found[kind, entity_id] = Mentioned(label, routes.invoice(entity_id))
        _mention(reader, "customer", invoice.customer_id, found)
    elif kind == "payment" and (payment := find_payment(reader, entity_id)):
        label = f"Payment of {fmt.money(payment.amount, payment.currency_code)}"
        found[kind, entity_id] = Mentioned(label, routes.payment(entity_id))
        _mention(reader, "customer", payment.customer_id, found)
    elif kind == "customer" and (customer := find_customer(reader, entity_id)):
        found[kind, entity_id] = Mentioned(customer.display_name, routes.customer(entity_id))


class TraceState(PageState, rx.State):
    """The trace of the id in the address."""

    wanted: str = ""
    invoices_href: str = routes.INVOICES
    days: list[TimelineDay] = []
    mentioned: list[Mentioned] = []
    pager: filters.Pager = filters.Pager()

    async def fetch(self) -> None:
        """Load the trace of the id that the address names."""
        wanted = self.arg("id")
        outcome = await self.read(load_trace, wanted, self.arg("page"))
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            wanted=wanted,
            invoices_href=routes.invoices(q=wanted[:100]),
            days=found.days,
            mentioned=found.mentioned,
            pager=found.pager,
        )

    @rx.event
    def find(self, form: dict[str, Any]) -> Any:
        """Put the id that was pasted into the address; the trace follows."""
        return rx.redirect(routes.trace(str(form.get("id", "")).strip()))


def _search() -> rx.Component:
    state = TraceState
    return rx.el.div(
        rx.el.form(
            forms.field(
                "id",
                "Id",
                rx.el.input(
                    type="search",
                    id="f-id",
                    name="id",
                    default_value=state.wanted,
                    # Another address: the field follows it.
                    key=state.wanted,
                    placeholder="Paste an id",
                    auto_complete="off",
                    spell_check=False,
                    max_length=ID_LENGTH_MAX,
                    aria_describedby="f-id-hint",
                    custom_attrs={"data-hotkey": "/"},
                ),
                class_name="search",
            ),
            basic.button(basic.icon("route", size=14), "Trace", type="submit", kind="primary"),
            on_submit=state.find,
            reset_on_submit=False,
            role="search",
            class_name="filters wide-search",
        ),
        rx.el.p(
            "A correlation id, or that of an invoice, payment, customer, e-mail, message or "
            "webhook event; a payment provider's event id too.",
            id="f-id-hint",
            class_name="small muted",
        ),
        class_name="sec",
    )


def _nothing_asked() -> rx.Component:
    return basic.card(
        states.empty(
            "route",
            "What happened, and what came of it",
            "Paste an id above. You see what asked for it, what was done, which messages and "
            "e-mails followed and what failed, in time order. Pages, e-mails and error messages "
            "show correlation ids with a copy button.",
        )
    )


def _unknown() -> rx.Component:
    state = TraceState
    return basic.card(
        rx.el.div(
            basic.icon("search"),
            rx.el.strong("Nothing is known about this id"),
            rx.el.p(rx.el.code(state.wanted, class_name="mono"), class_name="break"),
            rx.el.p(
                "It may have lost a character when it was copied, belong to another business, or "
                "be an invoice's number rather than its id."
            ),
            basic.link_button("Search invoices for it", href=state.invoices_href),
            class_name="void-state",
            data_testid="unknown-id",
        )
    )


def _found() -> rx.Component:
    state = TraceState
    about = rx.cond(
        state.mentioned.length() > 0,
        rx.el.div(
            rx.el.span("About", class_name="muted"),
            rx.foreach(state.mentioned, lambda it: basic.link(it.label, href=it.href)),
            class_name="row",
            data_testid="trace-about",
        ),
        rx.fragment(),
    )
    return basic.section(
        "What happened, newest first",
        basic.card(timeline(state.days)),
        filters.pager(state.pager),
        aside=about,
    )


def page() -> rx.Component:
    """The trace."""
    state = TraceState
    content = rx.el.div(
        _search(),
        rx.cond(
            state.days.length() > 0,
            _found(),
            rx.cond(state.wanted == "", _nothing_asked(), _unknown()),
        ),
        class_name="stack",
    )
    return shell.page(state, "Trace", states.body(state, content), section="trace")


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(page, route=routes.TRACE, title="Trace · BillerJacket", on_load=TraceState.load)
