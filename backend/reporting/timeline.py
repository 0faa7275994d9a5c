"""The timeline of an invoice: everything that happened to it, each thing once, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_LOG
from backend.communications.models import COMMUNICATION_INVOICES, COMMUNICATIONS
from backend.communications.wording import date_text
from backend.db.statements import TENANT, Statement
from backend.db.types import Id
from backend.invoices.lifecycle import OPEN
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView, get_invoice
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENT_ATTEMPTS, AttemptOutcome
from backend.reporting.history import Context, Email, TimelineItem, tell
from backend.unit_of_work import Reader

_L, _M, _LINK = AUDIT_LOG, COMMUNICATIONS, COMMUNICATION_INVOICES
_ALLOCATION, _ATTEMPT = PAYMENT_ALLOCATIONS, PAYMENT_ATTEMPTS
AUDIT_COLUMNS = (
    _L.c.sequence,
    _L.c.entity_type,
    _L.c.entity_id,
    _L.c.action,
    _L.c.actor,
    _L.c.at,
    _L.c.correlation_id,
    _L.c.data,
)
_INVOICE_ID: sa.BindParameter[UUID] = sa.bindparam("invoice_id", type_=Id())
_AUDIT = sa.select(*AUDIT_COLUMNS).where(_L.c.tenant_id == TENANT)
EMAILS_OF_INVOICE = sa.select(_LINK.c.communication_id).where(
    _LINK.c.tenant_id == TENANT, _LINK.c.invoice_id == _INVOICE_ID
)
PAYMENTS_OF_INVOICE = sa.select(_ALLOCATION.c.payment_id).where(
    _ALLOCATION.c.tenant_id == TENANT, _ALLOCATION.c.invoice_id == _INVOICE_ID
)
_OWN = Statement(
    _AUDIT.where(_L.c.entity_type == "invoice", _L.c.entity_id == _INVOICE_ID).order_by(
        _L.c.sequence
    )
)
_OF_EMAILS = Statement(
    _AUDIT.where(_L.c.entity_type == "communication", _L.c.entity_id.in_(EMAILS_OF_INVOICE))
)
_OF_PAYMENTS = Statement(
    _AUDIT.where(_L.c.entity_type == "payment", _L.c.entity_id.in_(PAYMENTS_OF_INVOICE))
)
_EMAILS = Statement(
    sa.select(_M.c.id, _M.c.type, _M.c.template_key, _M.c.to_address).where(
        _M.c.tenant_id == TENANT, _M.c.id.in_(EMAILS_OF_INVOICE)
    )
)
_FAILED_ATTEMPTS = Statement(
    sa.select(
        _ATTEMPT.c.at,
        _ATTEMPT.c.amount,
        _ATTEMPT.c.failure_code,
        _ATTEMPT.c.failure_message,
        _ATTEMPT.c.correlation_id,
    ).where(
        _ATTEMPT.c.tenant_id == TENANT,
        _ATTEMPT.c.invoice_id == _INVOICE_ID,
        _ATTEMPT.c.outcome == AttemptOutcome.FAILED,
    )
)


def list_invoice_timeline(reader: Reader, invoice_id: UUID) -> list[TimelineItem]:
    """Everything that happened to the invoice, oldest first. Raises NotFound."""
    reader.actor.require(Action.READ)
    invoice = get_invoice(reader, invoice_id)
    one = {"invoice_id": invoice_id}
    context = Context(
        invoice_id,
        invoice.invoice_number,
        invoice.currency_code,
        {row.id: Email(*row[1:]) for row in reader.rows(_EMAILS, **one)},
    )
    own = reader.rows(_OWN, **one)
    # Of a payment that was applied in steps, only the steps that concern this invoice.
    payments = [row for row in reader.rows(_OF_PAYMENTS, **one) if str(invoice_id) in row.data]
    # A payment and what it does to the invoice happen at one instant: the cause comes first.
    told = [(row.at, 0, row.sequence, tell(row, context)) for row in payments]
    told += [(row.at, 1, row.sequence, tell(row, context)) for row in own]
    told += [
        (row.at, 2, row.sequence, tell(row, context)) for row in reader.rows(_OF_EMAILS, **one)
    ]
    told += [(row.at, 3, 0, _failed(row, context)) for row in reader.rows(_FAILED_ATTEMPTS, **one)]
    told += [(item.at, 4, 0, item) for item in _broken_promises(reader, invoice, own)]
    return [item for *_, item in sorted(told, key=lambda entry: entry[:3])]


def _failed(row: Any, context: Context) -> TimelineItem:
    return TimelineItem(
        at=row.at,
        type="payment.failed",
        title=f"Payment of {context.money(row.amount)} failed",
        detail=f"{row.failure_message} ({row.failure_code})",
        actor=None,
        correlation_id=row.correlation_id,
    )


def _broken_promises(
    reader: Reader, invoice: InvoiceView, own: list[Any]
) -> Iterator[TimelineItem]:
    """An entry for each promise whose day ended, at the tenant's midnight, with a balance open."""
    zone = ZoneInfo(reader.tenant.time_zone)
    for index, row in enumerate(own):
        if row.action != "invoice.held":
            continue
        hold = orjson.loads(row.data)["after"]
        if hold["kind"] != InvoiceHold.PROMISE:
            continue
        until = date.fromisoformat(hold["until"])
        ended = datetime.combine(until + timedelta(days=1), time.min, zone).astimezone(UTC)
        if row.at < ended <= reader.now and _stands_open(own, index, ended):
            yield TimelineItem(
                at=ended,
                type="invoice.promise_broken",
                title="Promise to pay broken",
                detail=f"Payment was promised by {date_text(until)}; chasing resumes",
                actor=None,
                correlation_id=None,
                entity_type="invoice",
                entity_id=invoice.invoice_id,
            )


def _stands_open(own: list[Any], promise: int, ended: datetime) -> bool:
    """Whether at that instant the promise still stood, and the invoice was open."""
    is_open = False
    for index, row in enumerate(own):
        if row.at >= ended:
            break
        if index > promise and row.action in ("invoice.held", "invoice.released"):
            return False
        status = (orjson.loads(row.data)["after"] or {}).get("status")
        if status is not None:
            is_open = status in OPEN
    return is_open
