"""A tenant's settings, as every use case may ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.tenants.models import TENANTS, TenantStatus

DEFAULT_NUMBER_PREFIX = "INV-"
DEFAULT_SENDING_FROM_MINUTE = 8 * 60
DEFAULT_SENDING_UNTIL_MINUTE = 18 * 60
DEFAULT_SENDING_WEEKDAYS = "1111100"
DEFAULT_REMINDER_GAP_DAYS = 3


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What the rules need to know of a tenant. Minutes are after midnight in `time_zone`.

    The table says what the fields mean.
    """

    id: UUID
    name: str
    status: TenantStatus
    currency_code: str
    time_zone: str
    invoice_number_prefix: str
    sending_from_minute: int
    sending_until_minute: int
    sending_weekdays: str
    holiday_calendar: str
    reminder_gap_days: int
    reply_to_email: str | None
    postal_address: str | None
    high_value_amount: Decimal | None


TENANT_SETTINGS = Statement(
    sa.select(*(TENANTS.c[field] for field in TenantSettings.__dataclass_fields__)).where(
        TENANTS.c.id == TENANT
    )
)
