"""What every table shares: names of constraints, the tenant columns, the Table of a model."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from backend.db.types import Id, RowNumber

# Every constraint has a name, so that migrations can alter it on both databases.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s__%(column_0_N_name)s",
    "uq": "uq_%(table_name)s__%(column_0_N_name)s",
    "ck": "ck_%(table_name)s__%(constraint_name)s",
    "fk": "fk_%(table_name)s__%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(SQLModel):
    """A table row, numbered in order of creation. Paging and clustering follow `row_id`."""

    __table_args__: ClassVar[Any] = ()

    row_id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)


class TenantRow(Row):
    """A row that belongs to one tenant and is named by (tenant_id, id)."""

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)


def table_of(model: type[SQLModel]) -> sa.Table:
    """The Table behind a model class."""
    table: sa.Table = model.__table__  # type: ignore[attr-defined]
    return table


def owned(*more: Any) -> tuple[Any, ...]:
    """Table arguments of a tenant's table: its key, its tenant, and `more`."""
    return (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        *more,
    )


def reference(column: str, table: str) -> sa.ForeignKeyConstraint:
    """A foreign key that cannot cross tenants: (tenant_id, column) → table (tenant_id, id)."""
    return sa.ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"])
