"""Lists of invoices: narrowed, searched, sorted, paged by key."""

from datetime import date
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput
from backend.ids import new_id
from backend.invoices.models import InvoiceStatus
from backend.invoices.queries import (
    SORTS,
    InvoiceFilter,
    count_by_status,
    list_invoices,
    total_invoices,
)
from backend.invoices.service import void_invoice
from backend.paging import encode_cursor
from backend.unit_of_work import read, run
from tests.factories import make_customer, make_draft, make_invoice, pay


@pytest.fixture
def book(db: Database, actor: Actor, customer: CustomerView) -> dict[str, str]:
    """Five invoices by a short name, told apart by their amounts."""
    zoo = make_customer(db, actor, "Zoo Cafe", email="pay@zoo.example", external_reference_id="Z9")
    a = make_invoice(db, actor, customer.customer_id, "10.00", due_date=date(2026, 4, 1))
    make_invoice(db, actor, customer.customer_id, "20.00", due_date=date(2026, 3, 20))
    make_draft(db, actor, zoo.customer_id, "30.00", due_date=date(2026, 5, 1))
    make_invoice(
        db,
        actor,
        zoo.customer_id,
        "40.00",
        due_date=date(2026, 4, 15),
        purchase_order_number="PO-778",
        external_reference_id="job-5",
    )
    e = make_invoice(db, actor, zoo.customer_id, "50.00", currency_code="EUR")
    pay(db, actor, "10.00", invoice_id=a.invoice_id)
    run(db, actor, void_invoice, e.invoice_id, "twice")
    return {"harbor": str(customer.customer_id), "zoo": str(zoo.customer_id)}


def amounts(db: Database, actor: Actor, narrowed: InvoiceFilter, **more) -> list[str]:
    items = read(db, actor, list_invoices, narrowed, **more).items
    return [str(item.total_amount) for item in items]


ALL = InvoiceFilter()


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        (InvoiceFilter(), ["50.00", "40.00", "30.00", "20.00", "10.00"]),
        (InvoiceFilter(status=InvoiceStatus.PAID), ["10.00"]),
        (InvoiceFilter(status=InvoiceStatus.DRAFT), ["30.00"]),
        (InvoiceFilter(status=InvoiceStatus.OVERDUE), []),
        (InvoiceFilter(due_before=date(2026, 4, 1)), ["20.00", "10.00"]),
        (InvoiceFilter(due_after=date(2026, 4, 15)), ["40.00", "30.00"]),
        (
            InvoiceFilter(due_after=date(2026, 4, 1), due_before=date(2026, 4, 15)),
            ["50.00", "40.00", "10.00"],
        ),
        (InvoiceFilter(external_reference_id="job-5"), ["40.00"]),
        (InvoiceFilter(q="INV-000002"), ["20.00"]),
        (InvoiceFilter(q="po-778"), ["40.00"]),
        (InvoiceFilter(q="job"), ["40.00"]),
        (InvoiceFilter(q="zoo.example"), ["50.00", "40.00", "30.00"]),
        (InvoiceFilter(q="Z9"), ["50.00", "40.00", "30.00"]),
        (InvoiceFilter(q="zoo", status=InvoiceStatus.SENT), ["40.00"]),
        (InvoiceFilter(q="no such thing"), []),
        (InvoiceFilter(customer_id=new_id()), []),
    ],
)
@pytest.mark.usefixtures("book")
def test_a_list_is_narrowed_to_what_was_asked(
    db: Database, actor: Actor, narrowed: InvoiceFilter, found: list[str]
):
    # The one in EUR is due 30 days from the 4th of March.
    assert amounts(db, actor, narrowed) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("created", ["10.00", "20.00", "30.00", "40.00", "50.00"]),
        ("due", ["20.00", "10.00", "50.00", "40.00", "30.00"]),
        ("-due", ["30.00", "40.00", "50.00", "10.00", "20.00"]),
        ("total", ["10.00", "20.00", "30.00", "40.00", "50.00"]),
        ("-balance", ["40.00", "20.00", "50.00", "30.00", "10.00"]),
        ("customer", ["10.00", "20.00", "30.00", "40.00", "50.00"]),
        ("number", ["30.00", "10.00", "20.00", "40.00", "50.00"]),
    ],
)
@pytest.mark.usefixtures("book")
def test_a_list_is_sorted_as_asked(db: Database, actor: Actor, sort: str, found: list[str]):
    assert amounts(db, actor, ALL, sort=sort) == found


@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("sort", sorted(SORTS))
@pytest.mark.usefixtures("book")
def test_pages_of_every_order_follow_each_other_without_gaps_or_repeats(
    db: Database, actor: Actor, sort: str, direction: str
):
    order = direction + sort
    seen: list[str] = []
    cursor = None
    for _ in range(5):
        page = read(db, actor, list_invoices, ALL, limit=2, cursor=cursor, sort=order)
        seen += [str(item.total_amount) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == amounts(db, actor, ALL, sort=order)
    assert len(set(seen)) == 5


@pytest.mark.usefixtures("book")
def test_a_page_of_a_search_continues_the_search(db: Database, actor: Actor):
    narrowed = InvoiceFilter(q="zoo")
    first = read(db, actor, list_invoices, narrowed, limit=2)
    second = read(db, actor, list_invoices, narrowed, limit=2, cursor=first.next_cursor)
    assert [str(item.total_amount) for item in second.items] == ["30.00"]
    assert second.next_cursor is None


@pytest.mark.parametrize("sort", ["", "-", "colour", "--due", "due desc", "Due"])
def test_an_unknown_order_is_invalid(db: Database, actor: Actor, sort: str):
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, list_invoices, ALL, sort=sort)
    assert refusal.value.errors[0].field == "sort"


@pytest.mark.parametrize("limit", [0, 101, -5])
def test_a_limit_out_of_range_is_invalid(db: Database, actor: Actor, limit: int):
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, list_invoices, ALL, limit=limit)
    assert refusal.value.errors[0].field == "limit"


@pytest.mark.parametrize("sort", sorted(SORTS))
@pytest.mark.parametrize("cursor", ["garbage", encode_cursor(UUID(int=7))])
@pytest.mark.usefixtures("book")
def test_a_cursor_of_nobody_is_invalid_in_every_order(
    db: Database, actor: Actor, sort: str, cursor: str
):
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, list_invoices, ALL, cursor=cursor, sort=sort)
    assert refusal.value.errors[0].field == "cursor"


@pytest.mark.usefixtures("book")
def test_totals_are_kept_apart_by_currency(db: Database, actor: Actor):
    found = {
        total.currency_code: (total.count, str(total.total_amount), str(total.balance_due))
        for total in read(db, actor, total_invoices)
    }
    assert found == {"USD": (4, "100.00", "60.00"), "EUR": (1, "50.00", "0.00")}
    searched = read(db, actor, total_invoices, InvoiceFilter(q="zoo"))
    assert [(one.currency_code, one.count) for one in searched] == [("EUR", 1), ("USD", 2)]


@pytest.mark.usefixtures("book")
def test_the_tabs_count_each_state(db: Database, actor: Actor):
    assert read(db, actor, count_by_status) == {
        InvoiceStatus.DRAFT: 1,
        InvoiceStatus.SENT: 2,
        InvoiceStatus.PAID: 1,
        InvoiceStatus.VOID: 1,
    }


def test_a_tenant_without_invoices_has_empty_lists(db: Database, actor: Actor):
    page = read(db, actor, list_invoices)
    assert (page.items, page.next_cursor) == ([], None)
    assert read(db, actor, total_invoices) == []
    assert read(db, actor, count_by_status) == {}
