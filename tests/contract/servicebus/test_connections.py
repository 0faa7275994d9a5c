"""Service Bus: what becomes of messages when connections break, and the broker with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.servicebus.aio import ServiceBusReceiver

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus import links, sdk
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    LEASE_SECONDS,
)
from tests.contract.servicebus.helpers import (
    DEAD,
    EMAILS,
    PAYMENTS,
    fill,
    ids,
    nothing,
    take,
    waiting,
)
from tests.contract.transports import (
    transport_of,
    wait_for,
)
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.queues import plain_message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


def test_who_waits_gets_what_comes_after_the_connection_was_lost(
    emulator: Emulator, mine: ServiceBusTransport
):
    with waiting(mine) as got:
        emulator.faults.drop_connections()
        emulator.put(PAYMENTS, message_id="after")

    assert ids(got) == ["after"]


def test_locks_survive_the_connection_and_are_settled_over_the_next(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 6)
    completed, abandoned, dead, *rest = take(mine)
    emulator.faults.drop_connections()

    completed.complete()
    abandoned.abandon("again", delay_seconds=0)
    dead.dead_letter(DEAD, "no")
    assert mine.renew(rest) == []
    assert emulator.counts(PAYMENTS) == Counts(ready=1, locked=3, dead=1)
    # The broker takes a release only over the connection of the delivery: it counts as abandoned.
    assert mine.release(rest) == []
    assert sorted(one.delivery_count for one in emulator.messages(PAYMENTS)) == [1, 1, 1, 1]


def test_fifty_settlements_over_a_lost_connection_open_one_new_one(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 50)
    deliveries = take(mine, 50)
    before = emulator.connections()

    emulator.faults.drop_connections()
    assert mine.complete(deliveries[:25]) == []
    emulator.faults.drop_after(10)
    assert mine.renew(deliveries[25:]) == []
    mine.complete(deliveries[25:])

    assert emulator.counts(PAYMENTS) == Counts()
    wait_for(lambda: emulator.connections() <= before)


def test_renewing_over_a_lost_connection_keeps_the_lease(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    fill(mine, 3)
    deliveries = take(mine)
    for _ in range(3):
        emulator.pass_time(LEASE_SECONDS - 10)
        emulator.faults.drop_connections()
        assert mine.renew(deliveries) == []

    assert nothing(others)
    assert mine.complete(deliveries) == []


@pytest.mark.parametrize("with_memory", [True, False])
def test_a_send_whose_answer_was_lost_is_sent_again(with_memory: bool):
    with Emulator(duplicate_detection=with_memory) as emulator:
        mine = transport_of(emulator)
        emulator.faults.lose_send_answers(1)
        mine.send([plain_message("m-1"), plain_message("m-2")])
        mine.close()

        sent = [one.message_id for one in emulator.messages(PAYMENTS)]
        assert sent == ["m-1", "m-2"] * (1 if with_memory else 2), "at least once"


def test_a_broker_that_is_busy_for_a_moment_is_asked_again(
    emulator: Emulator, mine: ServiceBusTransport
):
    emulator.faults.busy(1)
    fill(mine, 2)
    deliveries = take(mine)
    emulator.faults.busy(2)
    assert mine.complete(deliveries) == []

    emulator.faults.busy(None)
    with pytest.raises(Busy, match=r"payment-commands.*ServiceBusServerBusyError"):
        fill(mine, 2)


def test_while_the_broker_is_away_everything_is_busy_and_afterwards_all_is_there(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 2)
    kept, settled = take(mine)
    emulator.faults.outage()
    attempts: list[Callable[[], object]] = [
        lambda: mine.send([plain_message("new")]),
        lambda: take(mine),
        lambda: mine.renew([kept]),
        lambda: mine.complete([kept]),
        lambda: kept.release(),
        lambda: mine.depth(PAYMENTS),
        lambda: mine.peek_dead_letters(PAYMENTS, after=0, messages_max=1),
        lambda: mine.hold_dead_letters(PAYMENTS, [1]).__enter__(),
    ]
    for attempt in attempts:
        with pytest.raises(Busy, match="payment-commands"):
            attempt()

    emulator.faults.end_outage()
    settled.complete()
    kept.complete()
    mine.send([plain_message("new")])
    assert ids(take(mine)) == ["new"]


def test_refused_credentials_are_told_without_the_secret_and_tried_again_later(
    emulator: Emulator, mine: ServiceBusTransport
):
    emulator.faults.refuse_auth()
    with pytest.raises(Busy, match="the broker refuses the credentials") as refusal:
        fill(mine, 1)
    assert "SharedAccessKey" not in refusal.value.detail

    emulator.faults.refuse_auth(False)
    fill(mine, 1)
    assert len(take(mine)) == 1


def test_a_queue_that_is_missing_is_named():
    with Emulator(("email-send",)) as emulator:
        mine = transport_of(emulator)
        attempts: list[Callable[[], object]] = [
            lambda: fill(mine, 1),
            lambda: mine.receive(PAYMENTS, messages_max=1, wait_seconds=0),
            lambda: mine.depth(PAYMENTS),
        ]
        for attempt in attempts:
            with pytest.raises(Busy, match="payment-commands cannot be used: there is no queue"):
                attempt()
        mine.send([plain_message(queue=EMAILS)])
        mine.close()


def test_nothing_is_connected_before_it_is_needed_nor_longer_than_it_is_used(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport]
):
    mine = hasty_broker(browser_idle=0.3, sender_idle=0.3)
    assert emulator.connections() == 0

    for queue in Queue:
        mine.depth(queue)
        mine.peek_dead_letters(queue, after=0, messages_max=1)
        assert emulator.connections() <= 2, "some brokers allow only ten in all"
    fill(mine, 1)

    wait_for(lambda: emulator.connections() == 0)
    assert mine.depth(PAYMENTS).active == 1


@contextmanager
def capture_opens(monkeypatch: pytest.MonkeyPatch, made: list[object]) -> Iterator[None]:
    """Notes the SDK's handlers that are connected meanwhile."""
    really = sdk.keep_to_one_connection

    def note(handler: Any) -> None:
        made.append(handler)
        really(handler)

    with monkeypatch.context() as patched:
        patched.setattr(sdk, "keep_to_one_connection", note)
        yield


def test_a_worn_management_link_is_replaced_in_time(
    emulator: Emulator, mine: ServiceBusTransport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(links, "REQUESTS_MAX", 2)
    made: list[object] = []
    with capture_opens(monkeypatch, made):
        for _ in range(3):
            fill(mine, 1)
            deliveries = take(mine)
            for _ in range(2):
                assert mine.renew(deliveries) == []
            mine.complete(deliveries)
            emulator.pass_time(700)  # beyond the broker's memory of message ids
    receivers = [one for one in made if isinstance(one, ServiceBusReceiver)]
    assert len(receivers) == 3
