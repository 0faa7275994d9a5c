"""From the services' views to JSON: the names of the API, amounts as exact text.

Ids, dates and instants are left as they are: orjson writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from backend.communications.queries import CommunicationDetail, CommunicationView
from backend.communications.returns import Reported
from backend.communications.samples import variables_of
from backend.communications.template_store import TemplateView
from backend.customers.queries import CustomerView
from backend.dunning.holds import HoldRecordView, HoldView
from backend.dunning.plans import PlanView
from backend.dunning.preview import PreviewView
from backend.dunning.runs import RunView
from backend.invoices.queries import InvoiceView
from backend.money import currency
from backend.paging import Page
from backend.payments.queries import PaymentView
from backend.reporting.aging import Aging, AgingSums
from backend.reporting.history import TimelineItem
from backend.reporting.summary import CurrencySummary
from backend.webhooks.queries import WebhookEventDetail, WebhookEventView

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
    held = None
    if view.hold_kind is not None:
        held = {"kind": view.hold_kind, "until": view.hold_until, "reason": view.hold_reason}
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
        "hold": held,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }


def invoice(view: InvoiceView) -> Json:
    """An invoice with its lines."""
    money = currency(view.currency_code).text
    held = None
    if view.hold_kind is not None:
        held = {
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
        "hold": held,
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
        "refunded_amount": money(view.refunded_amount),
        "disputed_amount": money(view.disputed_amount),
        "reversed_amount": money(view.reversed_amount),
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


def hold(view: HoldView, currency_code: str) -> Json:
    """An invoice's hold."""
    amount = None if view.amount is None else currency(currency_code).text(view.amount)
    return {"kind": view.kind, "until": view.until, "amount": amount, "reason": view.reason}


def hold_record(view: HoldRecordView, currency_code: str) -> Json:
    """A hold that an invoice has or had."""
    money = currency(currency_code).text
    amount = None if view.amount is None else money(view.amount)
    return asdict(view) | {"amount": amount, "balance_then": money(view.balance_then)}


def plan(view: PlanView) -> Json:
    """A dunning plan with its steps."""
    return {
        "dunning_plan_id": view.dunning_plan_id,
        "name": view.name,
        "is_default": view.is_default,
        "is_active": view.is_active,
        "steps": [
            {
                "step_number": step.step_number,
                "days_after_due": step.days_after_due,
                "template_key": step.template_key,
                "channel": step.channel,
                "subject": step.subject,
            }
            for step in view.steps
        ],
    }


def preview(view: PreviewView) -> Json:
    """What a dunning run would do."""
    return {
        "as_of": view.as_of,
        "would_send": [
            {
                "customer_id": email.customer_id,
                "customer_name": email.customer_name,
                "to_address": email.to_address,
                "template_key": email.template_key,
                "last_reminded_on": email.last_reminded_on,
                "invoices": [
                    {
                        "invoice_id": step.invoice_id,
                        "invoice_number": step.invoice_number,
                        "step_number": step.step_number,
                        "balance_due": currency(step.currency_code).text(step.balance_due),
                        "currency_code": step.currency_code,
                        "due_date": step.due_date,
                    }
                    for step in email.invoices
                ],
            }
            for email in view.would_send
        ],
        "not_chased": [
            {
                "invoice_id": one.invoice_id,
                "invoice_number": one.invoice_number,
                "customer_id": one.customer_id,
                "customer_name": one.customer_name,
                "due_date": one.due_date,
                "balance_due": currency(one.currency_code).text(one.balance_due),
                "currency_code": one.currency_code,
                "reason": one.reason,
                "until": one.until,
                "next_step_on": one.next_step_on,
                "reminded_on": one.reminded_on,
            }
            for one in view.not_chased
        ],
    }


def dunning_run(view: RunView) -> Json:
    """What a run of chasing did."""
    return {
        "dunning_run_id": view.dunning_run_id,
        "as_of": view.as_of,
        "is_scheduled": view.is_scheduled,
        "keeps_gap": view.keeps_gap,
        "email_count": view.email_count,
        "invoice_count": view.invoice_count,
        "overdue_count": view.overdue_count,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
        "correlation_id": view.correlation_id,
        "skipped": [
            {"reason": skip.reason, "invoice_count": skip.invoice_count} for skip in view.skipped
        ],
    }


