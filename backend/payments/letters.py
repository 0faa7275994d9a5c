"""The e-mail that thanks a customer for a payment."""

from __future__ import annotations

from uuid import UUID

from backend.communications.contexts import PaidInvoice, issuer_of, receipt_context
from backend.communications.letters import Letter, address_obstacle
from backend.communications.models import CommunicationType
from backend.communications.template_store import tenant_source
from backend.communications.templates import TemplateKey
from backend.customers.queries import get_customer
from backend.invoices.queries import get_invoice
from backend.payments.models import PaymentStatus
from backend.payments.queries import get_payment
from backend.unit_of_work import Reader


def receipt_letter(reader: Reader, payment_id: UUID) -> Letter:
    """The letter about one payment; NotFound when the tenant has none of that id."""
    payment = get_payment(reader, payment_id)
    customer = get_customer(reader, payment.customer_id)
    obstacle = address_obstacle(customer)
    if payment.status is not PaymentStatus.SUCCEEDED:
        obstacle = f"The payment is {payment.status}."
    paid = [
        PaidInvoice(
            allocation.invoice_number,
            allocation.amount,
            get_invoice(reader, allocation.invoice_id).balance_due,
        )
        for allocation in payment.allocations
    ]
    return Letter(
        type=CommunicationType.RECEIPT,
        template_key=TemplateKey.RECEIPT,
        customer_id=customer.customer_id,
        to_address=customer.email or "",
        from_name=reader.tenant.name,
        invoice_ids=tuple(allocation.invoice_id for allocation in payment.allocations),
        payment_id=payment_id,
        context=receipt_context(
            issuer_of(reader.tenant),
            customer.display_name,
            amount=payment.amount,
            unapplied=payment.unapplied_amount,
            received_on=payment.received_on,
            currency_code=payment.currency_code,
            invoices=paid,
        ),
        source=tenant_source(reader, TemplateKey.RECEIPT),
        reply_to=reader.tenant.reply_to_email,
        obstacle=obstacle,
    )
