"""Every way to name a row of another tenant, for the tests that try them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from backend.communications.letters import ready_letter
from backend.communications.models import ReturnKind
from backend.communications.queries import (
    CommunicationFilter,
    get_attachment,
    get_communication,
    list_communications,
)
from backend.communications.returns import clear_return, list_returns, report_return
from backend.communications.service import (
    find_standing,
    mark_failed,
    mark_sent,
    note_problem,
    reopen_failed,
    send_again,
)
from backend.communications.templates import default_template
from backend.customers.models import CustomerHold
from backend.customers.queries import CustomerFilter, find_customer, get_customer, list_customers
from backend.customers.service import update_customer
from backend.dunning.contacts import LogContact, list_contacts, log_contact, newest_contact
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    hold_overdue,
    list_holds,
    release_customer,
    release_invoice,
)
from backend.dunning.letters import dunning_letter
from backend.dunning.models import ContactKind
from backend.dunning.plan_effect import customer_plan_effect, plan_effect
from backend.dunning.plans import get_plan, list_plans, planned_change, update_plan
from backend.dunning.preview import preview_run
from backend.dunning.progress import list_progress
from backend.dunning.runs import get_run, list_runs
from backend.dunning.template_trial import preview_template, send_test
from backend.errors import NotFound
from backend.ids import new_id
from backend.invoices.balances import find_balance, open_balances
from backend.invoices.document import build_invoice_document
from backend.invoices.drafts import CreateInvoice, create_invoice, update_invoice
from backend.invoices.letters import invoice_letter
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import (
    InvoiceFilter,
    count_by_status,
    find_invoice,
    get_invoice,
    list_invoices,
    total_invoices,
)
from backend.invoices.service import cancel_invoice, send_invoice, void_invoice
from backend.invoices.totals import LineInput
from backend.paging import encode_cursor
from backend.payments.credit import allocate_credit
from backend.payments.letters import receipt_letter
from backend.payments.queries import PaymentFilter, find_payment, get_payment, list_payments
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment, try_payment
from backend.reporting.activity import ActivityFilter, export_activity, list_activity, list_choices
from backend.reporting.aging import get_aging
from backend.reporting.dashboard import get_dashboard
from backend.reporting.dso import get_dso
from backend.reporting.recovery import list_recovered, recovered
from backend.reporting.summary import get_billing_summary
from backend.reporting.timeline import list_invoice_timeline
from backend.reporting.trace import list_trace
from backend.reporting.worklist import worklist
from backend.support.archive import get_archived, list_archive
from backend.support.jobs import cancel_job, get_job, list_items, list_jobs
from backend.webhooks.endpoints import (
    activate_endpoint,
    add_secret,
    count_refused,
    deactivate_endpoint,
    get_endpoint,
    list_endpoints,
    retire_secret,
)
from backend.webhooks.plan import plan_selected
from backend.webhooks.queries import WebhookEventFilter, find_event, get_event, list_events
from backend.webhooks.replay import count_matching, replay_event, replay_events
from backend.webhooks.secrets import SecretBox

SECRET = "Zyxwvut"  # in every text of the other tenant's rows, and nowhere else


@dataclass(frozen=True)
class Ids:
    """The ids of somebody's rows."""

    customer: UUID
    draft: UUID
    sent: UUID
    payment: UUID
    plan: UUID
    communication: UUID
    queued: UUID
    attachment: UUID
    message: UUID
    endpoint: UUID
    event: UUID
    run: UUID
    job: UUID
    archived: UUID

    @classmethod
    def of_nobody(cls) -> Ids:
        return cls(*(new_id() for _ in fields(cls)))


def _after(first: Callable[[], object], then: Callable[..., object], *arguments: object) -> None:
    first()
    then(*arguments)


_LINES = [LineInput("x", "1", "1.00")]
BOX = SecretBox("k" * 32)

