"""The dashboard: what is owed, how late, and what came in, each from one covering index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from backend.actor import Action
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import MoneyAmount
from backend.invoices.models import INVOICES
from backend.money import ZERO
from backend.payments.models import PAYMENTS
from backend.reporting.buckets import Buckets, edges, sums_by_age
from backend.unit_of_work import Reader

MONTHS_SHOWN = 12
WEEKS_SHOWN = 12

_I, _P = INVOICES, PAYMENTS
_OPEN = Statement(
    sa.select(
        _I.c.currency_code,
        sa.func.count().label("count"),
        *sums_by_age(_I.c.balance_due, _I.c.due_date),
    )
    .where(_I.c.tenant_id == TENANT, _I.c.status.in_((constant("sent"), constant("overdue"))))
    .group_by(_I.c.currency_code)
)
_CREDIT = Statement(
    sa.select(_P.c.currency_code, sa.func.sum(_P.c.unapplied_amount).label("unapplied"))
    .where(_P.c.tenant_id == TENANT, _P.c.unapplied_amount > constant(0))
    .group_by(_P.c.currency_code)
)
_RECEIVED = Statement(
    sa.select(
        _P.c.currency_code,
        _P.c.received_on,
        # What came in and stayed: neither refunded nor disputed nor reversed.
        sa.func.sum(
            sa.type_coerce(_P.c.applied_amount + _P.c.unapplied_amount, MoneyAmount())
        ).label("amount"),
    )
    .where(
        _P.c.tenant_id == TENANT,
        _P.c.status == constant("succeeded"),
        _P.c.received_on >= sa.bindparam("since", type_=sa.Date),
    )
    .group_by(_P.c.received_on, _P.c.currency_code)
)


@dataclass(frozen=True, slots=True)
class CashIn:
    """What was received in the month or week that begins on a day, and was not given back since.

    Weeks begin on Mondays.
    """

    begins_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CurrencyDashboard:
    """One currency. Outstanding is what is open minus the credit not applied yet.

    The cash of the last months and weeks is oldest first, the current ones last.
    """

    currency_code: str
    outstanding_amount: Decimal
    open_amount: Decimal
    unapplied_amount: Decimal
    overdue_amount: Decimal
    open_invoice_count: int
    aging: Buckets
    paid_this_month: Decimal
    cash_by_month: tuple[CashIn, ...]
    cash_by_week: tuple[CashIn, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The tenant's own currency first, then others that it uses by code."""

    as_of: date
    currencies: tuple[CurrencyDashboard, ...]


def get_dashboard(reader: Reader) -> Dashboard:
    """How things stand today, in the tenant's calendar."""
    reader.actor.require(Action.READ)
    today = reader.today
    months = _months_until(today)
    weeks = [_monday(today) - timedelta(weeks=back) for back in reversed(range(WEEKS_SHOWN))]
    open_rows = {row.currency_code: row for row in reader.rows(_OPEN, **edges(today))}
    credit = {row.currency_code: row.unapplied for row in reader.rows(_CREDIT)}
    received: dict[str, list[Any]] = defaultdict(list)
    for row in reader.rows(_RECEIVED, since=min(months[0], weeks[0])):
        received[row.currency_code].append(row)
    own = reader.tenant.currency_code
    codes = sorted({own} | open_rows.keys() | credit.keys() | received.keys(), key=_first(own))
    return Dashboard(
        today,
        tuple(
            _currency(
                code,
                open_rows.get(code),
                credit.get(code, ZERO),
                _cash(received[code], months, _month),
                _cash(received[code], weeks, _monday),
            )
            for code in codes
        ),
    )


def _first(own: str) -> Callable[[str], tuple[bool, str]]:
    return lambda code: (code != own, code)


def _currency(
    code: str,
    row: Any | None,
    unapplied: Decimal,
    by_month: tuple[CashIn, ...],
    by_week: tuple[CashIn, ...],
) -> CurrencyDashboard:
    aging = Buckets(*row[2:]) if row is not None else Buckets(ZERO, ZERO, ZERO, ZERO, ZERO)
    overdue = aging.days_1_30 + aging.days_31_60 + aging.days_61_90 + aging.days_over_90
    open_amount = aging.current + overdue
    return CurrencyDashboard(
        code,
        open_amount - unapplied,
        open_amount,
        unapplied,
        overdue,
        0 if row is None else row.count,
        aging,
        by_month[-1].amount,
        by_month,
        by_week,
    )


def _cash(
    rows: list[Any], beginnings: list[date], beginning_of: Callable[[date], date]
) -> tuple[CashIn, ...]:
    sums = dict.fromkeys(beginnings, ZERO)
    for row in rows:
        beginning = beginning_of(row.received_on)
        if beginning in sums:
            sums[beginning] += row.amount
    return tuple(CashIn(beginning, amount) for beginning, amount in sums.items())


def _month(day: date) -> date:
    return day.replace(day=1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _months_until(today: date) -> list[date]:
    months = [_month(today)]
    while len(months) < MONTHS_SHOWN:
        months.append(_month(months[-1] - timedelta(days=1)))
    return months[::-1]
