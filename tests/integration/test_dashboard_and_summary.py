"""The dashboard and the billing summary: what they count, and what they leave out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.db.engine import Database
from backend.errors import NotFound
from backend.payments.reversal import reverse_payment
from backend.reporting.buckets import Buckets
from backend.reporting.dashboard import CurrencyDashboard, get_dashboard
from backend.reporting.summary import CurrencySummary, get_billing_summary
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    actor_in,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
)

TODAY = date(2026, 3, 4)  # a Wednesday
ZERO = Decimal("0.00")


def money(text: str) -> Decimal:
    return Decimal(text)


def owed(
    db: Database, actor: Actor, customer_id: UUID, late: int, amount: str, **fields: str
) -> UUID:
    due = TODAY - timedelta(days=late)
    made = make_invoice(
        db, actor, customer_id, amount, issue_date=min(due, TODAY), due_date=due, **fields
    )
    return made.invoice_id


@pytest.fixture
def customer_id(db: Database, actor: Actor) -> UUID:
    return make_customer(db, actor).customer_id


def the_dashboard(db: Database, actor: Actor) -> CurrencyDashboard:
    return read(db, actor, get_dashboard).currencies[0]


def test_a_new_tenant_sees_zeros_in_its_own_currency(db: Database) -> None:
    actor = actor_in(make_tenant(db, "Kyoto Cooling", currency_code="JPY"))
    dashboard = read(db, actor, get_dashboard)
    [one] = dashboard.currencies
    assert (one.currency_code, one.outstanding_amount, one.open_invoice_count) == ("JPY", ZERO, 0)
    assert (len(one.cash_by_month), len(one.cash_by_week)) == (12, 12)
    assert read(db, actor, get_billing_summary) == ()


def test_the_dashboard_counts_what_is_open_and_late(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    owed(db, actor, customer_id, -10, "10.00")
    owed(db, actor, customer_id, 5, "20.00")
    part_paid = owed(db, actor, customer_id, 45, "40.00")
    pay(db, actor, "15.00", invoice_id=part_paid)
    pay(db, actor, "3.00", customer_id=customer_id, allocations=())
    make_draft(db, actor, customer_id, "999.00")
    one = the_dashboard(db, actor)
    assert one.open_amount == money("55.00")
    assert one.overdue_amount == money("45.00")
    assert one.unapplied_amount == money("3.00")
    assert one.outstanding_amount == money("52.00")
    assert one.open_invoice_count == 3
    assert one.aging == Buckets(money("10.00"), money("20.00"), money("25.00"), ZERO, ZERO)
    assert one.paid_this_month == money("18.00")


def test_cash_stands_in_the_month_and_week_in_which_it_came(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    for day, amount in (
        (TODAY, "1.00"),
        (date(2026, 3, 2), "2.00"),  # this week's Monday
        (date(2026, 3, 1), "4.00"),  # Sunday: last week, but this month
        (date(2026, 2, 28), "8.00"),
        (date(2025, 4, 1), "16.00"),  # the first day of the twelfth month back
        (date(2025, 3, 31), "32.00"),  # before all
    ):
        pay(db, actor, amount, customer_id=customer_id, received_on=day)
    one = the_dashboard(db, actor)
    months = {cash.begins_on: cash.amount for cash in one.cash_by_month if cash.amount}
    assert months == {
        date(2026, 3, 1): money("7.00"),
        date(2026, 2, 1): money("8.00"),
        date(2025, 4, 1): money("16.00"),
    }
    weeks = {cash.begins_on: cash.amount for cash in one.cash_by_week if cash.amount}
    assert weeks == {date(2026, 3, 2): money("3.00"), date(2026, 2, 23): money("12.00")}
    assert one.paid_this_month == money("7.00")
    assert one.cash_by_month[0].begins_on == date(2025, 4, 1)
    assert one.cash_by_week[-1].begins_on == date(2026, 3, 2)


def test_a_reversed_payment_has_not_come_in(db: Database, actor: Actor, customer_id: UUID) -> None:
    payment = pay(db, actor, "5.00", customer_id=customer_id)
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    assert the_dashboard(db, actor).paid_this_month == ZERO


def test_the_month_is_the_tenants(db: Database, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)  # still February in Honolulu
    for zone, month in (("Pacific/Honolulu", 2), ("Pacific/Auckland", 3)):
        actor = actor_in(make_tenant(db, zone, time_zone=zone))
        pay(db, actor, "5.00", customer_id=make_customer(db, actor).customer_id)
        last = the_dashboard(db, actor).cash_by_month[-1]
        assert (last.begins_on.month, last.amount) == (month, money("5.00"))


def test_other_currencies_stand_after_the_tenants_own(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    for code in ("EUR", "USD", "CAD"):
        make_invoice(db, actor, customer_id, "9.00", currency_code=code)
    codes = [one.currency_code for one in read(db, actor, get_dashboard).currencies]
    assert codes == ["USD", "CAD", "EUR"]


def test_the_summary_of_a_customer_counts_only_that_customers(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    invoice_id = owed(db, actor, customer_id, 5, "20.00")
    owed(db, actor, customer_id, -5, "7.00")
    pay(db, actor, "12.00", invoice_id=invoice_id)
    pay(db, actor, "1.50", customer_id=customer_id, allocations=())
    other = make_customer(db, actor, "Other").customer_id
    settled = owed(db, actor, other, 5, "100.00")
    pay(db, actor, "101.00", invoice_id=settled, keep_excess_as_credit=True)
    mine = CurrencySummary(
        "USD", money("15.00"), money("8.00"), money("12.00"), money("1.50"), money("13.50"), 2
    )
    theirs = CurrencySummary("USD", ZERO, ZERO, money("100.00"), money("1.00"), money("-1.00"), 0)
    assert read(db, actor, get_billing_summary, customer_id=customer_id) == (mine,)
    assert read(db, actor, get_billing_summary, customer_id=other) == (theirs,)
    assert read(db, actor, get_billing_summary) == (
        CurrencySummary(
            "USD", money("15.00"), money("8.00"), money("112.00"), money("2.50"), money("12.50"), 2
        ),
    )


def test_the_summary_of_a_reference_is_that_of_its_invoices_and_has_no_credit(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    job = owed(db, actor, customer_id, 5, "20.00", external_reference_id="JOB-7")
    owed(db, actor, customer_id, 5, "50.00", external_reference_id="JOB-8")
    pay(db, actor, "25.00", invoice_id=job, keep_excess_as_credit=True)
    make_draft(db, actor, customer_id, "3.00", external_reference_id="JOB-7")
    summary = read(db, actor, get_billing_summary, external_reference_id="JOB-7")
    assert summary == (CurrencySummary("USD", ZERO, ZERO, money("20.00"), ZERO, ZERO, 0),)
    [narrowed] = read(
        db, actor, get_billing_summary, customer_id=customer_id, external_reference_id="JOB-8"
    )
    assert (narrowed.open_amount, narrowed.outstanding_amount) == (money("50.00"), money("50.00"))
    assert read(db, actor, get_billing_summary, external_reference_id="JOB-9") == ()


def test_what_is_another_tenants_is_not_there(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    owed(db, actor, customer_id, 5, "20.00", external_reference_id="JOB-7")
    stranger = actor_in(make_tenant(db, "Cool Air"))
    with pytest.raises(NotFound):
        read(db, stranger, get_billing_summary, customer_id=customer_id)
    assert read(db, stranger, get_billing_summary, external_reference_id="JOB-7") == ()
    assert read(db, stranger, get_billing_summary) == ()
    assert the_dashboard(db, stranger).open_invoice_count == 0
