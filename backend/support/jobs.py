"""Jobs: how far an act on dead letters has come, and its end before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.audit import PLATFORM_CHAIN
from backend.db.statements import PlatformStatement
from backend.errors import NotFound, StateConflict
from backend.paging import (
    LIMIT_DEFAULT,
    Page,
    checked_limit,
    decode_cursor,
    encode_cursor,
    unknown_cursor,
)
from backend.support.access import Visible, newest_first, require
from backend.support.items import OPEN_STATES, VIEW_COLUMNS, ItemView, item_view, moment
from backend.support.models import ITEMS, JOBS, ItemState, JobKind, JobState
from backend.support.progress import cancel_waiting, close_if_done
from backend.unit_of_work import Reader, UnitOfWork

_J, _I = JOBS.c, ITEMS.c
_BEFORE = sa.bindparam("before", type_=_J.row_id.type)
_AFTER = sa.bindparam("after", type_=_I.row_id.type)
_LIMIT = sa.bindparam("rows_max", type_=sa.Integer)

_VIEW = sa.select(
    _J.row_id,
    _J.tenant_id,
    _J.id,
    _J.kind,
    _J.state,
    _J.scope,
    _J.who,
    _J.correlation_id,
    _J.item_count,
    _J.created_at,
    _J.finished_at,
    _J.cancel_asked_at,
    _J.cancelled_by,
    _J.due_at,
    _J.problem,
    _J.leased_until,
)
_ONE = Visible(_VIEW.where(_J.id == sa.bindparam("id")), _J.tenant_id)
_LIST = Visible(
    _VIEW.where(_J.row_id < _BEFORE).order_by(_J.row_id.desc()).limit(_LIMIT), _J.tenant_id
)
_COUNTS = Visible(
    sa.select(_I.state, sa.func.count().label("items"))
    .where(_I.job_id == sa.bindparam("job_id"))
    .group_by(_I.state),
    _I.tenant_id,
)
_ITEM_NUMBER = Visible(
    sa.select(_I.row_id).where(
        _I.id == sa.bindparam("item_id"), _I.job_id == sa.bindparam("job_id")
    ),
    _I.tenant_id,
)
_ALL_ITEMS = (
    sa.select(*VIEW_COLUMNS)
    .where(_I.job_id == sa.bindparam("job_id"), _I.row_id > _AFTER)
    .order_by(_I.row_id)
    .limit(_LIMIT)
)
_ITEMS = Visible(_ALL_ITEMS, _I.tenant_id)
_ITEMS_OF_STATE = Visible(
    _ALL_ITEMS.where(_I.state == sa.bindparam("state", type_=_I.state.type)), _I.tenant_id
)
_ASK_TO_CANCEL = PlatformStatement(
    sa.update(JOBS)
    .where(
        _J.id == sa.bindparam("job_id"),
        _J.state == JobState.OPEN,
        _J.cancel_asked_at.is_(None),
    )
    .values(
        cancel_asked_at=sa.bindparam("now", type_=_J.due_at.type),
        cancelled_by=sa.bindparam("who"),
        due_at=sa.bindparam("now", type_=_J.due_at.type),
    )
)


@dataclass(frozen=True, slots=True)
class JobView:
    """An act on dead letters and how far it is. Instants are UTC.

    `counts` has the number of items in each state that occurs. While the job is open and nobody
    is at it, it goes on at `due_at`; `problem` says what it waits for.
    """

    job_id: UUID
    tenant_id: UUID | None
    kind: JobKind
    state: JobState
    scope: str
    who: str
    correlation_id: str
    item_count: int
    counts: Mapping[ItemState, int]
    created_at: datetime
    finished_at: datetime | None
    cancel_asked_at: datetime | None
    cancelled_by: str | None
    due_at: datetime
    problem: str | None
    is_running: bool

    @property
    def open_count(self) -> int:
        """How many letters have no outcome yet."""
        return sum(self.counts.get(state, 0) for state in OPEN_STATES)

    @property
    def finished_count(self) -> int:
        """How many have one, whichever it is."""
        return self.item_count - self.open_count


def get_job(reader: Reader, job_id: UUID) -> JobView:
    """One job. Raises NotFound (another tenant's too), NotAllowed."""
    require(reader.actor)
    rows = _ONE.rows(reader, id=job_id)
    if not rows:
        raise NotFound("There is no such job.", code="job_not_found")
    return _view(reader, rows[0])


def list_jobs(
    reader: Reader, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[JobView]:
    """The jobs of the actor's scope (the platform's own see all), newest first.

    Raises InvalidInput (limit, cursor), NotAllowed.
    """
    view = partial(_view, reader)
    return newest_first(reader, _LIST, _ONE, view, limit=limit, cursor=cursor)


def list_items(
    reader: Reader,
    job_id: UUID,
    *,
    state: ItemState | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[ItemView]:
    """What became of each letter of a job, in the job's order; of one state when given.

    Raises NotFound, InvalidInput (limit, cursor), NotAllowed.
    """
    get_job(reader, job_id)
    limit = checked_limit(limit)
    after = 0
    if cursor is not None:
        found = _ITEM_NUMBER.rows(reader, item_id=decode_cursor(cursor), job_id=job_id)
        if not found:
            raise unknown_cursor()
        after = found[0].row_id
    wanted: dict[str, Any] = {"job_id": job_id, "after": after, "rows_max": limit + 1}
    if state is None:
        rows = _ITEMS.rows(reader, **wanted)
    else:
        rows = _ITEMS_OF_STATE.rows(reader, **wanted, state=state)
    items = [item_view(row) for row in rows[:limit]]
    return Page(items, encode_cursor(items[-1].item_id) if len(rows) > limit else None)


def cancel_job(work: UnitOfWork, job_id: UUID) -> JobView:
    """Do no more than what is begun: what is at work stops after the messages in hand.

    Raises NotFound, StateConflict (job_finished), NotAllowed.
    """
    job = get_job(work, job_id)
    if job.state is not JobState.OPEN:
        assert job.finished_at is not None
        raise StateConflict(
            f"This job ended at {moment(job.finished_at, work.now)}.", code="job_finished"
        )
    if work.execute(_ASK_TO_CANCEL, job_id=job_id, now=work.now, who=work.actor.who):
        work.record(
            "dead_letter_job.cancelled",
            "dead_letter_job",
            job_id,
            after={"open_count": job.open_count, "finished_count": job.finished_count},
        )
    if not job.is_running:
        cancel_waiting(work, job_id)
        close_if_done(work, job_id)
    return get_job(work, job_id)


def _view(reader: Reader, row: Any) -> JobView:
    counts = _COUNTS.rows(reader, job_id=row.id)
    return JobView(
        job_id=row.id,
        tenant_id=None if row.tenant_id == PLATFORM_CHAIN else row.tenant_id,
        kind=row.kind,
        state=row.state,
        scope=row.scope,
        who=row.who,
        correlation_id=row.correlation_id,
        item_count=row.item_count,
        counts={one.state: one.items for one in counts},
        created_at=row.created_at,
        finished_at=row.finished_at,
        cancel_asked_at=row.cancel_asked_at,
        cancelled_by=row.cancelled_by,
        due_at=row.due_at,
        problem=row.problem,
        is_running=row.leased_until is not None and row.leased_until > reader.now,
    )
