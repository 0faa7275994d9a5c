"""Replaying many events: what is chosen, the plan that is agreed to, and the replay itself.

Chosen are rows of the page, or all that the filters find, on every page. The dialog says how many
that is; the server counts again when it is confirmed, and does nothing when the number changed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import reflex as rx

from backend.errors import InvalidInput
from backend.unit_of_work import Reader
from backend.webhooks.plan import ReplayPlan, plan_matching, plan_selected
from backend.webhooks.queries import WebhookEventFilter
from backend.webhooks.replay import count_matching, replay_events, replay_matching
from billerjacket_app import format as fmt
from billerjacket_app.bridge import Problem
from billerjacket_app.components import basic, dialog
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.pages.webhooks_rows import PlanView, WebhookRow, filter_of, plan_view

Scope = WebhookEventFilter | tuple[UUID, ...]


def load_plan(reader: Reader, scope: Scope) -> tuple[ReplayPlan, PlanView]:
    """What the replay would be now."""
    matching = isinstance(scope, WebhookEventFilter)
    plan = plan_matching(reader, scope) if matching else plan_selected(reader, scope)
    return plan, plan_view(plan, rows.zone_of(reader))


class BulkState(PageState, mixin=True):
    """See the top of this file. The page keeps `rows`, and gives its filters by `query`."""

    rows: list[WebhookRow] = []
    selected: list[str] = []
    is_all: bool = False
    scope_text: str = ""
    page_chosen: bool = False
    all_text: str = ""  # what choosing all that match would be; empty when it is no more
    plan: PlanView = PlanView()
    changed: str = ""

    _scope: Scope = ()
    _planned: int = 0

    def query(self) -> dict[str, str]:
        """The filters of the address."""
        raise NotImplementedError  # abstract: the page has its own

    @rx.event
    async def toggle(self, key: str) -> None:
        """Choose a row, or no longer."""
        chosen = [row.key for row in self.rows] if self.is_all else self.selected
        known = {row.key for row in self.rows}
        kept = [one for one in chosen if one in known and one != key]
        self.selected = kept if key in chosen else [*kept, key]
        self.is_all = False
        await self.show_scope()

    @rx.event
    async def toggle_page(self) -> None:
        """Choose every row of the page, or none."""
        self.selected = [] if self.page_chosen else [row.key for row in self.rows]
        self.is_all = False
        await self.show_scope()

    @rx.event
    async def choose_all(self) -> None:
        """Choose all that match, on every page."""
        self.is_all = True
        await self.show_scope()

    @rx.event
    def choose_none(self) -> None:
        """Choose nothing."""
        self.forget_choice()

    def forget_choice(self) -> None:
        """Nothing is chosen any more."""
        self.assign(selected=[], is_all=False, scope_text="", page_chosen=False, all_text="")

    async def show_scope(self) -> None:
        """Say what is chosen."""
        if not self.selected and not self.is_all:
            self.forget_choice()
            return
        on_page = [row.key for row in self.rows]
        is_page = set(on_page) <= set(self.selected)
        counted = await self.read(count_matching, filter_of(self.query()))
        total = counted.value or 0
        text = f"{fmt.count(len(self.selected))} selected"
        if self.is_all:
            text = f"All {fmt.count(total)} matching selected"
        elif is_page and len(on_page) > 1:
            text = f"This page ({fmt.count(len(on_page))}) selected"
        self.assign(
            scope_text=text,
            page_chosen=is_page or self.is_all,
            all_text=f"Select all {fmt.count(total)} matching"
            if total > len(self.selected) and not self.is_all
            else "",
        )

    @rx.event
    async def open_plan(self) -> Any:
        """Open the dialog that says what would be replayed."""
        self.close_dialog_now()
        self._planned, self.changed = 0, ""
        self.plan = PlanView("Counting…", "Replay")
        self.dialog = "replay-many"
        yield
        wanted = filter_of(self.query())
        self._scope = wanted if self.is_all else tuple(UUID(key) for key in self.selected)
        await self._replan()

    @rx.event
    async def replay_many(self, _form: dict[str, Any]) -> Any:
        """Replay what was planned; what was counted must still be so."""
        self.busy = True
        yield
        scope = self._scope
        if isinstance(scope, WebhookEventFilter):
            outcome = await self.call(replay_matching, scope, self._planned)
        elif scope:
            outcome = await self.call(replay_events, scope)
        else:
            self.refuse(InvalidInput.of("events", "must be chosen first"))
            return
        if outcome.problem.code == "count_changed":
            before = self._planned
            self.refusal = Problem()
            await self._replan()
            self.changed = (
                f"It was {fmt.count(before)} when this was opened, and is "
                f"{fmt.count(self._planned)} now. Look again, then confirm."
            )
        elif not outcome.problem:
            self.close_dialog_now()
            self.forget_choice()
            await self.follow()
            what = fmt.count(outcome.must.queued, "event")
            yield say(f"{what} queued for replay; each shows here what came of it.")

    async def _replan(self) -> None:
        outcome = await self.read(load_plan, self._scope)
        if outcome.problem:
            self.plan, self._planned = PlanView("It cannot be counted", "Replay"), 0
            self.refusal = outcome.problem
            return
        plan, self.plan = outcome.must
        self._planned = plan.count


def bulk_bar(state: Any, aside: rx.Component) -> rx.Component:
    """What is chosen and what can be done with it; it always has its height, so no row moves.

    While nothing is chosen it says how many rows there are. `aside` stands at its right.
    """
    chosen = state.scope_text != ""
    return rx.el.div(
        rx.el.span(
            rx.cond(
                chosen,
                state.scope_text,
                rx.cond(state.rows.length() > 0, state.pager.text + ", none selected", "No events"),
            ),
            class_name=rx.cond(chosen, "strong num", "muted num"),
            role="status",
            data_testid="bulk-count",
        ),
        rx.cond(
            chosen,
            rx.fragment(
                rx.cond(
                    state.all_text != "",
                    basic.button(
                        state.all_text, on_click=state.choose_all, data_testid="choose-all"
                    ),
                    rx.fragment(),
                ),
                basic.button(
                    basic.icon("rotate-ccw", size=14),
                    "Replay…",
                    on_click=state.open_plan,
                    data_testid="replay-many",
                ),
                basic.button("Clear", on_click=state.choose_none),
            ),
            rx.fragment(),
        ),
        aside,
        class_name=rx.cond(chosen, "bulkbar chosen", "bulkbar"),
        data_testid="bulk-bar",
    )


def plan_dialog(state: Any) -> rx.Component:
    """What would be replayed."""
    return dialog.form_dialog(
        state,
        "replay-many",
        state.plan.title,
        rx.cond(
            state.changed != "",
            basic.callout(state.changed, tone="warn", symbol="triangle-alert", role="alert"),
            rx.fragment(),
        ),
        rx.cond(state.plan.span != "", rx.el.p(state.plan.span), rx.fragment()),
        rx.cond(state.plan.processed != "", rx.el.p(state.plan.processed), rx.fragment()),
        rx.el.p(
            "The worker processes each again. Whatever an event says reaches the books once, "
            "however often it is asked for.",
            class_name="small muted",
        ),
        submit=state.replay_many,
        verb=state.plan.verb,
        lead="",
    )
