"""Baseline: recording a payment for one invoice."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, HTTPException, Response
from pydantic import BaseModel, Field
from sqlmodel import select

from backend.customers.models import Customer, EmailStatus
from backend.ids import new_id
from backend.invoices.models import Invoice, InvoiceStatus
from backend.ledger.models import Account, EntryKind, LedgerEntry, LedgerPosting
from backend.payments.models import (
    AttemptOutcome,
    Payment,
    PaymentAllocation,
    PaymentAttempt,
    PaymentMethod,
    PaymentStatus,
)
from backend.tenants.models import Tenant
from bench.baseline.bookkeeping import Context, audit, keep_answer, kept_answer, send
from bench.baseline.database import Caller, OpenSession

router = APIRouter()
_OPERATION = "POST /api/payments"


class NewPayment(BaseModel):
    """Money received for an invoice."""

    amount: Annotated[Decimal, Field(gt=0, decimal_places=2, max_digits=14)]
    invoice_id: UUID
    method: PaymentMethod = PaymentMethod.MANUAL
    received_on: date | None = None
    note: Annotated[str, Field(max_length=1000)] | None = None


class AllocationOut(BaseModel):
    """A part of a payment."""

    invoice_id: UUID
    invoice_number: str
    amount: Decimal


class PaymentOut(BaseModel):
    """A payment."""

    payment_id: UUID
    customer_id: UUID
    amount: Decimal
    applied_amount: Decimal
    unapplied_amount: Decimal
    currency_code: str
    method: str
    status: str
    received_on: date
    applied_at: datetime | None
    external_provider: str | None
    external_payment_id: str | None
    note: str | None
    correlation_id: str
    created_at: datetime
    allocations: list[AllocationOut]


@router.post("/api/payments", status_code=201)
def record_payment(
    body: NewPayment,
    caller: Caller,
    session: OpenSession,
    idempotency_key: Annotated[str, Header()],
) -> Response:
    """Record a payment once for its key, and apply it."""
    context = Context.of(session, caller.tenant_id, f"api-key:{caller.name}")
    earlier, digest = kept_answer(context, _OPERATION, idempotency_key, body.model_dump_json())
    if earlier is not None:
        return Response(earlier.response, earlier.status_code, media_type="application/json")
    answer = _pay(context, body).model_dump_json()
    keep_answer(context, _OPERATION, idempotency_key, digest, answer)
    session.commit()
    return Response(answer, 201, media_type="application/json")


def _pay(context: Context, body: NewPayment) -> PaymentOut:
    session, tenant_id, now = context.session, context.tenant_id, context.now
    tenant = session.exec(select(Tenant).where(Tenant.id == tenant_id)).one()
    today = now.astimezone(ZoneInfo(tenant.time_zone)).date()
    received_on = body.received_on or today
    if received_on > today:
        raise HTTPException(422, "received_on must not be in the future")
    invoice = session.exec(
        select(Invoice).where(Invoice.tenant_id == tenant_id, Invoice.id == body.invoice_id)
    ).first()
    if invoice is None:
        raise HTTPException(422, "there is no such invoice")
    if invoice.status not in (InvoiceStatus.SENT, InvoiceStatus.OVERDUE):
        raise HTTPException(409, "the invoice is not open")
    if body.amount > invoice.balance_due:
        raise HTTPException(422, "the amount is more than the balance")
    customer = session.exec(
        select(Customer).where(Customer.tenant_id == tenant_id, Customer.id == invoice.customer_id)
    ).one()
    amount = body.amount.quantize(Decimal("0.01"))
    payment = Payment(
        tenant_id=tenant_id,
        id=new_id(),
        customer_id=customer.id,
        amount=amount,
        applied_amount=amount,
        unapplied_amount=Decimal("0.00"),
        refunded_amount=Decimal("0.00"),
        disputed_amount=Decimal("0.00"),
        reversed_amount=Decimal("0.00"),
        currency_code=invoice.currency_code,
        method=body.method,
        status=PaymentStatus.SUCCEEDED,
        received_on=received_on,
        applied_at=now,
        note=body.note,
        correlation_id=context.correlation_id,
        created_at=now,
        version=1,
    )
    session.add(payment)
    session.flush()
    session.add_all(
        [
            PaymentAllocation(
                tenant_id=tenant_id,
                id=new_id(),
                payment_id=payment.id,
                invoice_id=invoice.id,
                amount=amount,
                reversed_amount=Decimal("0.00"),
                created_at=now,
            ),
            PaymentAttempt(
                tenant_id=tenant_id,
                id=new_id(),
                payment_id=payment.id,
                customer_id=customer.id,
                invoice_id=invoice.id,
                amount=amount,
                currency_code=invoice.currency_code,
                method=body.method,
                outcome=AttemptOutcome.SUCCEEDED,
                correlation_id=context.correlation_id,
                at=now,
            ),
        ]
    )
    assert invoice.posted_on is not None
    received = _entry(context, payment, EntryKind.PAYMENT_RECEIVED, received_on, None)
    applied_on = max(received_on, invoice.posted_on)
    applied = _entry(context, payment, EntryKind.PAYMENT_APPLIED, applied_on, invoice.id)
    session.add_all([received, applied])
    session.flush()
    session.add_all(
        [
            _posting(received, Account.CASH_CLEARING, amount),
            _posting(received, Account.UNAPPLIED_CASH, -amount),
            _posting(applied, Account.UNAPPLIED_CASH, amount),
            _posting(applied, Account.ACCOUNTS_RECEIVABLE, -amount),
        ]
    )
    invoice.paid_amount += amount
    invoice.balance_due -= amount
    if invoice.balance_due == 0:
        invoice.status, invoice.paid_at = InvoiceStatus.PAID, now
    invoice.updated_at, invoice.version = now, invoice.version + 1
    allocation = AllocationOut(
        invoice_id=invoice.id, invoice_number=invoice.invoice_number or "", amount=amount
    )
    audit(
        context,
        "payment.recorded",
        "payment",
        payment.id,
        {"customer_id": customer.id, "amount": amount, "invoice_id": invoice.id},
    )
    if customer.email and customer.email_status is EmailStatus.OK:
        send(context, "email-send", "email.receipt_requested", {"payment_id": str(payment.id)})
    return PaymentOut(
        **payment.model_dump(exclude={"id"}), payment_id=payment.id, allocations=[allocation]
    )


def _entry(
    context: Context, payment: Payment, kind: EntryKind, day: date, invoice_id: UUID | None
) -> LedgerEntry:
    return LedgerEntry(
        tenant_id=context.tenant_id,
        id=new_id(),
        kind=kind,
        entry_day=day,
        currency_code=payment.currency_code,
        customer_id=payment.customer_id,
        invoice_id=invoice_id,
        payment_id=payment.id,
        created_at=context.now,
        correlation_id=context.correlation_id,
    )


def _posting(entry: LedgerEntry, account: Account, amount: Decimal) -> LedgerPosting:
    return LedgerPosting(
        tenant_id=entry.tenant_id,
        id=new_id(),
        entry_id=entry.id,
        account=account,
        amount=amount,
        entry_day=entry.entry_day,
        currency_code=entry.currency_code,
        customer_id=entry.customer_id,
        invoice_id=entry.invoice_id,
    )
