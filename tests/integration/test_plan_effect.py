"""What a change of a plan does to invoices under way is told before, and is what then happens."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.customers.models import CustomerHold
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import HoldCustomer, hold_customer
from backend.dunning.plan_effect import PlanEffect, customer_plan_effect, plan_effect
from backend.dunning.plans import (
    CreatePlan,
    StepInput,
    create_default_plan,
    create_plan,
    update_plan,
)
from backend.dunning.preview import preview_run
from backend.errors import InvalidInput, NotFound, StateConflict
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_customer, make_invoice, make_tenant

# The clock stands at noon of Wednesday, March 4 in Chicago, inside the sending window.
TODAY = date(2026, 3, 4)
FRIENDLY, NOTICE = StepInput(0, "friendly_reminder"), StepInput(3, "overdue_notice")
WARNING, LAST = StepInput(7, "final_warning"), StepInput(14, "last_call")


@pytest.fixture
def plan_id(db: Database, actor: Actor) -> UUID:
    return run(db, actor, create_default_plan).dunning_plan_id


def chased(db: Database, actor: Actor, days_late: int, **fields: Any) -> UUID:
    """An overdue invoice of a customer of its own; the customer's id."""
    customer = make_customer(db, actor, email=f"a{days_late}@harbor.example", **fields)
    due = TODAY - timedelta(days=days_late)
    make_invoice(db, actor, customer.customer_id, issue_date=due, due_date=due)
    return customer.customer_id


def effect(db: Database, actor: Actor, plan_id: UUID, **changes: Any) -> PlanEffect:
    return read(db, actor, plan_effect, plan_id, changes)


def counts(told: PlanEffect) -> tuple[int, ...]:
    parts = (told.unaffected, told.next_step_changes, told.exhausted, told.no_longer_chased)
    assert told.under_way == sum(parts)
    return (*parts, told.sent_by_next_run)


def planned(db: Database, actor: Actor) -> dict[UUID, int]:
    """Which step the next run sends for each invoice."""
    preview = read(db, actor, preview_run, TODAY, keep_gap=True)
    return {
        one.invoice_id: one.step_number for email in preview.would_send for one in email.invoices
    }


