"""Aging as of any day: who owed what, and how late it was, told by the ledger.

For each customer and currency the buckets minus the unapplied credit are what is outstanding, on
every day, for all three are sums of the same postings. When nothing is dated after the day asked
about, the ledger's sums stand in the cached balances, and one covering index of the open invoices
answers at once.

What of the buckets was under dispute on that day is told apart; the history of holds says which
invoices, the same balances how much.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import sensible_day
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement, at_most, constant
from backend.dunning.models import INVOICE_HOLDS
from backend.errors import InvalidInput
from backend.invoices.models import INVOICES
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account
from backend.money import ZERO
from backend.payments.models import PAYMENTS
from backend.reporting.buckets import edges, sums_by_age
from backend.unit_of_work import Reader

_I, _C, _P, _H = INVOICES, CUSTOMERS, PAYMENTS, INVOICE_HOLDS
_ENTRY, _POST = LEDGER_ENTRIES, LEDGER_POSTINGS
_AS_OF = sa.bindparam("as_of", type_=sa.Date)

_HAS_LATER = Statement(
    sa.select(constant(1))
    .where(_ENTRY.c.tenant_id == TENANT, _ENTRY.c.entry_day > _AS_OF)
    .order_by(_ENTRY.c.entry_day)
    .limit(at_most(1))
)

_NAME_AND_ID = attrgetter("customer_name", "customer_id")


def _named(sums: Any) -> Statement:
    """Sums per currency and customer, with the customer's name."""
    return Statement(
        sa.select(sums, _C.c.display_name.label("customer_name")).join(
            _C, sa.and_(_C.c.tenant_id == TENANT, _C.c.id == sums.c.customer_id)
        )
    )


_FROM_BALANCES = _named(
    sa.select(_I.c.currency_code, _I.c.customer_id, *sums_by_age(_I.c.balance_due, _I.c.due_date))
    .where(_I.c.tenant_id == TENANT, _I.c.status.in_((constant("sent"), constant("overdue"))))
    .group_by(_I.c.currency_code, _I.c.customer_id)
    .subquery()
)
_CREDIT_FROM_BALANCES = _named(
    sa.select(
        _P.c.currency_code, _P.c.customer_id, sa.func.sum(_P.c.unapplied_amount).label("unapplied")
    )
    .where(_P.c.tenant_id == TENANT, _P.c.unapplied_amount > constant(0))
    .group_by(_P.c.currency_code, _P.c.customer_id)
    .subquery()
)

# First per invoice over the covering index of the postings: only for those still open on that day
# is the due date looked up.
_OPEN_THEN = (
    sa.select(
        _POST.c.currency_code,
        _POST.c.customer_id,
        _POST.c.invoice_id,
        sa.func.sum(_POST.c.amount).label("balance"),
    )
    .where(
        _POST.c.tenant_id == TENANT,
        _POST.c.account == Account.ACCOUNTS_RECEIVABLE,
        _POST.c.entry_day <= _AS_OF,
    )
    .group_by(_POST.c.currency_code, _POST.c.customer_id, _POST.c.invoice_id)
    .having(sa.func.sum(_POST.c.amount) != constant(0))
    .subquery()
)
_FROM_LEDGER = _named(
    sa.select(
        _OPEN_THEN.c.currency_code,
        _OPEN_THEN.c.customer_id,
        *sums_by_age(_OPEN_THEN.c.balance, _I.c.due_date),
    )
    .join(_I, sa.and_(_I.c.tenant_id == TENANT, _I.c.id == _OPEN_THEN.c.invoice_id))
    .group_by(_OPEN_THEN.c.currency_code, _OPEN_THEN.c.customer_id)
    .subquery()
)
_CREDIT_FROM_LEDGER = _named(
    sa.select(
        _POST.c.currency_code,
        _POST.c.customer_id,
        (-sa.func.sum(_POST.c.amount)).label("unapplied"),
    )
    .where(
        _POST.c.tenant_id == TENANT,
        _POST.c.account == Account.UNAPPLIED_CASH,
        _POST.c.entry_day <= _AS_OF,
    )
    .group_by(_POST.c.currency_code, _POST.c.customer_id)
    .having(sa.func.sum(_POST.c.amount) != constant(0))
    .subquery()
)

