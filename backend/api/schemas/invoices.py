"""Invoices, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import (
    Amount,
    CurrencyCode,
    Cursor,
    Day,
    Id,
    Limit,
    Quantity,
    Rate,
    many_lines,
    one_line,
    required_line,
    required_lines,
)
from backend.api.schemas.common import (
    Answer,
    Body,
    Date,
    Instant,
    Money,
    Number,
    Uuid,
    example,
)
from backend.invoices.models import InvoiceStatus
from backend.invoices.totals import LINES_MAX
from backend.paging import LIMIT_DEFAULT

Status = Literal["draft", "sent", "overdue", "paid", "void", "cancelled"]

_LINE = {
    "description": "Tear-off and re-roof, 24 squares",
    "quantity": "24",
    "unit_price": "385.00",
    "tax_rate": "8.25",
}
_CUSTOMER = "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55"


class NewLine(Body):
    """One line. `tax_rate` is in percent and cannot go with the invoice's `tax_amount`."""

    description: Annotated[str, required_lines(1000)]
    quantity: Quantity
    unit_price: Amount
    tax_rate: Rate | None = None


class NewInvoice(Body):
    """A draft to be made. Left out: today, the customer's terms, the tenant's currency."""

    model_config = example(
        customer_id=_CUSTOMER,
        issue_date="2026-03-04",
        due_date="2026-04-03",
        currency_code="USD",
        purchase_order_number="PO-7781",
        notes="Thank you.",
        line_items=[_LINE],
        external_source="roofing-jobs",
        external_reference_id="job-2207",
    )

    customer_id: Id
    issue_date: Day | None = None
    due_date: Day | None = None
    currency_code: CurrencyCode | None = None
    purchase_order_number: Annotated[str, one_line(100)] | None = None
    notes: Annotated[str, many_lines(4000)] | None = None
    tax_amount: Amount | None = Field(
        default=None, description="Tax for the whole invoice, instead of rates on its lines."
    )
    line_items: Annotated[list[NewLine], Field(min_length=1, max_length=LINES_MAX)]
    external_source: Annotated[str, one_line(100)] | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None


class InvoiceChanges(Body):
    """What to change in a draft; a field that is left out stays. `line_items` replaces all."""

    model_config = example(due_date="2026-04-10", notes=None)

    customer_id: Id | None = None
    issue_date: Day | None = None
    due_date: Day | None = None
    currency_code: CurrencyCode | None = None
    purchase_order_number: Annotated[str, one_line(100)] | None = None
    notes: Annotated[str, many_lines(4000)] | None = None
    tax_amount: Amount | None = None
    line_items: Annotated[list[NewLine], Field(min_length=1, max_length=LINES_MAX)] | None = None
    external_source: Annotated[str, one_line(100)] | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None


class Reason(Body):
    """Why it is done; kept with the invoice or payment."""

    model_config = example(reason="Billed to the wrong customer")

    reason: Annotated[str, required_line(500)]


class InvoiceQuery(Body):
    """Which invoices. Both days are inclusive."""

    status: InvoiceStatus | None = None
    customer_id: Id | None = None
    due_before: Day | None = None
    due_after: Day | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None
    q: Annotated[str, one_line(200)] | None = Field(
        default=None,
        description="Part of the number, reference or purchase order, or of the customer's name, "
        "e-mail or reference.",
    )
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class InvoiceLineOut(Answer):
    """One line of an invoice."""

    invoice_line_item_id: Uuid
    line_number: int
    description: str
    quantity: Number
    unit_price: Money
    tax_rate: Number | None
    line_total: Money


class InvoiceHoldOut(Answer):
    """Why the invoice is not chased. `until` is inclusive."""

    kind: Literal["pause", "dispute", "promise"]
    until: Date | None
    amount: Money | None
    reason: str | None


class InvoiceOut(Answer):
    """An invoice. A draft has no number and owes nothing yet."""

    model_config = example(
        invoice_id="0199f0a3-02b4-7d0e-8c55-7d1f3a9be410",
        invoice_number="INV-000042",
        status="sent",
        customer_id=_CUSTOMER,
        customer_name="Hilltop Apartments LLC",
        issue_date="2026-03-04",
        due_date="2026-04-03",
        currency_code="USD",
        subtotal_amount="9240.00",
        tax_amount="762.30",
        total_amount="10002.30",
        paid_amount="0.00",
        credited_amount="0.00",
        balance_due="10002.30",
        sent_at="2026-03-04T18:00:00Z",
        paid_at=None,
        created_at="2026-03-04T17:58:12.310224Z",
        notes="Thank you.",
        purchase_order_number="PO-7781",
        external_source="roofing-jobs",
        external_reference_id="job-2207",
        hold=None,
        line_items=[
            {
                "invoice_line_item_id": "0199f0a3-02b4-7d0e-8c55-7d1f3a9be411",
                "line_number": 1,
                **_LINE,
                "line_total": "9240.00",
            }
        ],
    )

    invoice_id: Uuid
    invoice_number: str | None
    status: Status
    customer_id: Uuid
    customer_name: str
    issue_date: Date
    due_date: Date
    currency_code: str
    subtotal_amount: Money
    tax_amount: Money
    total_amount: Money
    paid_amount: Money
    credited_amount: Money
    balance_due: Money
    sent_at: Instant | None
    paid_at: Instant | None
    created_at: Instant
    notes: str | None
    purchase_order_number: str | None
    external_source: str | None
    external_reference_id: str | None
    hold: InvoiceHoldOut | None
    line_items: list[InvoiceLineOut]


class InvoicePage(Answer):
    """Some invoices, newest first."""

    items: list[InvoiceOut]
    next_cursor: str | None
