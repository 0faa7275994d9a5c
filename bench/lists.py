"""Lists page by key, so the 300th page costs what the first does; search goes by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.paging import Page
from backend.unit_of_work import read
from bench.bulk import LargeBooks
from bench.measure import Line, Target, duration, take_turns

INVOICES_EACH = 10_000
TENANTS = 20
PAGE = 25
DEEP = 300

_BY_LIKE = """
SELECT i.id FROM invoices i JOIN customers c ON c.tenant_id = i.tenant_id AND c.id = i.customer_id
WHERE i.tenant_id = :tenant AND (i.invoice_number LIKE :text OR i.external_reference_id LIKE :text
    OR i.purchase_order_number LIKE :text OR c.display_name LIKE :text OR c.email LIKE :text
    OR c.external_reference_id LIKE :text)
ORDER BY i.row_id DESC LIMIT 26
"""


def run_lists(directory: Path, *, quick: bool) -> Iterator[Line]:
    """A deep page against the first; searches against LIKE over the tenant's own rows."""
    invoices, tenants, deep = (2_000, 5, 60) if quick else (INVOICES_EACH, TENANTS, DEEP)
    rounds = 5 if quick else 15
    books = LargeBooks(directory / "lists.db")
    driver = sqlite3.connect(books.path)
    try:
        books.add_tenants(tenants, invoices=invoices)
        for what, narrowed, sort in (
            ("newest first", InvoiceFilter(), "-created"),
            ("by due date", InvoiceFilter(), "due"),
        ):
            cursor = _cursor_of(books, narrowed, sort, page=deep)
            ours, first, ratio = take_turns(
                _page(books, narrowed, sort, cursor),
                _page(books, narrowed, sort, None),
                rounds=rounds,
                repeat=3,
            )
            yield Line(
                f"Invoices {what}, page {deep} / page 1",
                "time",
                duration(ours),
                duration(first),
                ratio,
                Target.AT_MOST,
                1.5,
            )
        for what, text in (("few match", f"-1-{invoices - 7}"), ("none matches", "no such text")):
            ours, theirs, ratio = take_turns(
                _page(books, InvoiceFilter(q=text), "-created", None),
                _like(driver, books, text),
                rounds=rounds,
                repeat=3,
            )
            yield Line(
                f"Search in {invoices * tenants:,} invoices, {what} / LIKE over own rows",
                "time",
                duration(ours),
                duration(theirs),
                ratio,
                Target.AT_MOST,
                0.5,
            )
    finally:
        driver.close()
        books.close()


def _page(
    books: LargeBooks, narrowed: InvoiceFilter, sort: str, cursor: str | None
) -> Callable[[], Page]:
    actor = books.actor()
    return lambda: read(
        books.db, actor, list_invoices, narrowed, limit=PAGE, cursor=cursor, sort=sort
    )


def _cursor_of(books: LargeBooks, narrowed: InvoiceFilter, sort: str, *, page: int) -> str:
    """The cursor of a page, found by turning the pages before it (four at a time)."""
    cursor = None
    turned = 0
    while turned < page - 1:
        pages = min(4, page - 1 - turned)
        found = read(
            books.db,
            books.actor(),
            list_invoices,
            narrowed,
            limit=PAGE * pages,
            cursor=cursor,
            sort=sort,
        )
        cursor = found.next_cursor
        turned += pages
    assert cursor is not None
    return cursor


def _like(driver: sqlite3.Connection, books: LargeBooks, text: str) -> Callable[[], object]:
    values = {"tenant": books.tenants[0].hex, "text": f"%{text}%"}
    return lambda: driver.execute(_BY_LIKE, values).fetchall()
