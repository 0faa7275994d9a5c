"""SQL that the two databases spell differently: fresh ids and days between dates."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from backend.db.types import Id
from backend.ids import new_id

ID_PREFIX = "id_prefix"  # the parameter of a statement with fresh_id(); see id_prefix()


class fresh_id(FunctionElement[Any]):  # noqa: N801 (it reads as the SQL function it is)
    """A new id for each row of an INSERT … SELECT; the statement takes `id_prefix=id_prefix()`."""

    type = Id()
    inherit_cache = True

    def __init__(self) -> None:
        super().__init__(sa.bindparam(ID_PREFIX, type_=sa.String(13)))


class days_between(FunctionElement[int]):  # noqa: N801
    """Whole days from one date to another."""

    type = sa.Integer()
    inherit_cache = True

    def __init__(self, start: ColumnElement[Any], end: ColumnElement[Any]) -> None:
        super().__init__(start, end)


def id_prefix() -> str:
    """The beginning that the ids of one statement share: time and version of a UUIDv7.

    So that they land beside each other at the end of every index, and not all over it.
    """
    return new_id().hex[:13]


# The form without a dialect is SQLite's; statements are also printed, and checked for tenants.
@compiles(fresh_id)
def _fresh_id_sqlite(element: fresh_id, compiler: Any, **kw: Any) -> str:
    prefix = compiler.process(element.clauses, **kw)
    return (
        f"{prefix} || lower(substr(hex(randomblob(2)), 2) || '8' || substr(hex(randomblob(8)), 2))"
    )


@compiles(fresh_id, "mssql")
def _fresh_id_mssql(element: fresh_id, compiler: Any, **kw: Any) -> str:
    return "NEWID()"


@compiles(days_between)
def _days_between_sqlite(element: days_between, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(side, **kw) for side in element.clauses)
    return f"CAST(julianday({end}) - julianday({start}) AS INTEGER)"


@compiles(days_between, "mssql")
def _days_between_mssql(element: days_between, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(side, **kw) for side in element.clauses)
    return f"DATEDIFF(day, {start}, {end})"
