"""SQL statements as named constants: checked for tenant scope once, compiled once, then run fast.

A `Statement` wraps a SQLAlchemy Core clause. When it is made (at import), it proves that every
tenant table in it is tied to `tenant_id`; a query that forgets the tenant cannot be written down.
Per dialect it is compiled once to text plus the processors of its column types, and from then on
runs on the driver's own cursor: about a fifth of the cost of executing the clause each time.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnElement, TextClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, Join

from backend.db.types import Id

TENANT: BindParameter[UUID] = sa.bindparam("tenant_id", type_=Id())

Processor = Callable[[Any], Any]


class UnscopedStatement(Exception):
    """A statement touches a tenant's table without naming the tenant: a bug, found at import."""


def constant(value: str | int) -> ColumnElement[Any]:
    """A value written into the SQL text itself, so that SQLite can use a partial index for it."""
    return sa.literal_column(str(value) if isinstance(value, int) else f"'{value}'")


class Compiled:
    """One statement as one dialect wants it."""

    __slots__ = ("_binds", "_make", "_results", "sql")

    def __init__(self, clause: Any, dialect: Dialect, columns: Sequence[str] | None) -> None:
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
        row = namedtuple("row", [c.key for c in exported], rename=True)  # type: ignore[misc]
        self._make = row._make
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
    """One SQL statement, tied to the tenant. `columns` limits what an INSERT or UPDATE sets."""

    def __init__(self, clause: Any, *, columns: Sequence[str] | None = None) -> None:
        self.clause = clause
        if columns is None and isinstance(clause, sa.Insert) and clause.select is None:
            columns = _columns_to_insert(clause)
        self._columns = columns
        self._compiled: dict[str, Compiled] = {}
        self._check()

    def _check(self) -> None:
        if isinstance(self.clause, TextClause):
            if "tenant_id" not in self.clause._bindparams:
                raise UnscopedStatement(str(self.clause))
            return
        if isinstance(self.clause, sa.Insert):
            loose = _unscoped_insert(self.clause, self._columns or ())
        else:
            loose = _unscoped_tables(self.clause)
        if loose:
            raise UnscopedStatement(f"not tied to a tenant: {sorted(loose)} in {self.clause}")

    def compiled_for(self, dialect: Dialect) -> Compiled:
        """The compiled form, made at first use."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = Compiled(self.clause, dialect, self._columns)
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


def _elements(clause: Any) -> Iterator[Any]:
    """Every element of a clause, into subqueries and CTEs too."""
    seen: set[int] = set()
    stack = [clause]
    while stack:
        for element in visitors.iterate(stack.pop()):
            if id(element) in seen:
                continue
            seen.add(id(element))
            yield element
            if isinstance(element, sa.Select):
                stack.extend(element.get_final_froms())
            elif isinstance(element, sa.Insert | sa.Update | sa.Delete):
                stack.append(element.table)
                selected = getattr(element, "select", None)
                if isinstance(element, sa.Insert) and selected is not None:
                    stack.append(selected)
                stack.extend(getattr(element, "_where_criteria", ()))
            elif isinstance(element, AliasedReturnsRows):
                stack.append(element.element)
            elif isinstance(element, Join):
                stack.extend((element.left, element.right))
            table = getattr(element, "table", None)
            is_column = isinstance(element, sa.Column) and table is not None
            if is_column or isinstance(table, AliasedReturnsRows):
                stack.append(table)


def _unscoped_tables(clause: Any) -> set[str]:
    """Names of tenant tables in the clause with no path of equalities to TENANT."""
    sources: dict[int, str] = {}
    aliased: set[int] = set()
    links: list[tuple[int, int]] = []
    tied: set[int] = set()
    for element in list(_elements(clause)):
        if isinstance(element, AliasedReturnsRows) and isinstance(element.element, sa.Table):
            if "tenant_id" in element.element.c:
                sources[id(element)] = element.element.name
            aliased.add(id(element.element))
        if isinstance(element, BinaryExpression) and element.operator is operators.eq:
            sides = [_tenant_source(side) for side in (element.left, element.right)]
            owners = [side for side in sides if isinstance(side, int)]
            if TENANT_MARK in sides:
                tied.update(owners)
            elif len(owners) == 2:
                links.append((owners[0], owners[1]))
    for element in list(_elements(clause)):
        if isinstance(element, sa.Table) and "tenant_id" in element.c:
            # A table met only through its alias is not itself a source of rows.
            if id(element) in aliased and not _named_directly(clause, element):
                continue
            sources[id(element)] = element.name
    changed = True
    while changed:
        changed = False
        for one, other in links:
            if (one in tied) != (other in tied):
                tied.update((one, other))
                changed = True
    return {name for source, name in sources.items() if source not in tied}


def _unscoped_insert(clause: sa.Insert, columns: Sequence[str]) -> set[str]:
    """The table inserted into when its tenant is not given, and loose ones that are read."""
    names: Sequence[str] = columns if clause.select is None else clause._select_names or ()
    loose = set() if clause.select is None else _unscoped_tables(clause.select)
    given = "tenant_id" in names
    if given and clause.select is not None:
        # The rows come from a query: their tenant must be the actor's, or that of a tied table.
        source = list(clause.select.selected_columns)[list(names).index("tenant_id")]
        given = _tenant_source(getattr(source, "element", source)) is not None
    if "tenant_id" in clause.table.c and not given:
        loose.add(clause.table.name)
    return loose


TENANT_MARK = "tenant"


def _tenant_source(side: Any) -> int | str | None:
    if isinstance(side, BindParameter) and side.key == "tenant_id":
        return TENANT_MARK
    if getattr(side, "key", None) == "tenant_id" and getattr(side, "table", None) is not None:
        return id(side.table)
    return None


def _named_directly(clause: Any, table: sa.Table) -> bool:
    for element in _elements(clause):
        if isinstance(element, sa.Select) and any(
            source is table or (isinstance(source, Join) and _joins(source, table))
            for source in element.get_final_froms()
        ):
            return True
        if isinstance(element, sa.Update | sa.Delete | sa.Insert) and element.table is table:
            return True
    return False


def _joins(join: Join, table: sa.Table) -> bool:
    return any(
        side is table or (isinstance(side, Join) and _joins(side, table))
        for side in (join.left, join.right)
    )
