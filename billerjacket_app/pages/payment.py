"""/payments/{id}: one payment, where it went, what is left of it, and its reversal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import reflex as rx

from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.payments.queries import PaymentView, get_payment
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, dialog, figures, shell, states, table
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.session import SessionState
from billerjacket_app.status import Badge


@dataclass
class Allocation:
    """A part of the payment, and the invoice it went to."""

    number: str = ""
    href: str = ""
    amount: str = ""


@dataclass
class PaymentFacts:
    """The payment as text, and what may be done with it now."""

    payment_id: str = ""
    badge: Badge = field(default_factory=Badge)
    customer: str = ""
    customer_href: str = ""
    amount: str = ""
    applied: str = ""
    unapplied: str = ""
    refunded: str = ""
    disputed: str = ""
    received: str = ""
    method: str = ""
    provider: str = ""
    external_id: str = ""
    note: str = ""
    recorded: fmt.When = field(default_factory=fmt.When)
    correlation_id: str = ""
    reversed_at: fmt.When = field(default_factory=fmt.When)
    reversal_reason: str = ""
    is_reversible: bool = False
    has_credit: bool = False


@dataclass(frozen=True)
class PaymentPage:
    """All of the page."""

    title: str
    facts: PaymentFacts
    allocations: list[Allocation]


def load_payment(reader: Reader, payment_id: str) -> PaymentPage:
    """One payment. Raises NotFound."""
    payment = get_payment(reader, rows.record_id(payment_id, "payment"))
    facts = _facts(reader, payment)
    return PaymentPage(
        title=f"{facts.amount} from {facts.customer} · Payments · BillerJacket",
        facts=facts,
        allocations=[
            Allocation(
                part.invoice_number,
                routes.invoice(part.invoice_id),
                fmt.money(part.amount, payment.currency_code),
            )
            for part in payment.allocations
        ],
    )


def _some(amount: Decimal, code: str) -> str:
    """An amount, or nothing at all for none."""
    return fmt.money(amount, code) if amount else ""


def _facts(reader: Reader, payment: PaymentView) -> PaymentFacts:
    zone, code = rows.zone_of(reader), payment.currency_code
    succeeded = payment.status is PaymentStatus.SUCCEEDED
    return PaymentFacts(
        payment_id=str(payment.payment_id),
        badge=status.payment(
            payment.status,
            unapplied=payment.unapplied_amount,
            currency_code=code,
            refunded=payment.refunded_amount,
            disputed=payment.disputed_amount,
        ),
        customer=payment.customer_name,
        customer_href=routes.customer(payment.customer_id),
        amount=fmt.money(payment.amount, code),
        applied=fmt.money(payment.applied_amount, code),
        unapplied=fmt.money(payment.unapplied_amount, code),
        refunded=_some(payment.refunded_amount, code),
        disputed=_some(payment.disputed_amount, code),
        received=fmt.calendar(payment.received_on),
        method=status.METHODS[payment.method],
        provider=payment.external_provider or fmt.NOTHING,
        external_id=payment.external_payment_id or "",
        note=payment.note or fmt.NOTHING,
        recorded=fmt.when_exactly(payment.created_at, zone),
        correlation_id=payment.correlation_id,
        reversed_at=fmt.when_exactly(payment.reversed_at, zone),
        reversal_reason=payment.reversal_reason or "",
        is_reversible=succeeded,
        has_credit=succeeded and payment.unapplied_amount > 0,
    )


class PaymentState(PageState, rx.State):
    """One payment."""

    facts: PaymentFacts = PaymentFacts()
    allocations: list[Allocation] = []

    async def fetch(self) -> None:
        """Load the payment named in the address."""
        outcome = await self.read(load_payment, self.payment_id)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(title=found.title, facts=found.facts, allocations=found.allocations)

    @rx.event
    async def reverse(self, form: dict[str, Any]) -> Any:
        """Undo the payment."""
        self.busy = True
        yield
        outcome = await self.call(reverse_payment, self._record_id(), str(form.get("reason", "")))
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The payment was reversed; its invoices are open again.")

    @rx.event
    async def apply_credit(self, _form: dict[str, Any]) -> Any:
        """Apply what is left to the customer's open invoices, the oldest due first."""
        self.busy = True
        yield
        outcome = await self.call(allocate_credit, self._record_id(), None)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The credit was applied.")

    def _record_id(self) -> Any:
        return rows.record_id(self.payment_id, "payment")


def _allocations() -> rx.Component:
    state = PaymentState
    return basic.section(
        "Where it went",
        rx.cond(
            state.allocations.length() > 0,
            table.plain_table(
                "Invoices this payment was applied to",
                [table.Column("invoice", "Invoice"), table.Column("amount", "Applied", True)],
                rx.foreach(
                    state.allocations,
                    lambda part: rx.el.tr(
                        table.row_header(
                            rx.el.a(part.number, href=part.href, class_name="hit link")
                        ),
                        table.number(part.amount),
                        data_testid="allocation-row",
                    ),
                ),
                testid="table-allocations",
            ),
            basic.card(
                states.empty("split", "Applied to no invoice", "All of it is credit, or undone.")
            ),
        ),
    )


