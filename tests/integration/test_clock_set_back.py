"""A clock that goes back, and clocks that change twice a year, upset neither books nor states."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.idempotency import Answer, forget_expired, once
from backend.invoices.models import InvoiceStatus
from backend.invoices.overdue import sweep_overdue
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.reversal import reverse_payment
from backend.reporting.aging import get_aging
from backend.unit_of_work import UnitOfWork, read, run
from backend.verification.service import verify_books
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    pay,
    raw_rows,
)


def assert_aging_holds_on_every_day(db: Database, actor: Actor, clock: Clock) -> None:
    """Buckets minus unapplied are outstanding, and no credit is spent before it came in."""
    for back in range(60):
        day = clock.now.date() - timedelta(days=back)
        for currency in read(db, actor, get_aging, day).currencies:
            for sums in [currency.totals, *(one.sums for one in currency.customers)]:
                assert sums.unapplied >= 0, day
                assert min(sums[:5]) >= 0, day
                assert sum(sums[:5]) - sums.unapplied == sums.outstanding, day


def test_work_goes_on_when_the_clock_goes_back_and_the_books_hold(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    paid, open_one, void, cancelled = (
        make_invoice(db, actor, customer.customer_id, "100.00") for _ in range(4)
    )
    payment = pay(db, actor, "100.00", invoice_id=paid.invoice_id)
    credit = pay(db, actor, "30.00", customer_id=customer.customer_id, allocations=())
    clock.pass_time(days=-10)
    run(db, actor, reverse_payment, payment.payment_id, "bounced")
    earlier = make_invoice(db, actor, customer.customer_id, "30.00")
    assert earlier.posted_on == date(2026, 2, 22)
    parts = [AllocationInput(earlier.invoice_id, "30.00")]
    run(db, actor, allocate_credit, credit.payment_id, parts)
    run(db, actor, void_invoice, void.invoice_id, "x")
    run(db, actor, cancel_invoice, cancelled.invoice_id, "x")
    pay(db, actor, "20.00", invoice_id=open_one.invoice_id)
    assert verify_books(db).is_proven
    clock.pass_time(days=40)
    assert_aging_holds_on_every_day(db, actor, clock)


def test_what_undoes_an_entry_is_never_dated_before_it(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00", issue_date=date(2026, 4, 1))
    payment = pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    clock.pass_time(days=-5)
    run(db, actor, reverse_payment, payment.payment_id, "bounced")
    run(db, actor, void_invoice, invoice.invoice_id, "x")
    early = raw_rows(
        db,
        "SELECT new.kind FROM ledger_entries new JOIN ledger_entries old "
        "ON old.id = new.reverses_entry_id WHERE new.entry_day < old.entry_day",
    )
    assert early == []
    assert (
        len(raw_rows(db, "SELECT 1 FROM ledger_entries WHERE reverses_entry_id IS NOT NULL")) == 3
    )


def test_an_overdue_invoice_stays_overdue_when_the_clock_goes_back(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    clock.pass_time(days=31)
    run(db, actor, sweep_overdue)
    clock.pass_time(days=-31)
    assert run(db, actor, sweep_overdue) == 0
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.OVERDUE
    pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID


def test_the_audit_log_keeps_the_order_in_which_things_happened(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    make_invoice(db, actor, customer.customer_id)
    clock.pass_time(hours=-1)
    make_invoice(db, actor, customer.customer_id)
    rows = raw_rows(db, "SELECT sequence, at FROM audit_log ORDER BY row_id")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1][1] < rows[0][1]
    assert verify_books(db).is_proven


def test_a_key_still_replays_when_the_clock_goes_back(db: Database, actor: Actor, clock: Clock):
    def request(work: UnitOfWork) -> Answer:
        return once(
            work, operation="o", key="k", hash_of_request="h", produce=lambda: Answer(201, "{}")
        )

    assert not run(db, actor, request).replayed
    clock.pass_time(days=-400)
    assert run(db, actor, forget_expired) == 0
    assert run(db, actor, request).replayed


@pytest.mark.parametrize(
    ("zone", "due", "last_moment"),
    [
        # Clocks go forward on the 8th of March in Chicago: that day has 23 hours.
        ("America/Chicago", date(2026, 3, 8), datetime(2026, 3, 9, 4, 59, 59, tzinfo=UTC)),
        # And back on the 1st of November: 25 hours.
        ("America/Chicago", date(2026, 11, 1), datetime(2026, 11, 2, 5, 59, 59, tzinfo=UTC)),
        # There is no midnight in Beirut when summer begins: the day starts at one.
        ("Asia/Beirut", date(2026, 3, 28), datetime(2026, 3, 28, 21, 59, 59, tzinfo=UTC)),
        ("Pacific/Kiritimati", date(2026, 6, 1), datetime(2026, 6, 1, 9, 59, 59, tzinfo=UTC)),
        ("Pacific/Pago_Pago", date(2026, 6, 1), datetime(2026, 6, 2, 10, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_due_day_ends_at_midnight_of_the_tenant_whatever_the_clocks_do(
    db: Database, clock: Clock, zone: str, due: date, last_moment: datetime
):
    actor = actor_in(make_tenant(db, time_zone=zone))
    customer = make_customer(db, actor)
    make_invoice(db, actor, customer.customer_id, due_date=due)
    clock.now = last_moment
    assert run(db, actor, sweep_overdue) == 0
    clock.pass_time(seconds=1)
    assert run(db, actor, sweep_overdue) == 1
