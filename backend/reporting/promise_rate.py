"""How many promises to pay were kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id, MoneyAmount
from backend.dunning.models import INVOICE_HOLDS, HoldEnd
from backend.invoices.models import INVOICES, InvoiceHold
from backend.money import ZERO, share_of
from backend.paging import (
    LIMIT_DEFAULT,
    Page,
    checked_limit,
    decode_cursor,
    encode_cursor,
    unknown_cursor,
)
from backend.reporting.periods import checked_period, one_decimal
from backend.unit_of_work import Reader

PROMISE_FORMULA = (
    "Promises that ended as kept in the period, divided by those that ended as kept or broken; "
    "by amount, a promise counts with what was promised, or with the balance it was about when no "
    "amount was named."
)

_H, _I, _C = INVOICE_HOLDS, INVOICES, CUSTOMERS
_PROMISED = sa.type_coerce(sa.func.coalesce(_H.c.amount, _H.c.balance_then), MoneyAmount())
_ENDED = (
    _H.c.tenant_id == TENANT,
    _H.c.kind == constant(InvoiceHold.PROMISE.value),
    _H.c.ended_as.in_((constant(HoldEnd.KEPT.value), constant(HoldEnd.BROKEN.value))),
    _H.c.ended_on >= sa.bindparam("since", type_=sa.Date),
    _H.c.ended_on <= sa.bindparam("until", type_=sa.Date),
)
_WITH_INVOICE = _H.join(_I, sa.and_(_I.c.tenant_id == _H.c.tenant_id, _I.c.id == _H.c.invoice_id))
_SUMS = Statement(
    sa.select(
        _I.c.currency_code,
        _H.c.ended_as,
        sa.func.count().label("count"),
        sa.func.sum(_PROMISED).label("amount"),
    )
    .select_from(_WITH_INVOICE)
    .where(*_ENDED)
    .group_by(_I.c.currency_code, _H.c.ended_as)
)


class EndedPromise(NamedTuple):
    """A promise that was kept or broken. `amount` is what counts in the rate."""

    hold_id: UUID
    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    customer_name: str
    currency_code: str
    amount: Decimal
    until: date
    placed_on: date
    ended_on: date
    ended_as: HoldEnd


_ROWS = (
    sa.select(
        _H.c.id.label("hold_id"),
        _H.c.invoice_id,
        _I.c.invoice_number,
        _I.c.customer_id,
        _C.c.display_name.label("customer_name"),
        _I.c.currency_code,
        _PROMISED.label("amount"),
        _H.c.until,
        _H.c.placed_on,
        _H.c.ended_on,
        _H.c.ended_as,
    )
    .select_from(
        _WITH_INVOICE.join(
            _C, sa.and_(_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id)
        )
    )
    .where(*_ENDED)
    .order_by(_H.c.row_id.desc())
)
_PAGE: sa.BindParameter[int] = sa.bindparam("page", type_=sa.Integer)
_FIRST_PAGE = Statement(_ROWS.limit(_PAGE), into=EndedPromise)
_NEXT_PAGE = Statement(
    _ROWS.where(_H.c.row_id < sa.bindparam("before", type_=sa.BigInteger)).limit(_PAGE),
    into=EndedPromise,
)
_PLACE = Statement(
    sa.select(_H.c.row_id).where(
        _H.c.tenant_id == TENANT, _H.c.id == sa.bindparam("hold_id", type_=Id())
    )
)


@dataclass(frozen=True, slots=True)
class PromisedAmounts:
    """The promises of one currency. Rates are percentages; None when none ended."""

    currency_code: str
    kept_count: int
    broken_count: int
    kept_amount: Decimal
    broken_amount: Decimal
    rate_by_amount: Decimal | None


@dataclass(frozen=True, slots=True)
class PromiseRate:
    """The promises of a period, all together by number and each currency by amount."""

    since: date
    until: date
    formula: str
    kept_count: int
    broken_count: int
    rate: Decimal | None
    currencies: tuple[PromisedAmounts, ...]


def promise_rate(
    reader: Reader, since: date | None = None, until: date | None = None
) -> PromiseRate:
    """How many promises were kept.

    Promises that ended as kept in the period, divided by those that ended as kept or broken; by
    amount, a promise counts with what was promised, or with the balance it was about when no
    amount was named.

    Both days are included. Raises InvalidInput for a period that is reversed.
    """
    reader.actor.require(Action.READ)
    first, last = checked_period(reader, since, until)
    rows = reader.rows(_SUMS, since=first, until=last)
    codes = sorted({row.currency_code for row in rows})
    currencies = tuple(
        _currency(code, {row.ended_as: row for row in rows if row.currency_code == code})
        for code in codes
    )
    kept = sum(one.kept_count for one in currencies)
    broken = sum(one.broken_count for one in currencies)
    return PromiseRate(
        first,
        last,
        PROMISE_FORMULA,
        kept,
        broken,
        _rate(kept, kept + broken),
        currencies,
    )


def list_ended_promises(
    reader: Reader,
    since: date | None = None,
    until: date | None = None,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[EndedPromise]:
    """The promises behind `promise_rate`, the newest first. Raises InvalidInput."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    first, last = checked_period(reader, since, until)
    statement, place = _FIRST_PAGE, {}
    if cursor is not None:
        before = reader.scalar(_PLACE, hold_id=decode_cursor(cursor))
        if before is None:
            raise unknown_cursor()
        statement, place = _NEXT_PAGE, {"before": before}
    found: list[EndedPromise] = reader.rows(
        statement, since=first, until=last, page=limit + 1, **place
    )
    items = found[:limit]
    return Page(items, encode_cursor(items[-1].hold_id) if len(found) > limit else None)


def _currency(code: str, by_end: dict[HoldEnd, Any]) -> PromisedAmounts:
    kept, broken = by_end.get(HoldEnd.KEPT), by_end.get(HoldEnd.BROKEN)
    kept_amount = kept.amount if kept else ZERO
    broken_amount = broken.amount if broken else ZERO
    return PromisedAmounts(
        code,
        kept.count if kept else 0,
        broken.count if broken else 0,
        kept_amount,
        broken_amount,
        _rate(kept_amount, kept_amount + broken_amount),
    )


def _rate(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return one_decimal(share_of(part, whole) * 100) if whole else None
