"""Posting to the sub-ledger. Entries are only ever added, and each must balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import Statement
from backend.ids import new_id
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account, EntryKind
from backend.money import ZERO
from backend.unit_of_work import UnitOfWork

_ADD_ENTRY = Statement(sa.insert(LEDGER_ENTRIES))
_ADD_POSTING = Statement(sa.insert(LEDGER_POSTINGS))


@dataclass(frozen=True, slots=True)
class Entry:
    """One money event. Debits are positive and credits negative; zero postings are left out.

    `claim_id` names the provider's claim behind it. `entry_id` is given where another row has the
    same id.
    """

    kind: EntryKind
    day: date
    currency_code: str
    customer_id: UUID
    postings: tuple[tuple[Account, Decimal], ...]
    invoice_id: UUID | None = None
    payment_id: UUID | None = None
    reverses_entry_id: UUID | None = None
    claim_id: UUID | None = None
    entry_id: UUID | None = None

    def __post_init__(self) -> None:
        if sum((amount for _, amount in self.postings), ZERO) != ZERO:
            raise AssertionError(f"the postings of {self.kind} do not balance: {self.postings}")


def post(work: UnitOfWork, entries: Sequence[Entry]) -> None:
    """Add the entries and their postings."""
    entry_rows: list[dict[str, Any]] = []
    posting_rows: list[dict[str, Any]] = []
    for entry in entries:
        entry_id = entry.entry_id or new_id()
        entry_rows.append(
            {
                "id": entry_id,
                "kind": entry.kind,
                "entry_day": entry.day,
                "currency_code": entry.currency_code,
                "customer_id": entry.customer_id,
                "invoice_id": entry.invoice_id,
                "payment_id": entry.payment_id,
                "reverses_entry_id": entry.reverses_entry_id,
                "claim_id": entry.claim_id,
                "created_at": work.now,
                "correlation_id": work.actor.correlation_id,
            }
        )
        posting_rows.extend(
            {
                "id": new_id(),
                "entry_id": entry_id,
                "account": account,
                "amount": amount,
                "entry_day": entry.day,
                "currency_code": entry.currency_code,
                "customer_id": entry.customer_id,
                "invoice_id": entry.invoice_id,
            }
            for account, amount in entry.postings
            if amount != ZERO
        )
    work.execute_many(_ADD_ENTRY, entry_rows)
    work.execute_many(_ADD_POSTING, posting_rows)


def invoice_issued(
    day: date,
    currency_code: str,
    customer_id: UUID,
    invoice_id: UUID,
    subtotal: Decimal,
    tax: Decimal,
) -> Entry:
    """Accounts receivable against revenue and sales tax payable."""
    return Entry(
        EntryKind.INVOICE_ISSUED,
        day,
        currency_code,
        customer_id,
        (
            (Account.ACCOUNTS_RECEIVABLE, subtotal + tax),
            (Account.REVENUE, -subtotal),
            (Account.SALES_TAX_PAYABLE, -tax),
        ),
        invoice_id=invoice_id,
    )


def payment_received(
    day: date, currency_code: str, customer_id: UUID, payment_id: UUID, amount: Decimal
) -> Entry:
    """Cash clearing against the customer's unapplied cash."""
    return Entry(
        EntryKind.PAYMENT_RECEIVED,
        day,
        currency_code,
        customer_id,
        ((Account.CASH_CLEARING, amount), (Account.UNAPPLIED_CASH, -amount)),
        payment_id=payment_id,
    )


def payment_applied(
    day: date,
    currency_code: str,
    customer_id: UUID,
    payment_id: UUID,
    invoice_id: UUID,
    amount: Decimal,
    *,
    entry_id: UUID,
    claim_id: UUID | None = None,
) -> Entry:
    """Unapplied cash against the invoice's receivable; `entry_id` is the allocation's id."""
    return Entry(
        EntryKind.PAYMENT_APPLIED,
        day,
        currency_code,
        customer_id,
        ((Account.UNAPPLIED_CASH, amount), (Account.ACCOUNTS_RECEIVABLE, -amount)),
        invoice_id=invoice_id,
        payment_id=payment_id,
        claim_id=claim_id,
        entry_id=entry_id,
    )
