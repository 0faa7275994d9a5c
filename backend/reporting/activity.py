"""The audit log as people read it: newest first, narrowed, each entry with what it changed.

Everybody in the tenant may read it: it says who did what, and holds no secrets. An entry is found
by its sequence number in the tenant's chain, which is what a page's cursor is. A range of days
becomes a range of sequence numbers first, so that no index on times is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_HEADS, AUDIT_LOG
from backend.checks import sensible_day
from backend.db.statements import TENANT, Statement, at_most, constant
from backend.db.types import Id, Text
from backend.errors import InvalidInput
from backend.paging import Page, checked_limit, unknown_cursor
from backend.reporting.history import Context, tell
from backend.unit_of_work import Reader

EXPORT_ROWS = 1_000  # read at a time
# Who acted and what was done are offered as choices; a tenant with more of them types its own.
CHOICES_MAX = 100
# Rows of one kind of thing that are sorted rather than looked for from the newest on.
FEW = 20_000
# How far a clock may have been set back without an entry missing from a range of days.
_SLACK = timedelta(days=1)

_L, _H = AUDIT_LOG, AUDIT_HEADS
_SEQUENCE: sa.BindParameter[int] = sa.bindparam("before", type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """What the log is narrowed to. Days are the tenant's calendar days, both included."""

    entity_type: str | None = None
    entity_id: UUID | None = None
    action: str | None = None
    actor: str | None = None
    correlation_id: str | None = None
    since: date | None = None
    until: date | None = None


EVERYTHING = ActivityFilter()


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value before and after, as text; None where it was not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One state change. `title` is its fact in words; `at` is UTC."""

    sequence: int
    at: datetime
    action: str
    title: str
    entity_type: str
    entity_id: UUID
    actor: str
    user_id: UUID | None
    correlation_id: str
    changes: tuple[ValueChange, ...]


_COLUMNS = (
    _L.c.sequence,
    _L.c.at,
    _L.c.action,
    _L.c.entity_type,
    _L.c.entity_id,
    _L.c.actor,
    _L.c.user_id,
    _L.c.correlation_id,
    _L.c.data,
)
_NEWEST = Statement(sa.select(_H.c.sequence).where(_H.c.tenant_id == TENANT))
_AT = Statement(
    sa.select(_L.c.at).where(_L.c.tenant_id == TENANT, _L.c.sequence == sa.bindparam("sequence"))
)
_TYPES_OF_ID = Statement(
    sa.select(_L.c.entity_type)
    .where(
        _L.c.tenant_id == TENANT,
        _L.c.entity_type == sa.bindparam("entity_type"),
        _L.c.entity_id == sa.bindparam("entity_id", type_=Id()),
    )
    .order_by(_L.c.sequence)
    .limit(at_most(1))
)
_OF_TYPE = (
    sa.select(constant(1).label("one"))
    .where(_L.c.tenant_id == TENANT, _L.c.entity_type == sa.bindparam("entity_type"))
    .order_by(_L.c.entity_id)
    .limit(at_most(FEW + 1))
    .subquery()
)
_COUNT_OF_TYPE = Statement(sa.select(sa.func.count()).select_from(_OF_TYPE))


def _next_of(column: Any) -> Statement:
    """The next value of an indexed column: a step over an index, however many rows there are."""
    after = column > sa.bindparam("after", type_=Text())
    return Statement(sa.select(sa.func.min(column)).where(_L.c.tenant_id == TENANT, after))


_NEXT = {
    "entity_type": _next_of(_L.c.entity_type),
    "action": _next_of(_L.c.action),
    "actor": _next_of(_L.c.actor),
}


def list_activity(
    reader: Reader,
    narrowed: ActivityFilter = EVERYTHING,
    *,
    limit: int = 25,
    cursor: str | None = None,
) -> Page[ActivityEntry]:
    """Entries, newest first. Raises InvalidInput for days or a cursor that make no sense."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    rows = _rows(reader, narrowed, limit + 1, None if cursor is None else _place(cursor))
    items = [_entry(row) for row in rows[:limit]]
    return Page(items, str(items[-1].sequence) if len(rows) > limit else None)


def list_choices(reader: Reader, name: str) -> list[str]:
    """The values that occur: of "entity_type", "action" or "actor"; at most CHOICES_MAX."""
    reader.actor.require(Action.READ)
    found: list[str] = []
    value: str | None = ""
    while len(found) < CHOICES_MAX:
        value = reader.scalar(_NEXT[name], after=value)
        if value is None:
            break
        found.append(value)
    return found


def export_activity(
    reader: Reader, narrowed: ActivityFilter, *, before: int | None = None
) -> list[dict[str, Any]]:
    """The next EXPORT_ROWS rows of the filtered log before a sequence number, newest first.

    The values stand as they are kept: `data` is the JSON of before and after.
    """
    reader.actor.require(Action.READ)
    return [row._asdict() for row in _rows(reader, narrowed, EXPORT_ROWS, before)]


