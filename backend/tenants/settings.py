"""A tenant's settings, as every use case may ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.tenants.models import TENANTS, TenantStatus

DEFAULT_NUMBER_PREFIX = "INV-"
DEFAULT_SENDING_FROM_MINUTE = 8 * 60
DEFAULT_SENDING_UNTIL_MINUTE = 18 * 60
DEFAULT_SENDING_WEEKDAYS = "1111100"


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What the rules need to know of a tenant. Minutes are after midnight in `time_zone`."""

    id: UUID
    name: str
    status: TenantStatus
    currency_code: str
    time_zone: str
    invoice_number_prefix: str
    sending_from_minute: int
    sending_until_minute: int
    sending_weekdays: str


TENANT_SETTINGS = Statement(
    sa.select(
        TENANTS.c.id,
        TENANTS.c.name,
        TENANTS.c.status,
        TENANTS.c.currency_code,
        TENANTS.c.time_zone,
        TENANTS.c.invoice_number_prefix,
        TENANTS.c.sending_from_minute,
        TENANTS.c.sending_until_minute,
        TENANTS.c.sending_weekdays,
    ).where(TENANTS.c.id == TENANT)
)
