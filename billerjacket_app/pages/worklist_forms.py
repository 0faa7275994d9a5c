"""The dialogs of the worklist: a call, a note, a hold; and what their forms stand for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import reflex as rx

from backend.dunning.contacts import ContactView, LogContact, log_contact
from backend.dunning.holds import HoldInvoice, hold_overdue
from backend.dunning.models import ContactKind, ContactOutcome
from backend.errors import InvalidInput
from backend.invoices.models import InvoiceHold
from backend.unit_of_work import UnitOfWork
from billerjacket_app import status
from billerjacket_app.components import dialog, forms, hold_form
from billerjacket_app.pages import rows

NOTE_LENGTH_MAX = 2000


def parse_contact(kind: ContactKind, form: dict[str, Any]) -> LogContact:
    """The contact a form stands for. Raises InvalidInput."""
    outcome = rows.optional_choice(ContactOutcome, str(form.get("outcome", "")), "outcome")
    return LogContact(
        kind=kind,
        outcome=outcome if kind is ContactKind.CALL else None,
        note=str(form.get("note", "")).strip() or None,
        next_on=rows.optional_date(str(form.get("next_on", "")), "next_on"),
    )


def parse_promise(form: dict[str, Any]) -> HoldInvoice:
    """The promise a form stands for. Raises InvalidInput."""
    until = rows.optional_date(str(form.get("until", "")), "until")
    if until is None:
        raise InvalidInput.of("until", "say until when they promised to pay")
    return HoldInvoice(
        InvoiceHold.PROMISE,
        until=until,
        amount=str(form.get("amount", "")).strip().replace(",", "") or None,
        reason=str(form.get("reason", "")).strip() or None,
    )


def log_call(
    work: UnitOfWork, customer_id: UUID, command: LogContact, promise: HoldInvoice | None
) -> ContactView:
    """Log a call, and take the promise that was made in it: both, or neither."""
    if promise is not None:
        hold_overdue(work, customer_id, promise)
    return log_contact(work, customer_id, command)


def dialogs(state: Any) -> rx.Component:
    """All three, about the customer of `state.about`."""
    about = state.about
    return rx.fragment(
        dialog.form_dialog(
            state,
            "call",
            rx.fragment("Log a call with ", about.name),
            _phone(about),
            forms.field(
                "outcome",
                "What came of it",
                forms.choice(
                    "outcome",
                    [("", "Choose…"), *status.CONTACT_OUTCOMES.items()],
                    error=state.errors["outcome"],
                    on_change=state.choose_outcome,
                ),
                error=state.errors["outcome"],
            ),
            rx.cond(state.outcome == "promised", _promise(state), rx.fragment()),
            _note(state, "What was said"),
            _next(state, "Until then the customer is off this list."),
            submit=state.log_call,
            verb=rx.cond(state.outcome == "promised", "Log call and promise", "Log call"),
        ),
        dialog.form_dialog(
            state,
            "note",
            rx.fragment("Note about ", about.name),
            _note(state, "Note"),
            _next(state, "Until then the customer is off this list."),
            submit=state.log_note,
            verb="Add note",
        ),
        hold_form.hold_dialog(
            state,
            hold_form.OF_CUSTOMER,
            state.hold,
            hold=state.about.hold,
            title=rx.fragment("Hold reminders to ", about.name),
            verb="Hold reminders",
        ),
    )


def _phone(about: Any) -> rx.Component:
    return rx.cond(
        about.tel != "",
        rx.el.p("Phone ", rx.el.a(about.phone, href=about.tel, class_name="link num")),
        rx.el.p("No phone number is known.", class_name="muted"),
    )


def _promise(state: Any) -> rx.Component:
    """Until when, and how much where it is about one invoice."""
    return rx.el.fieldset(
        rx.el.legend("The promise", class_name="label"),
        rx.el.div(
            forms.text_field(
                "until",
                "Pays by (the whole day)",
                error=state.errors["until"],
                type="date",
                min=state.today,
                required=True,
            ),
            rx.cond(
                state.about.is_single,
                forms.field(
                    "amount",
                    "Amount",
                    forms.amount(
                        "amount",
                        error=state.errors["amount"],
                        placeholder=state.about.amount,
                    ),
                    error=state.errors["amount"],
                ),
                rx.el.p(
                    "It counts for all their overdue invoices. For a part, hold one invoice on its "
                    "own page.",
                    class_name="small muted",
                ),
            ),
            class_name="cols2",
        ),
        class_name="plain-set",
        data_testid="promise-form",
    )


def _note(state: Any, label: str) -> rx.Component:
    return forms.field(
        "note",
        label,
        forms.area("note", error=state.errors["note"], max_length=NOTE_LENGTH_MAX),
        error=state.errors["note"],
    )


def _next(state: Any, hint: str) -> rx.Component:
    return forms.text_field(
        "next_on",
        "Come back on",
        error=state.errors["next_on"],
        hint=hint,
        type="date",
        min=state.today,
    )
