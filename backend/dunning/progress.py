"""How far chasing has come: the overdue invoices by plan and by the last step sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement, constant
from backend.dunning.candidates import PLAN_OF_CUSTOMER, get_default_plan_id
from backend.dunning.models import DUNNING_PLANS, DUNNING_STATES, DUNNING_STEPS
from backend.invoices.models import INVOICES
from backend.unit_of_work import Reader

_I, _C, _STATE = INVOICES, CUSTOMERS, DUNNING_STATES
_PLAN, _STEP = DUNNING_PLANS, DUNNING_STEPS

_OVERDUE = (
    sa.select(
        PLAN_OF_CUSTOMER.label("plan_id"),
        _STATE.c.last_step_number,
        _STATE.c.last_days_after_due,
        _I.c.currency_code,
        _I.c.balance_due,
    )
    .select_from(
        _I.join(
            _C, sa.and_(_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id)
        ).outerjoin(
            _STATE, sa.and_(_STATE.c.tenant_id == _I.c.tenant_id, _STATE.c.invoice_id == _I.c.id)
        )
    )
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.status.in_((constant("sent"), constant("overdue"))),
        _I.c.due_date < sa.bindparam("today", type_=sa.Date),
    )
    .subquery()
)
_GROUPS = Statement(
    sa.select(
        _OVERDUE.c.plan_id,
        _OVERDUE.c.last_step_number,
        _OVERDUE.c.last_days_after_due,
        _OVERDUE.c.currency_code,
        sa.func.count().label("invoice_count"),
        sa.func.sum(_OVERDUE.c.balance_due).label("amount"),
    ).group_by(
        _OVERDUE.c.plan_id,
        _OVERDUE.c.last_step_number,
        _OVERDUE.c.last_days_after_due,
        _OVERDUE.c.currency_code,
    )
)
_STEPS = Statement(
    sa.select(
        _PLAN.c.id,
        _PLAN.c.name,
        _STEP.c.step_number,
        _STEP.c.days_after_due,
        _STEP.c.template_key,
    )
    .join(_STEP, sa.and_(_STEP.c.tenant_id == _PLAN.c.tenant_id, _STEP.c.plan_id == _PLAN.c.id))
    .where(_PLAN.c.tenant_id == TENANT)
)


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Overdue invoices whose last step sent is this one; without a number none was sent yet.

    The plan is the one by which they are chased now, None when there is none. `template_key` is
    None when that plan no longer has such a step. `amounts` are open balances by currency.
    """

    plan_id: UUID | None
    plan_name: str | None
    step_number: int | None
    days_after_due: int | None
    template_key: str | None
    invoice_count: int
    amounts: tuple[tuple[str, Decimal], ...]


def list_progress(reader: Reader) -> list[StepProgress]:
    """Every overdue invoice of today, by plan (in the order of their names) and last step."""
    reader.actor.require(Action.READ)
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    plan = get_default_plan_id(reader)
    for row in reader.rows(_GROUPS, today=reader.today, default_plan_id=plan):
        groups[row.plan_id, row.last_days_after_due, row.last_step_number].append(row)
    names: dict[UUID, str] = {}
    steps: dict[tuple[UUID, int], tuple[int, str]] = {}
    for step in reader.rows(_STEPS):
        names[step.id] = step.name
        steps[step.id, step.days_after_due] = (step.step_number, step.template_key)
    return sorted(_told(groups, names, steps), key=_order)


def _told(
    groups: dict[tuple[Any, ...], list[Any]],
    names: dict[UUID, str],
    steps: dict[tuple[UUID, int], tuple[int, str]],
) -> Iterator[StepProgress]:
    for (plan_id, days, number), rows in groups.items():
        number_now, template_key = steps.get((plan_id, days), (number, None))
        yield StepProgress(
            plan_id,
            names.get(plan_id),
            number_now,
            days,
            template_key,
            sum(row.invoice_count for row in rows),
            tuple(sorted((row.currency_code, row.amount) for row in rows)),
        )


def _order(one: StepProgress) -> tuple[Any, ...]:
    days = -1 if one.days_after_due is None else one.days_after_due
    return one.plan_name is None, one.plan_name or "", str(one.plan_id), days
