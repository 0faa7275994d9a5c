"""SQL statements as named constants: checked for tenant scope once, compiled once, then run fast.

A `Statement` wraps a SQLAlchemy Core clause. When it is made (at import), it proves that every
tenant table in it is tied to `tenant_id`; a query that forgets the tenant cannot be written down.
Per dialect it is compiled once to text plus the processors of its column types, and from then on
runs on the driver's own cursor: about a fifth of the cost of executing the clause each time.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import BindParameter, ColumnElement, TextClause

from backend.db.scope import unscoped_insert, unscoped_tables
from backend.db.types import Id

TENANT: BindParameter[UUID] = sa.bindparam("tenant_id", type_=Id())

Processor = Callable[[Any], Any]


class UnscopedStatement(Exception):
    """A statement touches a tenant's table without naming the tenant: a bug, found at import."""


def constant(value: str | int) -> ColumnElement[Any]:
    """A value written into the SQL text itself, so that SQLite can use a partial index for it."""
    return sa.literal_column(str(value) if isinstance(value, int) else f"'{value}'")


def at_most(rows: int) -> BindParameter[int]:
    """A LIMIT that SQL Server takes in a prepared statement too; it needs an ORDER BY there."""
    return sa.bindparam(None, rows, type_=sa.Integer(), unique=True)


class Compiled:
    """One statement as one dialect wants it."""

    __slots__ = ("_binds", "_make", "_results", "sql")

    def __init__(
        self,
        clause: Any,
        dialect: Dialect,
        columns: Sequence[str] | None,
        make: Callable[[Iterable[Any]], Any] | None,
    ) -> None:
        compiled = clause.compile(
            dialect=dialect, column_keys=columns, compile_kwargs={"render_postcompile": True}
        )
        self.sql: str = str(compiled)
        names: list[str] = compiled.positiontup or []
        self._binds: list[tuple[str, Processor | None, bool, Any]] = []
        for name in names:
            bind = compiled.binds[name]
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            default = None
            if not bind.required:
                default = bind.effective_value
                if process is not None:
                    default = process(default)
            self._binds.append((bind.key, process, bind.required, default))
        # A textual query says its columns with `.columns(...)`; statements without any give none.
        exported: list[ColumnElement[Any]] = list(getattr(clause, "exported_columns", ()))
        self._results: list[tuple[int, Processor]] = []
        if make is None:
            row = namedtuple("row", [c.key for c in exported], rename=True)  # type: ignore[misc]
            make = row._make
        self._make = make
        for index, column in enumerate(exported):
            process = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if process is not None:
                self._results.append((index, process))

    def parameters(self, given: dict[str, Any]) -> list[Any]:
        """Positional parameters in the driver's own types."""
        return [
            default
            if not required and key not in given
            else (given[key] if process is None else process(given[key]))
            for key, process, required, default in self._binds
        ]

    def rows(self, raw: list[Any]) -> list[Any]:
        """Driver rows as named tuples of Python values."""
        results, make = self._results, self._make
        if not results:
            return [make(r) for r in raw]
        out = []
        for record in raw:
            values = list(record)
            for index, process in results:
                values[index] = process(values[index])
            out.append(make(values))
        return out


class Statement:
    """One SQL statement, tied to the tenant.

    `columns` limits what an INSERT or UPDATE sets. `into` is a NamedTuple whose fields are the
    columns of a query: its rows then come as that, at no cost.
    """

    def __init__(
        self, clause: Any, *, columns: Sequence[str] | None = None, into: Any = None
    ) -> None:
        self.clause = clause
        if columns is None and isinstance(clause, sa.Insert) and clause.select is None:
            columns = _columns_to_insert(clause)
        self._columns = columns
        if into is not None:
            columns_of_rows = tuple(column.key for column in clause.exported_columns)
            assert columns_of_rows == into._fields, (columns_of_rows, into._fields)
        self._make = None if into is None else into._make
        self._compiled: dict[str, Compiled] = {}
        self._check()

    def _check(self) -> None:
        if isinstance(self.clause, TextClause):
            if "tenant_id" not in self.clause._bindparams:
                raise UnscopedStatement(str(self.clause))
            return
        if isinstance(self.clause, sa.Insert):
            loose = unscoped_insert(self.clause, self._columns or ())
        else:
            loose = unscoped_tables(self.clause)
        if loose:
            raise UnscopedStatement(f"not tied to a tenant: {sorted(loose)} in {self.clause}")

    def compiled_for(self, dialect: Dialect) -> Compiled:
        """The compiled form, made at first use."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = Compiled(
                self.clause, dialect, self._columns, self._make
            )
        return found


class PlatformStatement(Statement):
    """A statement that crosses tenants on purpose: sign-in, relay, scheduler, verify."""

    def _check(self) -> None:
        return


def _columns_to_insert(clause: sa.Insert) -> list[str]:
    # An explicit .values(...) already says what is set; otherwise everything but the row number.
    given = getattr(clause, "_values", None)
    if given:
        return [column.key for column in given]
    return [column.key for column in clause.table.columns if column.key != "row_id"]
