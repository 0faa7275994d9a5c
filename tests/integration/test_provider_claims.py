"""Refunds, disputes and people at one payment, and what everybody reads of it."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import RuleRefused
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.payments.reversal import reverse_payment
from backend.reporting.aging import get_aging
from backend.reporting.dashboard import get_dashboard
from backend.reporting.summary import get_billing_summary
from backend.reporting.timeline import list_invoice_timeline
from backend.reporting.trace import list_trace
from backend.unit_of_work import read, run
from backend.webhooks.effects import Outcome
from tests.factories import (
    Clock,
    actor_in,
    make_invoice,
    raw_count,
)
from tests.provider_events import Teller


def test_a_dispute_after_a_partial_refund_takes_no_more_than_is_left(
    customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    stripe.refunded("30.00")
    effect = stripe.disputed("100.00")
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("dispute_capped",))
    assert stripe.amounts() == {"refunded": "30.00", "disputed": "70.00"}
    stripe.closed(won=True)
    assert stripe.amounts() == {"unapplied": "70.00", "refunded": "30.00"}


def test_a_refund_during_a_dispute_comes_from_what_is_not_disputed_first(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.disputed("40.00")
    stripe.refunded("50.00")
    assert stripe.amounts() == {"applied": "10.00", "refunded": "50.00", "disputed": "40.00"}
    stripe.refunded("75.00")  # of the disputed amount 15.00 turns out to be refunded
    assert stripe.amounts() == {"refunded": "75.00", "disputed": "25.00"}
    assert stripe.balances(invoice) == ["100.00"]
    effect = stripe.closed(won=True)
    assert effect.detail == "The dispute was won: 25.00 USD is back."
    assert stripe.amounts() == {"applied": "25.00", "refunded": "75.00"}
    assert stripe.balances(invoice) == ["75.00"]


def test_several_disputes_share_a_payment_and_end_one_by_one(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.disputed("60.00", "dp_1")
    stripe.disputed("60.00", "dp_2")
    assert stripe.amounts() == {"disputed": "100.00"}
    # The first gives back 60, of which the second was still short of 20.
    effect = stripe.closed("dp_1", won=True)
    assert effect.outcome is Outcome.APPLIED
    assert stripe.amounts() == {"applied": "40.00", "disputed": "60.00"}
    # Of its 60 the second took 40 from the invoice, and 20 from what the first gave back.
    effect = stripe.closed("dp_2", won=True)
    assert effect.codes == ("restored_as_credit",)
    assert stripe.amounts() == {"applied": "80.00", "unapplied": "20.00"}
    assert stripe.balances(invoice) == ["20.00"]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_four_events_in_any_order_leave_the_same_amounts(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, order: tuple[int, ...]
):
    invoice = make_invoice(db, actor, customer.customer_id)
    events = [
        lambda: stripe.paid(invoice_id=invoice.invoice_id),
        lambda: stripe.refunded("20.00"),
        lambda: stripe.disputed("50.00"),
        lambda: stripe.closed(won=True),
    ]
    for number in order:
        events[number]()
        events[number]()
    assert stripe.amounts() == {"applied": "80.00", "refunded": "20.00"}
    assert stripe.balances(invoice) == ["20.00"]


def test_a_reversal_by_hand_takes_what_providers_left_and_they_take_no_more(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.refunded("30.00")
    reversed_one = run(db, actor, reverse_payment, stripe.payment().payment_id, "bounced")
    assert reversed_one.status is PaymentStatus.REVERSED
    assert reversed_one.reversal_reason == "bounced"
    assert stripe.amounts() == {"refunded": "30.00", "reversed": "70.00"}
    before = raw_count(db, "ledger_entries")
    effect = stripe.refunded("100.00")
    assert (effect.outcome, effect.codes) == (
        Outcome.UNCHANGED,
        ("refund_capped", "reversed_by_hand"),
    )
    assert "70.00 USD of it was reversed by hand before" in effect.detail
    disputed = stripe.disputed("100.00")
    assert (disputed.outcome, disputed.codes) == (
        Outcome.UNCHANGED,
        ("dispute_capped", "reversed_by_hand"),
    )
    won = stripe.closed(won=True)
    assert won.codes == ("nothing_was_taken", "reversed_by_hand")
    assert raw_count(db, "ledger_entries") == before
    assert stripe.amounts() == {"refunded": "30.00", "reversed": "70.00"}
    assert stripe.balances(invoice) == ["100.00"]


def test_a_dispute_won_after_a_reversal_by_hand_gives_back_what_the_dispute_took(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid(invoice_id=invoice.invoice_id)
    stripe.disputed("40.00")
    run(db, actor, reverse_payment, stripe.payment().payment_id, "refunded in the shop")
    assert stripe.amounts() == {"disputed": "40.00", "reversed": "60.00"}
    # What was refunded in the shop is the refund that the provider tells of.
    assert stripe.refunded("60.00").outcome is Outcome.UNCHANGED
    stripe.closed(won=True)
    assert stripe.amounts() == {"applied": "40.00", "reversed": "60.00"}
    assert stripe.payment().status is PaymentStatus.SUCCEEDED
    assert stripe.balances(invoice) == ["60.00"]
    stripe.refunded("90.00")
    assert stripe.amounts() == {"applied": "10.00", "refunded": "30.00", "reversed": "60.00"}


def test_credit_left_after_a_refund_can_be_applied_but_no_more(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    stripe.refunded("30.00")
    invoice = make_invoice(db, actor, customer.customer_id)
    payment = stripe.payment().payment_id
    parts = [AllocationInput(invoice.invoice_id, "70.01")]
    with pytest.raises(RuleRefused) as refusal:
        run(db, actor, allocate_credit, payment, parts)
    assert refusal.value.code == "insufficient_credit"
    run(db, actor, allocate_credit, payment, None)
    assert stripe.amounts() == {"applied": "70.00", "refunded": "30.00"}


# What everybody reads of it.


def test_reports_of_earlier_days_stay_as_they_were(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid("120.00", invoice_id=invoice.invoice_id)
    days = []
    for step in (
        lambda: None,
        lambda: stripe.refunded("30.00"),
        lambda: stripe.disputed("50.00"),
        lambda: stripe.closed(won=True),
    ):
        step()
        totals = read(db, actor, get_aging).currencies[0].totals
        days.append((clock.now.date(), str(totals.current), str(totals.unapplied)))
        clock.pass_time(days=1)
    assert [day[1:] for day in days] == [
        ("0.00", "20.00"),
        ("10.00", "0.00"),
        ("60.00", "0.00"),
        ("10.00", "0.00"),
    ]
    for day, owed, credit in days:
        totals = read(db, actor, get_aging, day).currencies[0].totals
        assert (str(totals.current), str(totals.unapplied)) == (owed, credit)


def test_totals_count_what_came_in_and_stayed(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.paid("120.00", invoice_id=invoice.invoice_id)
    stripe.refunded("30.00")
    stripe.disputed("50.00")
    (summary,) = read(db, actor, get_billing_summary)
    assert (str(summary.open_amount), str(summary.paid_amount)) == ("60.00", "40.00")
    (shown,) = read(db, actor, get_dashboard).currencies
    assert (str(shown.paid_this_month), str(shown.open_amount)) == ("40.00", "60.00")
    stripe.closed(won=False)
    stripe.refunded("70.00")
    assert read(db, actor, get_dashboard).currencies[0].paid_this_month == Decimal(0)


def test_the_invoices_timeline_tells_what_became_of_its_payment(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    one, two = (make_invoice(db, actor, customer.customer_id, "50.00") for _ in range(2))
    for step in (
        lambda: stripe.paid(customer_id=customer.customer_id),
        lambda: stripe.refunded("10.00"),
        lambda: stripe.disputed("60.00", "dp_1"),
        lambda: stripe.closed("dp_1", won=True),
        lambda: stripe.disputed("45.00", "dp_2"),
        lambda: stripe.closed("dp_2", won=False),
    ):
        clock.pass_time(minutes=1)
        step()
    told = [
        (item.title, item.detail)
        for item in read(db, actor, list_invoice_timeline, two.invoice_id)
        if not item.type.startswith("invoice.") or item.type == "invoice.reopened"
    ]
    assert told == [
        ("Payment of $50.00 applied", "Of $100.00 received Mar 4, 2026"),
        ("Payment refunded: $10.00 taken back", None),
        ("Invoice reopened", "$10.00 is due again"),
        ("Payment disputed: $40.00 taken back", "Of $60.00"),
        ("Dispute won: $40.00 applied again", "Of $60.00"),
        ("Payment disputed: $40.00 taken back", "Of $45.00"),
        ("Dispute lost: $40.00 stays taken", "Of $45.00"),
    ]
    first = [item.title for item in read(db, actor, list_invoice_timeline, one.invoice_id)]
    assert "Payment refunded: $10.00 taken back" not in first
    assert "Payment disputed: $20.00 taken back" in first


def test_the_payments_trace_tells_what_was_told_before_it_came(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    teller = Teller(db, actor_in(actor.tenant_id))  # under another correlation id
    for step in (
        lambda: teller.refunded("30.00"),
        lambda: teller.disputed("20.00"),
        lambda: stripe.paid(customer_id=customer.customer_id),
        lambda: teller.closed(won=True),
    ):
        step()
        clock.pass_time(minutes=1)
    told = [item.title for item in read(db, actor, list_trace, str(stripe.payment().payment_id))]
    wanted = [
        "Refund of 30.00 told",
        "Dispute of 20.00 told",
        "Payment of 100.00 recorded",
        "Payment refunded: 30.00 taken back",
        "Payment disputed: 20.00 taken back",
        "Dispute won",
        "Dispute won: 20.00 is back",
    ]
    assert [title for title in told if title in wanted] == wanted
    assert "Ledger, dispute restored: debit $20.00" in told
