"""Stopping to chase: one form for an invoice and for a customer, and how a hold looks.

    hold_form.hold_dialog(State, hold_form.OF_INVOICE, State.hold, …)   # the dialog "hold"
    outcome = await self.call(hold_form.place_on_customer, customer_id, form)   # what to say

The chosen kind decides by CSS which fields are seen; what belongs to another kind is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import reflex as rx

from backend.customers.models import CustomerHold
from backend.customers.queries import CustomerView
from backend.dunning.holds import HoldInvoice, hold_invoice, hold_overdue, list_holds
from backend.dunning.models import HoldEnd
from backend.dunning.service import HoldCustomer, hold_customer
from backend.errors import InvalidInput
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import format as fmt
from billerjacket_app import status
from billerjacket_app.components import basic, dialog, forms
from billerjacket_app.status import Badge

PAUSE, DISPUTE, PROMISE, EXCLUDE = "pause", "dispute", "promise", "exclude"
# What can be chosen, and what each choice means.
OF_INVOICE = (
    (PAUSE, "Pause", "No reminders for a while."),
    (DISPUTE, "Dispute", "The customer objects; the amount is told apart in the aging."),
    (PROMISE, "Promise to pay", "Quiet until the day ends; broken, chasing goes on and says so."),
)
OF_CUSTOMER = (
    (PAUSE, "Pause", "No reminders to this customer for a while."),
    (PROMISE, "Promise to pay", "For all that is overdue and not in dispute."),
    (EXCLUDE, "Never chase", "No reminders at all, until it is released."),
)


@dataclass
class HoldFacts:
    """A hold as text. Without a `text` there is none; a broken promise holds nothing any more."""

    text: str = ""
    badge: Badge = field(default_factory=Badge)
    is_broken: bool = False
    is_held: bool = False
    # What the form begins with.
    kind: str = PAUSE
    until: str = ""
    amount: str = ""
    reason: str = ""


def of_invoice(reader: Reader, invoice: InvoiceView) -> HoldFacts:
    """How the hold of an invoice looks today; the day of a past one is over."""
    if invoice.hold_kind is None:
        return HoldFacts()
    kind, until = invoice.hold_kind, invoice.hold_until
    is_over = until is not None and until < reader.today
    is_broken = False
    if is_over and kind is InvoiceHold.PROMISE:
        is_broken = list_holds(reader, invoice.invoice_id)[0].ended_as is HoldEnd.BROKEN
    if is_over and not is_broken:
        return HoldFacts()
    amount = invoice.hold_amount
    promised = "" if amount is None else f" {fmt.money(amount, invoice.currency_code)}"
    when = f" {'for' if kind is InvoiceHold.PROMISE else 'until'} {until}" if until else ""
    reason = f": “{invoice.hold_reason}”" if invoice.hold_reason else ""
    return HoldFacts(
        text=f"{status.HOLD[kind].label}{promised}{when}{reason}",
        badge=status.BROKEN_PROMISE if is_broken else _dated(status.HOLD[kind], when),
        is_broken=is_broken,
        is_held=not is_broken,
        kind=PAUSE if is_broken else kind.value,
        until="" if is_broken or until is None else until.isoformat(),
        amount=""
        if is_broken or amount is None
        else fmt.amount_input(amount, invoice.currency_code),
        reason="" if is_broken else invoice.hold_reason or "",
    )


def of_customer(customer: CustomerView, today: date) -> HoldFacts:
    """How the hold of a customer looks today."""
    kind, until = customer.hold_kind, customer.hold_until
    if kind is None or (until is not None and until < today):
        return HoldFacts()
    when = f" until {until}" if until else ""
    reason = f": “{customer.hold_reason}”" if customer.hold_reason else ""
    return HoldFacts(
        text=f"{status.HOLD[kind].label}{when}{reason}",
        badge=_dated(status.HOLD[kind], when),
        is_held=True,
        kind=kind.value,
        until=until.isoformat() if until else "",
        reason=customer.hold_reason or "",
    )


def place_on_invoice(work: UnitOfWork, invoice_id: UUID, form: dict[str, Any]) -> str:
    """Hold the invoice as the form says; the sentence to say about it.

    Raises InvalidInput and what `hold_invoice` raises.
    """
    command = _command(form, work.today)
    hold_invoice(work, invoice_id, command)
    return _said("The invoice is", command)


def place_on_customer(work: UnitOfWork, customer_id: UUID, form: dict[str, Any]) -> str:
    """Hold the customer, or take a promise for all that is overdue; the sentence to say about it.

    Raises InvalidInput and what `hold_customer` and `hold_overdue` raise.
    """
    if form.get("kind") == EXCLUDE:
        hold_customer(work, customer_id, HoldCustomer(CustomerHold.EXCLUDE, None, _reason(form)))
        return "The customer is not chased any more."
    command = _command(form, work.today)
    if command.kind is InvoiceHold.PAUSE:
        wanted = HoldCustomer(CustomerHold.PAUSE, command.until, command.reason)
        hold_customer(work, customer_id, wanted)
        return _said("The customer is", command)
    number = hold_overdue(work, customer_id, command)
    return _said(f"{fmt.count(number, 'invoice')} {'is' if number == 1 else 'are'}", command)


def hold_dialog(
    state: Any,
    kinds: Sequence[tuple[str, str, str]],
    submit: Any,
    *,
    hold: Any,
    title: Any,
    verb: str,
    lead: Any = "",
) -> rx.Component:
    """The dialog "hold" of a page; `hold` is a Var of `HoldFacts`, with what stands now."""
    return dialog.form_dialog(
        state, "hold", title, fields(state, kinds, hold=hold),
        submit=submit, verb=verb, lead=lead,
    )  # fmt: skip


def fields(state: Any, kinds: Sequence[tuple[str, str, str]], *, hold: Any) -> rx.Component:
    """The kind, and the fields that belong to it."""
    errors = state.errors
    return rx.el.div(
        rx.el.fieldset(
            rx.el.legend("What is agreed", class_name="vh"),
            *(_kind(value, label, hint, hold) for value, label, hint in kinds),
            class_name="kinds plain-set",
        ),
        rx.el.div(
            _until(errors["until"], hold),
            forms.field(
                "amount",
                "Amount promised",
                forms.amount(
                    "amount", error=errors["amount"], hint=_AMOUNT, default_value=hold.amount
                ),
                error=errors["amount"],
                hint=_AMOUNT,
                class_name="not-pause not-dispute",
            ),
            class_name="cols2 not-exclude",
        ),
        forms.field(
            "reason",
            "Reason",
            forms.area(
                "reason", error=errors["reason"], hint=_REASON, max_length=500,
                default_value=hold.reason,
            ),
            error=errors["reason"],
            hint=_REASON,
        ),
        class_name="hold-form form",
    )  # fmt: skip


_AMOUNT = "Empty: all that is open."
_UNTIL = "The last quiet day. Empty: until it is released."
_REASON = "It stays in the timeline. A dispute needs one."


def badge(hold: Any) -> rx.Component:
    """The hold as a badge beside a heading; nothing without one."""
    return rx.cond(
        hold.text != "", basic.badge(hold.badge, data_testid="badge-hold"), rx.fragment()
    )


def callout(hold: Any, release: Any, *, may: Any, busy: Any) -> rx.Component:
    """What holds chasing now, with the way to end it; or that a promise was broken."""
    return rx.cond(
        hold.is_broken,
        basic.callout(
            rx.el.strong("The promise was broken. "), hold.text, ". It is chased again.",
            tone="bad", symbol="flag", data_testid="hold-note",
        ),
        rx.cond(
            hold.is_held,
            basic.callout(
                rx.el.div(
                    rx.el.span("Not chased: ", hold.text),
                    rx.cond(
                        may,
                        basic.button(
                            "Release hold", on_click=release, disabled=busy, data_testid="release"
                        ),
                        rx.fragment(),
                    ),
                    class_name="row spread",
                ),
                tone="info", symbol="pause", data_testid="hold-note",
            ),
            rx.fragment(),
        ),
    )  # fmt: skip


def hold_button(state: Any, hold: Any, *, may: Any) -> rx.Component:
    """The button that opens the form; for who may not, disabled, with the reason in text."""
    label = rx.cond(hold.is_held, "Change hold…", "Hold…")
    return rx.cond(
        may,
        basic.button(
            basic.icon("pause", size=14), label, on_click=state.open_dialog("hold"),
            data_testid="hold",
        ),
        basic.locked("hold", "Hold…", "Only Finance and Admins hold back reminders."),
    )  # fmt: skip


def _kind(value: str, label: str, hint: str, hold: Any) -> rx.Component:
    """A choice; its hint describes it and is no part of its name."""
    return rx.el.div(
        rx.el.input(
            type="radio", name="kind", value=value, id=f"f-kind-{value}",
            default_checked=hold.kind == value, aria_describedby=f"f-kind-{value}-hint",
        ),
        rx.el.div(
            rx.el.label(label, html_for=f"f-kind-{value}", class_name="medium"),
            rx.el.div(hint, id=f"f-kind-{value}-hint", class_name="small muted"),
        ),
        class_name="check",
    )  # fmt: skip


def _until(error: Any, hold: Any) -> rx.Component:
    """One field for a day; the kind decides what it is called."""
    return forms.field(
        "until",
        rx.fragment(
            rx.el.span("Pause until", class_name="not-dispute not-promise"),
            rx.el.span("Disputed until", class_name="not-pause not-promise"),
            rx.el.span("Promised for", class_name="not-pause not-dispute"),
        ),
        forms.text("until", error=error, hint=_UNTIL, type="date", default_value=hold.until),
        error=error,
        hint=_UNTIL,
    )


def _command(form: dict[str, Any], today: date) -> HoldInvoice:
    try:
        kind = InvoiceHold(str(form.get("kind", "")))
    except ValueError:
        raise InvalidInput.of("kind", "must be one of those on the form") from None
    text = str(form.get("until", "")).strip()
    try:
        until = date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput.of("until", "must be a date such as 2026-09-22") from None
    if until is not None and until < today:
        raise InvalidInput.of("until", "lies in the past, so that it would hold nothing")
    amount = str(form.get("amount", "")).strip().replace(",", "").replace(" ", "").lstrip("$€£¥")
    return HoldInvoice(
        kind, until, amount or None if kind is InvoiceHold.PROMISE else None, _reason(form)
    )


def _reason(form: dict[str, Any]) -> str | None:
    return str(form.get("reason", "")).strip() or None


def _said(subject: str, command: HoldInvoice) -> str:
    until = command.until
    what = {
        InvoiceHold.PAUSE: f"paused until {until}" if until else "paused until it is released",
        InvoiceHold.DISPUTE: "in dispute and is not chased",
        InvoiceHold.PROMISE: f"promised for {until}",
    }
    return f"{subject} {what[command.kind]}."


def _dated(badge: Badge, when: str) -> Badge:
    return Badge(f"{badge.label}{when}", badge.icon, badge.scale)
