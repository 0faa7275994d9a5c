"""Which periodic job ran for which tenant on which day: two workers never run the same one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.actor import Action
from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.db.tables import Row, table_of
from backend.db.types import Id, Text, UtcInstant
from backend.tenants.models import TENANTS, TenantStatus
from backend.tenants.settings import TenantSettings
from backend.unit_of_work import Reader, UnitOfWork


class ScheduledRun(Row, table=True):
    """A job that was started; the unique key makes one worker the winner.

    `run_on` is the tenant's calendar day.
    """

    __tablename__ = "scheduled_runs"
    __table_args__: ClassVar[Any] = (sa.UniqueConstraint("job", "tenant_id", "run_on"),)

    job: str = Field(sa_type=Text(64))
    tenant_id: UUID = Field(sa_type=Id)
    run_on: date = Field(sa_type=sa.Date)
    started_at: datetime = Field(sa_type=UtcInstant)


SCHEDULED_RUNS = table_of(ScheduledRun)

_STARTED = Statement(
    sa.select(SCHEDULED_RUNS.c.row_id).where(
        SCHEDULED_RUNS.c.tenant_id == TENANT,
        SCHEDULED_RUNS.c.job == sa.bindparam("job"),
        SCHEDULED_RUNS.c.run_on == sa.bindparam("run_on", type_=sa.Date),
    )
)
_START = Statement(sa.insert(SCHEDULED_RUNS))
_ACTIVE_TENANTS = PlatformStatement(
    sa.select(*(TENANTS.c[field] for field in TenantSettings.__dataclass_fields__))
    .where(TENANTS.c.status == TenantStatus.ACTIVE)
    .order_by(TENANTS.c.row_id)
)


def list_active_tenants(reader: Reader) -> list[TenantSettings]:
    """The tenants for whom something happens by the clock. Raises NotAllowed."""
    reader.actor.require(Action.PLATFORM_ADMIN)
    return [TenantSettings(**row._asdict()) for row in reader.rows(_ACTIVE_TENANTS)]


def was_started(reader: Reader, job: str, run_on: date) -> bool:
    """Whether the tenant's job of that day was started."""
    return reader.first(_STARTED, job=job, run_on=run_on) is not None


def start_once(work: UnitOfWork, job: str, run_on: date) -> bool:
    """Whether the caller is the one who runs this tenant's job of this day.

    The caller does the job's work in the same transaction: both are there, or neither.
    """
    if was_started(work, job, run_on):
        return False
    work.execute(_START, job=job, run_on=run_on, started_at=work.now)
    return True
