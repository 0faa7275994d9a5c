"""Reading invoices: one, and lists by key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS
from backend.db.search import matching, search_terms
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, NotFound
from backend.invoices.models import INVOICE_LINE_ITEMS, INVOICES, InvoiceHold, InvoiceStatus
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader

_I, _C, _L = INVOICES, CUSTOMERS, INVOICE_LINE_ITEMS
_WITH_CUSTOMER = _I.join(_C, sa.and_(_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id))
_COLUMNS = (
    _I.c.id.label("invoice_id"),
    _I.c.invoice_number,
    _I.c.status,
    _I.c.customer_id,
    _C.c.display_name.label("customer_name"),
    _I.c.issue_date,
    _I.c.due_date,
    _I.c.currency_code,
    _I.c.subtotal_amount,
    _I.c.tax_amount,
    _I.c.total_amount,
    _I.c.paid_amount,
    _I.c.credited_amount,
    _I.c.balance_due,
    _I.c.given_tax_amount,
    _I.c.posted_on,
    _I.c.sent_at,
    _I.c.paid_at,
    _I.c.closed_at,
    _I.c.close_reason,
    _I.c.bill_to_name,
    _I.c.bill_to_address,
    _I.c.created_at,
    _I.c.notes,
    _I.c.purchase_order_number,
    _I.c.external_source,
    _I.c.external_reference_id,
    _I.c.hold_kind,
    _I.c.hold_until,
    _I.c.hold_amount,
    _I.c.hold_reason,
    _I.c.version,
)
_ALL = sa.select(*_COLUMNS).select_from(_WITH_CUSTOMER).where(_I.c.tenant_id == TENANT)
_GET = Statement(_ALL.where(_I.c.id == sa.bindparam("invoice_id")))


# The views of invoices are named tuples: made of rows by the thousand, a frozen dataclass takes
# seven times as long.
class LineView(NamedTuple):
    """One line of an invoice."""

    invoice_line_item_id: UUID
    line_number: int
    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal | None
    line_total: Decimal
    tax_amount: Decimal


_LINES = Statement(
    sa.select(
        _L.c.id.label("invoice_line_item_id"),
        _L.c.line_number,
        _L.c.description,
        _L.c.quantity,
        _L.c.unit_price,
        _L.c.tax_rate,
        _L.c.line_total,
        _L.c.tax_amount,
    )
    .where(_L.c.tenant_id == TENANT, _L.c.invoice_id == sa.bindparam("invoice_id"))
    .order_by(_L.c.line_number),
    into=LineView,
)


class InvoiceView(NamedTuple):
    """An invoice as everybody reads it."""

    invoice_id: UUID
    invoice_number: str | None
    status: InvoiceStatus
    customer_id: UUID
    customer_name: str
    issue_date: date
    due_date: date
    currency_code: str
    subtotal_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    paid_amount: Decimal
    credited_amount: Decimal
    balance_due: Decimal
    given_tax_amount: Decimal | None
    posted_on: date | None
    sent_at: datetime | None
    paid_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    bill_to_name: str | None
    bill_to_address: str | None
    created_at: datetime
    notes: str | None
    purchase_order_number: str | None
    external_source: str | None
    external_reference_id: str | None
    hold_kind: InvoiceHold | None
    hold_until: date | None
    hold_amount: Decimal | None
    hold_reason: str | None
    version: int
    line_items: tuple[LineView, ...]


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What a list of invoices is narrowed to; both days are inclusive.

    `q` searches number, reference, purchase order, and the customer's name, e-mail, reference.
    """

    status: InvoiceStatus | None = None
    customer_id: UUID | None = None
    due_before: date | None = None
    due_after: date | None = None
    external_reference_id: str | None = None
    q: str | None = None


EVERYTHING = InvoiceFilter()


def find_invoice(reader: Reader, invoice_id: UUID) -> InvoiceView | None:
    """The invoice with its lines, or None when the tenant has none of that id."""
    row = reader.first(_GET, invoice_id=invoice_id)
    return None if row is None else _view(reader, row)


