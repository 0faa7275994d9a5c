"""The form that records money received, on an invoice's page and on a customer's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import reflex as rx

from backend.errors import Refused, RuleRefused
from backend.idempotency import Answer, once, request_hash
from backend.payments.models import PaymentMethod
from backend.payments.queries import PaymentView, get_payment
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import UnitOfWork
from billerjacket_app import status
from billerjacket_app.components import forms
from billerjacket_app.pages import rows

_REFUSED = 422


def parse(form: dict[str, Any], **whose: UUID) -> RecordPayment:
    """The command the form stands for; `whose` is an invoice_id or a customer_id.

    Raises InvalidInput.
    """
    return RecordPayment(
        amount=_number(str(form.get("amount", ""))),
        method=PaymentMethod(str(form.get("method") or PaymentMethod.MANUAL)),
        received_on=rows.optional_date(str(form.get("received_on", "")), "received_on"),
        note=str(form.get("note", "")).strip() or None,
        keep_excess_as_credit=bool(form.get("keep_excess_as_credit")),
        **whose,
    )


def pay(
    work: UnitOfWork, form_key: str, command: RecordPayment, currency_code: str
) -> PaymentView | Refused:
    """Record the payment once, however often the form is sent; a refusal leaves its attempt."""
    refusals: list[Refused] = []
    wanted = RecordPayment(
        **{name: getattr(command, name) for name in RecordPayment.__dataclass_fields__}
        | {"currency_code": currency_code}
    )

    def produce() -> Answer:
        result = try_payment(work, wanted)
        if isinstance(result, Refused):
            refusals.append(result)
            return Answer(_REFUSED, result.detail)
        return Answer(201, str(result.payment_id))

    answer = once(
        work,
        operation="app.record_payment",
        key=form_key,
        hash_of_request=request_hash(str(wanted)),
        produce=produce,
    )
    if refusals:
        return refusals[0]
    if answer.status_code == _REFUSED:
        return RuleRefused(answer.response)
    return get_payment(work, UUID(answer.response))


def fields(state: Any, *, amount: Any, today: Any, excess_hint: str) -> rx.Component:
    """All fields; `amount` and `today` stand in them at first."""
    return rx.fragment(
        rx.el.div(
            forms.field(
                "amount",
                "Amount",
                forms.amount(
                    "amount",
                    error=state.errors["amount"],
                    default_value=amount,
                    required=True,
                ),
                error=state.errors["amount"],
            ),
            forms.field(
                "received_on",
                "Received on",
                forms.text(
                    "received_on",
                    error=state.errors["received_on"],
                    type="date",
                    default_value=today,
                ),
                error=state.errors["received_on"],
            ),
            class_name="cols2",
        ),
        rx.el.div(
            forms.field(
                "method", "Method", forms.choice("method", list(status.METHODS.items()))
            ),
            forms.text_field(
                "note", "Note", error=state.errors["note"], placeholder="Check number, bank…",
                max_length=1000,
            ),
            class_name="cols2",
        ),
        rx.el.label(
            rx.el.input(type="checkbox", name="keep_excess_as_credit", value="yes"),
            excess_hint,
            class_name="check",
        )
        if excess_hint
        else rx.fragment(),
    )  # fmt: skip


def _number(text: str) -> str:
    return text.strip().replace(",", "").replace(" ", "").lstrip("$€£¥")
