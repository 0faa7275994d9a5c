"""The aging report: edges of its buckets, credit, days gone by and days to come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.db.engine import Database
from backend.dunning.holds import HoldInvoice, hold_invoice, release_invoice
from backend.errors import InvalidInput
from backend.invoices.models import InvoiceHold
from backend.invoices.service import void_invoice
from backend.payments.reversal import reverse_payment
from backend.reporting.aging import get_aging
from backend.reporting.buckets import NAMES
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

TODAY = date(2026, 3, 4)


@pytest.fixture
def customer_id(db: Database, actor: Actor) -> UUID:
    return make_customer(db, actor).customer_id


def owed(db: Database, actor: Actor, customer_id: UUID, late: int, amount: str) -> UUID:
    due = TODAY - timedelta(days=late)
    made = make_invoice(db, actor, customer_id, amount, issue_date=min(due, TODAY), due_date=due)
    return made.invoice_id


@pytest.mark.parametrize(
    ("late", "bucket"),
    [
        (-5, "current"),
        (0, "current"),
        (1, "days_1_30"),
        (30, "days_1_30"),
        (31, "days_31_60"),
        (60, "days_31_60"),
        (61, "days_61_90"),
        (90, "days_61_90"),
        (91, "days_over_90"),
        (1000, "days_over_90"),
    ],
)
def test_the_due_date_decides_the_bucket(
    db: Database, actor: Actor, customer_id: UUID, late: int, bucket: str
) -> None:
    owed(db, actor, customer_id, late, "100.00")
    [currency] = read(db, actor, get_aging).currencies
    full = [name for name in NAMES if getattr(currency.totals, name)]
    assert full == [bucket]
    assert currency.totals.outstanding == Decimal("100.00")


def test_credit_lowers_what_is_outstanding_and_no_bucket(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    owed(db, actor, customer_id, 10, "100.00")
    pay(db, actor, "30.00", customer_id=customer_id, allocations=())
    [currency] = read(db, actor, get_aging).currencies
    [customer] = currency.customers
    assert customer.customer_name == "Harbor Dental Group"
    assert customer.sums.days_1_30 == Decimal("100.00")
    assert customer.sums.unapplied == Decimal("30.00")
    assert customer.sums.outstanding == Decimal("70.00")


def test_a_customer_with_nothing_but_credit_is_in_the_report(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    pay(db, actor, "30.00", customer_id=customer_id)
    [currency] = read(db, actor, get_aging).currencies
    assert currency.totals.outstanding == Decimal("-30.00")
    assert currency.customers[0].sums.current == Decimal("0.00")


def test_customers_stand_by_name_and_currencies_apart(db: Database, actor: Actor) -> None:
    for name, code in (("Zoe", "USD"), ("Abe", "USD"), ("Abe", "JPY")):
        payer = make_customer(db, actor, name).customer_id
        make_invoice(db, actor, payer, "100", currency_code=code)
    aging = read(db, actor, get_aging)
    assert [
        (one.currency_code, [customer.customer_name for customer in one.customers])
        for one in aging.currencies
    ] == [("JPY", ["Abe"]), ("USD", ["Abe", "Zoe"])]


def test_an_earlier_day_is_told_as_it_was_then(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    invoice_id = owed(db, actor, customer_id, 0, "100.00")
    clock.pass_time(days=5)
    payment = pay(db, actor, "40.00", invoice_id=invoice_id)
    clock.pass_time(days=5)
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    clock.pass_time(days=5)
    run(db, actor, void_invoice, invoice_id, "Wrong customer")
    open_on = {
        number: sum(one.totals.outstanding for one in aging.currencies)
        for number in (-1, 0, 4, 5, 9, 10, 14, 15)
        if (aging := read(db, actor, get_aging, TODAY + timedelta(days=number)))
    }
    assert open_on == {-1: 0, 0: 100, 4: 100, 5: 60, 9: 60, 10: 100, 14: 100, 15: 0}


def test_the_future_is_refused_by_the_tenants_own_calendar(db: Database, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 4, 11, 0, tzinfo=UTC)  # the 5th in Auckland, the 4th in Honolulu
    fifth = date(2026, 3, 5)
    auckland = actor_in(make_tenant(db, "A", time_zone="Pacific/Auckland"))
    honolulu = actor_in(make_tenant(db, "H", time_zone="Pacific/Honolulu"))
    assert read(db, auckland, get_aging).as_of == fifth
    assert read(db, auckland, get_aging, fifth).currencies == ()
    with pytest.raises(InvalidInput) as refusal:
        read(db, honolulu, get_aging, fifth)
    assert refusal.value.errors[0].field == "as_of"


def test_a_day_before_all_calendars_is_refused(db: Database, actor: Actor) -> None:
    with pytest.raises(InvalidInput):
        read(db, actor, get_aging, date.min)


def test_drafts_and_other_tenants_are_not_in_it(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    make_draft(db, actor, customer_id)
    stranger = actor_in(make_tenant(db, "Cool Air"))
    make_invoice(db, stranger, make_customer(db, stranger).customer_id)
    assert read(db, actor, get_aging).currencies == ()
    support = actor_in(stranger.tenant_id, Role.SUPPORT)
    assert len(read(db, support, get_aging).currencies) == 1


def disputed_on(db: Database, actor: Actor, day: date) -> list[Decimal]:
    """What is told to be disputed, of the one customer and in total."""
    [dollars] = read(db, actor, get_aging, day).currencies
    [customer] = dollars.customers
    assert customer.sums == dollars.totals
    assert customer.sums.outstanding == sum(customer.sums[:5]) - customer.sums.unapplied
    return [customer.sums.disputed, dollars.totals.disputed]


def test_what_is_disputed_is_told_apart_from_the_day_it_was_said_to_the_day_before_its_end(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    owed(db, actor, customer_id, 20, "70.00")
    leaks = owed(db, actor, customer_id, 20, "100.00")
    clock.pass_time(days=2)
    run(db, actor, hold_invoice, leaks, HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks"))
    clock.pass_time(days=2)
    pay(db, actor, "30.00", invoice_id=leaks)
    clock.pass_time(days=2)
    assert disputed_on(db, actor, TODAY + timedelta(days=6)) == [Decimal("70.00")] * 2
    run(db, actor, release_invoice, leaks)
    found = [disputed_on(db, actor, TODAY + timedelta(days=n))[0] for n in range(7)]
    nothing, whole, rest = Decimal("0.00"), Decimal("100.00"), Decimal("70.00")
    assert found == [nothing, nothing, whole, whole, rest, rest, nothing]


def test_a_dispute_until_a_day_counts_on_that_day_and_other_holds_do_not(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    dispute = HoldInvoice(InvoiceHold.DISPUTE, TODAY + timedelta(days=1), reason="Leaks")
    run(db, actor, hold_invoice, owed(db, actor, customer_id, 3, "10.00"), dispute)
    for hold in (InvoiceHold.PAUSE, InvoiceHold.PROMISE):
        command = HoldInvoice(hold, TODAY + timedelta(days=9))
        run(db, actor, hold_invoice, owed(db, actor, customer_id, 3, "1.00"), command)
    clock.pass_time(days=3)
    found = [disputed_on(db, actor, TODAY + timedelta(days=n))[0] for n in range(3)]
    assert found == [Decimal("10.00"), Decimal("10.00"), Decimal("0.00")]
