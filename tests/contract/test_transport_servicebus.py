"""What is particular to the queues in a Service Bus: its wire, its locks, and what breaks there."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from azure.servicebus.aio import ServiceBusReceiver
from pydantic import SecretStr
from structlog.testing import capture_logs

from backend.errors import Busy
from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.servicebus import counting, holding, links, sdk, sdk_logs
from backend.messaging.servicebus.namespace import Namespace
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    DELIVERIES_MAX,
    LEASE_SECONDS,
    DeadReason,
    Delivery,
    LeaseLost,
    MessageTooLarge,
    Outgoing,
)
from tests.contract.transports import (
    PATIENCE_SECONDS,
    brisk,
    make_sdk_hasty,
    transport_of,
    wait_for,
)
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT, sdk_may_leave_sockets
from tests.queues import EPOCH, plain_message

PAYMENTS, EMAILS = Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND
DEAD = DeadReason.REFUSED


pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    yield
    with sdk_may_leave_sockets():
        pass


@pytest.fixture(autouse=True)
def hasty_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    make_sdk_hasty(monkeypatch)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(duplicate_detection=True) as emulator:
        yield emulator


@pytest.fixture
def mine(emulator: Emulator) -> Iterator[ServiceBusTransport]:
    transport = transport_of(emulator)
    yield transport
    transport.close()


@pytest.fixture
def others(emulator: Emulator) -> Iterator[ServiceBusTransport]:
    transport = transport_of(emulator)
    yield transport
    transport.close()


def take(
    transport: ServiceBusTransport, messages_max: int = 10, *, queue: Queue = PAYMENTS
) -> list[Delivery]:
    """What must be there or come soon."""
    return list(transport.receive(queue, messages_max=messages_max, wait_seconds=PATIENCE_SECONDS))


def nothing(transport: ServiceBusTransport, queue: Queue = PAYMENTS) -> bool:
    return not transport.receive(queue, messages_max=10, wait_seconds=0)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [one.message_id for one in deliveries]


def fill(transport: ServiceBusTransport, count: int) -> list[str]:
    names = [f"m-{number}" for number in range(count)]
    transport.send([plain_message(name) for name in names])
    return names


@contextmanager
def waiting(transport: ServiceBusTransport) -> Iterator[list[Delivery]]:
    """Somebody who waits in `receive` from before the block to its end; what he got by then."""
    got: list[Delivery] = []

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not got and time.monotonic() < deadline:
            try:
                got.extend(transport.receive(PAYMENTS, messages_max=10, wait_seconds=1))
            except Busy:
                time.sleep(0.05)  # as every part of the worker does

    thread = threading.Thread(target=wait)
    assert nothing(transport), "the broker knows of the wish"
    thread.start()
    yield got
    thread.join(2 * PATIENCE_SECONDS)
    assert not thread.is_alive()


# The wire.


def test_a_message_is_on_the_wire_what_the_contract_says(
    emulator: Emulator, mine: ServiceBusTransport
):
    tenant_id = new_id()
    mine.send(
        [
            Outgoing(
                PAYMENTS, "m-1:retry-1", b'{"a": 1}', EPOCH, "payment.apply", tenant_id, "job-1",
                original_message_id="m-1",
            ),
            Outgoing(PAYMENTS, "m-2", b"{}", EPOCH),
        ]
    )  # fmt: skip

    first, second = emulator.messages(PAYMENTS)
    assert (first.message_id, first.body) == ("m-1:retry-1", b'{"a": 1}')
    assert (first.subject, first.correlation_id) == ("payment.apply", "job-1")
    assert first.properties == {
        "tenant_id": str(tenant_id),
        "message_type": "payment.apply",
        "original_message_id": "m-1",
    }
    assert (second.subject, second.correlation_id, second.properties) == (None, None, {})


def test_a_strangers_message_is_received_like_any_other(
    emulator: Emulator, mine: ServiceBusTransport
):
    [number] = emulator.put(PAYMENTS, b"\xff not json", properties={"count": 7, "tenant_id": "x"})

    (delivery,) = take(mine)
    assert (delivery.message_id, delivery.body) == (f"sequence-{number}", b"\xff not json")
    delivery.dead_letter(DEAD, "Nobody knows it.")
    (letter,) = mine.peek_dead_letters(PAYMENTS, after=0, messages_max=1)
    assert (letter.tenant_id, letter.message_type) == (None, None)
    assert letter.properties == {"count": "7", "tenant_id": "x"}
    assert mine.depth(PAYMENTS, tenant_id=new_id()).dead == 0


def test_more_than_one_batch_holds_is_sent_whole_and_in_order(
    emulator: Emulator, mine: ServiceBusTransport
):
    mine.send([plain_message(f"m-{n}", body=b"x" * 20_000) for n in range(60)])

    sent = emulator.messages(PAYMENTS)
    assert [one.message_id for one in sent] == [f"m-{n}" for n in range(60)]


def test_a_message_that_no_batch_holds_is_told_apart_from_a_broker_in_trouble(
    emulator: Emulator, mine: ServiceBusTransport
):
    too_large = plain_message("large", body=b"x" * 300_000)
    with pytest.raises(MessageTooLarge):
        mine.send([plain_message("small"), too_large, plain_message("email", queue=EMAILS)])

    mine.send([plain_message("after")])
    assert "after" in [one.message_id for one in emulator.messages(PAYMENTS)]
    assert [one.message_id for one in emulator.messages(EMAILS)] == ["email"]


def test_scheduled_messages_travel_in_several_requests_and_come_in_time(
    emulator: Emulator, mine: ServiceBusTransport
):
    soon, later = (emulator.now() + timedelta(seconds=seconds) for seconds in (60, 120))
    mine.send(
        [plain_message(f"later-{n}", at=later) for n in range(3)]
        + [plain_message(f"soon-{n}", at=soon, body=b"x" * 100_000) for n in range(5)]
    )

    assert emulator.counts(PAYMENTS) == Counts(scheduled=8)
    emulator.pass_time(61)
    arrived = take(mine, 5)
    assert sorted(ids(arrived)) == [f"soon-{n}" for n in range(5)]
    mine.complete(arrived)
    assert emulator.counts(PAYMENTS) == Counts(scheduled=3)


# Settling.


def test_a_released_message_keeps_its_count_and_its_place(
    emulator: Emulator, mine: ServiceBusTransport, others: ServiceBusTransport
):
    names = fill(mine, 20)
    assert mine.release(take(mine, 20)) == []

    assert {one.delivery_count for one in emulator.messages(PAYMENTS)} == {0}
    assert ids(take(others, 20)) == names


def test_the_tenth_failure_has_the_brokers_own_name_and_our_problem(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 1)
    for _ in range(DELIVERIES_MAX):
        (delivery,) = take(mine)
        delivery.abandon("The mail server is away.", delay_seconds=0)

    (letter,) = mine.peek_dead_letters(PAYMENTS, after=0, messages_max=1)
    assert letter.reason == "MaxDeliveryCountExceeded"
    assert letter.description == "The mail server is away."
    assert letter.delivery_count == DELIVERIES_MAX


def test_a_settlement_that_was_done_but_not_confirmed_is_no_second_delivery(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 3)
    deliveries = take(mine)
    emulator.faults.lose_settle_answers(1)

    # Whether the broker had done it cannot be told from somebody else's having it.
    assert set(ids(mine.complete(deliveries))) <= {"m-0", "m-1", "m-2"}
    assert emulator.counts(PAYMENTS) == Counts()


@pytest.mark.parametrize("how", ["error", "drop", "silence"])
def test_a_settlement_that_fails_at_first_succeeds_after_all(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport], how: Any
):
    mine = hasty_broker(attempt=1.0)
    fill(mine, 1)
    (delivery,) = take(mine)
    emulator.faults.fail_settle(how=how, times=1)

    delivery.complete()

    assert emulator.counts(PAYMENTS) == Counts()


def test_a_settlement_that_fails_for_good_is_busy_and_the_message_comes_again(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 2)
    deliveries = take(mine)
    emulator.faults.fail_settle(times=None)
    with pytest.raises(Busy):
        mine.complete(deliveries)
    with pytest.raises(Busy):
        deliveries[0].complete()

    emulator.faults.clear()
    emulator.pass_time(LEASE_SECONDS + 1)
    assert [one.delivery_count for one in take(mine)] == [2, 2]


# Connections.


@pytest.fixture
def hasty_broker(emulator: Emulator) -> Iterator[Callable[..., ServiceBusTransport]]:
    """Makes transports with another pace."""
    made = []

    def make(**pace: Any) -> ServiceBusTransport:
        made.append(transport_of(emulator, replace(brisk(emulator), **pace)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


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


# Waiting for messages.


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


# Back-off.


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


# Looking and holding.


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


# The end.


def test_what_arrived_and_was_not_fetched_is_given_back_uncounted_at_the_end(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport]
):
    mine = hasty_broker(unclaimed=60.0)
    assert not mine.receive(PAYMENTS, messages_max=50, wait_seconds=0), "its wish stands"
    emulator.put(PAYMENTS, count=50)
    wait_for(lambda: emulator.counts(PAYMENTS).locked == 50)

    mine.close()

    assert emulator.counts(PAYMENTS) == Counts(ready=50)
    assert {one.delivery_count for one in emulator.messages(PAYMENTS)} == {0}


def test_closing_ends_everything_and_may_be_done_twice(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 1)
    take(mine)
    mine.depth(PAYMENTS)
    threads = set(threading.enumerate())

    mine.close()
    mine.close()

    assert mine.receive(PAYMENTS, messages_max=1, wait_seconds=60) == []
    with pytest.raises(Busy):
        fill(mine, 1)
    wait_for(lambda: emulator.connections() == 0)
    assert "service-bus" not in {thread.name for thread in threading.enumerate()} - {
        thread.name for thread in threads if thread.name != "service-bus"
    }


def test_closing_does_not_wait_for_a_broker_that_is_away_or_silent(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport]
):
    away, silent = hasty_broker(close=1.0), hasty_broker(close=1.0)
    for transport in (away, silent):
        emulator.put(PAYMENTS)
        take(transport)[0].abandon("away", delay_seconds=600)

    started = time.monotonic()
    emulator.faults.fail_settle(how="silence", times=None)
    silent.close()
    emulator.faults.outage()
    away.close()

    assert time.monotonic() - started < 8


def test_a_thread_that_died_is_started_again(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 1)
    assert mine._running is not None
    mine._running[0].stop()

    assert ids(take(mine)) == ["m-0"]


def test_a_forked_child_has_connections_of_its_own(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 1)
    child = os.fork()
    if child == 0:
        try:
            mine.send([plain_message("child's")])
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert sorted(ids(take(mine))) == ["child's", "m-0"]


# Credentials and logs.


class Credential:
    """Stands for a managed identity."""

    made: list[Credential]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.is_closed = False
        self.made.append(self)

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("is_production", [True, False])
def test_a_managed_identity_is_used_and_let_go(
    monkeypatch: pytest.MonkeyPatch, emulator: Emulator, is_production: bool
):
    monkeypatch.setattr(Credential, "made", [], raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID", "worker")
    used = "ManagedIdentityCredential" if is_production else "DefaultAzureCredential"
    monkeypatch.setattr(f"azure.identity.aio.{used}", Credential)
    namespace = Namespace(host="billing.servicebus.windows.net", is_production=is_production)
    transport = ServiceBusTransport(namespace, clock=emulator.now, pace=brisk(emulator))

    assert transport.run(_has_browsers)
    (credential,) = Credential.made
    assert credential.options == ({"client_id": "worker"} if is_production else {})
    transport.close()
    assert credential.is_closed


async def _has_browsers(broker: Any) -> bool:
    return broker.browsers is not None


def test_the_secret_is_in_no_text_of_the_transport(emulator: Emulator):
    namespace = Namespace(SecretStr(emulator.connection_string))

    assert "SharedAccessKey=" not in repr(namespace)


def test_the_sdks_noise_is_one_line_of_ours():
    sdk_logs.route()
    sdk_logs.route()
    noisy = logging.getLogger("azure.servicebus.aio.somewhere")
    with capture_logs() as lines:
        for attempt in range(50):
            try:
                raise OSError(f"attempt {attempt}")
            except OSError as error:
                noisy.exception("Unexpected error occurred (%r). Handler shutting down.", error)
        noisy.info("Link state changed")

    assert len(lines) == 1
    assert (lines[0]["event"], lines[0]["log_level"]) == ("servicebus.sdk", "warning")
    assert "exc_info" not in lines[0]
    assert lines[0]["detail"].startswith("Unexpected error occurred (OSError('attempt 0'))")


def test_sequence_numbers_grow(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 5)
    for delivery in take(mine):
        delivery.dead_letter(DEAD, "no")

    found = mine.peek_dead_letters(PAYMENTS, after=0, messages_max=10)
    assert all(a.sequence_number < b.sequence_number for a, b in pairwise(found))
