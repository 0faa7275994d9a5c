"""The e-mail that reminds a customer, made from what is still true just before it is sent.

A reminder of the scheduled run is for its day and hours: one that comes too late is taken back
rather than kept for later, and the next run looks at everything anew. One that was taken back and
is wanted after all takes its steps again, unless its invoices were reminded of meanwhile.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.communications.contexts import OpenInvoice, dunning_context, issuer_of
from backend.communications.letters import Dropped, Letter, address_obstacle
from backend.communications.models import (
    COMMUNICATION_INVOICES,
    COMMUNICATIONS,
    CommunicationStatus,
    CommunicationType,
)
from backend.communications.queries import CommunicationView, get_communication
from backend.communications.template_store import tenant_source
from backend.customers.models import CUSTOMERS, CustomerHold
from backend.customers.queries import CustomerView, get_customer
from backend.db.statements import TENANT, Statement
from backend.dunning.candidates import PLAN_OF_CUSTOMER, get_default_plan_id
from backend.dunning.models import DUNNING_NOTICES, DUNNING_RUNS, DUNNING_STEPS
from backend.dunning.schedule import is_window_open
from backend.dunning.steps import steps_to_take_again
from backend.invoices.document import document_of
from backend.invoices.letters import EnclosedInvoice
from backend.invoices.models import INVOICES, InvoiceHold, InvoiceStatus
from backend.invoices.queries import get_invoice
from backend.unit_of_work import Reader

# Mail servers take some 20 MB; an invoice of 60 lines is 0.1 MB.
ENCLOSURES_MAX = 50

_OPEN = frozenset({InvoiceStatus.SENT, InvoiceStatus.OVERDUE})
_INVOICE_HELD = {
    InvoiceHold.PAUSE: "chasing it is paused",
    InvoiceHold.DISPUTE: "it is disputed",
    InvoiceHold.PROMISE: "it is promised",
}
_CUSTOMER_HELD = {
    CustomerHold.PAUSE: "chasing the customer is paused",
    CustomerHold.EXCLUDE: "the customer is excluded from chasing",
}

_N, _I, _LINK = DUNNING_NOTICES, INVOICES, COMMUNICATION_INVOICES
_M, _RUN, _STEP, _C = COMMUNICATIONS, DUNNING_RUNS, DUNNING_STEPS, CUSTOMERS
# One query for however many invoices a customer has: the letter is made inside a transaction too.
_INVOICES_OF = Statement(
    sa.select(
        _I.c.id.label("invoice_id"),
        _I.c.invoice_number,
        _I.c.status,
        _I.c.due_date,
        _I.c.balance_due,
        _I.c.currency_code,
        _I.c.hold_kind,
        _I.c.hold_until,
        _N.c.id.label("notice_id"),
    )
    .join(_LINK, sa.and_(_LINK.c.tenant_id == _I.c.tenant_id, _LINK.c.invoice_id == _I.c.id))
    .outerjoin(
        _N,
        sa.and_(
            _N.c.tenant_id == _LINK.c.tenant_id,
            _N.c.invoice_id == _LINK.c.invoice_id,
            _N.c.communication_id == _LINK.c.communication_id,
        ),
    )
    .where(_I.c.tenant_id == TENANT, _LINK.c.communication_id == sa.bindparam("communication_id"))
    .order_by(_I.c.due_date, _I.c.row_id)
)
_RUN_OF = Statement(
    sa.select(_RUN.c.as_of, _RUN.c.is_scheduled, _RUN.c.keeps_gap)
    .join(_M, sa.and_(_M.c.tenant_id == _RUN.c.tenant_id, _M.c.dunning_run_id == _RUN.c.id))
    .where(_RUN.c.tenant_id == TENANT, _M.c.id == sa.bindparam("communication_id"))
)
# Of the customer's plan as it is now; another plan has other subjects.
_SUBJECT = Statement(
    sa.select(_STEP.c.subject)
    .join(
        _C,
        sa.and_(_C.c.tenant_id == _STEP.c.tenant_id, _STEP.c.plan_id == PLAN_OF_CUSTOMER),
    )
    .where(
        _STEP.c.tenant_id == TENANT,
        _C.c.id == sa.bindparam("customer_id"),
        _STEP.c.step_number == sa.bindparam("step_number"),
        _STEP.c.template_key == sa.bindparam("template_key"),
    )
)
_OTHER_REMINDER = Statement(
    sa.select(sa.func.max(_M.c.reminded_on)).where(
        _M.c.tenant_id == TENANT,
        _M.c.reminded_on > sa.bindparam("gap_after", type_=sa.Date),
        _M.c.reminded_on < sa.bindparam("gap_before", type_=sa.Date),
        _M.c.customer_id == sa.bindparam("customer_id"),
        _M.c.id != sa.bindparam("communication_id"),
        _M.c.status != CommunicationStatus.FAILED,
    )
)


def dunning_letter(reader: Reader, communication_id: UUID, *, is_asked_for: bool = False) -> Letter:
    """The reminder as it should go out now, without the invoices that no longer belong in it.

    `is_asked_for`: a person wants it now, whatever the hour and the gap. Raises NotFound when the
    tenant has no such communication.
    """
    head = get_communication(reader, communication_id).head
    customer = get_customer(reader, head.customer_id)
    its_run = reader.one(_RUN_OF, communication_id=communication_id)
    day = max(its_run.as_of, reader.today)
    invoices = reader.rows(_INVOICES_OF, communication_id=communication_id)
    again: frozenset[UUID] = frozenset()
    if any(invoice.notice_id is None for invoice in invoices):
        again = steps_to_take_again(reader, communication_id, day)
    dropped = tuple(
        Dropped(invoice.invoice_id, reason)
        for invoice in invoices
        if (reason := _why_not(invoice, customer, day, again)) is not None
    )
    gone = {one.invoice_id for one in dropped}
    wanted = [invoice for invoice in invoices if invoice.invoice_id not in gone]
    obstacle = address_obstacle(customer)
    if not is_asked_for:
        obstacle = obstacle or _wrong_time(reader, its_run, communication_id, customer)
    if not wanted:
        reasons = sorted({one.reason for one in dropped})
        obstacle = f"Not sent, for it was no longer needed: {', '.join(reasons)}."
    issuer = reader.tenant.name
    return Letter(
        type=CommunicationType.DUNNING,
        template_key=head.template_key,
        customer_id=customer.customer_id,
        to_address=customer.email or head.to_address,
        from_name=issuer,
        invoice_ids=tuple(invoice.invoice_id for invoice in wanted),
        step_number=head.step_number,
        context=dunning_context(
            issuer_of(reader.tenant),
            customer.display_name,
            [_open_invoice(invoice, day) for invoice in wanted],
            today=day,
        )
        if wanted
        else {},
        source=tenant_source(reader, head.template_key, subject=_subject(reader, head)),
        reply_to=reader.tenant.reply_to_email,
        enclosures=tuple(
            EnclosedInvoice(document_of(get_invoice(reader, invoice.invoice_id), customer, issuer))
            for invoice in wanted[:ENCLOSURES_MAX]
        ),
        dropped=dropped,
        obstacle=obstacle,
    )


def _subject(reader: Reader, head: CommunicationView) -> str | None:
    """What the step's own subject is, or None for its template's."""
    subject: str | None = reader.scalar(
        _SUBJECT,
        customer_id=head.customer_id,
        step_number=head.step_number,
        template_key=head.template_key,
        default_plan_id=get_default_plan_id(reader),
    )
    return subject


def _wrong_time(
    reader: Reader, its_run: Any, communication_id: UUID, customer: CustomerView
) -> str | None:
    """Why this is not the time for the reminder, or None; the rules of when are the run's."""
    if its_run.is_scheduled and (
        its_run.as_of != reader.today or not is_window_open(reader.now, reader.tenant)
    ):
        return f"Not sent, for the sending hours of {its_run.as_of} were over."
    if its_run.keeps_gap:
        day = max(its_run.as_of, reader.today)
        gap = timedelta(days=reader.tenant.reminder_gap_days)
        other = reader.scalar(
            _OTHER_REMINDER,
            communication_id=communication_id,
            customer_id=customer.customer_id,
            gap_after=day - gap,
            gap_before=day + gap,
        )
        if other is not None:
            return f"Not sent, for the customer has another reminder, of {other}."
    return None


def _why_not(invoice: Any, customer: CustomerView, day: date, again: frozenset[UUID]) -> str | None:
    if invoice.status not in _OPEN:
        return f"it is {invoice.status}"
    if invoice.hold_kind is not None and _stands(invoice.hold_until, day):
        return _INVOICE_HELD[invoice.hold_kind]
    if customer.hold_kind is not None and _stands(customer.hold_until, day):
        return _CUSTOMER_HELD[customer.hold_kind]
    if invoice.notice_id is None and invoice.invoice_id not in again:
        return "it was reminded of since"
    return None


def _stands(until: date | None, day: date) -> bool:
    """Whether a hold is in force; its last day is included."""
    return until is None or until >= day


def _open_invoice(invoice: Any, day: date) -> OpenInvoice:
    promised = invoice.hold_kind is InvoiceHold.PROMISE
    broken = promised and invoice.hold_until is not None and invoice.hold_until < day
    return OpenInvoice(
        number=invoice.invoice_number or "",
        due_date=invoice.due_date,
        balance_due=invoice.balance_due,
        currency_code=invoice.currency_code,
        broken_promise_on=invoice.hold_until if broken else None,
    )
