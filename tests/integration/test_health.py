"""Which workers run, and how much waits: plainly told, to each only its own, whatever is away."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID, uuid4

import pytest

from backend.actor import Actor, PlatformActor, Role, platform_system
from backend.db.engine import Database
from backend.errors import Busy, NotAllowed
from backend.health import depths, service
from backend.health.depths import (
    FRESH_SECONDS,
    NO_ANSWER,
    UNREACHABLE,
    Depths,
    Found,
    are_reachable,
    depths_of,
)
from backend.health.heartbeats import (
    GONE_WORKERS_KEPT,
    RUNNING_SECONDS,
    WorkerProcess,
    beat,
    forget_gone_workers,
)
from backend.health.service import Health, QueueHealth, get_health
from backend.ids import new_id
from backend.messaging.contracts import EmailSendRequested, Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import DeadReason, QueueDepth, Transport
from backend.unit_of_work import run
from tests.factories import Clock, actor_in, raw_rows
from tests.queues import real_message

QUEUE = Queue.EMAIL_SEND
PLATFORM = platform_system("test")


@pytest.fixture
def transport(db: Database) -> EmbeddedTransport:
    return EmbeddedTransport(db)


@pytest.fixture
def worker(clock: Clock) -> WorkerProcess:
    return WorkerProcess.this(clock.now)


def live(db: Database, worker: WorkerProcess, *, is_last: bool = False) -> None:
    run(db, PLATFORM, beat, worker, is_last=is_last)


def say(db: Database, actor: Actor) -> None:
    """Commit a message; nobody relays it."""
    run(db, actor, lambda work: work.send(EmailSendRequested(communication_id=new_id())))


def health_of(
    db: Database,
    actor: Actor | PlatformActor = PLATFORM,
    *,
    queues: FakeQueues | None = None,
) -> Health:
    """As somebody sees it who is the first to ask in a process."""
    return get_health(db, queues.transport if queues else EmbeddedTransport(db), actor)


def queue_in(health: Health, queue: Queue = QUEUE) -> QueueHealth:
    (found,) = [one for one in health.queues if one.queue is queue]
    return found


@dataclass(eq=False)
class FakeQueues:
    """Queues whose depth a test makes up."""

    act: Callable[[Queue], QueueDepth] = lambda _queue: QueueDepth(1, 0, 0)
    asked: list[tuple[Queue, UUID | None]] = field(default_factory=list)

    @property
    def transport(self) -> Transport:
        """As a process has it; nothing but the depth is asked for here."""
        return cast(Transport, self)

    def depth(self, queue: Queue, *, tenant_id: UUID | None = None) -> QueueDepth:
        self.asked.append((queue, tenant_id))
        return self.act(queue)


# Workers.


def test_where_no_worker_was_ever_seen_none_runs(db: Database):
    found = health_of(db)

    assert (found.is_running, found.last_seen_at, found.workers) == (False, None, ())


def test_a_worker_runs_while_it_is_heard_of(db: Database, worker: WorkerProcess, clock: Clock):
    began = clock.now
    live(db, worker)
    clock.pass_time(seconds=RUNNING_SECONDS)
    found = health_of(db)
    assert (found.is_running, found.last_seen_at) == (True, began)

    clock.pass_time(seconds=1)
    assert not health_of(db).is_running

    live(db, worker)
    found = health_of(db)
    assert (found.is_running, found.last_seen_at) == (True, clock.now)
    (seen,) = found.workers
    assert (seen.worker_id, seen.pid, seen.started_at) == (worker.worker_id, worker.pid, began)


def test_a_worker_that_ends_in_order_is_told_as_gone_at_once(
    db: Database, worker: WorkerProcess, clock: Clock
):
    live(db, worker)
    clock.pass_time(seconds=3)
    live(db, worker, is_last=True)

    found = health_of(db)

    assert (found.is_running, found.last_seen_at) == (False, clock.now)
    assert found.workers[0].stopped_at == clock.now


def test_one_of_several_workers_is_enough(db: Database, worker: WorkerProcess, clock: Clock):
    live(db, worker)
    live(db, WorkerProcess.this(clock.now), is_last=True)

    found = health_of(db)

    assert found.is_running
    assert [one.is_running for one in found.workers] == [False, True]


def test_a_heartbeat_from_long_ahead_is_no_sign_of_life(
    db: Database, worker: WorkerProcess, clock: Clock
):
    live(db, worker)
    clock.pass_time(hours=-1)

    assert not health_of(db).is_running


def test_workers_long_gone_are_forgotten(db: Database, worker: WorkerProcess, clock: Clock):
    live(db, worker)
    clock.pass_time(seconds=GONE_WORKERS_KEPT.total_seconds() + 1)
    live(db, WorkerProcess.this(clock.now))

    assert run(db, PLATFORM, forget_gone_workers) == 1
    assert len(raw_rows(db, "SELECT 1 FROM worker_heartbeats")) == 1


# What waits.


def test_what_is_not_relayed_yet_waits_as_well(
    db: Database, transport: EmbeddedTransport, actor: Actor, clock: Clock
):
    first = clock.now
    say(db, actor)
    clock.pass_time(minutes=1)
    say(db, actor)
    transport.send([real_message(actor.tenant_id, EmailSendRequested(communication_id=new_id()))])

    found = queue_in(health_of(db))

    assert (found.unsent, found.waiting, found.oldest_at) == (2, 3, first)
    assert queue_in(health_of(db), Queue.WEBHOOK_INGEST).waiting == 0


def test_the_oldest_may_be_in_the_queue_already(
    db: Database, transport: EmbeddedTransport, actor: Actor, clock: Clock
):
    queued_at = clock.now
    transport.send([real_message(actor.tenant_id, EmailSendRequested(communication_id=new_id()))])
    clock.pass_time(minutes=1)
    say(db, actor)

    assert queue_in(health_of(db)).oldest_at == queued_at


def test_of_a_very_long_outbox_the_beginning_is_counted(
    db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(2):
        say(db, actor)
    assert queue_in(health_of(db)).is_exact
    # As if the limit of the statement, which is a constant, had been reached.
    monkeypatch.setattr(service, "UNSENT_COUNTED_MAX", 2)

    assert not queue_in(health_of(db)).is_exact


def test_a_tenant_is_told_of_its_own_messages_only(
    db: Database, transport: EmbeddedTransport, actor: Actor, stranger: Actor
):
    for owner, count in ((actor, 1), (stranger, 4)):
        for _ in range(count):
            say(db, owner)
            message = EmailSendRequested(communication_id=new_id())
            transport.send([real_message(owner.tenant_id, message)])
    for delivery in transport.receive(QUEUE, messages_max=2, wait_seconds=0):
        delivery.dead_letter(DeadReason.REFUSED, "no")

    def figures(who: Actor | PlatformActor) -> tuple[int, int, int]:
        found = queue_in(health_of(db, who))
        assert found.depth is not None
        return found.unsent, found.depth.active, found.depth.dead

    assert figures(actor) == (1, 0, 1)
    assert figures(stranger) == (4, 3, 1)
    assert figures(PLATFORM) == (5, 3, 2)


def test_which_processes_work_is_told_to_the_platform_only(
    db: Database, worker: WorkerProcess, actor: Actor
):
    live(db, worker)

    found = health_of(db, actor)

    assert found.is_running
    assert found.workers == ()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_everybody_of_a_business_may_ask(db: Database, tenant_id: UUID, role: Role):
    assert health_of(db, actor_in(tenant_id, role)).queues


def test_nobody_asks_for_the_platform_without_its_permission(db: Database):
    with pytest.raises(NotAllowed):
        health_of(db, PlatformActor("somebody", "c-1", role=Role.SUPPORT))


# Queues that do not answer.


def test_a_queue_that_cannot_be_reached_has_unknown_figures_and_says_why(
    db: Database, actor: Actor
):
    def away(queue: Queue) -> QueueDepth:
        if queue is QUEUE:
            raise Busy("amqps://secret.example is away")
        return QueueDepth(2, 0, 1, is_exact=queue is not Queue.DUNNING_EVALUATE)

    say(db, actor)
    found = health_of(db, actor, queues=FakeQueues(away))

    unknown = queue_in(found)
    assert (unknown.depth, unknown.waiting) == (None, None)
    assert unknown.problem == "The queue cannot be reached just now."
    assert (unknown.unsent, unknown.oldest_at is None) == (1, False)
    assert queue_in(found, Queue.WEBHOOK_INGEST).waiting == 2
    assert not queue_in(found, Queue.DUNNING_EVALUATE).is_exact


def test_a_bug_in_a_transport_takes_no_page_down(db: Database):
    def broken(_queue: Queue) -> QueueDepth:
        raise ZeroDivisionError

    assert {one.depth for one in health_of(db, queues=FakeQueues(broken)).queues} == {None}


def test_nobody_waits_long_for_a_queue_that_hangs_and_its_answer_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(depths, "WAIT_SECONDS_MAX", 0.05)
    answers, answered = threading.Event(), QueueDepth(7, 0, 0)

    def hangs(_queue: Queue) -> QueueDepth:
        assert answers.wait(30)
        return answered

    queues, asked = FakeQueues(hangs), Depths()
    try:
        for _ in range(3):
            found = asked.find(queues.transport, None)
            assert found[QUEUE] == Found(None, "The queue did not answer in time.")
    finally:
        answers.set()
    monkeypatch.setattr(depths, "WAIT_SECONDS_MAX", 30)

    assert asked.find(queues.transport, None)[QUEUE].depth == answered
    assert len(queues.asked) == len(Queue)


@pytest.mark.parametrize(
    ("answers", "reachable"),
    [
        ([None, None, None], True),
        ([None, NO_ANSWER, NO_ANSWER], True),
        ([NO_ANSWER, NO_ANSWER, NO_ANSWER], False),
        ([None, None, UNREACHABLE], False),
        ([NO_ANSWER, UNREACHABLE, UNREACHABLE], False),
    ],
)
def test_a_slow_broker_is_reachable_and_a_silent_one_is_not(
    answers: list[str | None], reachable: bool
):
    depth = QueueDepth(0, 0, 0)

    found = [Found(None if problem else depth, problem) for problem in answers]

    assert are_reachable(found) is reachable


def test_a_queue_is_asked_again_only_after_a_while_for_each_tenant():
    now = [100.0]
    queues, asked = FakeQueues(), Depths(clock=lambda: now[0])
    tenant_id = uuid4()

    for who in (None, None, tenant_id, tenant_id):
        asked.find(queues.transport, who)
    assert queues.asked.count((QUEUE, None)) == 1
    assert queues.asked.count((QUEUE, tenant_id)) == 1

    now[0] += FRESH_SECONDS - 0.1
    asked.find(queues.transport, None)
    assert queues.asked.count((QUEUE, None)) == 1
    now[0] += 0.1
    asked.find(queues.transport, None)
    assert queues.asked.count((QUEUE, None)) == 2
    assert len(asked._asked) == len(Queue)  # what is old is not kept


def test_what_was_asked_of_a_transport_goes_with_it():
    queues = FakeQueues()
    depths_of(queues.transport).find(queues.transport, None)
    known = weakref.ref(depths_of(queues.transport))
    assert known() is not None

    del queues
    # The thread that asked lets go of it in its own time.
    deadline = time.monotonic() + 10
    while known() is not None and time.monotonic() < deadline:
        gc.collect()

    assert known() is None
