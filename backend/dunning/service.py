"""What is asked of dunning from outside; the rest of this room does it."""

from __future__ import annotations

from datetime import date

from backend.actor import Action
from backend.checks import sensible_day
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    hold_overdue,
    list_holds,
    release_customer,
    release_invoice,
)
from backend.dunning.plan_effect import customer_plan_effect, plan_effect
from backend.dunning.plans import (
    CreatePlan,
    StepInput,
    create_default_plan,
    create_plan,
    get_plan,
    list_plans,
    update_plan,
)
from backend.dunning.preview import preview_run
from backend.dunning.progress import list_progress
from backend.dunning.runs import get_run, list_runs, next_run
from backend.messaging.contracts import EvaluateDunning
from backend.unit_of_work import UnitOfWork

__all__ = [
    "CreatePlan",
    "HoldCustomer",
    "HoldInvoice",
    "StepInput",
    "create_default_plan",
    "create_plan",
    "customer_plan_effect",
    "get_plan",
    "get_run",
    "hold_customer",
    "hold_invoice",
    "hold_overdue",
    "list_holds",
    "list_plans",
    "list_progress",
    "list_runs",
    "next_run",
    "plan_effect",
    "preview_run",
    "release_customer",
    "release_invoice",
    "request_evaluation",
    "run_evaluation",
    "update_plan",
]


def request_evaluation(
    work: UnitOfWork,
    *,
    as_of: date | None = None,
    scheduled: bool = False,
    keep_gap: bool = False,
) -> None:
    """Queue an evaluation, at once and whatever the hour unless it is the scheduled one.

    `as_of` stands for today everywhere. With `keep_gap` customers who had a reminder within the
    tenant's gap get none, as by schedule. Raises NotAllowed, InvalidInput.
    """
    work.actor.require(Action.DUNNING_WRITE)
    if as_of is not None:
        sensible_day(as_of, field="as_of")
    work.send(EvaluateDunning(as_of=as_of, scheduled=scheduled, keep_gap=keep_gap))
