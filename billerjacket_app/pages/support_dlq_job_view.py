"""A job as text: what it does, how far it is, what became of each letter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backend.actor import Actor
from backend.health.heartbeats import list_workers
from backend.messaging.transport import Transport
from backend.support.items import ItemView
from backend.support.jobs import JobView, cancel_job, get_job, list_items
from backend.support.models import ItemState, JobKind, JobState
from backend.unit_of_work import read, run
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters
from billerjacket_app.pages import rows
from billerjacket_app.pages.support_dlq_state import AnyActor, clock_text, zone_of
from billerjacket_app.status import Badge

PAGE_SIZE = 50
_VERBS = {JobKind.RESUBMIT: "Resubmit", JobKind.DISCARD: "Discard", JobKind.PURGE: "Purge"}
# The order in which outcomes are told: what went well, what needs a look, what is still to come.
_TOLD = (
    ItemState.DONE,
    ItemState.FAILED,
    ItemState.GONE,
    ItemState.SENT,
    ItemState.ARCHIVED,
    ItemState.CANCELLED,
    ItemState.WAITING,
)
# After these the letter is still among the dead letters, so it can be opened.
_STILL_THERE = (ItemState.WAITING, ItemState.SENT, ItemState.FAILED, ItemState.CANCELLED)


@dataclass
class JobLine:
    """A job in a list."""

    href: str = ""
    title: str = ""
    badge: Badge = field(default_factory=Badge)
    progress: str = ""
    who: str = ""
    at: fmt.When = field(default_factory=fmt.When)
    is_open: bool = False


@dataclass
class ItemRow:
    """What became of one letter."""

    message_id: str = ""
    short_id: str = ""
    href: str = ""
    message_type: str = ""
    queue: str = ""
    badge: Badge = field(default_factory=Badge)
    text: str = ""
    at: fmt.When = field(default_factory=fmt.When)


@dataclass
class JobFacts:
    """The job itself."""

    title: str = ""
    badge: Badge = field(default_factory=Badge)
    who: str = ""
    scope: str = ""
    started: fmt.When = field(default_factory=fmt.When)
    ended: fmt.When = field(default_factory=fmt.When)
    correlation_id: str = ""
    trace_href: str = ""
    progress: str = ""
    finished: int = 0
    total: int = 1
    is_open: bool = False
    problem: str = ""
    cancelled: str = ""
    no_worker: bool = False
    back_href: str = routes.DEAD_LETTERS


@dataclass(frozen=True)
class Found:
    """All that the page shows."""

    facts: JobFacts
    tabs: list[filters.Tab]
    items: list[ItemRow]
    pager: filters.Pager


def job_badge(job: JobView) -> Badge:
    """How a job stands."""
    if job.state is JobState.CANCELLED:
        return Badge("Cancelled", "ban", "slate")
    if job.state is JobState.OPEN:
        if job.cancel_asked_at is not None:
            return Badge("Stopping", "pause", "amber")
        return (
            Badge("Running", "loader", "indigo")
            if job.is_running
            else Badge("Waiting", "clock", "slate")
        )
    failed = job.counts.get(ItemState.FAILED, 0)
    if failed:
        return Badge(f"Done, {fmt.count(failed)} failed", "triangle-alert", "red")
    return Badge("Done", "check", "green")


def job_title(job: JobView) -> str:
    """What a job does, with its number: `Resubmit 14 messages`."""
    return f"{_VERBS[job.kind]} {fmt.count(job.item_count, 'message')}"


def job_line(job: JobView, zone: ZoneInfo, now: datetime) -> JobLine:
    """A job as a line of a list."""
    return JobLine(
        href=routes.dead_letter_job(job.job_id),
        title=job_title(job),
        badge=job_badge(job),
        progress=f"{fmt.count(job.finished_count)} of {fmt.count(job.item_count)}",
        who=job.who,
        at=fmt.when(job.created_at, zone, now),
        is_open=job.state is JobState.OPEN,
    )


def load_job(
    db: Any, _transport: Transport, actor: AnyActor, job_id: str, state: str, cursor: str
) -> Found:
    """The job that the address names. Raises NotFound, NotAllowed, InvalidInput."""
    wanted = rows.record_id(job_id, "job")
    of_state = rows.optional_choice(ItemState, state, "state")
    zone = zone_of(db, actor)
    job = read(db, actor, get_job, wanted)
    page = read(
        db, actor, list_items, wanted, state=of_state, limit=PAGE_SIZE, cursor=cursor or None
    )
    is_open = job.state is JobState.OPEN
    works = not is_open or any(one.is_running for one in read(db, actor, list_workers))
    shown = job.counts.get(of_state, 0) if of_state else job.item_count
    more = page.next_cursor
    return Found(
        facts=_facts(job, zone, db.clock(), works=works, has_trace=isinstance(actor, Actor)),
        tabs=_tabs(job, of_state),
        items=[_item(item, zone) for item in page.items],
        pager=filters.Pager(
            text=fmt.count(shown, "message")
            if not more and not cursor
            else f"{fmt.count(len(page.items))} of {fmt.count(shown, 'message')}",
            first_href=routes.dead_letter_job(wanted, state=state) if cursor else "",
            next_href=routes.dead_letter_job(wanted, state=state, cursor=more) if more else "",
        ),
    )


def stop_job(db: Any, _transport: Transport, actor: AnyActor, job_id: str) -> JobView:
    """Cancel it. Raises NotFound, StateConflict, NotAllowed."""
    return run(db, actor, cancel_job, rows.record_id(job_id, "job"))


def _facts(
    job: JobView, zone: ZoneInfo, now: datetime, *, works: bool, has_trace: bool
) -> JobFacts:
    cancelled = ""
    if job.cancel_asked_at is not None:
        cancelled = (
            f"Cancelled by {job.cancelled_by} at {clock_text(job.cancel_asked_at, zone, now)}."
        )
    return JobFacts(
        title=job_title(job),
        badge=job_badge(job),
        who=job.who,
        scope=job.scope,
        started=fmt.when_exactly(job.created_at, zone),
        ended=fmt.when_exactly(job.finished_at, zone),
        correlation_id=job.correlation_id,
        trace_href=routes.trace(job.correlation_id) if has_trace else "",
        progress=f"{fmt.count(job.finished_count)} of {fmt.count(job.item_count)}",
        finished=job.finished_count,
        total=job.item_count,
        is_open=job.state is JobState.OPEN,
        problem=job.problem or "",
        cancelled=cancelled,
        no_worker=not works,
    )


def _tabs(job: JobView, chosen: ItemState | None) -> list[filters.Tab]:
    every = filters.Tab(
        "All", fmt.count(job.item_count), routes.dead_letter_job(job.job_id), chosen is None
    )
    return [every] + [
        filters.Tab(
            status.dead_letter_item(state, job.kind).label,
            fmt.count(job.counts[state]),
            routes.dead_letter_job(job.job_id, state=state.value),
            chosen is state,
        )
        for state in _TOLD
        if job.counts.get(state) or chosen is state
    ]


def _item(item: ItemView, zone: ZoneInfo) -> ItemRow:
    href = ""
    if item.archive_id is not None:
        href = routes.archived_letter(item.archive_id)
    elif item.state in _STILL_THERE:
        href = routes.dead_letter(item.queue.value, item.sequence_number)
    return ItemRow(
        message_id=item.message_id,
        short_id=fmt.short_id(item.message_id),
        href=href,
        message_type=item.message_type or "No type",
        queue=item.queue.value,
        badge=status.dead_letter_item(item.state, item.kind),
        text=item.text,
        at=fmt.when_exactly(item.changed_at, zone),
    )
