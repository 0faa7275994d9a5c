"""Dunning: runs, previews, plans, and holds on invoices and customers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import NO_CONTENT, Call, answered
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.common import Queued
from backend.api.schemas.dunning import (
    NewPlan,
    NewRun,
    NewStep,
    PlanChanges,
    PlanEffectOut,
    PlanOut,
    PlanPage,
    PlanQuery,
    PreviewOut,
    PreviewQuery,
    RunOut,
    RunPage,
    RunQuery,
)
from backend.api.schemas.holds import (
    CustomerHoldSet,
    HoldRecords,
    InvoiceHoldSet,
    NewCustomerHold,
    NewInvoiceHold,
)
from backend.dunning.service import (
    CreatePlan,
    HoldCustomer,
    HoldInvoice,
    StepInput,
    create_plan,
    get_run,
    hold_customer,
    hold_invoice,
    list_holds,
    list_plans,
    list_runs,
    plan_effect,
    preview_run,
    release_customer,
    release_invoice,
    request_evaluation,
    update_plan,
)
from backend.idempotency import Answer
from backend.invoices.queries import get_invoice
from backend.unit_of_work import Reader, UnitOfWork

endpoints = Endpoints("Dunning")
_INVOICE_HOLD = "/api/invoices/{invoice_id}/hold"
_CUSTOMER_HOLD = "/api/customers/{customer_id}/hold"


@endpoints(
    "POST",
    "/api/dunning/run",
    Action.DUNNING_WRITE,
    status=202,
    answer=Queued,
    answers="Queued: the worker evaluates all overdue invoices.",
    body_is_optional=True,
)
async def run_dunning(call: Call, body: NewRun) -> Reply:
    """Chase what is overdue, at once and whatever the hour. The body may be left out.

    Holds, plans and one step a day are kept; the gap between two reminders to one customer only
    when asked for.
    """

    def queue(work: UnitOfWork) -> Answer:
        request_evaluation(work, as_of=body.as_of, keep_gap=body.keep_gap)
        return call.queued()

    return await call.write(queue, body=body)


@endpoints(
    "GET",
    "/api/dunning/preview",
    Action.READ,
    answer=PreviewOut,
    answers="What would be sent, and what not, with reasons.",
)
async def preview_dunning(call: Call, query: Annotated[PreviewQuery, Query()]) -> Reply:
    """Preview a run: what it would send, and each overdue invoice it would pass over."""
    found = await call.read(preview_run, query.as_of, keep_gap=query.keep_gap)
    return ok(render.preview(found))


@endpoints("GET", "/api/dunning/runs", Action.READ, answer=RunPage, answers="A page of runs.")
async def get_runs(call: Call, query: Annotated[RunQuery, Query()]) -> Reply:
    """List runs with what they queued and what they passed over, newest first."""
    found = await call.read(list_runs, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.dunning_run))


@endpoints(
    "GET", "/api/dunning/runs/{dunning_run_id}", Action.READ, answer=RunOut, answers="The run."
)
async def get_one_run(call: Call, dunning_run_id: UUID) -> Reply:
    """Read one run."""
    return ok(render.dunning_run(await call.read(get_run, dunning_run_id)))


@endpoints(
    "POST",
    "/api/dunning/plans",
    Action.DUNNING_WRITE,
    status=201,
    answer=PlanOut,
    answers="The new plan.",
)
async def add_plan(call: Call, body: NewPlan) -> Reply:
    """Add a dunning plan."""
    command = CreatePlan(body.name, _steps(body.steps), body.is_default, body.is_active)
    return await call.write(
        lambda work: answered(
            render.plan(view := create_plan(work, command)),
            status=201,
            location=f"/api/dunning/plans/{view.dunning_plan_id}",
        ),
        body=body,
    )


@endpoints("GET", "/api/dunning/plans", Action.READ, answer=PlanPage, answers="A page of plans.")
async def get_plans(call: Call, query: Annotated[PlanQuery, Query()]) -> Reply:
    """List dunning plans, newest first."""
    found = await call.read(list_plans, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.plan))


@endpoints(
    "PATCH",
    "/api/dunning/plans/{dunning_plan_id}",
    Action.DUNNING_WRITE,
    answer=PlanOut,
    answers="The plan as it is now.",
    problems={409: "`default_plan_required`: make another plan the default instead."},
)
async def change_plan(call: Call, dunning_plan_id: UUID, body: PlanChanges) -> Reply:
    """Change a dunning plan. A field that is left out stays; `steps` replaces all steps."""
    changes = _changes(body)
    return await call.write(
        lambda work: answered(render.plan(update_plan(work, dunning_plan_id, changes)))
    )


@endpoints(
    "POST",
    "/api/dunning/plans/{dunning_plan_id}/effect",
    Action.READ,
    answer=PlanEffectOut,
    answers="What the change would do; nothing is changed.",
    problems={409: "`default_plan_required`: the change cannot be made."},
)
async def tell_effect(call: Call, dunning_plan_id: UUID, body: PlanChanges) -> Reply:
    """Tell what a change of a plan would do to the invoices that are overdue."""
    return ok(asdict(await call.read(plan_effect, dunning_plan_id, _changes(body))))


@endpoints(
    "PUT",
    _INVOICE_HOLD,
    Action.DUNNING_WRITE,
    answer=InvoiceHoldSet,
    answers="The hold as it stands now.",
    problems={
        409: "`invoice_not_open`: it is void or cancelled, or nothing is owed that is promised."
    },
)
async def hold_one_invoice(call: Call, invoice_id: UUID, body: NewInvoiceHold) -> Reply:
    """Do not chase an invoice: pause it, dispute it, or take a promise to pay."""
    command = HoldInvoice(body.kind, body.until, body.amount, body.reason)

    def hold(work: UnitOfWork) -> Answer:
        view = hold_invoice(work, invoice_id, command)
        currency_code = get_invoice(work, invoice_id).currency_code
        return answered({"invoice_id": invoice_id, **render.hold(view, currency_code)})

    return await call.write(hold)


@endpoints(
    "GET",
    "/api/invoices/{invoice_id}/holds",
    Action.READ,
    answer=HoldRecords,
    answers="Every hold the invoice has or had, the newest first.",
)
async def get_holds(call: Call, invoice_id: UUID) -> Reply:
    """Read the holds of an invoice, with how each ended."""

    def found(reader: Reader) -> list[Any]:
        code = get_invoice(reader, invoice_id).currency_code
        return [render.hold_record(one, code) for one in list_holds(reader, invoice_id)]

    return ok({"items": await call.read(found)})


@endpoints(
    "DELETE", _INVOICE_HOLD, Action.DUNNING_WRITE, status=204, answers="The invoice has no hold."
)
async def release_one_invoice(call: Call, invoice_id: UUID) -> Reply:
    """Chase an invoice again."""

    def release(work: UnitOfWork) -> Answer:
        release_invoice(work, invoice_id)
        return NO_CONTENT

    return await call.write(release)


@endpoints(
    "PUT",
    _CUSTOMER_HOLD,
    Action.DUNNING_WRITE,
    answer=CustomerHoldSet,
    answers="The hold as it stands now.",
)
async def hold_one_customer(call: Call, customer_id: UUID, body: NewCustomerHold) -> Reply:
    """Do not chase a customer: for a while, or not at all."""
    command = HoldCustomer(body.kind, body.until, body.reason)

    def hold(work: UnitOfWork) -> Answer:
        view = hold_customer(work, customer_id, command)
        held = {"kind": view.kind, "until": view.until, "reason": view.reason}
        return answered({"customer_id": customer_id, **held})

    return await call.write(hold)


@endpoints(
    "DELETE", _CUSTOMER_HOLD, Action.DUNNING_WRITE, status=204, answers="The customer has no hold."
)
async def release_one_customer(call: Call, customer_id: UUID) -> Reply:
    """Chase a customer again."""

    def release(work: UnitOfWork) -> Answer:
        release_customer(work, customer_id)
        return NO_CONTENT

    return await call.write(release)


def _steps(given: list[NewStep]) -> list[StepInput]:
    return [
        StepInput(one.days_after_due, one.template_key, one.channel, one.subject) for one in given
    ]


def _changes(body: PlanChanges) -> dict[str, Any]:
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "steps" in changes:
        changes["steps"] = _steps(body.steps)
    return changes
