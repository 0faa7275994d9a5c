"""Holds on chasing, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from backend.api.fields import Day, PositiveAmount, many_lines
from backend.api.schemas.common import Answer, Body, Date, Instant, Money, Uuid, example
from backend.customers.models import CustomerHold
from backend.invoices.models import InvoiceHold


class NewCustomerHold(Body):
    """Why not to chase the customer, and until which day (inclusive)."""

    model_config = example(kind="pause", until="2026-04-15", reason="New owner, books in transit")

    kind: CustomerHold
    until: Day | None = None
    reason: Annotated[str, many_lines(500)] | None = None


class NewInvoiceHold(Body):
    """Why not to chase the invoice. A dispute needs a reason, a promise needs `until`."""

    model_config = example(
        kind="promise", until="2026-04-15", amount="500.00", reason="Pays after the inspection"
    )

    kind: InvoiceHold
    until: Day | None = None
    amount: PositiveAmount | None = None
    reason: Annotated[str, many_lines(500)] | None = None


class CustomerHoldSet(Answer):
    """The customer's hold as it stands now."""

    customer_id: Uuid
    kind: Literal["pause", "exclude"]
    until: Date | None
    reason: str | None


class InvoiceHoldSet(Answer):
    """The invoice's hold as it stands now."""

    invoice_id: Uuid
    kind: Literal["pause", "dispute", "promise"]
    until: Date | None
    amount: Money | None
    reason: str | None


class HoldRecordOut(Answer):
    """A hold that the invoice has or had. Without `ended_as` it stands, until its last day."""

    kind: Literal["pause", "dispute", "promise"]
    until: Date | None
    amount: Money | None
    reason: str | None
    balance_then: Money
    placed_on: Date
    placed_at: Instant
    placed_by: str
    ended_on: Date | None
    ended_at: Instant | None
    ended_as: Literal["released", "replaced", "kept", "broken"] | None


class HoldRecords(Answer):
    """Every hold of an invoice, the newest first."""

    model_config = example(
        items=[
            {
                "kind": "promise",
                "until": "2026-04-15",
                "amount": "500.00",
                "reason": "Pays after the inspection",
                "balance_then": "1200.00",
                "placed_on": "2026-04-08",
                "placed_at": "2026-04-08T15:04:05Z",
                "placed_by": "ana@ridge.example",
                "ended_on": "2026-04-16",
                "ended_at": "2026-04-16T05:00:12Z",
                "ended_as": "broken",
            }
        ]
    )

    items: list[HoldRecordOut]
