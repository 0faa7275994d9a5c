"""Customers: made, changed, found, listed."""

from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerFilter, CustomerView, get_customer, list_customers
from backend.customers.service import CreateCustomer, create_customer, update_customer
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound
from backend.ids import new_id
from backend.paging import Page, encode_cursor
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_customer, raw_count, raw_rows


def names(page: Page[CustomerView]) -> list[str]:
    return [item.display_name for item in page.items]


def test_a_customer_is_kept_as_it_was_given(db: Database, actor: Actor, clock: Clock):
    made = make_customer(
        db,
        actor,
        "  Łódź Bakery  ",
        email="office@lodz.example",
        phone="+1 312 555 0100",
        billing_address="1 Main St\nChicago",
        payment_terms_days=14,
        external_source="jobber",
        external_reference_id="C-17",
    )
    assert made.display_name == "Łódź Bakery"
    assert (made.email, made.email_status) == ("office@lodz.example", EmailStatus.OK)
    assert made.billing_address == "1 Main St\nChicago"
    assert (made.payment_terms_days, made.version) == (14, 1)
    assert (made.created_at, made.updated_at) == (clock.now, clock.now)
    assert read(db, actor, get_customer, made.customer_id) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", ""),
        ("display_name", "x" * 201),
        ("display_name", "a\x00b"),
        ("email", "nobody"),
        ("phone", "1" * 51),
        ("billing_address", "x" * 1001),
        ("payment_terms_days", -1),
        ("payment_terms_days", 3651),
        ("external_source", "x" * 101),
        ("external_reference_id", "x" * 201),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_bad_field_is_refused_and_nothing_is_written(
    db: Database, actor: Actor, field: str, value: Any
):
    with pytest.raises(InvalidInput) as refusal:
        make_customer(db, actor, **{"display_name": "Fine", field: value})
    assert refusal.value.errors[0].field == field
    assert raw_count(db, "customers") == 0
    assert raw_count(db, "audit_log") == 0


@pytest.mark.parametrize("role", [Role.SUPPORT])
def test_support_reads_customers_but_does_not_write_them(
    db: Database, actor: Actor, customer: CustomerView, role: Role
):
    support = actor_in(actor.tenant_id, role)
    assert read(db, support, get_customer, customer.customer_id) == customer
    assert read(db, support, list_customers).items == [customer]
    with pytest.raises(NotAllowed):
        run(db, support, create_customer, CreateCustomer("New"))
    with pytest.raises(NotAllowed):
        run(db, support, update_customer, customer.customer_id, {"phone": "1"})


def test_only_the_named_fields_change_and_the_log_says_which(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    clock.pass_time(hours=1)
    changes = {"phone": "555", "display_name": "Harbor Dental"}
    changed = run(db, actor, update_customer, customer.customer_id, changes)
    assert (changed.phone, changed.display_name) == ("555", "Harbor Dental")
    assert (changed.version, changed.updated_at) == (2, clock.now)
    assert changed.created_at == customer.created_at
    action, data = raw_rows(
        db,
        "SELECT action, data FROM audit_log WHERE entity_id = ? ORDER BY sequence DESC",
        customer.customer_id.hex,
    )[0]
    assert action == "customer.updated"
    assert data == (
        '{"before":{"phone":null,"display_name":"Harbor Dental Group"},'
        '"after":{"phone":"555","display_name":"Harbor Dental"}}'
    )


def test_none_clears_a_field(db: Database, actor: Actor):
    made = make_customer(db, actor, phone="555", email="a@b.co")
    cleared = run(db, actor, update_customer, made.customer_id, {"phone": None, "email": None})
    assert (cleared.phone, cleared.email) == (None, None)


def test_a_change_to_the_same_values_is_no_change(
    db: Database, actor: Actor, customer: CustomerView
):
    before = raw_count(db, "audit_log")
    changes = {"display_name": customer.display_name}
    assert run(db, actor, update_customer, customer.customer_id, changes) == customer
    assert raw_count(db, "audit_log") == before


def test_a_new_address_has_not_bounced_yet(db: Database, actor: Actor):
    made = make_customer(db, actor, email="old@b.co")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE customers SET email_status = 'bounced'")
    kept = run(db, actor, update_customer, made.customer_id, {"phone": "1"})
    assert kept.email_status is EmailStatus.BOUNCED
    changed = run(db, actor, update_customer, made.customer_id, {"email": "new@b.co"})
    assert changed.email_status is EmailStatus.OK


def test_a_customer_that_is_not_there_is_not_found(db: Database, actor: Actor):
    with pytest.raises(NotFound):
        read(db, actor, get_customer, new_id())
    with pytest.raises(NotFound):
        run(db, actor, update_customer, new_id(), {"phone": "1"})


def test_a_dunning_plan_must_be_one_of_the_tenant(
    db: Database, actor: Actor, customer: CustomerView
):
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, update_customer, customer.customer_id, {"dunning_plan_id": new_id()})
    assert refusal.value.errors[0].field == "dunning_plan_id"


