"""What was refunded is taken back once: from the credit first, then from the newest application."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput, RuleRefused, StateConflict
from backend.invoices.models import InvoiceStatus
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import run
from backend.webhooks.effects import Outcome
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
from tests.provider_events import PROVIDER, Teller


def test_a_partial_refund_comes_from_the_credit_first_and_then_from_the_invoice(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "70.00")
    stripe.paid(invoice_id=invoice.invoice_id)
    clock.pass_time(days=2)
    effect = stripe.refunded("20.00")
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ())
    assert effect.payment_id == stripe.payment().payment_id
    assert effect.detail == "20.00 USD of the payment is refunded."
    assert stripe.amounts() == {"applied": "70.00", "unapplied": "10.00", "refunded": "20.00"}
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID

    before = raw_count(db, "ledger_postings")
    stripe.refunded("45.00")
    assert stripe.amounts() == {"applied": "55.00", "refunded": "45.00"}
    reopened = invoice_now(db, actor, invoice.invoice_id)
    assert (reopened.status, reopened.paid_at) == (InvoiceStatus.SENT, None)
    assert stripe.balances(invoice) == ["15.00"]
    assert [str(part.amount) for part in stripe.payment().allocations] == ["55.00"]
    assert ledger_lines(db, before) == [
        ("application_reversed", "2026-03-06", "unapplied_cash", -15_00),
        ("application_reversed", "2026-03-06", "accounts_receivable", 15_00),
        ("payment_refunded", "2026-03-06", "cash_clearing", -25_00),
        ("payment_refunded", "2026-03-06", "unapplied_cash", 25_00),
    ]
    assert raw_rows(
        db,
        "SELECT e.kind, r.kind FROM ledger_entries e JOIN ledger_entries r "
        "ON r.id = e.reverses_entry_id WHERE e.claim_id IS NOT NULL ORDER BY e.row_id",
    ) == [
        ("payment_refunded", "payment_received"),
        ("application_reversed", "payment_applied"),
        ("payment_refunded", "payment_received"),
    ]


def test_a_refund_takes_from_the_newest_application_first(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    one, two, three = (make_invoice(db, actor, customer.customer_id, "30.00") for _ in range(3))
    stripe.paid("90.00", customer_id=customer.customer_id)
    assert stripe.balances(one, two, three) == ["0.00", "0.00", "0.00"]
    stripe.refunded("40.00")
    assert stripe.balances(one, two, three) == ["0.00", "10.00", "30.00"]
    stripe.refunded("65.00")
    assert stripe.balances(one, two, three) == ["5.00", "30.00", "30.00"]


def test_a_whole_refund_leaves_a_reversed_payment(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    clock.pass_time(hours=1)
    stripe.refunded("100.00")
    payment = stripe.payment()
    assert (payment.status, payment.amount) == (PaymentStatus.REVERSED, Decimal("100.00"))
    assert (payment.reversed_at, payment.reversal_reason) == (clock.now, "Refunded at stripe")
    assert (stripe.amounts(), payment.allocations) == ({"refunded": "100.00"}, ())
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, reverse_payment, payment.payment_id, "bounced")
    assert refusal.value.code == "payment_not_reversible"
    with pytest.raises(StateConflict):
        run(db, actor, allocate_credit, payment.payment_id, None)


def test_refunds_told_out_of_order_come_to_the_largest_total(
    db: Database, customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    assert stripe.refunded("60.00").outcome is Outcome.APPLIED
    before = money_rows(db)
    earlier = stripe.refunded("25.00")
    assert (earlier.outcome, earlier.codes) == (Outcome.UNCHANGED, ("already_recorded",))
    assert earlier.detail == "60.00 USD was refunded already; nothing changed."
    assert stripe.refunded("60.00").outcome is Outcome.UNCHANGED
    assert money_rows(db) == before
    assert stripe.amounts() == {"unapplied": "40.00", "refunded": "60.00"}


def test_a_refund_larger_than_the_payment_takes_all_of_it_and_says_so(
    customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    effect = stripe.refunded("130.00")
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("refund_capped",))
    assert effect.detail == (
        "100.00 USD of the payment is refunded; 130.00 USD was claimed, and there was no more to "
        "take."
    )
    assert stripe.amounts() == {"refunded": "100.00"}
    again = stripe.refunded("130.00")
    assert (again.outcome, again.codes) == (Outcome.UNCHANGED, ("refund_capped",))


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_refund_before_its_payment_waits_for_it_however_it_comes(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, by_hand: bool
):
    invoice = make_invoice(db, actor, customer.customer_id)
    for _ in range(2):
        waiting = stripe.refunded("30.00")
        assert (waiting.outcome, waiting.payment_id) == (Outcome.WAITING, None)
        assert waiting.detail == (
            "There is no payment pi_1 yet: the refund is kept, and taken from the payment when it "
            "comes."
        )
    if by_hand:
        payment = pay(
            db,
            actor,
            "100.00",
            invoice_id=invoice.invoice_id,
            external_provider=PROVIDER,
            external_payment_id="pi_1",
        )
        assert (payment.applied_amount, payment.refunded_amount) == (Decimal(70), Decimal(30))
    else:
        effect = stripe.paid(invoice_id=invoice.invoice_id)
        assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("claims_applied",))
    assert stripe.amounts() == {"applied": "70.00", "refunded": "30.00"}
    assert stripe.balances(invoice) == ["30.00"]
    assert stripe.refunded("30.00").outcome is Outcome.UNCHANGED


def test_a_whole_refund_and_no_money_left_when_the_payment_comes(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.refunded("100.00")
    effect = stripe.paid(invoice_id=invoice.invoice_id)
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("claims_applied",))
    assert stripe.payment().status is PaymentStatus.REVERSED
    assert stripe.balances(invoice) == ["100.00"]


def test_what_waits_belongs_to_one_payment_of_one_provider_and_tenant(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, stranger: Actor
):
    Teller(db, actor, "standard").refunded("30.00")
    Teller(db, stranger).refunded("30.00")
    stripe.refunded("30.00", payment="pi_2")
    stripe.paid(customer_id=customer.customer_id)
    assert stripe.amounts() == {"unapplied": "100.00"}


def test_a_refund_in_another_currency_takes_nothing(
    db: Database, customer: CustomerView, stripe: Teller
):
    stripe.refunded("30.00", currency_code="EUR")
    effect = stripe.paid(customer_id=customer.customer_id, currency_code="USD")
    assert "claim_in_other_currency" in effect.codes
    assert stripe.amounts() == {"unapplied": "100.00"}
    before = money_rows(db)
    with pytest.raises(RuleRefused) as refusal:
        stripe.refunded("30.00", currency_code="EUR")
    assert refusal.value.code == "currency_mismatch"
    assert money_rows(db) == before


@pytest.mark.parametrize("total", [None, "0", "-1", "1.234"])
def test_a_refund_must_say_how_much(db: Database, stripe: Teller, total: str | None):
    with pytest.raises(InvalidInput, match="refunded_amount"):
        stripe.refunded(total)
    assert raw_count(db, "provider_claims") == 0


def test_a_refund_without_a_currency_is_in_its_payments(
    db: Database, customer: CustomerView, stripe: Teller
):
    with pytest.raises(InvalidInput, match="currency_code"):
        stripe.refunded("30", currency_code=None)
    stripe.paid("500", customer_id=customer.customer_id, currency_code="JPY")
    with pytest.raises(InvalidInput, match="refunded_amount: must be whole"):
        stripe.refunded("30.50", currency_code=None)
    assert stripe.refunded("30", currency_code=None).detail == (
        "30 JPY of the payment is refunded."
    )
    assert raw_rows(db, "SELECT currency_code FROM provider_claims") == [("JPY",)]


def test_a_refund_that_waits_keeps_its_currency(db: Database, stripe: Teller):
    stripe.refunded("30.00")
    with pytest.raises(RuleRefused) as refusal:
        stripe.refunded("40.00", currency_code="EUR")
    assert refusal.value.code == "currency_mismatch"
    assert raw_rows(db, "SELECT currency_code, claimed_amount FROM provider_claims") == [
        ("USD", 30_00)
    ]


def test_an_application_dated_later_is_taken_back_on_its_own_day(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    later = date(2026, 3, 9)
    invoice = make_invoice(db, actor, customer.customer_id, issue_date=later, due_date=later)
    stripe.paid(invoice_id=invoice.invoice_id)
    before = raw_count(db, "ledger_postings")
    stripe.refunded("40.00")
    assert {line[:2] for line in ledger_lines(db, before)} == {
        ("application_reversed", "2026-03-09"),
        ("payment_refunded", "2026-03-04"),
    }
