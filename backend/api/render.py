"""From the services' views to JSON: the names of the API, amounts as exact text.

Ids, dates and instants are left as they are: orjson writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from backend.customers.queries import CustomerView
from backend.invoices.queries import InvoiceView
from backend.money import currency
from backend.paging import Page
from backend.payments.queries import PaymentView

T = TypeVar("T")
Json = dict[str, Any]


def page(found: Page[T], render: Callable[[T], Json]) -> Json:
    """A page of a list."""
    return {"items": [render(one) for one in found.items], "next_cursor": found.next_cursor}


def number(value: Decimal | None) -> str | None:
    """A quantity or rate without the zeros that say nothing: "2.5", "24"."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def customer(view: CustomerView) -> Json:
    """A customer."""
    hold = None
    if view.hold_kind is not None:
        hold = {"kind": view.hold_kind, "until": view.hold_until, "reason": view.hold_reason}
    return {
        "customer_id": view.customer_id,
        "display_name": view.display_name,
        "email": view.email,
        "email_status": view.email_status,
        "phone": view.phone,
        "billing_address": view.billing_address,
        "payment_terms_days": view.payment_terms_days,
        "external_source": view.external_source,
        "external_reference_id": view.external_reference_id,
        "dunning_plan_id": view.dunning_plan_id,
        "hold": hold,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }


def invoice(view: InvoiceView) -> Json:
    """An invoice with its lines."""
    money = currency(view.currency_code).text
    hold = None
    if view.hold_kind is not None:
        hold = {
            "kind": view.hold_kind,
            "until": view.hold_until,
            "amount": None if view.hold_amount is None else money(view.hold_amount),
            "reason": view.hold_reason,
        }
    return {
        "invoice_id": view.invoice_id,
        "invoice_number": view.invoice_number,
        "status": view.status,
        "customer_id": view.customer_id,
        "customer_name": view.customer_name,
        "issue_date": view.issue_date,
        "due_date": view.due_date,
        "currency_code": view.currency_code,
        "subtotal_amount": money(view.subtotal_amount),
        "tax_amount": money(view.tax_amount),
        "total_amount": money(view.total_amount),
        "paid_amount": money(view.paid_amount),
        "credited_amount": money(view.credited_amount),
        "balance_due": money(view.balance_due),
        "sent_at": view.sent_at,
        "paid_at": view.paid_at,
        "created_at": view.created_at,
        "notes": view.notes,
        "purchase_order_number": view.purchase_order_number,
        "external_source": view.external_source,
        "external_reference_id": view.external_reference_id,
        "hold": hold,
        "line_items": [
            {
                "invoice_line_item_id": line.invoice_line_item_id,
                "line_number": line.line_number,
                "description": line.description,
                "quantity": number(line.quantity),
                "unit_price": money(line.unit_price),
                "tax_rate": number(line.tax_rate),
                "line_total": money(line.line_total),
            }
            for line in view.line_items
        ],
    }


def payment(view: PaymentView) -> Json:
    """A payment with its allocations."""
    money = currency(view.currency_code).text
    return {
        "payment_id": view.payment_id,
        "customer_id": view.customer_id,
        "amount": money(view.amount),
        "applied_amount": money(view.applied_amount),
        "unapplied_amount": money(view.unapplied_amount),
        "currency_code": view.currency_code,
        "method": view.method,
        "status": view.status,
        "received_on": view.received_on,
        "applied_at": view.applied_at,
        "external_provider": view.external_provider,
        "external_payment_id": view.external_payment_id,
        "note": view.note,
        "correlation_id": view.correlation_id,
        "created_at": view.created_at,
        "allocations": [
            {
                "invoice_id": part.invoice_id,
                "invoice_number": part.invoice_number,
                "amount": money(part.amount),
            }
            for part in view.allocations
        ],
    }
