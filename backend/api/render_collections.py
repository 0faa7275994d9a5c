"""From the views of collections to JSON; see `render`."""

from __future__ import annotations

from typing import Any

from backend.dunning.contacts import ContactView
from backend.money import currency
from backend.reporting.worklist import Worklist, WorklistRow

Json = dict[str, Any]


def contact(view: ContactView) -> Json:
    """A call or a note."""
    return {
        "contact_id": view.contact_id,
        "customer_id": view.customer_id,
        "invoice_id": view.invoice_id,
        "invoice_number": view.invoice_number,
        "kind": view.kind,
        "outcome": view.outcome,
        "note": view.note,
        "next_on": view.next_on,
        "created_by": view.created_by,
        "created_at": view.created_at,
        "correlation_id": view.correlation_id,
    }


def worklist_page(view: Worklist) -> Json:
    """A page of the worklist with its counts."""
    return {
        "as_of": view.as_of,
        "items": [_worklist_row(row) for row in view.items],
        "next_cursor": view.next_cursor,
        "total": view.total,
        "snoozed": view.snoozed,
        "counts": {reason.value: count for reason, count in view.counts.items()},
    }


def _worklist_row(row: WorklistRow) -> Json:
    money = currency(row.currency_code).text
    return {
        "customer_id": row.customer_id,
        "customer_name": row.customer_name,
        "phone": row.phone,
        "email": row.email,
        "currency_code": row.currency_code,
        "overdue_amount": money(row.overdue_amount),
        "held_amount": money(row.held_amount),
        "open_amount": money(row.open_amount),
        "invoice_count": row.invoice_count,
        "days_late": row.days_late,
        "reasons": list(row.reasons),
        "broken_promise_on": row.broken_promise_on,
        "last_contact": None if row.last_contact is None else contact(row.last_contact),
        "last_reminded_on": row.last_reminded_on,
        "next_on": row.next_on,
    }
