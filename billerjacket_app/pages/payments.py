"""/payments: money received, newest first, by status; and which invoices it went to."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from backend.customers.queries import find_customer
from backend.payments.models import PaymentStatus
from backend.payments.queries import PaymentFilter, list_payments
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters, shell, states, table
from billerjacket_app.page_state import ListState
from billerjacket_app.pages import rows
from billerjacket_app.pages.rows import PaymentRow

PAGE_SIZE = 50
_FILTERS = ("status", "customer_id", "invoice_id", "cursor")


@dataclass(frozen=True)
class PaymentList:
    """One page of payments with what stands around it."""

    rows: list[PaymentRow]
    tabs: list[filters.Tab]
    chips: list[filters.Chip]
    pager: filters.Pager


def load_payments(reader: Reader, query: dict[str, str]) -> PaymentList:
    """The list that the address names, as text. Raises InvalidInput for what makes no sense."""
    narrowed = PaymentFilter(
        customer_id=rows.optional_id(query["customer_id"], "customer_id"),
        invoice_id=rows.optional_id(query["invoice_id"], "invoice_id"),
        status=rows.optional_choice(PaymentStatus, query["status"], "status"),
    )
    page = list_payments(reader, narrowed, limit=PAGE_SIZE, cursor=query["cursor"] or None)
    here = {**query, "cursor": ""}
    mixed = rows.mixed(item.currency_code for item in page.items)
    more = page.next_cursor
    text = fmt.count(len(page.items), "payment")
    chips = []
    if narrowed.customer_id is not None:
        customer = find_customer(reader, narrowed.customer_id)
        name = customer.display_name if customer else "unknown"
        chips.append(
            filters.Chip(f"Customer is {name}", routes.payments(**here | {"customer_id": ""}))
        )
    if narrowed.invoice_id is not None:
        chips.append(filters.Chip("Of one invoice", routes.payments(**here | {"invoice_id": ""})))
    return PaymentList(
        rows=[rows.payment_row(item, with_code=mixed) for item in page.items],
        tabs=[
            filters.Tab(
                status.PAYMENT[state].label if state else "All",
                "",
                routes.payments(**here | {"status": state}),
                query["status"] == state,
            )
            for state in ("", *(str(known) for known in PaymentStatus))
        ],
        chips=chips,
        pager=filters.Pager(
            text=f"{text} on this page" if more or query["cursor"] else text,
            first_href=routes.payments(**here) if query["cursor"] else "",
            next_href=routes.payments(**here | {"cursor": more}) if more else "",
        ),
    )


class PaymentsState(ListState, rx.State):
    """The list."""

    rows: list[PaymentRow] = []
    tabs: list[filters.Tab] = []
    chips: list[filters.Chip] = []
    pager: filters.Pager = filters.Pager()

    async def fetch(self) -> None:
        """Load the list that the address names."""
        query = {name: self.arg(name) for name in _FILTERS}
        outcome = await self.read(load_payments, query)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.show_query(routes.PAYMENTS, query, ())
        self.assign(rows=found.rows, tabs=found.tabs, chips=found.chips, pager=found.pager)


def page() -> rx.Component:
    """The list of payments."""
    state = PaymentsState
    listing = rx.el.div(
        filters.tabs("Payments by status", state.tabs),
        filters.chips(state.chips),
        table.data_table(
            "Payments",
            rows.payment_columns(),
            state.rows,
            rows.payment_cells,
            state=state,
            testid="table-payments",
            row_testid="payment-row",
            filtered=state.filtered,
            clear_href=routes.PAYMENTS,
            noun="payments",
            empty=states.empty(
                "banknote",
                "No payments yet",
                "Record one on the page of an open invoice, or of a customer.",
            ),
        ),
        filters.pager(state.pager),
        class_name="sec",
    )
    return shell.page(
        state,
        "Payments",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        section="payments",
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.PAYMENTS, title="Payments · BillerJacket", on_load=PaymentsState.load
    )
