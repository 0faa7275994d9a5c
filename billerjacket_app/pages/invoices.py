"""/invoices: status tabs with counts, search, due dates, sorting and totals, all in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.customers.queries import find_customer
from backend.invoices.models import InvoiceStatus
from backend.invoices.queries import (
    DEFAULT_SORT,
    InvoiceFilter,
    InvoiceTotals,
    count_by_status,
    list_invoices,
    total_invoices,
)
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, filters, forms, shell, states, table
from billerjacket_app.page_state import ListState
from billerjacket_app.pages import rows
from billerjacket_app.pages.rows import InvoiceRow
from billerjacket_app.session import SessionState

PAGE_SIZE = 50
SORTS = ("number", "customer", "due", "total", "balance")
# The order in which an invoice lives.
_TABS = (
    InvoiceStatus.DRAFT,
    InvoiceStatus.SENT,
    InvoiceStatus.OVERDUE,
    InvoiceStatus.PAID,
    InvoiceStatus.VOID,
    InvoiceStatus.CANCELLED,
)
_FILTERS = ("status", "q", "customer_id", "due_after", "due_before", "sort", "cursor")


@dataclass
class FootRow:
    """The totals of all that the filters find, in one currency."""

    label: str = ""
    total: str = ""
    balance: str = ""


@dataclass(frozen=True)
class InvoiceList:
    """One page of invoices with what stands around it."""

    rows: list[InvoiceRow]
    tabs: list[filters.Tab]
    chips: list[filters.Chip]
    foot: list[FootRow]
    pager: filters.Pager


def load_invoices(reader: Reader, query: dict[str, str]) -> InvoiceList:
    """The list that the address names, as text. Raises InvalidInput for what makes no sense."""
    narrowed = InvoiceFilter(
        status=rows.optional_choice(InvoiceStatus, query["status"], "status"),
        customer_id=rows.optional_id(query["customer_id"], "customer_id"),
        due_before=rows.optional_date(query["due_before"], "due_before"),
        due_after=rows.optional_date(query["due_after"], "due_after"),
        q=query["q"] or None,
    )
    page = list_invoices(
        reader,
        narrowed,
        limit=PAGE_SIZE,
        cursor=query["cursor"] or None,
        sort=query["sort"] or DEFAULT_SORT,
    )
    totals = total_invoices(reader, narrowed)
    with_code = len(totals) > 1
    here = {**query, "cursor": ""}
    return InvoiceList(
        rows=[rows.invoice_row(reader, item, with_code=with_code) for item in page.items],
        tabs=_tabs(count_by_status(reader), here),
        chips=_chips(reader, narrowed, here),
        foot=[_foot(total, with_code) for total in totals],
        pager=filters.Pager(
            text=_shown(len(page.items), sum(total.count for total in totals)),
            first_href=routes.invoices(**here) if query["cursor"] else "",
            next_href=routes.invoices(**here | {"cursor": page.next_cursor})
            if page.next_cursor
            else "",
        ),
    )


def _tabs(counts: dict[InvoiceStatus, int], here: dict[str, str]) -> list[filters.Tab]:
    every = filters.Tab(
        "All",
        fmt.count(sum(counts.values())),
        routes.invoices(**here | {"status": ""}),
        not here["status"],
    )
    return [every] + [
        filters.Tab(
            status.INVOICE[state].label,
            fmt.count(counts.get(state, 0)),
            routes.invoices(**here | {"status": str(state)}),
            here["status"] == state,
        )
        for state in _TABS
    ]


def _chips(reader: Reader, narrowed: InvoiceFilter, here: dict[str, str]) -> list[filters.Chip]:
    found = []
    if narrowed.customer_id is not None:
        customer = find_customer(reader, narrowed.customer_id)
        name = customer.display_name if customer else "unknown"
        found.append(("customer_id", f"Customer is {name}"))
    if narrowed.due_after is not None:
        found.append(("due_after", f"Due on or after {narrowed.due_after}"))
    if narrowed.due_before is not None:
        found.append(("due_before", f"Due on or before {narrowed.due_before}"))
    return [filters.Chip(label, routes.invoices(**here | {name: ""})) for name, label in found]


def _foot(total: InvoiceTotals, with_code: bool) -> FootRow:
    return FootRow(
        fmt.count(total.count, "invoice"),
        fmt.money(total.total_amount, total.currency_code, with_code=with_code),
        fmt.money(total.balance_due, total.currency_code, with_code=with_code),
    )


def _shown(on_page: int, found: int) -> str:
    if on_page == found:
        return fmt.count(found, "invoice")
    return f"{fmt.count(on_page)} of {fmt.count(found, 'invoice')}"


class InvoicesState(ListState, rx.State):
    """The list."""

    rows: list[InvoiceRow] = []
    tabs: list[filters.Tab] = []
    chips: list[filters.Chip] = []
    foot: list[FootRow] = []
    pager: filters.Pager = filters.Pager()
    due_after: str = ""
    due_before: str = ""

    async def fetch(self) -> None:
        """Load the list that the address names."""
        query = {name: self.arg(name) for name in _FILTERS}
        outcome = await self.read(load_invoices, query)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.show_query(routes.INVOICES, query, SORTS)
        self.assign(
            rows=found.rows,
            tabs=found.tabs,
            chips=found.chips,
            foot=found.foot,
            pager=found.pager,
            due_after=query["due_after"],
            due_before=query["due_before"],
        )

    @rx.event
    def set_due(self, name: str, value: str) -> Any:
        """Put a due date into the address."""
        query = {key: self.arg(key) for key in _FILTERS} | {"cursor": ""}
        if name in ("due_after", "due_before"):
            query[name] = value
        return rx.redirect(routes.invoices(**query), replace=True)


def _due_field(name: str, label: str, value: Any) -> rx.Component:
    return forms.field(
        name,
        label,
        rx.el.input(
            type="date",
            id=f"f-{name}",
            name=name,
            default_value=value,
            key=name + value,
            on_change=lambda day: InvoicesState.set_due(name, day).debounce(600),
        ),
        class_name="narrow",
    )


def page() -> rx.Component:
    """The list of invoices."""
    state = InvoicesState
    listing = rx.el.div(
        filters.tabs("Invoices by status", state.tabs),
        rx.el.div(
            filters.search_box(
                "q",
                "Search invoices",
                value=state.q,
                key=state.search_key,
                on_change=state.search,
                placeholder="Number, customer, purchase order",
            ),
            _due_field("due_after", "Due from", state.due_after),
            _due_field("due_before", "Due until", state.due_before),
            class_name="filters",
        ),
        filters.chips(state.chips),
        table.data_table(
            "Invoices",
            rows.invoice_columns(sortable=True),
            state.rows,
            rows.invoice_cells,
            state=state,
            testid="table-invoices",
            row_testid="invoice-row",
            filtered=state.filtered,
            clear_href=routes.INVOICES,
            noun="invoices",
            empty=states.empty(
                "file-text",
                "No invoices yet",
                "Write the first one; it stays a draft until you send it.",
                basic.link_button("New invoice", href=routes.NEW_INVOICE, kind="primary"),
            ),
            foot=rx.foreach(
                state.foot,
                lambda row: rx.el.tr(
                    rx.el.th(row.label, scope="row", col_span=5),
                    table.number(row.total, data_testid="foot-total"),
                    table.number(row.balance, data_testid="foot-balance"),
                ),
            ),
        ),
        filters.pager(state.pager),
        class_name="sec",
    )
    new = rx.cond(
        SessionState.may_write,
        basic.link_button(
            basic.icon("plus", size=14),
            "New invoice",
            href=routes.NEW_INVOICE,
            kind="primary",
            custom_attrs={"data-hotkey": "n"},
            data_testid="new-invoice",
        ),
        rx.fragment(),
    )
    return shell.page(
        state,
        "Invoices",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        section="invoices",
        actions=[new],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.INVOICES, title="Invoices · BillerJacket", on_load=InvoicesState.load
    )
