"""Writing down how far a job is. Only whoever holds the job's lease notes what was done.

Each outcome is an audit entry of the tenant whose message it was, under the message's own
correlation id, so that it shows in the message's trace; what names no tenant of ours is recorded
for the platform.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend import audit
from backend.actor import correlation_id_from
from backend.db.statements import PlatformStatement
from backend.messaging.contracts import Queue
from backend.messaging.lineage import copy_id, resubmission_of
from backend.support.items import OPEN_STATES
from backend.support.models import (
    ARCHIVE,
    ITEMS,
    JOBS,
    PROBLEM_LENGTH_MAX,
    ItemState,
    JobKind,
    JobState,
)
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, UnitOfWork

LEASE = timedelta(seconds=30)  # a killed worker's job is taken up by another within a minute
# Of one transaction, and of one look at a wish to cancel.
CHUNK_MAX = 50
# The longest lock of Service Bus is five minutes: with the pauses below, more than that.
HELD_TRIES_MAX = 9
PAUSE_FIRST_SECONDS = 5
PAUSE_SECONDS_MAX = 60

_J, _I, _A = JOBS.c, ITEMS.c, ARCHIVE.c
_INSTANT = _J.due_at.type
_NOW = sa.bindparam("now", type_=_INSTANT)
_UNTIL = sa.bindparam("until", type_=_INSTANT)
_TOKEN = sa.bindparam("token", type_=_J.lease_token.type)
_THE_JOB = _J.id == sa.bindparam("of_job")
_IS_OPEN = _J.state == JobState.OPEN
_LEASE_FREE = sa.or_(
    _J.leased_until.is_(None),
    _J.leased_until <= _NOW,
    _J.leased_until > _UNTIL,  # no lease lasts that long: the clock was set back
)
_OPEN_ITEMS = (_I.job_id == sa.bindparam("of_job"), _I.finished_at.is_(None))

_DUE = PlatformStatement(
    sa.select(_J.id)
    .where(
        _IS_OPEN,
        # No pause lasts longer than until the latest: the clock was set back.
        sa.or_(_J.due_at <= _NOW, _J.due_at > sa.bindparam("latest", type_=_INSTANT)),
        _LEASE_FREE,
    )
    .order_by(_J.due_at, _J.row_id)
    .limit(sa.bindparam("rows_max", type_=sa.Integer))
)
_TAKE = PlatformStatement(
    sa.update(JOBS)
    .where(_THE_JOB, _IS_OPEN, _LEASE_FREE)
    .values(lease_token=_TOKEN, leased_until=_UNTIL)
)
_RENEW = PlatformStatement(
    sa.update(JOBS).where(_THE_JOB, _IS_OPEN, _J.lease_token == _TOKEN).values(leased_until=_UNTIL)
)
_LET_GO = PlatformStatement(
    sa.update(JOBS)
    .where(_THE_JOB, _IS_OPEN, _J.lease_token == _TOKEN)
    .values(
        lease_token=None,
        leased_until=None,
        due_at=sa.bindparam("due_at", type_=_INSTANT),
        setbacks=_J.setbacks + sa.bindparam("setbacks_more", type_=sa.Integer),
        problem=sa.bindparam("problem"),
    )
)
_JOB = PlatformStatement(
    sa.select(
        _J.id,
        _J.kind,
        _J.who,
        _J.user_id,
        _J.correlation_id,
        _J.setbacks,
        _J.cancel_asked_at,
        _J.cancelled_by,
    ).where(_THE_JOB)
)
_NEXT = PlatformStatement(
    sa.select(
        _I.row_id,
        _I.id,
        _I.tenant_id,
        _I.queue,
        _I.sequence_number,
        _I.message_id,
        _I.original_message_id,
        _I.message_type,
        _I.correlation_id,
        _I.state,
        _I.body,
        _I.copy_message_id,
        _I.tries,
    )
    .where(*_OPEN_ITEMS, _I.row_id > sa.bindparam("after", type_=_I.row_id.type))
    .order_by(_I.row_id)
    .limit(sa.bindparam("rows_max", type_=sa.Integer))
)
_COPIES = PlatformStatement(
    sa.union_all(
        sa.select(_I.copy_message_id).where(
            _I.queue == sa.bindparam("queue"),
            _I.original_message_id == sa.bindparam("original"),
            _I.copy_message_id.is_not(None),
        ),
        sa.select(_A.copy_message_id).where(
            _A.queue == sa.bindparam("queue"),
            _A.original_message_id == sa.bindparam("original"),
            _A.copy_message_id.is_not(None),
        ),
    )
)
_NAME_COPY = PlatformStatement(
    sa.update(ITEMS)
    .where(_I.row_id == sa.bindparam("of_row_id"))
    .values(copy_message_id=sa.bindparam("new_copy_message_id"))
)
_NOTE = PlatformStatement(
    sa.update(ITEMS)
    .where(_I.row_id == sa.bindparam("of_row_id"), _I.finished_at.is_(None))
    .values(
        state=sa.bindparam("new_state", type_=_I.state.type),
        problem=sa.bindparam("new_problem"),
        archive_id=sa.func.coalesce(
            sa.bindparam("new_archive_id", type_=_I.archive_id.type), _I.archive_id
        ),
        tries=_I.tries + sa.bindparam("tries_more", type_=sa.Integer),
        changed_at=_NOW,
        finished_at=sa.bindparam("new_finished_at", type_=_INSTANT),
    )
)
_OPEN_COUNT = PlatformStatement(
    sa.select(sa.func.count().label("items")).select_from(ITEMS).where(*_OPEN_ITEMS)
)
_CANCELLED_COUNT = PlatformStatement(
    sa.select(sa.func.count().label("items"))
    .select_from(ITEMS)
    .where(_I.job_id == sa.bindparam("of_job"), _I.state == ItemState.CANCELLED)
)
_CLOSE = PlatformStatement(
    sa.update(JOBS)
    .where(_THE_JOB, _IS_OPEN)
    .values(
        state=sa.bindparam("new_state", type_=_J.state.type),
        finished_at=_NOW,
        lease_token=None,
        leased_until=None,
        problem=None,
    )
)
_TENANT_EXISTS = PlatformStatement(
    sa.select(TENANTS.c.id).where(TENANTS.c.id == sa.bindparam("wanted"))
)

_ACTIONS = {
    ItemState.SENT: "resubmitted",
    ItemState.ARCHIVED: "discarded",
    ItemState.GONE: "not_found",
    ItemState.FAILED: "not_handled",
    ItemState.CANCELLED: "left_alone",
}


class LeaseTaken(Exception):
    """The job's lease ended, and somebody else runs the job now."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the hands of whoever holds its lease."""

    id: UUID
    kind: JobKind
    who: str
    user_id: UUID | None
    correlation_id: str
    setbacks: int
    token: UUID


