"""Dunning plans: the default one, changing them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.db.engine import Database
from backend.dunning.plans import (
    CreatePlan,
    PlanView,
    StepInput,
    create_default_plan,
    create_plan,
    get_plan,
    list_plans,
    update_plan,
)
from backend.errors import InvalidInput, NotAllowed, NotFound, StateConflict
from backend.ids import new_id
from backend.unit_of_work import read, run
from tests.factories import actor_in, make_tenant, raw_rows

GENTLE = CreatePlan("Gentle", (StepInput(5, "friendly_reminder"), StepInput(20, "overdue_notice")))


def audit_of(db: Database, action: str) -> list[dict[str, Any]]:
    rows = raw_rows(db, "SELECT data FROM audit_log WHERE action = ? ORDER BY row_id", action)
    return [json.loads(row[0]) for row in rows]


def days_of(plan: PlanView) -> list[tuple[int, int, str]]:
    return [(step.step_number, step.days_after_due, step.template_key) for step in plan.steps]


def test_the_default_plan_reminds_on_days_0_3_7_and_14(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_default_plan)
    assert plan.is_default
    assert plan.is_active
    assert days_of(plan) == [
        (1, 0, "friendly_reminder"),
        (2, 3, "overdue_notice"),
        (3, 7, "final_warning"),
        (4, 14, "last_call"),
    ]
    assert audit_of(db, "dunning.plan_created")[0]["after"]["steps"][1]["days_after_due"] == 3


def test_a_new_default_takes_the_place_of_the_old_one(db: Database, actor: Actor) -> None:
    first = run(db, actor, create_default_plan)
    second = run(db, actor, create_plan, CreatePlan("Firm", GENTLE.steps, is_default=True))
    plans = read(db, actor, list_plans).items
    assert [(plan.dunning_plan_id, plan.is_default) for plan in plans] == [
        (second.dunning_plan_id, True),
        (first.dunning_plan_id, False),
    ]
    assert audit_of(db, "dunning.plan_updated") == [
        {"before": {"is_default": True}, "after": {"is_default": False}}
    ]


def test_the_default_cannot_be_given_up_without_another(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_default_plan)
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, update_plan, plan.dunning_plan_id, {"is_default": False})
    assert refusal.value.code == "default_plan_required"


def test_changing_a_plan_replaces_its_steps_and_says_what_changed(
    db: Database, actor: Actor
) -> None:
    plan = run(db, actor, create_plan, GENTLE)
    changes = {"name": "Gentler", "steps": [StepInput(9, "last_call")]}
    after = run(db, actor, update_plan, plan.dunning_plan_id, changes)
    assert after == read(db, actor, get_plan, plan.dunning_plan_id)
    assert (after.name, days_of(after)) == ("Gentler", [(1, 9, "last_call")])
    assert not after.is_default
    [change] = audit_of(db, "dunning.plan_updated")
    assert change["before"]["name"] == "Gentle"
    assert set(change["after"]) == {"name", "steps"}


def test_a_subject_of_a_step_is_kept_and_taken_away_again(db: Database, actor: Actor) -> None:
    step = StepInput(9, "last_call", subject="  Last call from {{ issuer_name }} ")
    plan = run(db, actor, create_plan, CreatePlan("Plan", [step]))
    assert plan.steps[0].subject == "Last call from {{ issuer_name }}"
    after = run(
        db, actor, update_plan, plan.dunning_plan_id, {"steps": [StepInput(9, "last_call")]}
    )
    assert after.steps[0].subject is None
    [change] = audit_of(db, "dunning.plan_updated")
    assert change["before"]["steps"][0]["subject"] == "Last call from {{ issuer_name }}"


def test_changing_nothing_leaves_no_trace(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_plan, GENTLE)
    same = run(db, actor, update_plan, plan.dunning_plan_id, {"name": "Gentle", "is_active": True})
    assert same == plan
    assert audit_of(db, "dunning.plan_updated") == []


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "steps"),
        ([StepInput(day, "last_call") for day in range(21)], "steps"),
        ([StepInput(-1, "last_call")], "steps.0.days_after_due"),
        ([StepInput(3651, "last_call")], "steps.0.days_after_due"),
        ([StepInput(3, "last_call"), StepInput(3, "last_call")], "steps.1.days_after_due"),
        ([StepInput(3, "invoice")], "steps.0.template_key"),
        ([StepInput(3, "last_call", "pigeon")], "steps.0.channel"),
        ([StepInput(3, "last_call", subject="{{ x.__class__ }")], "steps.0.subject"),
        ([StepInput(3, "last_call", subject="{{ range(9) }}")], "steps.0.subject"),
        ([StepInput(3, "last_call", subject="a\nb")], "steps.0.subject"),
        ([StepInput(3, "last_call", subject="x" * 501)], "steps.0.subject"),
    ],
)
def test_steps_that_make_no_plan_are_refused_by_field(
    db: Database, actor: Actor, steps: list[StepInput], field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, create_plan, CreatePlan("Plan", steps))
    assert [error.field for error in refusal.value.errors] == [field]
    assert read(db, actor, list_plans).items == []


def test_plans_are_listed_by_key_and_with_their_own_steps(db: Database, actor: Actor) -> None:
    made = [
        run(db, actor, create_plan, CreatePlan(f"Plan {day}", [StepInput(day, "last_call")]))
        for day in range(5)
    ]
    seen = []
    cursor = None
    while True:
        page = read(db, actor, list_plans, limit=2, cursor=cursor)
        seen.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]
    with pytest.raises(InvalidInput):
        read(db, actor, list_plans, cursor="garbage")


def test_another_tenants_plan_is_not_there(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_plan, GENTLE)
    stranger = actor_in(make_tenant(db, "Cool Air"))
    with pytest.raises(NotFound):
        read(db, stranger, get_plan, plan.dunning_plan_id)
    with pytest.raises(NotFound):
        run(db, stranger, update_plan, plan.dunning_plan_id, {"name": "Mine"})
    assert read(db, stranger, list_plans).items == []
    with pytest.raises(NotFound):
        read(db, actor, get_plan, new_id())


def test_support_reads_plans_and_changes_none(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_plan, GENTLE)
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    assert read(db, support, list_plans).items == [plan]
    with pytest.raises(NotAllowed):
        run(db, support, create_plan, GENTLE)
    with pytest.raises(NotAllowed):
        run(db, support, update_plan, plan.dunning_plan_id, {"name": "Mine"})
