"""Measures of collecting, as they go out; each carries its formula and the rows behind it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import CurrencyCode, Cursor, Day, Limit
from backend.api.schemas.common import Answer, Body, Date, Money, Uuid, example
from backend.paging import LIMIT_DEFAULT
from backend.reporting.dso import DSO_FORMULA
from backend.reporting.promise_rate import PROMISE_FORMULA
from backend.reporting.recovery import RECOVERY_FORMULA

OneDecimal = Annotated[str, Field(pattern="^[0-9]+\\.[0-9]$", examples=["12.5"])]
_WHO = {
    "invoice_id": "0199f0a3-02b4-7d0e-8c55-7d1f3a9be410",
    "invoice_number": "INV-000042",
    "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
    "customer_name": "Hilltop Apartments LLC",
    "currency_code": "USD",
    "amount": "500.00",
}


class PeriodQuery(Body):
    """Which period, both days included; and which page of the rows behind the measure."""

    since: Day | None = Field(default=None, description="90 days with the last one when left out.")
    until: Day | None = Field(default=None, description="Today when left out.")
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class RecoveryQuery(PeriodQuery):
    """The same, and which of the rows; the sums are of all."""

    currency_code: CurrencyCode | None = None
    step: Annotated[str, Field(pattern="^([0-9]{1,4}|none)$")] | None = Field(
        default=None,
        description="The step's days after the due date, or none: before any reminder.",
    )


class RecoveredTotalOut(Answer):
    """All that came in in one currency, and what of it after a reminder."""

    currency_code: str
    amount: Money
    after_reminder: Money
    payment_count: int


class RecoveredByOut(Answer):
    """What came in after one step with one template; both null: before any reminder."""

    currency_code: str
    days_after_due: int | None
    template_key: str | None
    amount: Money
    payment_count: int
    median_days: OneDecimal | None
    mean_days: OneDecimal | None


class RecoveredRowOut(Answer):
    """A part of a payment that went to one invoice, and the reminder it counts for."""

    application_id: Uuid
    payment_id: Uuid
    invoice_id: Uuid
    invoice_number: str
    customer_id: Uuid
    customer_name: str
    currency_code: str
    amount: Money
    paid_on: Date
    communication_id: Uuid | None
    days_after_due: int | None
    template_key: str | None
    reminded_on: Date | None
    days: int | None


class RecoveryOut(Answer):
    """Recovered money by step and template, with its formula and the rows that make it."""

    model_config = example(
        since="2026-01-01",
        until="2026-03-31",
        formula=RECOVERY_FORMULA,
        totals=[
            {
                "currency_code": "USD",
                "amount": "500.00",
                "after_reminder": "500.00",
                "payment_count": 1,
            }
        ],
        steps=[
            {
                "currency_code": "USD",
                "days_after_due": 3,
                "template_key": "overdue_notice",
                "amount": "500.00",
                "payment_count": 1,
                "median_days": "2.0",
                "mean_days": "2.0",
            }
        ],
        items=[
            {
                **_WHO,
                "application_id": "0199f0a5-7c1e-7b64-9a41-2f6c1d0e8a55",
                "payment_id": "0199f0a4-7c1e-7b64-9a41-2f6c1d0e8a55",
                "paid_on": "2026-03-12",
                "communication_id": "0199f0a6-7c1e-7b64-9a41-2f6c1d0e8a55",
                "days_after_due": 3,
                "template_key": "overdue_notice",
                "reminded_on": "2026-03-10",
                "days": 2,
            }
        ],
        next_cursor=None,
    )

    since: Date
    until: Date
    formula: str
    totals: list[RecoveredTotalOut]
    steps: list[RecoveredByOut]
    items: list[RecoveredRowOut]
    next_cursor: str | None


class PromisedAmountsOut(Answer):
    """The promises of one currency that ended; the rate by amount is a percentage."""

    currency_code: str
    kept_count: int
    broken_count: int
    kept_amount: Money
    broken_amount: Money
    rate_by_amount: OneDecimal | None


class EndedPromiseOut(Answer):
    """A promise that was kept or broken, with the amount that counts."""

    hold_id: Uuid
    invoice_id: Uuid
    invoice_number: str
    customer_id: Uuid
    customer_name: str
    currency_code: str
    amount: Money
    until: Date
    placed_on: Date
    ended_on: Date
    ended_as: Literal["kept", "broken"]


class PromiseRateOut(Answer):
    """How many promises were kept, in percent, with its formula and the promises."""

    model_config = example(
        since="2026-01-01",
        until="2026-03-31",
        formula=PROMISE_FORMULA,
        kept_count=1,
        broken_count=0,
        rate="100.0",
        currencies=[
            {
                "currency_code": "USD",
                "kept_count": 1,
                "broken_count": 0,
                "kept_amount": "500.00",
                "broken_amount": "0.00",
                "rate_by_amount": "100.0",
            }
        ],
        items=[
            {
                **_WHO,
                "hold_id": "0199f0a7-7c1e-7b64-9a41-2f6c1d0e8a55",
                "until": "2026-03-12",
                "placed_on": "2026-03-02",
                "ended_on": "2026-03-12",
                "ended_as": "kept",
            }
        ],
        next_cursor=None,
    )

    since: Date
    until: Date
    formula: str
    kept_count: int
    broken_count: int
    rate: OneDecimal | None
    currencies: list[PromisedAmountsOut]
    items: list[EndedPromiseOut]
    next_cursor: str | None


class DsoQuery(Body):
    """As of which day; today when left out."""

    as_of: Day | None = None


class CountedMonthOut(Answer):
    """A month: its days up to the day asked about, its sales, and what of both was counted."""

    begins_on: Date
    days: int
    sales_amount: Money
    counted_amount: Money
    counted_days: OneDecimal


class CurrencyDsoOut(Answer):
    """One currency. With an uncounted amount the days are the least it can be."""

    currency_code: str
    days: OneDecimal
    receivable_amount: Money
    uncounted_amount: Money
    months: list[CountedMonthOut]


class DsoOut(Answer):
    """Days sales outstanding by counting back, with its formula and the months counted."""

    model_config = example(
        as_of="2026-03-10",
        formula=DSO_FORMULA,
        currencies=[
            {
                "currency_code": "USD",
                "days": "24.0",
                "receivable_amount": "1500.00",
                "uncounted_amount": "0.00",
                "months": [
                    {
                        "begins_on": "2026-03-01",
                        "days": 10,
                        "sales_amount": "500.00",
                        "counted_amount": "500.00",
                        "counted_days": "10.0",
                    },
                    {
                        "begins_on": "2026-02-01",
                        "days": 28,
                        "sales_amount": "2000.00",
                        "counted_amount": "1000.00",
                        "counted_days": "14.0",
                    },
                ],
            }
        ],
    )

    as_of: Date
    formula: str
    currencies: list[CurrencyDsoOut]
