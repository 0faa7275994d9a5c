"""Tables of the double-entry sub-ledger: append-only entries and their balanced postings."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import TenantRow, owned, reference, table_of
from backend.db.types import Id, MoneyAmount, Text, UtcInstant, choice


class Account(StrEnum):
    """The accounts of the sub-ledger."""

    ACCOUNTS_RECEIVABLE = "accounts_receivable"
    REVENUE = "revenue"
    SALES_TAX_PAYABLE = "sales_tax_payable"
    CASH_CLEARING = "cash_clearing"
    UNAPPLIED_CASH = "unapplied_cash"
    BAD_DEBT = "bad_debt"


class EntryKind(StrEnum):
    """The money events."""

    INVOICE_ISSUED = "invoice_issued"
    INVOICE_VOIDED = "invoice_voided"
    INVOICE_CANCELLED = "invoice_cancelled"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_APPLIED = "payment_applied"
    APPLICATION_REVERSED = "application_reversed"
    PAYMENT_REVERSED = "payment_reversed"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_DISPUTED = "payment_disputed"
    DISPUTE_RESTORED = "dispute_restored"
    CREDIT_NOTE_ISSUED = "credit_note_issued"
    WRITE_OFF = "write_off"


class LedgerEntry(TenantRow, table=True):
    """One money event on one calendar day of the tenant.

    `claim_id` is the provider's refund or dispute because of which it was made.
    """

    __tablename__ = "ledger_entries"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        reference("invoice_id", "invoices"),
        reference("payment_id", "payments"),
        reference("reverses_entry_id", "ledger_entries"),
        reference("claim_id", "provider_claims"),
        sa.Index("ix_ledger_entries__invoice", "tenant_id", "invoice_id"),
        sa.Index("ix_ledger_entries__payment", "tenant_id", "payment_id"),
        sa.Index("ix_ledger_entries__day", "tenant_id", "entry_day"),
        sa.Index("ix_ledger_entries__correlation_id", "tenant_id", "correlation_id"),
    )

    kind: EntryKind = Field(sa_type=choice(EntryKind, "kind"))
    entry_day: date = Field(sa_type=sa.Date)
    currency_code: str = Field(sa_type=Text(3))
    customer_id: UUID = Field(sa_type=Id)
    invoice_id: UUID | None = Field(default=None, sa_type=Id)
    payment_id: UUID | None = Field(default=None, sa_type=Id)
    reverses_entry_id: UUID | None = Field(default=None, sa_type=Id)
    claim_id: UUID | None = Field(default=None, sa_type=Id)
    created_at: datetime = Field(sa_type=UtcInstant)
    correlation_id: str = Field(sa_type=Text(128))


class LedgerPosting(TenantRow, table=True):
    """One side of an entry: debits are positive, credits negative; an entry's postings sum to zero.

    Day, currency, customer and invoice are copies of the entry's, so that one index answers
    "who owed what on that day".
    """

    __tablename__ = "ledger_postings"
    __table_args__: ClassVar[Any] = owned(
        reference("entry_id", "ledger_entries"),
        sa.CheckConstraint("amount <> 0", name="amount"),
        sa.Index("ix_ledger_postings__entry", "tenant_id", "entry_id"),
        sa.Index(
            "ix_ledger_postings__account",
            "tenant_id",
            "account",
            "currency_code",
            "customer_id",
            "invoice_id",
            "entry_day",
            "amount",
        ),
    )

    entry_id: UUID = Field(sa_type=Id)
    account: Account = Field(sa_type=choice(Account, "account"))
    amount: Decimal = Field(sa_type=MoneyAmount)
    entry_day: date = Field(sa_type=sa.Date)
    currency_code: str = Field(sa_type=Text(3))
    customer_id: UUID = Field(sa_type=Id)
    invoice_id: UUID | None = Field(default=None, sa_type=Id)


LEDGER_ENTRIES = table_of(LedgerEntry)
LEDGER_POSTINGS = table_of(LedgerPosting)
