"""Tables of dunning: plans, steps, runs, where each invoice stands, every step that was queued."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import TenantRow, owned, reference, table_of
from backend.db.types import Id, Text, UtcInstant, choice


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
    """One step: which e-mail, and how many days after the due date."""

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


class InvoiceDunningState(TenantRow, table=True):
    """How far chasing one invoice has come: the last step queued, and on which tenant day.

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
    last_step_on: date = Field(sa_type=sa.Date)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


class DunningRun(TenantRow, table=True):
    """One evaluation: for which day, and how much it queued. Nothing queued is a fact too."""

    __tablename__ = "dunning_runs"
    __table_args__: ClassVar[Any] = owned(
        sa.CheckConstraint("email_count >= 0 AND invoice_count >= email_count", name="counts"),
        sa.Index("ix_dunning_runs__created", "tenant_id", "row_id"),
    )

    as_of: date = Field(sa_type=sa.Date)
    is_scheduled: bool = Field(sa_type=sa.Boolean)
    email_count: int = Field(sa_type=sa.Integer)
    invoice_count: int = Field(sa_type=sa.Integer)
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)


class DunningNotice(TenantRow, table=True):
    """One step of one invoice that was queued: never twice, and never two on one day."""

    __tablename__ = "dunning_notices"
    __table_args__: ClassVar[Any] = owned(
        reference("invoice_id", "invoices"),
        reference("communication_id", "communications"),
        reference("dunning_run_id", "dunning_runs"),
        sa.UniqueConstraint("tenant_id", "invoice_id", "step_number"),
        sa.UniqueConstraint("tenant_id", "invoice_id", "noticed_on"),
        sa.Index("ix_dunning_notices__run", "tenant_id", "dunning_run_id"),
        sa.Index("ix_dunning_notices__communication", "tenant_id", "communication_id"),
    )

    invoice_id: UUID = Field(sa_type=Id)
    step_number: int = Field(sa_type=sa.Integer)
    template_key: str = Field(sa_type=Text(64))
    noticed_on: date = Field(sa_type=sa.Date)
    dunning_run_id: UUID = Field(sa_type=Id)
    communication_id: UUID = Field(sa_type=Id)
    created_at: datetime = Field(sa_type=UtcInstant)


DUNNING_PLANS = table_of(DunningPlan)
DUNNING_STEPS = table_of(DunningStep)
DUNNING_STATES = table_of(InvoiceDunningState)
DUNNING_RUNS = table_of(DunningRun)
DUNNING_NOTICES = table_of(DunningNotice)
