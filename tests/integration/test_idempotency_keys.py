"""Keys: kept with their effect, answered again, forgotten after thirty days."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.actor import Actor, platform_system
from backend.customers.service import CreateCustomer, create_customer
from backend.db.engine import Database
from backend.errors import IdempotencyKeyReused, InvalidInput
from backend.idempotency import Answer, claim_message, forget_expired, once, request_hash
from backend.unit_of_work import UnitOfWork, run
from tests.factories import Clock, raw_count


def request(
    work: UnitOfWork, key: str, name: str, operation: str = "POST /api/customers"
) -> Answer:
    def produce() -> Answer:
        made = create_customer(work, CreateCustomer(name))
        return Answer(201, f'"{made.customer_id}"', f"/api/customers/{made.customer_id}")

    return once(
        work, operation=operation, key=key, hash_of_request=request_hash(name), produce=produce
    )


def test_the_same_request_gets_the_stored_answer_and_has_no_second_effect(
    db: Database, actor: Actor
):
    first = run(db, actor, request, "k", "Elm Diner")
    again = run(db, actor, request, "k", "Elm Diner")
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.status_code, again.response, again.location) == (
        first.status_code,
        first.response,
        first.location,
    )
    assert raw_count(db, "customers") == 1


def test_another_request_with_the_key_is_refused(db: Database, actor: Actor):
    run(db, actor, request, "k", "Elm Diner")
    with pytest.raises(IdempotencyKeyReused):
        run(db, actor, request, "k", "Oak Gym")
    assert raw_count(db, "customers") == 1


def test_what_is_refused_by_raising_leaves_the_key_free(db: Database, actor: Actor):
    with pytest.raises(InvalidInput):
        run(db, actor, request, "k", "")
    assert raw_count(db, "idempotency_keys") == 0
    assert not run(db, actor, request, "k", "Elm Diner").replayed


def test_a_key_belongs_to_its_operation_and_its_tenant(db: Database, actor: Actor, stranger: Actor):
    calls: list[Callable[[], Answer]] = [
        lambda: run(db, actor, request, "k", "A"),
        lambda: run(db, actor, request, "k", "B", "POST /api/other"),
        lambda: run(db, stranger, request, "k", "C"),
    ]
    assert [call().replayed for call in calls] == [False] * 3
    assert [call().replayed for call in calls] == [True] * 3


def test_keys_are_forgotten_after_thirty_days_and_not_before(
    db: Database, actor: Actor, clock: Clock
):
    run(db, actor, request, "k", "Elm Diner")
    clock.pass_time(days=30)
    assert run(db, platform_system("test"), forget_expired) == 0
    clock.pass_time(seconds=1)
    assert run(db, platform_system("test"), forget_expired) == 1
    assert not run(db, actor, request, "k", "Elm Diner").replayed


def test_a_message_is_claimed_once(db: Database, actor: Actor, stranger: Actor):
    assert run(db, actor, claim_message, "payment.apply", "m1")
    assert not run(db, actor, claim_message, "payment.apply", "m1")
    assert run(db, actor, claim_message, "payment.apply", "m2")
    assert run(db, actor, claim_message, "email.send_requested", "m1")
    assert run(db, stranger, claim_message, "payment.apply", "m1")


def test_a_claim_goes_when_its_handler_fails(db: Database, actor: Actor):
    def handle(work: UnitOfWork) -> None:
        assert claim_message(work, "payment.apply", "m1")
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        run(db, actor, handle)
    assert run(db, actor, claim_message, "payment.apply", "m1")


def test_a_request_is_the_same_whatever_the_order_of_its_fields():
    assert request_hash({"a": 1, "b": 2}) == request_hash({"b": 2, "a": 1})
    assert request_hash({"a": 1}) != request_hash({"a": "1"})
