"""Promises to pay, settled: kept when the balance fell by what was promised, else broken.

A promise stands until the end of its last day in the tenant's zone. It is kept as soon as the
invoice's balance has fallen by the promised amount (by all of it when none was named), and then
says nothing any more: the invoice is chased for what is left. When its day has passed, what counts
is the ledger up to that day, so a payment that was received in time and written down late still
keeps it. A broken promise stays on the invoice with its past day, where the next reminder and the
worklist find it, and holds nothing.

Any number of workers may settle: who comes second finds the promise ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from backend.db.statements import TENANT, PlatformStatement, Statement, at_most, constant
from backend.dunning.holds import HoldView, clear_hold, hold_facts
from backend.dunning.models import INVOICE_HOLDS, HoldEnd
from backend.invoices.models import INVOICES, InvoiceHold, InvoiceStatus
from backend.ledger.models import LEDGER_POSTINGS, Account
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, UnitOfWork

# In one transaction; a thousand promises may end on the same day.
SETTLED_AT_ONCE = 500

_H, _I, _T, _POST = INVOICE_HOLDS, INVOICES, TENANTS, LEDGER_POSTINGS
_STANDING = (_H.c.kind == constant("promise"), _H.c.ended_on.is_(None))
_OF_ITS_INVOICE = sa.and_(_I.c.tenant_id == _H.c.tenant_id, _I.c.id == _H.c.invoice_id)
# Of void and cancelled ones nothing is due either.
_IS_DECIDED = sa.and_(
    _I.c.status != constant("draft"),
    sa.or_(
        _I.c.balance_due == constant(0),
        _I.c.balance_due <= _H.c.balance_then - _H.c.amount,
    ),
)
_HAS_PASSED = _H.c.until < sa.bindparam("today", type_=sa.Date)
# Where there are no promises, this is a look at an empty index.
_TENANTS = PlatformStatement(
    sa.select(
        _H.c.tenant_id,
        _T.c.time_zone,
        sa.func.min(_H.c.until).label("first_until"),
        sa.func.max(sa.case((_IS_DECIDED, constant(1)), else_=constant(0))).label("is_decided"),
    )
    .select_from(_H.join(_I, _OF_ITS_INVOICE).join(_T, _T.c.id == _H.c.tenant_id))
    .where(*_STANDING, sa.or_(_HAS_PASSED, _IS_DECIDED))
    .group_by(_H.c.tenant_id, _T.c.time_zone)
)
# An invoice that enters the ledger after the promised day owed nothing in it until then.
_THEN = (
    sa.select(sa.func.coalesce(sa.func.sum(_POST.c.amount), constant(0)))
    .where(
        _POST.c.tenant_id == _H.c.tenant_id,
        _POST.c.invoice_id == _H.c.invoice_id,
        _POST.c.account == constant(Account.ACCOUNTS_RECEIVABLE.value),
        # Both for the index only.
        _POST.c.currency_code == _I.c.currency_code,
        _POST.c.customer_id == _I.c.customer_id,
        sa.or_(_POST.c.entry_day <= _H.c.until, _POST.c.entry_day <= _I.c.posted_on),
    )
    .correlate(_H, _I)
    .scalar_subquery()
)
_MINE = Statement(
    sa.select(
        _H.c.id.label("hold_id"),
        _H.c.invoice_id,
        _H.c.until,
        _H.c.amount,
        _H.c.reason,
        _H.c.balance_then,
        _I.c.version,
        _I.c.status,
        _I.c.balance_due,
        sa.type_coerce(_THEN, _I.c.balance_due.type).label("balance_on_day"),
    )
    .join(_I, _OF_ITS_INVOICE)
    .where(_H.c.tenant_id == TENANT, *_STANDING, sa.or_(_HAS_PASSED, _IS_DECIDED))
    .order_by(_H.c.until, _H.c.row_id)
    .limit(at_most(SETTLED_AT_ONCE))
)
# By its own id: what took its place meanwhile is not broken.
_BREAK = Statement(
    sa.update(_H)
    .where(_H.c.tenant_id == TENANT, _H.c.id == sa.bindparam("hold_id"), _H.c.ended_on.is_(None))
    .values(
        ended_on=sa.bindparam("today"),
        ended_at=sa.bindparam("now"),
        ended_as=HoldEnd.BROKEN,
    )
)
# Nothing can be owed on these.
_CLOSED = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.VOID, InvoiceStatus.CANCELLED})


def tenants_with_promises_to_settle(reader: Reader) -> list[UUID]:
    """Tenants with a promise that is decided or whose last day is over, for the platform."""
    earliest_midnight = (reader.now + timedelta(hours=14)).date()
    return [
        row.tenant_id
        for row in reader.rows(_TENANTS, today=earliest_midnight)
        if row.is_decided or row.first_until < reader.now.astimezone(ZoneInfo(row.time_zone)).date()
    ]


def settle_promises(work: UnitOfWork) -> int:
    """End the tenant's promises that were kept or broken, SETTLED_AT_ONCE at most; how many."""
    found = work.rows(_MINE, today=work.today)
    for row in found:
        _settle(work, row)
    return len(found)


def _settle(work: UnitOfWork, row: Any) -> None:
    promise = HoldView(InvoiceHold.PROMISE, row.until, row.amount, row.reason)
    facts = hold_facts(promise)
    if row.status in _CLOSED:
        clear_hold(work, row.invoice_id, row.version, HoldEnd.RELEASED)
        work.record("invoice.released", "invoice", row.invoice_id, before=facts)
        return
    # More than was open cannot be paid.
    promised = row.balance_then if row.amount is None else min(row.amount, row.balance_then)
    is_over = row.until < work.today
    balance = row.balance_on_day if is_over else row.balance_due
    seen = {"until": row.until, "promised": promised, "paid": row.balance_then - balance}
    if row.balance_then - balance >= promised:
        clear_hold(work, row.invoice_id, row.version, HoldEnd.KEPT)
        work.record("promise.kept", "invoice", row.invoice_id, before=facts, after=seen)
    elif work.execute(_BREAK, hold_id=row.hold_id, today=work.today, now=work.now) == 1:
        work.record("promise.broken", "invoice", row.invoice_id, before=facts, after=seen)
