"""Tables of dunning: plans, runs, every step that was queued, holds, contacts with customers."""

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
from backend.invoices.models import InvoiceHold


class DunningChannel(StrEnum):
    """How a step reaches the customer."""

    EMAIL = "email"


class DunningPlan(TenantRow, table=True):
    """An ordered set of steps. A tenant has at most one default plan."""

    __tablename__ = "dunning_plans"
    __table_args__: ClassVar[Any] = owned(
        sa.Index(
            "uq_dunning_plans__default",
            "tenant_id",
            unique=True,
            sqlite_where=sa.text("is_default = 1"),
            mssql_where=sa.text("is_default = 1"),
        ),
    )

    name: str = Field(sa_type=Text(200))
    is_default: bool = Field(sa_type=sa.Boolean)
    is_active: bool = Field(sa_type=sa.Boolean)
    created_at: datetime = Field(sa_type=UtcInstant)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


class DunningStep(TenantRow, table=True):
    """One step: which e-mail, and how many days after the due date.

    `subject` stands in place of the template's own.
    """

    __tablename__ = "dunning_steps"
    __table_args__: ClassVar[Any] = owned(
        reference("plan_id", "dunning_plans"),
        sa.UniqueConstraint("tenant_id", "plan_id", "step_number"),
        sa.CheckConstraint("days_after_due >= 0 AND step_number >= 1", name="positive"),
    )

    plan_id: UUID = Field(sa_type=Id)
    step_number: int = Field(sa_type=sa.Integer)
    days_after_due: int = Field(sa_type=sa.Integer)
    template_key: str = Field(sa_type=Text(64))
    channel: DunningChannel = Field(sa_type=choice(DunningChannel, "channel"))
    subject: str | None = Field(default=None, sa_type=Text(500))


class InvoiceDunningState(TenantRow, table=True):
    """How far chasing one invoice has come: the last step queued, and on which tenant day.

    The next step is the first one of the plan with more days after the due date than the last one
    had, so that a plan may change, or be another one, under way.

    Whether it goes on is not kept here: the invoice's own status and holds say so, and cannot
    disagree with themselves.
    """

    __tablename__ = "invoice_dunning_states"
    __table_args__: ClassVar[Any] = owned(
        reference("invoice_id", "invoices"),
        reference("plan_id", "dunning_plans"),
        sa.UniqueConstraint("tenant_id", "invoice_id"),
        sa.CheckConstraint("last_step_number >= 1", name="last_step_number"),
    )

    invoice_id: UUID = Field(sa_type=Id)
    plan_id: UUID = Field(sa_type=Id)
    last_step_number: int = Field(sa_type=sa.Integer)
    last_days_after_due: int = Field(sa_type=sa.Integer)
    last_step_on: date = Field(sa_type=sa.Date)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


class DunningRun(TenantRow, table=True):
    """One evaluation: for which day, and how much it queued. Nothing queued is a fact too.

    `overdue_count` invoices were looked at. `keeps_gap`: customers who had a reminder within the
    tenant's gap got none. Without `finished_at` it is still under way.
    """

    __tablename__ = "dunning_runs"
    __table_args__: ClassVar[Any] = owned(
        sa.CheckConstraint("email_count >= 0 AND invoice_count >= email_count", name="counts"),
        sa.CheckConstraint("overdue_count >= invoice_count", name="overdue_count"),
        sa.Index("ix_dunning_runs__created", "tenant_id", "row_id"),
    )

    as_of: date = Field(sa_type=sa.Date)
    is_scheduled: bool = Field(sa_type=sa.Boolean)
    keeps_gap: bool = Field(sa_type=sa.Boolean)
    email_count: int = Field(sa_type=sa.Integer)
    invoice_count: int = Field(sa_type=sa.Integer)
    overdue_count: int = Field(sa_type=sa.Integer)
    finished_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)


class DunningRunSkip(TenantRow, table=True):
    """How many overdue invoices a run passed over for one reason."""

    __tablename__ = "dunning_run_skips"
    __table_args__: ClassVar[Any] = owned(
        reference("dunning_run_id", "dunning_runs"),
        sa.UniqueConstraint("tenant_id", "dunning_run_id", "reason"),
        sa.CheckConstraint("invoice_count > 0", name="invoice_count"),
    )

    dunning_run_id: UUID = Field(sa_type=Id)
    reason: str = Field(sa_type=Text(64))
    invoice_count: int = Field(sa_type=sa.Integer)


class DunningNotice(TenantRow, table=True):
    """One step of one invoice that was queued: never twice, and never two on one day."""

    __tablename__ = "dunning_notices"
    __table_args__: ClassVar[Any] = owned(
        reference("invoice_id", "invoices"),
        reference("communication_id", "communications"),
        reference("dunning_run_id", "dunning_runs"),
        sa.UniqueConstraint("tenant_id", "invoice_id", "days_after_due"),
        sa.UniqueConstraint("tenant_id", "invoice_id", "noticed_on"),
        sa.Index("ix_dunning_notices__run", "tenant_id", "dunning_run_id"),
        # With the invoice in it: one e-mail may be about very many.
        sa.Index(
            "ix_dunning_notices__communication", "tenant_id", "communication_id", "invoice_id"
        ),
    )

    invoice_id: UUID = Field(sa_type=Id)
    step_number: int = Field(sa_type=sa.Integer)
    days_after_due: int = Field(sa_type=sa.Integer)
    template_key: str = Field(sa_type=Text(64))
    noticed_on: date = Field(sa_type=sa.Date)
    dunning_run_id: UUID = Field(sa_type=Id)
    communication_id: UUID = Field(sa_type=Id)
    created_at: datetime = Field(sa_type=UtcInstant)