def get_invoice(reader: Reader, invoice_id: UUID) -> InvoiceView:
    """The invoice with its lines; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    found = find_invoice(reader, invoice_id)
    if found is None:
        raise NotFound("There is no such invoice.")
    return found


def _view(reader: Reader, row: Any) -> InvoiceView:
    lines = reader.rows(_LINES, invoice_id=row.invoice_id)
    return InvoiceView(*(*row, tuple(lines)))


# Columns a list may be sorted by. Every order ends with the row number, so it is total.
_SORTS: dict[str, Any] = {
    "created": None,
    "number": sa.func.coalesce(_I.c.invoice_number, ""),
    "customer": _C.c.display_name,
    "due": _I.c.due_date,
    "total": _I.c.total_amount,
    "balance": _I.c.balance_due,
}
SORTS = frozenset(_SORTS)
DEFAULT_SORT = "-created"


def list_invoices(
    reader: Reader,
    narrowed: InvoiceFilter = EVERYTHING,
    *,
    limit: int = 25,
    cursor: str | None = None,
    sort: str = DEFAULT_SORT,
) -> Page[InvoiceView]:
    """Invoices by key, newest first unless `sort` names another column ("-due" descends)."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    if sort.removeprefix("-") not in _SORTS:
        raise InvalidInput.of("sort", f"must be one of {', '.join(sorted(_SORTS))}")
    params, search = _params_of(reader, narrowed)
    params["page"] = limit + 1
    if cursor is not None:
        place = reader.first(_place_statement(sort), invoice_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["after_row"] = place.row_id
        if sort.removeprefix("-") != "created":
            params["after_value"] = place.value
    statement = _list_statement(frozenset(params), search, sort)
    rows = reader.rows(statement, **params)
    items = [_view(reader, row) for row in rows[:limit]]
    return Page(items, encode_cursor(items[-1].invoice_id) if len(rows) > limit else None)


@dataclass(frozen=True, slots=True)
class InvoiceTotals:
    """Count and sums of the invoices a filter finds, per currency."""

    currency_code: str
    count: int
    total_amount: Decimal
    balance_due: Decimal


def total_invoices(reader: Reader, narrowed: InvoiceFilter = EVERYTHING) -> list[InvoiceTotals]:
    """Totals of a filter, one for each currency in it."""
    reader.actor.require(Action.READ)
    params, search = _params_of(reader, narrowed)
    statement = _totals_statement(frozenset(params), search)
    return [InvoiceTotals(*row) for row in reader.rows(statement, **params)]


_COUNTS = Statement(
    sa.select(_I.c.status, sa.func.count().label("count"))
    .where(_I.c.tenant_id == TENANT)
    .group_by(_I.c.status)
)


def count_by_status(reader: Reader) -> dict[InvoiceStatus, int]:
    """How many invoices the tenant has in each state."""
    reader.actor.require(Action.READ)
    return {row.status: row.count for row in reader.rows(_COUNTS)}


def _params_of(reader: Reader, narrowed: InvoiceFilter) -> tuple[dict[str, Any], str | None]:
    params: dict[str, Any] = {
        name: value
        for name in ("status", "customer_id", "due_before", "due_after", "external_reference_id")
        if (value := getattr(narrowed, name)) is not None
    }
    if narrowed.q and narrowed.q.strip():
        search, terms = search_terms(reader.connection.dialect, narrowed.q)
        return params | terms, search
    return params, None


def _narrow(query: Any, given: frozenset[str], search: str | None) -> Any:
    if "status" in given:
        query = query.where(_I.c.status == sa.bindparam("status"))
    if "customer_id" in given:
        query = query.where(_I.c.customer_id == sa.bindparam("customer_id"))
    if "due_before" in given:
        query = query.where(_I.c.due_date <= sa.bindparam("due_before"))
    if "due_after" in given:
        query = query.where(_I.c.due_date >= sa.bindparam("due_after"))
    if "external_reference_id" in given:
        query = query.where(_I.c.external_reference_id == sa.bindparam("external_reference_id"))
    if search is not None:
        # The tenant's invoices that match themselves, and those of its customers that match.
        of_customers = _rows_of_matching_customers(search)
        query = query.where(sa.or_(matching(_I, search), _I.c.row_id.in_(of_customers)))
    return query


@functools.lru_cache(maxsize=256)
def _list_statement(given: frozenset[str], search: str | None, sort: str) -> Statement:
    query = _narrow(_ALL, given, search)
    column, descending = _SORTS[sort.removeprefix("-")], sort.startswith("-")
    row = _I.c.row_id
    after_row = sa.bindparam("after_row", type_=sa.BigInteger)
    if "after_row" in given:
        beyond = row < after_row if descending else row > after_row
        if column is not None:
            value = sa.bindparam("after_value", type_=column.type)
            # The first condition is what an index can begin at; an OR alone is read from its start.
            not_before, further = (
                (column <= value, column < value)
                if descending
                else (column >= value, column > value)
            )
            beyond = sa.and_(not_before, sa.or_(further, beyond))
        query = query.where(beyond)
    order = [c for c in (column, row) if c is not None]
    return Statement(
        query.order_by(*(c.desc() if descending else c.asc() for c in order)).limit(
            sa.bindparam("page", type_=sa.Integer)
        )
    )


@functools.lru_cache(maxsize=16)
def _place_statement(sort: str) -> Statement:
    column = _SORTS[sort.removeprefix("-")]
    value = _I.c.row_id if column is None else column
    return Statement(
        sa.select(_I.c.row_id.label("row_id"), value.label("value"))
        .select_from(_WITH_CUSTOMER)
        .where(_I.c.tenant_id == TENANT, _I.c.id == sa.bindparam("invoice_id"))
    )


@functools.lru_cache(maxsize=256)
def _totals_statement(given: frozenset[str], search: str | None) -> Statement:
    query = (
        sa.select(
            _I.c.currency_code,
            sa.func.count().label("count"),
            sa.func.sum(_I.c.total_amount).label("total_amount"),
            sa.func.sum(_I.c.balance_due).label("balance_due"),
        )
        .where(_I.c.tenant_id == TENANT)
        .group_by(_I.c.currency_code)
        .order_by(_I.c.currency_code)
    )
    return Statement(_narrow(query, given, search))


def _rows_of_matching_customers(search: str) -> Any:
    other = _I.alias("of_customer")
    matched = sa.select(_C.c.id).where(_C.c.tenant_id == TENANT, matching(_C, search))
    return sa.select(other.c.row_id).where(
        other.c.tenant_id == TENANT, other.c.customer_id.in_(matched)
    )
