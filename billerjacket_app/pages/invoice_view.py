"""What the page of one invoice shows, as text; no Reflex in here."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.communications.queries import CommunicationFilter, list_communications
from backend.customers.queries import get_customer
from backend.invoices.models import InvoiceStatus
from backend.invoices.queries import InvoiceView, get_invoice
from backend.payments.queries import PaymentFilter, list_payments
from backend.reporting.history import TimelineItem
from backend.reporting.timeline import list_invoice_timeline
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import hold_form
from billerjacket_app.components.timeline import (
    Change,
    Entry,
    TimelineDay,
    count_folded,
    group_by_day,
)
from billerjacket_app.pages import rows
from billerjacket_app.pages.emails import EmailRow, email_row
from billerjacket_app.status import Badge

PAYMENTS_MAX = 50
EMAILS_MAX = 50
_OPEN = (InvoiceStatus.SENT, InvoiceStatus.OVERDUE)


@dataclass
class LineRow:
    """One line."""

    number: str = ""
    description: str = ""
    quantity: str = ""
    unit_price: str = ""
    tax_rate: str = ""
    total: str = ""


@dataclass
class AppliedRow:
    """A payment and what of it went to this invoice."""

    href: str = ""
    received: str = ""
    badge: Badge = field(default_factory=Badge)
    method: str = ""
    amount: str = ""
    applied: str = ""
    struck: bool = False


@dataclass
class InvoiceFacts:
    """The invoice's head: texts, and what may be done with it now."""

    invoice_id: str = ""
    number: str = ""
    badge: Badge = field(default_factory=Badge)
    customer: str = ""
    customer_href: str = ""
    recipient: str = ""
    issued: str = ""
    due: str = ""
    due_note: str = ""
    purchase_order: str = ""
    reference: str = ""
    notes: str = ""
    created: fmt.When = field(default_factory=fmt.When)
    sent: fmt.When = field(default_factory=fmt.When)
    closed_reason: str = ""
    hold: hold_form.HoldFacts = field(default_factory=hold_form.HoldFacts)
    subtotal: str = ""
    tax: str = ""
    total: str = ""
    paid: str = ""
    balance: str = ""
    balance_input: str = ""
    today: str = ""
    struck: bool = False
    is_draft: bool = False
    is_open: bool = False
    has_payments: bool = False
    pdf_href: str = ""
    edit_href: str = ""


@dataclass(frozen=True)
class InvoicePage:
    """All of the page."""

    title: str
    facts: InvoiceFacts
    currency_code: str
    lines: list[LineRow]
    payments: list[AppliedRow]
    emails: list[EmailRow]
    days: list[TimelineDay]
    folded: str


def load_invoice(reader: Reader, invoice_id: str, unfolded: bool) -> InvoicePage:
    """Everything about one invoice, over one snapshot. Raises NotFound."""
    invoice = get_invoice(reader, rows.record_id(invoice_id, "invoice"))
    number = invoice.invoice_number or "Draft"
    entries = [_entry(item) for item in list_invoice_timeline(reader, invoice.invoice_id)]
    return InvoicePage(
        title=f"{number} · Invoices · BillerJacket",
        facts=_facts(reader, invoice),
        currency_code=invoice.currency_code,
        lines=_lines(invoice),
        payments=_payments(reader, invoice),
        emails=_emails(reader, invoice),
        days=group_by_day(
            entries, zone=rows.zone_of(reader), today=reader.today, unfolded=unfolded
        ),
        folded=_folded(count_folded(entries), unfolded),
    )


