"""Tables of payments, allocations and attempts."""

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
    """Money received from a customer. applied + unapplied = amount, until it is reversed."""

    __tablename__ = "payments"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint("applied_amount >= 0 AND unapplied_amount >= 0", name="not_negative"),
        sa.CheckConstraint(
            "(status = 'succeeded' AND applied_amount + unapplied_amount = amount) "
            "OR (status <> 'succeeded' AND applied_amount = 0 AND unapplied_amount = 0)",
            name="applied_and_unapplied",
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
            "amount",
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
    """A part of a payment applied to one invoice; when the payment is reversed it stays, marked."""

    __tablename__ = "payment_allocations"
    __table_args__: ClassVar[Any] = owned(
        reference("payment_id", "payments"),
        reference("invoice_id", "invoices"),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.Index("ix_payment_allocations__payment", "tenant_id", "payment_id"),
        sa.Index("ix_payment_allocations__invoice", "tenant_id", "invoice_id"),
    )

    payment_id: UUID = Field(sa_type=Id)
    invoice_id: UUID = Field(sa_type=Id)
    amount: Decimal = Field(sa_type=MoneyAmount)
    created_at: datetime = Field(sa_type=UtcInstant)
    reversed_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class AttemptOutcome(StrEnum):
    """How an attempt to pay ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PaymentAttempt(TenantRow, table=True):
    """Every attempt to pay, with the code and message of those that failed."""

    __tablename__ = "payment_attempts"
    __table_args__: ClassVar[Any] = owned(
        reference("payment_id", "payments"),
        reference("customer_id", "customers"),
        reference("invoice_id", "invoices"),
        sa.Index("ix_payment_attempts__invoice", "tenant_id", "invoice_id"),
        sa.Index("ix_payment_attempts__at", "tenant_id", "at"),
        sa.Index("ix_payment_attempts__correlation_id", "tenant_id", "correlation_id"),
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
    correlation_id: str = Field(sa_type=Text(128))
    at: datetime = Field(sa_type=UtcInstant)


PAYMENTS = table_of(Payment)
PAYMENT_ALLOCATIONS = table_of(PaymentAllocation)
PAYMENT_ATTEMPTS = table_of(PaymentAttempt)
