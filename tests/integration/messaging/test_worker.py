"""Consumers and the worker around them: once each, neighbours unharmed, a calm stop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.errors import Busy
from backend.ids import new_id
from backend.messaging.contracts import EmailSendRequested, Queue
from backend.messaging.transport import DELIVERIES_MAX, LEASE_SECONDS, Delivery
from backend.unit_of_work import UnitOfWork, run
from tests.factories import Clock, make_tenant, raw_rows
from tests.queues import SOON, another_process, eventually, in_background, real_message, services_on
from worker.dispatch import Handlers
from worker.leases import HOLD_SECONDS_MAX, LeaseKeeper
from worker.loops import pause_seconds, repeat
from worker.process import Worker

# Not a queue into which the scheduler puts messages of its own.
QUEUE = Queue.EMAIL_SEND


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


def a_message() -> EmailSendRequested:
    return EmailSendRequested(communication_id=new_id())


def say(db: Database, actor: Actor) -> str:
    """Commit a message; its id."""
    return str(run(db, actor, lambda work: work.send(a_message())))


def handlers_of(act: Callable[[str], None]) -> Handlers:
    """One handler that is told the id of each message."""
    return {
        EmailSendRequested: lambda _services, _actor, envelope, _message: act(
            str(envelope.message_id)
        )
    }


def send(services: Services, tenant_id: UUID, count: int = 1) -> list[str]:
    messages = [real_message(tenant_id, a_message()) for _ in range(count)]
    services.transport.send(messages)
    return [one.message_id for one in messages]


def states(db: Database) -> Counter[str]:
    rows = raw_rows(db, "SELECT state FROM queue_messages WHERE queue = ?", QUEUE.value)
    return Counter(state for (state,) in rows)


def test_once_relays_and_handles_everything_that_is_due_even_what_handlers_send(
    db: Database, services: Services, actor: Actor
):
    first = say(db, actor)
    seen: list[str] = []

    def handle(message_id: str) -> None:
        seen.append(message_id)
        if message_id == first:
            seen.append("and sends " + say(db, actor))

    worker = Worker(services, handlers_of(handle))

    assert worker.run_once() == 2
    assert seen == [first, f"and sends {seen[2]}", seen[2]]
    assert worker.run_once() == 0


def test_once_leaves_alone_what_is_not_due(db: Database, services: Services, tenant_id: UUID):
    def fails(_message_id: str) -> None:
        raise Busy("away")

    send(services, tenant_id)

    assert Worker(services, handlers_of(fails)).run_once() == 1
    assert services.transport.depth(QUEUE).active == 1


def test_a_poison_message_is_tried_ten_times_and_its_neighbours_are_unaffected(
    db: Database, services: Services, tenant_id: UUID, clock: Clock
):
    attempts: Counter[str] = Counter()
    before, poison, after = send(services, tenant_id, 3)

    def handle(message_id: str) -> None:
        attempts[message_id] += 1
        if message_id == poison:
            raise ZeroDivisionError("division by zero")

    worker = Worker(services, handlers_of(handle))
    worker.run_once()
    assert attempts == {before: 1, poison: 1, after: 1}
    for _ in range(30):
        clock.pass_time(minutes=80)
        worker.run_once()

    assert attempts == {before: 1, poison: DELIVERIES_MAX, after: 1}
    assert raw_rows(
        db,
        "SELECT message_id, dead_reason, dead_description FROM queue_messages WHERE state = 'dead'",
    ) == [(poison, "max_delivery_count_exceeded", "ZeroDivisionError: division by zero")]


def test_two_workers_handle_each_message_once(database_file: Path):
    db = Database(f"sqlite:///{database_file}")
    services = services_on(db)
    tenant_id = make_tenant(db)
    actor = Actor.system(tenant_id, "two-workers")
    handled: list[str] = []
    sent = [say(db, actor) for _ in range(20)]
    with another_process(db) as others:
        workers = [Worker(one, handlers_of(handled.append)) for one in (services, others)]
        with (
            in_background(workers[0].run, workers[0].stop),
            in_background(workers[1].run, workers[1].stop),
        ):
            sent += [say(db, actor) for _ in range(80)]
            assert eventually(lambda: states(db)["done"] == 100)

    assert sorted(handled) == sorted(sent)
    services.close()


def test_a_commit_of_another_process_wakes_an_idle_worker(database_file: Path):
    db = Database(f"sqlite:///{database_file}")
    services = services_on(db)
    actor = Actor.system(make_tenant(db), "wake-up")
    handled = threading.Event()
    worker = Worker(services, handlers_of(lambda _message_id: handled.set()))
    with another_process(db) as others, in_background(worker.run, worker.stop):
        time.sleep(0.5)
        say(others.db, actor)
        assert handled.wait(SOON)
    services.close()


def test_a_stop_finishes_what_is_in_hand_and_gives_the_rest_back_uncounted(
    db: Database, services: Services, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("worker.consumer.TAKEN_MAX", dict.fromkeys(Queue, 10))
    sent = send(services, tenant_id, 5)
    in_hand, go_on = threading.Event(), threading.Event()
    handled: list[str] = []

    def handle(message_id: str) -> None:
        in_hand.set()
        go_on.wait(SOON)
        handled.append(message_id)

    worker = Worker(services, handlers_of(handle))
    outcome: list[bool] = []
    with in_background(lambda: outcome.append(worker.run()), worker.stop) as thread:
        assert in_hand.wait(SOON)
        worker.stop.set()
        time.sleep(0.1)
        assert thread.is_alive(), "it waits for the message in hand"
        go_on.set()

    assert outcome == [True]
    assert handled == sent[:1]
    assert raw_rows(
        db,
        "SELECT message_id, state, delivery_count FROM queue_messages"
        " WHERE queue = 'email-send' ORDER BY row_id",
    ) == [(sent[0], "done", 1), *((one, "ready", 0) for one in sent[1:])]
    again = services.transport.receive(QUEUE, messages_max=10, wait_seconds=0)
    assert [one.message_id for one in again] == sent[1:], "they are due at once"


def test_a_message_in_hand_keeps_its_lease_however_long_it_takes(
    services: Services, tenant_id: UUID, clock: Clock
):
    send(services, tenant_id)
    keeper = LeaseKeeper(services.transport)
    deliveries = services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)
    keeper.take(deliveries)
    for _ in range(10):
        clock.pass_time(seconds=LEASE_SECONDS / 3)
        keeper.renew()
        assert services.transport.receive(QUEUE, messages_max=1, wait_seconds=0) == []

    keeper.let_go(deliveries[0])
    keeper.renew()
    clock.pass_time(seconds=LEASE_SECONDS)
    assert len(services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)) == 1


def test_a_handler_that_hangs_does_not_keep_its_message_for_ever(
    services: Services, tenant_id: UUID, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    send(services, tenant_id)
    keeper = LeaseKeeper(services.transport)
    keeper.take(services.transport.receive(QUEUE, messages_max=1, wait_seconds=0))
    clock.pass_time(seconds=LEASE_SECONDS - 1)
    long_after = time.monotonic() + HOLD_SECONDS_MAX + 1
    monkeypatch.setattr("worker.leases.time.monotonic", lambda: long_after)

    keeper.renew()

    clock.pass_time(seconds=1)
    (taken,) = services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)
    assert taken.delivery_count == 2


def test_when_completing_fails_the_messages_come_again(
    db: Database, services: Services, tenant_id: UUID, clock: Clock
):
    class CannotComplete:
        def complete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
            raise Busy("away")

        def __getattr__(self, name: str) -> Any:
            return getattr(services.transport, name)

    handled: list[str] = []
    (sent,) = send(services, tenant_id)
    broken = Services(db, CannotComplete(), services.mailer, services.settings)
    Worker(broken, handlers_of(handled.append)).run_once()
    assert states(db) == {"ready": 1}

    clock.pass_time(seconds=LEASE_SECONDS)
    Worker(services, handlers_of(handled.append)).run_once()

    assert handled == [sent, sent], "which is why handlers do what they do once"
    assert states(db) == {"done": 1}


def test_a_part_that_fails_is_tried_again_after_a_pause_until_it_is_stopped():
    stop = threading.Event()
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        if len(calls) == 3:
            stop.set()
        if len(calls) == 1:
            raise LookupError("once")

    repeat("a part", step, stop)

    assert len(calls) == 3


def test_pauses_after_failures_grow_and_stay_bounded():
    assert pause_seconds(1) < 0.7
    assert 1.5 <= pause_seconds(3) <= 2.5
    assert pause_seconds(1000) <= 30 * 1.25


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_part_ends_the_worker_so_that_it_is_restarted(
    db: Database, services: Services, tenant_id: UUID
):
    def dies(_message_id: str) -> None:
        raise SystemExit

    send(services, tenant_id)
    worker = Worker(services, handlers_of(dies))
    outcome: list[bool] = []
    with in_background(lambda: outcome.append(worker.run()), worker.stop) as thread:
        thread.join(SOON)
        assert not thread.is_alive()

    assert outcome == [False]


def test_a_message_for_later_is_handled_by_a_waiting_worker(database_file: Path):
    db = Database(f"sqlite:///{database_file}")
    services = services_on(db)
    actor = Actor.system(make_tenant(db), "later")
    handled: list[datetime] = []
    worker = Worker(services, handlers_of(lambda _id: handled.append(datetime.now(UTC))))

    def use_case(work: UnitOfWork) -> datetime:
        at = work.now + timedelta(seconds=0.7)
        work.send(a_message(), at=at)
        return at

    with in_background(worker.run, worker.stop):
        at = run(db, actor, use_case)
        assert eventually(lambda: bool(handled))
    assert handled[0] >= at
    services.close()
