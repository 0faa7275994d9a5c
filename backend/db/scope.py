"""Does every tenant table in a clause have a path of equalities to the tenant?

Only conditions that every row must meet count: what is joined by AND in a WHERE or an inner
join's ON. An outer join's ON limits its right side only, and the WHERE of a subquery inside a
condition limits the subquery's own tables only. When in doubt a clause counts as unscoped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    ExpressionClauseList,
    Grouping,
)
from sqlalchemy.sql.selectable import AliasedReturnsRows, Join

_TENANT = "tenant"  # the mark of the tenant parameter among the sources of rows
_STATEMENTS = (sa.Select, sa.Update, sa.Delete)


def unscoped_tables(clause: Any) -> set[str]:
    """Names of the tenant tables in the clause that are not tied to the tenant."""
    found = list(_elements(clause))
    enclosing = _enclosing_sources(found)
    tied: set[int] = set()
    links: set[tuple[int, int]] = set()  # when the first is tied, so is the second
    for element in found:
        for one, other in _equalities(element):
            if one == other:
                continue
            for source, target in ((one, other), (other, one)):
                if not isinstance(target, int) or not _limits(element, target, enclosing):
                    continue
                if isinstance(source, int):
                    links.add((source, target))
                else:
                    tied.add(target)
    growing = True
    while growing:
        reached = {target for source, target in links if source in tied} - tied
        tied |= reached
        growing = bool(reached)
    return {name for source, name in _tenant_tables(clause, found).items() if source not in tied}


def unscoped_insert(clause: sa.Insert, columns: Sequence[str]) -> set[str]:
    """The table inserted into when its tenant is not given, and loose ones that are read."""
    names: Sequence[str] = columns if clause.select is None else clause._select_names or ()
    loose = set() if clause.select is None else unscoped_tables(clause.select)
    given = "tenant_id" in names
    if given and clause.select is not None:
        # The rows come from a query: their tenant must be the actor's, or that of a tied table.
        source = list(clause.select.selected_columns)[list(names).index("tenant_id")]
        given = _tenant_source(getattr(source, "element", source)) is not None
    if "tenant_id" in clause.table.c and not given:
        loose.add(clause.table.name)
    return loose


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


def _equalities(element: Any) -> Iterator[tuple[int | str, int | str]]:
    """Pairs of sources whose tenants every row of this statement or join has in common."""
    if isinstance(element, _STATEMENTS):
        conditions: list[Any] = list(element._where_criteria)
    elif isinstance(element, Join) and not element.full:
        conditions = [element.onclause]
    else:
        return
    while conditions:
        condition = conditions.pop()
        if isinstance(condition, Grouping):
            conditions.append(condition.element)
        elif isinstance(condition, ExpressionClauseList):
            if condition.operator is operators.and_:
                conditions.extend(condition.clauses)
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            one, other = _tenant_source(condition.left), _tenant_source(condition.right)
            if one is not None and other is not None:
                yield one, other


def _limits(element: Any, target: int, enclosing: dict[int, set[int]]) -> bool:
    """Whether a condition of this statement or join limits the rows of the target."""
    if isinstance(element, Join):
        return not element.isouter or target in _sources_of(element.right)
    return target not in enclosing.get(id(element), ())


def _enclosing_sources(found: list[Any]) -> dict[int, set[int]]:
    """For each subquery inside a condition or a column: the sources of what is around it."""
    around: dict[int, set[int]] = {}
    for element in found:
        if not isinstance(element, _STATEMENTS):
            continue
        if isinstance(element, sa.Select):
            parts = [*element._where_criteria, *element._raw_columns]
            own = set().union(*(_sources_of(source) for source in element.get_final_froms()))
        else:
            parts = list(element._where_criteria)
            own = {id(element.table)}
        for part in parts:
            for inner in visitors.iterate(part):
                if isinstance(inner, sa.Select):
                    around.setdefault(id(inner), set()).update(own)
    return around


def _sources_of(source: Any) -> set[int]:
    if isinstance(source, Join):
        return _sources_of(source.left) | _sources_of(source.right)
    return {id(source)}


def _tenant_tables(clause: Any, found: list[Any]) -> dict[int, str]:
    """Tables and aliases of tables with a tenant, which the clause reads or writes."""
    sources: dict[int, str] = {}
    aliased: set[int] = set()
    for element in found:
        if isinstance(element, AliasedReturnsRows) and isinstance(element.element, sa.Table):
            if "tenant_id" in element.element.c:
                sources[id(element)] = element.element.name
            aliased.add(id(element.element))
    for element in found:
        if isinstance(element, sa.Table) and "tenant_id" in element.c:
            # A table met only through its alias is not itself a source of rows.
            if id(element) in aliased and not _named_directly(found, element):
                continue
            sources[id(element)] = element.name
    return sources


def _tenant_source(side: Any) -> int | str | None:
    if isinstance(side, BindParameter) and side.key == "tenant_id":
        return _TENANT
    if getattr(side, "key", None) == "tenant_id" and getattr(side, "table", None) is not None:
        return id(side.table)
    return None


def _named_directly(found: list[Any], table: sa.Table) -> bool:
    for element in found:
        if isinstance(element, sa.Select) and any(
            id(table) in _sources_of(source) for source in element.get_final_froms()
        ):
            return True
        if isinstance(element, sa.Update | sa.Delete | sa.Insert) and element.table is table:
            return True
    return False
