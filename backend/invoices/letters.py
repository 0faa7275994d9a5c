"""The e-mail that brings an invoice to its customer."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from backend.communications.contexts import invoice_context, issuer_of
from backend.communications.letters import Letter, address_obstacle
from backend.communications.mailer import Attachment
from backend.communications.models import CommunicationType
from backend.communications.template_store import tenant_source
from backend.communications.templates import TemplateKey
from backend.customers.queries import get_customer
from backend.invoices.document import InvoiceDocument, document_of
from backend.invoices.models import InvoiceStatus
from backend.invoices.pdf import render_invoice_pdf
from backend.invoices.queries import get_invoice
from backend.unit_of_work import Reader

# Once it is void or cancelled, sending it would only confuse; a paid one is still wanted.
_WORTH_SENDING = frozenset({InvoiceStatus.SENT, InvoiceStatus.OVERDUE, InvoiceStatus.PAID})


@dataclass(frozen=True, slots=True)
class EnclosedInvoice:
    """An invoice that goes along as a PDF."""

    document: InvoiceDocument

    def attachment(self) -> Attachment:
        """The PDF under the invoice's number."""
        content = render_invoice_pdf(self.document)
        return Attachment(self.document.file_name, "application/pdf", content)


def invoice_letter(reader: Reader, invoice_id: UUID) -> Letter:
    """The letter with one invoice; NotFound when the tenant has none of that id."""
    invoice = get_invoice(reader, invoice_id)
    customer = get_customer(reader, invoice.customer_id)
    issuer = reader.tenant.name
    obstacle = address_obstacle(customer)
    if invoice.status not in _WORTH_SENDING:
        obstacle = f"The invoice is {invoice.status}."
    return Letter(
        type=CommunicationType.INVOICE,
        template_key=TemplateKey.INVOICE,
        customer_id=customer.customer_id,
        to_address=customer.email or "",
        from_name=issuer,
        invoice_ids=(invoice_id,),
        context=invoice_context(
            issuer_of(reader.tenant),
            invoice.bill_to_name or customer.display_name,
            number=invoice.invoice_number or "",
            issue_date=invoice.issue_date,
            due_date=invoice.due_date,
            total=invoice.total_amount,
            balance_due=invoice.balance_due,
            currency_code=invoice.currency_code,
            purchase_order_number=invoice.purchase_order_number,
        ),
        source=tenant_source(reader, TemplateKey.INVOICE),
        reply_to=reader.tenant.reply_to_email,
        enclosures=(EnclosedInvoice(document_of(invoice, customer, issuer)),),
        obstacle=obstacle,
    )
