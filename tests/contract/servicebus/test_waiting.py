"""Service Bus: who waits for messages, and messages that wait for their next try."""

from __future__ import annotations

import threading
import time

import pytest

from backend.messaging.servicebus import holding
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    LEASE_SECONDS,
    LeaseLost,
)
from tests.contract.servicebus.helpers import (
    PAYMENTS,
    fill,
    nothing,
    take,
    waiting,
)
from tests.contract.transports import (
    PATIENCE_SECONDS,
)
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.queues import plain_message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


def test_what_is_not_asked_for_any_more_is_left_to_others(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    fill(mine, 1)
    assert len(take(mine, 10)) == 1, "nine fewer than were asked for"

    emulator.put(PAYMENTS, message_id="next", count=3)

    assert emulator.counts(PAYMENTS) == Counts(ready=3, locked=1)
    assert len(take(others, 3)) == 3


def test_what_comes_when_nobody_asks_any_more_is_given_back_uncounted(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    assert nothing(mine), "its wish stands"
    emulator.put(PAYMENTS, message_id="late", count=1)

    (delivery,) = take(others)
    assert delivery.delivery_count == 1


def test_no_more_are_handed_out_than_are_wanted_now(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    assert nothing(mine), "ten are wished for"
    emulator.put(PAYMENTS, count=6)

    assert len(take(mine, 2)) == 2
    assert [one.delivery_count for one in take(others)] == [1, 1, 1, 1]


def test_an_empty_answer_is_given_only_after_the_broker_was_asked(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 3)
    emulator.faults.delay_links(0.8)

    assert len(mine.receive(PAYMENTS, messages_max=10, wait_seconds=0)) == 3


def test_several_threads_may_do_everything_at_once(emulator: Emulator, mine: ServiceBusTransport):
    total = 200
    done: list[str] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            mine.send([plain_message(f"{number}-{n}") for n in range(total // 4)])
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(done) < total and time.monotonic() < deadline:
                batch = mine.receive(PAYMENTS, messages_max=20, wait_seconds=0.1)
                assert mine.renew(batch) == []
                mine.depth(PAYMENTS)
                assert mine.complete(batch) == []
                done.extend(one.message_id for one in batch)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert sorted(done) == sorted(f"{k}-{n}" for k in range(4) for n in range(total // 4))


def pass_slowly(emulator: Emulator, seconds: int) -> None:
    """Let time pass as it does, so that what is held can be renewed on the way."""
    for _ in range(seconds // 5):
        emulator.pass_time(5)
        time.sleep(0.1)


def test_a_failed_message_is_kept_from_others_until_its_time_and_counted_once(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    fill(mine, 1)
    take(mine)[0].abandon("away", delay_seconds=95)

    pass_slowly(emulator, 45)
    emulator.faults.drop_connections()
    pass_slowly(emulator, 45)
    assert nothing(others)
    assert emulator.counts(PAYMENTS) == Counts(locked=1)
    pass_slowly(emulator, 10)

    (again,) = take(others)
    assert (again.message_id, again.delivery_count) == ("m-0", 2)


def test_what_waits_for_its_next_try_is_abandoned_at_the_end(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 5)
    for delivery in take(mine):
        delivery.abandon("away", delay_seconds=3000)
    assert emulator.counts(PAYMENTS) == Counts(locked=5)

    mine.close()

    assert emulator.counts(PAYMENTS) == Counts(ready=5)
    assert {one.delivery_count for one in emulator.messages(PAYMENTS)} == {1}


def test_when_too_many_wait_no_more_are_taken(
    emulator: Emulator, mine: ServiceBusTransport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(holding, "HELD_MAX", 3)
    fill(mine, 5)
    for delivery in take(mine, 3):
        delivery.abandon("away", delay_seconds=20)

    assert nothing(mine)
    assert emulator.counts(PAYMENTS) == Counts(ready=2, locked=3)
    with waiting(mine) as got:
        pass_slowly(emulator, 25)
    assert len(got) == 5


def test_a_lost_message_cannot_be_put_back_for_later(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 1)
    (delivery,) = take(mine)
    emulator.pass_time(LEASE_SECONDS + 1)

    with pytest.raises(LeaseLost):
        delivery.abandon("away", delay_seconds=60)
