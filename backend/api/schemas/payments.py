"""Payments, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import (
    CurrencyCode,
    Cursor,
    Day,
    Id,
    Limit,
    PositiveAmount,
    Switch,
    many_lines,
    one_line,
)
from backend.api.schemas.common import Answer, Body, Date, Instant, Money, Uuid, example
from backend.paging import LIMIT_DEFAULT
from backend.payments.applying import ALLOCATIONS_MAX
from backend.payments.models import PaymentMethod, PaymentStatus

_INVOICE = "0199f0a3-02b4-7d0e-8c55-7d1f3a9be410"


class NewAllocation(Body):
    """A part of the money for one invoice."""

    invoice_id: Id
    amount: PositiveAmount


Allocations = Annotated[list[NewAllocation], Field(max_length=ALLOCATIONS_MAX)]


class NewPayment(Body):
    """Money received: for `invoice_id`, or from `customer_id` with or without `allocations`."""

    model_config = example(
        amount="500.00",
        method="manual",
        invoice_id=_INVOICE,
        received_on="2026-03-20",
        note="Check 1182",
    )

    amount: PositiveAmount
    currency_code: CurrencyCode | None = Field(
        default=None, description="The invoice's or the tenant's currency when left out."
    )
    method: PaymentMethod = PaymentMethod.MANUAL
    invoice_id: Id | None = None
    customer_id: Id | None = None
    allocations: Allocations | None = Field(
        default=None,
        description="Left out: an exact match of one open balance, else the oldest due first. "
        "Empty: all of it is kept as credit.",
    )
    keep_excess_as_credit: Switch = Field(
        default=False, description="Keep what is more than the invoice's balance as credit."
    )
    external_provider: Annotated[str, one_line(50)] | None = None
    external_payment_id: Annotated[str, one_line(200)] | None = Field(
        default=None, description="The provider's own id; taken once and never again."
    )
    received_on: Day | None = Field(
        default=None, description="The tenant's calendar day, today when left out."
    )
    note: Annotated[str, many_lines(1000)] | None = None


class NewAllocations(Body):
    """Where to apply the credit that is left; without `allocations` the oldest due first."""

    model_config = example(allocations=[{"invoice_id": _INVOICE, "amount": "125.00"}])

    allocations: Allocations | None = None


class PaymentQuery(Body):
    """Which payments."""

    customer_id: Id | None = None
    invoice_id: Id | None = None
    status: PaymentStatus | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class AllocationOut(Answer):
    """What of a payment is applied to one invoice."""

    invoice_id: Uuid
    invoice_number: str
    amount: Money


class PaymentOut(Answer):
    """A payment. `amount` is what came in, and stays.

    applied + unapplied + refunded + disputed + reversed = amount. When nothing is applied and
    nothing unapplied, the status is reversed. `disputed_amount` comes back when the dispute is
    won; `reversed_amount` was taken back by hand.
    """

    model_config = example(
        payment_id="0199f0b7-55aa-7c11-b2d0-0f3f6c8e2d91",
        customer_id="0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
        amount="500.00",
        applied_amount="500.00",
        unapplied_amount="0.00",
        refunded_amount="0.00",
        disputed_amount="0.00",
        reversed_amount="0.00",
        currency_code="USD",
        method="manual",
        status="succeeded",
        received_on="2026-03-20",
        applied_at="2026-03-20T15:21:09.120001Z",
        external_provider=None,
        external_payment_id=None,
        note="Check 1182",
        correlation_id="9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
        created_at="2026-03-20T15:21:09.120001Z",
        allocations=[{"invoice_id": _INVOICE, "invoice_number": "INV-000042", "amount": "500.00"}],
    )

    payment_id: Uuid
    customer_id: Uuid
    amount: Money
    applied_amount: Money
    unapplied_amount: Money
    refunded_amount: Money
    disputed_amount: Money
    reversed_amount: Money
    currency_code: str
    method: Literal["manual", "autopay", "external"]
    status: Literal["pending", "succeeded", "failed", "reversed"]
    received_on: Date
    applied_at: Instant | None
    external_provider: str | None
    external_payment_id: str | None
    note: str | None
    correlation_id: str
    created_at: Instant
    allocations: list[AllocationOut]


class PaymentPage(Answer):
    """Some payments, newest first."""

    items: list[PaymentOut]
    next_cursor: str | None