def _facts(reader: Reader, invoice: InvoiceView) -> InvoiceFacts:
    zone, code = rows.zone_of(reader), invoice.currency_code
    customer = get_customer(reader, invoice.customer_id)
    is_open = invoice.status in _OPEN
    called_off = invoice.status in (InvoiceStatus.VOID, InvoiceStatus.CANCELLED)
    owed = is_open or invoice.status is InvoiceStatus.PAID
    return InvoiceFacts(
        invoice_id=str(invoice.invoice_id),
        number=invoice.invoice_number or "Draft",
        badge=rows.badge_of(reader, invoice),
        customer=invoice.customer_name,
        customer_href=routes.customer(invoice.customer_id),
        recipient=customer.email or "",
        issued=fmt.calendar(invoice.issue_date),
        due=fmt.calendar(invoice.due_date),
        due_note=fmt.due_in(invoice.due_date, reader.today) if is_open else "",
        purchase_order=invoice.purchase_order_number or fmt.NOTHING,
        reference=invoice.external_reference_id or fmt.NOTHING,
        notes=invoice.notes or "",
        created=fmt.when_exactly(invoice.created_at, zone),
        sent=fmt.when_exactly(invoice.sent_at, zone),
        closed_reason=invoice.close_reason or "",
        hold=hold_form.of_invoice(reader, invoice),
        subtotal=fmt.money(invoice.subtotal_amount, code),
        tax=fmt.money(invoice.tax_amount, code),
        total=fmt.money(invoice.total_amount, code),
        paid=fmt.money(invoice.paid_amount, code) if owed else fmt.NOTHING,
        balance=fmt.money(invoice.balance_due, code) if owed else fmt.NOTHING,
        balance_input=fmt.amount_input(invoice.balance_due, code),
        today=reader.today.isoformat(),
        struck=called_off,
        is_draft=invoice.status is InvoiceStatus.DRAFT,
        is_open=is_open,
        has_payments=invoice.paid_amount > 0,
        pdf_href=f"/files/invoices/{invoice.invoice_id}/pdf",
        edit_href=routes.with_query(routes.NEW_INVOICE, {"draft": invoice.invoice_id}),
    )


def _lines(invoice: InvoiceView) -> list[LineRow]:
    code = invoice.currency_code
    return [
        LineRow(
            number=str(line.line_number),
            description=line.description,
            quantity=fmt.quantity(line.quantity),
            unit_price=fmt.money(line.unit_price, code),
            tax_rate=fmt.NOTHING if line.tax_rate is None else f"{fmt.quantity(line.tax_rate)}%",
            total=fmt.money(line.line_total, code),
        )
        for line in invoice.line_items
    ]


def _payments(reader: Reader, invoice: InvoiceView) -> list[AppliedRow]:
    found = list_payments(reader, PaymentFilter(invoice_id=invoice.invoice_id), limit=PAYMENTS_MAX)
    shown = []
    for payment in found.items:
        applied = [p.amount for p in payment.allocations if p.invoice_id == invoice.invoice_id]
        row = rows.payment_row(payment)
        shown.append(
            AppliedRow(
                href=row.href,
                received=row.received,
                badge=row.badge,
                method=row.method,
                amount=row.amount,
                applied=fmt.money(applied[0], payment.currency_code) if applied else fmt.NOTHING,
                struck=row.struck,
            )
        )
    return shown


def _emails(reader: Reader, invoice: InvoiceView) -> list[EmailRow]:
    found = list_communications(
        reader, CommunicationFilter(invoice_id=invoice.invoice_id), limit=EMAILS_MAX
    )
    return [email_row(reader, email) for email in found.items]


def _folded(number: int, unfolded: bool) -> str:
    """The label of the button that shows or hides the steps of delivery; empty without any."""
    if not number:
        return ""
    return f"{'Hide' if unfolded else 'Show'} {fmt.count(number, 'delivery event')}"


def _entry(item: TimelineItem) -> Entry:
    href, link_text = _mentioned(item)
    changes = tuple(Change(name.replace("_", " "), *values) for name, *values in item.changes)
    return Entry(
        at=item.at,
        type=item.type,
        title=item.title,
        # The changes say in rows what the detail says in one line.
        detail="" if changes else item.detail or "",
        actor=item.actor or "by itself",
        correlation_id=item.correlation_id or "",
        about=str(item.entity_id or ""),
        href=href,
        link_text=link_text,
        changes=changes,
    )


def _mentioned(item: TimelineItem) -> tuple[str, str]:
    """The page of what an entry is about, when that is another thing than the invoice."""
    if item.entity_id is not None and item.entity_type == "payment":
        return routes.payment(item.entity_id), "payment"
    if item.entity_id is not None and item.entity_type == "communication":
        return routes.mailbox(open=item.entity_id), "e-mail"
    return "", ""
