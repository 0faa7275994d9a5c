"""What is left of a payment is applied later; a payment that bounced is undone."""

from datetime import date
from decimal import Decimal

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput, RuleRefused, StateConflict
from backend.invoices.models import InvoiceStatus
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.payments.queries import get_payment
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    invoice_now,
    ledger_lines,
    make_invoice,
    money_rows,
    pay,
    raw_count,
    raw_rows,
)


def test_credit_is_applied_later_and_on_that_day(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    credit = pay(db, actor, "100.00", customer_id=customer.customer_id)
    clock.pass_time(days=3)
    invoice = make_invoice(db, actor, customer.customer_id, "60.00")
    before = raw_count(db, "ledger_postings")
    parts = [AllocationInput(invoice.invoice_id, "60.00")]
    applied = run(db, actor, allocate_credit, credit.payment_id, parts)
    assert (str(applied.applied_amount), str(applied.unapplied_amount)) == ("60.00", "40.00")
    assert (applied.applied_at, applied.version) == (clock.now, 2)
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID
    assert {entry[:2] for entry in ledger_lines(db, before)} == {("payment_applied", "2026-03-07")}


def test_credit_without_a_choice_goes_to_the_oldest_due(
    db: Database, actor: Actor, customer: CustomerView
):
    credit = pay(db, actor, "70.00", customer_id=customer.customer_id)
    late = make_invoice(db, actor, customer.customer_id, "50.00", due_date=date(2026, 5, 1))
    early = make_invoice(db, actor, customer.customer_id, "50.00", due_date=date(2026, 4, 1))
    applied = run(db, actor, allocate_credit, credit.payment_id, None)
    assert [(part.invoice_id, str(part.amount)) for part in applied.allocations] == [
        (early.invoice_id, "50.00"),
        (late.invoice_id, "20.00"),
    ]
    assert run(db, actor, allocate_credit, credit.payment_id, None) == applied


def test_several_parts_for_one_invoice_are_shown_as_one(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    credit = pay(db, actor, "30.00", customer_id=customer.customer_id, allocations=())
    for _ in range(2):
        parts = [AllocationInput(invoice.invoice_id, "10.00")]
        run(db, actor, allocate_credit, credit.payment_id, parts)
    shown = read(db, actor, get_payment, credit.payment_id)
    assert [str(part.amount) for part in shown.allocations] == ["20.00"]


def test_more_credit_than_there_is_cannot_be_applied(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id)
    credit = pay(db, actor, "30.00", customer_id=customer.customer_id, allocations=())
    before = money_rows(db)
    for amount, code in (("30.01", "insufficient_credit"), ("100.01", "overpayment")):
        parts = [AllocationInput(invoice.invoice_id, amount)]
        with pytest.raises(RuleRefused) as refusal:
            run(db, actor, allocate_credit, credit.payment_id, parts)
        assert refusal.value.code == code
    assert money_rows(db) == before


def test_nothing_of_a_reversed_payment_can_be_applied(
    db: Database, actor: Actor, customer: CustomerView
):
    make_invoice(db, actor, customer.customer_id)
    credit = pay(db, actor, "30.00", customer_id=customer.customer_id, allocations=())
    run(db, actor, reverse_payment, credit.payment_id, "bounced")
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, allocate_credit, credit.payment_id, None)
    assert refusal.value.code == "payment_not_applicable"


def test_a_reversal_undoes_the_applications_then_the_receipt_with_links(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    one, two = (make_invoice(db, actor, customer.customer_id, "50.00") for _ in range(2))
    payment = pay(db, actor, "80.00", customer_id=customer.customer_id)
    before = raw_count(db, "ledger_postings")
    clock.pass_time(days=1)
    undone = run(db, actor, reverse_payment, payment.payment_id, "bounced")
    assert (undone.status, undone.reversal_reason) == (PaymentStatus.REVERSED, "bounced")
    assert (str(undone.applied_amount), str(undone.unapplied_amount)) == ("0.00", "0.00")
    assert (undone.reversed_at, undone.allocations) == (clock.now, ())
    for invoice in (one, two):
        now = invoice_now(db, actor, invoice.invoice_id)
        assert (now.status, now.balance_due, now.paid_at) == ("sent", Decimal("50.00"), None)
    assert ledger_lines(db, before) == [
        ("application_reversed", "2026-03-05", "unapplied_cash", -30_00),
        ("application_reversed", "2026-03-05", "accounts_receivable", 30_00),
        ("application_reversed", "2026-03-05", "unapplied_cash", -50_00),
        ("application_reversed", "2026-03-05", "accounts_receivable", 50_00),
        ("payment_reversed", "2026-03-05", "cash_clearing", -80_00),
        ("payment_reversed", "2026-03-05", "unapplied_cash", 80_00),
    ]
    unlinked = raw_rows(
        db,
        "SELECT count(*) FROM ledger_entries WHERE kind LIKE '%_reversed' "
        "AND reverses_entry_id IS NULL",
    )
    assert unlinked == [(0,)]


def test_a_reversed_payments_invoice_is_sent_or_overdue_by_its_due_date(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    soon = make_invoice(db, actor, customer.customer_id, "10.00", due_date=date(2026, 3, 10))
    later = make_invoice(db, actor, customer.customer_id, "20.00", due_date=date(2026, 3, 11))
    payment = pay(db, actor, "30.00", customer_id=customer.customer_id)
    clock.pass_time(days=7)  # the 11th: what is due on it is not overdue yet
    run(db, actor, reverse_payment, payment.payment_id, "bounced")
    assert invoice_now(db, actor, soon.invoice_id).status is InvoiceStatus.OVERDUE
    assert invoice_now(db, actor, later.invoice_id).status is InvoiceStatus.SENT


def test_a_payment_is_reversed_once_and_with_a_reason(
    db: Database, actor: Actor, customer: CustomerView
):
    payment = pay(db, actor, "80.00", customer_id=customer.customer_id)
    for reason in ("", "x" * 501):
        with pytest.raises(InvalidInput, match="reason"):
            run(db, actor, reverse_payment, payment.payment_id, reason)
    run(db, actor, reverse_payment, payment.payment_id, "bounced")
    before = money_rows(db)
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, reverse_payment, payment.payment_id, "bounced")
    assert refusal.value.code == "payment_not_reversible"
    assert money_rows(db) == before