# Every way to name a row by its id, tried with the other tenant's ids and with ids of nobody.
# A value stands for the function itself with the named id as its only argument.
ATTEMPTS: dict[Callable[..., Any], Any] = {
    find_customer: "customer",
    get_customer: "customer",
    update_customer: lambda work, ids: update_customer(work, ids.customer, {"phone": "1"}),
    find_balance: "sent",
    open_balances: lambda reader, ids: open_balances(reader, ids.customer, "USD"),
    build_invoice_document: "sent",
    update_invoice: lambda work, ids: update_invoice(work, ids.draft, {"notes": "x"}),
    invoice_letter: "sent",
    find_invoice: "sent",
    get_invoice: "draft",
    send_invoice: "draft",
    void_invoice: lambda work, ids: void_invoice(work, ids.sent, "x"),
    cancel_invoice: lambda work, ids: cancel_invoice(work, ids.sent, "x"),
    receipt_letter: "payment",
    find_payment: "payment",
    get_payment: "payment",
    reverse_payment: lambda work, ids: reverse_payment(work, ids.payment, "x"),
    allocate_credit: lambda work, ids: allocate_credit(work, ids.payment, None),
    hold_invoice: lambda work, ids: hold_invoice(work, ids.sent, HoldInvoice(InvoiceHold.PAUSE)),
    release_invoice: "sent",
    hold_overdue: lambda work, ids: hold_overdue(
        work, ids.customer, HoldInvoice(InvoiceHold.PAUSE)
    ),
    list_holds: "sent",
    log_contact: lambda work, ids: log_contact(
        work, ids.customer, LogContact(ContactKind.NOTE, note="x")
    ),
    list_contacts: "customer",
    newest_contact: "customer",
    hold_customer: lambda work, ids: hold_customer(
        work, ids.customer, HoldCustomer(CustomerHold.EXCLUDE)
    ),
    release_customer: "customer",
    dunning_letter: "queued",
    update_plan: lambda work, ids: update_plan(work, ids.plan, {"name": "x"}),
    get_plan: "plan",
    planned_change: lambda reader, ids: planned_change(reader, ids.plan, {"name": "x"}),
    plan_effect: lambda reader, ids: plan_effect(reader, ids.plan, {"name": "x"}),
    customer_plan_effect: lambda reader, ids: customer_plan_effect(reader, ids.customer, None),
    get_run: "run",
    get_communication: "communication",
    get_attachment: lambda reader, ids: get_attachment(reader, ids.communication, ids.attachment),
    find_standing: lambda reader, ids: (
        find_standing(reader, communication_id=ids.communication),
        find_standing(reader, source_message_id=ids.message),
    ),
    mark_sent: lambda work, ids: mark_sent(work, ids.queued, "x"),
    mark_failed: lambda work, ids: mark_failed(work, ids.queued, "x"),
    report_return: lambda work, ids: report_return(
        work, ids.communication, None, ReturnKind.BOUNCED, "x", "test"
    ),
    list_returns: "customer",
    clear_return: "customer",
    ready_letter: "communication",
    preview_template: lambda reader, ids: preview_template(
        reader, "invoice", default_template("invoice"), ids.sent
    ),
    send_test: lambda work, ids: send_test(
        work, "invoice", default_template("invoice"), ids.sent, "me@example.com"
    ),
    note_problem: lambda work, ids: note_problem(work, ids.queued, "x"),
    send_again: "communication",
    reopen_failed: "queued",
    get_job: "job",
    list_items: "job",
    cancel_job: "job",
    get_archived: "archived",
    list_invoice_timeline: "sent",
    get_billing_summary: lambda reader, ids: get_billing_summary(reader, customer_id=ids.customer),
    add_secret: lambda work, ids: len(add_secret(work, BOX, ids.endpoint)),
    # Two secrets are good, so that there is one to retire.
    retire_secret: lambda work, ids: _after(
        lambda: add_secret(work, BOX, ids.endpoint), retire_secret, work, ids.endpoint
    ),
    deactivate_endpoint: "endpoint",
    activate_endpoint: lambda work, ids: _after(
        lambda: deactivate_endpoint(work, ids.endpoint), activate_endpoint, work, ids.endpoint
    ),
    get_endpoint: "endpoint",
    count_refused: lambda work, ids: count_refused(work, ids.endpoint, 1, "x"),
    find_event: "event",
    get_event: "event",
    plan_selected: lambda reader, ids: plan_selected(reader, [ids.event]),
    replay_event: "event",
    replay_events: lambda work, ids: replay_events(work, [ids.event]),
}
# The same for ids inside a command, a filter or a cursor.
NAMED_INSIDE: dict[str, Callable[[Any, Ids], Any]] = {
    "an invoice for their customer": lambda work, ids: create_invoice(
        work, CreateInvoice(ids.customer, _LINES)
    ),
    "a payment of their customer": lambda work, ids: record_payment(
        work, RecordPayment("1.00", customer_id=ids.customer)
    ),
    "a payment of their invoice": lambda work, ids: record_payment(
        work, RecordPayment("1.00", invoice_id=ids.sent)
    ),
    "a payment of their draft": lambda work, ids: record_payment(
        work, RecordPayment("1.00", invoice_id=ids.draft)
    ),
    "an attempt to pay their invoice": lambda work, ids: try_payment(
        work, RecordPayment("1000.00", invoice_id=ids.sent)
    ),
    "their invoices by customer": lambda reader, ids: list_invoices(
        reader, InvoiceFilter(customer_id=ids.customer)
    ),
    "their totals by customer": lambda reader, ids: total_invoices(
        reader, InvoiceFilter(customer_id=ids.customer)
    ),
    "their payments by customer": lambda reader, ids: list_payments(
        reader, PaymentFilter(customer_id=ids.customer)
    ),
    "their payments by invoice": lambda reader, ids: list_payments(
        reader, PaymentFilter(invoice_id=ids.sent)
    ),
    "their e-mails by customer": lambda reader, ids: list_communications(
        reader, CommunicationFilter(customer_id=ids.customer)
    ),
    "their e-mails by invoice": lambda reader, ids: list_communications(
        reader, CommunicationFilter(invoice_id=ids.sent)
    ),
    "their customer as a cursor": lambda reader, ids: list_customers(
        reader, cursor=encode_cursor(ids.customer)
    ),
    "their invoice as a cursor": lambda reader, ids: list_invoices(
        reader, cursor=encode_cursor(ids.sent)
    ),
    "their invoice as a cursor of another order": lambda reader, ids: list_invoices(
        reader, cursor=encode_cursor(ids.sent), sort="customer"
    ),
    "their payment as a cursor": lambda reader, ids: list_payments(
        reader, cursor=encode_cursor(ids.payment)
    ),
    "their e-mail as a cursor": lambda reader, ids: list_communications(
        reader, cursor=encode_cursor(ids.communication)
    ),
    "their webhooks by endpoint": lambda reader, ids: list_events(
        reader, WebhookEventFilter(endpoint_id=ids.endpoint)
    ),
    "the count of their webhooks by endpoint": lambda reader, ids: count_matching(
        reader, WebhookEventFilter(endpoint_id=ids.endpoint)
    ),
    "their webhook as a cursor": lambda reader, ids: list_events(
        reader, cursor=encode_cursor(ids.event)
    ),
    "their job as a cursor": lambda reader, ids: list_jobs(reader, cursor=encode_cursor(ids.job)),
    "their archived message as a cursor": lambda reader, ids: list_archive(
        reader, cursor=encode_cursor(ids.archived)
    ),
    "their run as a cursor": lambda reader, ids: list_runs(reader, cursor=encode_cursor(ids.run)),
    "their plan as a cursor": lambda reader, ids: list_plans(
        reader, cursor=encode_cursor(ids.plan)
    ),
    "what happened to their invoice": lambda reader, ids: list_activity(
        reader, ActivityFilter(entity_type="invoice", entity_id=ids.sent)
    ),
    "what happened to their customer, whatever it is": lambda reader, ids: list_activity(
        reader, ActivityFilter(entity_id=ids.customer)
    ),
    "an export of what happened to their payment": lambda reader, ids: export_activity(
        reader, ActivityFilter(entity_id=ids.payment)
    ),
}
# Take rows that were found in the same transaction, never an id from outside.
INNER = {
    "sweep_overdue",  # a stretch of customers, whoever they are
    "clear_hold",
    "settle_steps",
    "steps_to_take_again",
    "take_steps_again",
    "take_steps",
    "verdict_params",
    "keep_contents",
    "queue_email",
    "record_attempt",
    "wanted_shares",
    "apply_shares",
    "spend_credit",
    "take_out",
    "put_back",
    "taken_from",
    "get_tenant_of_endpoint",  # for the platform's people only
    # Carry out a job that was found before, whoever's it is.
    "due_jobs",
    "take_job",
    "own_job",
    "renew",
    "cancel_waiting",
    "close_if_done",
    "told_to",
    "add_to_archive",
}