class HoldEnd(StrEnum):
    """How a hold ended. Kept and broken are said of promises."""

    RELEASED = "released"
    REPLACED = "replaced"
    KEPT = "kept"
    BROKEN = "broken"


class PlacedHold(TenantRow, table=True):
    """A hold that was put on an invoice, and how it ended; the invoice carries what stands.

    `balance_then` was open when it was placed: a promise without an amount is about all of it.
    """

    __tablename__ = "invoice_holds"
    __table_args__: ClassVar[Any] = owned(
        reference("invoice_id", "invoices"),
        sa.CheckConstraint(
            "(ended_on IS NULL AND ended_at IS NULL AND ended_as IS NULL) "
            "OR (ended_on IS NOT NULL AND ended_at IS NOT NULL AND ended_as IS NOT NULL)",
            name="ended",
        ),
        sa.CheckConstraint(
            "kind = 'promise' OR (amount IS NULL AND COALESCE(ended_as, 'released') "
            "IN ('released', 'replaced'))",
            name="promise",
        ),
        sa.CheckConstraint("balance_then >= 0", name="balance_then"),
        sa.Index(
            "uq_invoice_holds__standing",
            "tenant_id",
            "invoice_id",
            unique=True,
            sqlite_where=sa.text("ended_on IS NULL"),
            mssql_where=sa.text("ended_on IS NULL"),
        ),
        sa.Index("ix_invoice_holds__invoice", "tenant_id", "invoice_id", "row_id"),
        sa.Index("ix_invoice_holds__kind", "tenant_id", "kind", "placed_on"),
        # Promises whose day may be over.
        sa.Index(
            "ix_invoice_holds__promised",
            "tenant_id",
            "until",
            sqlite_where=sa.text("kind = 'promise' AND ended_on IS NULL"),
            mssql_where=sa.text("kind = 'promise' AND ended_on IS NULL"),
        ),
    )

    invoice_id: UUID = Field(sa_type=Id)
    kind: InvoiceHold = Field(sa_type=choice(InvoiceHold, "kind"))
    until: date | None = Field(default=None, sa_type=sa.Date)
    amount: Decimal | None = Field(default=None, sa_type=MoneyAmount)
    reason: str | None = Field(default=None, sa_type=Text(500))
    balance_then: Decimal = Field(sa_type=MoneyAmount)
    placed_on: date = Field(sa_type=sa.Date)
    placed_at: datetime = Field(sa_type=UtcInstant)
    placed_by: str = Field(sa_type=Text(200))
    ended_on: date | None = Field(default=None, sa_type=sa.Date)
    ended_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    ended_as: HoldEnd | None = Field(default=None, sa_type=choice(HoldEnd, "ended_as"))


class ContactKind(StrEnum):
    """How somebody of the business dealt with a customer."""

    CALL = "call"
    NOTE = "note"


class ContactOutcome(StrEnum):
    """What came of a call."""

    REACHED = "reached"
    LEFT_MESSAGE = "left_message"
    NO_ANSWER = "no_answer"
    PROMISED = "promised"
    DISPUTED = "disputed"
    REFUSED = "refused"
    WRONG_NUMBER = "wrong_number"


class Contact(TenantRow, table=True):
    """A call or a note about a customer, and when to come back to it; never changed."""

    __tablename__ = "contact_log"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        reference("invoice_id", "invoices"),
        sa.CheckConstraint(
            "(kind = 'call' AND outcome IS NOT NULL) OR (kind = 'note' AND outcome IS NULL)",
            name="outcome_of_call",
        ),
        sa.Index("ix_contact_log__customer", "tenant_id", "customer_id", "row_id"),
        sa.Index(
            "ix_contact_log__invoice",
            "tenant_id",
            "invoice_id",
            sqlite_where=sa.text("invoice_id IS NOT NULL"),
            mssql_where=sa.text("invoice_id IS NOT NULL"),
        ),
    )

    customer_id: UUID = Field(sa_type=Id)
    invoice_id: UUID | None = Field(default=None, sa_type=Id)
    kind: ContactKind = Field(sa_type=choice(ContactKind, "kind"))
    outcome: ContactOutcome | None = Field(default=None, sa_type=choice(ContactOutcome, "outcome"))
    note: str = Field(sa_type=Text(2000))
    next_on: date | None = Field(default=None, sa_type=sa.Date)
    created_by: str = Field(sa_type=Text(200))
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)


DUNNING_PLANS = table_of(DunningPlan)
DUNNING_STEPS = table_of(DunningStep)
DUNNING_STATES = table_of(InvoiceDunningState)
DUNNING_RUNS = table_of(DunningRun)
DUNNING_RUN_SKIPS = table_of(DunningRunSkip)
DUNNING_NOTICES = table_of(DunningNotice)
INVOICE_HOLDS = table_of(PlacedHold)
CONTACT_LOG = table_of(Contact)