def _place(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18 or int(cursor) < 1:
        raise unknown_cursor()
    return int(cursor)


def _rows(reader: Reader, narrowed: ActivityFilter, page: int, before: int | None) -> list[Any]:
    params: dict[str, Any] = {
        name: value
        for name in ("entity_type", "entity_id", "action", "actor", "correlation_id")
        if (value := getattr(narrowed, name)) is not None
    }
    bounds = _bounds(reader, narrowed)
    if bounds is not None:
        params |= bounds
        if before is not None:
            bounds["before"] = params["before"] = min(before, bounds["before"])
    elif before is not None:
        params["before"] = before
    if "entity_id" in params and "entity_type" not in params:
        kind = _type_of(reader, params["entity_id"])
        if kind is None:
            return []
        params["entity_type"] = kind
    given = frozenset(params)
    is_rare = (
        "entity_type" in given
        and "entity_id" not in given
        and reader.scalar(_COUNT_OF_TYPE, entity_type=params["entity_type"]) <= FEW
    )
    return reader.rows(_list_statement(given, is_rare), page=page, **params)


def _type_of(reader: Reader, entity_id: UUID) -> str | None:
    """What kind of thing an id is of; no two things share one."""
    for kind in list_choices(reader, "entity_type"):
        if reader.first(_TYPES_OF_ID, entity_type=kind, entity_id=entity_id) is not None:
            return kind
    return None


def _bounds(reader: Reader, narrowed: ActivityFilter) -> dict[str, Any] | None:
    """The range of days as instants, and as the sequence numbers that it lies between."""
    if narrowed.since is None and narrowed.until is None:
        return None
    for name in ("since", "until"):
        if (day := getattr(narrowed, name)) is not None:
            sensible_day(day, field=name)
    if narrowed.since and narrowed.until and narrowed.since > narrowed.until:
        raise InvalidInput.of("until", "must not be before the first day")
    zone = ZoneInfo(reader.tenant.time_zone)
    newest = reader.scalar(_NEWEST) or 0
    first, last = _midnight(narrowed.since or date(1970, 1, 2), zone), None
    after, before = 0, newest + 1
    if narrowed.since is not None:
        after = _first_at(reader, first - _SLACK, newest) - 1
    if narrowed.until is not None:
        last = _midnight(narrowed.until + timedelta(days=1), zone)
        before = _first_at(reader, last + _SLACK, newest)
    else:
        last = _midnight(date(2999, 12, 31), zone)
    return {"from_at": first, "to_at": last, "after": after, "before": before}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _first_at(reader: Reader, instant: datetime, newest: int) -> int:
    """The first sequence number of that time or later; one above the newest when there is none.

    Halving the chain: about twenty looks in a chain of a million.
    """
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        at = reader.scalar(_AT, sequence=middle)
        if at is not None and at < instant:
            low = middle + 1
        else:
            high = middle
    return low


@functools.lru_cache(maxsize=128)
def _list_statement(given: frozenset[str], is_rare: bool) -> Statement:
    query = sa.select(*_COLUMNS).where(_L.c.tenant_id == TENANT)
    if "entity_type" in given:
        query = query.where(_of_type("entity_id" in given, is_rare))
    if "entity_id" in given:
        query = query.where(_L.c.entity_id == sa.bindparam("entity_id", type_=Id()))
    for name in ("action", "actor"):
        if name in given:
            query = query.where(_L.c[name] == sa.bindparam(name))
    if "correlation_id" in given:
        under = sa.select(_L.c.sequence).where(
            _L.c.tenant_id == TENANT, _L.c.correlation_id == sa.bindparam("correlation_id")
        )
        query = query.where(_L.c.sequence.in_(under))
    if "from_at" in given:
        query = query.where(
            _L.c.at >= sa.bindparam("from_at"),
            _L.c.at < sa.bindparam("to_at"),
            _L.c.sequence > sa.bindparam("after", type_=sa.BigInteger),
        )
    if "before" in given:
        query = query.where(_L.c.sequence < _SEQUENCE)
    return Statement(
        query.order_by(_L.c.sequence.desc()).limit(sa.bindparam("page", type_=sa.Integer))
    )


def _of_type(is_one_thing: bool, is_rare: bool) -> Any:
    """The condition on the kind of thing, in the form that leads SQLite to the right index.

    One thing has an index of its own. Of a rare kind all are gathered; a common one is looked for
    from the newest on, and the expression hides it from the index that would gather them all.
    """
    wanted: sa.BindParameter[str] = sa.bindparam("entity_type")
    if is_one_thing:
        return _L.c.entity_type == wanted
    if is_rare:
        of_kind = sa.select(_L.c.sequence).where(
            _L.c.tenant_id == TENANT, _L.c.entity_type == wanted
        )
        return _L.c.sequence.in_(of_kind)
    return sa.func.coalesce(_L.c.entity_type, constant("")) == wanted


def _entry(row: Any) -> ActivityEntry:
    data = orjson.loads(row.data)
    return ActivityEntry(
        sequence=row.sequence,
        at=row.at,
        action=row.action,
        title=tell(row, Context()).title,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        actor=row.actor,
        user_id=row.user_id,
        correlation_id=row.correlation_id,
        changes=tuple(_changes(data["before"] or {}, data["after"] or {})),
    )


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[ValueChange]:
    for name in dict.fromkeys([*before, *after]):
        old, new = _text(before.get(name)), _text(after.get(name))
        if old != new:
            yield ValueChange(name, old, new)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
