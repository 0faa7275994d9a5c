"""Dunning plans: ordered steps, each an e-mail some days after the due date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, required_text
from backend.communications.template_store import check_step_subject, reminder_keys
from backend.communications.templates import TemplateKey
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.dunning.models import DUNNING_PLANS, DUNNING_STEPS, DunningChannel
from backend.errors import FieldError, InvalidInput, NotFound, StateConflict
from backend.ids import new_id
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader, UnitOfWork

STEPS_MAX = 20
DAYS_AFTER_DUE_MAX = 3650
SUBJECT_LENGTH_MAX = 500

_PLAN, _STEP = DUNNING_PLANS, DUNNING_STEPS
_COLUMNS = (
    _PLAN.c.row_id,
    _PLAN.c.id,
    _PLAN.c.name,
    _PLAN.c.is_default,
    _PLAN.c.is_active,
    _PLAN.c.version,
)
_ALL = sa.select(*_COLUMNS).where(_PLAN.c.tenant_id == TENANT)
_BEFORE = sa.bindparam("before", type_=sa.BigInteger)
_PAGE = sa.bindparam("page", type_=sa.Integer)
_GET = Statement(_ALL.where(_PLAN.c.id == sa.bindparam("plan_id")))
_DEFAULT = Statement(_ALL.where(_PLAN.c.is_default == sa.true()))
_FIRST = Statement(_ALL.order_by(_PLAN.c.row_id.desc()).limit(_PAGE))
_NEXT = Statement(_ALL.where(_PLAN.c.row_id < _BEFORE).order_by(_PLAN.c.row_id.desc()).limit(_PAGE))
# The steps of a page of plans: of all between its oldest and its newest.
_STEPS = Statement(
    sa.select(
        _STEP.c.plan_id,
        _STEP.c.step_number,
        _STEP.c.days_after_due,
        _STEP.c.template_key,
        _STEP.c.channel,
        _STEP.c.subject,
    )
    .join(_PLAN, sa.and_(_PLAN.c.tenant_id == _STEP.c.tenant_id, _PLAN.c.id == _STEP.c.plan_id))
    .where(
        _PLAN.c.tenant_id == TENANT,
        _PLAN.c.row_id.between(
            sa.bindparam("oldest", type_=sa.BigInteger), sa.bindparam("newest", type_=sa.BigInteger)
        ),
    )
    .order_by(_PLAN.c.row_id, _STEP.c.step_number)
)
_ADD = Statement(sa.insert(_PLAN))
_ADD_STEP = Statement(sa.insert(_STEP))
_CHANGE = Statement(
    sa.update(_PLAN)
    .where(
        _PLAN.c.tenant_id == TENANT,
        _PLAN.c.id == sa.bindparam("plan_id"),
        _PLAN.c.version == sa.bindparam("seen_version"),
    )
    .values(
        name=sa.bindparam("new_name"),
        is_default=sa.bindparam("new_is_default"),
        is_active=sa.bindparam("new_is_active"),
        updated_at=sa.bindparam("now"),
        version=_PLAN.c.version + 1,
    )
)
_DROP_STEPS = Statement(
    sa.delete(_STEP).where(_STEP.c.tenant_id == TENANT, _STEP.c.plan_id == sa.bindparam("plan_id"))
)


@dataclass(frozen=True, slots=True)
class StepInput:
    """A step: so many days after the due date (0 is the first overdue day), this e-mail.

    `subject` stands in place of the template's own, and is a template like it.
    """

    days_after_due: int
    template_key: str
    channel: str = DunningChannel.EMAIL
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class CreatePlan:
    """A new plan. As the default one it takes the place of the default there is."""

    name: str
    steps: Sequence[StepInput]
    is_default: bool = False
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as everybody reads it."""

    step_number: int
    days_after_due: int
    template_key: str
    channel: DunningChannel
    subject: str | None


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as everybody reads it. One that is not active chases nobody."""

    dunning_plan_id: UUID
    name: str
    is_default: bool
    is_active: bool
    steps: tuple[StepView, ...]
    version: int


DEFAULT_PLAN = CreatePlan(
    "Standard",
    (
        StepInput(0, TemplateKey.FRIENDLY_REMINDER),
        StepInput(3, TemplateKey.OVERDUE_NOTICE),
        StepInput(7, TemplateKey.FINAL_WARNING),
        StepInput(14, TemplateKey.LAST_CALL),
    ),
    is_default=True,
)


def create_default_plan(work: UnitOfWork) -> PlanView:
    """The plan that every tenant begins with: days 0, 3, 7 and 14. Raises NotAllowed."""
    return create_plan(work, DEFAULT_PLAN)


def create_plan(work: UnitOfWork, command: CreatePlan) -> PlanView:
    """Add a plan. Raises InvalidInput, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    name = required_text(command.name, field="name", max_length=200)
    steps = _checked_steps(work, command.steps)
    if command.is_default:
        _unset_default(work)
    plan_id = new_id()
    work.execute(
        _ADD,
        id=plan_id,
        name=name,
        is_default=command.is_default,
        is_active=command.is_active,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )
    _write_steps(work, plan_id, steps)
    plan = get_plan(work, plan_id)
    work.record("dunning.plan_created", "dunning_plan", plan_id, after=_facts(plan))
    return plan