def test_without_invoices_under_way_nothing_changes(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    told = effect(db, actor, plan_id, is_active=False)
    assert counts(told) == (0, 0, 0, 0, 0)
    assert told.sentences == (
        "No overdue invoice is chased by this plan: nothing changes for any.",
    )


def test_new_steps_are_told_by_what_comes_next_for_whom(
    db: Database, actor: Actor, plan_id: UUID, clock: Clock
) -> None:
    for days_late in (1, 5, 20):
        chased(db, actor, days_late)
    run(db, actor, run_evaluation)  # each gets its first step
    clock.pass_time(days=5)  # the gap is over: Monday, March 9
    told = effect(db, actor, plan_id, name="Firm")
    assert counts(told) == (3, 0, 0, 0, 0)
    assert told.sentences == ("3 overdue invoices go on as before.",)
    told = effect(db, actor, plan_id, steps=[FRIENDLY, StepInput(8, "last_call")])
    # Eight days late are two of them, and six the third.
    assert counts(told) == (0, 3, 0, 0, 2)
    assert told.sentences == (
        "3 overdue invoices get another next step; 2 of them are reminded by the next run, "
        "on Mar 9, 2026.",
        "Reminders that were sent stay sent, and none is sent again.",
    )
    assert counts(effect(db, actor, plan_id, steps=[FRIENDLY])) == (0, 0, 3, 0, 0)
    later = [FRIENDLY, NOTICE, StepInput(30, "last_call")]
    assert counts(effect(db, actor, plan_id, steps=later)) == (3, 0, 0, 0, 0)


def test_another_subject_or_template_of_the_next_step_is_a_change(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    chased(db, actor, 5)
    for first in (StepInput(0, "last_call"), StepInput(0, FRIENDLY.template_key, subject="Hello")):
        told = effect(db, actor, plan_id, steps=[first, NOTICE, WARNING, LAST])
        assert counts(told) == (0, 1, 0, 0, 1)
        assert told.sentences[0] == (
            "1 overdue invoice gets another next step; it is reminded by the next run, "
            "on Mar 4, 2026."
        )


def test_switching_a_plan_off_says_how_many_are_no_longer_chased(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    chased(db, actor, 5)
    chased(db, actor, 6)
    told = effect(db, actor, plan_id, is_active=False)
    assert counts(told) == (0, 0, 0, 2, 0)
    assert told.sentences[0] == (
        "2 overdue invoices are no longer chased: there is no active plan."
    )
    run(db, actor, update_plan, plan_id, {"is_active": False})
    assert counts(effect(db, actor, plan_id, is_active=True)) == (0, 2, 0, 0, 2)


def test_a_new_default_plan_takes_over_who_has_no_plan_of_its_own(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    own = chased(db, actor, 5)
    chased(db, actor, 6)
    gentle = run(db, actor, create_plan, CreatePlan("Gentle", [StepInput(10, "last_call")]))
    run(db, actor, update_customer, own, {"dunning_plan_id": plan_id})
    told = effect(db, actor, gentle.dunning_plan_id, is_default=True)
    assert counts(told) == (0, 1, 0, 0, 0)
    assert "none of them is reminded by the next run" in told.sentences[0]


def test_what_is_held_or_was_reminded_lately_is_not_sent_by_the_next_run(
    db: Database, actor: Actor, plan_id: UUID, clock: Clock
) -> None:
    paused = chased(db, actor, 8)
    run(db, actor, hold_customer, paused, HoldCustomer(CustomerHold.PAUSE))
    chased(db, actor, 9)
    run(db, actor, run_evaluation)
    clock.pass_time(days=1)
    chased(db, actor, 10)
    told = effect(db, actor, plan_id, steps=[StepInput(5, "last_call")])
    assert counts(told) == (0, 3, 0, 0, 1)


def test_what_is_told_is_what_the_next_run_does(
    db: Database, actor: Actor, plan_id: UUID, clock: Clock
) -> None:
    run(db, actor, update_tenant, UpdateTenant(reminder_gap_days=0))
    for days_late in range(-1, 12):
        chased(db, actor, days_late)
    run(db, actor, run_evaluation, as_of=TODAY - timedelta(days=4))
    before = planned(db, actor)
    changes = {"steps": [StepInput(1, "last_call"), StepInput(6, "overdue_notice")]}
    told = read(db, actor, plan_effect, plan_id, changes)
    run(db, actor, update_plan, plan_id, changes)
    after = planned(db, actor)
    assert before
    assert len(after) == told.sent_by_next_run > 0
    again = read(db, actor, plan_effect, plan_id, changes)
    assert counts(again) == (told.under_way, 0, 0, 0, 0)


def test_another_plan_of_a_customer_is_told_for_its_invoices_alone(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    customer_id = chased(db, actor, 5)
    chased(db, actor, 6)
    off = CreatePlan("Nobody", [FRIENDLY], is_active=False)
    off_id = run(db, actor, create_plan, off).dunning_plan_id
    told = read(db, actor, customer_plan_effect, customer_id, off_id)
    assert counts(told) == (0, 0, 0, 1, 0)
    told = read(db, actor, customer_plan_effect, customer_id, None)
    assert counts(told) == (1, 0, 0, 0, 0)
    run(db, actor, update_customer, customer_id, {"dunning_plan_id": off_id})
    told = read(db, actor, customer_plan_effect, customer_id, None)
    assert counts(told) == (0, 1, 0, 0, 1)


def test_a_change_that_cannot_be_made_has_no_effect_to_tell(
    db: Database, actor: Actor, plan_id: UUID
) -> None:
    with pytest.raises(InvalidInput):
        effect(db, actor, plan_id, steps=[])
    with pytest.raises(StateConflict):
        effect(db, actor, plan_id, is_default=False)


def test_a_stranger_learns_nothing(db: Database, actor: Actor, plan_id: UUID) -> None:
    customer_id = chased(db, actor, 5)
    stranger = actor_in(make_tenant(db, "Cool Air"))
    with pytest.raises(NotFound):
        effect(db, stranger, plan_id, is_active=False)
    with pytest.raises(NotFound):
        read(db, stranger, customer_plan_effect, customer_id, None)
