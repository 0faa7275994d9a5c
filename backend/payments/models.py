"""Tables of payments, allocations, attempts, and of what providers claim back."""

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


class PaymentMethod(StrEnum):
    """How money came."""

    MANUAL = "manual"
    AUTOPAY = "autopay"
    EXTERNAL = "external"


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVERSED = "reversed"


class Payment(TenantRow, table=True):
    """Money received from a customer; `amount` stays what came in.

    All of it is somewhere: applied to invoices, unapplied, refunded, taken by a dispute, or
    reversed by hand. When nothing is applied and nothing unapplied, the payment is reversed.
    """

    __tablename__ = "payments"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint(
            "applied_amount >= 0 AND unapplied_amount >= 0 AND refunded_amount >= 0 "
            "AND disputed_amount >= 0 AND reversed_amount >= 0",
            name="not_negative",
        ),
        sa.CheckConstraint(
            "applied_amount + unapplied_amount + refunded_amount + disputed_amount "
            "+ reversed_amount "
            "= CASE WHEN status IN ('succeeded', 'reversed') THEN amount ELSE 0 END",
            name="adds_up",
        ),
        sa.CheckConstraint(
            "(status = 'succeeded' AND applied_amount + unapplied_amount > 0) "
            "OR (status <> 'succeeded' AND applied_amount + unapplied_amount = 0)",
            name="reversed_when_nothing_is_left",
        ),
        # For ever: a provider's payment is never taken twice, not even after a reversal.
        sa.Index(
            "uq_payments__external",
            "tenant_id",
            "external_provider",
            "external_payment_id",
            unique=True,
            sqlite_where=sa.text("external_payment_id IS NOT NULL"),
            mssql_where=sa.text("external_payment_id IS NOT NULL"),
        ),
        sa.Index("ix_payments__created", "tenant_id", "row_id"),
        sa.Index("ix_payments__customer", "tenant_id", "customer_id", "row_id"),
        sa.Index(
            "ix_payments__received",
            "tenant_id",
            "received_on",
            "currency_code",
            "applied_amount",
            "unapplied_amount",
            sqlite_where=sa.text("status = 'succeeded'"),
            mssql_where=sa.text("status = 'succeeded'"),
        ),
        sa.Index(
            "ix_payments__unapplied",
            "tenant_id",
            "currency_code",
            "customer_id",
            "unapplied_amount",
            sqlite_where=sa.text("unapplied_amount > 0"),
            mssql_where=sa.text("unapplied_amount > 0"),
        ),
        sa.Index("ix_payments__correlation_id", "tenant_id", "correlation_id"),
    )

    customer_id: UUID = Field(sa_type=Id)
    amount: Decimal = Field(sa_type=MoneyAmount)
    applied_amount: Decimal = Field(sa_type=MoneyAmount)
    unapplied_amount: Decimal = Field(sa_type=MoneyAmount)
    refunded_amount: Decimal = Field(sa_type=MoneyAmount)
    disputed_amount: Decimal = Field(sa_type=MoneyAmount)
    reversed_amount: Decimal = Field(sa_type=MoneyAmount)
    currency_code: str = Field(sa_type=Text(3))
    method: PaymentMethod = Field(sa_type=choice(PaymentMethod, "method"))
    status: PaymentStatus = Field(sa_type=choice(PaymentStatus, "status"))
    received_on: date = Field(sa_type=sa.Date)
    applied_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    external_provider: str | None = Field(default=None, sa_type=Text(50))
    external_payment_id: str | None = Field(default=None, sa_type=Text(200))
    note: str | None = Field(default=None, sa_type=Text(1000))
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)
    reversed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    reversal_reason: str | None = Field(default=None, sa_type=Text(500))
    version: int = Field(sa_type=sa.Integer)


