"""Writes that race end with one winner and the truth intact."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.errors import BillerJacketError, IdempotencyKeyReused
from backend.idempotency import Answer, once, request_hash
from backend.invoices.models import InvoiceStatus
from backend.invoices.service import cancel_invoice, send_invoice, void_invoice
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment, try_payment
from backend.unit_of_work import UnitOfWork, run
from tests.factories import (
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    pay,
    raw_count,
    raw_rows,
)
from tests.together import at_once


def codes(results: Sequence[Any]) -> Counter[str]:
    return Counter(
        result.code if isinstance(result, BillerJacketError) else "done" for result in results
    )


def test_thirty_dimes_on_a_dollar_are_taken_ten_times(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "1.00")
    command = RecordPayment("0.10", invoice_id=invoice.invoice_id)
    results = at_once([partial(run, db, actor, try_payment, command)] * 30)
    assert codes(results) == {"done": 10, "invoice_not_open": 20}
    now = invoice_now(db, actor, invoice.invoice_id)
    assert (now.status, str(now.paid_amount)) == (InvoiceStatus.PAID, "1.00")
    assert raw_count(db, "payments") == raw_count(db, "payment_allocations") == 10
    assert raw_count(db, "payment_attempts") == 30
    applied = raw_rows(
        db,
        "SELECT count(*), sum(amount) FROM ledger_postings "
        "WHERE account = 'accounts_receivable' AND amount < 0",
    )
    assert applied == [(10, -1_00)]


def test_payments_that_do_not_divide_the_balance_never_overdraw_it(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "1.00")
    command = RecordPayment("0.30", invoice_id=invoice.invoice_id)
    results = at_once([partial(run, db, actor, record_payment, command)] * 12)
    assert codes(results) == {"done": 3, "overpayment": 9}
    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "0.10"


def test_thirty_requests_with_one_key_make_one_payment_and_one_answer(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")

    def request(work: UnitOfWork) -> Answer:
        def produce() -> Answer:
            command = RecordPayment("10.00", invoice_id=invoice.invoice_id)
            return Answer(201, str(record_payment(work, command).payment_id))

        digest = request_hash("10.00", str(invoice.invoice_id))
        return once(
            work, operation="POST /api/payments", key="k1", hash_of_request=digest, produce=produce
        )

    results = at_once([partial(run, db, actor, request)] * 30)
    answers = [result for result in results if isinstance(result, Answer)]
    assert len(answers) == 30
    assert len({(answer.status_code, answer.response) for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert raw_count(db, "payments") == 1
    assert str(invoice_now(db, actor, invoice.invoice_id).paid_amount) == "10.00"


def test_of_two_requests_with_one_key_that_differ_one_wins(db: Database, actor: Actor):
    customer = make_customer(db, actor)

    def request(work: UnitOfWork, amount: str) -> Answer:
        def produce() -> Answer:
            command = RecordPayment(amount, customer_id=customer.customer_id)
            return Answer(201, str(record_payment(work, command).payment_id))

        return once(
            work,
            operation="POST /api/payments",
            key="k1",
            hash_of_request=request_hash(amount),
            produce=produce,
        )

    results = at_once([partial(run, db, actor, request, amount) for amount in ("1", "2") * 5])
    assert codes(results) == {"done": 5, IdempotencyKeyReused.default_code: 5}
    assert raw_count(db, "payments") == 1


def test_twenty_invoices_sent_at_once_get_twenty_consecutive_numbers(
    db: Database, actor: Actor, customer: CustomerView
):
    drafts = [make_draft(db, actor, customer.customer_id) for _ in range(20)]
    results = at_once([partial(run, db, actor, send_invoice, draft.invoice_id) for draft in drafts])
    assert codes(results) == {"done": 20}
    numbers = sorted(row[0] for row in raw_rows(db, "SELECT invoice_number FROM invoices"))
    assert numbers == [f"INV-{number:06d}" for number in range(1, 21)]


def test_one_draft_sent_ten_times_at_once_is_sent_once(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id)
    results = at_once([partial(run, db, actor, send_invoice, draft.invoice_id)] * 10)
    assert codes(results) == {"done": 1, "invoice_not_draft": 9}
    next_one = make_invoice(db, actor, customer.customer_id)
    assert next_one.invoice_number == "INV-000002"


@pytest.mark.parametrize("end", [void_invoice, cancel_invoice])
def test_an_invoice_is_either_paid_or_ended_never_both(
    db: Database, actor: Actor, customer: CustomerView, end: Any
):
    for _ in range(5):
        invoice = make_invoice(db, actor, customer.customer_id, "1.00")
        command = RecordPayment("1.00", invoice_id=invoice.invoice_id)
        results = at_once(
            [
                partial(run, db, actor, record_payment, command),
                partial(run, db, actor, end, invoice.invoice_id, "race"),
            ]
        )
        assert codes(results)["done"] == 1
        now = invoice_now(db, actor, invoice.invoice_id)
        paid_first = not isinstance(results[0], BillerJacketError)
        assert (now.status is InvoiceStatus.PAID) is paid_first


def test_one_payment_reversed_ten_times_at_once_is_reversed_once(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    payment = pay(db, actor, "50.00", invoice_id=invoice.invoice_id)
    results = at_once(
        [partial(run, db, actor, reverse_payment, payment.payment_id, "bounced")] * 10
    )
    assert codes(results) == {"done": 1, "payment_not_reversible": 9}
    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "50.00"


def test_credit_applied_from_many_sides_is_never_spent_twice(
    db: Database, actor: Actor, customer: CustomerView
):
    credit = pay(db, actor, "1.00", customer_id=customer.customer_id)
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    parts = [AllocationInput(invoice.invoice_id, "0.30")]
    results = at_once([partial(run, db, actor, allocate_credit, credit.payment_id, parts)] * 10)
    assert codes(results) == {"done": 3, "insufficient_credit": 7}
    assert str(invoice_now(db, actor, invoice.invoice_id).paid_amount) == "0.90"


def test_one_providers_payment_from_many_sides_is_taken_once(
    db: Database, actor: Actor, customer: CustomerView
):
    command = RecordPayment(
        "5.00",
        customer_id=customer.customer_id,
        external_provider="stripe",
        external_payment_id="pi_9",
    )
    results = at_once([partial(run, db, actor, record_payment, command)] * 10)
    assert codes(results) == {"done": 1, "duplicate_external_payment": 9}


def test_changes_to_one_customer_from_many_sides_all_count(
    db: Database, actor: Actor, customer: CustomerView
):
    fields = ["phone", "billing_address", "external_source", "external_reference_id", "email"]
    calls = [
        partial(run, db, actor, update_customer, customer.customer_id, {field: "a@b.co"})
        for field in fields
    ]
    results = at_once(calls)
    assert codes(results) == {"done": 5}
    row = raw_rows(db, f"SELECT version, {', '.join(fields)} FROM customers")[0]
    assert row == (6, *["a@b.co"] * 5)


def test_two_processes_on_one_file_share_the_balance(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "1.00")
    command = RecordPayment("0.10", invoice_id=invoice.invoice_id)
    other = Database(f"sqlite:///{db.path}", clock=db.clock)  # its own writer, as a process has
    try:
        calls = [partial(run, one, actor, record_payment, command) for one in (db, other) * 10]
        results = at_once(calls)
    finally:
        other.close()
    assert codes(results) == {"done": 10, "invoice_not_open": 10}


def test_the_audit_chain_of_racing_writers_has_no_gap(
    db: Database, actor: Actor, customer: CustomerView
):
    at_once([lambda: make_invoice(db, actor, customer.customer_id)] * 15)
    rows = raw_rows(db, "SELECT sequence, previous_hash, hash FROM audit_log ORDER BY row_id")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert [row[1] for row in rows[1:]] == [row[2] for row in rows[:-1]]
    assert raw_rows(db, "SELECT sequence, hash FROM audit_heads") == [(len(rows), rows[-1][2])]
