"""The writer: batches with one commit, failures that stay alone, readers that never wait."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from backend.actor import Actor
from backend.customers.queries import list_customers
from backend.customers.service import CreateCustomer, create_customer
from backend.db.writer import WAITING_MAX, Job
from backend.errors import Busy, InvalidInput
from backend.unit_of_work import UnitOfWork, read, run, run_async
from tests.factories import make_customer, raw_count, raw_rows
from tests.watched import WatchedDatabase, batched


def add(name: str) -> CreateCustomer:
    return CreateCustomer(name)


def crash(_: UnitOfWork) -> None:
    raise RuntimeError("a bug")


def add_then_crash(work: UnitOfWork) -> None:
    create_customer(work, add("Never"))
    raise RuntimeError("a bug")


def test_use_cases_that_wait_together_are_committed_together(watched: WatchedDatabase, mine: Actor):
    with batched(watched, mine) as hand_in:
        watched.controls.clear()
        futures = [hand_in(create_customer, add(f"Customer {n}")) for n in range(10)]
    assert [future.result().display_name for future in futures] == [
        f"Customer {n}" for n in range(10)
    ]
    # The one that held the batch up began alone; those behind it share one transaction more.
    assert watched.controls.count("COMMIT") <= 2
    assert raw_count(watched, "customers") == 10


def test_a_failing_use_case_rolls_back_alone(watched: WatchedDatabase, mine: Actor):
    with batched(watched, mine) as hand_in:
        good = hand_in(create_customer, add("One"))
        refused = hand_in(create_customer, add(""))
        broken = hand_in(add_then_crash)
        late = hand_in(create_customer, add("Two"))
    assert isinstance(refused.exception(), InvalidInput)
    assert isinstance(broken.exception(), RuntimeError)
    assert [good.result().display_name, late.result().display_name] == ["One", "Two"]
    kept = raw_rows(watched, "SELECT display_name FROM customers ORDER BY row_id")
    assert kept == [("One",), ("Two",)]
    assert (
        raw_rows(watched, "SELECT action FROM audit_log WHERE tenant_id <> ?", "0" * 32)
        == [("customer.created",)] * 2
    )


def test_a_savepoint_inside_a_use_case_takes_back_its_rows_records_and_messages(
    watched: WatchedDatabase, mine: Actor
):
    def use_case(work: UnitOfWork) -> None:
        create_customer(work, add("Kept"))
        with contextlib.suppress(RuntimeError), work.savepoint():
            create_customer(work, add("Taken back"))
            crash(work)
        create_customer(work, add("Kept too"))

    run(watched, mine, use_case)
    kept = raw_rows(watched, "SELECT display_name FROM customers ORDER BY row_id")
    assert kept == [("Kept",), ("Kept too",)]
    assert len(raw_rows(watched, "SELECT 1 FROM audit_log WHERE action = 'customer.created'")) == 2


def test_an_event_loop_is_answered_without_a_thread_of_its_own(
    watched: WatchedDatabase, mine: Actor
):
    async def many() -> list[Any]:
        before = threading.active_count()
        calls = [run_async(watched, mine, create_customer, add(f"C{n}")) for n in range(50)]
        results = await asyncio.gather(
            *calls, run_async(watched, mine, crash), return_exceptions=True
        )
        assert threading.active_count() <= before + 1
        return results

    results = asyncio.run(many())
    assert isinstance(results[-1], RuntimeError)
    assert raw_count(watched, "customers") == 50


def test_a_caller_who_stopped_waiting_does_not_disturb_the_others(
    watched: WatchedDatabase, mine: Actor
):
    async def two() -> Any:
        leaving = asyncio.create_task(run_async(watched, mine, create_customer, add("Left")))
        staying = asyncio.create_task(run_async(watched, mine, create_customer, add("Stayed")))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(two()).display_name == "Stayed"


def test_a_use_case_cannot_start_another_one(watched: WatchedDatabase, mine: Actor):
    def nested(_: UnitOfWork) -> None:
        run(watched, mine, create_customer, add("Inner"))

    with pytest.raises(RuntimeError, match="wait for itself"):
        run(watched, mine, nested)


def test_too_many_waiting_writes_are_turned_away(watched: WatchedDatabase, mine: Actor):
    assert watched.writer is not None
    with batched(watched, mine):
        for _ in range(WAITING_MAX):
            watched.writer._waiting.put(Job(lambda _: None))
        with pytest.raises(Busy):
            run(watched, mine, create_customer, add("One too many"))
    assert make_customer(watched, mine, "Later").display_name == "Later"


def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(
    watched: WatchedDatabase, mine: Actor
):
    with batched(watched, mine) as hand_in:
        futures = [hand_in(create_customer, add(f"C{n}")) for n in range(5)]
        closing = threading.Thread(target=watched.close)
        closing.start()
    closing.join(10)
    assert all(future.result() for future in futures)
    with pytest.raises(Busy):
        run(watched, mine, create_customer, add("Too late"))
    assert raw_count(watched, "customers") == 5


def test_a_reader_never_waits_for_the_writer(watched: WatchedDatabase, mine: Actor):
    make_customer(watched, mine, "Before")
    with batched(watched, mine) as hand_in:
        hand_in(create_customer, add("During"))
        page = read(watched, mine, list_customers)
        assert [item.display_name for item in page.items] == ["Before"]