def _taken(name: str, amount: Any, testid: str) -> rx.Component:
    """What a provider took of the payment, if anything."""
    return rx.cond(
        amount != "",
        basic.fact(name, rx.el.span(amount, class_name="num", data_testid=testid)),
        rx.fragment(),
    )


def _content() -> rx.Component:
    facts = PaymentState.facts
    return rx.el.div(
        figures.kpis(
            figures.kpi("Amount", facts.amount, testid="payment-amount"),
            figures.kpi("Applied", facts.applied, testid="payment-applied"),
            figures.kpi("Left as credit", facts.unapplied, testid="payment-unapplied"),
            figures.kpi("Received", facts.received, testid="payment-received"),
        ),
        rx.cond(
            facts.reversal_reason != "",
            basic.callout(
                "Reversed ", basic.when(facts.reversed_at), ": ", facts.reversal_reason,
                symbol="undo-2", tone="warn", data_testid="reversed",
            ),
            rx.fragment(),
        ),
        rx.el.div(
            _allocations(),
            basic.section(
                "Details",
                basic.card(
                    basic.facts(
                        basic.fact(
                            "Customer", basic.link(facts.customer, href=facts.customer_href)
                        ),
                        _taken("Refunded", facts.refunded, "payment-refunded"),
                        _taken("Taken by a dispute", facts.disputed, "payment-disputed"),
                        basic.fact("Method", facts.method),
                        basic.fact("Note", facts.note),
                        basic.fact("Provider", facts.provider),
                        rx.cond(
                            facts.external_id != "",
                            basic.fact(
                                "Provider's id",
                                basic.copy_id(facts.external_id, label="the provider's id"),
                            ),
                            rx.fragment(),
                        ),
                        basic.fact("Recorded", basic.when(facts.recorded, class_name="mono")),
                        basic.fact(
                            "Payment id",
                            basic.copy_id(facts.payment_id, label="the payment id"),
                        ),
                        basic.fact(
                            "Correlation id",
                            basic.copy_id(facts.correlation_id, label="the correlation id"),
                        ),
                    ),
                ),
            ),
            class_name="grid2",
        ),
        class_name="stack wide-gap",
    )  # fmt: skip


def _dialogs() -> list[rx.Component]:
    state, facts = PaymentState, PaymentState.facts
    return [
        dialog.form_dialog(
            state,
            "reverse",
            "Reverse this payment?",
            basic.facts(
                basic.fact("Customer", facts.customer),
                basic.fact("Amount", rx.el.span(facts.amount, class_name="strong num")),
                basic.fact("Applied", rx.el.span(facts.applied, class_name="num")),
                basic.fact("Left as credit", rx.el.span(facts.unapplied, class_name="num")),
            ),
            dialog.reason_field(
                state, hint="For example: the check bounced. It stays in the timeline."
            ),
            submit=state.reverse,
            verb="Reverse payment",
            kind="danger",
            dismiss="Keep payment",
            lead="The money counts as never received: its invoices are open again and chased.",
        ),
        dialog.form_dialog(
            state,
            "apply",
            "Apply the credit?",
            basic.facts(
                basic.fact("Customer", facts.customer),
                basic.fact("Credit", rx.el.span(facts.unapplied, class_name="strong num")),
            ),
            submit=state.apply_credit,
            verb="Apply credit",
            lead="It goes to the customer's open invoices, the oldest due first.",
        ),
    ]


def page() -> rx.Component:
    """One payment."""
    state, facts = PaymentState, PaymentState.facts
    write = (state.view == "ready") & SessionState.may_write
    return shell.page(
        state,
        rx.cond(state.view == "ready", "Payment of " + facts.amount, "Payment"),
        states.body(
            state, _content(), noun="payment", back=(routes.PAYMENTS, "To the payments")
        ),
        *_dialogs(),
        section="payments",
        crumbs=[("Payments", routes.PAYMENTS)],
        beside=rx.cond(state.view == "ready", basic.badge(facts.badge), rx.fragment()),
        actions=[
            rx.cond(
                write & facts.has_credit,
                basic.button(
                    "Apply credit…", on_click=state.open_dialog("apply"), data_testid="apply"
                ),
                rx.fragment(),
            ),
            rx.cond(
                write & facts.is_reversible,
                basic.button(
                    basic.icon("undo-2", size=14), "Reverse…",
                    on_click=state.open_dialog("reverse"), data_testid="reverse",
                ),
                rx.fragment(),
            ),
        ],
    )  # fmt: skip


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.PAYMENT,
        title=rx.cond(PaymentState.title != "", PaymentState.title, "Payment · BillerJacket"),
        on_load=PaymentState.load,
    )
