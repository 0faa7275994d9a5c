"""/invoices/{id}: the invoice, what was paid, and everything that happened; its actions."""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.dunning.service import release_invoice
from backend.errors import InvalidInput
from backend.invoices.service import cancel_invoice, send_invoice, void_invoice
from billerjacket_app import routes
from billerjacket_app.components import (
    basic,
    dialog,
    figures,
    hold_form,
    shell,
    states,
    table,
)
from billerjacket_app.components.timeline import TimelineDay, timeline
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import payment_form, rows
from billerjacket_app.pages.emails import EmailRow, email_list
from billerjacket_app.pages.hold_acts import HoldActs
from billerjacket_app.pages.invoice_view import (
    AppliedRow,
    InvoiceFacts,
    LineRow,
    load_invoice,
)
from billerjacket_app.session import SessionState


class InvoiceState(HoldActs, PageState, rx.State):
    """One invoice."""

    facts: InvoiceFacts = InvoiceFacts()
    lines: list[LineRow] = []
    payments: list[AppliedRow] = []
    emails: list[EmailRow] = []
    days: list[TimelineDay] = []
    folded: str = ""
    unfolded: bool = False

    _currency: str = ""

    async def fetch(self) -> None:
        """Load the invoice named in the address."""
        outcome = await self.read(load_invoice, self.invoice_id, self.unfolded)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self._currency = found.currency_code
        self.assign(
            title=found.title,
            facts=found.facts,
            lines=found.lines,
            payments=found.payments,
            emails=found.emails,
            days=found.days,
            folded=found.folded,
        )

    @rx.event
    async def fold(self) -> None:
        """Show or hide the steps of delivery in the timeline."""
        self.unfolded = not self.unfolded
        await self.fetch()

    @rx.event
    async def send(self, _form: dict[str, Any]) -> Any:
        """Give the draft its number and send it."""
        self.busy = True
        yield
        outcome = await self.call(send_invoice, self._record_id())
        if not outcome.problem:
            yield await self._done(f"{outcome.must.invoice_number} was sent.")

    @rx.event
    async def pay(self, form: dict[str, Any]) -> Any:
        """Record money received for this invoice."""
        self.busy = True
        yield
        try:
            command = payment_form.parse(form, invoice_id=self._record_id())
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        outcome = await self.call(payment_form.pay, self._form_key, command, self._currency)
        if not outcome.problem:
            yield await self._done("The payment was recorded.")

    @rx.event
    async def void(self, form: dict[str, Any]) -> Any:
        """Declare the invoice void."""
        async for step in self._close(void_invoice, form, "is void"):
            yield step

    @rx.event
    async def cancel(self, form: dict[str, Any]) -> Any:
        """Call the invoice off."""
        async for step in self._close(cancel_invoice, form, "was cancelled"):
            yield step

    async def _close(self, use_case: Any, form: dict[str, Any], said: str) -> Any:
        self.busy = True
        yield
        number = self.facts.number
        reason = str(form.get("reason", ""))
        outcome = await self.call(use_case, self._record_id(), reason)
        if not outcome.problem:
            yield await self._done(f"{number} {said}.")

    async def _done(self, text: str) -> Any:
        self.close_dialog_now()
        await self.fetch()
        return say(text)

    def holding(self) -> Any:
        """The invoice."""
        return hold_form.place_on_invoice, release_invoice, self._record_id()

    def _record_id(self) -> Any:
        return rows.record_id(self.invoice_id, "invoice")


def _actions() -> list[rx.Component]:
    state, facts = InvoiceState, InvoiceState.facts
    ready = state.view == "ready"
    write = ready & SessionState.may_write
    may_void = write & rx.cond(
        facts.is_draft, True, facts.is_open & SessionState.may_void & ~facts.has_payments
    )
    return [
        rx.cond(
            ready & facts.is_open,
            hold_form.hold_button(state, facts.hold, may=SessionState.may_chase),
            rx.fragment(),
        ),
        rx.cond(
            may_void,
            basic.button("Void…", on_click=state.open_dialog("void"), data_testid="void"),
            rx.fragment(),
        ),
        rx.cond(
            write & facts.is_open & ~facts.has_payments,
            basic.button("Cancel…", on_click=state.open_dialog("cancel"), data_testid="cancel"),
            rx.fragment(),
        ),
        rx.cond(
            write & facts.is_draft,
            basic.link_button("Edit draft", href=facts.edit_href),
            rx.fragment(),
        ),
        rx.cond(
            ready,
            basic.download_link("PDF", href=facts.pdf_href, data_testid="pdf"),
            rx.fragment(),
        ),
        rx.cond(
            write & facts.is_draft,
            basic.button(
                basic.icon("send", size=14), "Send…", kind="primary",
                on_click=state.open_dialog("send"), data_testid="send",
            ),
            rx.fragment(),
        ),
        rx.cond(
            write & facts.is_open,
            basic.button(
                basic.icon("banknote", size=14), "Record payment…", kind="primary",
                on_click=state.open_dialog("pay"), data_testid="record-payment",
            ),
            rx.fragment(),
        ),
    ]  # fmt: skip


