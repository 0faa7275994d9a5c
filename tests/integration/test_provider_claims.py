"""Refunds and disputes: taken once, in any order, linked to what they undo, and given back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.plans import create_default_plan
from backend.errors import InvalidInput, RuleRefused, StateConflict
from backend.invoices.models import InvoiceStatus
from backend.invoices.service import void_invoice
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentStatus
from backend.payments.reversal import reverse_payment
from backend.reporting.aging import get_aging
from backend.reporting.dashboard import get_dashboard
from backend.reporting.summary import get_billing_summary
from backend.reporting.timeline import list_invoice_timeline
from backend.unit_of_work import read, run
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
    raw_rows,
)
from tests.provider_events import PROVIDER, Teller


@pytest.fixture
def stripe(db: Database, actor: Actor) -> Teller:
    return Teller(db, actor)


def balances(db: Database, actor: Actor, *invoices) -> list[str]:
    return [str(invoice_now(db, actor, one.invoice_id).balance_due) for one in invoices]


# Refunds.


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
    assert balances(db, actor, invoice) == ["15.00"]
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
    assert balances(db, actor, one, two, three) == ["0.00", "0.00", "0.00"]
    stripe.refunded("40.00")
    assert balances(db, actor, one, two, three) == ["0.00", "10.00", "30.00"]
    stripe.refunded("65.00")
    assert balances(db, actor, one, two, three) == ["5.00", "30.00", "30.00"]


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
    assert balances(db, actor, invoice) == ["30.00"]
    assert stripe.refunded("30.00").outcome is Outcome.UNCHANGED


def test_a_whole_refund_and_no_money_left_when_the_payment_comes(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    stripe.refunded("100.00")
    effect = stripe.paid(invoice_id=invoice.invoice_id)
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("claims_applied",))
    assert stripe.payment().status is PaymentStatus.REVERSED
    assert balances(db, actor, invoice) == ["100.00"]


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


# Disputes.


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
    assert balances(db, actor, one, two) == ["10.00", "40.00"]
    assert stripe.amounts() == {"applied": "30.00", "disputed": "70.00"}
    clock.pass_time(days=1)
    before = raw_count(db, "ledger_postings")
    effect = stripe.closed(won=True)
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("restored_as_credit",))
    assert effect.detail == (
        "The dispute was won: 70.00 USD is back; 20.00 USD of it went to no invoice again."
    )
    assert stripe.amounts() == {"applied": "80.00", "unapplied": "20.00"}
    assert balances(db, actor, one, two) == ["0.00", "0.00"]
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
    assert balances(db, actor, part, untouched) == ["0.00", "30.00"]


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


# Refunds, disputes and people together.


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
    assert balances(db, actor, invoice) == ["100.00"]
    effect = stripe.closed(won=True)
    assert effect.detail == "The dispute was won: 25.00 USD is back."
    assert stripe.amounts() == {"applied": "25.00", "refunded": "75.00"}
    assert balances(db, actor, invoice) == ["75.00"]


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
    assert balances(db, actor, invoice) == ["20.00"]


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
    assert balances(db, actor, invoice) == ["20.00"]


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
    assert balances(db, actor, invoice) == ["100.00"]


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
    assert balances(db, actor, invoice) == ["60.00"]
    stripe.refunded("90.00")
    assert stripe.amounts() == {"applied": "10.00", "refunded": "30.00", "reversed": "60.00"}


def test_credit_left_after_a_refund_can_be_applied_but_no_more(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    stripe.paid(customer_id=customer.customer_id)
    stripe.refunded("30.00")
    invoice = make_invoice(db, actor, customer.customer_id)
    payment = stripe.payment().payment_id
    with pytest.raises(RuleRefused) as refusal:
        parts = [AllocationInput(invoice.invoice_id, "70.01")]
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
