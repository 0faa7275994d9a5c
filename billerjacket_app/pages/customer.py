"""/customers/{id}: what one customer owes, its invoices, payments and e-mails."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.communications.queries import CommunicationFilter, list_communications
from backend.customers.queries import get_customer
from backend.customers.service import update_customer
from backend.errors import InvalidInput
from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.payments.queries import PaymentFilter, list_payments
from backend.reporting.summary import get_billing_summary
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, dialog, figures, shell, states, table
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import customer_form, payment_form, rows
from billerjacket_app.pages.emails import EmailRow, email_list, email_row
from billerjacket_app.pages.rows import InvoiceRow, PaymentRow
from billerjacket_app.session import SessionState

# The newest of each; the full lists are one link away.
SHOWN_MAX = 10


@dataclass
class CustomerFacts:
    """The customer as text."""

    customer_id: str = ""
    name: str = ""
    email: str = ""
    email_bad: bool = False
    phone: str = ""
    address: str = ""
    terms: str = ""
    reference: str = ""
    hold: str = ""
    created: fmt.When = field(default_factory=fmt.When)
    today: str = ""
    currency_code: str = ""


@dataclass
class Owed:
    """What stands between us in one currency."""

    outstanding: str = ""
    open_amount: str = ""
    overdue: str = ""
    paid: str = ""
    credit: str = ""
    count: str = ""


@dataclass(frozen=True)
class CustomerPage:
    """All of the page."""

    facts: CustomerFacts
    typed: dict[str, str]
    owed: list[Owed]
    invoices: list[InvoiceRow]
    payments: list[PaymentRow]
    emails: list[EmailRow]


def load_customer(reader: Reader, customer_id: str) -> CustomerPage:
    """Everything about one customer, over one snapshot. Raises NotFound."""
    customer = get_customer(reader, rows.record_id(customer_id, "customer"))
    wanted = customer.customer_id
    invoices = list_invoices(reader, InvoiceFilter(customer_id=wanted), limit=SHOWN_MAX).items
    payments = list_payments(reader, PaymentFilter(customer_id=wanted), limit=SHOWN_MAX).items
    emails = list_communications(
        reader, CommunicationFilter(customer_id=wanted), limit=SHOWN_MAX
    ).items
    mixed = rows.mixed([i.currency_code for i in invoices] + [p.currency_code for p in payments])
    hold = ""
    if customer.hold_kind is not None:
        until = f" until {customer.hold_until}" if customer.hold_until else ""
        reason = f": “{customer.hold_reason}”" if customer.hold_reason else ""
        hold = f"{status.HOLD[customer.hold_kind].label}{until}{reason}"
    return CustomerPage(
        facts=CustomerFacts(
            customer_id=str(wanted),
            name=customer.display_name,
            email=customer.email or fmt.NOTHING,
            email_bad=customer.email is not None and customer.email_status != "ok",
            phone=customer.phone or fmt.NOTHING,
            address=customer.billing_address or fmt.NOTHING,
            terms=fmt.count(customer.payment_terms_days, "day"),
            reference=customer.external_reference_id or fmt.NOTHING,
            hold=hold,
            created=fmt.when_exactly(customer.created_at, rows.zone_of(reader)),
            today=reader.today.isoformat(),
            currency_code=reader.tenant.currency_code,
        ),
        typed={
            name: "" if getattr(customer, name) is None else str(getattr(customer, name))
            for name in customer_form.FIELDS
        },
        owed=_owed(reader, wanted),
        invoices=[rows.invoice_row(reader, item, with_code=mixed) for item in invoices],
        payments=[rows.payment_row(item, with_code=mixed) for item in payments],
        emails=[email_row(reader, item) for item in emails],
    )


def _owed(reader: Reader, customer_id: Any) -> list[Owed]:
    found = get_billing_summary(reader, customer_id=customer_id)
    mixed = len(found) > 1

    def text(amount: Any, code: str) -> str:
        return fmt.money(amount, code, with_code=mixed)

    return [
        Owed(
            outstanding=text(item.outstanding_amount, item.currency_code),
            open_amount=text(item.open_amount, item.currency_code),
            overdue=text(item.overdue_amount, item.currency_code),
            paid=text(item.paid_amount, item.currency_code),
            credit=text(item.unapplied_amount, item.currency_code),
            count=fmt.count(item.open_invoice_count, "open invoice"),
        )
        for item in found
    ]


class CustomerState(PageState, rx.State):
    """One customer."""

    facts: CustomerFacts = CustomerFacts()
    typed: dict[str, str] = {}
    owed: list[Owed] = []
    invoices: list[InvoiceRow] = []
    payments: list[PaymentRow] = []
    emails: list[EmailRow] = []

    async def fetch(self) -> None:
        """Load the customer named in the address."""
        outcome = await self.read(load_customer, self.customer_id)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            title=f"{found.facts.name} · Customers · BillerJacket",
            **{f.name: getattr(found, f.name) for f in dataclasses.fields(found)},
        )

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Change the customer."""
        self.busy = True
        yield
        try:
            changes = customer_form.parse(form)
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        outcome = await self.call(update_customer, self._record_id(), changes)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The customer was saved.")

    @rx.event
    async def pay(self, form: dict[str, Any]) -> Any:
        """Record money received; it goes to the oldest due invoices first."""
        self.busy = True
        yield
        try:
            command = payment_form.parse(form, customer_id=self._record_id())
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        outcome = await self.call(
            payment_form.pay, self._form_key, command, self.facts.currency_code
        )
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The payment was recorded.")

    def _record_id(self) -> Any:
        return rows.record_id(self.customer_id, "customer")