# A hold counts on its last day, and no longer on the day on which it ended.
_DISPUTED = (
    sa.select(_H.c.invoice_id)
    .where(
        _H.c.tenant_id == TENANT,
        _H.c.kind == constant("dispute"),
        _H.c.placed_on <= _AS_OF,
        sa.or_(_H.c.ended_on.is_(None), _H.c.ended_on > _AS_OF),
        sa.or_(_H.c.until.is_(None), _H.c.until >= _AS_OF),
    )
    .distinct()
    .subquery()
)
_DISPUTED_INVOICES = sa.and_(_I.c.tenant_id == TENANT, _I.c.id == _DISPUTED.c.invoice_id)
_DISPUTED_FROM_BALANCES = Statement(
    sa.select(_I.c.currency_code, _I.c.customer_id, sa.func.sum(_I.c.balance_due).label("amount"))
    .join(_DISPUTED, _DISPUTED_INVOICES)
    .group_by(_I.c.currency_code, _I.c.customer_id)
)
_DISPUTED_FROM_LEDGER = Statement(
    sa.select(_I.c.currency_code, _I.c.customer_id, sa.func.sum(_POST.c.amount).label("amount"))
    .select_from(_DISPUTED)
    .join(_I, _DISPUTED_INVOICES)
    .join(
        _POST,
        sa.and_(
            _POST.c.tenant_id == TENANT,
            _POST.c.account == constant(Account.ACCOUNTS_RECEIVABLE.value),
            _POST.c.currency_code == _I.c.currency_code,
            _POST.c.customer_id == _I.c.customer_id,
            _POST.c.invoice_id == _I.c.id,
            _POST.c.entry_day <= _AS_OF,
        ),
    )
    .group_by(_I.c.currency_code, _I.c.customer_id)
)


# Named tuples: a report makes thousands, each in a quarter of a frozen dataclass's time.
class AgingSums(NamedTuple):
    """What is open by days past due, the unapplied credit, and the difference: outstanding.

    `disputed` is the part of the buckets that is under dispute.
    """

    current: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    days_over_90: Decimal
    unapplied: Decimal
    outstanding: Decimal
    disputed: Decimal


class CustomerAging(NamedTuple):
    """One customer's sums in one currency."""

    customer_id: UUID
    customer_name: str
    sums: AgingSums


@dataclass(frozen=True, slots=True)
class CurrencyAging:
    """A currency's totals, and its customers by name."""

    currency_code: str
    totals: AgingSums
    customers: tuple[CustomerAging, ...]


@dataclass(frozen=True, slots=True)
class Aging:
    """The whole report; currencies by code."""

    as_of: date
    currencies: tuple[CurrencyAging, ...]


def get_aging(reader: Reader, as_of: date | None = None) -> Aging:
    """The aging of a day, the tenant's today when none is given.

    Raises InvalidInput for a day that has not come yet, or lies before all calendars of ours.
    """
    reader.actor.require(Action.READ)
    day = reader.today if as_of is None else sensible_day(as_of, field="as_of")
    if day > reader.today:
        raise InvalidInput.of("as_of", "must not lie in the future")
    if reader.first(_HAS_LATER, as_of=day) is None:
        open_rows = reader.rows(_FROM_BALANCES, **edges(day))
        credit_rows = reader.rows(_CREDIT_FROM_BALANCES)
        disputed_rows = reader.rows(_DISPUTED_FROM_BALANCES, as_of=day)
    else:
        open_rows = reader.rows(_FROM_LEDGER, as_of=day, **edges(day))
        credit_rows = reader.rows(_CREDIT_FROM_LEDGER, as_of=day)
        disputed_rows = reader.rows(_DISPUTED_FROM_LEDGER, as_of=day)
    disputed = {(row.currency_code, row.customer_id): row.amount for row in disputed_rows}
    return Aging(day, _by_currency(open_rows, credit_rows, disputed))


def _by_currency(
    open_rows: list[Any], credit_rows: list[Any], disputed: dict[tuple[str, UUID], Decimal]
) -> tuple[CurrencyAging, ...]:
    credit: dict[str, dict[UUID, Any]] = defaultdict(dict)
    for row in credit_rows:
        credit[row.currency_code][row.customer_id] = row
    customers: dict[str, list[CustomerAging]] = defaultdict(list)
    for code, customer_id, current, d30, d60, d90, older, name in open_rows:
        owed = credit[code].pop(customer_id, None)
        unapplied = ZERO if owed is None else owed.unapplied
        outstanding = current + d30 + d60 + d90 + older - unapplied
        apart = disputed.get((code, customer_id), ZERO)
        sums = AgingSums(current, d30, d60, d90, older, unapplied, outstanding, apart)
        customers[code].append(CustomerAging(customer_id, name, sums))
    for code, others in credit.items():
        for row in others.values():
            sums = AgingSums(ZERO, ZERO, ZERO, ZERO, ZERO, row.unapplied, -row.unapplied, ZERO)
            customers[code].append(CustomerAging(row.customer_id, row.customer_name, sums))
    return tuple(_currency(code, customers[code]) for code in sorted(customers))


def _currency(code: str, customers: list[CustomerAging]) -> CurrencyAging:
    columns = zip(*(customer.sums for customer in customers), strict=True)
    totals = AgingSums._make(sum(column, ZERO) for column in columns)
    customers.sort(key=_NAME_AND_ID)
    return CurrencyAging(code, totals, tuple(customers))
