"""The invoice as a document: everything its PDF shows, and nothing that it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from backend.customers.queries import CustomerView, get_customer
from backend.invoices.queries import InvoiceView, get_invoice
from backend.unit_of_work import Reader

_NOT_FOR_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Party:
    """One side of the invoice: its name, then address and contact lines as they are to stand."""

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line item. `tax_rate` is in percent, None when tax is given for the whole invoice."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal | None
    line_total: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An invoice as its reader sees it. Amounts have two places; a draft has no number."""

    issuer: Party
    bill_to: Party
    number: str | None
    status: str
    issue_date: date
    due_date: date
    currency_code: str
    lines: tuple[DocumentLine, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    paid: Decimal
    credited: Decimal
    balance_due: Decimal
    purchase_order_number: str | None = None
    notes: str | None = None

    @property
    def title(self) -> str:
        """ "Invoice INV-000001", or "Draft invoice" while it has no number."""
        return f"Invoice {self.number}" if self.number else "Draft invoice"

    @property
    def file_name(self) -> str:
        """The name under which the PDF is attached and downloaded."""
        return f"{_NOT_FOR_FILE_NAMES.sub('-', self.number or 'draft-invoice')}.pdf"


def build_invoice_document(reader: Reader, invoice_id: UUID) -> InvoiceDocument:
    """The invoice as it stands now, for its PDF; NotFound when the tenant has none of that id."""
    invoice = get_invoice(reader, invoice_id)
    customer = get_customer(reader, invoice.customer_id)
    return document_of(invoice, customer, reader.tenant.name)


def document_of(invoice: InvoiceView, customer: CustomerView, issuer_name: str) -> InvoiceDocument:
    """The same from what was read before; a sent invoice keeps the name and address it went to."""
    address = customer.billing_address if invoice.sent_at is None else invoice.bill_to_address
    return InvoiceDocument(
        issuer=Party(issuer_name),
        bill_to=Party(invoice.bill_to_name or invoice.customer_name, (address,) if address else ()),
        number=invoice.invoice_number,
        status=invoice.status.value,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        currency_code=invoice.currency_code,
        lines=tuple(
            DocumentLine(
                line.description, line.quantity, line.unit_price, line.tax_rate, line.line_total
            )
            for line in invoice.line_items
        ),
        subtotal=invoice.subtotal_amount,
        tax=invoice.tax_amount,
        total=invoice.total_amount,
        paid=invoice.paid_amount,
        credited=invoice.credited_amount,
        balance_due=invoice.balance_due,
        purchase_order_number=invoice.purchase_order_number,
        notes=invoice.notes,
    )