def _owed_row(owed: Any) -> rx.Component:
    return figures.kpis(
        figures.kpi("Outstanding", owed.outstanding, note=owed.count, testid="stat-outstanding"),
        figures.kpi("Overdue", owed.overdue, testid="stat-overdue"),
        figures.kpi("Paid", owed.paid, testid="stat-paid"),
        figures.kpi("Credit", owed.credit, note="not applied yet", testid="stat-credit"),
    )


def _details() -> rx.Component:
    facts = CustomerState.facts
    return basic.section(
        "Details",
        rx.cond(
            facts.email_bad,
            basic.callout(
                "Mail to this address came back. Change the address to send again.",
                tone="warn", symbol="mail-warning",
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.hold != "",
            basic.callout("Not chased: ", facts.hold, tone="info", symbol="pause"),
            rx.fragment(),
        ),
        basic.card(
            basic.facts(
                basic.fact("E-mail", facts.email),
                basic.fact("Phone", facts.phone),
                basic.fact("Billing address", rx.el.span(facts.address, class_name="pre")),
                basic.fact("Payment terms", facts.terms),
                basic.fact("Reference", facts.reference),
                basic.fact("Since", basic.when(facts.created, class_name="mono")),
                basic.fact(
                    "Customer id", basic.copy_id(facts.customer_id, label="the customer id")
                ),
            )
        ),
    )  # fmt: skip


def _invoices() -> rx.Component:
    state = CustomerState
    return basic.section(
        "Invoices",
        table.data_table(
            "Newest invoices of this customer",
            rows.invoice_columns(with_customer=False),
            state.invoices,
            lambda row: rows.invoice_cells(row, with_customer=False),
            state=state,
            testid="table-invoices",
            row_testid="invoice-row",
            empty=states.empty(
                "file-text", "No invoices yet", "Write the first one for this customer."
            ),
        ),
        aside=basic.link(
            "All invoices", href=routes.INVOICES + "?customer_id=" + state.facts.customer_id
        ),
    )


def _payments() -> rx.Component:
    state = CustomerState
    return basic.section(
        "Payments",
        table.data_table(
            "Newest payments of this customer",
            rows.payment_columns(with_customer=False),
            state.payments,
            lambda row: rows.payment_cells(row, with_customer=False),
            state=state,
            testid="table-payments",
            row_testid="payment-row",
            empty=states.empty("banknote", "No payments yet", "Money received shows here."),
        ),
        aside=basic.link(
            "All payments", href=routes.PAYMENTS + "?customer_id=" + state.facts.customer_id
        ),
    )


def _content() -> rx.Component:
    state = CustomerState
    return rx.el.div(
        rx.foreach(state.owed, _owed_row),
        rx.el.div(
            rx.el.div(_invoices(), _payments(), class_name="stack wide-gap"),
            rx.el.div(_details(), email_list(state.emails), class_name="stack wide-gap"),
            class_name="grid2",
        ),
        class_name="stack wide-gap",
    )


def page() -> rx.Component:
    """One customer."""
    state, facts = CustomerState, CustomerState.facts
    write = (state.view == "ready") & SessionState.may_write
    return shell.page(
        state,
        rx.cond(state.view == "ready", facts.name, "Customer"),
        states.body(
            state, _content(), noun="customer", back=(routes.CUSTOMERS, "To the customers")
        ),
        dialog.form_dialog(
            state, "edit", "Edit customer", customer_form.fields(state, state.typed),
            submit=state.save, verb="Save customer", large=True,
        ),
        dialog.form_dialog(
            state, "pay", "Record a payment",
            payment_form.fields(state, amount="", today=facts.today, excess_hint=""),
            submit=state.pay, verb="Record payment",
            lead="It pays an open invoice of exactly this amount, else the oldest due first; "
            "what is left stays as credit.",
        ),
        section="customers",
        crumbs=[("Customers", routes.CUSTOMERS)],
        actions=[
            rx.cond(
                write,
                rx.fragment(
                    basic.button("Edit…", on_click=state.open_dialog("edit"), data_testid="edit"),
                    basic.button(
                        "Record payment…", on_click=state.open_dialog("pay"),
                        data_testid="record-payment",
                    ),
                    basic.link_button(
                        basic.icon("plus", size=14), "New invoice", kind="primary",
                        href=routes.NEW_INVOICE + "?customer_id=" + facts.customer_id,
                        data_testid="new-invoice",
                    ),
                ),
                rx.fragment(),
            )
        ],
    )  # fmt: skip


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.CUSTOMER,
        title=rx.cond(CustomerState.title != "", CustomerState.title, "Customer · BillerJacket"),
        on_load=CustomerState.load,
    )
