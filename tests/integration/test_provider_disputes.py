"""A dispute takes its amount while it lasts; one that is won gives back exactly what it took."""

from __future__ import annotations

from datetime import date

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.plans import create_default_plan
from backend.errors import InvalidInput, RuleRefused
from backend.invoices.models import InvoiceStatus
from backend.invoices.service import void_invoice
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.unit_of_work import run
from backend.webhooks.effects import Outcome
from tests.factories import (
    Clock,
    invoice_now,
    ledger_lines,
    make_customer,
    make_invoice,
    money_rows,
    pay,
    raw_count,
)
from tests.provider_events import PROVIDER, Teller


def test_a_dispute_takes_its_amount_and_the_invoice_is_chased_again(
    db: Database, actor: Actor, stripe: Teller, clock: Clock
):
    run(db, actor, create_default_plan)
    customer = make_customer(db, actor, "Elm Diner", email="elm@example.com")
    invoice = make_invoice(db, actor, customer.customer_id, due_date=date(2026, 3, 6))
    stripe.paid(invoice_id=invoice.invoice_id)
    clock.pass_time(days=4)
    assert run(db, actor, run_evaluation).invoice_count == 0
    effect = stripe.disputed("100.00")
    assert effect.outcome is Outcome.APPLIED
    assert effect.detail == "100.00 USD of the payment is disputed."
    payment = stripe.payment()
    assert (payment.status, payment.reversal_reason) == ("reversed", "Disputed at stripe")
    assert stripe.amounts() == {"disputed": "100.00"}
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.OVERDUE
    assert run(db, actor, run_evaluation).invoice_count == 1  # no hold stands by itself


def test_a_dispute_that_is_won_gives_back_exactly_what_it_took(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    one, two = (make_invoice(db, actor, customer.customer_id, "40.00") for _ in range(2))
    stripe.paid(customer_id=customer.customer_id)
    clock.pass_time(days=1)
    stripe.disputed("70.00")
    assert stripe.balances(one, two) == ["10.00", "40.00"]
    assert stripe.amounts() == {"applied": "30.00", "disputed": "70.00"}
    clock.pass_time(days=1)
    before = raw_count(db, "ledger_postings")
    effect = stripe.closed(won=True)
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("restored_as_credit",))
    assert effect.detail == (
        "The dispute was won: 70.00 USD is back; 20.00 USD of it went to no invoice again."
    )
    assert stripe.amounts() == {"applied": "80.00", "unapplied": "20.00"}
    assert stripe.balances(one, two) == ["0.00", "0.00"]
    assert ledger_lines(db, before) == [
        ("dispute_restored", "2026-03-06", "cash_clearing", 70_00),
        ("dispute_restored", "2026-03-06", "unapplied_cash", -70_00),
        ("payment_applied", "2026-03-06", "unapplied_cash", 10_00),
        ("payment_applied", "2026-03-06", "accounts_receivable", -10_00),
        ("payment_applied", "2026-03-06", "unapplied_cash", 40_00),
        ("payment_applied", "2026-03-06", "accounts_receivable", -40_00),
    ]
    before_all = money_rows(db)
    assert stripe.closed(won=True).outcome is Outcome.UNCHANGED
    assert stripe.disputed("70.00").outcome is Outcome.UNCHANGED
    assert money_rows(db) == before_all


