"""The worklist: each reason to call, what is no reason, and the order of the rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mssql import pyodbc
from sqlalchemy.dialects.sqlite import pysqlite

from backend.actor import Actor, Role
from backend.customers.models import CustomerHold
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.dunning.candidates import NotChased
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    release_invoice,
)
from backend.dunning.models import ContactKind, ContactOutcome
from backend.dunning.plans import CreatePlan, StepInput, create_plan, update_plan
from backend.dunning.preview import preview_run
from backend.dunning.promises import settle_promises
from backend.errors import InvalidInput
from backend.invoices.models import InvoiceHold
from backend.reporting.worklist import SORTS, Reason, Worklist, WorklistRow, worklist
from backend.reporting.worklist_query import count_statement, page_statement
from backend.tenants.models import TENANTS
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    actor_in,
    make_customer,
    make_invoice,
    make_tenant,
    pay,
    raw_rows,
)

TODAY = date(2026, 3, 4)
ADDRESS = "ap@example.com"


@pytest.fixture(autouse=True)
def plan(db: Database, actor: Actor) -> UUID:
    """A default plan of two steps, so that a customer with an address is no case for a call."""
    steps = (StepInput(0, "friendly_reminder"), StepInput(10, "last_call"))
    return run(db, actor, create_plan, CreatePlan("Two", steps, is_default=True)).dunning_plan_id


def owed(
    db: Database,
    actor: Actor,
    customer_id: UUID,
    late: int = 5,
    amount: str = "100.00",
    **more: Any,
) -> UUID:
    due = TODAY - timedelta(days=late)
    made = make_invoice(db, actor, customer_id, amount, issue_date=due, due_date=due, **more)
    return made.invoice_id


def reachable(db: Database, actor: Actor, name: str = "Harbor Dental Group") -> UUID:
    return make_customer(db, actor, name, email=ADDRESS).customer_id


def listed(db: Database, actor: Actor, **asked: Any) -> Worklist:
    return read(db, actor, worklist, **asked)


def only(db: Database, actor: Actor) -> WorklistRow:
    [row] = listed(db, actor).items
    return row


def note(db: Database, actor: Actor, customer_id: UUID, next_on: date | None = None) -> None:
    run(db, actor, log_contact, customer_id, LogContact(ContactKind.NOTE, None, "x", next_on))


def value_is_high_from(db: Database, actor: Actor, amount: str) -> None:
    statement = PlatformStatement(
        sa.update(TENANTS)
        .where(TENANTS.c.id == sa.bindparam("one"))
        .values(high_value_amount=sa.bindparam("amount"))
    )
    run(
        db, actor, lambda work: work.execute(statement, one=actor.tenant_id, amount=Decimal(amount))
    )


def test_who_is_late_and_chased_is_nobody_to_call(db: Database, actor: Actor):
    owed(db, actor, reachable(db, actor))
    assert listed(db, actor) == Worklist(
        TODAY, [], None, total=0, counts=dict.fromkeys(Reason, 0), snoozed=0
    )


def test_a_row_sums_up_what_a_customer_owes_in_one_currency(db: Database, actor: Actor):
    customer = make_customer(db, actor, phone="+1 312 555 0142")
    owed(db, actor, customer.customer_id, 5, "100.00")
    partly = owed(db, actor, customer.customer_id, 12, "50.00")
    pay(db, actor, "20.00", invoice_id=partly)
    owed(db, actor, customer.customer_id, 0, "7.00")
    owed(db, actor, customer.customer_id, 2, "900", currency_code="JPY")
    yen, dollars = listed(db, actor, sort="-amount").items
    assert (yen.currency_code, yen.overdue_amount, yen.days_late) == ("JPY", Decimal("900.00"), 2)
    assert dollars == WorklistRow(
        customer_id=customer.customer_id,
        customer_name="Harbor Dental Group",
        phone="+1 312 555 0142",
        email=None,
        currency_code="USD",
        overdue_amount=Decimal("130.00"),
        held_amount=Decimal("0.00"),
        open_amount=Decimal("137.00"),
        invoice_count=2,
        days_late=12,
        reasons=(Reason.UNREACHABLE,),
        broken_promise_on=None,
        last_contact=None,
        last_reminded_on=None,
        next_on=None,
    )


def test_what_is_not_overdue_is_no_reason(db: Database, actor: Actor):
    customer_id = make_customer(db, actor).customer_id
    owed(db, actor, customer_id, 0)
    pay(db, actor, "100.00", invoice_id=owed(db, actor, customer_id, 5))
    assert listed(db, actor).total == 0


@pytest.mark.parametrize("status", ["bounced", "complained"])
def test_a_customer_whose_address_takes_no_mail_is_called(db: Database, actor: Actor, status: str):
    owed(db, actor, reachable(db, actor))
    driver = db.connect().driver
    driver.execute("UPDATE customers SET email_status = ?", (status,))
    driver.close()
    assert only(db, actor).reasons == (Reason.UNREACHABLE,)


def test_a_plan_without_a_further_step_is_a_reason(db: Database, actor: Actor, clock: Clock):
    customer_id = reachable(db, actor)
    owed(db, actor, customer_id, 20)
    run(db, actor, run_evaluation)
    assert listed(db, actor).total == 0  # the second step is to come
    clock.pass_time(days=4)
    run(db, actor, run_evaluation)
    row = only(db, actor)
    assert row.reasons == (Reason.PLAN_EXHAUSTED,)
    assert row.last_reminded_on == TODAY + timedelta(days=4)


def test_a_longer_plan_takes_the_reason_away(db: Database, actor: Actor, plan: UUID):
    owed(db, actor, reachable(db, actor), 20)
    run(db, actor, run_evaluation)
    run(db, actor, update_plan, plan, {"steps": [StepInput(0, "friendly_reminder")]})
    assert only(db, actor).reasons == (Reason.PLAN_EXHAUSTED,)
    steps = [StepInput(0, "friendly_reminder"), StepInput(40, "last_call")]
    run(db, actor, update_plan, plan, {"steps": steps})
    assert listed(db, actor).total == 0


def test_a_plan_that_is_not_active_is_none(db: Database, actor: Actor):
    own = run(
        db, actor, create_plan, CreatePlan("Off", [StepInput(0, "last_call")], is_active=False)
    )
    customer_id = reachable(db, actor)
    owed(db, actor, customer_id)
    run(db, actor, update_customer, customer_id, {"dunning_plan_id": own.dunning_plan_id})
    assert only(db, actor).reasons == (Reason.NO_PLAN,)


def test_high_value_is_the_sum_in_the_tenants_own_currency(db: Database, actor: Actor):
    customer_id = reachable(db, actor)
    owed(db, actor, customer_id, 5, "60.00")
    value_is_high_from(db, actor, "100.00")
    owed(db, actor, customer_id, 5, "500.00", currency_code="EUR")
    owed(db, actor, customer_id, 5, "39.99")
    assert listed(db, actor).total == 0
    owed(db, actor, customer_id, 5, "0.01")
    row = only(db, actor)
    assert (row.reasons, row.overdue_amount) == ((Reason.HIGH_VALUE,), Decimal("100.00"))


@pytest.mark.parametrize(("late", "reasons"), [(60, None), (61, (Reason.LONG_OVERDUE,))])
def test_long_overdue_is_more_than_sixty_days(
    db: Database, actor: Actor, late: int, reasons: tuple[Reason, ...] | None
):
    owed(db, actor, reachable(db, actor), late)
    owed(db, actor, reachable(db, actor, "Other"), 1)
    assert [row.reasons for row in listed(db, actor).items] == ([reasons] if reasons else [])


def test_a_broken_promise_is_a_reason_until_something_newer_is_agreed(
    db: Database, actor: Actor, clock: Clock
):
    invoice_id = owed(db, actor, reachable(db, actor))
    promise = HoldInvoice(InvoiceHold.PROMISE, TODAY + timedelta(days=2))
    run(db, actor, hold_invoice, invoice_id, promise)
    clock.pass_time(days=2)
    run(db, actor, settle_promises)
    assert listed(db, actor).total == 0  # its last day is not over
    clock.pass_time(days=1)
    run(db, actor, settle_promises)
    row = only(db, actor)
    assert row.reasons == (Reason.BROKEN_PROMISE,)
    assert row.broken_promise_on == promise.until
    again = replace(promise, until=TODAY + timedelta(days=9))
    run(db, actor, hold_invoice, invoice_id, again)
    assert listed(db, actor).total == 0
    run(db, actor, release_invoice, invoice_id)
    assert listed(db, actor).total == 0  # somebody let it go since


def test_a_broken_promise_of_a_paid_invoice_is_over(db: Database, actor: Actor, clock: Clock):
    customer_id = reachable(db, actor)
    invoice_id = owed(db, actor, customer_id)
    owed(db, actor, customer_id)
    run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PROMISE, TODAY))
    clock.pass_time(days=1)
    run(db, actor, settle_promises)
    assert listed(db, actor).total == 1
    pay(db, actor, "100.00", invoice_id=invoice_id)
    assert listed(db, actor).total == 0


def test_the_newest_contact_says_when_to_come_back(db: Database, actor: Actor, clock: Clock):
    customer_id = make_customer(db, actor).customer_id
    owed(db, actor, customer_id)
    call = LogContact(ContactKind.CALL, ContactOutcome.NO_ANSWER, None, TODAY + timedelta(days=2))
    run(db, actor, log_contact, customer_id, call)
    page = listed(db, actor)
    assert (page.items, page.total, page.snoozed) == ([], 0, 1)
    assert page.counts == dict.fromkeys(Reason, 0)
    clock.pass_time(days=2)
    row = only(db, actor)
    assert row.reasons == (Reason.FOLLOW_UP, Reason.UNREACHABLE)
    assert row.next_on == call.next_on
    assert row.last_contact is not None
    assert row.last_contact.outcome is ContactOutcome.NO_ANSWER
    note(db, actor, customer_id)  # newer, and without a date
    assert only(db, actor).reasons == (Reason.UNREACHABLE,)


def test_who_has_no_other_reason_is_not_counted_as_snoozed(db: Database, actor: Actor):
    customer_id = reachable(db, actor)
    owed(db, actor, customer_id)
    note(db, actor, customer_id, TODAY + timedelta(days=1))
    assert listed(db, actor).snoozed == 0


@pytest.mark.parametrize(
    "hold",
    [
        HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks"),
        HoldInvoice(InvoiceHold.PROMISE, TODAY),
        HoldInvoice(InvoiceHold.PAUSE),
    ],
    ids=lambda hold: str(hold.kind),
)
def test_money_under_a_standing_hold_is_no_reason_by_itself(
    db: Database, actor: Actor, hold: HoldInvoice
):
    """All the reasons of money at once; then a little that may be chased beside it."""
    value_is_high_from(db, actor, "100.00")
    customer_id = make_customer(db, actor).customer_id
    run(db, actor, hold_invoice, owed(db, actor, customer_id, 90, "500.00"), hold)
    assert listed(db, actor).total == 0
    note(db, actor, customer_id, TODAY)
    assert only(db, actor).reasons == (Reason.FOLLOW_UP,)
    owed(db, actor, customer_id, 3, "20.00")
    row = only(db, actor)
    assert row.reasons == (Reason.FOLLOW_UP, Reason.UNREACHABLE)
    assert (row.overdue_amount, row.held_amount) == (Decimal("520.00"), Decimal("500.00"))
    assert (row.invoice_count, row.days_late) == (2, 90)


@pytest.mark.parametrize("kind", list(CustomerHold))
def test_who_is_excluded_or_paused_is_left_alone(
    db: Database, actor: Actor, clock: Clock, kind: CustomerHold
):
    customer_id = make_customer(db, actor).customer_id
    owed(db, actor, customer_id)
    note(db, actor, customer_id, TODAY)
    run(db, actor, hold_customer, customer_id, HoldCustomer(kind, TODAY + timedelta(days=1)))
    assert listed(db, actor).total == 0
    clock.pass_time(days=1)
    assert listed(db, actor).total == 0
    clock.pass_time(days=1)
    assert listed(db, actor).total == 1


def test_the_day_is_the_tenants(db: Database, clock: Clock):
    west = actor_in(make_tenant(db, "West", time_zone="Pacific/Honolulu"))
    east = actor_in(make_tenant(db, "East", time_zone="Pacific/Auckland"))
    for tenant in (west, east):
        owed(db, tenant, make_customer(db, tenant).customer_id, 0)
    assert (listed(db, west).total, listed(db, east).total) == (0, 1)


def test_reasons_agree_with_the_verdicts_of_a_run(db: Database, actor: Actor, clock: Clock):
    """What the engine gives up on, somebody is told to call about."""
    off = CreatePlan("Off", [StepInput(0, "last_call")], is_active=False)
    own = run(db, actor, create_plan, off)
    late = {name: reachable(db, actor, name) for name in ("Abe", "Bea", "Cid")}
    late["Dan"] = make_customer(db, actor, "Dan").customer_id
    for customer_id in late.values():
        owed(db, actor, customer_id, 20)
    run(db, actor, update_customer, late["Bea"], {"dunning_plan_id": own.dunning_plan_id})
    run(db, actor, run_evaluation)
    clock.pass_time(days=10)
    run(db, actor, run_evaluation)
    owed(db, actor, late["Cid"], 1)
    clock.pass_time(days=1)
    given_up = {
        NotChased.NO_EMAIL: Reason.UNREACHABLE,
        NotChased.NO_ACTIVE_PLAN: Reason.NO_PLAN,
        NotChased.STEPS_EXHAUSTED: Reason.PLAN_EXHAUSTED,
    }
    expected = {
        (one.customer_name, given_up[one.reason])
        for one in read(db, actor, preview_run).not_chased
        if one.reason in given_up
    }
    found = {
        (row.customer_name, reason) for row in listed(db, actor).items for reason in row.reasons
    }
    assert found == expected
    assert {reason for _, reason in found} == set(given_up.values())


ORDERS = {
    "priority": ["Cid", "Bea", "Abe"],
    "amount": ["Abe", "Cid", "Bea"],
    "days_late": ["Bea", "Cid", "Abe"],
    "name": ["Abe", "Bea", "Cid"],
    "last_contact": ["Abe", "Bea", "Cid"],
}


@pytest.mark.parametrize("sort", [*ORDERS, *(f"-{sort}" for sort in ORDERS)])
def test_rows_are_sorted_and_paged(db: Database, actor: Actor, clock: Clock, sort: str):
    assert ORDERS.keys() == SORTS
    for name, late, amount in (("Abe", 9, "10.00"), ("Bea", 3, "30.00"), ("Cid", 6, "20.00")):
        customer_id = make_customer(db, actor, name).customer_id
        owed(db, actor, customer_id, late, amount)
        if name != "Abe":
            clock.pass_time(minutes=1)
            note(db, actor, customer_id, TODAY if name == "Cid" else None)
    names, cursor = [], None
    for _ in range(3):
        page = listed(db, actor, sort=sort, limit=1, cursor=cursor)
        names += [row.customer_name for row in page.items]
        cursor = page.next_cursor
    assert cursor is None
    expected = ORDERS[sort.removeprefix("-")]
    assert names == (expected[::-1] if sort.startswith("-") else expected)


def test_a_row_that_is_done_meanwhile_breaks_no_page(db: Database, actor: Actor):
    made = [make_customer(db, actor, name).customer_id for name in ("Abe", "Bea", "Cid")]
    for customer_id in made:
        owed(db, actor, customer_id)
    page = listed(db, actor, sort="name", limit=1)
    note(db, actor, made[0], TODAY + timedelta(days=1))
    following = listed(db, actor, sort="name", limit=1, cursor=page.next_cursor)
    assert [row.customer_name for row in following.items] == ["Bea"]


def test_narrowing_by_reason_leaves_the_counts_of_all(db: Database, actor: Actor):
    owed(db, actor, make_customer(db, actor, "Abe").customer_id, 90)
    owed(db, actor, make_customer(db, actor, "Bea").customer_id)
    page = listed(db, actor, reason=Reason.LONG_OVERDUE)
    assert [row.customer_name for row in page.items] == ["Abe"]
    assert page.total == 2
    assert page.counts == dict.fromkeys(Reason, 0) | {
        Reason.UNREACHABLE: 2,
        Reason.LONG_OVERDUE: 1,
    }


@pytest.mark.parametrize(("q", "names"), [("harbor", ["Harbor"]), ("X-", ["Harbor"]), ("zz", [])])
def test_a_search_finds_customers(db: Database, actor: Actor, q: str, names: list[str]):
    harbor = make_customer(db, actor, "Harbor", external_reference_id="X-1").customer_id
    for customer_id in (harbor, make_customer(db, actor, "Other").customer_id):
        owed(db, actor, customer_id)
    page = listed(db, actor, q=q)
    assert [row.customer_name for row in page.items] == names
    assert page.total == len(names)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"sort": "colour"}, "sort"),
        ({"sort": "--name"}, "sort"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "A" * 5000}, "cursor"),
    ],
)
def test_bad_input_is_refused_by_field(
    db: Database, actor: Actor, asked: dict[str, Any], field: str
):
    with pytest.raises(InvalidInput) as refusal:
        listed(db, actor, **asked)
    assert [error.field for error in refusal.value.errors] == [field]


def test_a_cursor_of_another_order_is_refused(db: Database, actor: Actor):
    for name in ("Abe", "Bea"):
        owed(db, actor, make_customer(db, actor, name).customer_id)
    cursor = listed(db, actor, sort="name", limit=1).next_cursor
    assert cursor
    for sort in ("priority", "-name", "amount"):
        with pytest.raises(InvalidInput):
            listed(db, actor, sort=sort, cursor=cursor)


def test_it_is_read_by_support_too(db: Database, actor: Actor):
    owed(db, actor, make_customer(db, actor).customer_id)
    assert listed(db, actor_in(actor.tenant_id, Role.SUPPORT)).total == 1


def test_every_form_of_it_compiles_for_both_databases():
    mssql = pyodbc.dialect(paramstyle="qmark")
    mssql._supports_offset_fetch = True
    for dialect, search in ((pysqlite.dialect(), "trigram"), (mssql, "like")):
        count_statement(search).compiled_for(dialect)
        for sort in ("-priority", "last_contact"):
            page_statement(sort, Reason.NO_PLAN, search, goes_on=True).compiled_for(dialect)


def test_the_open_invoices_are_read_along_their_index(db: Database):
    """Not along the due dates of everything that was ever paid."""
    sql = count_statement(None).compiled_for(pysqlite.dialect()).sql
    plan = " ".join(
        str(row[3]) for row in raw_rows(db, f"EXPLAIN QUERY PLAN {sql}", *[None] * sql.count("?"))
    )
    assert "ix_invoices__open" in plan
    assert "ix_invoices__due" not in plan
