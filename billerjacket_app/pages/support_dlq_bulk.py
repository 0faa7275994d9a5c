"""Acts on many dead letters: what is chosen, the plan that says what would happen, the start.

A scope is always named with its number: the chosen ones, this page, all that match. The services
count again when the act is confirmed; when the number changed, the plan is shown anew.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.errors import InvalidInput
from backend.messaging.contracts import Queue
from backend.messaging.transport import Transport
from backend.support.acting import Matching, Scope, Selected, plan_job, start_job
from backend.support.models import JobKind
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.bridge import Problem
from billerjacket_app.pages.support_dlq_list import FILTERS, LetterRow, filter_of, key_of
from billerjacket_app.pages.support_dlq_state import AnyActor, SupportState, zone_of

VERBS = {JobKind.RESUBMIT: "Resubmit", JobKind.DISCARD: "Discard", JobKind.PURGE: "Purge"}


@dataclass
class PlanView:
    """What an act would do, before it is confirmed."""

    title: str = ""
    verb: str = ""
    count: str = ""
    oldest: fmt.When = field(default_factory=fmt.When)
    newest: fmt.When = field(default_factory=fmt.When)
    queues: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    money: str = ""
    changed: str = ""
    more: str = ""
    queue: str = ""  # whose name must be typed
    is_counting: bool = False
    is_empty: bool = False


@dataclass(frozen=True)
class Planned:
    """A plan, and how many letters it has."""

    view: PlanView
    count: int


def load_plan(
    db: Any, transport: Transport, actor: AnyActor, kind: JobKind, scope: Scope
) -> Planned:
    """What the act would do now. Raises NotAllowed, InvalidInput, Busy."""
    plan = plan_job(db, transport, actor, kind, scope)
    zone = zone_of(db, actor)
    payments = dict(plan.by_queue).get(Queue.PAYMENT_COMMANDS, 0)
    is_money = kind is JobKind.RESUBMIT and payments > 0
    queue = str(scope.filter.queue) if isinstance(scope, Matching) and kind is JobKind.PURGE else ""
    where = f" from {queue}" if queue else ""
    messages = fmt.count(plan.count, "message")
    return Planned(
        PlanView(
            title=f"{VERBS[kind]} {messages}{where}?",
            verb=f"{VERBS[kind]} {messages}",
            count=messages,
            oldest=fmt.when_exactly(plan.oldest_at, zone),
            newest=fmt.when_exactly(plan.newest_at, zone),
            queues=[f"{name}: {fmt.count(count)}" for name, count in plan.by_queue],
            skipped=[f"{fmt.count(count)} {reason}" for reason, count in plan.skipped],
            money=f"{fmt.count(payments, 'payment command')} among them: money is recorded as "
            "received when they succeed."
            if is_money
            else "",
            more="There are more than one job takes: these are the oldest of each queue."
            if not plan.is_complete
            else "",
            queue=queue,
            is_empty=plan.count == 0,
        ),
        plan.count,
    )


class BulkState(SupportState, mixin=True):
    """Choosing letters of the list and acting on them."""

    rows: list[LetterRow] = []
    selected: list[str] = []
    is_all: bool = False  # all that match, not only those of this page
    scope_text: str = ""
    scope_name: str = ""
    all_name: str = ""
    page_name: str = ""
    page_chosen: bool = False
    may_purge: bool = False
    purge_queue: str = ""
    purge_why: str = ""
    plan: PlanView = PlanView()
    typed_right: bool = False

    _kind: JobKind = JobKind.RESUBMIT
    # What the open plan is about; as plain text, so that nothing chosen later reaches it.
    _plan_key: str = ""
    _plan_keys: tuple[str, ...] = ()
    _plan_query: tuple[tuple[str, str], ...] = ()
    _plan_is_all: bool = False
    _planned: int = 0
    _query: dict[str, str] = {}
    _total: int = -1

    def _show_scope(self) -> None:
        """Say what is chosen, in the bar and on its buttons."""
        on_page = [row.key for row in self.rows]
        kept = [key for key in self.selected if key in on_page]
        total = "all matching" if self._total < 0 else f"all {fmt.count(self._total)} matching"
        page_name = f"this page ({fmt.count(len(on_page))})"
        is_page = len(kept) == len(on_page) > 0
        if self.is_all:
            name = total
        elif is_page:
            name = page_name
        else:
            name = f"{fmt.count(len(kept))} selected" if kept else ""
        says = f"{name[0].upper()}{name[1:]}" if name else "Nothing selected"
        self.assign(
            selected=kept,
            scope_name=name,
            scope_text=says if says.endswith("selected") else f"{says} selected",
            all_name=total,
            page_name=page_name,
            page_chosen=is_page or self.is_all,
        )

    @rx.event
    def toggle(self, key: str) -> None:
        """Choose a row, or no longer."""
        chosen = [row.key for row in self.rows] if self.is_all else self.selected
        self.is_all = False
        self.selected = (
            [other for other in chosen if other != key] if key in chosen else [*chosen, key]
        )
        self._show_scope()

    @rx.event
    def toggle_page(self) -> None:
        """Choose every row of the page, or none."""
        self.selected = [] if self.page_chosen else [row.key for row in self.rows]
        self.is_all = False
        self._show_scope()

    @rx.event
    def choose_all(self) -> None:
        """Choose all that match, on every page."""
        self.is_all = True
        self._show_scope()

    @rx.event
    def choose_none(self) -> None:
        """Choose nothing."""
        self._forget_choice()

    def _forget_choice(self) -> None:
        """Nothing is chosen any more."""
        self.selected, self.is_all = [], False
        self._show_scope()

    @rx.event
    async def open_plan(self, kind: str) -> Any:
        """Open the dialog that says what would happen to what is chosen."""
        if kind not in tuple(JobKind):
            return
        self.close_dialog_now()
        self._kind = JobKind(kind)
        self._plan_key = uuid.uuid4().hex
        self._plan_keys, self._plan_is_all = tuple(self.selected), self.is_all
        self._plan_query = tuple((name, self._query.get(name, "")) for name in FILTERS)
        self._planned, self.typed_right = 0, False
        self.plan = PlanView(title="Counting…", verb=VERBS[self._kind], is_counting=True)
        self.dialog = "purge" if self._kind is JobKind.PURGE else "plan"
        yield
        await self._replan()

    @rx.event
    def type_queue(self, text: str) -> None:
        """The name of the queue, typed to confirm a purge."""
        self.typed_right = text.strip() == self.plan.queue != ""

    @rx.event
    async def start(self, form: dict[str, Any]) -> Any:
        """Start the job that was planned; what was counted must still be so."""
        self.busy = True
        yield
        try:
            scope = self._scope()
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        typed = str(form.get("queue_name", "")).strip()
        outcome = await self._act(
            start_job,
            self._kind,
            scope,
            expected_count=self._planned,
            queue_typed=typed if self._kind is JobKind.PURGE else None,
        )
        if outcome.problem.code == "count_changed":
            before = self._planned
            self.refusal = Problem()
            await self._replan()
            self.plan.changed = (
                f"It was {fmt.count(before)} when this was opened, and is "
                f"{fmt.count(self._planned)} now. Look again, then confirm."
            )
            return
        if outcome.problem:
            return
        self.close_dialog_now()
        self._forget_choice()
        yield rx.redirect(routes.dead_letter_job(outcome.must.job_id))

    async def _replan(self) -> None:
        kind, key = self._kind, self._plan_key
        nothing = PlanView(title="There is nothing to do", verb=VERBS[kind], is_empty=True)
        try:
            scope = self._scope()
        except InvalidInput as wrong:
            self.refuse(wrong)
            self.plan = nothing
            return
        outcome = await self._act(load_plan, kind, scope)
        if self._plan_key != key or not self.dialog:
            return  # closed, or another one was opened meanwhile
        if outcome.problem:
            self.plan, self._planned = nothing, 0
        else:
            self.plan, self._planned = outcome.must.view, outcome.must.count

    def _scope(self) -> Scope:
        """What was chosen, never more: without a choice there is no scope. Raises InvalidInput."""
        wanted = filter_of(dict(self._plan_query))
        if self._kind is JobKind.PURGE:
            if wanted.queue is None:
                raise InvalidInput.of("queue", "must be chosen before it is purged")
            return Matching(wanted)
        if self._plan_is_all:
            return Matching(wanted)
        if not self._plan_keys:
            raise InvalidInput.of("messages", "must be chosen first")
        return Selected(tuple(key_of(key) for key in self._plan_keys))