def update_plan(work: UnitOfWork, plan_id: UUID, changes: dict[str, Any]) -> PlanView:
    """Change name, is_default, is_active or steps (a sequence of StepInput, replacing all).

    Steps that were sent stay sent: an invoice goes on with the first step of more days than its
    last one. `plan_effect` tells beforehand what that means for those under way. Raises NotFound,
    InvalidInput, NotAllowed, StateConflict (default_plan_required).
    """
    work.actor.require(Action.DUNNING_WRITE)
    before, after = planned_change(work, plan_id, changes)
    old, new = _facts(before), _facts(after)
    changed = [key for key in new if new[key] != old[key]]
    if not changed:
        return before
    if after.is_default and not before.is_default:
        _unset_default(work)
    _change(work, before, name=after.name, is_default=after.is_default, is_active=after.is_active)
    if "steps" in changed:
        work.execute(_DROP_STEPS, plan_id=plan_id)
        _write_steps(work, plan_id, after.steps)
    _record_update(work, plan_id, {k: old[k] for k in changed}, {k: new[k] for k in changed})
    return after


def planned_change(
    reader: Reader, plan_id: UUID, changes: dict[str, Any]
) -> tuple[PlanView, PlanView]:
    """The plan as it is, and as `update_plan` would leave it. Raises what that raises."""
    before = get_plan(reader, plan_id)
    name = before.name
    if "name" in changes:
        name = required_text(changes["name"], field="name", max_length=200)
    steps = _checked_steps(reader, changes["steps"]) if "steps" in changes else before.steps
    is_default = changes.get("is_default", before.is_default)
    is_active = changes.get("is_active", before.is_active)
    if before.is_default and not is_default:
        raise StateConflict(
            "Customers without a plan of their own need a default one: make another the default.",
            code="default_plan_required",
        )
    return before, PlanView(plan_id, name, is_default, is_active, steps, before.version + 1)


def get_plan(reader: Reader, plan_id: UUID) -> PlanView:
    """The plan with its steps; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    row = reader.first(_GET, plan_id=plan_id)
    if row is None:
        raise NotFound("There is no such dunning plan.")
    return _views(reader, [row])[0]


def list_plans(reader: Reader, *, limit: int = 25, cursor: str | None = None) -> Page[PlanView]:
    """Plans, newest first. Raises InvalidInput for a limit or cursor that is none."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    if cursor is None:
        rows = reader.rows(_FIRST, page=limit + 1)
    else:
        place = reader.first(_GET, plan_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        rows = reader.rows(_NEXT, before=place.row_id, page=limit + 1)
    items = _views(reader, rows[:limit])
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].dunning_plan_id) if more else None)


