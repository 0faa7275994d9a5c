"""/dunning: the next run, whom it reaches and whom not, what is under way, runs, plans; run now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.dunning.service import (
    list_plans,
    list_progress,
    list_runs,
    preview_run,
    request_evaluation,
)
from backend.errors import StateConflict
from backend.health.heartbeats import list_workers
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import filters, shell, states
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import dunning_parts, dunning_view, rows
from billerjacket_app.pages.dunning_rows import (
    PlanRow,
    RunRow,
    StepRow,
    plan_row,
    run_row,
    step_row,
    template_names,
)
from billerjacket_app.pages.dunning_view import NextRunFacts, Preview, SendRow, send_row

RUNS_MAX = 10
PLANS_MAX = 100
RECIPIENTS_NAMED_MAX = 8


@dataclass(frozen=True)
class Found:
    """All of the page."""

    next_run: NextRunFacts
    preview: Preview
    steps: list[StepRow]
    runs: list[RunRow]
    runs_pager: filters.Pager
    plans: list[PlanRow]


@dataclass
class RunNow:
    """What would go out if it was confirmed: how many, and the first of them by name."""

    count: int = 0
    verb: str = ""
    rows: list[SendRow] = field(default_factory=list)
    more: str = ""
    total: str = ""
    gap_label: str = ""
    no_worker: bool = False


@dataclass
class Queued:
    """A run that was asked for and is not here yet; then what it did."""

    text: str = ""
    href: str = ""
    is_done: bool = False
    no_worker: bool = False


def load_page(reader: Reader, show: str, reason: str, page: str, part: str, cursor: str) -> Found:
    """Everything about chasing, over one snapshot. Raises NotAllowed, InvalidInput."""
    zone, names = rows.zone_of(reader), template_names(reader)
    number = dunning_view.page_number
    upcoming, preview = dunning_view.load_preview(
        reader, show, reason, number(page), number(part), names
    )
    runs = list_runs(reader, limit=RUNS_MAX, cursor=cursor or None)
    more = runs.next_cursor
    return Found(
        next_run=upcoming,
        preview=preview,
        steps=[step_row(step, names) for step in list_progress(reader)],
        runs=[run_row(run, zone, reader.now) for run in runs.items],
        runs_pager=filters.Pager(
            text="" if not (more or cursor) else f"{len(runs.items)} runs shown",
            first_href=routes.dunning() if cursor else "",
            next_href=routes.dunning(cursor=more) if more else "",
        ),
        plans=[plan_row(plan) for plan in list_plans(reader, limit=PLANS_MAX).items],
    )


def count_run(reader: Reader, keep_gap: bool) -> RunNow:
    """What a run now would send. Raises NotAllowed."""
    found = preview_run(reader, keep_gap=keep_gap).would_send
    names = template_names(reader)
    more = len(found) - RECIPIENTS_NAMED_MAX
    gap = reader.tenant.reminder_gap_days
    return RunNow(
        count=len(found),
        verb=f"Send {fmt.count(len(found), 'reminder')}",
        rows=[send_row(email, names) for email in found[:RECIPIENTS_NAMED_MAX]],
        more=f"and {fmt.count(more, 'customer')} more" if more > 0 else "",
        total=dunning_view.amounts_text(
            (step.currency_code, step.balance_due) for email in found for step in email.invoices
        ),
        gap_label=f"Also customers who had a reminder within {fmt.count(gap, 'day')}"
        if gap
        else "",
        no_worker=not has_worker(reader),
    )


def has_worker(reader: Reader) -> bool:
    """Whether somebody is there to do what is queued."""
    return any(worker.is_running for worker in list_workers(reader))


def tell_run(reader: Reader, correlation_id: str) -> Queued | None:
    """What the run did that was asked for in this correlation; None when it is not here yet."""
    for run in list_runs(reader).items:
        if run.correlation_id == correlation_id:
            reminders = fmt.count(run.email_count, "reminder")
            is_done = run.finished_at is not None
            return Queued(
                f"The run is done: {reminders} for {fmt.count(run.invoice_count, 'invoice')}."
                if is_done
                else f"The run is under way: {reminders} so far.",
                routes.dunning_run(run.dunning_run_id),
                is_done,
            )
    return None


def start_run(work: UnitOfWork, keep_gap: bool, seen: int) -> str:
    """Queue the run that was shown, counted again now; the correlation id it will carry.

    Raises NotAllowed, StateConflict (count_changed) when it would send another number by now.
    """
    count = len(preview_run(work, keep_gap=keep_gap).would_send)
    if count != seen:
        raise StateConflict(
            f"Meanwhile it is {fmt.count(count, 'reminder')}, not {fmt.count(seen)}. "
            "Look again at who gets one.",
            code="count_changed",
        )
    request_evaluation(work, keep_gap=keep_gap)
    return work.actor.correlation_id


class DunningState(PageState, rx.State):
    """Chasing."""

    next_run: NextRunFacts = NextRunFacts()
    preview: Preview = Preview()
    steps: list[StepRow] = []
    runs: list[RunRow] = []
    runs_pager: filters.Pager = filters.Pager()
    plans: list[PlanRow] = []
    run_now: RunNow = RunNow()
    within_gap: bool = False
    queued: Queued = Queued()

    _awaited: str = ""  # the correlation id of the run that was asked for

    async def fetch(self) -> None:
        """Load what the address asks for."""
        names = ("show", "reason", "page", "part", "cursor")
        outcome = await self.read(load_page, *(self.arg(name) for name in names))
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            title="Chasing · BillerJacket",
            next_run=found.next_run,
            preview=found.preview,
            steps=found.steps,
            runs=found.runs,
            runs_pager=found.runs_pager,
            plans=found.plans,
        )
        await self._look_for_run()

    async def _look_for_run(self) -> None:
        """Tell when the run that was asked for is there, and done."""
        if self._awaited:
            outcome = await self.read(tell_run, self._awaited)
            if outcome.value is not None:
                self.assign(queued=outcome.value)
                self._awaited = "" if outcome.value.is_done else self._awaited

    @rx.event
    async def ask_to_run(self) -> None:
        """Count what would go out, and ask."""
        self.close_dialog_now()
        self.dialog = "run"
        self.within_gap = self.preview.show == dunning_view.EVERYBODY
        await self._count()

    @rx.event
    async def choose_gap(self, checked: bool) -> None:
        """Count again, with or without those who had a reminder lately."""
        self.assign(within_gap=checked)
        await self._count()

    @rx.event
    async def start(self, _form: dict[str, Any]) -> Any:
        """Queue the run that was shown."""
        self.busy = True
        yield
        run = self.run_now
        outcome = await self.call(start_run, not self.within_gap, run.count)
        if outcome.problem:
            if outcome.problem.code == "count_changed":
                await self._count()
            return
        self.close_dialog_now()
        self._awaited = outcome.must
        self.queued = Queued(
            f"Queued: {fmt.count(run.count, 'reminder')}. The run appears below when a worker "
            "has taken it.",
            no_worker=run.no_worker,
        )
        await self.fetch()

    @rx.event
    def dismiss(self) -> None:
        """Take the note about the run away."""
        self._awaited = ""
        self.queued = Queued()

    async def _count(self) -> None:
        outcome = await self.read(count_run, not self.within_gap)
        if outcome.problem:
            self.refusal = outcome.problem
            return
        self.assign(run_now=outcome.must)


def page() -> rx.Component:
    """Chasing."""
    state = DunningState
    return shell.page(
        state,
        "Chasing",
        states.body(state, dunning_parts.content(state), noun="page"),
        dunning_parts.run_dialog(state),
        section="dunning",
        actions=dunning_parts.actions(state),
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.DUNNING, title="Chasing · BillerJacket", on_load=DunningState.load
    )
