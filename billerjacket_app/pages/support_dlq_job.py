"""/support/dlq/jobs/{id}: an act on many dead letters, how far it is, what became of each.

The job lives in the database, so its page can be closed, opened again, or opened by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import reflex as rx

from backend.actor import Actor
from backend.health.heartbeats import list_workers
from backend.messaging.transport import Transport
from backend.support.items import ItemView
from backend.support.jobs import JobView, cancel_job, get_job, list_items
from backend.support.models import ItemState, JobKind, JobState
from backend.unit_of_work import read, run
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, filters, shell, states, table
from billerjacket_app.page_state import say
from billerjacket_app.pages import rows
from billerjacket_app.pages.support_dlq_state import AnyActor, SupportState, clock_text, zone_of
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


class DeadLetterJobState(SupportState, rx.State):
    """One job."""

    facts: JobFacts = JobFacts()
    tabs: list[filters.Tab] = []
    items: list[ItemRow] = []
    pager: filters.Pager = filters.Pager()
    said: str = ""

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The job that the address names."""
        return load_job, (self.job_id, self.arg("state"), self.arg("cursor"))

    def _show(self, found: Found) -> None:
        """Show it."""
        facts = found.facts
        said = "" if facts.is_open else f"{facts.badge.label}: {facts.progress}."
        self.assign(
            title=facts.title,
            facts=facts,
            tabs=found.tabs,
            items=found.items,
            pager=found.pager,
            said=said,
        )

    @rx.event
    async def cancel(self) -> Any:
        """Do no more than what is begun."""
        self.busy = True
        yield
        outcome = await self._act(stop_job, self.job_id)
        await self.fetch()
        if outcome.problem:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
        else:
            yield say("The job stops after the messages in hand.")


def _progress(facts: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.label("Done", html_for="job-progress", class_name="strong"),
            rx.el.span(facts.progress, class_name="num", data_testid="job-progress"),
            class_name="row spread",
        ),
        rx.el.progress(
            value=facts.finished, max=facts.total, id="job-progress", class_name="progress"
        ),
        rx.cond(
            facts.no_worker,
            basic.callout(
                rx.el.strong("It waits for a worker: none is running. "),
                "It begins by itself when one is started; this page can be closed.",
                tone="warn",
                symbol="triangle-alert",
                data_testid="no-worker",
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.problem != "",
            basic.callout(
                facts.problem, tone="warn", symbol="triangle-alert", data_testid="job-problem"
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.cancelled != "",
            rx.el.p(facts.cancelled, class_name="muted small", data_testid="job-cancelled"),
            rx.fragment(),
        ),
        class_name="card stack",
        data_testid="job",
    )


def _about(facts: Any) -> rx.Component:
    return basic.card(
        basic.facts(
            basic.fact("Messages", facts.scope),
            basic.fact("By", facts.who),
            basic.fact("Started", basic.when(facts.started, class_name="mono")),
            basic.fact("Ended", basic.when(facts.ended, class_name="mono")),
            basic.fact(
                "Correlation id",
                basic.copy_id(facts.correlation_id, label="the correlation id"),
                rx.cond(
                    facts.trace_href != "",
                    basic.link("Trace", href=facts.trace_href),
                    rx.fragment(),
                ),
            ),
        )
    )


def _results(state: Any) -> rx.Component:
    return basic.section(
        "Result of each message",
        filters.tabs("Messages by result", state.tabs),
        table.data_table(
            "Messages of this job",
            [
                table.Column("id", "Message"),
                table.Column("type", "Type"),
                table.Column("queue", "Queue"),
                table.Column("result", "Result"),
                table.Column("text", "What is known"),
                table.Column("at", "At"),
            ],
            state.items,
            lambda item: [
                table.row_header(
                    rx.cond(
                        item.href != "",
                        rx.el.a(
                            item.short_id, href=item.href, class_name="hit mono",
                            title=item.message_id,
                        ),
                        rx.el.span(item.short_id, class_name="mono", title=item.message_id),
                    )
                ),
                table.cell(item.message_type, class_name="clip"),
                table.cell(item.queue),
                table.cell(basic.badge(item.badge)),
                table.cell(item.text, class_name="wrap"),
                table.cell(basic.when(item.at, class_name="mono")),
            ],
            state=state,
            testid="table-items",
            row_testid="job-item",
            empty=states.empty("inbox", "No messages", "None has this result."),
        ),
        filters.pager(state.pager),
    )  # fmt: skip


def page() -> rx.Component:
    """One job."""
    state, facts = DeadLetterJobState, DeadLetterJobState.facts
    content = rx.el.div(
        _progress(facts),
        _about(facts),
        _results(state),
        rx.el.div(state.said, class_name="vh", role="status"),
        class_name="stack wide-gap",
    )
    ready = state.view == "ready"
    cancel = rx.cond(
        ready & facts.is_open & (facts.cancelled == ""),
        basic.button(
            basic.icon("pause", size=14),
            rx.cond(state.busy, "Cancelling…", "Cancel the job"),
            on_click=state.cancel,
            disabled=state.busy,
            title="It stops after the messages in hand.",
            data_testid="cancel-job",
        ),
        rx.fragment(),
    )
    return shell.page(
        state,
        rx.cond(ready, state.title, "Job"),
        states.body(state, content, noun="job", back=(routes.DEAD_LETTERS, "To the dead letters")),
        section="dead-letters",
        crumbs=[("Dead letters", routes.DEAD_LETTERS)],
        beside=rx.cond(ready, basic.badge(facts.badge, data_testid="job-state"), rx.fragment()),
        actions=[cancel],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DEAD_LETTER_JOB,
        title="Job · Dead letters · BillerJacket",
        on_load=DeadLetterJobState.load,
    )
