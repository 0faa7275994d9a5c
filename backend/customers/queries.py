"""Reading customers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS, CustomerHold, EmailStatus
from backend.db.search import matching, search_terms
from backend.db.statements import TENANT, Statement
from backend.errors import NotFound
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader

_C = CUSTOMERS
_COLUMNS = (
    _C.c.id.label("customer_id"),
    _C.c.display_name,
    _C.c.email,
    _C.c.email_status,
    _C.c.phone,
    _C.c.billing_address,
    _C.c.payment_terms_days,
    _C.c.external_source,
    _C.c.external_reference_id,
    _C.c.dunning_plan_id,
    _C.c.hold_kind,
    _C.c.hold_until,
    _C.c.hold_reason,
    _C.c.created_at,
    _C.c.updated_at,
    _C.c.version,
)
_ALL = sa.select(*_COLUMNS).where(_C.c.tenant_id == TENANT)
_GET = Statement(_ALL.where(_C.c.id == sa.bindparam("customer_id")))
_PLACE = Statement(
    sa.select(_C.c.row_id).where(_C.c.tenant_id == TENANT, _C.c.id == sa.bindparam("customer_id"))
)


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer as everybody reads it."""

    customer_id: UUID
    display_name: str
    email: str | None
    email_status: EmailStatus
    phone: str | None
    billing_address: str | None
    payment_terms_days: int
    external_source: str | None
    external_reference_id: str | None
    dunning_plan_id: UUID | None
    hold_kind: CustomerHold | None
    hold_until: date | None
    hold_reason: str | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What a list of customers is narrowed to; `q` searches name, e-mail and reference.

    `dunning_plan_id` finds those who have the plan as their own.
    """

    q: str | None = None
    external_source: str | None = None
    external_reference_id: str | None = None
    dunning_plan_id: UUID | None = None


EVERYTHING = CustomerFilter()


def find_customer(reader: Reader, customer_id: UUID) -> CustomerView | None:
    """The customer, or None when the tenant has none of that id."""
    row = reader.first(_GET, customer_id=customer_id)
    return None if row is None else CustomerView(*row)


def get_customer(reader: Reader, customer_id: UUID) -> CustomerView:
    """The customer; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    found = find_customer(reader, customer_id)
    if found is None:
        raise NotFound("There is no such customer.")
    return found


def list_customers(
    reader: Reader,
    narrowed: CustomerFilter = EVERYTHING,
    *,
    limit: int = 25,
    cursor: str | None = None,
) -> Page[CustomerView]:
    """Customers, newest first."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    params: dict[str, Any] = {"page": limit + 1}
    if narrowed.external_source:
        params["external_source"] = narrowed.external_source
    if narrowed.external_reference_id:
        params["external_reference_id"] = narrowed.external_reference_id
    if narrowed.dunning_plan_id:
        params["dunning_plan_id"] = narrowed.dunning_plan_id
    search = None
    if narrowed.q and narrowed.q.strip():
        search, terms = search_terms(reader.connection.dialect, narrowed.q)
        params |= terms
    if cursor is not None:
        place = reader.scalar(_PLACE, customer_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["before"] = place
    statement = _list_statement(frozenset(params), search)
    found = [CustomerView(*row) for row in reader.rows(statement, **params)]
    items = found[:limit]
    more = len(found) > limit
    return Page(items, encode_cursor(items[-1].customer_id) if more else None)


@functools.lru_cache(maxsize=64)
def _list_statement(given: frozenset[str], search: str | None) -> Statement:
    query = _ALL
    if "external_source" in given:
        query = query.where(_C.c.external_source == sa.bindparam("external_source"))
    if "external_reference_id" in given:
        query = query.where(_C.c.external_reference_id == sa.bindparam("external_reference_id"))
    if "dunning_plan_id" in given:
        query = query.where(
            _C.c.dunning_plan_id == sa.bindparam("dunning_plan_id", type_=_C.c.dunning_plan_id.type)
        )
    if search is not None:
        query = query.where(matching(_C, search))
    if "before" in given:
        query = query.where(_C.c.row_id < sa.bindparam("before", type_=sa.BigInteger))
    return Statement(
        query.order_by(_C.c.row_id.desc()).limit(sa.bindparam("page", type_=sa.Integer))
    )