@dataclass(frozen=True, slots=True)
class Note:
    """What became of an item (a row of `next_items`)."""

    item: Any
    state: ItemState
    problem: str | None = None
    archive_id: UUID | None = None
    tries: int = 0


def due_jobs(reader: Reader, *, rows_max: int) -> list[UUID]:
    """Jobs that are due and that nobody runs."""
    rows = reader.rows(
        _DUE,
        now=reader.now,
        until=reader.now + LEASE,
        latest=reader.now + timedelta(seconds=PAUSE_SECONDS_MAX),
        rows_max=rows_max,
    )
    return [row.id for row in rows]


def take_job(work: UnitOfWork, job_id: UUID, token: UUID) -> Job | None:
    """The job under a lease of our own; None when it is done or somebody runs it."""
    given = {"of_job": job_id, "token": token, "now": work.now, "until": work.now + LEASE}
    return _load(work, job_id, token) if work.execute(_TAKE, **given) else None


def own_job(work: UnitOfWork, job_id: UUID, token: UUID) -> Job:
    """The job whose lease we hold already. Raises LeaseTaken."""
    renew(work, job_id, token)
    return _load(work, job_id, token)


def renew(work: UnitOfWork, job_id: UUID, token: UUID) -> None:
    """Hold the job for another LEASE. Raises LeaseTaken."""
    if not work.execute(_RENEW, of_job=job_id, token=token, until=work.now + LEASE):
        raise LeaseTaken


def next_items(work: UnitOfWork, job: Job, after: int) -> list[Any]:
    """The next open items of one queue behind a row number, each copy's id decided.

    Where the job was cancelled, only what is begun is left. Raises LeaseTaken.
    """
    renew(work, job.id, job.token)
    if work.one(_JOB, of_job=job.id).cancel_asked_at is not None:
        cancel_waiting(work, job.id)
    rows = work.rows(_NEXT, of_job=job.id, after=after, rows_max=CHUNK_MAX)
    rows = [row for row in rows if row.queue == rows[0].queue]
    if job.kind is not JobKind.RESUBMIT:
        return rows
    return [row if row.copy_message_id else _with_copy_id(work, row) for row in rows]


def next_copy_id(work: UnitOfWork, queue: Queue, original: str, message_id: str) -> str:
    """An id that no copy of the message has had, whoever sent it and however it went."""
    known = work.rows(_COPIES, queue=queue.value, original=original)
    numbers = [resubmission_of(row.copy_message_id) for row in known]
    return copy_id(original, max([*numbers, resubmission_of(message_id)]) + 1)


def note(work: UnitOfWork, job: Job, notes: Sequence[Note]) -> None:
    """Write down what became of items, with the audit entries. Raises LeaseTaken."""
    renew(work, job.id, job.token)
    _write(work, job, notes)


