"""Reversing entries: the same postings with the signs turned, linked to what they undo."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, EntryKind
from backend.ledger.service import Entry, post
from backend.unit_of_work import UnitOfWork

_E, _P = LEDGER_ENTRIES, LEDGER_POSTINGS
_SELECTED = (
    sa.select(
        _E.c.id,
        _E.c.kind,
        _E.c.entry_day,
        _E.c.currency_code,
        _E.c.customer_id,
        _E.c.invoice_id,
        _E.c.payment_id,
        _P.c.account,
        _P.c.amount,
    )
    .join(_P, sa.and_(_P.c.tenant_id == _E.c.tenant_id, _P.c.entry_id == _E.c.id))
    .where(_E.c.tenant_id == TENANT)
    .order_by(_E.c.row_id.desc(), _P.c.row_id)
)
_OF_PAYMENT = Statement(_SELECTED.where(_E.c.payment_id == sa.bindparam("payment_id")))
_ISSUE_OF_INVOICE = Statement(
    _SELECTED.where(
        _E.c.invoice_id == sa.bindparam("invoice_id"),
        _E.c.kind == EntryKind.INVOICE_ISSUED,
    )
)

_REVERSED_BY = {
    EntryKind.PAYMENT_APPLIED: EntryKind.APPLICATION_REVERSED,
    EntryKind.PAYMENT_RECEIVED: EntryKind.PAYMENT_REVERSED,
}


def reverse_payment_entries(work: UnitOfWork, payment_id: UUID, *, day: date) -> None:
    """Undo a payment's applications, newest first, and then its receipt.

    Each reversing entry is dated `day`, or the day of what it undoes when that is later.
    """
    _reverse(work, work.rows(_OF_PAYMENT, payment_id=payment_id), day, _REVERSED_BY)


def reverse_issue_entry(work: UnitOfWork, invoice_id: UUID, *, day: date, kind: EntryKind) -> None:
    """Undo the entry that issued an invoice, as INVOICE_VOIDED or INVOICE_CANCELLED."""
    rows = work.rows(_ISSUE_OF_INVOICE, invoice_id=invoice_id)
    _reverse(work, rows, day, {EntryKind.INVOICE_ISSUED: kind})


def _reverse(
    work: UnitOfWork, rows: list[Any], day: date, kinds: dict[EntryKind, EntryKind]
) -> None:
    by_entry: dict[UUID, list[Any]] = {}
    for row in rows:
        if row.kind in kinds:
            by_entry.setdefault(row.id, []).append(row)
    entries = []
    for entry_id, postings in by_entry.items():
        first = postings[0]
        entries.append(
            Entry(
                kinds[first.kind],
                max(day, first.entry_day),
                first.currency_code,
                first.customer_id,
                tuple((p.account, -p.amount) for p in postings),
                invoice_id=first.invoice_id,
                payment_id=first.payment_id,
                reverses_entry_id=entry_id,
            )
        )
    post(work, entries)
