"""Payments: received, applied, refused, kept as credit, reversed."""

from datetime import date
from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, Refused, RuleRefused, StateConflict
from backend.ids import new_id
from backend.invoices.models import InvoiceStatus
from backend.invoices.overdue import sweep_overdue
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentMethod, PaymentStatus
from backend.payments.queries import PaymentFilter, get_payment, list_payments
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment, try_payment
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    ledger_lines,
    make_customer,
    make_draft,
    make_invoice,
    money_rows,
    pay,
    raw_count,
    raw_rows,
)


def test_a_part_payment_lowers_the_balance_and_moves_the_ledger(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    before = raw_count(db, "ledger_postings")
    payment = pay(db, actor, "40.00", invoice_id=invoice.invoice_id, received_on=date(2026, 3, 1))
    now = invoice_now(db, actor, invoice.invoice_id)
    assert (str(now.paid_amount), str(now.balance_due)) == ("40.00", "60.00")
    assert (now.status, now.paid_at) == (InvoiceStatus.SENT, None)
    assert (payment.status, payment.applied_at) == (PaymentStatus.SUCCEEDED, clock.now)
    assert (str(payment.applied_amount), str(payment.unapplied_amount)) == ("40.00", "0.00")
    assert [(part.invoice_number, str(part.amount)) for part in payment.allocations] == [
        ("INV-000001", "40.00")
    ]
    # Received before the invoice was issued: applied on the day of issue, not earlier.
    assert ledger_lines(db, before) == [
        ("payment_received", "2026-03-01", "cash_clearing", 40_00),
        ("payment_received", "2026-03-01", "unapplied_cash", -40_00),
        ("payment_applied", "2026-03-04", "unapplied_cash", 40_00),
        ("payment_applied", "2026-03-04", "accounts_receivable", -40_00),
    ]


def test_paying_the_rest_settles_the_invoice(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    pay(db, actor, "99.99", invoice_id=invoice.invoice_id)
    clock.pass_time(minutes=5)
    pay(db, actor, "0.01", invoice_id=invoice.invoice_id)
    now = invoice_now(db, actor, invoice.invoice_id)
    assert (now.status, now.paid_at) == (InvoiceStatus.PAID, clock.now)
    assert (str(now.paid_amount), str(now.balance_due)) == ("100.00", "0.00")


def test_an_overdue_invoice_is_settled_as_well(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    clock.pass_time(days=60)
    run(db, actor, sweep_overdue)
    pay(db, actor, "30.00", invoice_id=invoice.invoice_id)
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.OVERDUE
    pay(db, actor, "70.00", invoice_id=invoice.invoice_id)
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.PAID


def test_too_much_is_kept_as_credit_only_when_asked(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    before = money_rows(db)
    with pytest.raises(RuleRefused) as refusal:
        pay(db, actor, "100.01", invoice_id=invoice.invoice_id)
    assert refusal.value.code == "overpayment"
    assert money_rows(db) == before
    payment = pay(db, actor, "130.00", invoice_id=invoice.invoice_id, keep_excess_as_credit=True)
    assert (str(payment.applied_amount), str(payment.unapplied_amount)) == ("100.00", "30.00")


def test_a_customers_payment_finds_its_exact_match_then_the_oldest_due(
    db: Database, actor: Actor, customer: CustomerView
):
    late = make_invoice(db, actor, customer.customer_id, "50.00", due_date=date(2026, 5, 1))
    early = make_invoice(db, actor, customer.customer_id, "80.00", due_date=date(2026, 4, 1))
    other = make_invoice(db, actor, make_customer(db, actor).customer_id, "10.00")
    euro = make_invoice(db, actor, customer.customer_id, "60.00", currency_code="EUR")
    exact = pay(db, actor, "50.00", customer_id=customer.customer_id)
    assert [part.invoice_id for part in exact.allocations] == [late.invoice_id]
    more = pay(db, actor, "100.00", customer_id=customer.customer_id)
    assert [(part.invoice_id, str(part.amount)) for part in more.allocations] == [
        (early.invoice_id, "80.00")
    ]
    assert str(more.unapplied_amount) == "20.00"
    for untouched in (other, euro):
        assert invoice_now(db, actor, untouched.invoice_id) == untouched


def test_given_allocations_are_followed_and_an_empty_list_keeps_all_as_credit(
    db: Database, actor: Actor, customer: CustomerView
):
    one, two = (make_invoice(db, actor, customer.customer_id, "50.00") for _ in range(2))
    parts = (AllocationInput(two.invoice_id, "20.00"), AllocationInput(one.invoice_id, "5.00"))
    payment = pay(db, actor, "30.00", customer_id=customer.customer_id, allocations=parts)
    assert (str(payment.applied_amount), str(payment.unapplied_amount)) == ("25.00", "5.00")
    assert str(invoice_now(db, actor, two.invoice_id).balance_due) == "30.00"
    credit = pay(db, actor, "9.00", customer_id=customer.customer_id, allocations=())
    assert (str(credit.unapplied_amount), credit.applied_at) == ("9.00", None)


BAD_FIELDS: dict[str, dict[str, Any]] = {
    "amount": {"amount": "0"},
    "amount ": {"amount": "-1.00"},
    "amount  ": {"amount": "1.001"},
    "amount   ": {"amount": 1.5},
    "amount    ": {"amount": "1e13"},
    "currency_code": {"currency_code": "KWD"},
    "invoice_id": {"invoice_id": None},
    "invoice_id ": {"invoice_id": new_id()},
    "customer_id": {"customer_id": new_id()},
    "allocations": {"allocations": ()},
    "received_on": {"received_on": date(2026, 3, 5)},
    "received_on ": {"received_on": date(1960, 1, 1)},
    "external_provider": {"external_payment_id": "pi_1"},
    "external_provider ": {"external_provider": "x" * 51},
    "external_payment_id": {"external_provider": "stripe", "external_payment_id": "x" * 201},
    "note": {"note": "x" * 1001},
}


@pytest.mark.parametrize(("field", "wrong"), BAD_FIELDS.items(), ids=BAD_FIELDS.keys())
def test_a_bad_field_is_refused_and_nothing_is_written(
    db: Database, actor: Actor, customer: CustomerView, field: str, wrong: dict[str, Any]
):
    invoice = make_invoice(db, actor, customer.customer_id)
    before = money_rows(db)
    command = RecordPayment(**{"amount": "10.00", "invoice_id": invoice.invoice_id, **wrong})
    for use_case in (record_payment, try_payment):
        with pytest.raises(InvalidInput) as refusal:
            run(db, actor, use_case, command)
        assert refusal.value.errors[0].field == field.strip()
    assert money_rows(db) == before
    assert raw_count(db, "payment_attempts") == 0


BAD_PARTS: dict[str, Any] = {
    "allocations.1.invoice_id": lambda one, two: [(one, "1"), (new_id(), "1")],
    "allocations.0.amount": lambda one, two: [(one, "0"), (two, "1")],
    "allocations.1.amount": lambda one, two: [(one, "1"), (two, "0.001")],
    "allocations": lambda one, two: [(one, "1"), (one, "1")],
    "allocations ": lambda one, two: [(new_id(), "1")] * 501,
}


@pytest.mark.parametrize(("field", "parts"), BAD_PARTS.items(), ids=BAD_PARTS.keys())
def test_a_bad_allocation_is_refused_by_its_place(
    db: Database, actor: Actor, customer: CustomerView, field: str, parts: Any
):
    one, two = (make_invoice(db, actor, customer.customer_id).invoice_id for _ in range(2))
    wanted = tuple(AllocationInput(*part) for part in parts(one, two))
    before = money_rows(db)
    with pytest.raises(InvalidInput) as refusal:
        pay(db, actor, "10.00", customer_id=customer.customer_id, allocations=wanted)
    assert refusal.value.errors[0].field == field.strip()
    assert money_rows(db) == before


def test_another_customers_invoice_cannot_be_paid_for(
    db: Database, actor: Actor, customer: CustomerView
):
    other = make_customer(db, actor)
    invoice = make_invoice(db, actor, other.customer_id)
    part = AllocationInput(invoice.invoice_id, "1.00")
    with pytest.raises(InvalidInput, match=r"allocations\.0\.invoice_id"):
        pay(db, actor, "10.00", customer_id=customer.customer_id, allocations=(part,))
    with pytest.raises(InvalidInput, match="customer_id"):
        pay(db, actor, "1.00", invoice_id=invoice.invoice_id, customer_id=customer.customer_id)


@pytest.mark.parametrize("state", ["draft", "paid", "void", "cancelled"])
def test_only_an_open_invoice_takes_a_payment(
    db: Database, actor: Actor, customer: CustomerView, state: str
):
    invoice = make_draft(db, actor, customer.customer_id)
    if state != "draft":
        invoice = make_invoice(db, actor, customer.customer_id)
    match state:
        case "paid":
            pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
        case "void":
            run(db, actor, void_invoice, invoice.invoice_id, "x")
        case "cancelled":
            run(db, actor, cancel_invoice, invoice.invoice_id, "x")
    part = AllocationInput(invoice.invoice_id, "1.00")
    ways: list[dict[str, Any]] = [
        {"invoice_id": invoice.invoice_id},
        {"customer_id": customer.customer_id, "allocations": (part,)},
    ]
    before = money_rows(db)
    for way in ways:
        with pytest.raises(StateConflict) as refusal:
            pay(db, actor, "1.00", **way)
        assert refusal.value.code == "invoice_not_open"
    assert money_rows(db) == before


@pytest.mark.parametrize("by", ["invoice_id", "allocations"])
def test_money_in_another_currency_is_refused(
    db: Database, actor: Actor, customer: CustomerView, by: str
):
    invoice = make_invoice(db, actor, customer.customer_id)
    part = AllocationInput(invoice.invoice_id, "1.00")
    way: dict[str, Any] = (
        {"invoice_id": invoice.invoice_id}
        if by == "invoice_id"
        else {"customer_id": customer.customer_id, "allocations": (part,)}
    )
    with pytest.raises(RuleRefused) as refusal:
        pay(db, actor, "1.00", currency_code="EUR", **way)
    assert refusal.value.code == "currency_mismatch"


def test_a_currency_left_out_is_the_invoices_or_else_the_tenants(
    db: Database, actor: Actor, customer: CustomerView
):
    euro = make_invoice(db, actor, customer.customer_id, currency_code="EUR")
    assert pay(db, actor, "1.00", invoice_id=euro.invoice_id).currency_code == "EUR"
    assert pay(db, actor, "1.00", customer_id=customer.customer_id).currency_code == "USD"


def test_allocations_cannot_come_to_more_than_the_payment(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id)
    part = AllocationInput(invoice.invoice_id, "10.01")
    with pytest.raises(RuleRefused) as refusal:
        pay(db, actor, "10.00", customer_id=customer.customer_id, allocations=(part,))
    assert refusal.value.code == "allocations_exceed_amount"


def test_a_providers_payment_is_taken_once_for_ever(
    db: Database, actor: Actor, stranger: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id)
    external = {"external_provider": "stripe", "external_payment_id": "pi_1"}
    first = pay(
        db, actor, "10.00", invoice_id=invoice.invoice_id, method=PaymentMethod.EXTERNAL, **external
    )
    run(db, actor, reverse_payment, first.payment_id, "charged back")
    with pytest.raises(StateConflict) as refusal:
        pay(db, actor, "10.00", invoice_id=invoice.invoice_id, **external)
    assert refusal.value.code == "duplicate_external_payment"
    assert refusal.value.facts["payment_id"] == str(first.payment_id)
    # The same id of another provider, or in another tenant, is another payment.
    external["external_provider"] = "square"
    pay(db, actor, "10.00", invoice_id=invoice.invoice_id, **external)
    external["external_provider"] = "stripe"
    pay(db, stranger, "10.00", customer_id=make_customer(db, stranger).customer_id, **external)


def test_every_attempt_is_kept_and_a_failed_one_with_its_code(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id)
    before = money_rows(db)
    refused = run(db, actor, try_payment, RecordPayment("500.00", invoice_id=invoice.invoice_id))
    assert isinstance(refused, Refused)
    assert refused.code == "overpayment"
    assert money_rows(db) == before
    taken = run(db, actor, try_payment, RecordPayment("5.00", invoice_id=invoice.invoice_id))
    assert not isinstance(taken, Refused)
    kept = raw_rows(
        db,
        "SELECT outcome, amount, failure_code, failure_message, payment_id FROM payment_attempts "
        "ORDER BY row_id",
    )
    assert kept == [
        ("failed", 500_00, "overpayment", refused.detail, None),
        ("succeeded", 5_00, None, None, taken.payment_id.hex),
    ]


def test_a_failed_attempt_to_pay_several_names_the_invoice_that_refused(
    db: Database, actor: Actor, customer: CustomerView
):
    first, second = (make_invoice(db, actor, customer.customer_id) for _ in range(2))
    parts = (
        AllocationInput(first.invoice_id, "50.00"),
        AllocationInput(second.invoice_id, "100.01"),
    )
    command = RecordPayment("200.00", customer_id=customer.customer_id, allocations=parts)
    refused = run(db, actor, try_payment, command)
    assert isinstance(refused, Refused)
    kept = raw_rows(db, "SELECT invoice_id, failure_code FROM payment_attempts")
    assert kept == [(second.invoice_id.hex, "overpayment")]


def test_a_receipt_is_asked_for_when_the_customer_has_an_address(db: Database, actor: Actor):
    customer = make_customer(db, actor, email="a@b.co")
    pay(db, actor, "10.00", customer_id=customer.customer_id)
    assert raw_rows(db, "SELECT message_type FROM outbox") == [("email.receipt_requested",)]


def test_support_reads_payments_and_moves_no_money(
    db: Database, actor: Actor, customer: CustomerView
):
    payment = pay(db, actor, "80.00", customer_id=customer.customer_id)
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    assert read(db, support, get_payment, payment.payment_id) == payment
    command = RecordPayment("1.00", customer_id=customer.customer_id)
    for use_case, *arguments in (
        (record_payment, command),
        (try_payment, command),
        (allocate_credit, payment.payment_id, None),
        (reverse_payment, payment.payment_id, "x"),
    ):
        with pytest.raises(NotAllowed):
            run(db, support, use_case, *arguments)


def test_a_payment_that_is_not_there_is_not_found(db: Database, actor: Actor):
    with pytest.raises(NotFound):
        read(db, actor, get_payment, new_id())
    with pytest.raises(NotFound):
        run(db, actor, reverse_payment, new_id(), "x")
    with pytest.raises(NotFound):
        run(db, actor, allocate_credit, new_id(), None)


def test_payments_are_listed_newest_first_and_narrowed(
    db: Database, actor: Actor, customer: CustomerView
):
    other = make_customer(db, actor)
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    first = pay(db, actor, "1.00", invoice_id=invoice.invoice_id)
    second = pay(db, actor, "2.00", customer_id=customer.customer_id, allocations=())
    third = pay(db, actor, "3.00", customer_id=other.customer_id)
    run(db, actor, reverse_payment, first.payment_id, "x")

    def ids(**narrowed: Any) -> list[Any]:
        page = read(db, actor, list_payments, PaymentFilter(**narrowed))
        return [item.payment_id for item in page.items]

    assert ids() == [third.payment_id, second.payment_id, first.payment_id]
    assert ids(customer_id=customer.customer_id) == [second.payment_id, first.payment_id]
    assert ids(status=PaymentStatus.REVERSED) == [first.payment_id]
    # A reversed payment stays in the list of its invoice: it is part of what happened.
    assert ids(invoice_id=invoice.invoice_id) == [first.payment_id]
    page = read(db, actor, list_payments, limit=2)
    rest = read(db, actor, list_payments, limit=2, cursor=page.next_cursor)
    assert [item.payment_id for item in page.items + rest.items] == ids()
    assert rest.next_cursor is None
