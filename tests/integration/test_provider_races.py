"""What providers tell while others act on the same payment: one order, and the truth intact."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import StateConflict
from backend.payments.credit import allocate_credit
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import run
from backend.verification.service import verify_books
from backend.webhooks.effects import Effect, Outcome, apply_event
from backend.webhooks.events import EventKind
from tests.factories import make_invoice, raw_count, raw_rows
from tests.provider_events import PROVIDER, Teller
from tests.together import at_once


def told(teller: Teller, kind: EventKind, **fields: Any) -> Any:
    """Telling an event, to be called together with others."""
    event = teller.event(kind, **fields)
    return partial(run, teller.db, teller.actor, apply_event, PROVIDER, event)


def test_a_refund_and_a_reversal_by_hand_take_the_money_once(
    db: Database, actor: Actor, customer: CustomerView
):
    stripe = Teller(db, actor)
    for number in range(8):
        name = f"pi_{number}"
        invoice = make_invoice(db, actor, customer.customer_id)
        paid = stripe.paid(payment=name, invoice_id=invoice.invoice_id)
        assert paid.payment_id is not None
        refund = told(stripe, EventKind.PAYMENT_REFUNDED, payment=name, refunded_total="100.00")
        by_hand = partial(run, db, actor, reverse_payment, paid.payment_id, "bounced")
        refunded, reversed_one = at_once([refund, by_hand])
        assert isinstance(refunded, Effect)
        if refunded.outcome is Outcome.APPLIED:
            assert isinstance(reversed_one, StateConflict)
            assert stripe.amounts(name) == {"refunded": "100.00"}
        else:
            assert "reversed_by_hand" in refunded.codes
            assert stripe.amounts(name) == {"reversed": "100.00"}
        assert stripe.balances(invoice) == ["100.00"]
    assert verify_books(db).findings == []


def test_everything_about_a_payment_at_the_same_moment(
    db: Database, actor: Actor, customer: CustomerView
):
    stripe = Teller(db, actor)
    invoice = make_invoice(db, actor, customer.customer_id)
    events = [
        told(stripe, EventKind.PAYMENT_SUCCEEDED, amount="100.00", invoice_id=invoice.invoice_id),
        told(stripe, EventKind.PAYMENT_REFUNDED, refunded_total="20.00"),
        told(stripe, EventKind.PAYMENT_REFUNDED, refunded_total="35.00"),
        told(stripe, EventKind.PAYMENT_DISPUTED, amount="50.00", dispute_id="dp_1"),
        told(stripe, EventKind.DISPUTE_CLOSED, dispute_id="dp_1", is_won=True),
    ]
    results = at_once(events * 4)
    assert all(isinstance(result, Effect) for result in results)
    successes = results[:: len(events)]
    assert sum(one.outcome is Outcome.APPLIED for one in successes) == 1
    assert sum(one.outcome is Outcome.UNCHANGED for one in successes) == 3
    assert stripe.amounts() == {"applied": "65.00", "refunded": "35.00"}
    assert stripe.balances(invoice) == ["35.00"]
    assert raw_count(db, "payments") == 1
    assert raw_rows(
        db, "SELECT sum(amount) FROM ledger_postings WHERE account = 'cash_clearing'"
    ) == [(65_00,)]
    assert verify_books(db).findings == []


def test_a_refund_and_credit_applied_at_the_same_moment_never_spend_it_twice(
    db: Database, actor: Actor, customer: CustomerView
):
    stripe = Teller(db, actor)
    credit = stripe.paid(customer_id=customer.customer_id)
    assert credit.payment_id is not None
    invoice = make_invoice(db, actor, customer.customer_id, "60.00")
    refund = told(stripe, EventKind.PAYMENT_REFUNDED, refunded_total="70.00")
    applied = partial(run, db, actor, allocate_credit, credit.payment_id, None)
    at_once([refund, applied, refund, applied])
    payment = stripe.payment()
    assert payment.refunded_amount == Decimal("70.00")
    assert payment.applied_amount + payment.unapplied_amount == Decimal("30.00")
    assert stripe.balances(invoice) == [str(Decimal("60.00") - payment.applied_amount)]
    assert verify_books(db).findings == []


def test_the_provider_and_a_program_record_one_payment(
    db: Database, actor: Actor, customer: CustomerView
):
    stripe = Teller(db, actor)
    invoice = make_invoice(db, actor, customer.customer_id)
    command = RecordPayment(
        "100.00",
        invoice_id=invoice.invoice_id,
        external_provider=PROVIDER,
        external_payment_id="pi_1",
    )
    success = told(
        stripe, EventKind.PAYMENT_SUCCEEDED, amount="100.00", invoice_id=invoice.invoice_id
    )
    at_once([success, partial(run, db, actor, try_payment, command)] * 6)
    assert raw_count(db, "payments") == 1
    assert stripe.amounts() == {"applied": "100.00"}
    assert verify_books(db).findings == []