def cancel_waiting(work: UnitOfWork, job_id: UUID) -> None:
    """End every item of a job of which nothing is begun."""
    job = _load(work, job_id, job_id)
    cancelled_by = work.one(_JOB, of_job=job_id).cancelled_by
    # Whoever cancelled has decided it, not who began.
    job = replace(job, who=cancelled_by, user_id=None) if cancelled_by != job.who else job
    after = 0
    while rows := work.rows(_NEXT, of_job=job_id, after=after, rows_max=CHUNK_MAX * 10):
        after = rows[-1].row_id
        waiting = [row for row in rows if row.state is ItemState.WAITING]
        _write(work, job, [Note(row, ItemState.CANCELLED) for row in waiting])


def close_if_done(work: UnitOfWork, job_id: UUID) -> bool:
    """End the job when each of its items has an outcome; whether it is so."""
    if work.scalar(_OPEN_COUNT, of_job=job_id):
        return False
    cancelled = work.scalar(_CANCELLED_COUNT, of_job=job_id)
    state = JobState.CANCELLED if cancelled else JobState.DONE
    work.execute(_CLOSE, of_job=job_id, new_state=state, now=work.now)
    return True


def let_go(work: UnitOfWork, job: Job, problem: str | None) -> None:
    """Give the lease back: the job goes on at once, or after a pause when there is a problem."""
    pause = pause_after(job.setbacks) if problem is not None else timedelta()
    work.execute(
        _LET_GO,
        of_job=job.id,
        token=job.token,
        due_at=work.now + pause,
        setbacks_more=0 if problem is None else 1,
        problem=_short(problem),
    )


def pause_after(setbacks: int) -> timedelta:
    """How long to wait after so many setbacks before: 5 s, then twice as long, a minute at most."""
    seconds = min(PAUSE_FIRST_SECONDS * 2 ** min(setbacks, 10), PAUSE_SECONDS_MAX)
    return timedelta(seconds=seconds)


def told_to(
    work: UnitOfWork, tenant_id: UUID, correlation_id: str | None, *, otherwise: str
) -> tuple[UUID, str]:
    """In whose audit chain a letter's story is told, and under which correlation id."""
    exists = work.first(_TENANT_EXISTS, wanted=tenant_id) is not None
    is_usable = correlation_id is not None and correlation_id_from(correlation_id) == correlation_id
    return (
        tenant_id if exists else audit.PLATFORM_CHAIN,
        correlation_id if correlation_id is not None and is_usable else otherwise,
    )


def _load(work: UnitOfWork, job_id: UUID, token: UUID) -> Job:
    row = work.one(_JOB, of_job=job_id)
    return Job(row.id, row.kind, row.who, row.user_id, row.correlation_id, row.setbacks, token)


def _with_copy_id(work: UnitOfWork, row: Any) -> Any:
    named = next_copy_id(work, Queue(row.queue), row.original_message_id, row.message_id)
    work.execute(_NAME_COPY, of_row_id=row.row_id, new_copy_message_id=named)
    return row._replace(copy_message_id=named)


def _write(work: UnitOfWork, job: Job, notes: Sequence[Note]) -> None:
    work.execute_many(
        _NOTE,
        [
            {
                "of_row_id": one.item.row_id,
                "new_state": one.state,
                "new_problem": _short(one.problem),
                "new_archive_id": one.archive_id,
                "tries_more": one.tries,
                "now": work.now,
                "new_finished_at": None if one.state in OPEN_STATES else work.now,
            }
            for one in notes
        ],
    )
    changes: dict[tuple[UUID, str], list[audit.Change]] = defaultdict(list)
    for one in notes:
        action = _action(job.kind, one)
        if action is not None:
            own = one.item.correlation_id
            place = told_to(work, one.item.tenant_id, own, otherwise=job.correlation_id)
            changes[place].append(audit.Change(action, "dead_letter", one.item.id, _data(job, one)))
    for (chain, correlation_id), told in changes.items():
        audit.append(
            work.connection,
            chain,
            told,
            who=job.who,
            user_id=job.user_id,
            at=work.now,
            correlation_id=correlation_id,
        )


def _action(kind: JobKind, one: Note) -> str | None:
    """The audit action; None where nothing new happened to the letter."""
    if one.state is one.item.state or one.state not in _ACTIONS:
        return None
    if one.state is ItemState.ARCHIVED and kind is JobKind.PURGE:
        return "dead_letter.purged"
    return f"dead_letter.{_ACTIONS[one.state]}"


def _data(job: Job, one: Note) -> str:
    item = one.item
    after = {
        "queue": item.queue,
        "message_type": item.message_type,
        "message_id": item.message_id,
        "sequence_number": item.sequence_number,
        "copy_message_id": item.copy_message_id if one.state is ItemState.SENT else None,
        "archive_id": one.archive_id,
        "is_edited": item.body is not None,
        "problem": one.problem,
        "job_id": job.id,
        "job_correlation_id": job.correlation_id,
    }
    return audit.data_of(None, {key: value for key, value in after.items() if value is not None})


def _short(problem: str | None) -> str | None:
    return None if problem is None else problem[:PROBLEM_LENGTH_MAX]
