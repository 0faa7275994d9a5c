"""A provider says that a payment succeeded or failed: it is in the books once, where it belongs."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, RuleRefused
from backend.ids import new_id
from backend.invoices.models import InvoiceStatus
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.models import PaymentMethod
from backend.payments.reversal import reverse_payment
from backend.reporting.trace import list_trace
from backend.unit_of_work import read, run
from backend.webhooks.effects import Outcome, apply_event
from backend.webhooks.events import EventKind, ProviderEvent
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    money_rows,
    pay,
    raw_count,
    raw_rows,
)
from tests.provider_events import PROVIDER, Teller


def test_a_payment_is_recorded_and_applied_to_the_invoice_it_names(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    effect = stripe.paid(invoice_id=invoice.invoice_id, currency_code="USD")
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ())
    assert effect.detail == "100.00 USD recorded and applied."
    payment = stripe.payment()
    assert payment.payment_id == effect.payment_id
    assert (payment.method, payment.external_provider) == (PaymentMethod.EXTERNAL, PROVIDER)
    assert payment.correlation_id == actor.correlation_id
    assert stripe.amounts() == {"applied": "100.00"}
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID


def test_an_invoice_is_also_known_by_its_number(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    assert stripe.paid(invoice_number="INV-000001").outcome is Outcome.APPLIED
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID


def test_without_a_currency_the_payment_is_in_the_invoices(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id, "500", currency_code="JPY")
    effect = stripe.paid("500", invoice_id=invoice.invoice_id, currency_code=None)
    assert (stripe.payment().currency_code, effect.detail) == (
        "JPY",
        "500 JPY recorded and applied.",
    )


def test_a_customers_payment_goes_to_the_oldest_due(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    late = make_invoice(db, actor, customer.customer_id, "60.00", due_date=date(2026, 4, 1))
    early = make_invoice(db, actor, customer.customer_id, "60.00", due_date=date(2026, 3, 9))
    effect = stripe.paid(customer_id=customer.customer_id)
    assert effect.outcome is Outcome.APPLIED
    assert invoice_now(db, actor, early.invoice_id).status is InvoiceStatus.PAID
    assert str(invoice_now(db, actor, late.invoice_id).balance_due) == "20.00"


def test_a_customer_with_nothing_open_has_credit(customer: CustomerView, stripe: Teller):
    effect = stripe.paid(customer_id=customer.customer_id)
    assert (effect.outcome, effect.codes) == (Outcome.KEPT_AS_CREDIT, ("nothing_open",))
    assert stripe.amounts() == {"unapplied": "100.00"}


def test_more_than_the_balance_is_kept_as_credit(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id, "70.00")
    effect = stripe.paid(invoice_id=invoice.invoice_id)
    assert (effect.outcome, effect.codes) == (Outcome.APPLIED, ("excess_kept_as_credit",))
    assert effect.detail == "100.00 USD recorded, of which 30.00 USD is kept as credit."
    assert stripe.amounts() == {"applied": "70.00", "unapplied": "30.00"}


def test_told_again_it_changes_nothing(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    first = stripe.paid(invoice_id=invoice.invoice_id)
    before = money_rows(db)
    again = stripe.paid(invoice_id=invoice.invoice_id)
    assert (again.outcome, again.payment_id) == (Outcome.UNCHANGED, first.payment_id)
    assert again.codes == ("already_recorded",)
    assert money_rows(db) == before


@pytest.mark.parametrize("amount", ["100.00", "90.00"])
def test_a_payment_recorded_before_by_another_way_is_taken_once(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, amount: str
):
    invoice = make_invoice(db, actor, customer.customer_id)
    by_hand = pay(
        db,
        actor,
        amount,
        invoice_id=invoice.invoice_id,
        external_provider=PROVIDER,
        external_payment_id="pi_1",
    )
    before = money_rows(db)
    effect = stripe.paid(invoice_id=invoice.invoice_id)
    assert (effect.outcome, effect.payment_id) == (Outcome.UNCHANGED, by_hand.payment_id)
    assert ("amount_differs" in effect.codes) is (amount != "100.00")
    assert money_rows(db) == before


def test_a_payment_reversed_by_hand_is_not_taken_again(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    make_invoice(db, actor, customer.customer_id)
    payment = stripe.paid(customer_id=customer.customer_id).payment_id
    assert payment is not None
    run(db, actor, reverse_payment, payment, "bounced")
    assert stripe.paid(customer_id=customer.customer_id).outcome is Outcome.UNCHANGED
    assert stripe.amounts() == {"reversed": "100.00"}


def test_two_providers_may_use_the_same_id(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    other = Teller(db, actor, "standard")
    assert stripe.paid(customer_id=customer.customer_id).outcome is Outcome.KEPT_AS_CREDIT
    assert other.paid(customer_id=customer.customer_id).outcome is Outcome.KEPT_AS_CREDIT
    assert raw_count(db, "payments") == 2


@pytest.mark.parametrize("state", ["draft", "paid", "void", "cancelled"])
def test_money_for_an_invoice_that_takes_none_is_credit(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, state: str
):
    make = make_draft if state == "draft" else make_invoice
    invoice = make(db, actor, customer.customer_id)
    if state == "paid":
        pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    elif state != "draft":
        close = void_invoice if state == "void" else cancel_invoice
        run(db, actor, close, invoice.invoice_id, "mistake")
    # What else is open is not meant, and is not paid with it.
    other = make_invoice(db, actor, customer.customer_id)
    effect = stripe.paid(invoice_id=invoice.invoice_id)
    assert (effect.outcome, effect.codes) == (Outcome.KEPT_AS_CREDIT, ("invoice_not_open",))
    assert f"is {state}." in effect.detail
    assert stripe.amounts() == {"unapplied": "100.00"}
    assert stripe.payment().customer_id == customer.customer_id
    assert invoice_now(db, actor, other.invoice_id).status is InvoiceStatus.SENT


def test_money_in_another_currency_than_the_invoices_is_credit_in_that_currency(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller
):
    invoice = make_invoice(db, actor, customer.customer_id)
    effect = stripe.paid(invoice_id=invoice.invoice_id, currency_code="EUR")
    assert (effect.outcome, effect.codes) == (Outcome.KEPT_AS_CREDIT, ("currency_mismatch",))
    assert effect.detail == (
        "100.00 EUR recorded and kept as credit, for invoice INV-000001 is in USD, the payment "
        "in EUR."
    )
    assert (stripe.payment().currency_code, stripe.amounts()) == ("EUR", {"unapplied": "100.00"})
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.SENT


@pytest.mark.parametrize("named", [{"invoice_id": new_id()}, {"invoice_number": "INV-9"}])
def test_money_for_an_unknown_invoice_is_credit_when_the_customer_is_known(
    customer: CustomerView, stripe: Teller, named: dict[str, Any]
):
    effect = stripe.paid(customer_id=customer.customer_id, **named)
    assert (effect.outcome, effect.codes) == (Outcome.KEPT_AS_CREDIT, ("unknown_invoice",))
    assert stripe.amounts() == {"unapplied": "100.00"}


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({}, "payer_unknown"),
        ({"invoice_id": new_id()}, "unknown_invoice"),
        ({"invoice_number": "INV-9"}, "unknown_invoice"),
        ({"customer_id": new_id()}, "unknown_customer"),
        ({"customer_id": new_id(), "invoice_number": "INV-9"}, "unknown_invoice"),
        ({"customer_id": new_id(), "invoice_number": "INV-000001"}, "customer_mismatch"),
    ],
)
def test_money_that_is_nobodys_is_refused_with_what_to_do(
    db: Database,
    actor: Actor,
    customer: CustomerView,
    stripe: Teller,
    named: dict[str, Any],
    code: str,
):
    make_invoice(db, actor, customer.customer_id)
    before = money_rows(db)
    with pytest.raises(RuleRefused) as refusal:
        stripe.paid(**named)
    assert refusal.value.code == code
    assert "Record the payment by hand with the provider's id pi_1" in refusal.value.detail
    assert money_rows(db) == before
    # Done so, the event can be replayed.
    pay(
        db,
        actor,
        "100.00",
        customer_id=customer.customer_id,
        external_provider=PROVIDER,
        external_payment_id="pi_1",
    )
    assert stripe.paid(**named).outcome is Outcome.UNCHANGED


def test_another_tenants_invoice_and_customer_are_unknown(
    db: Database, stripe: Teller, stranger: Actor
):
    theirs = make_customer(db, stranger)
    invoice = make_invoice(db, stranger, theirs.customer_id)
    ways: list[dict[str, Any]] = [
        {"invoice_id": invoice.invoice_id},
        {"customer_id": theirs.customer_id},
        {"invoice_number": invoice.invoice_number},
    ]
    for named in ways:
        with pytest.raises(RuleRefused):
            stripe.paid(**named)
    Teller(db, stranger).paid(invoice_id=invoice.invoice_id)
    with pytest.raises(RuleRefused, match="Nobody can say"):
        stripe.paid(invoice_id=invoice.invoice_id)
    assert stripe.refunded("10.00").outcome is Outcome.WAITING
    assert Teller(db, stranger).amounts() == {"applied": "100.00"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": None}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": "1.50", "currency_code": "JPY"}, "amount"),
        ({"currency_code": "KWD"}, "currency_code"),
        ({"payment": " "}, "payment_id"),
        ({"payment": "x" * 201}, "payment_id"),
        ({"occurred_at": datetime(1969, 1, 1, tzinfo=UTC)}, "received_on"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_by_its_field(
    customer: CustomerView, stripe: Teller, db: Database, fields: dict[str, Any], field: str
):
    before = money_rows(db)
    sensible: dict[str, Any] = {"amount": "10", "customer_id": customer.customer_id}
    with pytest.raises(InvalidInput) as refusal:
        stripe.paid(**(sensible | fields))
    assert refusal.value.errors[0].field == field
    assert money_rows(db) == before


def test_the_day_received_is_the_tenants_day_of_the_providers_time(
    db: Database, customer: CustomerView, stripe: Teller, clock: Clock
):
    late = datetime(2026, 3, 3, 4, 30, tzinfo=UTC)  # still the 2nd in Chicago
    stripe.paid(customer_id=customer.customer_id, occurred_at=late)
    assert stripe.payment().received_on == date(2026, 3, 2)
    ahead = clock.now + timedelta(days=2)
    stripe.paid(payment="pi_2", customer_id=customer.customer_id, occurred_at=ahead)
    assert stripe.payment("pi_2").received_on == date(2026, 3, 4)


def test_a_failure_is_an_attempt_with_its_code_and_a_later_success_is_fine(
    db: Database, actor: Actor, customer: CustomerView, stripe: Teller, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    failure = {
        "invoice_number": "INV-000001",
        "failure_code": "card_declined",
        "failure_message": "Your card was declined.",
    }
    effect = stripe.failed(**failure)
    assert (effect.outcome, effect.payment_id) == (Outcome.APPLIED, None)
    assert "Your card was declined. (card_declined)" in effect.detail
    assert raw_rows(
        db,
        "SELECT outcome, failure_code, failure_message, amount, external_payment_id, invoice_id, "
        "customer_id, payment_id FROM payment_attempts",
    ) == [
        (
            "failed",
            "card_declined",
            "Your card was declined.",
            100_00,
            "pi_1",
            invoice.invoice_id.hex,
            customer.customer_id.hex,
            None,
        )
    ]
    assert stripe.failed(**failure).outcome is Outcome.UNCHANGED
    assert raw_count(db, "payment_attempts") == 1
    clock.pass_time(seconds=1)
    assert stripe.failed(**failure).outcome is Outcome.APPLIED  # tried again, and failed again
    clock.pass_time(minutes=1)
    assert stripe.paid(invoice_id=invoice.invoice_id).outcome is Outcome.APPLIED
    assert raw_count(db, "payment_attempts") == 3
    told = [item.title for item in read(db, actor, list_trace, str(stripe.payment().payment_id))]
    assert sum("Attempt to pay $100.00 failed" in title for title in told) == 2


def test_a_failure_told_after_the_success_is_kept_once_and_moves_no_money(
    db: Database, customer: CustomerView, stripe: Teller, clock: Clock
):
    stripe.paid(customer_id=customer.customer_id)
    money, attempts = money_rows(db), raw_count(db, "payment_attempts")
    earlier = clock.now - timedelta(minutes=1)
    effect = stripe.failed(occurred_at=earlier)
    assert (effect.outcome, effect.payment_id) == (Outcome.APPLIED, stripe.payment().payment_id)
    assert stripe.failed(occurred_at=earlier).outcome is Outcome.UNCHANGED
    assert money_rows(db) == money
    assert raw_count(db, "payment_attempts") == attempts + 1


def test_a_failure_that_says_little_is_kept_with_what_it_says(db: Database, stripe: Teller):
    assert stripe.failed("5.00", invoice_number="INV-9").outcome is Outcome.APPLIED
    assert raw_rows(db, "SELECT failure_code, currency_code, invoice_id FROM payment_attempts") == [
        ("payment_failed", "USD", None)
    ]
    with pytest.raises(InvalidInput, match="amount"):
        stripe.failed(None, payment="pi_2")


def test_support_moves_no_money(db: Database, customer: CustomerView, tenant_id):
    event = ProviderEvent(
        EventKind.PAYMENT_SUCCEEDED, "pi_1", db.clock(), customer_id=customer.customer_id
    )
    with pytest.raises(NotAllowed):
        run(db, actor_in(tenant_id, Role.SUPPORT), apply_event, PROVIDER, event)


def test_a_tenant_in_another_time_zone_and_currency(db: Database):
    actor = actor_in(make_tenant(db, "Sakura", time_zone="Asia/Tokyo", currency_code="JPY"))
    customer = make_customer(db, actor)
    teller = Teller(db, actor)
    teller.paid("500", customer_id=customer.customer_id, currency_code=None)
    payment = teller.payment()
    assert (payment.currency_code, payment.received_on) == ("JPY", date(2026, 3, 5))