def _head() -> rx.Component:
    facts = InvoiceState.facts
    return rx.el.div(
        figures.kpis(
            figures.kpi("Total", facts.total, testid="invoice-total"),
            figures.kpi("Paid", facts.paid, testid="invoice-paid"),
            figures.kpi("Balance due", facts.balance, testid="invoice-balance"),
            figures.kpi("Due", facts.due, note=facts.due_note, testid="invoice-due"),
        ),
        rx.cond(
            facts.closed_reason != "",
            basic.callout("Called off: ", facts.closed_reason, symbol="ban"),
            rx.fragment(),
        ),
        hold_form.callout(
            facts.hold, InvoiceState.release, may=SessionState.may_chase, busy=InvoiceState.busy
        ),
        class_name="stack",
    )


def _facts() -> rx.Component:
    facts = InvoiceState.facts
    return basic.card(
        basic.facts(
            basic.fact("Customer", basic.link(facts.customer, href=facts.customer_href)),
            basic.fact("E-mail", rx.cond(facts.recipient != "", facts.recipient, "none")),
            basic.fact("Issued", basic.day(facts.issued)),
            basic.fact("Due", basic.day(facts.due)),
            basic.fact("Purchase order", facts.purchase_order),
            basic.fact("Reference", facts.reference),
            basic.fact("Created", basic.when(facts.created, class_name="mono")),
            basic.fact("Sent", basic.when(facts.sent, class_name="mono")),
            basic.fact("Invoice id", basic.copy_id(facts.invoice_id, label="the invoice id")),
        ),
        rx.cond(
            facts.notes != "",
            rx.el.p(rx.el.span("Notes: ", class_name="muted"), facts.notes, class_name="pre"),
            rx.fragment(),
        ),
        class_name="stack",
    )


def _lines() -> rx.Component:
    facts = InvoiceState.facts

    def total(label: str, amount: Any, class_name: str = "part") -> rx.Component:
        return rx.el.tr(
            rx.el.th(label, scope="row", col_span=4), table.number(amount), class_name=class_name
        )

    return basic.section(
        "Lines",
        table.plain_table(
            "Lines of the invoice",
            [
                table.Column("description", "Description"),
                table.Column("quantity", "Quantity", True),
                table.Column("unit_price", "Unit price", True),
                table.Column("tax", "Tax", True),
                table.Column("total", "Total", True),
            ],
            rx.foreach(
                InvoiceState.lines,
                lambda line: rx.el.tr(
                    table.cell(line.description, class_name="wrap"),
                    table.number(line.quantity),
                    table.number(line.unit_price),
                    table.number(line.tax_rate),
                    table.number(line.total),
                ),
            ),
            testid="table-lines",
            foot=rx.fragment(
                total("Subtotal", facts.subtotal), total("Tax", facts.tax),
                total("Total", rows.figure(facts.total, facts.struck), "sum"),
            ),
        ),
    )  # fmt: skip


def _payments() -> rx.Component:
    return rx.cond(
        InvoiceState.payments.length() > 0,
        basic.section(
            "Payments",
            table.plain_table(
                "Payments on this invoice",
                [
                    table.Column("received", "Received"),
                    table.Column("status", "Status"),
                    table.Column("method", "Method"),
                    table.Column("amount", "Amount", True),
                    table.Column("applied", "Applied here", True),
                ],
                rx.foreach(
                    InvoiceState.payments,
                    lambda row: rx.el.tr(
                        table.row_header(
                            rx.el.a(basic.day(row.received), href=row.href, class_name="hit link")
                        ),
                        table.cell(basic.badge(row.badge)),
                        table.cell(row.method),
                        table.number(rows.figure(row.amount, row.struck)),
                        table.number(row.applied),
                        data_testid="payment-row",
                    ),
                ),
                testid="table-payments",
            ),
        ),
        rx.fragment(),
    )


