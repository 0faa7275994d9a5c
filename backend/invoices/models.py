"""Tables of invoices, their lines, and the number series."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, TenantRow, owned, reference, table_of
from backend.db.types import FourPlaces, Id, MoneyAmount, Text, UtcInstant, choice


class InvoiceStatus(StrEnum):
    """The states of an invoice; `lifecycle` has the transitions."""

    DRAFT = "draft"
    SENT = "sent"
    OVERDUE = "overdue"
    PAID = "paid"
    VOID = "void"
    CANCELLED = "cancelled"


class InvoiceHold(StrEnum):
    """Why an invoice is not chased."""

    PAUSE = "pause"
    DISPUTE = "dispute"
    PROMISE = "promise"


_OPEN = "status IN ('sent', 'overdue')"


class Invoice(TenantRow, table=True):
    """What a customer owes for a job.

    `paid_amount`, `credited_amount` and `balance_due` are a cache of the ledger. `posted_on` is
    the tenant's calendar day on which the invoice entered the ledger. `bill_to_*` and what is
    printed stay as they were when it was sent.
    """

    __tablename__ = "invoices"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        sa.Index(
            "uq_invoices__number",
            "tenant_id",
            "invoice_number",
            unique=True,
            sqlite_where=sa.text("invoice_number IS NOT NULL"),
            mssql_where=sa.text("invoice_number IS NOT NULL"),
        ),
        sa.CheckConstraint("due_date >= issue_date", name="due_after_issue"),
        sa.CheckConstraint(
            "subtotal_amount >= 0 AND tax_amount >= 0 "
            "AND total_amount = subtotal_amount + tax_amount",
            name="total",
        ),
        sa.CheckConstraint(
            "paid_amount >= 0 AND credited_amount >= 0 AND balance_due >= 0", name="not_negative"
        ),
        sa.CheckConstraint(
            "status NOT IN ('sent', 'overdue', 'paid') "
            "OR paid_amount + credited_amount + balance_due = total_amount",
            name="balance",
        ),
        sa.CheckConstraint(
            "status IN ('sent', 'overdue') OR balance_due = 0", name="only_open_owes"
        ),
        sa.CheckConstraint(
            "status NOT IN ('sent', 'overdue', 'paid', 'cancelled') "
            "OR (invoice_number IS NOT NULL AND sent_at IS NOT NULL AND posted_on IS NOT NULL)",
            name="sent_has_number",
        ),
        sa.CheckConstraint(
            "hold_kind IS NULL OR hold_kind = 'pause' "
            "OR (hold_kind = 'dispute' AND hold_reason IS NOT NULL) "
            "OR (hold_kind = 'promise' AND hold_until IS NOT NULL)",
            name="hold",
        ),
        sa.Index(
            "ix_invoices__open",
            "tenant_id",
            "currency_code",
            "customer_id",
            "due_date",
            "status",
            "balance_due",
            sqlite_where=sa.text(_OPEN),
            mssql_where=sa.text(_OPEN),
        ),
        # What dunning walks, customer by customer: the open ones, not every invoice ever paid.
        sa.Index(
            "ix_invoices__chase",
            "tenant_id",
            "customer_id",
            "due_date",
            sqlite_where=sa.text(_OPEN),
            mssql_where=sa.text(_OPEN),
        ),
        sa.Index("ix_invoices__created", "tenant_id", "row_id"),
        sa.Index("ix_invoices__status", "tenant_id", "status", "row_id"),
        sa.Index("ix_invoices__due", "tenant_id", "due_date", "row_id"),
        sa.Index("ix_invoices__customer", "tenant_id", "customer_id", "row_id"),
        sa.Index("ix_invoices__external", "tenant_id", "external_reference_id"),
        sa.Index(
            "ix_invoices__falling_due",
            "due_date",
            "tenant_id",
            sqlite_where=sa.text("status = 'sent'"),
            mssql_where=sa.text("status = 'sent'"),
        ),
    )

    customer_id: UUID = Field(sa_type=Id)
    invoice_number: str | None = Field(default=None, sa_type=Text(40))
    status: InvoiceStatus = Field(sa_type=choice(InvoiceStatus, "status"))
    issue_date: date = Field(sa_type=sa.Date)
    due_date: date = Field(sa_type=sa.Date)
    currency_code: str = Field(sa_type=Text(3))
    subtotal_amount: Decimal = Field(sa_type=MoneyAmount)
    tax_amount: Decimal = Field(sa_type=MoneyAmount)
    total_amount: Decimal = Field(sa_type=MoneyAmount)
    paid_amount: Decimal = Field(sa_type=MoneyAmount)
    credited_amount: Decimal = Field(sa_type=MoneyAmount)
    balance_due: Decimal = Field(sa_type=MoneyAmount)
    given_tax_amount: Decimal | None = Field(default=None, sa_type=MoneyAmount)
    posted_on: date | None = Field(default=None, sa_type=sa.Date)
    sent_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    paid_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    closed_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    close_reason: str | None = Field(default=None, sa_type=Text(500))
    bill_to_name: str | None = Field(default=None, sa_type=Text(200))
    bill_to_address: str | None = Field(default=None, sa_type=Text(1000))
    purchase_order_number: str | None = Field(default=None, sa_type=Text(100))
    notes: str | None = Field(default=None, sa_type=Text(4000))
    external_source: str | None = Field(default=None, sa_type=Text(100))
    external_reference_id: str | None = Field(default=None, sa_type=Text(200))
    hold_kind: InvoiceHold | None = Field(default=None, sa_type=choice(InvoiceHold, "hold_kind"))
    hold_until: date | None = Field(default=None, sa_type=sa.Date)
    hold_amount: Decimal | None = Field(default=None, sa_type=MoneyAmount)
    hold_reason: str | None = Field(default=None, sa_type=Text(500))
    created_at: datetime = Field(sa_type=UtcInstant)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


class InvoiceLineItem(TenantRow, table=True):
    """One line: quantity times unit price, and its own tax rate in percent when it has one."""

    __tablename__ = "invoice_line_items"
    __table_args__: ClassVar[Any] = owned(
        reference("invoice_id", "invoices"),
        sa.UniqueConstraint("tenant_id", "invoice_id", "line_number"),
        sa.CheckConstraint("quantity > 0 AND unit_price >= 0 AND line_total >= 0", name="positive"),
    )

    invoice_id: UUID = Field(sa_type=Id)
    line_number: int = Field(sa_type=sa.Integer)
    description: str = Field(sa_type=Text(1000))
    quantity: Decimal = Field(sa_type=FourPlaces)
    unit_price: Decimal = Field(sa_type=MoneyAmount)
    tax_rate: Decimal | None = Field(default=None, sa_type=FourPlaces)
    line_total: Decimal = Field(sa_type=MoneyAmount)
    tax_amount: Decimal = Field(sa_type=MoneyAmount)


class NumberSeries(Row, table=True):
    """The next invoice number of a tenant; taken in the transaction that sends the invoice."""

    __tablename__ = "invoice_number_series"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("tenant_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    )

    tenant_id: UUID = Field(sa_type=Id)
    next_number: int = Field(sa_type=sa.BigInteger)


INVOICES = table_of(Invoice)
INVOICE_LINE_ITEMS = table_of(InvoiceLineItem)
NUMBER_SERIES = table_of(NumberSeries)
