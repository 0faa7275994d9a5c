"""The relay: what was committed reaches the queues, in order, whatever breaks on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from backend.actor import Actor
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.errors import Busy, RuleRefused
from backend.ids import new_id
from backend.messaging.contracts import (
    PAYLOAD_BYTES_MAX,
    ApplyPayment,
    EvaluateDunning,
    InvoiceEmailRequested,
    Queue,
)
from backend.messaging.transport import Delivery, Outgoing, Transport
from backend.unit_of_work import UnitOfWork, run
from tests.factories import raw_rows
from tests.queues import another_process, services_on
from worker.relay import ROWS_MAX, NotRelayed, Relay

EMAILS = Queue.EMAIL_SEND


@dataclass
class FaultyTransport:
    """Passes on to a real transport, with a fault before or after sending."""

    real: Transport
    before: Callable[[Sequence[Outgoing]], None] = lambda _messages: None
    after: Callable[[Sequence[Outgoing]], None] = lambda _messages: None
    sent: list[list[str]] = field(default_factory=list)

    def send(self, messages: Sequence[Outgoing]) -> None:
        self.before(messages)
        self.real.send(messages)
        self.sent.append([one.message_id for one in messages])
        self.after(messages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def raise_busy(_messages: Sequence[Outgoing]) -> None:
    raise Busy("The queues are away.")


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


def say(db: Database, actor: Actor, count: int = 1) -> list[str]:
    """Commit some messages, each in its own use case; their ids in order."""

    def use_case(work: UnitOfWork) -> str:
        return str(work.send(InvoiceEmailRequested(invoice_id=new_id())))

    return [run(db, actor, use_case) for _ in range(count)]


def queued(services: Services) -> list[Delivery]:
    return list(services.transport.receive(EMAILS, messages_max=1000, wait_seconds=0))


def queued_ids(services: Services) -> list[str]:
    return [one.message_id for one in queued(services)]


def unsent_count(db: Database) -> int:
    return raw_rows(db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL")[0][0]


def test_committed_messages_reach_the_queues_in_order_and_once(
    db: Database, services: Services, actor: Actor
):
    ids = say(db, actor, 5)
    relay = Relay(services)

    assert relay.relay_batch() == 5
    assert relay.relay_batch() == 0
    assert queued_ids(services) == ids
    assert unsent_count(db) == 0


def test_a_message_whose_use_case_did_not_commit_is_never_sent(
    db: Database, services: Services, actor: Actor
):
    def fails(work: UnitOfWork) -> None:
        work.send(InvoiceEmailRequested(invoice_id=new_id()))
        raise LookupError

    with pytest.raises(LookupError):
        run(db, actor, fails)

    assert Relay(services).relay_batch() == 0
    assert queued(services) == []


def test_a_crash_after_sending_and_before_marking_sends_again_and_queues_once(
    db: Database, services: Services, actor: Actor
):
    ids = say(db, actor, 3)
    answer_lost = FaultyTransport(services.transport, after=raise_busy)

    with pytest.raises(Busy):
        Relay(replace(services, transport=answer_lost)).relay_batch()
    assert unsent_count(db) == 3, "nothing is marked of which we do not know that it arrived"

    again = FaultyTransport(services.transport)
    assert Relay(replace(services, transport=again)).relay_batch() == 3
    assert again.sent == [ids]
    assert queued_ids(services) == ids


def test_while_the_queues_are_away_nothing_is_lost_and_then_all_drains_in_order(
    db: Database, services: Services, actor: Actor
):
    away = Relay(replace(services, transport=FaultyTransport(services.transport, raise_busy)))
    ids = []
    for _ in range(4):
        ids += say(db, actor, 3)
        with pytest.raises(Busy):
            away.relay_batch()

    assert queued(services) == []
    assert Relay(services).relay_batch() == 12
    assert queued_ids(services) == ids


def test_a_backlog_is_relayed_in_bounded_batches(db: Database, services: Services, actor: Actor):
    def many(work: UnitOfWork) -> None:
        for _ in range(ROWS_MAX + 10):
            work.send(InvoiceEmailRequested(invoice_id=new_id()))

    run(db, actor, many)
    relay = Relay(services)

    assert [relay.relay_batch(), relay.relay_batch(), relay.relay_batch()] == [ROWS_MAX, 10, 0]


def test_a_message_the_queues_refuse_does_not_hold_up_the_others(
    db: Database, services: Services, actor: Actor
):
    ids = say(db, actor, 5)

    def refuse_one(messages: Sequence[Outgoing]) -> None:
        if any(one.message_id == ids[1] for one in messages):
            raise ValueError("too large")

    picky = FaultyTransport(services.transport, refuse_one)
    with pytest.raises(NotRelayed, match="1 of 5"):
        Relay(replace(services, transport=picky)).relay_batch()

    assert queued_ids(services) == [ids[0], *ids[2:]]
    assert unsent_count(db) == 1, "it stays, for a person to see"


def ask_for_dunning(db: Database, actor: Actor) -> None:
    def use_case(work: UnitOfWork) -> None:
        work.send(EvaluateDunning())

    run(db, actor, use_case)


def is_email(messages: Sequence[Outgoing]) -> bool:
    return any(one.queue is EMAILS for one in messages)


def test_a_queue_that_is_away_holds_up_no_other_however_much_waits_for_it(
    db: Database, services: Services, actor: Actor
):
    def many(work: UnitOfWork) -> None:
        for _ in range(ROWS_MAX + 1):
            work.send(InvoiceEmailRequested(invoice_id=new_id()))

    def emails_are_away(messages: Sequence[Outgoing]) -> None:
        if is_email(messages):
            tried.append(len(messages))
            raise Busy("This one is away.")

    tried: list[int] = []
    run(db, actor, many)
    ask_for_dunning(db, actor)
    relay = Relay(replace(services, transport=FaultyTransport(services.transport, emails_are_away)))

    relay.step()
    relay.step()
    ask_for_dunning(db, actor)
    relay.step()

    assert tried == [ROWS_MAX], "it is left in peace for a moment"
    assert services.transport.depth(Queue.DUNNING_EVALUATE).active == 2
    assert unsent_count(db) == ROWS_MAX + 1


def test_a_queue_that_was_away_is_tried_again_soon(db: Database, services: Services, actor: Actor):
    say(db, actor, 2)
    troubles = [Busy("away"), ValueError("too large"), ValueError("too large"), None]

    def sometimes(_messages: Sequence[Outgoing]) -> None:
        trouble = troubles.pop(0) if troubles else None
        if trouble is not None:
            raise trouble

    relay = Relay(replace(services, transport=FaultyTransport(services.transport, sometimes)))
    deadline = time.monotonic() + 20
    while unsent_count(db) and time.monotonic() < deadline:
        relay.step()

    assert unsent_count(db) == 0
    assert services.transport.depth(EMAILS).active == 2


def test_two_workers_relay_each_message_once(db: Database, services: Services, actor: Actor):
    ids = say(db, actor, 60)
    with another_process(db) as others:

        def drain(who: Services) -> None:
            while Relay(who).relay_batch():
                pass

        threads = [
            threading.Thread(target=drain, args=(who,)) for who in (services, others, services)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert sorted(queued_ids(services)) == sorted(ids)
    assert unsent_count(db) == 0


def test_a_message_for_later_is_relayed_now_and_delivered_then(
    db: Database, services: Services, actor: Actor, clock: Any
):
    def use_case(work: UnitOfWork) -> None:
        at = work.now.replace(hour=work.now.hour + 2)
        work.send(InvoiceEmailRequested(invoice_id=new_id()), at=at)

    run(db, actor, use_case)
    assert Relay(services).relay_batch() == 1

    clock.pass_time(minutes=119)
    assert queued(services) == []
    clock.pass_time(minutes=1)
    assert len(queued(services)) == 1


def test_the_copies_beside_the_envelope_are_filled_for_filters_and_traces(
    db: Database, services: Services, actor: Actor
):
    (message_id,) = say(db, actor)
    Relay(services).relay_batch()

    assert raw_rows(
        db, "SELECT message_id, message_type, tenant_id, correlation_id FROM queue_messages"
    ) == [(message_id, "email.invoice_requested", actor.tenant_id.hex, actor.correlation_id)]


def test_a_message_that_no_queue_could_take_is_refused_before_it_is_written(
    db: Database, actor: Actor
):
    def use_case(work: UnitOfWork, length: int) -> None:
        work.send(ApplyPayment(command={"note": "ü" * length}))

    with pytest.raises(RuleRefused) as refusal:
        run(db, actor, use_case, PAYLOAD_BYTES_MAX // 2)
    assert refusal.value.code == "message_too_large"
    assert raw_rows(db, "SELECT * FROM outbox") == []

    run(db, actor, use_case, PAYLOAD_BYTES_MAX // 2 - 100)
    ((size,),) = raw_rows(db, "SELECT length(CAST(body AS BLOB)) FROM outbox")
    assert PAYLOAD_BYTES_MAX < size < 192 * 1024
