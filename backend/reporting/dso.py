"""Days sales outstanding by counting back: how many days of sales are still unpaid.

Told from the ledger as of any day. Sales are what invoices and their taxes came to, less what was
voided, cancelled or credited, each in the month of its entry; receivables are the balances of all
invoices. Credit not applied yet lowers neither.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import sensible_day
from backend.db.statements import TENANT, Statement, constant
from backend.errors import InvalidInput
from backend.ledger.models import LEDGER_POSTINGS, Account
from backend.money import ZERO, share_of
from backend.reporting.periods import one_decimal
from backend.unit_of_work import Reader

DSO_FORMULA = (
    "From the receivables of the day the sales of its month so far are taken away, then those of "
    "the month before, and so on, and each month counts with its days; the month whose sales are "
    "more than what is left counts with that share of its days."
)

_POST = LEDGER_POSTINGS
_AS_OF = sa.bindparam("as_of", type_=sa.Date)
_RECEIVABLES = Statement(
    sa.select(_POST.c.currency_code, sa.func.sum(_POST.c.amount).label("amount"))
    .where(
        _POST.c.tenant_id == TENANT,
        _POST.c.account == constant(Account.ACCOUNTS_RECEIVABLE.value),
        _POST.c.entry_day <= _AS_OF,
    )
    .group_by(_POST.c.currency_code)
)
# Only what makes or takes back a sale posts to these two.
_SALES = Statement(
    sa.select(
        _POST.c.currency_code, _POST.c.entry_day, (-sa.func.sum(_POST.c.amount)).label("amount")
    )
    .where(
        _POST.c.tenant_id == TENANT,
        _POST.c.account.in_(
            (constant(Account.REVENUE.value), constant(Account.SALES_TAX_PAYABLE.value))
        ),
        _POST.c.entry_day <= _AS_OF,
    )
    .group_by(_POST.c.currency_code, _POST.c.entry_day)
)


@dataclass(frozen=True, slots=True)
class CountedMonth:
    """A month: its days up to the day asked about, what was sold, and how much of it counts."""

    begins_on: date
    days: int
    sales_amount: Decimal
    counted_amount: Decimal
    counted_days: Decimal


@dataclass(frozen=True, slots=True)
class CurrencyDso:
    """One currency, its months from the newest back.

    `uncounted_amount` is what of the receivables is more than all sales there ever were: then
    `days` is the least it can be.
    """

    currency_code: str
    days: Decimal
    receivable_amount: Decimal
    uncounted_amount: Decimal
    months: tuple[CountedMonth, ...]


@dataclass(frozen=True, slots=True)
class Dso:
    """The measure as of a day; currencies in which anything was ever owed, by code."""

    as_of: date
    formula: str
    currencies: tuple[CurrencyDso, ...]


def get_dso(reader: Reader, as_of: date | None = None) -> Dso:
    """Days sales outstanding as of a day, the tenant's today when none is given.

    From the receivables of the day the sales of its month so far are taken away, then those of
    the month before, and so on, and each month counts with its days; the month whose sales are
    more than what is left counts with that share of its days.

    A month without sales, or with more taken back than sold, counts with all of its days. When
    the sales of all months are used up, what is left is told, and the days are those since the
    beginning of the first month. Nothing owed: no days. Days have one decimal.

    Raises InvalidInput for a day that has not come yet.
    """
    reader.actor.require(Action.READ)
    day = reader.today if as_of is None else sensible_day(as_of, field="as_of")
    if day > reader.today:
        raise InvalidInput.of("as_of", "must not lie in the future")
    sales: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for row in reader.rows(_SALES, as_of=day):
        sales[row.currency_code][row.entry_day.replace(day=1)] += row.amount
    owed = {row.currency_code: row.amount for row in reader.rows(_RECEIVABLES, as_of=day)}
    return Dso(
        day,
        DSO_FORMULA,
        tuple(_currency(code, owed[code], sales[code], day) for code in sorted(owed)),
    )


def _currency(code: str, receivable: Decimal, sales: dict[date, Decimal], day: date) -> CurrencyDso:
    months: list[CountedMonth] = []
    left = max(receivable, ZERO)
    last = day
    earliest = min(sales, default=day)
    while left > ZERO and last >= earliest:
        begins_on = last.replace(day=1)
        month = _counted(begins_on, last.day, sales.get(begins_on, ZERO), left)
        months.append(month)
        left -= month.counted_amount
        last = begins_on - timedelta(days=1)
    days = sum((one.counted_days for one in months), Decimal("0.0"))
    return CurrencyDso(code, days, receivable, left, tuple(months))


def _counted(begins_on: date, days: int, sales: Decimal, left: Decimal) -> CountedMonth:
    if sales <= left:
        counted = max(sales, ZERO)
        return CountedMonth(begins_on, days, sales, counted, one_decimal(Fraction(days)))
    counted_days = share_of(left, sales) * days
    return CountedMonth(begins_on, days, sales, left, one_decimal(counted_days))
