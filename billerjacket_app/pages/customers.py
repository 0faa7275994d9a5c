"""/customers: who is billed, what each owes, and the dialog for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import reflex as rx

from backend.customers.queries import CustomerFilter, CustomerView, list_customers
from backend.customers.service import CreateCustomer, create_customer
from backend.errors import InvalidInput
from backend.reporting.summary import get_billing_summary
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, filters, shell, states, table
from billerjacket_app.page_state import ListState, say
from billerjacket_app.pages import customer_form
from billerjacket_app.session import SessionState

PAGE_SIZE = 50


@dataclass
class CustomerRow:
    """A customer as a row."""

    customer_id: str = ""
    href: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    reference: str = ""
    open_count: str = ""
    overdue: str = ""
    outstanding: str = ""


@dataclass(frozen=True)
class CustomerList:
    """One page of customers."""

    rows: list[CustomerRow]
    pager: filters.Pager


def load_customers(reader: Reader, q: str, cursor: str) -> CustomerList:
    """One page of the list, newest first, as text."""
    found = list_customers(
        reader, CustomerFilter(q=q or None), limit=PAGE_SIZE, cursor=cursor or None
    )
    rows = [_row(reader, customer) for customer in found.items]
    return CustomerList(
        rows,
        filters.Pager(
            text=_shown(len(rows), bool(found.next_cursor), bool(cursor)),
            first_href=routes.customers(q=q) if cursor else "",
            next_href=routes.customers(q=q, cursor=found.next_cursor) if found.next_cursor else "",
        ),
    )


def _row(reader: Reader, customer: CustomerView) -> CustomerRow:
    owed = get_billing_summary(reader, customer_id=customer.customer_id)
    mixed = len(owed) > 1
    return CustomerRow(
        customer_id=str(customer.customer_id),
        href=routes.customer(customer.customer_id),
        name=customer.display_name,
        email=customer.email or fmt.NOTHING,
        phone=customer.phone or fmt.NOTHING,
        reference=customer.external_reference_id or fmt.NOTHING,
        open_count=fmt.count(sum(item.open_invoice_count for item in owed)),
        overdue=_amounts([(item.overdue_amount, item.currency_code) for item in owed], mixed),
        outstanding=_amounts(
            [(item.outstanding_amount, item.currency_code) for item in owed], mixed
        ),
    )


def _amounts(amounts: list[tuple[Decimal, str]], mixed: bool) -> str:
    """One amount a currency; a customer without any has none."""
    return ", ".join(fmt.money(a, code, with_code=mixed) for a, code in amounts) or fmt.NOTHING


def _shown(number: int, more: bool, further: bool) -> str:
    text = fmt.count(number, "customer")
    return f"{text} on this page" if more or further else text


class CustomersState(ListState, rx.State):
    """The list."""

    rows: list[CustomerRow] = []
    pager: filters.Pager = filters.Pager()

    async def fetch(self) -> None:
        """Load the page of the list that the address names."""
        q, cursor = self.arg("q"), self.arg("cursor")
        outcome = await self.read(load_customers, q, cursor)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        self.show_query(routes.CUSTOMERS, {"q": q, "cursor": cursor}, ())
        self.assign(rows=outcome.must.rows, pager=outcome.must.pager)

    @rx.event
    async def create(self, form: dict[str, Any]) -> Any:
        """Make a customer and open it."""
        self.busy = True
        yield
        try:
            command = CreateCustomer(
                **{name: value for name, value in customer_form.parse(form).items() if value}
                | {"display_name": str(form.get("display_name", ""))}
            )
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        outcome = await self.call(create_customer, command)
        if outcome.problem:
            return
        self.close_dialog_now()
        yield say(f"{outcome.must.display_name} was added.")
        yield rx.redirect(routes.customer(outcome.must.customer_id))


def page() -> rx.Component:
    """The list of customers."""
    state = CustomersState
    new = rx.cond(
        SessionState.may_write,
        basic.button(
            basic.icon("plus", size=14),
            "New customer",
            kind="primary",
            on_click=state.open_dialog("new"),
            custom_attrs={"data-hotkey": "n"},
            data_testid="new-customer",
        ),
        rx.fragment(),
    )
    listing = rx.el.div(
        rx.el.div(
            filters.search_box(
                "q",
                "Search customers",
                value=state.q,
                key=state.search_key,
                on_change=state.search,
                placeholder="Name, e-mail, reference",
            ),
            class_name="filters",
        ),
        table.data_table(
            "Customers",
            [
                table.Column("name", "Customer"),
                table.Column("email", "E-mail"),
                table.Column("phone", "Phone"),
                table.Column("reference", "Reference"),
                table.Column("open", "Open invoices", True),
                table.Column("overdue", "Overdue", True),
                table.Column("outstanding", "Outstanding", True),
            ],
            state.rows,
            lambda row: [
                table.row_header(
                    rx.el.a(row.name, href=row.href, class_name="hit", title=row.name),
                    class_name="clip",
                ),
                table.cell(row.email, class_name="clip"),
                table.cell(row.phone),
                table.cell(row.reference, class_name="clip"),
                table.number(row.open_count),
                table.number(row.overdue),
                table.number(row.outstanding, name="outstanding"),
            ],
            state=state,
            testid="table-customers",
            row_testid="customer-row",
            filtered=state.filtered,
            clear_href=routes.CUSTOMERS,
            noun="customers",
            empty=states.empty(
                "users",
                "No customers yet",
                "A customer is who you send invoices to. Add the first one to write an invoice.",
            ),
        ),
        filters.pager(state.pager),
        class_name="sec",
    )
    return shell.page(
        state,
        "Customers",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        dialog.form_dialog(
            state,
            "new",
            "New customer",
            customer_form.fields(state, rx.Var.create({"payment_terms_days": "30"})),
            submit=state.create,
            verb="Add customer",
            large=True,
        ),
        section="customers",
        actions=[new],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.CUSTOMERS,
        title="Customers · BillerJacket",
        on_load=CustomersState.load,
    )
