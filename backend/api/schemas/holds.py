"""Holds on chasing, as they come in."""

from __future__ import annotations

from typing import Annotated, Literal

from backend.api.fields import Amount, Day, one_line
from backend.api.schemas.common import Body, example


class NewCustomerHold(Body):
    """Why not to chase the customer, and until which day (inclusive)."""

    model_config = example(kind="pause", until="2026-04-15", reason="New owner, books in transit")

    kind: Literal["pause", "exclude"]
    until: Day | None = None
    reason: Annotated[str, one_line(500)] | None = None


class NewInvoiceHold(Body):
    """Why not to chase the invoice. A dispute needs a reason, a promise needs `until`."""

    model_config = example(
        kind="promise", until="2026-04-15", amount="500.00", reason="Pays after the inspection"
    )

    kind: Literal["pause", "dispute", "promise"]
    until: Day | None = None
    amount: Amount | None = None
    reason: Annotated[str, one_line(500)] | None = None
