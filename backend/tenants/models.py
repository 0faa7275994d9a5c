"""The tenants table."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, MoneyAmount, Text, UtcInstant, choice


class TenantStatus(StrEnum):
    """An inactive tenant can do nothing; its rows stay."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Tenant(Row, table=True):
    """A business that bills its customers here.

    The sending window is in minutes after midnight in the tenant's time zone;
    `sending_weekdays` is seven characters, Monday first, 1 for a day on which e-mails go out.
    `holiday_calendar` names the public holidays on which none do ("US", "US-TX"; empty: none), and
    `reminder_gap_days` is how many days apart two reminders to one customer are at least. From
    `high_value_amount` on, in the tenant's currency, an overdue customer is called.
    """

    __tablename__ = "tenants"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.CheckConstraint(
            "sending_from_minute >= 0 AND sending_until_minute <= 1440 "
            "AND sending_from_minute < sending_until_minute",
            name="sending_window",
        ),
        sa.CheckConstraint(
            "reminder_gap_days >= 0 AND reminder_gap_days <= 60", name="reminder_gap"
        ),
    )

    id: UUID = Field(sa_type=Id)
    name: str = Field(sa_type=Text(200))
    status: TenantStatus = Field(sa_type=choice(TenantStatus, "status"))
    currency_code: str = Field(sa_type=Text(3))
    time_zone: str = Field(sa_type=Text(64))
    invoice_number_prefix: str = Field(sa_type=Text(16))
    sending_from_minute: int = Field(sa_type=sa.Integer)
    sending_until_minute: int = Field(sa_type=sa.Integer)
    sending_weekdays: str = Field(sa_type=Text(7))
    holiday_calendar: str = Field(sa_type=Text(16))
    reminder_gap_days: int = Field(sa_type=sa.Integer)
    reply_to_email: str | None = Field(default=None, sa_type=Text(254))
    postal_address: str | None = Field(default=None, sa_type=Text(500))
    high_value_amount: Decimal | None = Field(default=None, sa_type=MoneyAmount)
    created_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


TENANTS = table_of(Tenant)
