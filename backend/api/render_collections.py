"""From the views of collections to JSON; see `render`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backend.api.render import page
from backend.dunning.contacts import ContactView
from backend.money import currency
from backend.paging import Page
from backend.reporting.dso import CurrencyDso, Dso
from backend.reporting.promise_rate import EndedPromise, PromisedAmounts, PromiseRate
from backend.reporting.recovery import RecoveredBy, RecoveredRow, RecoveredTotal, Recovery
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


def recovery(view: Recovery, rows: Page[RecoveredRow]) -> Json:
    """Recovered money, with a page of what it is made of."""
    return {
        "since": view.since,
        "until": view.until,
        "formula": view.formula,
        "totals": [_recovered_total(one) for one in view.totals],
        "steps": [_recovered_by(one) for one in view.groups],
        **page(rows, _recovered_row),
    }


def _recovered_total(one: RecoveredTotal) -> Json:
    money = currency(one.currency_code).text
    return {
        "currency_code": one.currency_code,
        "amount": money(one.amount),
        "after_reminder": money(one.after_reminder),
        "payment_count": one.payment_count,
    }


def _recovered_by(one: RecoveredBy) -> Json:
    return {
        "currency_code": one.currency_code,
        "days_after_due": one.days_after_due,
        "template_key": one.template_key,
        "amount": currency(one.currency_code).text(one.amount),
        "payment_count": one.payment_count,
        "median_days": _number(one.median_days),
        "mean_days": _number(one.mean_days),
    }


def _recovered_row(row: RecoveredRow) -> Json:
    return {
        "application_id": row.application_id,
        "payment_id": row.payment_id,
        "invoice_id": row.invoice_id,
        "invoice_number": row.invoice_number,
        "customer_id": row.customer_id,
        "customer_name": row.customer_name,
        "currency_code": row.currency_code,
        "amount": currency(row.currency_code).text(row.amount),
        "paid_on": row.paid_on,
        "communication_id": row.communication_id,
        "days_after_due": row.days_after_due,
        "template_key": row.template_key,
        "reminded_on": row.reminded_on,
        "days": row.days,
    }


def promise_rate(view: PromiseRate, rows: Page[EndedPromise]) -> Json:
    """How many promises were kept, with a page of them."""
    return {
        "since": view.since,
        "until": view.until,
        "formula": view.formula,
        "kept_count": view.kept_count,
        "broken_count": view.broken_count,
        "rate": _number(view.rate),
        "currencies": [_promised_amounts(one) for one in view.currencies],
        **page(rows, _ended_promise),
    }


def _promised_amounts(one: PromisedAmounts) -> Json:
    money = currency(one.currency_code).text
    return {
        "currency_code": one.currency_code,
        "kept_count": one.kept_count,
        "broken_count": one.broken_count,
        "kept_amount": money(one.kept_amount),
        "broken_amount": money(one.broken_amount),
        "rate_by_amount": _number(one.rate_by_amount),
    }


def _ended_promise(row: EndedPromise) -> Json:
    return {
        "hold_id": row.hold_id,
        "invoice_id": row.invoice_id,
        "invoice_number": row.invoice_number,
        "customer_id": row.customer_id,
        "customer_name": row.customer_name,
        "currency_code": row.currency_code,
        "amount": currency(row.currency_code).text(row.amount),
        "until": row.until,
        "placed_on": row.placed_on,
        "ended_on": row.ended_on,
        "ended_as": row.ended_as,
    }


def dso(view: Dso) -> Json:
    """Days sales outstanding, with the months that were counted."""
    return {
        "as_of": view.as_of,
        "formula": view.formula,
        "currencies": [_currency_dso(one) for one in view.currencies],
    }


def _currency_dso(one: CurrencyDso) -> Json:
    money = currency(one.currency_code).text
    return {
        "currency_code": one.currency_code,
        "days": str(one.days),
        "receivable_amount": money(one.receivable_amount),
        "uncounted_amount": money(one.uncounted_amount),
        "months": [
            {
                "begins_on": month.begins_on,
                "days": month.days,
                "sales_amount": money(month.sales_amount),
                "counted_amount": money(month.counted_amount),
                "counted_days": str(month.counted_days),
            }
            for month in one.months
        ],
    }


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