def test_pages_go_newest_first_without_gaps_or_repeats(db: Database, actor: Actor):
    for number in range(7):
        make_customer(db, actor, f"Customer {number}")
    seen, cursor = [], None
    while True:
        page = read(db, actor, list_customers, limit=3, cursor=cursor)
        seen += names(page)
        make_customer(db, actor, "Came meanwhile")  # Newer than every page that is still to come.
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"Customer {number}" for number in reversed(range(7))]


def test_a_full_last_page_has_no_next_one(db: Database, actor: Actor):
    for number in range(3):
        make_customer(db, actor, f"Customer {number}")
    assert read(db, actor, list_customers, limit=3).next_cursor is None
    assert read(db, actor, list_customers, limit=2).next_cursor is not None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("harbor", ["Harbor Dental"]),
        ("ARBOR", ["Harbor Dental"]),
        ("al", ["Łódź Café", "Harbor Dental"]),  # two characters: without the trigrams
        ("billing@", ["Łódź Café"]),
        ("C-4", ["Harbor Dental"]),
        ("100%", ["100% Clean"]),
        ("%", ["100% Clean"]),
        ("_", []),
        ('"', []),
        ("łódź", ["Łódź Café"]),
        ("' OR 1=1 --", []),
        ('NEAR("a" "b")', []),
        ("nothing like it", []),
        ("   ", ["100% Clean", "Łódź Café", "Harbor Dental"]),
    ],
)
def test_search_finds_text_anywhere_in_name_address_and_reference(
    db: Database, actor: Actor, text: str, found: list[str]
):
    make_customer(db, actor, "Harbor Dental", external_reference_id="C-42")
    make_customer(db, actor, "Łódź Café", email="billing@special.example")
    make_customer(db, actor, "100% Clean")
    assert names(read(db, actor, list_customers, CustomerFilter(q=text))) == found


def test_search_follows_a_change_of_name(db: Database, actor: Actor, customer: CustomerView):
    run(db, actor, update_customer, customer.customer_id, {"display_name": "Lakeside Ortho"})
    assert names(read(db, actor, list_customers, CustomerFilter(q="ortho"))) == ["Lakeside Ortho"]
    assert names(read(db, actor, list_customers, CustomerFilter(q="harbor"))) == []


def test_a_list_can_be_narrowed_to_a_reference_of_a_source(db: Database, actor: Actor):
    for source in ("jobber", "erp"):
        make_customer(db, actor, source, external_source=source, external_reference_id="7")
    both = read(db, actor, list_customers, CustomerFilter(external_reference_id="7"))
    one = read(
        db,
        actor,
        list_customers,
        CustomerFilter(external_source="erp", external_reference_id="7"),
    )
    assert (names(both), names(one)) == (["erp", "jobber"], ["erp"])


def test_a_cursor_of_nobody_is_invalid(db: Database, actor: Actor, customer: CustomerView):
    for cursor in ("garbage", encode_cursor(new_id())):
        with pytest.raises(InvalidInput) as refusal:
            read(db, actor, list_customers, cursor=cursor)
        assert refusal.value.errors[0].field == "cursor"