class PaymentAllocation(TenantRow, table=True):
    """A part of a payment applied to one invoice, with what of it was taken back since.

    It has the id of its entry in the ledger, to which the entries that take it back are linked.
    """

    __tablename__ = "payment_allocations"
    __table_args__: ClassVar[Any] = owned(
        reference("payment_id", "payments"),
        reference("invoice_id", "invoices"),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint(
            "(reversed_at IS NULL AND reversed_amount >= 0 AND reversed_amount < amount) "
            "OR (reversed_at IS NOT NULL AND reversed_amount = amount)",
            name="reversed",
        ),
        sa.Index("ix_payment_allocations__payment", "tenant_id", "payment_id"),
        sa.Index("ix_payment_allocations__invoice", "tenant_id", "invoice_id"),
    )

    payment_id: UUID = Field(sa_type=Id)
    invoice_id: UUID = Field(sa_type=Id)
    amount: Decimal = Field(sa_type=MoneyAmount)
    reversed_amount: Decimal = Field(sa_type=MoneyAmount)
    created_at: datetime = Field(sa_type=UtcInstant)
    reversed_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class AttemptOutcome(StrEnum):
    """How an attempt to pay ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PaymentAttempt(TenantRow, table=True):
    """Every attempt to pay, with the code and message of those that failed.

    `external_at` is the provider's own time of an attempt that it told us about.
    """

    __tablename__ = "payment_attempts"
    __table_args__: ClassVar[Any] = owned(
        reference("payment_id", "payments"),
        reference("customer_id", "customers"),
        reference("invoice_id", "invoices"),
        sa.Index("ix_payment_attempts__invoice", "tenant_id", "invoice_id"),
        sa.Index("ix_payment_attempts__at", "tenant_id", "at"),
        sa.Index("ix_payment_attempts__correlation_id", "tenant_id", "correlation_id"),
        # A provider's attempt is kept once, however often we are told.
        sa.Index(
            "uq_payment_attempts__external",
            "tenant_id",
            "external_provider",
            "external_payment_id",
            "external_at",
            unique=True,
            sqlite_where=sa.text("external_at IS NOT NULL"),
            mssql_where=sa.text("external_at IS NOT NULL"),
        ),
    )

    payment_id: UUID | None = Field(default=None, sa_type=Id)
    customer_id: UUID | None = Field(default=None, sa_type=Id)
    invoice_id: UUID | None = Field(default=None, sa_type=Id)
    amount: Decimal = Field(sa_type=MoneyAmount)
    currency_code: str = Field(sa_type=Text(3))
    method: PaymentMethod = Field(sa_type=choice(PaymentMethod, "method"))
    outcome: AttemptOutcome = Field(sa_type=choice(AttemptOutcome, "outcome"))
    failure_code: str | None = Field(default=None, sa_type=Text(64))
    failure_message: str | None = Field(default=None, sa_type=Text(500))
    external_provider: str | None = Field(default=None, sa_type=Text(50))
    external_payment_id: str | None = Field(default=None, sa_type=Text(200))
    external_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    correlation_id: str = Field(sa_type=Text(128))
    at: datetime = Field(sa_type=UtcInstant)


class ClaimKind(StrEnum):
    """Why a provider takes money back."""

    REFUND = "refund"
    DISPUTE = "dispute"


class DisputeEnd(StrEnum):
    """How a dispute ended, from our side."""

    WON = "won"
    LOST = "lost"


class ProviderClaim(TenantRow, table=True):
    """What a provider says it takes back of a payment, whether we have that payment yet or not.

    A payment has at most one claim for its refunds, whose `claimed_amount` is all that was
    refunded so far, and one for each dispute (`dispute_id` is empty for refunds). None: a dispute
    of which only the end was told yet. `taken_amount` is what of it is booked. `closed_at` is the
    provider's own time of the dispute's end.
    """

    __tablename__ = "provider_claims"
    __table_args__: ClassVar[Any] = owned(
        sa.UniqueConstraint("tenant_id", "provider", "external_payment_id", "kind", "dispute_id"),
        sa.CheckConstraint(
            "claimed_amount IS NULL OR (claimed_amount > 0 AND currency_code IS NOT NULL)",
            name="claimed_amount",
        ),
        sa.CheckConstraint("taken_amount >= 0", name="taken_amount"),
        sa.CheckConstraint(
            "taken_amount = 0 OR (claimed_amount IS NOT NULL AND taken_amount <= claimed_amount)",
            name="taken_of_claimed",
        ),
        sa.CheckConstraint("kind = 'dispute' OR dispute_id = ''", name="dispute_id"),
        sa.CheckConstraint(
            "(closed_as IS NULL AND closed_at IS NULL) "
            "OR (kind = 'dispute' AND closed_as IS NOT NULL AND closed_at IS NOT NULL)",
            name="closed",
        ),
    )

    provider: str = Field(sa_type=Text(50))
    external_payment_id: str = Field(sa_type=Text(200))
    kind: ClaimKind = Field(sa_type=choice(ClaimKind, "kind"))
    dispute_id: str = Field(sa_type=Text(200))
    currency_code: str | None = Field(default=None, sa_type=Text(3))
    claimed_amount: Decimal | None = Field(default=None, sa_type=MoneyAmount)
    taken_amount: Decimal = Field(sa_type=MoneyAmount)
    closed_as: DisputeEnd | None = Field(default=None, sa_type=choice(DisputeEnd, "closed_as"))
    closed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


PAYMENTS = table_of(Payment)
PAYMENT_ALLOCATIONS = table_of(PaymentAllocation)
PAYMENT_ATTEMPTS = table_of(PaymentAttempt)
PROVIDER_CLAIMS = table_of(ProviderClaim)

# What of an allocation was not taken back. (A difference of two columns would lose their type.)
STANDING_AMOUNT: sa.ColumnElement[Decimal] = sa.type_coerce(
    PAYMENT_ALLOCATIONS.c.amount - PAYMENT_ALLOCATIONS.c.reversed_amount, MoneyAmount()
)
