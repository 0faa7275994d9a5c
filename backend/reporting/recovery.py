"""Recovered money: what customers paid, by the reminder that came before it.

It is told from the ledger's applications of payments, so what was taken back again is no
recovery. Both functions read the same rows: the list sums up to the totals, to the cent.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.communications.models import COMMUNICATIONS, CommunicationStatus
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id, Text
from backend.dunning.models import DUNNING_NOTICES
from backend.invoices.models import INVOICES
from backend.ledger.models import LEDGER_ENTRIES, EntryKind
from backend.money import ZERO
from backend.paging import (
    LIMIT_DEFAULT,
    Page,
    checked_limit,
    decode_cursor,
    encode_cursor,
    unknown_cursor,
)
from backend.payments.models import PAYMENT_ALLOCATIONS, STANDING_AMOUNT
from backend.reporting.periods import checked_period, mean, median
from backend.unit_of_work import Reader

RECOVERY_FORMULA = (
    "Every payment applied to an invoice in the period, by the day in the ledger and without what "
    "was taken back since, counts for the last reminder sent for that invoice on or before that "
    "day, or as paid before any reminder; days are from the reminder to the payment."
)

_E, _A, _I, _C = LEDGER_ENTRIES, PAYMENT_ALLOCATIONS, INVOICES, CUSTOMERS
_N, _M = DUNNING_NOTICES, COMMUNICATIONS
_ANY, _SENT = DUNNING_NOTICES.alias("any_notice"), COMMUNICATIONS.alias("sent_mail")
# Steps go up: of those sent by then, the one of the most days after the due date is the last.
_LAST_STEP = (
    sa.select(sa.func.max(_ANY.c.days_after_due))
    .select_from(
        _ANY.join(
            _SENT,
            sa.and_(_SENT.c.tenant_id == _ANY.c.tenant_id, _SENT.c.id == _ANY.c.communication_id),
        )
    )
    .where(
        _ANY.c.tenant_id == _E.c.tenant_id,
        _ANY.c.invoice_id == _E.c.invoice_id,
        _SENT.c.status == constant(CommunicationStatus.SENT.value),
        _SENT.c.reminded_on <= _E.c.entry_day,
    )
    .correlate(_E)
    .scalar_subquery()
)
# An allocation has the id of its entry in the ledger.
_APPLIED = (
    _E.join(_A, sa.and_(_A.c.tenant_id == _E.c.tenant_id, _A.c.id == _E.c.id))
    .outerjoin(
        _N,
        sa.and_(
            _N.c.tenant_id == _E.c.tenant_id,
            _N.c.invoice_id == _E.c.invoice_id,
            _N.c.days_after_due == _LAST_STEP,
        ),
    )
    .outerjoin(_M, sa.and_(_M.c.tenant_id == _N.c.tenant_id, _M.c.id == _N.c.communication_id))
)
_IN_PERIOD = (
    _E.c.tenant_id == TENANT,
    _E.c.kind == constant(EntryKind.PAYMENT_APPLIED.value),
    _E.c.entry_day >= sa.bindparam("since", type_=sa.Date),
    _E.c.entry_day <= sa.bindparam("until", type_=sa.Date),
    _A.c.reversed_amount < _A.c.amount,
)
_ALL = Statement(
    sa.select(
        _E.c.currency_code,
        _N.c.days_after_due,
        _N.c.template_key,
        _E.c.payment_id,
        _E.c.entry_day,
        _M.c.reminded_on,
        STANDING_AMOUNT.label("amount"),
    )
    .select_from(_APPLIED)
    .where(*_IN_PERIOD)
)
_PLACE = Statement(
    sa.select(_E.c.row_id).where(
        _E.c.tenant_id == TENANT, _E.c.id == sa.bindparam("entry_id", type_=Id())
    )
)


class RecoveredRow(NamedTuple):
    """A part of a payment that went to one invoice; without a reminder before it the last are None.

    `application_id` names it in the ledger; `amount` is what stayed.
    """

    application_id: UUID
    payment_id: UUID
    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    customer_name: str
    currency_code: str
    amount: Decimal
    paid_on: date
    communication_id: UUID | None
    days_after_due: int | None
    template_key: str | None
    reminded_on: date | None

    @property
    def days(self) -> int | None:
        """From the reminder to the payment."""
        return None if self.reminded_on is None else (self.paid_on - self.reminded_on).days


@dataclass(frozen=True, slots=True)
class RecoveredBy:
    """What came in after one step with one template, in one currency; None: before any reminder.

    Days are of the applications, each counted once, and with one decimal.
    """

    currency_code: str
    days_after_due: int | None
    template_key: str | None
    amount: Decimal
    payment_count: int
    median_days: Decimal | None
    mean_days: Decimal | None


@dataclass(frozen=True, slots=True)
class RecoveredTotal:
    """All of a currency: `amount` is the sum over the steps, `after_reminder` that without None."""

    currency_code: str
    amount: Decimal
    after_reminder: Decimal
    payment_count: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """Currencies by code; within one what came before any reminder, then by step and template."""

    since: date
    until: date
    formula: str
    groups: tuple[RecoveredBy, ...]
    totals: tuple[RecoveredTotal, ...]


@dataclass(frozen=True, slots=True)
class RecoveredFilter:
    """Which of the rows: those of a currency, and of a step or before any reminder."""

    currency_code: str | None = None
    days_after_due: int | None = None
    is_before_any: bool = False


EVERYTHING = RecoveredFilter()


def recovered(reader: Reader, since: date | None = None, until: date | None = None) -> Recovery:
    """Recovered money by step and template.

    Every payment applied to an invoice in the period, by the day in the ledger and without what
    was taken back since, counts for the last reminder sent for that invoice on or before that
    day, or as paid before any reminder; days are from the reminder to the payment.

    Both days are included. Raises InvalidInput for a period that is reversed.
    """
    reader.actor.require(Action.READ)
    first, last = checked_period(reader, since, until)
    rows = reader.rows(_ALL, since=first, until=last)
    by_group: dict[tuple[str, int | None, str | None], list[Any]] = defaultdict(list)
    by_currency: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_group[row.currency_code, row.days_after_due, row.template_key].append(row)
        by_currency[row.currency_code].append(row)
    order = sorted(
        by_group, key=lambda key: (key[0], -1 if key[1] is None else key[1], key[2] or "")
    )
    return Recovery(
        first,
        last,
        RECOVERY_FORMULA,
        tuple(_group(*key, by_group[key]) for key in order),
        tuple(_total(code, by_currency[code]) for code in sorted(by_currency)),
    )


def list_recovered(
    reader: Reader,
    since: date | None = None,
    until: date | None = None,
    narrowed: RecoveredFilter = EVERYTHING,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[RecoveredRow]:
    """The rows behind `recovered`, newest first. Raises InvalidInput."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    first, last = checked_period(reader, since, until)
    params: dict[str, Any] = {"since": first, "until": last, "page": limit + 1}
    if narrowed.currency_code is not None:
        params["currency_code"] = narrowed.currency_code
    if narrowed.days_after_due is not None:
        params["days_after_due"] = narrowed.days_after_due
    if cursor is not None:
        place = reader.scalar(_PLACE, entry_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["before"] = place
    statement = _list_statement(frozenset(params), is_before_any=narrowed.is_before_any)
    found: list[RecoveredRow] = reader.rows(statement, **params)
    items = found[:limit]
    return Page(items, encode_cursor(items[-1].application_id) if len(found) > limit else None)


@functools.lru_cache(maxsize=16)
def _list_statement(given: frozenset[str], *, is_before_any: bool) -> Statement:
    tables = _APPLIED.join(
        _I, sa.and_(_I.c.tenant_id == _E.c.tenant_id, _I.c.id == _E.c.invoice_id)
    ).join(_C, sa.and_(_C.c.tenant_id == _E.c.tenant_id, _C.c.id == _E.c.customer_id))
    query = (
        sa.select(
            _E.c.id.label("application_id"),
            _E.c.payment_id,
            _E.c.invoice_id,
            _I.c.invoice_number,
            _E.c.customer_id,
            _C.c.display_name.label("customer_name"),
            _E.c.currency_code,
            STANDING_AMOUNT.label("amount"),
            _E.c.entry_day.label("paid_on"),
            _M.c.id.label("communication_id"),
            _N.c.days_after_due,
            _N.c.template_key,
            _M.c.reminded_on,
        )
        .select_from(tables)
        .where(*_IN_PERIOD)
    )
    if "currency_code" in given:
        query = query.where(_E.c.currency_code == sa.bindparam("currency_code", type_=Text(3)))
    if "days_after_due" in given:
        query = query.where(_N.c.days_after_due == sa.bindparam("days_after_due", type_=sa.Integer))
    if is_before_any:
        query = query.where(_N.c.id.is_(None))
    if "before" in given:
        query = query.where(_E.c.row_id < sa.bindparam("before", type_=sa.BigInteger))
    page: sa.BindParameter[int] = sa.bindparam("page", type_=sa.Integer)
    return Statement(query.order_by(_E.c.row_id.desc()).limit(page), into=RecoveredRow)


def _group(code: str, step: int | None, template: str | None, rows: list[Any]) -> RecoveredBy:
    days = [(row.entry_day - row.reminded_on).days for row in rows if row.reminded_on is not None]
    return RecoveredBy(
        code,
        step,
        template,
        _sum(rows),
        len({row.payment_id for row in rows}),
        median(days) if days else None,
        mean(days) if days else None,
    )


def _total(code: str, rows: list[Any]) -> RecoveredTotal:
    reminded = [row for row in rows if row.days_after_due is not None]
    return RecoveredTotal(code, _sum(rows), _sum(reminded), len({row.payment_id for row in rows}))


def _sum(rows: list[Any]) -> Decimal:
    return sum((row.amount for row in rows), ZERO)
