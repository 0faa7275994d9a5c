"""Reversing entries: postings with the signs turned, linked to what they undo, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement, constant
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account, EntryKind
from backend.ledger.service import Entry, post
from backend.unit_of_work import Reader, UnitOfWork

_E, _P = LEDGER_ENTRIES, LEDGER_POSTINGS
_ISSUE_OF_INVOICE = Statement(
    sa.select(
        _E.c.id,
        _E.c.entry_day,
        _E.c.currency_code,
        _E.c.customer_id,
        _P.c.account,
        _P.c.amount,
    )
    .join(_P, sa.and_(_P.c.tenant_id == _E.c.tenant_id, _P.c.entry_id == _E.c.id))
    .where(
        _E.c.tenant_id == TENANT,
        _E.c.invoice_id == sa.bindparam("invoice_id"),
        _E.c.kind == EntryKind.INVOICE_ISSUED,
    )
    .order_by(_P.c.row_id)
)
# Each kind that moves cash, with the sign of the cash it moves.
CASH_SIGNS = {
    EntryKind.PAYMENT_RECEIVED: 1,
    EntryKind.PAYMENT_REVERSED: -1,
    EntryKind.PAYMENT_REFUNDED: -1,
    EntryKind.PAYMENT_DISPUTED: -1,
    EntryKind.DISPUTE_RESTORED: 1,
}
_CASH_OF_PAYMENT = Statement(
    sa.select(_E.c.id, _E.c.kind, _E.c.entry_day, _E.c.claim_id)
    .where(
        _E.c.tenant_id == TENANT,
        _E.c.payment_id == sa.bindparam("payment_id"),
        _E.c.kind.in_([constant(kind.value) for kind in CASH_SIGNS]),
    )
    .order_by(_E.c.row_id)
)


@dataclass(frozen=True, slots=True)
class CashEntry:
    """An entry by which a payment's money came or went."""

    entry_id: UUID
    kind: EntryKind
    day: date
    claim_id: UUID | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Whose money an entry moves: a payment's, in its currency, because of a claim or of none."""

    payment_id: UUID
    customer_id: UUID
    currency_code: str
    claim_id: UUID | None = None


def cash_entries(reader: Reader, payment_id: UUID) -> list[CashEntry]:
    """How the payment's money came and went, oldest first; the first is its receipt."""
    return [CashEntry(*row) for row in reader.rows(_CASH_OF_PAYMENT, payment_id=payment_id)]


def cash_moved(
    kind: EntryKind, day: date, moved: Moved, amount: Decimal, *, reverses_entry_id: UUID
) -> Entry:
    """Unapplied cash against cash clearing: money given back, or here again after a dispute."""
    signed = amount * CASH_SIGNS[kind]
    return Entry(
        kind,
        day,
        moved.currency_code,
        moved.customer_id,
        ((Account.CASH_CLEARING, signed), (Account.UNAPPLIED_CASH, -signed)),
        payment_id=moved.payment_id,
        reverses_entry_id=reverses_entry_id,
        claim_id=moved.claim_id,
    )


def application_reversed(
    day: date, moved: Moved, invoice_id: UUID, amount: Decimal, *, reverses_entry_id: UUID
) -> Entry:
    """The invoice's receivable against unapplied cash: an application taken back."""
    return Entry(
        EntryKind.APPLICATION_REVERSED,
        day,
        moved.currency_code,
        moved.customer_id,
        ((Account.UNAPPLIED_CASH, -amount), (Account.ACCOUNTS_RECEIVABLE, amount)),
        invoice_id=invoice_id,
        payment_id=moved.payment_id,
        reverses_entry_id=reverses_entry_id,
        claim_id=moved.claim_id,
    )


def reverse_issue_entry(work: UnitOfWork, invoice_id: UUID, *, day: date, kind: EntryKind) -> None:
    """Undo the entry that issued an invoice, as INVOICE_VOIDED or INVOICE_CANCELLED.

    It is dated `day`, or the day of what it undoes when that is later.
    """
    postings: list[Any] = work.rows(_ISSUE_OF_INVOICE, invoice_id=invoice_id)
    if not postings:
        return
    first = postings[0]
    entry = Entry(
        kind,
        max(day, first.entry_day),
        first.currency_code,
        first.customer_id,
        tuple((posting.account, -posting.amount) for posting in postings),
        invoice_id=invoice_id,
        reverses_entry_id=first.id,
    )
    post(work, [entry])
