"""The table in which workers say that they live."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, Text, UtcInstant


class WorkerHeartbeat(Row, table=True):
    """A worker process and when it was last heard of.

    `stopped_at` is set when it ends in order; one that was killed only falls silent.
    """

    __tablename__ = "worker_heartbeats"
    __table_args__: ClassVar[Any] = (sa.UniqueConstraint("worker_id"),)

    worker_id: UUID = Field(sa_type=Id)
    host: str = Field(sa_type=Text(255))
    pid: int = Field(sa_type=sa.Integer)
    started_at: datetime = Field(sa_type=UtcInstant)
    seen_at: datetime = Field(sa_type=UtcInstant)
    stopped_at: datetime | None = Field(default=None, sa_type=UtcInstant)


WORKER_HEARTBEATS = table_of(WorkerHeartbeat)
