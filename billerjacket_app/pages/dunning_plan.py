"""/dunning/plans/{id} and /dunning/plans/new: a plan's steps, what a change does, who has it.

Inputs are uncontrolled, and what was typed is kept on the server as well, so that adding, moving
and removing steps loses none of it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.customers.queries import CustomerFilter, list_customers
from backend.dunning.plan_effect import plan_effect
from backend.dunning.plans import PlanView
from backend.dunning.service import get_plan
from backend.errors import InvalidInput
from backend.paging import LIMIT_MAX
from backend.unit_of_work import Reader
from billerjacket_app import routes
from billerjacket_app.bridge import Problem
from billerjacket_app.components import shell, states
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import dunning_plan_form, dunning_plan_view, rows
from billerjacket_app.pages.dunning_plan_form import StepFields
from billerjacket_app.pages.dunning_rows import template_names

TYPED_MAX = 2000


@dataclass
class Choice:
    """Something to choose, or a link."""

    value: str = ""
    label: str = ""


@dataclass(frozen=True)
class Found:
    """A plan, or none for a new one; the e-mails it may send; the customers who have it."""

    plan: PlanView | None
    templates: list[Choice]
    customers: list[Choice]
    has_more: bool


def load_plan(reader: Reader, plan_id: str) -> Found:
    """The plan that the address names; an empty id is a new one. Raises NotFound, NotAllowed."""
    plan = get_plan(reader, rows.record_id(plan_id, "plan")) if plan_id else None
    templates = [Choice(key, name) for key, name in template_names(reader).items()]
    if plan is None:
        return Found(None, templates, [], has_more=False)
    found = list_customers(
        reader, CustomerFilter(dunning_plan_id=plan.dunning_plan_id), limit=LIMIT_MAX
    )
    customers = [Choice(routes.customer(one.customer_id), one.display_name) for one in found.items]
    return Found(plan, templates, customers, has_more=found.next_cursor is not None)


class DunningPlanState(PageState, rx.State):
    """The form of a plan."""

    is_new: bool = False
    name: str = ""
    is_default: bool = False
    was_default: bool = False
    is_active: bool = True
    steps: list[StepFields] = []
    templates: list[Choice] = []
    customers: list[Choice] = []
    has_more: bool = False
    form_id: str = ""  # changes with each new form, and remounts its inputs
    is_stale: bool = False
    sentences: list[str] = []

    _version: int = 0
    _for: str = ""
    _pending: dict[str, Any] = {}

    async def fetch(self) -> None:
        """Load the plan named in the address; a form that is being filled in stays."""
        path = self.router.url.path.rstrip("/")
        is_new = path == routes.NEW_PLAN
        outcome = await self.read(load_plan, "" if is_new else self.plan_id)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            is_new=is_new,
            templates=found.templates,
            customers=found.customers,
            has_more=found.has_more,
        )
        version = found.plan.version if found.plan else 0
        if self._for == path and self.form_id:
            self.assign(is_stale=version != self._version)
            return
        self._for = path
        self._begin(found.plan)

    def _begin(self, plan: PlanView | None) -> None:
        self._version = plan.version if plan else 0
        steps = (
            dunning_plan_form.fields_of(plan)
            if plan
            else [dunning_plan_form.first_step(self.templates[0].value)]
        )
        self.assign(
            title=f"{plan.name if plan else 'New plan'} · Chasing · BillerJacket",
            name=plan.name if plan else "",
            is_default=plan.is_default if plan else False,
            was_default=plan.is_default if plan else False,
            is_active=plan.is_active if plan else True,
            steps=steps,
            form_id=uuid.uuid4().hex,
            is_stale=False,
            refusal=Problem(),
            errors={},
        )

    @rx.event
    def leave(self) -> Any:
        """Forget what was typed, and go back."""
        self.form_id = ""
        return rx.redirect(routes.DUNNING)

    @rx.event
    async def load_saved(self) -> None:
        """Forget what was typed, and begin again from what is saved."""
        self.form_id = ""
        await self.fetch()

    @rx.event
    def typed(self, name: str, value: str) -> None:
        """Keep what stands in a field of a step."""
        self._keep({name: value[:TYPED_MAX]})

    @rx.event
    def add_step(self) -> None:
        """One more step at the end."""
        self.assign(steps=dunning_plan_form.add(self.steps))

    @rx.event
    def remove_step(self, key: str) -> None:
        """Take a step out; the last one stays."""
        self.assign(steps=dunning_plan_form.remove(self.steps, key))

    @rx.event
    def move_step(self, key: str, by: int) -> None:
        """Move a step's e-mail earlier or later."""
        self.assign(steps=dunning_plan_form.move(self.steps, key, by))

    @rx.event
    async def review(self, form: dict[str, Any]) -> Any:
        """Check the form; a new plan is saved, a change first says what it does."""
        self._keep(form)
        self.assign(refusal=Problem(), errors={})
        try:
            self._pending = dunning_plan_form.changes_of(self.steps, form)
        except InvalidInput as wrong:
            self._refuse_form(wrong)
            return
        if self.is_new:
            async for step in self._save():
                yield step
            return
        outcome = await self.read(plan_effect, self._record_id(), self._pending)
        if outcome.problem:
            self.assign(refusal=outcome.problem, errors=self._named(outcome.problem.errors))
            return
        self.sentences = list(outcome.must.sentences)
        self.dialog = "effect"

    @rx.event
    async def confirm(self, _form: dict[str, Any]) -> Any:
        """Save what was shown."""
        async for step in self._save():
            yield step

    async def _save(self) -> Any:
        self.busy = True
        yield
        plan_id = None if self.is_new else self._record_id()
        outcome = await self.call(dunning_plan_form.save, plan_id, self._version, self._pending)
        if outcome.problem:
            self.assign(dialog="", errors=self._named(self.errors))
            return
        self.close_dialog_now()
        self.form_id = ""
        yield say("The plan was saved.")
        if self.is_new:
            yield rx.redirect(routes.plan(outcome.must.dunning_plan_id))
        else:
            await self.fetch()

    def _keep(self, form: dict[str, Any]) -> None:
        # Without assigning: what stands in the browser already need not be sent back.
        for step, now in zip(
            self.steps, dunning_plan_form.read_form(self.steps, form), strict=True
        ):
            step.days, step.template_key, step.subject = now.days, now.template_key, now.subject

    def _refuse_form(self, wrong: InvalidInput) -> None:
        self.refuse(wrong)
        self.errors = self._named(self.errors)

    def _named(self, errors: dict[str, str]) -> dict[str, str]:
        return dunning_plan_form.form_errors(dict(errors), self.steps)

    def _record_id(self) -> Any:
        return rows.record_id(self.plan_id, "plan")


def page() -> rx.Component:
    """A plan."""
    state = DunningPlanState
    ready = state.view == "ready"
    return shell.page(
        state,
        rx.cond(ready & ~state.is_new, state.name, rx.cond(state.is_new, "New plan", "Plan")),
        states.body(
            state,
            dunning_plan_view.content(state),
            noun="plan",
            back=(routes.DUNNING, "To chasing"),
        ),
        dunning_plan_view.effect_dialog(state),
        section="dunning",
        crumbs=[("Chasing", routes.DUNNING)],
        beside=rx.cond(ready & ~state.is_new, dunning_plan_view.badges(state), rx.fragment()),
    )


def register(app: rx.App) -> None:
    """Add both pages."""
    title = rx.cond(DunningPlanState.title != "", DunningPlanState.title, "Plan · BillerJacket")
    for route in (routes.NEW_PLAN, routes.PLAN):
        app.add_page(page, route=route, title=title, on_load=DunningPlanState.load)