def _timeline() -> rx.Component:
    state = InvoiceState
    return basic.section(
        "Timeline",
        basic.card(timeline(state.days)),
        aside=rx.cond(
            state.folded != "",
            rx.el.button(
                state.folded,
                type="button",
                class_name="fold",
                on_click=state.fold,
                aria_expanded=rx.cond(state.unfolded, "true", "false"),
            ),
            rx.fragment(),
        ),
    )


def _content() -> rx.Component:
    return rx.el.div(
        _head(),
        rx.el.div(
            rx.el.div(_lines(), _payments(), _timeline(), class_name="stack wide-gap"),
            rx.el.div(
                basic.section("Details", _facts()),
                email_list(InvoiceState.emails),
                class_name="stack wide-gap",
            ),
            class_name="grid2",
        ),
        class_name="stack wide-gap",
    )


def _dialogs() -> list[rx.Component]:
    state, facts = InvoiceState, InvoiceState.facts
    amounts = basic.facts(
        basic.fact("Customer", facts.customer),
        basic.fact("Total", rx.el.span(facts.total, class_name="strong num")),
        basic.fact("Balance due", rx.el.span(facts.balance, class_name="strong num")),
    )
    return [
        dialog.form_dialog(
            state,
            "send",
            "Send this invoice?",
            basic.facts(
                basic.fact("Customer", facts.customer),
                basic.fact(
                    "E-mail goes to",
                    rx.cond(facts.recipient != "", facts.recipient, "nobody: no address"),
                ),
                basic.fact("Total", rx.el.span(facts.total, class_name="strong num")),
            ),
            submit=state.send,
            verb="Send invoice",
            lead="It gets its number, and from then on it never changes.",
        ),
        dialog.form_dialog(
            state,
            "pay",
            "Record a payment",
            payment_form.fields(
                state,
                amount=facts.balance_input,
                today=facts.today,
                excess_hint="Keep what is above the balance as the customer's credit",
            ),
            submit=state.pay,
            verb="Record payment",
            lead=facts.number + " · " + facts.customer + " · balance " + facts.balance,
        ),
        hold_form.hold_dialog(
            state, hold_form.OF_INVOICE, state.hold, hold=facts.hold,
            title="Hold back reminders?", verb="Hold invoice",
            lead=facts.number + " · " + facts.customer + " · balance " + facts.balance,
        ),
        dialog.form_dialog(
            state,
            "void",
            rx.cond(facts.is_draft, "Void this draft?", "Void this invoice?"),
            amounts,
            dialog.reason_field(state, hint="It stays in the timeline for good."),
            submit=state.void,
            verb="Void invoice",
            kind="danger",
            dismiss="Keep invoice",
            lead="A void invoice counts as never issued. A number that was given stays taken.",
        ),
        dialog.form_dialog(
            state,
            "cancel",
            "Cancel this invoice?",
            amounts,
            dialog.reason_field(state, hint="It stays in the timeline for good."),
            submit=state.cancel,
            verb="Cancel invoice",
            kind="danger",
            dismiss="Keep invoice",
            lead="Nothing is owed on a cancelled invoice; what was posted is reversed.",
        ),
    ]  # fmt: skip


def page() -> rx.Component:
    """One invoice."""
    state = InvoiceState
    return shell.page(
        state,
        rx.cond(state.view == "ready", state.facts.number, "Invoice"),
        states.body(state, _content(), noun="invoice", back=(routes.INVOICES, "To the invoices")),
        *_dialogs(),
        section="invoices",
        crumbs=[("Invoices", routes.INVOICES)],
        actions=_actions(),
        beside=rx.cond(
            state.view == "ready",
            rx.fragment(basic.badge(state.facts.badge), hold_form.badge(state.facts.hold)),
            rx.fragment(),
        ),
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.INVOICE,
        title=rx.cond(InvoiceState.title != "", InvoiceState.title, "Invoice · BillerJacket"),
        on_load=InvoiceState.load,
    )
