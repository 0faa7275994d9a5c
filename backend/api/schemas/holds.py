"""Holds on chasing, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from backend.api.fields import Day, PositiveAmount, many_lines
from backend.api.schemas.common import Answer, Body, Date, Money, Uuid, example
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
