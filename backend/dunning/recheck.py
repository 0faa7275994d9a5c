"""The last look before a reminder leaves: which of its invoices may still be chased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS, CustomerHold
from backend.db.statements import TENANT, Statement
from backend.dunning.candidates import NotChased
from backend.dunning.models import DUNNING_NOTICES
from backend.invoices.lifecycle import OPEN
from backend.invoices.models import INVOICES, InvoiceHold
from backend.unit_of_work import Reader

_I, _C, _NOTICE = INVOICES, CUSTOMERS, DUNNING_NOTICES
_INVOICES = Statement(
    sa.select(
        _I.c.id.label("invoice_id"),
        _I.c.invoice_number,
        _I.c.status,
        _I.c.due_date,
        _I.c.balance_due,
        _I.c.currency_code,
        _I.c.hold_kind,
        _I.c.hold_until,
        _C.c.hold_kind.label("customer_hold_kind"),
        _C.c.hold_until.label("customer_hold_until"),
        _NOTICE.c.step_number,
        _NOTICE.c.noticed_on,
    )
    .join(_NOTICE, sa.and_(_NOTICE.c.tenant_id == _I.c.tenant_id, _NOTICE.c.invoice_id == _I.c.id))
    .join(_C, sa.and_(_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id))
    .where(_I.c.tenant_id == TENANT, _NOTICE.c.communication_id == sa.bindparam("communication_id"))
    .order_by(_I.c.due_date, _I.c.row_id)
)
_HELD_REASONS = {
    InvoiceHold.DISPUTE: NotChased.DISPUTED,
    InvoiceHold.PAUSE: NotChased.PAUSED,
    InvoiceHold.PROMISE: NotChased.PROMISED,
}
_CUSTOMER_HELD_REASONS = {
    CustomerHold.EXCLUDE: NotChased.CUSTOMER_EXCLUDED,
    CustomerHold.PAUSE: NotChased.CUSTOMER_PAUSED,
}


@dataclass(frozen=True, slots=True)
class NoticedInvoice:
    """An invoice that a reminder was queued for.

    `noticed_on` is the day the run was for. `broken_promise_on` is the day by which payment was
    promised and did not come. `obstacle`: why it may no longer be chased (a NotChased reason, or
    the status of an invoice that is not open any more), or None.
    """

    invoice_id: UUID
    invoice_number: str
    due_date: date
    balance_due: Decimal
    currency_code: str
    step_number: int
    noticed_on: date
    broken_promise_on: date | None
    obstacle: str | None


def noticed_invoices(reader: Reader, communication_id: UUID) -> list[NoticedInvoice]:
    """Every invoice that the reminder was queued for, oldest due first."""
    reader.actor.require(Action.READ)
    rows = reader.rows(_INVOICES, communication_id=communication_id)
    return [_noticed(row, max(row.noticed_on, reader.today)) for row in rows]


def still_due(reader: Reader, communication_id: UUID) -> list[NoticedInvoice]:
    """Those of them that may still be chased: open, and held by nothing today."""
    return [one for one in noticed_invoices(reader, communication_id) if one.obstacle is None]


def _noticed(row: Any, day: date) -> NoticedInvoice:
    broken = row.hold_kind is InvoiceHold.PROMISE and row.hold_until < day
    return NoticedInvoice(
        row.invoice_id,
        row.invoice_number,
        row.due_date,
        row.balance_due,
        row.currency_code,
        row.step_number,
        row.noticed_on,
        row.hold_until if broken else None,
        _obstacle(row, day),
    )


def _obstacle(row: Any, day: date) -> str | None:
    if row.status not in OPEN:
        return str(row.status)
    if _stands(row.customer_hold_kind, row.customer_hold_until, day):
        return _CUSTOMER_HELD_REASONS[row.customer_hold_kind]
    if _stands(row.hold_kind, row.hold_until, day):
        return _HELD_REASONS[row.hold_kind]
    return None


def _stands(kind: object | None, until: date | None, day: date) -> bool:
    return kind is not None and (until is None or until >= day)
