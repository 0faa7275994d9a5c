"""The billing summary: what is open, overdue, paid and unapplied, per currency."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.queries import get_customer
from backend.db.statements import TENANT, Statement, constant
from backend.invoices.models import INVOICES
from backend.money import ZERO
from backend.payments.models import PAYMENTS
from backend.unit_of_work import Reader

_I, _P = INVOICES, PAYMENTS
_TODAY = sa.bindparam("today", type_=sa.Date)
_IS_OPEN = _I.c.status.in_((constant("sent"), constant("overdue")))

# Of the whole tenant: the open ones from their covering index; what was applied from that of the
# payments, so that no invoice ever paid has to be read.
_OPEN = Statement(
    sa.select(
        _I.c.currency_code,
        sa.func.sum(_I.c.balance_due).label("open"),
        sa.func.sum(sa.case((_I.c.due_date < _TODAY, _I.c.balance_due), else_=constant(0))).label(
            "overdue"
        ),
        sa.func.count().label("count"),
    )
    .where(_I.c.tenant_id == TENANT, _IS_OPEN)
    .group_by(_I.c.currency_code)
)
_APPLIED = Statement(
    sa.select(_P.c.currency_code, sa.func.sum(_P.c.applied_amount).label("applied"))
    .where(_P.c.tenant_id == TENANT, _P.c.status == constant("succeeded"))
    .group_by(_P.c.currency_code)
)


@dataclass(frozen=True, slots=True)
class CurrencySummary:
    """Sums in one currency: outstanding is what is open minus the credit not applied yet."""

    currency_code: str
    open_amount: Decimal
    overdue_amount: Decimal
    paid_amount: Decimal
    unapplied_amount: Decimal
    outstanding_amount: Decimal
    open_invoice_count: int


def get_billing_summary(
    reader: Reader, *, customer_id: UUID | None = None, external_reference_id: str | None = None
) -> tuple[CurrencySummary, ...]:
    """The summary of all invoices, a customer's, or those with a reference; by currency code.

    Credit belongs to a customer and to no invoice: a summary of a reference has none. Raises
    NotFound for a customer that is not there.
    """
    reader.actor.require(Action.READ)
    given: dict[str, Any] = {}
    if customer_id is not None:
        get_customer(reader, customer_id)
        given["customer_id"] = customer_id
    credit = {}
    if external_reference_id is None:
        credit = _amounts(reader, _credit_statement(frozenset(given)), **given)
    else:
        given["external_reference_id"] = external_reference_id
    if given:
        invoices = reader.rows(_narrowed_statement(frozenset(given)), today=reader.today, **given)
        paid = {row.currency_code: row.paid for row in invoices}
    else:
        invoices = reader.rows(_OPEN, today=reader.today)
        paid = _amounts(reader, _APPLIED)
    rows = {row.currency_code: row for row in invoices}
    return tuple(
        _summary(code, rows.get(code), paid.get(code, ZERO), credit.get(code, ZERO))
        for code in sorted(rows.keys() | paid.keys() | credit.keys())
    )


@functools.lru_cache(maxsize=2)
def _credit_statement(given: frozenset[str]) -> Statement:
    query = sa.select(_P.c.currency_code, sa.func.sum(_P.c.unapplied_amount)).where(
        _P.c.tenant_id == TENANT, _P.c.unapplied_amount > constant(0)
    )
    if "customer_id" in given:
        query = query.where(_P.c.customer_id == sa.bindparam("customer_id"))
    return Statement(query.group_by(_P.c.currency_code))


@functools.lru_cache(maxsize=3)
def _narrowed_statement(given: frozenset[str]) -> Statement:
    """Over few invoices, closed ones too: only the open ones have a balance."""
    late = sa.and_(_IS_OPEN, _I.c.due_date < _TODAY)
    query = sa.select(
        _I.c.currency_code,
        sa.func.sum(_I.c.balance_due).label("open"),
        sa.func.sum(sa.case((late, _I.c.balance_due), else_=constant(0))).label("overdue"),
        sa.func.sum(sa.case((_IS_OPEN, constant(1)), else_=constant(0))).label("count"),
        sa.func.sum(_I.c.paid_amount).label("paid"),
    ).where(_I.c.tenant_id == TENANT, _I.c.status != constant("draft"))
    for name in sorted(given):
        query = query.where(_I.c[name] == sa.bindparam(name))
    return Statement(query.group_by(_I.c.currency_code))


def _amounts(reader: Reader, statement: Statement, **params: Any) -> dict[str, Decimal]:
    return dict(reader.rows(statement, **params))


def _summary(code: str, row: Any | None, paid: Decimal, unapplied: Decimal) -> CurrencySummary:
    open_amount = ZERO if row is None else row.open
    return CurrencySummary(
        code,
        open_amount,
        ZERO if row is None else row.overdue,
        paid,
        unapplied,
        open_amount - unapplied,
        0 if row is None else row.count,
    )