def test_a_payment_that_was_wholly_disputed_is_there_again(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.disputed("100.00")
    stripe.closed(won=True)
    payment = stripe.payment()
    assert (payment.status, payment.reversed_at, payment.reversal_reason) == (
        PaymentStatus.SUCCEEDED,
        None,
        None,
    )
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID


def test_money_won_back_goes_only_to_invoices_that_are_still_open(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    paid, void, part = (make_invoice(db, actor, customer.customer_id, "30.00") for _ in range(3))
    untouched = make_invoice(db, actor, customer.customer_id, "30.00")
    parts = [AllocationInput(one.invoice_id, "30.00") for one in (paid, void, part)]
    pay(
        db,
        actor,
        "90.00",
        customer_id=customer.customer_id,
        allocations=tuple(parts),
        external_provider=PROVIDER,
        external_payment_id="pi_1",
    )
    stripe.disputed("90.00")
    pay(db, actor, "30.00", invoice_id=paid.invoice_id)
    run(db, actor, void_invoice, void.invoice_id, "mistake")
    pay(db, actor, "25.00", invoice_id=part.invoice_id)
    effect = stripe.closed(won=True)
    assert effect.codes == ("restored_as_credit",)
    assert stripe.amounts() == {"applied": "5.00", "unapplied": "85.00"}
    assert stripe.balances(part, untouched) == ["0.00", "30.00"]


def test_a_dispute_that_is_lost_keeps_what_it_took(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.disputed("40.00")
    before = raw_count(db, "ledger_entries")
    effect = stripe.closed(won=False)
    assert effect.outcome is Outcome.APPLIED
    assert effect.detail == "The dispute was lost: 40.00 USD stays taken."
    assert raw_count(db, "ledger_entries") == before
    assert stripe.amounts() == {"applied": "60.00", "disputed": "40.00"}
    assert stripe.closed(won=False).outcome is Outcome.UNCHANGED


def test_a_dispute_that_names_itself_not_is_the_one_of_its_payment(
    customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    stripe.disputed("40.00", None)
    assert stripe.disputed("40.00", None).outcome is Outcome.UNCHANGED
    stripe.closed(None, won=True)
    assert stripe.amounts() == {"unapplied": "100.00"}


def test_a_dispute_must_say_how_much_and_how_it_ended(customer: CustomerView, stripe: Teller):
    stripe.paid(customer_id=customer.customer_id)
    with pytest.raises(InvalidInput, match="amount"):
        stripe.disputed(None)
    with pytest.raises(InvalidInput, match="outcome"):
        stripe.closed(won=None)
    with pytest.raises(RuleRefused, match="is in USD"):
        stripe.disputed("10.00", currency_code="EUR")
    assert stripe.amounts() == {"unapplied": "100.00"}


def test_of_two_ends_the_later_one_counts(customer: CustomerView, stripe: Teller):
    stripe.paid(customer_id=customer.customer_id)
    stripe.disputed("40.00")
    stripe.closed(won=False)
    assert stripe.closed(won=True, later=-60).outcome is Outcome.UNCHANGED
    assert stripe.amounts() == {"unapplied": "60.00", "disputed": "40.00"}
    assert stripe.closed(won=True, later=60).outcome is Outcome.APPLIED
    assert stripe.amounts() == {"unapplied": "100.00"}
    assert stripe.closed(won=False, later=120).outcome is Outcome.APPLIED
    assert stripe.amounts() == {"unapplied": "60.00", "disputed": "40.00"}


def test_an_end_told_before_the_dispute_counts_when_the_dispute_comes(
    customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    won = stripe.closed("dp_won", won=True, amount="30.00")
    assert (won.outcome, won.codes) == (Outcome.APPLIED, ("nothing_was_taken",))
    after = stripe.disputed("30.00", "dp_won")
    assert (after.outcome, after.codes) == (
        Outcome.UNCHANGED,
        ("already_recorded", "dispute_closed"),
    )
    assert stripe.amounts() == {"unapplied": "100.00"}

    lost = stripe.closed("dp_lost", won=False, amount="20.00")
    assert lost.outcome is Outcome.APPLIED
    assert stripe.amounts() == {"unapplied": "80.00", "disputed": "20.00"}
    assert stripe.disputed("20.00", "dp_lost").outcome is Outcome.UNCHANGED

    unknown = stripe.closed("dp_unknown", won=False)
    assert (unknown.outcome, unknown.codes) == (Outcome.WAITING, ("dispute_unknown",))
    assert stripe.disputed("10.00", "dp_unknown").outcome is Outcome.APPLIED
    assert stripe.amounts() == {"unapplied": "70.00", "disputed": "30.00"}


def test_a_dispute_and_its_end_wait_for_the_payment(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    assert stripe.disputed("40.00", "dp_open").outcome is Outcome.WAITING
    assert stripe.disputed("30.00", "dp_won").outcome is Outcome.WAITING
    assert stripe.closed("dp_won", won=True).outcome is Outcome.WAITING
    assert stripe.closed("dp_lost", won=False, amount="5.00").outcome is Outcome.WAITING
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    assert stripe.amounts() == {"applied": "55.00", "disputed": "45.00"}


def test_what_was_given_back_once_is_not_given_to_the_same_invoice_again(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    one = make_invoice(db, actor, customer.customer_id, "60.00")
    two = make_invoice(db, actor, customer.customer_id, "40.00")
    stripe.paid(customer_id=customer.customer_id)
    stripe.disputed("60.00")
    assert stripe.balances(one, two) == ["20.00", "40.00"]
    stripe.closed(won=True)
    stripe.refunded("40.00")
    assert stripe.balances(one, two) == ["0.00", "40.00"]
    stripe.closed(won=False, later=1)
    assert stripe.balances(one, two) == ["60.00", "40.00"]
    pay(db, actor, "30.00", invoice_id=one.invoice_id)
    # The second invoice lost its money to the refund: none of the dispute's goes there.
    stripe.closed(won=True, later=2)
    assert stripe.balances(one, two) == ["0.00", "40.00"]
    assert stripe.amounts() == {"applied": "30.00", "unapplied": "30.00", "refunded": "40.00"}


def test_money_comes_and_goes_in_order_also_when_the_clock_was_set_back(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    stripe.paid(customer_id=customer.customer_id)
    stripe.disputed("80.00")
    clock.pass_time(days=5)
    stripe.closed(won=True)
    clock.pass_time(days=-3)
    before = raw_count(db, "ledger_postings")
    stripe.refunded("90.00")
    invoice = make_invoice(db, actor, customer.customer_id, "10.00")
    run(db, actor, allocate_credit, stripe.payment().payment_id, None)
    days = {kind: day for kind, day, _, _ in ledger_lines(db, before)}
    assert days["payment_refunded"] == days["payment_applied"] == "2026-03-09"
    assert stripe.balances(invoice) == ["0.00"]
