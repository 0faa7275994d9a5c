"""The fields of a customer, for the dialog that makes one and the dialog that changes one."""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.errors import InvalidInput
from billerjacket_app.components import forms

FIELDS = (
    "display_name", "email", "phone", "billing_address", "payment_terms_days",
    "external_reference_id",
)  # fmt: skip


def parse(form: dict[str, Any]) -> dict[str, Any]:
    """The form's fields as the service takes them; raises InvalidInput."""
    values: dict[str, Any] = {name: str(form.get(name, "")).strip() or None for name in FIELDS}
    terms = values["payment_terms_days"]
    if terms is not None:
        if not terms.isascii() or not terms.isdecimal() or len(terms) > 6:
            raise InvalidInput.of("payment_terms_days", "must be a whole number of days")
        values["payment_terms_days"] = int(terms)
    return values


def changed(form: dict[str, Any], shown: dict[str, str]) -> dict[str, Any]:
    """What differs from the `shown` texts, parsed: a field left alone overwrites nobody's change.

    Raises InvalidInput.
    """
    return {
        name: value
        for name, value in parse(form).items()
        if str(form.get(name, "")).strip() != shown.get(name, "")
    }


def fields(state: Any, typed: Any) -> rx.Component:
    """All fields; `typed` is a Var of a dict with what stands in them at first."""
    return rx.fragment(
        _field(state, typed, "display_name", "Name", required=True, auto_complete="off"),
        rx.el.div(
            _field(
                state, typed, "email", "E-mail", type="email", auto_complete="off",
                hint="Invoices, receipts and reminders go here.",
            ),
            _field(state, typed, "phone", "Phone", type="tel", auto_complete="off"),
            class_name="cols2",
        ),
        forms.field(
            "billing_address",
            "Billing address",
            forms.area(
                "billing_address",
                error=state.errors["billing_address"],
                default_value=typed["billing_address"],
                rows="3",
            ),
            error=state.errors["billing_address"],
        ),
        rx.el.div(
            _field(
                state, typed, "payment_terms_days", "Payment terms, days", input_mode="numeric",
                hint="From the issue date to the due date.",
            ),
            _field(
                state, typed, "external_reference_id", "Your reference",
                hint="The customer's id in your own app.",
            ),
            class_name="cols2",
        ),
    )  # fmt: skip


def _field(
    state: Any, typed: Any, name: str, label: str, *, hint: str = "", **props: Any
) -> rx.Component:
    return forms.text_field(
        name, label, error=state.errors[name], hint=hint, default_value=typed[name], **props
    )
