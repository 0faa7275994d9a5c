"""What a change of a plan does to the invoices it chases, told before the change is made.

Under way is what will be overdue on the day of the next scheduled run. An invoice goes on with the
first step of more days than the last one it had, by the old plan as by the new; so a change shows
in the steps that come next, and nowhere else: what was sent stays sent, and is never sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.communications.wording import date_text
from backend.customers.models import CUSTOMERS
from backend.customers.queries import get_customer
from backend.db.statements import Statement, constant
from backend.db.types import Id
from backend.dunning.candidates import (
    AS_OF,
    PLAN_OF_CUSTOMER,
    NotChased,
    verdict_params,
    verdicts,
)
from backend.dunning.models import DUNNING_STATES
from backend.dunning.plans import PlanView, StepView, find_default_plan, get_plan, planned_change
from backend.dunning.runs import next_run
from backend.unit_of_work import Reader

_C, _STATE = CUSTOMERS, DUNNING_STATES
_CHANGED_PLAN_ID: sa.BindParameter[UUID] = sa.bindparam("changed_plan_id", type_=Id())
# What holds an invoice back whatever its plan says.
_WHATEVER_THE_PLAN = (
    NotChased.CUSTOMER_EXCLUDED,
    NotChased.CUSTOMER_PAUSED,
    NotChased.DISPUTED,
    NotChased.PAUSED,
    NotChased.PROMISED,
    NotChased.NO_EMAIL,
    NotChased.EMAIL_BOUNCED,
    NotChased.EMAIL_COMPLAINED,
)


def _groups(condition: Any) -> Statement:
    """Overdue invoices by all that decides about their next step, counted."""
    overdue = (
        verdicts("due_date", "reason", "reminded_on")
        .add_columns(
            sa.case((_C.c.dunning_plan_id.is_(None), constant(1)), else_=constant(0)).label(
                "by_default"
            ),
            sa.func.coalesce(_STATE.c.last_days_after_due, constant(-1)).label("last_days"),
            sa.case((_STATE.c.last_step_on == AS_OF, constant(1)), else_=constant(0)).label(
                "had_one_that_day"
            ),
        )
        .where(condition)
        .subquery()
    )
    reasons = [constant(reason.value) for reason in _WHATEVER_THE_PLAN]
    is_quiet = sa.or_(
        overdue.c.had_one_that_day == constant(1),
        overdue.c.reminded_on.is_not(None),
        overdue.c.reason.in_(reasons),
    )
    sorted_out = sa.select(
        overdue.c.by_default,
        overdue.c.last_days,
        overdue.c.due_date,
        sa.case((is_quiet, constant(1)), else_=constant(0)).label("is_quiet"),
    ).subquery()
    columns = tuple(sorted_out.c)
    return Statement(sa.select(*columns, sa.func.count().label("invoice_count")).group_by(*columns))


_OF_PLAN = _groups(_CHANGED_PLAN_ID == PLAN_OF_CUSTOMER)
# A plan that becomes the default one takes over the customers who have none of their own.
_OF_PLAN_AND_DEFAULT = _groups(
    sa.or_(_C.c.dunning_plan_id == _CHANGED_PLAN_ID, _C.c.dunning_plan_id.is_(None))
)
_OF_CUSTOMER = _groups(_C.c.id == sa.bindparam("customer_id"))


@dataclass(frozen=True, slots=True)
class PlanEffect:
    """What a change would do, in invoices; under_way is the sum of the four that follow it.

    `unaffected` keep their next step, or go on having none. `next_step_changes` get another one;
    of these `sent_by_next_run` are reminded by the next scheduled run, on `next_run_on`.
    `exhausted` have no step left, and `no_longer_chased` no active plan. `sentences` say the same.
    """

    under_way: int
    unaffected: int
    next_step_changes: int
    exhausted: int
    no_longer_chased: int
    sent_by_next_run: int
    next_run_on: date
    sentences: tuple[str, ...]


def plan_effect(reader: Reader, plan_id: UUID, changes: dict[str, Any]) -> PlanEffect:
    """What `update_plan` with these changes would do. Raises what that raises."""
    reader.actor.require(Action.READ)
    before, after = planned_change(reader, plan_id, changes)
    becomes_default = after.is_default and not before.is_default
    default = find_default_plan(reader) if becomes_default else None
    day = next_run(reader).day
    rows = reader.rows(
        _OF_PLAN_AND_DEFAULT if becomes_default else _OF_PLAN,
        changed_plan_id=plan_id,
        **verdict_params(reader, day, keep_gap=True),
    )
    moves = [
        (row, default if becomes_default and row.by_default else before, after) for row in rows
    ]
    return _effect(moves, day)


def customer_plan_effect(reader: Reader, customer_id: UUID, plan_id: UUID | None) -> PlanEffect:
    """What giving a customer this plan of its own would do; None is the tenant's default one.

    Raises NotFound, NotAllowed.
    """
    reader.actor.require(Action.READ)
    customer = get_customer(reader, customer_id)
    before, after = (
        find_default_plan(reader) if one is None else get_plan(reader, one)
        for one in (customer.dunning_plan_id, plan_id)
    )
    day = next_run(reader).day
    rows = reader.rows(
        _OF_CUSTOMER, customer_id=customer_id, **verdict_params(reader, day, keep_gap=True)
    )
    return _effect([(row, before, after) for row in rows], day)


def _effect(moves: Iterable[tuple[Any, PlanView | None, PlanView | None]], day: date) -> PlanEffect:
    """Sum up groups of invoices, each with the plan it has and the plan it would have."""
    unaffected = changes = exhausted = no_longer_chased = sent = 0
    for row, old, new in moves:
        had, gets = _next_step(old, row.last_days), _next_step(new, row.last_days)
        if _is_same(had, gets):
            unaffected += row.invoice_count
        elif gets is not None:
            changes += row.invoice_count
            if not row.is_quiet and _due_on(gets, row.due_date) <= day:
                sent += row.invoice_count
        elif new is not None and new.is_active:
            exhausted += row.invoice_count
        else:
            no_longer_chased += row.invoice_count
    return PlanEffect(
        unaffected + changes + exhausted + no_longer_chased,
        unaffected,
        changes,
        exhausted,
        no_longer_chased,
        sent,
        day,
        tuple(_sentences(unaffected, changes, exhausted, no_longer_chased, sent, day)),
    )


def _next_step(plan: PlanView | None, last_days: int) -> StepView | None:
    if plan is None or not plan.is_active:
        return None
    return next((step for step in plan.steps if step.days_after_due > last_days), None)


def _is_same(one: StepView | None, other: StepView | None) -> bool:
    """Whether the customer would notice nothing: the number of a step is told to nobody."""
    if one is None or other is None:
        return one is other
    return (one.days_after_due, one.template_key, one.channel, one.subject) == (
        other.days_after_due,
        other.template_key,
        other.channel,
        other.subject,
    )


def _due_on(step: StepView, due_date: date) -> date:
    # Day 0 is the first overdue day.
    return due_date + timedelta(days=max(step.days_after_due, 1))


def _sentences(
    unaffected: int, changes: int, exhausted: int, no_longer_chased: int, sent: int, day: date
) -> Iterable[str]:
    under_way = unaffected + changes + exhausted + no_longer_chased
    if not under_way:
        yield "No overdue invoice is chased by this plan: nothing changes for any."
        return
    if unaffected == under_way:
        yield f"{_invoices(under_way)} {_goes(under_way)} on as before."
        return
    if changes:
        now = "none of them" if not sent else "it" if changes == sent == 1 else f"{sent} of them"
        verb = "is" if sent <= 1 else "are"
        yield (
            f"{_invoices(changes)} {'gets' if changes == 1 else 'get'} another next step; "
            f"{now} {verb} reminded by the next run, on {date_text(day)}."
        )
    if exhausted:
        verb = "has" if exhausted == 1 else "have"
        yield f"{_invoices(exhausted)} {verb} no step left: no more reminders go out for them."
    if no_longer_chased:
        verb = "is" if no_longer_chased == 1 else "are"
        yield f"{_invoices(no_longer_chased)} {verb} no longer chased: there is no active plan."
    if unaffected:
        yield f"{_invoices(unaffected)} {_goes(unaffected)} on as before."
    yield "Reminders that were sent stay sent, and none is sent again."


def _invoices(count: int) -> str:
    return "1 overdue invoice" if count == 1 else f"{count:,} overdue invoices"


def _goes(count: int) -> str:
    return "goes" if count == 1 else "go"
