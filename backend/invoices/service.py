"""What is done with an invoice: sent, voided, cancelled. Drafts have a module of their own."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import required_text
from backend.customers.models import EmailStatus
from backend.customers.queries import get_customer
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.errors import StateConflict
from backend.invoices.drafts import CreateInvoice, create_invoice, update_invoice
from backend.invoices.lifecycle import InvoiceEvent, next_status
from backend.invoices.models import INVOICES, InvoiceStatus
from backend.invoices.numbering import take_number
from backend.invoices.queries import InvoiceView, get_invoice
from backend.invoices.totals import LineInput
from backend.ledger.models import EntryKind
from backend.ledger.reversal import reverse_issue_entry
from backend.ledger.service import invoice_issued, post
from backend.messaging.contracts import InvoiceEmailRequested
from backend.money import ZERO
from backend.unit_of_work import UnitOfWork

__all__ = [
    "CreateInvoice",
    "LineInput",
    "cancel_invoice",
    "create_invoice",
    "send_invoice",
    "update_invoice",
    "void_invoice",
]

_I = INVOICES
_SEEN = (
    _I.c.tenant_id == TENANT,
    _I.c.id == sa.bindparam("invoice_id"),
    _I.c.version == sa.bindparam("seen_version"),
)
_SEND = Statement(
    sa.update(_I)
    .where(*_SEEN)
    .values(
        status=sa.bindparam("new_status"),
        invoice_number=sa.bindparam("new_number"),
        balance_due=sa.bindparam("new_balance_due"),
        posted_on=sa.bindparam("new_posted_on"),
        sent_at=sa.bindparam("now"),
        paid_at=sa.bindparam("new_paid_at"),
        bill_to_name=sa.bindparam("new_bill_to_name"),
        bill_to_address=sa.bindparam("new_bill_to_address"),
        updated_at=sa.bindparam("now"),
        version=_I.c.version + 1,
    )
)
_CLOSE = Statement(
    sa.update(_I)
    .where(*_SEEN)
    .values(
        status=sa.bindparam("new_status"),
        balance_due=ZERO,
        closed_at=sa.bindparam("now"),
        close_reason=sa.bindparam("reason"),
        updated_at=sa.bindparam("now"),
        version=_I.c.version + 1,
    )
)


def send_invoice(work: UnitOfWork, invoice_id: UUID) -> InvoiceView:
    """Give a draft its number, enter it in the ledger, and queue its e-mail.

    A total of zero is paid at once. Raises NotFound, StateConflict (invoice_not_draft).
    """
    work.actor.require(Action.INVOICES_WRITE)
    invoice = get_invoice(work, invoice_id)
    status = next_status(invoice.status, InvoiceEvent.SEND)
    customer = get_customer(work, invoice.customer_id)
    settled = invoice.total_amount == ZERO
    if settled:
        status = next_status(status, InvoiceEvent.SETTLE)
    posted_on = max(invoice.issue_date, work.today)
    number = take_number(work)
    touched = work.execute(
        _SEND,
        invoice_id=invoice_id,
        seen_version=invoice.version,
        new_status=status,
        new_number=number,
        new_balance_due=invoice.total_amount,
        new_posted_on=posted_on,
        new_paid_at=work.now if settled else None,
        new_bill_to_name=customer.display_name,
        new_bill_to_address=customer.billing_address,
        now=work.now,
    )
    if touched != 1:
        raise LostRace
    post(
        work,
        [
            invoice_issued(
                posted_on,
                invoice.currency_code,
                invoice.customer_id,
                invoice_id,
                invoice.subtotal_amount,
                invoice.tax_amount,
            )
        ],
    )
    work.record(
        "invoice.sent",
        "invoice",
        invoice_id,
        before={"status": invoice.status},
        after={"status": status, "invoice_number": number, "balance_due": invoice.total_amount},
    )
    if customer.email is not None and customer.email_status is EmailStatus.OK:
        work.send(InvoiceEmailRequested(invoice_id=invoice_id))
    return get_invoice(work, invoice_id)


def void_invoice(work: UnitOfWork, invoice_id: UUID, reason: str) -> InvoiceView:
    """Declare an invoice never to have been: a draft by Finance, a sent one by an Admin.

    Its number stays taken. Raises NotFound, NotAllowed, InvalidInput, StateConflict
    (illegal_transition, invoice_has_payments).
    """
    work.actor.require(Action.INVOICES_WRITE)
    invoice = get_invoice(work, invoice_id)
    if invoice.status is not InvoiceStatus.DRAFT:
        work.actor.require(Action.INVOICES_VOID)
    return _close(work, invoice, reason, InvoiceEvent.VOID, EntryKind.INVOICE_VOIDED)


def cancel_invoice(work: UnitOfWork, invoice_id: UUID, reason: str) -> InvoiceView:
    """Call off a sent invoice that nobody has paid on.

    Raises NotFound, NotAllowed, InvalidInput, StateConflict (illegal_transition,
    invoice_has_payments).
    """
    work.actor.require(Action.INVOICES_WRITE)
    invoice = get_invoice(work, invoice_id)
    return _close(work, invoice, reason, InvoiceEvent.CANCEL, EntryKind.INVOICE_CANCELLED)


def _close(
    work: UnitOfWork, invoice: InvoiceView, reason: str, event: InvoiceEvent, kind: EntryKind
) -> InvoiceView:
    why = required_text(reason, field="reason", max_length=500)
    status = next_status(invoice.status, event)
    if invoice.paid_amount != ZERO:
        raise StateConflict(
            "Something is paid on this invoice; reverse the payment first.",
            code="invoice_has_payments",
            paid_amount=str(invoice.paid_amount),
        )
    touched = work.execute(
        _CLOSE,
        invoice_id=invoice.invoice_id,
        seen_version=invoice.version,
        new_status=status,
        reason=why,
        now=work.now,
    )
    if touched != 1:
        raise LostRace
    if invoice.status is not InvoiceStatus.DRAFT:
        reverse_issue_entry(work, invoice.invoice_id, day=work.today, kind=kind)
    past_tense = {InvoiceEvent.VOID: "invoice.voided", InvoiceEvent.CANCEL: "invoice.cancelled"}
    work.record(
        past_tense[event],
        "invoice",
        invoice.invoice_id,
        before={"status": invoice.status, "balance_due": invoice.balance_due},
        after={"status": status, "reason": why},
    )
    return get_invoice(work, invoice.invoice_id)
