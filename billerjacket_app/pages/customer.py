"""/customers/{id}: what one customer owes, its invoices, payments and e-mails."""

from __future__ import annotations

import dataclasses
from typing import Any

import reflex as rx

from backend.customers.service import update_customer
from backend.dunning.service import release_customer
from backend.errors import InvalidInput
from billerjacket_app import routes
from billerjacket_app.components import (
    basic,
    dialog,
    figures,
    forms,
    hold_form,
    shell,
    states,
    table,
)
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import customer_form, payment_form, returned_mail, rows
from billerjacket_app.pages.customer_view import CustomerFacts, Owed, PlanChoice, load_customer
from billerjacket_app.pages.emails import EmailRow, email_list
from billerjacket_app.pages.hold_acts import HoldActs
from billerjacket_app.pages.returned_mail import ReturnedActs
from billerjacket_app.pages.rows import InvoiceRow, PaymentRow
from billerjacket_app.session import SessionState


class CustomerState(HoldActs, ReturnedActs, PageState, rx.State):
    """One customer."""

    facts: CustomerFacts = CustomerFacts()
    typed: dict[str, str] = {}
    plans: list[PlanChoice] = []
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
            changes = customer_form.changed(form, self.typed)
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

    @rx.event
    async def choose_plan(self, form: dict[str, Any]) -> Any:
        """Chase the customer by another plan."""
        self.busy = True
        yield
        try:
            plan_id = rows.optional_id(str(form.get("dunning_plan_id", "")), "dunning_plan_id")
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        changes = {"dunning_plan_id": plan_id}
        outcome = await self.call(update_customer, self._record_id(), changes)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The plan was chosen.")

    def holding(self) -> Any:
        """The customer."""
        return hold_form.place_on_customer, release_customer, self._record_id()

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
        returned_mail.callout(CustomerState, facts.returned, may=SessionState.may_write),
        hold_form.callout(
            facts.hold, CustomerState.release, may=SessionState.may_chase, busy=CustomerState.busy
        ),
        basic.card(
            basic.facts(
                basic.fact(
                    "E-mail",
                    facts.email,
                    " ",
                    returned_mail.mark_button(
                        CustomerState, facts.returned,
                        has_address=facts.has_email, may=SessionState.may_write,
                    ),
                ),
                basic.fact("Phone", facts.phone),
                basic.fact("Billing address", rx.el.span(facts.address, class_name="pre")),
                basic.fact("Payment terms", facts.terms),
                basic.fact("Reference", facts.reference),
                basic.fact(
                    "Chased by",
                    basic.link(facts.plan, href=facts.plan_href, data_testid="plan"),
                    rx.cond(facts.plan_id == "", " (default)", ""),
                    " ",
                    rx.cond(
                        SessionState.may_chase,
                        basic.button(
                            "Choose plan…", data_testid="choose-plan",
                            on_click=CustomerState.open_dialog("plan"),
                        ),
                        rx.fragment(),
                    ),
                ),
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
        returned_mail.mark_dialog(state, lead=facts.email),
        hold_form.hold_dialog(
            state, hold_form.OF_CUSTOMER, state.hold, hold=facts.hold,
            title="Hold back reminders?", verb="Hold customer", lead=facts.name,
        ),
        dialog.form_dialog(
            state, "plan", "Choose a plan",
            forms.field(
                "dunning_plan_id", "Plan",
                forms.choice(
                    "dunning_plan_id",
                    rx.foreach(
                        state.plans,
                        lambda plan: rx.el.option(plan.label, value=plan.value, key=plan.value),
                    ),
                    error=state.errors["dunning_plan_id"],
                    default_value=facts.plan_id,
                ),
                error=state.errors["dunning_plan_id"],
            ),
            submit=state.choose_plan, verb="Choose plan",
            lead="A step whose days were already used for an invoice is never sent again; "
            "its next one is the first with more days after the due date.",
        ),
        section="customers",
        beside=rx.cond(state.view == "ready", hold_form.badge(facts.hold), rx.fragment()),
        crumbs=[("Customers", routes.CUSTOMERS)],
        actions=[
            rx.cond(
                state.view == "ready",
                hold_form.hold_button(state, facts.hold, may=SessionState.may_chase),
                rx.fragment(),
            ),
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