def communication(view: CommunicationView) -> Json:
    """A communication as lists show it."""
    return {
        "communication_id": view.communication_id,
        "channel": view.channel,
        "type": view.type,
        "status": view.status,
        "to_address": view.to_address,
        "subject": view.subject,
        "customer_id": view.customer_id,
        "invoice_ids": view.invoice_ids,
        "step_number": view.step_number,
        "created_at": view.created_at,
        "sent_at": view.sent_at,
        "error": view.error,
        "correlation_id": view.correlation_id,
    }


def communication_detail(view: CommunicationDetail) -> Json:
    """A communication with its bodies and attachments."""
    return {
        **communication(view.head),
        "text_body": view.text_body,
        "html_body": view.html_body,
        "template_problem": view.template_problem,
        "attachments": [
            {"filename": one.filename, "content_type": one.content_type, "size": one.size}
            for one in view.attachments
        ],
    }


def returned(communication_id: UUID, kind: str, report: Reported) -> Json:
    """What became of word that an e-mail came back."""
    return {
        "communication_id": communication_id,
        "address": report.address,
        "kind": kind,
        "is_new": report.is_new,
        "marked_customer_ids": list(report.marked),
    }


def email_template(view: TemplateView) -> Json:
    """An e-mail's wording, with what it may speak of."""
    return {
        "template_key": view.template_key,
        "name": view.name,
        "is_reminder": view.is_reminder,
        "is_own": view.is_own,
        "subject": view.source.subject,
        "text": view.source.text,
        "html": view.source.html,
        "updated_at": view.updated_at,
        "version": view.version,
        "variables": [asdict(one) for one in variables_of(view.template_key)],
    }


def summary(view: CurrencySummary) -> Json:
    """The billing summary of one currency."""
    money = currency(view.currency_code).text
    return {
        "currency_code": view.currency_code,
        "open_amount": money(view.open_amount),
        "overdue_amount": money(view.overdue_amount),
        "paid_amount": money(view.paid_amount),
        "unapplied_amount": money(view.unapplied_amount),
        "outstanding_amount": money(view.outstanding_amount),
        "open_invoice_count": view.open_invoice_count,
    }


def aging(view: Aging) -> Json:
    """The aging report."""
    return {
        "as_of": view.as_of,
        "currencies": [
            {
                "currency_code": one.currency_code,
                "totals": _aging_sums(one.totals, one.currency_code),
                "customers": [
                    {
                        "customer_id": customer.customer_id,
                        "customer_name": customer.customer_name,
                        **_aging_sums(customer.sums, one.currency_code),
                    }
                    for customer in one.customers
                ],
            }
            for one in view.currencies
        ],
    }


def _aging_sums(sums: AgingSums, currency_code: str) -> Json:
    money = currency(currency_code).text
    return {
        "current": money(sums.current),
        "days_1_30": money(sums.days_1_30),
        "days_31_60": money(sums.days_31_60),
        "days_61_90": money(sums.days_61_90),
        "days_over_90": money(sums.days_over_90),
        "unapplied": money(sums.unapplied),
        "outstanding": money(sums.outstanding),
        "disputed": money(sums.disputed),
    }


def entry(view: TimelineItem) -> Json:
    """One thing that happened."""
    return {
        "at": view.at,
        "type": view.type,
        "title": view.title,
        "detail": view.detail,
        "actor": view.actor,
        "correlation_id": view.correlation_id,
        "entity_type": view.entity_type,
        "entity_id": view.entity_id,
    }


def webhook_event(view: WebhookEventView) -> Json:
    """A webhook event."""
    return {
        "webhook_event_id": view.webhook_event_id,
        "provider": view.provider,
        "external_event_id": view.external_event_id,
        "event_type": view.event_type,
        "status": view.status,
        "signature": view.signature,
        "received_at": view.received_at,
        "processed_at": view.processed_at,
        "attempts": view.attempts,
        "error": view.error,
        "correlation_id": view.correlation_id,
        "webhook_endpoint_id": view.webhook_endpoint_id,
        "deliveries": view.deliveries,
        "last_delivered_at": view.last_delivered_at,
        "last_attempt_at": view.last_attempt_at,
        "latency_ms": view.latency_ms,
        "effect": view.effect,
        "codes": view.codes,
        "detail": view.detail,
        "payment_id": view.payment_id,
        "replay_requested_at": view.replay_requested_at,
    }


def webhook_event_detail(view: WebhookEventDetail) -> Json:
    """A webhook event with its body and headers."""
    return {
        **webhook_event(view.head),
        "payload": view.payload_text,
        "headers": view.headers,
    }
