"""/support/dlq/{queue}/{number}: one dead letter opened, and what can be done with it.

Opening peeks: the broker counts nothing. An act says "Sending…" first and then what the broker
answered; a colleague who was faster is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.support.acting import act_now
from backend.support.items import ItemView
from backend.support.letters import LetterDetail
from backend.support.models import ItemState, JobKind
from billerjacket_app import routes
from billerjacket_app.bridge import Outcome, Problem
from billerjacket_app.components import basic, shell, states
from billerjacket_app.pages import support_dlq_letter_parts as parts
from billerjacket_app.pages.support_dlq_letter_view import (
    ActRow,
    AttemptRow,
    DiffRow,
    Found,
    LetterFacts,
    Pair,
    check_text,
    load_letter,
)
from billerjacket_app.pages.support_dlq_state import SupportState

_HANDLED = ("already_handled", "already_claimed")


@dataclass
class Answer:
    """What an act came to; `tone` is good, warn or bad, and nothing while there was no act."""

    title: str = ""
    text: str = ""
    tone: str = ""
    href: str = ""
    link: str = ""


def answer_of(item: ItemView) -> tuple[Answer, bool]:
    """An act's outcome in words, and whether the letter is done with."""
    job = routes.dead_letter_job(item.job_id)
    match item.state:
        case ItemState.DONE if item.kind is JobKind.RESUBMIT:
            said = f"Resubmitted as {item.copy_message_id}."
            text = "The queue has confirmed the copy; this one is removed."
            return Answer(said, text, "good"), True
        case ItemState.DONE:
            kept = routes.archived_letter(item.archive_id)
            said = "It is in the archive and can be sent again."
            return Answer("Discarded.", said, "good", kept, "Open it in the archive"), True
        case ItemState.SENT | ItemState.ARCHIVED:
            why = item.problem or "The job goes on by itself and removes it."
            return Answer(item.text, why, "warn", job, "Follow the job"), True
        case ItemState.WAITING:
            return Answer("Not done yet.", item.text, "warn", job, "Follow the job"), True
        case ItemState.GONE:
            return Answer("Nothing was done.", item.text, "warn", job, "See the job"), True
        case _:
            return Answer("Nothing was done.", item.text, "bad", job, "See the job"), False


class DeadLetterState(SupportState, rx.State):
    """One letter."""

    facts: LetterFacts = LetterFacts()
    links: list[Pair] = []
    properties: list[Pair] = []
    attempts: list[AttemptRow] = []
    history: list[ActRow] = []
    answer: Answer = Answer()
    is_over: bool = False  # somebody acted: the buttons are gone
    problems: list[str] = []
    diff: list[DiffRow] = []
    is_changed: bool = False

    _detail: LetterDetail | None = None
    _checked: str = ""

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The letter that the address names."""
        return load_letter, (self.queue_name, self.sequence)

    def _show(self, found: Found) -> None:
        """Show it."""
        self._detail = found.detail
        self.assign(
            title=found.facts.title,
            facts=found.facts,
            links=found.links,
            properties=found.properties,
            attempts=found.attempts,
            history=found.history,
        )

    def _noticed(self, outcome: Outcome[Any]) -> None:
        """Tell when the letter is gone; what was read of it stays on the page."""
        if not outcome.problem:
            self._show(outcome.must)
        elif outcome.problem.kind == "missing" and self.answer.tone != "good":
            self._tell_of(outcome.problem)

    async def _fetch_shown(self) -> None:
        """Load the letter; nothing of an act on the one before may show."""
        self.assign(answer=Answer(), is_over=False)
        self._forget_edit()
        await super()._fetch_shown()

    @rx.event
    async def resubmit(self, _form: dict[str, Any]) -> Any:
        """Send a copy and then remove this one."""
        self.busy = True
        yield
        await self._carry_out(JobKind.RESUBMIT)

    @rx.event
    async def discard(self) -> Any:
        """Move it into the archive."""
        self.busy = True
        yield
        await self._carry_out(JobKind.DISCARD)

    @rx.event
    def open_edit(self) -> None:
        """Open the editor with the body as it is."""
        self.close_dialog_now()
        self._forget_edit()
        self.dialog = "edit"

    @rx.event
    async def check(self, text: str) -> None:
        """Check what was typed; the editor says what is wrong and what changes."""
        await self._check(_plain(text))

    @rx.event
    async def send_edited(self, form: dict[str, Any]) -> Any:
        """Send the edited body, when what was checked is what is sent."""
        text = _plain(str(form.get("body", "")))
        if text != self._checked:
            await self._check(text)  # what it changes must have been seen
            return
        if self.problems or not self.is_changed:
            return
        self.busy = True
        yield
        await self._carry_out(JobKind.RESUBMIT, body=text)

    async def _carry_out(self, kind: JobKind, *, body: str | None = None) -> None:
        if self._detail is None:
            self.busy = False
            return
        key = self._detail.summary.key
        outcome = await self._act(act_now, kind, key, body=body)
        if outcome.problem:
            if outcome.problem.code in _HANDLED or outcome.problem.kind == "missing":
                self.close_dialog_now()
                self._tell_of(outcome.problem)
            elif not self.dialog:
                self.answer = _refused(outcome.problem)
            return
        self.close_dialog_now()
        self.answer, self.is_over = answer_of(outcome.must)
        if not self.is_over:
            await self.fetch()

    async def _check(self, text: str) -> None:
        if self._detail is None:
            return
        outcome = await self._ask(check_text, self._detail, text)
        self.refusal = outcome.problem
        if outcome.problem:
            return
        self._checked = text
        found = outcome.must
        self.assign(problems=found.problems, diff=found.diff, is_changed=found.is_changed)

    def _forget_edit(self) -> None:
        self._checked = ""
        self.assign(problems=[], diff=[], is_changed=False)

    def _tell_of(self, problem: Problem) -> None:
        handled = problem.code in _HANDLED
        said = problem.detail if handled else "It is no longer among the dead letters."
        self.assign(answer=Answer(said, "", "warn"), is_over=problem.code != "already_claimed")


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _refused(problem: Problem) -> Answer:
    quoted = f" Correlation id {problem.correlation_id}." if problem.quotable else ""
    return Answer(problem.title, problem.detail + quoted, "bad")


def page() -> rx.Component:
    """One letter."""
    state, facts = DeadLetterState, DeadLetterState.facts
    ready = state.view == "ready"
    handled = (state.view == "missing") & (state.problem.code == "already_handled")
    return shell.page(
        state,
        rx.cond(ready, state.title, "Dead letter"),
        rx.cond(
            handled,
            parts.handled_before(state.problem),
            states.body(
                state,
                parts.letter(state),
                noun="dead letter",
                back=(routes.DEAD_LETTERS, "To the dead letters"),
            ),
        ),
        section="dead-letters",
        crumbs=[("Dead letters", routes.DEAD_LETTERS)],
        beside=rx.cond(
            ready,
            rx.fragment(
                basic.badge(facts.badge),
                rx.cond(
                    facts.retried != "",
                    rx.el.span(
                        basic.icon("rotate-ccw", size=12),
                        facts.retried,
                        class_name="badge b-orange",
                    ),
                    rx.fragment(),
                ),
            ),
            rx.fragment(),
        ),
        actions=[rx.cond(ready & ~state.is_over, parts.actions(state), rx.fragment())],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DEAD_LETTER,
        title="Dead letter · BillerJacket",
        on_load=DeadLetterState.load,
    )
