"""Reading payments: one, and lists by key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement
from backend.errors import NotFound
from backend.invoices.models import INVOICES
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.payments.models import (
    PAYMENT_ALLOCATIONS,
    PAYMENTS,
    STANDING_AMOUNT,
    PaymentMethod,
    PaymentStatus,
)
from backend.unit_of_work import Reader

_P, _A, _I, _C = PAYMENTS, PAYMENT_ALLOCATIONS, INVOICES, CUSTOMERS
_COLUMNS = (
    _P.c.id.label("payment_id"),
    _P.c.customer_id,
    _C.c.display_name.label("customer_name"),
    _P.c.amount,
    _P.c.applied_amount,
    _P.c.unapplied_amount,
    _P.c.refunded_amount,
    _P.c.disputed_amount,
    _P.c.reversed_amount,
    _P.c.currency_code,
    _P.c.method,
    _P.c.status,
    _P.c.received_on,
    _P.c.applied_at,
    _P.c.external_provider,
    _P.c.external_payment_id,
    _P.c.note,
    _P.c.correlation_id,
    _P.c.created_at,
    _P.c.reversed_at,
    _P.c.reversal_reason,
    _P.c.version,
)
_ALL = (
    sa.select(*_COLUMNS)
    .join(_C, sa.and_(_C.c.tenant_id == _P.c.tenant_id, _C.c.id == _P.c.customer_id))
    .where(_P.c.tenant_id == TENANT)
)
_GET = Statement(_ALL.where(_P.c.id == sa.bindparam("payment_id")))
_GET_EXTERNAL = Statement(
    _ALL.where(
        _P.c.external_provider == sa.bindparam("external_provider"),
        _P.c.external_payment_id == sa.bindparam("external_payment_id"),
    )
)
_PLACE = Statement(
    sa.select(_P.c.row_id).where(_P.c.tenant_id == TENANT, _P.c.id == sa.bindparam("payment_id"))
)
_ALLOCATIONS = Statement(
    sa.select(
        _A.c.invoice_id,
        _I.c.invoice_number,
        STANDING_AMOUNT.label("amount"),
    )
    .join(_I, sa.and_(_I.c.tenant_id == _A.c.tenant_id, _I.c.id == _A.c.invoice_id))
    .where(
        _A.c.tenant_id == TENANT,
        _A.c.payment_id == sa.bindparam("payment_id"),
        _A.c.reversed_at.is_(None),
    )
    .order_by(_A.c.row_id)
)


@dataclass(frozen=True, slots=True)
class AllocationView:
    """A part of a payment applied to one invoice."""

    invoice_id: UUID
    invoice_number: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment as everybody reads it; a reversed one has nothing applied and nothing left.

    The applied, unapplied, refunded, disputed and reversed amounts come to `amount`.
    """

    payment_id: UUID
    customer_id: UUID
    customer_name: str
    amount: Decimal
    applied_amount: Decimal
    unapplied_amount: Decimal
    refunded_amount: Decimal
    disputed_amount: Decimal
    reversed_amount: Decimal
    currency_code: str
    method: PaymentMethod
    status: PaymentStatus
    received_on: date
    applied_at: datetime | None
    external_provider: str | None
    external_payment_id: str | None
    note: str | None
    correlation_id: str
    created_at: datetime
    reversed_at: datetime | None
    reversal_reason: str | None
    version: int
    allocations: tuple[AllocationView, ...]


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """What a list of payments is narrowed to."""

    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    status: PaymentStatus | None = None


EVERYTHING = PaymentFilter()


def find_external_payment(
    reader: Reader, provider: str, external_payment_id: str
) -> PaymentView | None:
    """The payment with a provider's id, or None when the tenant has none."""
    row = reader.first(
        _GET_EXTERNAL, external_provider=provider, external_payment_id=external_payment_id
    )
    return None if row is None else _view(reader, row)


def find_payment(reader: Reader, payment_id: UUID) -> PaymentView | None:
    """The payment, or None when the tenant has none of that id."""
    row = reader.first(_GET, payment_id=payment_id)
    return None if row is None else _view(reader, row)


def get_payment(reader: Reader, payment_id: UUID) -> PaymentView:
    """The payment with its allocations; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    found = find_payment(reader, payment_id)
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def list_payments(
    reader: Reader,
    narrowed: PaymentFilter = EVERYTHING,
    *,
    limit: int = 25,
    cursor: str | None = None,
) -> Page[PaymentView]:
    """Payments, newest first."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    params: dict[str, Any] = {
        name: value
        for name in ("customer_id", "invoice_id", "status")
        if (value := getattr(narrowed, name)) is not None
    }
    params["page"] = limit + 1
    if cursor is not None:
        place = reader.scalar(_PLACE, payment_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["before"] = place
    rows = reader.rows(_list_statement(frozenset(params)), **params)
    items = [_view(reader, row) for row in rows[:limit]]
    return Page(items, encode_cursor(items[-1].payment_id) if len(rows) > limit else None)


def _view(reader: Reader, row: Any) -> PaymentView:
    shares: dict[UUID, AllocationView] = {}
    for part in reader.rows(_ALLOCATIONS, payment_id=row.payment_id):
        earlier = shares.get(part.invoice_id)
        amount = part.amount if earlier is None else part.amount + earlier.amount
        shares[part.invoice_id] = AllocationView(part.invoice_id, part.invoice_number, amount)
    return PaymentView(*(*row, tuple(shares.values())))


@functools.lru_cache(maxsize=32)
def _list_statement(given: frozenset[str]) -> Statement:
    query = _ALL
    if "customer_id" in given:
        query = query.where(_P.c.customer_id == sa.bindparam("customer_id"))
    if "invoice_id" in given:
        paying = sa.select(_A.c.payment_id).where(
            _A.c.tenant_id == TENANT, _A.c.invoice_id == sa.bindparam("invoice_id")
        )
        query = query.where(_P.c.id.in_(paying))
    if "status" in given:
        query = query.where(_P.c.status == sa.bindparam("status"))
    if "before" in given:
        query = query.where(_P.c.row_id < sa.bindparam("before", type_=sa.BigInteger))
    return Statement(
        query.order_by(_P.c.row_id.desc()).limit(sa.bindparam("page", type_=sa.Integer))
    )
