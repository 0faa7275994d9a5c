"""/support/dlq: what failed for good, by queue and group, and the messages themselves.

Without filters the page opens with the queues and the groups; with one it narrows to the
messages. New letters never move the list under the reader: the page says how many there are, and
a click loads them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.actor import Action
from backend.messaging.transport import Transport
from backend.support.groups import note_group
from backend.support.jobs import JobView, list_jobs
from backend.support.letters import parse_queue
from backend.unit_of_work import read, run
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.bridge import Outcome
from billerjacket_app.components import basic, filters, shell, states
from billerjacket_app.page_state import say
from billerjacket_app.pages import support_dlq_forms as dlq_forms
from billerjacket_app.pages import support_dlq_views as views
from billerjacket_app.pages.support_dlq_bulk import BulkState
from billerjacket_app.pages.support_dlq_job_view import JobLine, job_line
from billerjacket_app.pages.support_dlq_list import (
    FILTERS,
    GroupRow,
    LetterList,
    Option,
    QueueCard,
    count_letters,
    load_letters,
)
from billerjacket_app.pages.support_dlq_state import AnyActor, asked_for, permits, zone_of

# The latest jobs that are over; those that run are shown whatever came after them.
JOBS_SHOWN = 5
JOBS_MAX = 20


@dataclass
class OpenNote:
    """The group whose note is being written."""

    title: str = ""
    queue: str = ""
    reason: str = ""
    message_type: str = ""
    note: str = ""


@dataclass(frozen=True)
class Found:
    """All that the page shows."""

    letters: LetterList
    jobs: list[JobLine]
    may_purge: bool


@dataclass(frozen=True)
class Glance:
    """What the page looks for again."""

    total: int
    jobs: list[JobLine] = field(default_factory=list)


def load_page(db: Any, transport: Transport, actor: AnyActor, query: dict[str, str]) -> Found:
    """The page that the address names. Raises InvalidInput, NotAllowed, Busy."""
    letters = load_letters(db, transport, actor, query)
    return Found(letters, _jobs(db, actor), permits(actor, Action.SUPPORT_PURGE))


def look_again(db: Any, transport: Transport, actor: AnyActor, query: dict[str, str]) -> Glance:
    """How many letters match now, and how far the jobs are. Raises NotAllowed, Busy."""
    return Glance(count_letters(db, transport, actor, query), _jobs(db, actor))


def save_note(db: Any, _transport: Transport, actor: AnyActor, group: OpenNote, text: str) -> None:
    """Write what is known about a group. Raises InvalidInput, NotAllowed."""
    run(
        db,
        actor,
        note_group,
        parse_queue(group.queue),
        asked_for(group.reason) or None,
        asked_for(group.message_type) or None,
        text,
    )


def _jobs(db: Any, actor: AnyActor) -> list[JobLine]:
    zone = zone_of(db, actor)
    found: list[JobView] = read(db, actor, list_jobs, limit=JOBS_MAX).items
    lines = [job_line(job, zone, db.clock()) for job in found]
    over = [line for line in lines if not line.is_open][:JOBS_SHOWN]
    return [line for line in lines if line.is_open or line in over]


class DeadLettersState(BulkState, rx.State):
    """The page's variables."""

    cards: list[QueueCard] = []
    groups: list[GroupRow] = []
    reasons: list[Option] = []
    types: list[Option] = []
    chips: list[filters.Chip] = []
    pager: filters.Pager = filters.Pager()
    jobs: list[JobLine] = []
    jobs_running: str = ""
    running_href: str = ""
    narrowed: bool = False
    fresh: str = ""
    export_href: str = ""
    note: OpenNote = OpenNote()
    queue: str = ""
    reason: str = ""
    kind: str = ""
    q: str = ""
    search_key: str = "0"

    _typed: str = ""
    _known: int = -1

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The page that the address names."""
        return load_page, (self._address(),)

    def _glance(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Whether there is more now."""
        return look_again, (self._address(),)

    def _noticed(self, outcome: Outcome[Any]) -> None:
        """Tell of new letters without moving the list; the jobs below it go on."""
        if outcome.problem:
            return
        found: Glance = outcome.must
        self._show_jobs(found.jobs)
        if found.total < 0 or self._known < 0:
            return
        more = found.total - self._known
        new = f"{fmt.count(more)} new, click to load" if more > 0 else ""
        gone = f"{fmt.count(-more)} fewer by now, click to load" if more < 0 else ""
        self.assign(fresh=new or gone)

    def _show(self, found: Found) -> None:
        """Show the page."""
        query, letters = self._address(), found.letters
        if query != self._query and (self.selected or self.is_all or self.dialog):
            self.close_dialog_now()
            self.selected, self.is_all = [], False
        self._query, self._total = query, letters.total
        # The groups may be older than the list: what they do not show yet counts as new.
        self._known = letters.total if any(query.values()) else letters.counted
        if query["q"] != self._typed:
            self._typed = query["q"]
            self.search_key = uuid.uuid4().hex
        here = {**query, "cursor": ""}
        is_whole = not any(here[name] for name in FILTERS if name != "queue")
        self._show_jobs(found.jobs)
        self.assign(
            cards=letters.cards,
            groups=letters.groups,
            rows=letters.rows,
            reasons=letters.reasons,
            types=letters.types,
            chips=letters.chips,
            pager=letters.pager,
            narrowed=any(here.values()),
            fresh="",
            export_href=routes.dead_letter_export(**here),
            queue=query["queue"],
            reason=query["reason"],
            kind=query["type"],
            q=query["q"],
            may_purge=found.may_purge and is_whole,
            purge_queue=query["queue"] if letters.rows else "",
            purge_why=_purge_why(found.may_purge, is_whole),
        )
        self._show_scope()

    @rx.event
    async def refresh(self) -> None:
        """Load what is new."""
        await self.fetch()

    @rx.event
    def choose(self, name: str, value: str) -> Any:
        """Put a filter into the address."""
        query = self._address() | {"cursor": ""}
        if name in ("queue", "reason", "type"):
            query[name] = value
        return rx.redirect(routes.dead_letters(**query))

    @rx.event
    def search(self, text: str) -> Any:
        """Put what was typed into the address; the list follows."""
        self._typed = text.strip()
        query = self._address() | {"q": self._typed, "cursor": ""}
        return rx.redirect(routes.dead_letters(**query), replace=True)

    @rx.event
    def open_note(self, key: str) -> None:
        """Open the note of a group."""
        self.close_dialog_now()
        row = next((group for group in self.groups if group.key == key), None)
        if row is None:
            return
        title = f"{row.badge.label}, {row.type_text}"
        self.note = OpenNote(title, row.queue, row.reason, row.message_type, row.note)
        self.dialog = "note"

    @rx.event
    async def save_note(self, form: dict[str, Any]) -> Any:
        """Keep the note."""
        self.busy = True
        yield
        outcome = await self._act(save_note, self.note, str(form.get("note", "")))
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("The note was kept.")

    def _address(self) -> dict[str, str]:
        return {name: self.arg(name) for name in FILTERS}

    def _show_jobs(self, jobs: list[JobLine]) -> None:
        running = [job for job in jobs if job.is_open]
        self.assign(
            jobs=jobs,
            jobs_running=f"{fmt.count(len(running), 'job')} running" if running else "",
            running_href=running[0].href if running else "",
        )