def _views(reader: Reader, rows: list[Any]) -> list[PlanView]:
    if not rows:
        return []
    numbers = [row.row_id for row in rows]
    steps: dict[UUID, list[StepView]] = {row.id: [] for row in rows}
    for step in reader.rows(_STEPS, oldest=min(numbers), newest=max(numbers)):
        steps[step.plan_id].append(StepView(*step[1:]))
    return [
        PlanView(row.id, row.name, row.is_default, row.is_active, tuple(steps[row.id]), row.version)
        for row in rows
    ]


def find_default_plan(reader: Reader) -> PlanView | None:
    """The plan of the customers who have none of their own."""
    row = reader.first(_DEFAULT)
    return None if row is None else _views(reader, [row])[0]


def _checked_steps(reader: Reader, given: Sequence[StepInput]) -> tuple[StepView, ...]:
    if not 1 <= len(given) <= STEPS_MAX:
        raise InvalidInput.of("steps", f"must be 1 to {STEPS_MAX} steps")
    known = reminder_keys(reader)
    errors: list[FieldError] = []
    steps = []
    earlier = -1
    for index, step in enumerate(given):
        problems, subject = _problems(step, earlier, known)
        errors += [FieldError(f"steps.{index}.{field}", why) for field, why in problems.items()]
        if not problems:
            channel = DunningChannel(step.channel)
            key = str(step.template_key)
            steps.append(StepView(index + 1, step.days_after_due, key, channel, subject))
        earlier = max(step.days_after_due, earlier)
    if errors:
        raise InvalidInput(errors)
    return tuple(steps)


def _problems(
    step: StepInput, earlier: int, known: frozenset[str]
) -> tuple[dict[str, str], str | None]:
    """What is wrong with a step, by field; and its subject, trimmed."""
    problems = {}
    if not 0 <= step.days_after_due <= DAYS_AFTER_DUE_MAX:
        problems["days_after_due"] = f"must be between 0 and {DAYS_AFTER_DUE_MAX}"
    elif step.days_after_due <= earlier:
        problems["days_after_due"] = "must be more than in the step before"
    if step.template_key not in known:
        problems["template_key"] = f"must be one of {', '.join(sorted(known))}"
    if step.channel not in list(DunningChannel):
        problems["channel"] = f"must be one of {', '.join(DunningChannel)}"
    subject = None
    try:
        subject = optional_text(step.subject, field="subject", max_length=SUBJECT_LENGTH_MAX)
        if subject is not None:
            subject = check_step_subject(subject)
    except InvalidInput as refusal:
        problems["subject"] = refusal.errors[0].message
    return problems, subject


def _write_steps(work: UnitOfWork, plan_id: UUID, steps: tuple[StepView, ...]) -> None:
    work.execute_many(
        _ADD_STEP,
        [
            {
                "id": new_id(),
                "plan_id": plan_id,
                "step_number": step.step_number,
                "days_after_due": step.days_after_due,
                "template_key": step.template_key,
                "channel": step.channel,
                "subject": step.subject,
            }
            for step in steps
        ],
    )


def _unset_default(work: UnitOfWork) -> None:
    plan = find_default_plan(work)
    if plan is None:
        return
    _change(work, plan, name=plan.name, is_default=False, is_active=plan.is_active)
    _record_update(work, plan.dunning_plan_id, {"is_default": True}, {"is_default": False})


def _change(work: UnitOfWork, plan: PlanView, **new: Any) -> None:
    touched = work.execute(
        _CHANGE,
        plan_id=plan.dunning_plan_id,
        seen_version=plan.version,
        now=work.now,
        **{f"new_{name}": value for name, value in new.items()},
    )
    if touched != 1:
        raise LostRace


def _record_update(
    work: UnitOfWork, plan_id: UUID, before: dict[str, Any], after: dict[str, Any]
) -> None:
    work.record("dunning.plan_updated", "dunning_plan", plan_id, before=before, after=after)


def _facts(plan: PlanView) -> dict[str, Any]:
    return {
        "name": plan.name,
        "is_default": plan.is_default,
        "is_active": plan.is_active,
        "steps": [
            {
                "days_after_due": s.days_after_due,
                "template_key": s.template_key,
                "channel": s.channel,
                **({"subject": s.subject} if s.subject is not None else {}),
            }
            for s in plan.steps
        ],
    }
