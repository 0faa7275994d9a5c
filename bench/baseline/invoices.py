"""Baseline: creating a draft invoice with its lines."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, HTTPException, Response
from pydantic import BaseModel, Field
from sqlmodel import select

from backend.customers.models import Customer
from backend.ids import new_id
from backend.invoices.models import Invoice, InvoiceLineItem, InvoiceStatus
from backend.tenants.models import Tenant
from bench.baseline.bookkeeping import Context, audit, keep_answer, kept_answer
from bench.baseline.database import Caller, OpenSession

router = APIRouter()
_OPERATION = "POST /api/invoices"
_CENT = Decimal("0.01")
_ZERO = Decimal("0.00")


class NewLine(BaseModel):
    """One line."""

    description: Annotated[str, Field(min_length=1, max_length=1000)]
    quantity: Annotated[Decimal, Field(gt=0, decimal_places=4, max_digits=18)]
    unit_price: Annotated[Decimal, Field(ge=0, decimal_places=2, max_digits=14)]
    tax_rate: Annotated[Decimal, Field(ge=0, le=100, decimal_places=4)] | None = None


class NewInvoice(BaseModel):
    """A draft."""

    customer_id: UUID
    issue_date: date | None = None
    due_date: date | None = None
    purchase_order_number: Annotated[str, Field(max_length=100)] | None = None
    notes: Annotated[str, Field(max_length=4000)] | None = None
    line_items: Annotated[list[NewLine], Field(min_length=1, max_length=500)]


class LineOut(BaseModel):
    """One line, priced."""

    invoice_line_item_id: UUID
    line_number: int
    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal | None
    line_total: Decimal


class InvoiceOut(BaseModel):
    """An invoice."""

    invoice_id: UUID
    invoice_number: str | None
    status: str
    customer_id: UUID
    customer_name: str
    issue_date: date
    due_date: date
    currency_code: str
    subtotal_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    paid_amount: Decimal
    credited_amount: Decimal
    balance_due: Decimal
    sent_at: datetime | None
    paid_at: datetime | None
    created_at: datetime
    notes: str | None
    purchase_order_number: str | None
    external_source: str | None
    external_reference_id: str | None
    line_items: list[LineOut]


@router.post("/api/invoices", status_code=201)
def create_invoice(
    body: NewInvoice,
    caller: Caller,
    session: OpenSession,
    idempotency_key: Annotated[str, Header()],
) -> Response:
    """Create a draft once for its key."""
    context = Context.of(session, caller.tenant_id, f"api-key:{caller.name}")
    earlier, digest = kept_answer(context, _OPERATION, idempotency_key, body.model_dump_json())
    if earlier is not None:
        return Response(earlier.response, earlier.status_code, media_type="application/json")
    answer = _create(context, body).model_dump_json()
    keep_answer(context, _OPERATION, idempotency_key, digest, answer)
    session.commit()
    return Response(answer, 201, media_type="application/json")


def _create(context: Context, body: NewInvoice) -> InvoiceOut:
    session, tenant_id, now = context.session, context.tenant_id, context.now
    tenant = session.exec(select(Tenant).where(Tenant.id == tenant_id)).one()
    customer = session.exec(
        select(Customer).where(Customer.tenant_id == tenant_id, Customer.id == body.customer_id)
    ).first()
    if customer is None:
        raise HTTPException(422, "there is no such customer")
    issue_date = body.issue_date or now.astimezone(ZoneInfo(tenant.time_zone)).date()
    due_date = body.due_date or issue_date + timedelta(days=customer.payment_terms_days)
    if due_date < issue_date:
        raise HTTPException(422, "due_date must not be before issue_date")
    invoice_id = new_id()
    lines = [_line(tenant_id, invoice_id, n, line) for n, line in enumerate(body.line_items, 1)]
    subtotal = sum((line.line_total for line in lines), _ZERO)
    tax = sum((line.tax_amount for line in lines), _ZERO)
    invoice = Invoice(
        tenant_id=tenant_id,
        id=invoice_id,
        customer_id=customer.id,
        status=InvoiceStatus.DRAFT,
        issue_date=issue_date,
        due_date=due_date,
        currency_code=tenant.currency_code,
        subtotal_amount=subtotal,
        tax_amount=tax,
        total_amount=subtotal + tax,
        paid_amount=_ZERO,
        credited_amount=_ZERO,
        balance_due=_ZERO,
        purchase_order_number=body.purchase_order_number,
        notes=body.notes,
        created_at=now,
        updated_at=now,
        version=1,
    )
    session.add(invoice)
    session.flush()
    session.add_all(lines)
    audit(
        context,
        "invoice.created",
        "invoice",
        invoice_id,
        {"customer_id": customer.id, "total_amount": invoice.total_amount, "due_date": due_date},
    )
    return InvoiceOut(
        **invoice.model_dump(exclude={"id"}),
        invoice_id=invoice_id,
        customer_name=customer.display_name,
        line_items=[
            LineOut(**line.model_dump(exclude={"id"}), invoice_line_item_id=line.id)
            for line in lines
        ],
    )


def _line(tenant_id: UUID, invoice_id: UUID, number: int, line: NewLine) -> InvoiceLineItem:
    total = (line.quantity * line.unit_price).quantize(_CENT, ROUND_HALF_UP)
    tax = (total * (line.tax_rate or 0) / 100).quantize(_CENT, ROUND_HALF_UP)
    return InvoiceLineItem(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        line_number=number,
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        tax_rate=line.tax_rate,
        line_total=total,
        tax_amount=tax,
    )
