"""Reports, as they go out."""

from __future__ import annotations

from typing import Annotated

from backend.api.fields import Day, Id, one_line
from backend.api.schemas.common import Answer, Body, Date, Instant, Money, Uuid, example

_SUMS = {
    "current": "1200.00",
    "days_1_30": "300.00",
    "days_31_60": "0.00",
    "days_61_90": "0.00",
    "days_over_90": "0.00",
    "unapplied": "50.00",
    "outstanding": "1450.00",
    "disputed": "300.00",
}
_CUSTOMER = {
    "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
    "customer_name": "Hilltop Apartments LLC",
}


class SummaryQuery(Body):
    """Whose summary: all, a customer's, or of the invoices with an external reference."""

    customer_id: Id | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None


class CurrencySummaryOut(Answer):
    """What is open, overdue, paid and unapplied in one currency. outstanding = open - unapplied."""

    currency_code: str
    open_amount: Money
    overdue_amount: Money
    paid_amount: Money
    unapplied_amount: Money
    outstanding_amount: Money
    open_invoice_count: int


class SummaryOut(Answer):
    """The state of billing, per currency."""

    model_config = example(
        currencies=[
            {
                "currency_code": "USD",
                "open_amount": "1500.00",
                "overdue_amount": "300.00",
                "paid_amount": "8200.00",
                "unapplied_amount": "50.00",
                "outstanding_amount": "1450.00",
                "open_invoice_count": 4,
            }
        ]
    )

    currencies: list[CurrencySummaryOut]


class AgingQuery(Body):
    """As of which day; today when left out."""

    as_of: Day | None = None


class AgingSumsOut(Answer):
    """What is owed by how long it is overdue. The buckets less unapplied are the outstanding.

    `disputed` is the part of the buckets that was under dispute on that day.
    """

    current: Money
    days_1_30: Money
    days_31_60: Money
    days_61_90: Money
    days_over_90: Money
    unapplied: Money
    outstanding: Money
    disputed: Money


class CustomerAgingOut(AgingSumsOut):
    """What one customer owes."""

    customer_id: Uuid
    customer_name: str


class CurrencyAgingOut(Answer):
    """What is owed in one currency."""

    currency_code: str
    totals: AgingSumsOut
    customers: list[CustomerAgingOut]


class AgingOut(Answer):
    """What is owed as of a day, from the ledger."""

    model_config = example(
        as_of="2026-03-31",
        currencies=[
            {"currency_code": "USD", "totals": _SUMS, "customers": [{**_CUSTOMER, **_SUMS}]}
        ],
    )

    as_of: Date
    currencies: list[CurrencyAgingOut]


class EntryOut(Answer):
    """Something that happened."""

    at: Instant
    type: str
    title: str
    detail: str | None
    actor: str | None
    correlation_id: str | None
    entity_type: str | None
    entity_id: Uuid | None


class Entries(Answer):
    """What happened, the oldest first."""

    model_config = example(
        items=[
            {
                "at": "2026-03-04T18:00:00Z",
                "type": "invoice.sent",
                "title": "Invoice INV-000042 sent",
                "detail": "10,002.30 USD, due 2026-04-03",
                "actor": "api-key:roofing-jobs",
                "correlation_id": "9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
                "entity_type": "invoice",
                "entity_id": "0199f0a3-02b4-7d0e-8c55-7d1f3a9be410",
            }
        ]
    )

    items: list[EntryOut]
