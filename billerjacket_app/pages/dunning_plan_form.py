"""What is typed in the form of a plan: its steps in order, and the command it stands for.

Moving a step moves its e-mail; the days stay where they are, in order, so that a move never makes
a plan that cannot be.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from backend.dunning.plans import PlanView, StepInput
from backend.dunning.service import CreatePlan, create_plan, get_plan, update_plan
from backend.errors import FieldError, InvalidInput, StateConflict
from backend.unit_of_work import UnitOfWork

# The plan a new one begins with: a week after the due date, one reminder.
_FIRST_DAYS = 7
_DAYS_BETWEEN = 7
_STEP_FIELD = re.compile(r"steps\.(\d+)\.(\w+)")


@dataclass
class StepFields:
    """One step of the form with what stands in it when it appears."""

    key: str = ""
    days_key: str = ""
    days: str = ""
    template_key: str = ""
    subject: str = ""


def fields_of(plan: PlanView) -> list[StepFields]:
    """The steps of a plan as the form holds them."""
    return [
        _new(str(step.days_after_due), step.template_key, step.subject or "") for step in plan.steps
    ]


def first_step(template_key: str) -> StepFields:
    """The step that the form of a new plan begins with."""
    return _new(str(_FIRST_DAYS), template_key, "")


def read_form(steps: list[StepFields], form: dict[str, Any]) -> list[StepFields]:
    """The steps with what stands in the form now."""
    return [
        replace(
            step,
            days=str(form.get(f"days-{step.key}", step.days)).strip(),
            template_key=str(form.get(f"template-{step.key}", step.template_key)),
            subject=str(form.get(f"subject-{step.key}", step.subject)).strip(),
        )
        for step in steps
    ]


def add(steps: list[StepFields]) -> list[StepFields]:
    """One more step a week after the last one, with the same e-mail."""
    last = steps[-1]
    days = str(int(last.days) + _DAYS_BETWEEN) if last.days.isdecimal() else ""
    return [*steps, _new(days, last.template_key, "")]


def remove(steps: list[StepFields], key: str) -> list[StepFields]:
    """Without this step; the last one stays."""
    return [step for step in steps if step.key != key] if len(steps) > 1 else steps


def move(steps: list[StepFields], key: str, by: int) -> list[StepFields]:
    """This step's e-mail earlier (-1) or later (1); the days stay where they are."""
    place = next((index for index, step in enumerate(steps) if step.key == key), -1)
    other = place + by
    if place < 0 or not 0 <= other < len(steps):
        return steps
    moved = list(steps)
    moved[place], moved[other] = (
        _with_days(moved[other], moved[place].days),
        _with_days(moved[place], moved[other].days),
    )
    return moved


def changes_of(steps: list[StepFields], form: dict[str, Any]) -> dict[str, Any]:
    """The plan as `update_plan` takes it. Raises InvalidInput."""
    errors = []
    inputs = []
    for index, step in enumerate(steps):
        if not step.days.isdecimal() or len(step.days) > 6:
            errors.append(FieldError(f"steps.{index}.days_after_due", "must be a number of days"))
        else:
            inputs.append(
                StepInput(int(step.days), step.template_key, subject=step.subject or None)
            )
    if errors:
        raise InvalidInput(errors)
    return {
        "name": str(form.get("name", "")).strip(),
        "is_default": bool(form.get("is_default")),
        "is_active": bool(form.get("is_active")),
        "steps": inputs,
    }


def form_errors(errors: dict[str, str], steps: list[StepFields]) -> dict[str, str]:
    """Errors by the names of the form's fields: `steps.0.subject` → `subject-KEY`."""
    named = {"days_after_due": "days", "template_key": "template", "subject": "subject"}
    told = {}
    for name, text in errors.items():
        match = _STEP_FIELD.fullmatch(name)
        if match and int(match[1]) < len(steps) and match[2] in named:
            told[f"{named[match[2]]}-{steps[int(match[1])].key}"] = text
        else:
            told[name] = text
    return told


def save(
    work: UnitOfWork, plan_id: UUID | None, seen_version: int, changes: dict[str, Any]
) -> PlanView:
    """Make the plan, or change the one that was seen.

    Raises what `create_plan` and `update_plan` raise, and StateConflict (plan_changed) when
    somebody else saved it meanwhile.
    """
    if plan_id is None:
        return create_plan(work, CreatePlan(**changes))
    if get_plan(work, plan_id).version != seen_version:
        raise StateConflict(
            "Somebody else saved this plan meanwhile. What you typed is still here; load what "
            "is saved to go on from it.",
            code="plan_changed",
        )
    return update_plan(work, plan_id, changes)


def _new(days: str, template_key: str, subject: str) -> StepFields:
    key = uuid.uuid4().hex[:8]
    return StepFields(key, f"{key}-{days}", days, template_key, subject)


def _with_days(step: StepFields, days: str) -> StepFields:
    # Another key makes the browser show the new days; the rest of the row keeps its focus.
    return replace(step, days=days, days_key=f"{step.key}-{uuid.uuid4().hex[:4]}")