def _trace_of(name: str) -> Callable[[Any, Ids], Any]:
    return lambda reader, ids: list_trace(reader, str(getattr(ids, name)))


NAMED_INSIDE |= {
    f"the trace of their {name}": _trace_of(name)
    for name in (
        "customer",
        "sent",
        "payment",
        "plan",
        "queued",
        "message",
        "event",
        "endpoint",
        "job",
    )
}


def _trace_or_nothing(reader: Any, wanted: str) -> list[Any]:
    try:
        return list_trace(reader, wanted)
    except NotFound:
        return []


WHOLE: dict[str, Callable[[Any], Any]] = {
    "customers": list_customers,
    "customers by name": lambda r: list_customers(r, CustomerFilter(q=SECRET)),
    "customers by two letters": lambda r: list_customers(r, CustomerFilter(q=SECRET[:2])),
    "customers by reference": lambda r: list_customers(
        r, CustomerFilter(external_reference_id=SECRET, external_source=SECRET)
    ),
    "invoices": list_invoices,
    "invoices by text": lambda r: list_invoices(r, InvoiceFilter(q=SECRET)),
    "invoices by two letters": lambda r: list_invoices(r, InvoiceFilter(q=SECRET[:2])),
    "invoices by reference": lambda r: list_invoices(
        r, InvoiceFilter(external_reference_id=SECRET)
    ),
    "totals": total_invoices,
    "totals by text": lambda r: total_invoices(r, InvoiceFilter(q=SECRET)),
    "counts": count_by_status,
    "payments": list_payments,
    "e-mails": list_communications,
    "plans": list_plans,
    "runs": list_runs,
    "progress": list_progress,
    "webhook endpoints": list_endpoints,
    "webhooks": list_events,
    "webhooks by the provider's id": lambda r: list_events(
        r, WebhookEventFilter(external_event_id=SECRET)
    ),
    "count of webhooks": lambda r: count_matching(r, WebhookEventFilter()),
    "trace of the provider's id": lambda r: _trace_or_nothing(r, SECRET),
    "jobs": list_jobs,
    "archive": list_archive,
    "preview": preview_run,
    "dashboard": get_dashboard,
    "aging": get_aging,
    "worklist": worklist,
    "recovered money": recovered,
    "rows of recovered money": list_recovered,
    "days sales outstanding": get_dso,
    "worklist by name": lambda r: worklist(r, q=SECRET),
    "summary": get_billing_summary,
    "activity": list_activity,
    "an export of the activity": lambda r: export_activity(r, ActivityFilter()),
    "who acted": lambda r: list_choices(r, "actor"),
    "summary by reference": lambda r: get_billing_summary(r, external_reference_id=SECRET),
}
