"""What the runs of chasing did, and when the next one is due.

A long run is still under way while it has no `finished_at`; its counts grow until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from backend.actor import Action
from backend.db.statements import TENANT, Statement
from backend.dunning.models import DUNNING_RUN_SKIPS, DUNNING_RUNS
from backend.dunning.schedule import next_opening
from backend.errors import NotFound
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.scheduling import was_started
from backend.unit_of_work import Reader

# The name under which the clock starts a tenant's run of a day.
DAILY_RUN = "dunning"

_R, _S = DUNNING_RUNS, DUNNING_RUN_SKIPS
_ALL = sa.select(
    _R.c.row_id,
    _R.c.id,
    _R.c.as_of,
    _R.c.is_scheduled,
    _R.c.keeps_gap,
    _R.c.email_count,
    _R.c.invoice_count,
    _R.c.overdue_count,
    _R.c.created_at,
    _R.c.finished_at,
    _R.c.correlation_id,
).where(_R.c.tenant_id == TENANT)
_BEFORE = sa.bindparam("before", type_=sa.BigInteger)
_PAGE = sa.bindparam("page", type_=sa.Integer)
_GET = Statement(_ALL.where(_R.c.id == sa.bindparam("dunning_run_id")))
_FIRST = Statement(_ALL.order_by(_R.c.row_id.desc()).limit(_PAGE))
_NEXT = Statement(_ALL.where(_R.c.row_id < _BEFORE).order_by(_R.c.row_id.desc()).limit(_PAGE))
# The skips of a page of runs: of all between its oldest and its newest.
_SKIPS = Statement(
    sa.select(_S.c.dunning_run_id, _S.c.reason, _S.c.invoice_count)
    .join(_R, sa.and_(_R.c.tenant_id == _S.c.tenant_id, _R.c.id == _S.c.dunning_run_id))
    .where(
        _R.c.tenant_id == TENANT,
        _R.c.row_id.between(
            sa.bindparam("oldest", type_=sa.BigInteger), sa.bindparam("newest", type_=sa.BigInteger)
        ),
    )
    .order_by(_R.c.row_id, _S.c.invoice_count.desc(), _S.c.reason)
)


@dataclass(frozen=True, slots=True)
class SkipCount:
    """How many overdue invoices were passed over for one reason; `reason` is a NotChased."""

    reason: str
    invoice_count: int


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: `overdue_count` invoices were looked at, and all that were not chased skipped.

    `email_count` reminders were queued, about `invoice_count` invoices. The most frequent reason
    comes first. Without `finished_at` it is under way.
    """

    dunning_run_id: UUID
    as_of: date
    is_scheduled: bool
    keeps_gap: bool
    email_count: int
    invoice_count: int
    overdue_count: int
    started_at: datetime
    finished_at: datetime | None
    correlation_id: str
    skipped: tuple[SkipCount, ...]


@dataclass(frozen=True, slots=True)
class NextRun:
    """When the clock starts the next run (UTC), and the tenant's day it will be about."""

    at: datetime
    day: date


def get_run(reader: Reader, dunning_run_id: UUID) -> RunView:
    """One run; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    row = reader.first(_GET, dunning_run_id=dunning_run_id)
    if row is None:
        raise NotFound("There is no such run.")
    return _views(reader, [row])[0]


def list_runs(reader: Reader, *, limit: int = 25, cursor: str | None = None) -> Page[RunView]:
    """Runs, newest first. Raises InvalidInput for a limit or cursor that is none."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    if cursor is None:
        rows = reader.rows(_FIRST, page=limit + 1)
    else:
        place = reader.first(_GET, dunning_run_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        rows = reader.rows(_NEXT, before=place.row_id, page=limit + 1)
    items = _views(reader, rows[:limit])
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].dunning_run_id) if more else None)


def next_run(reader: Reader) -> NextRun:
    """When the clock starts the tenant's next run; at once while it is due and not yet started."""
    reader.actor.require(Action.READ)
    is_done = was_started(reader, DAILY_RUN, reader.today)
    at = next_opening(reader.now, reader.tenant, after=reader.today if is_done else None)
    return NextRun(at, at.astimezone(ZoneInfo(reader.tenant.time_zone)).date())


def _views(reader: Reader, rows: list[Any]) -> list[RunView]:
    if not rows:
        return []
    numbers = [row.row_id for row in rows]
    skips: dict[UUID, list[SkipCount]] = {row.id: [] for row in rows}
    for skip in reader.rows(_SKIPS, oldest=min(numbers), newest=max(numbers)):
        skips[skip.dunning_run_id].append(SkipCount(skip.reason, skip.invoice_count))
    return [
        RunView(
            row.id,
            row.as_of,
            bool(row.is_scheduled),
            bool(row.keeps_gap),
            row.email_count,
            row.invoice_count,
            row.overdue_count,
            row.created_at,
            row.finished_at,
            row.correlation_id,
            tuple(skips[row.id]),
        )
        for row in rows
    ]
