"""The customers table."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import TenantRow, owned, reference, table_of
from backend.db.types import Id, Text, UtcInstant, choice


class CustomerHold(StrEnum):
    """Why a customer is not chased: for a while, or not at all."""

    PAUSE = "pause"
    EXCLUDE = "exclude"


class EmailStatus(StrEnum):
    """Whether the customer's address takes e-mail."""

    OK = "ok"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Customer(TenantRow, table=True):
    """Somebody who owes, or may."""

    __tablename__ = "customers"
    __table_args__: ClassVar[Any] = owned(
        reference("dunning_plan_id", "dunning_plans"),
        sa.CheckConstraint("payment_terms_days >= 0", name="payment_terms"),
        sa.Index("ix_customers__external", "tenant_id", "external_reference_id", "external_source"),
        sa.Index("ix_customers__created", "tenant_id", "row_id"),
        sa.Index("ix_customers__name", "tenant_id", "display_name", "row_id"),
    )

    display_name: str = Field(sa_type=Text(200))
    email: str | None = Field(default=None, sa_type=Text(254))
    email_status: EmailStatus = Field(sa_type=choice(EmailStatus, "email_status"))
    phone: str | None = Field(default=None, sa_type=Text(50))
    billing_address: str | None = Field(default=None, sa_type=Text(1000))
    payment_terms_days: int = Field(sa_type=sa.Integer)
    external_source: str | None = Field(default=None, sa_type=Text(100))
    external_reference_id: str | None = Field(default=None, sa_type=Text(200))
    dunning_plan_id: UUID | None = Field(default=None, sa_type=Id)
    hold_kind: CustomerHold | None = Field(default=None, sa_type=choice(CustomerHold, "hold_kind"))
    hold_until: date | None = Field(default=None, sa_type=sa.Date)
    hold_reason: str | None = Field(default=None, sa_type=Text(500))
    created_at: datetime = Field(sa_type=UtcInstant)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


CUSTOMERS = table_of(Customer)