def _purge_why(may_purge: bool, is_whole: bool) -> str:
    """What a purge does, or why it cannot be done."""
    if not may_purge:
        return "Only an admin may purge. You can discard messages instead."
    if not is_whole:
        return "A purge takes the whole queue: clear the other filters, or discard what matches."
    return "Every message goes into the archive, from where each can be sent again."


def _overview(state: Any) -> rx.Component:
    return rx.cond(
        state.narrowed,
        rx.fragment(),
        rx.el.div(
            views.queue_cards(state.cards),
            rx.cond(
                state.groups.length() > 0,
                basic.section("Groups", views.group_table(state)),
                rx.fragment(),
            ),
            class_name="stack wide-gap",
        ),
    )


def _messages(state: Any) -> rx.Component:
    return basic.section(
        "Messages",
        views.filter_row(state),
        filters.chips(state.chips),
        rx.cond(
            state.rows.length() > 0,
            dlq_forms.bulk_bar(state),
            rx.fragment(),
        ),
        views.letter_table(state),
        filters.pager(state.pager),
        dlq_forms.purge_box(state),
        aside=_fresh(state),
    )


def _fresh(state: Any) -> rx.Component:
    return rx.cond(
        state.fresh != "",
        basic.button(
            basic.icon("rotate-ccw", size=14),
            state.fresh,
            on_click=state.refresh,
            data_testid="fresh",
        ),
        rx.fragment(),
    )


def page() -> rx.Component:
    """Groups and messages."""
    state = DeadLettersState
    nothing = rx.el.div(
        states.empty(
            "circle-check",
            "No dead letters",
            "Every message was handled, or is still being tried.",
            _fresh(state),
        ),
        class_name="card",
    )
    listing = rx.el.div(
        _overview(state),
        rx.cond(
            (state.groups.length() > 0) | state.narrowed | (state.rows.length() > 0),
            _messages(state),
            nothing,
        ),
        rx.cond(
            (state.jobs.length() > 0) & ~state.narrowed,
            basic.section("Latest jobs", views.job_table(state.jobs)),
            rx.fragment(),
        ),
        views.note_dialog(state),
        dlq_forms.plan_dialogs(state),
        rx.el.div(state.fresh, class_name="vh", role="status"),
        class_name="stack wide-gap",
    )
    actions = [
        rx.cond(
            state.jobs_running != "",
            basic.link_button(
                basic.icon("loader", size=14),
                state.jobs_running,
                href=state.running_href,
                data_testid="jobs-running",
            ),
            rx.fragment(),
        ),
        basic.link_button(
            basic.icon("archive", size=14), "Archive", href=routes.DEAD_LETTER_ARCHIVE
        ),
        rx.cond(
            (state.view == "ready") & (state.rows.length() > 0),
            basic.download_link("Export", href=state.export_href, data_testid="export"),
            rx.fragment(),
        ),
    ]
    return shell.page(
        state,
        "Dead letters",
        states.body(state, listing, noun="view", back=(routes.DEAD_LETTERS, "To all dead letters")),
        section="dead-letters",
        actions=[rx.cond(state.view == "forbidden", rx.fragment(), rx.fragment(*actions))],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DEAD_LETTERS,
        title="Dead letters · BillerJacket",
        on_load=DeadLettersState.load,
    )
