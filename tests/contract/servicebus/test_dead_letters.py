"""Service Bus: looking into queues, and holding dead letters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from backend.messaging.servicebus import counting
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    LEASE_SECONDS,
)
from tests.contract.servicebus.helpers import (
    PAYMENTS,
)
from tests.contract.transports import (
    PATIENCE_SECONDS,
)
from tests.emulator import Emulator
from tests.emulator.leftovers import SOCKETS_LEFT

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


def test_a_deep_queue_is_counted_only_so_far(
    emulator: Emulator, mine: ServiceBusTransport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(counting, "COUNTED_MAX", 300)
    emulator.put(PAYMENTS, count=299)
    assert mine.depth(PAYMENTS).is_exact
    emulator.put(PAYMENTS, count=5)

    depth = mine.depth(PAYMENTS)
    assert (depth.active, depth.is_exact) == (300, False)


def test_a_dead_letter_far_behind_is_reached_and_those_before_it_are_as_they_were(
    emulator: Emulator, mine: ServiceBusTransport
):
    numbers = emulator.put_dead(PAYMENTS, message_id="m", count=260)
    before = emulator.dead_letters(PAYMENTS)

    with mine.hold_dead_letters(PAYMENTS, [numbers[3], numbers[251]]) as held:
        assert sorted(held) == [numbers[3], numbers[251]]
        locked = [one.sequence_number for one in emulator.dead_letters(PAYMENTS) if one.is_locked]
        assert locked == sorted(held), "those on the way are free again"
        held[numbers[251]].remove()

    after = emulator.dead_letters(PAYMENTS)
    assert after == [one for one in before if one.sequence_number != numbers[251]]


def test_a_page_of_dead_letters_may_be_long(emulator: Emulator, mine: ServiceBusTransport):
    numbers = emulator.put_dead(PAYMENTS, count=600)

    found = mine.peek_dead_letters(PAYMENTS, after=numbers[9], messages_max=550)

    assert [letter.sequence_number for letter in found] == numbers[10:560]


def test_two_people_with_different_letters_are_not_in_each_others_way(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    numbers = emulator.put_dead(PAYMENTS, count=40)
    start = threading.Barrier(2)
    missed: list[int] = []

    def remove(transport: ServiceBusTransport, wanted: list[int]) -> None:
        for number in wanted:
            start.wait(PATIENCE_SECONDS)
            with transport.hold_dead_letters(PAYMENTS, [number]) as held:
                if number not in held:
                    missed.append(number)
                    continue
                held[number].remove()

    threads = [
        threading.Thread(target=remove, args=(mine, numbers[-1:-11:-1])),
        threading.Thread(target=remove, args=(others, numbers[:10])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert missed == []
    assert len(emulator.dead_letters(PAYMENTS)) == 20


def test_a_letter_that_is_on_somebody_elses_way_is_waited_for_a_moment(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    numbers = emulator.put_dead(PAYMENTS, count=2)
    is_held = threading.Event()

    def pass_by() -> None:
        with others.hold_dead_letters(PAYMENTS, numbers[:1]):
            is_held.set()
            time.sleep(0.5)

    passer = threading.Thread(target=pass_by)
    passer.start()
    assert is_held.wait(PATIENCE_SECONDS)
    with mine.hold_dead_letters(PAYMENTS, numbers) as held:
        assert sorted(held) == numbers
    passer.join(PATIENCE_SECONDS)


def test_a_hold_lasts_as_long_as_the_block(
    emulator: Emulator,
    hasty_broker: Callable[..., ServiceBusTransport],
    others: ServiceBusTransport,
):
    mine = hasty_broker(renew=0.1)
    [number] = emulator.put_dead(PAYMENTS)

    with mine.hold_dead_letters(PAYMENTS, [number]) as held:
        for _ in range(4):
            emulator.pass_time(LEASE_SECONDS - 10)
            time.sleep(0.3)
        with others.hold_dead_letters(PAYMENTS, [number]) as again:
            assert again == {}
        held[number].remove()
    assert emulator.dead_letters(PAYMENTS) == []


def test_a_dead_letter_is_removed_over_the_next_connection(
    emulator: Emulator, mine: ServiceBusTransport
):
    numbers = emulator.put_dead(PAYMENTS, count=2)

    with mine.hold_dead_letters(PAYMENTS, numbers) as held:
        emulator.faults.drop_connections()
        held[numbers[0]].remove()

    assert [one.sequence_number for one in emulator.dead_letters(PAYMENTS)] == numbers[1:]
    assert not emulator.dead_letters(PAYMENTS)[0].is_locked
