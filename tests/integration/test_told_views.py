"""What a write answers is told from what it wrote, not read back: it must be the same."""

from datetime import date
from decimal import Decimal

from backend.actor import Actor
from backend.customers.service import CreateCustomer, create_customer
from backend.db.engine import Database
from backend.invoices.queries import InvoiceView, get_invoice
from backend.invoices.service import CreateInvoice, LineInput, create_invoice, send_invoice
from backend.payments.applying import AllocationInput
from backend.payments.queries import get_payment
from backend.payments.service import RecordPayment, record_payment
from backend.unit_of_work import UnitOfWork, read, run


def sent_invoice(work: UnitOfWork, price: str) -> InvoiceView:
    customer = create_customer(work, CreateCustomer("Hilltop Apartments", email="a@example.com"))
    lines = [LineInput("Re-roof", "1.25", price, "8.25"), LineInput("Haul off", "2", "10.00")]
    draft = create_invoice(work, CreateInvoice(customer.customer_id, lines))
    return send_invoice(work, draft.invoice_id)


def test_a_payment_for_one_invoice_is_told_as_it_is_read_afterwards(db: Database, actor: Actor):
    invoice = run(db, actor, sent_invoice, "400.00")
    command = RecordPayment(
        "10", invoice_id=invoice.invoice_id, received_on=date(2026, 3, 2), note=" Check 17 "
    )
    told = run(db, actor, record_payment, command)
    assert told.allocations[0].invoice_number == invoice.invoice_number
    assert repr(told) == repr(read(db, actor, get_payment, told.payment_id))


def test_a_payment_with_credit_left_is_told_as_it_is_read_afterwards(db: Database, actor: Actor):
    invoice = run(db, actor, sent_invoice, "400.00")
    command = RecordPayment(
        Decimal("100.5"),
        customer_id=invoice.customer_id,
        allocations=(AllocationInput(invoice.invoice_id, "40.00"),),
        external_provider="stripe",
        external_payment_id="pi_1",
    )
    told = run(db, actor, record_payment, command)
    assert (str(told.amount), str(told.unapplied_amount)) == ("100.50", "60.50")
    assert repr(told) == repr(read(db, actor, get_payment, told.payment_id))


def test_a_payment_that_stays_credit_is_told_as_it_is_read_afterwards(db: Database, actor: Actor):
    invoice = run(db, actor, sent_invoice, "400.00")
    command = RecordPayment("5.00", customer_id=invoice.customer_id, allocations=())
    told = run(db, actor, record_payment, command)
    assert told.allocations == ()
    assert repr(told) == repr(read(db, actor, get_payment, told.payment_id))


def test_a_new_draft_is_told_as_it_is_read_afterwards(db: Database, actor: Actor):
    customer_id = run(db, actor, sent_invoice, "1.00").customer_id
    command = CreateInvoice(
        customer_id,
        [LineInput("Re-roof", "24", "385"), LineInput("Permit", "0.3333", "99.99")],
        tax_amount="5",
        notes=" Thank you. ",
        purchase_order_number="PO-7",
        external_source="jobs",
        external_reference_id="job-2207",
    )
    told = run(db, actor, create_invoice, command)
    assert repr(told) == repr(read(db, actor, get_invoice, told.invoice_id))
    assert [str(line.quantity) for line in told.line_items] == ["24.0000", "0.3333"]
