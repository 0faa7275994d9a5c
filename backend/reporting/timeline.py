"""The timeline of an invoice: everything that happened to it, each thing once, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_LOG
from backend.communications.models import COMMUNICATION_INVOICES, COMMUNICATIONS
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id
from backend.invoices.lifecycle import OPEN
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView, get_invoice
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENT_ATTEMPTS, AttemptOutcome
from backend.reporting.history import Context, Email, TimelineItem, promise_broken, tell
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
_OF_CHASING = (
    "customer.held",
    "customer.released",
    "customer.email_bounced",
    "customer.email_complained",
    "customer.email_cleared",
    "contact.logged",
)
# Of the customer only what bears on chasing; the rest is the customer's own story.
_OF_CUSTOMER = Statement(
    _AUDIT.where(
        _L.c.entity_type == "customer",
        _L.c.entity_id == sa.bindparam("customer_id", type_=Id()),
        _L.c.action.in_([constant(action) for action in _OF_CHASING]),
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
_ENDS_A_HOLD = frozenset({"invoice.held", "invoice.released", "promise.kept", "promise.broken"})


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
        (row.at, 1, row.sequence, tell(row, context))
        for row in reader.rows(_OF_CUSTOMER, customer_id=invoice.customer_id)
        if _concerns(row, invoice_id)
        and _is_open_after(earlier for earlier in own if earlier.sequence < row.sequence)
    ]
    emails = reader.rows(_OF_EMAILS, **one)
    told += [(item.at, 2, 0, item) for item in _broken_promises(reader, invoice, own, emails)]
    told += [(row.at, 3, row.sequence, tell(row, context)) for row in emails]
    told += [(row.at, 4, 0, _failed(row, context)) for row in reader.rows(_FAILED_ATTEMPTS, **one)]
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
    reader: Reader, invoice: InvoiceView, own: list[Any], emails: list[Any]
) -> Iterator[TimelineItem]:
    """An entry for each promise that was not kept and of which the audit log does not tell yet.

    It is broken when its day ends, at the tenant's midnight, with a balance open; before that when
    an evaluation as of a later day finds it so and chases. Once it is settled the log tells it.
    """
    zone = ZoneInfo(reader.tenant.time_zone)
    notices = [row for row in emails if row.action == "dunning.notice_queued"]
    for index, row in enumerate(own):
        if row.action != "invoice.held":
            continue
        hold = orjson.loads(row.data)["after"]
        if hold["kind"] != InvoiceHold.PROMISE or _is_settled(own[index + 1 :]):
            continue
        until = date.fromisoformat(hold["until"])
        ended = datetime.combine(until + timedelta(days=1), time.min, zone).astimezone(UTC)
        broken: list[tuple[datetime, str | None]] = [
            (notice.at, notice.correlation_id)
            for notice in notices
            if notice.sequence > row.sequence and _stands(own, index, notice.at)
        ]
        if row.at < ended <= reader.now and _stands(own, index, ended):
            broken.append((ended, None))
        if broken:
            at, correlation_id = min(broken, key=lambda found: found[0])
            title, detail = promise_broken(until)
            yield TimelineItem(
                at=at,
                type="promise.broken",
                title=title,
                detail=detail,
                actor=None,
                correlation_id=correlation_id,
                entity_type="invoice",
                entity_id=invoice.invoice_id,
            )


def _is_settled(later: list[Any]) -> bool:
    """Whether the next that is told of a promise's end is that it was kept, or broken."""
    ends = (row.action for row in later if row.action in _ENDS_A_HOLD)
    return next(ends, "").startswith("promise.")


def _stands(own: list[Any], promise: int, instant: datetime) -> bool:
    """Whether at that instant the promise still stood, and the invoice was open."""
    before = [row for row in own if row.at < instant]
    is_replaced = any(row.action in _ENDS_A_HOLD for row in before[promise + 1 :])
    return not is_replaced and _is_open_after(before)


def _concerns(row: Any, invoice_id: UUID) -> bool:
    """Not a call or a note that was about another invoice of the customer."""
    if row.action != "contact.logged":
        return True
    about = orjson.loads(row.data)["after"].get("invoice_id")
    return about is None or UUID(about) == invoice_id


def _is_open_after(own: Iterable[Any]) -> bool:
    """Whether the invoice is open when these things have happened to it."""
    is_open = False
    for row in own:
        status = (orjson.loads(row.data)["after"] or {}).get("status")
        if status is not None:
            is_open = status in OPEN
    return is_open
