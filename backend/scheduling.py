"""Which periodic job ran for which tenant on which day: two workers never run the same one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, Text, UtcInstant


class ScheduledRun(Row, table=True):
    """A job that was started; the unique key makes one worker the winner.

    `tenant_id` is the tenant's, or audit's PLATFORM_CHAIN for jobs of the platform.
    """

    __tablename__ = "scheduled_runs"
    __table_args__: ClassVar[Any] = (sa.UniqueConstraint("job", "tenant_id", "run_on"),)

    job: str = Field(sa_type=Text(64))
    tenant_id: UUID = Field(sa_type=Id)
    run_on: date = Field(sa_type=sa.Date)
    started_at: datetime = Field(sa_type=UtcInstant)


SCHEDULED_RUNS = table_of(ScheduledRun)
