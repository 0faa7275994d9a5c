"""What every implementation of the queues must do; one suite for all of them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from backend.messaging.contracts import Queue
from backend.messaging.transport import (
    DELIVERIES_MAX,
    LEASE_SECONDS,
    DeadReason,
    Delivery,
    LeaseLost,
    Transport,
)
from tests.contract.transports import (
    Queues,
)
from tests.emulator.leftovers import SOCKETS_LEFT, sdk_may_leave_sockets
from tests.queues import plain_message

PAYMENTS, EMAILS = Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND


pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    yield
    with sdk_may_leave_sockets():
        pass


def test_a_message_arrives_as_it_was_sent_and_is_gone_when_completed(queues: Queues):
    queues.mine.send([plain_message("m-1", body='{"grüße": 1}'.encode())])

    delivery = queues.take_one()
    assert (delivery.message_id, delivery.queue) == ("m-1", PAYMENTS)
    assert delivery.body == '{"grüße": 1}'.encode()
    assert delivery.delivery_count == 1
    delivery.complete()

    queues.let_pass(LEASE_SECONDS * 2)
    assert queues.is_empty()
    assert queues.counted() == (0, 0, 0)


def test_messages_arrive_in_the_order_in_which_they_were_sent(queues: Queues):
    for start in range(0, 30, 10):
        queues.mine.send([plain_message(f"m-{number}") for number in range(start, start + 10)])

    arrived = [queues.take(messages_max=7) for _ in range(5)]

    assert [one.message_id for batch in arrived for one in batch] == [f"m-{n}" for n in range(30)]


def test_no_more_messages_are_taken_than_were_asked_for(queues: Queues):
    queues.mine.send([plain_message() for _ in range(5)])

    assert len(queues.take(messages_max=3)) == 3
    assert queues.counted() == (5, 0, 0)


def test_queues_do_not_mix(queues: Queues):
    queues.mine.send([plain_message("payment"), plain_message("email", queue=EMAILS)])

    assert queues.take_one(queue=EMAILS).message_id == "email"
    assert queues.take_one(queue=PAYMENTS).message_id == "payment"
    assert queues.is_empty(queue=Queue.WEBHOOK_INGEST)


def test_a_message_sent_again_is_not_queued_again(queues: Queues):
    batch = [plain_message(f"m-{number}") for number in range(5)]
    queues.mine.send([*batch, batch[0]])
    queues.others.send([*reversed(batch), plain_message("new")])

    deliveries = queues.take(messages_max=20)
    assert sorted(one.message_id for one in deliveries) == [
        "m-0",
        "m-1",
        "m-2",
        "m-3",
        "m-4",
        "new",
    ]
    for delivery in deliveries:
        delivery.complete()
    queues.mine.send(batch)
    assert queues.is_empty(), "not even after they are done"


def test_the_same_message_id_may_be_in_two_queues(queues: Queues):
    queues.mine.send([plain_message("same"), plain_message("same", queue=EMAILS)])

    assert queues.take_one().message_id == queues.take_one(queue=EMAILS).message_id


def test_a_message_under_lease_is_nobody_elses(queues: Queues):
    queues.mine.send([plain_message()])
    assert len(queues.take()) == 1

    queues.let_pass(LEASE_SECONDS - 1)

    assert queues.is_empty()
    assert queues.is_empty(queues.others)


def test_a_dead_consumers_messages_are_taken_over_within_a_minute(queues: Queues):
    queues.mine.send([plain_message("m-1"), plain_message("m-2")])
    assert len(queues.take()) == 2

    queues.let_pass(LEASE_SECONDS + 1)

    assert LEASE_SECONDS + 1 < 60
    taken = queues.take(queues.others)
    assert [(one.message_id, one.delivery_count) for one in taken] == [("m-1", 2), ("m-2", 2)]


def _complete(late: Delivery) -> None:
    late.complete()


def _abandon(late: Delivery) -> None:
    late.abandon("late", delay_seconds=0)


def _release(late: Delivery) -> None:
    late.release()


def _dead_letter(late: Delivery) -> None:
    late.dead_letter(DeadReason.REFUSED, "late")


@pytest.mark.parametrize("settle", [_complete, _abandon, _release, _dead_letter])
def test_a_late_consumer_cannot_settle_what_another_has_taken_over(
    queues: Queues, settle: Callable[[Delivery], None]
):
    queues.mine.send([plain_message("m-1")])
    late = queues.take_one()
    queues.let_pass(LEASE_SECONDS + 1)
    (current,) = queues.take(queues.others)

    with pytest.raises(LeaseLost):
        settle(late)

    assert queues.counted() == (1, 0, 0)
    current.complete()
    with pytest.raises(LeaseLost):
        settle(late)
    assert queues.counted() == (0, 0, 0)


def test_a_message_is_settled_once(queues: Queues):
    queues.mine.send([plain_message()])
    delivery = queues.take_one()
    delivery.complete()

    with pytest.raises(LeaseLost):
        delivery.abandon("after all", delay_seconds=0)


def test_many_are_completed_at_once_and_the_lost_ones_are_named(queues: Queues):
    queues.mine.send([plain_message("lost")])
    lost = queues.take()
    queues.let_pass(LEASE_SECONDS + 1)
    queues.take(queues.others)
    queues.mine.send([plain_message(f"m-{number}") for number in range(3)])
    kept = queues.take()

    assert queues.mine.complete([*lost, *kept]) == lost
    assert queues.mine.complete([]) == []
    assert queues.counted() == (1, 0, 0)


def test_a_renewed_lease_lasts_longer_and_a_lost_one_is_not_renewed(queues: Queues):
    queues.mine.send([plain_message("kept"), plain_message("lost")])
    kept, lost = queues.take()
    queues.let_pass(LEASE_SECONDS - 5)
    assert queues.mine.renew([kept]) == []
    queues.let_pass(LEASE_SECONDS - 5)

    (taken,) = queues.take(queues.others)

    assert taken.message_id == "lost"
    assert queues.mine.renew([kept, lost]) == [lost]
    kept.complete()
    taken.complete()


def test_an_abandoned_message_comes_again_after_its_delay_and_counts(queues: Queues):
    queues.mine.send([plain_message()])
    queues.take_one().abandon("away", delay_seconds=20)

    assert queues.counted() == (1, 0, 0), "it waits, but it was begun"
    queues.let_pass(15)
    assert queues.is_empty()
    queues.let_pass(5)
    assert queues.take_one().delivery_count == 2


def test_a_released_message_is_due_at_once_and_does_not_count(queues: Queues):
    queues.mine.send([plain_message("m-1"), plain_message("m-2")])
    for delivery in reversed(queues.take()):
        delivery.release()

    again = queues.take()

    assert [(one.message_id, one.delivery_count) for one in again] == [("m-1", 1), ("m-2", 1)]


def test_many_are_released_at_once_and_the_lost_ones_are_named(queues: Queues):
    queues.mine.send([plain_message("lost")])
    lost = queues.take()
    queues.let_pass(LEASE_SECONDS + 1)
    (taken,) = queues.take(queues.others)
    queues.mine.send([plain_message(f"m-{number}") for number in range(3)])
    kept = queues.take()

    assert queues.mine.release([*lost, *kept]) == lost
    assert queues.mine.release([]) == []
    again = queues.take(queues.others)
    assert [(one.message_id, one.delivery_count) for one in again] == [
        ("m-0", 1),
        ("m-1", 1),
        ("m-2", 1),
    ]
    taken.complete()


def test_a_message_is_delivered_ten_times_and_then_set_aside(queues: Queues):
    queues.mine.send([plain_message("poison"), plain_message("neighbour")])
    poison, neighbour = queues.take()
    neighbour.complete()
    poison.abandon("attempt 1", delay_seconds=0)
    for attempt in range(2, DELIVERIES_MAX + 1):
        again = queues.take_one()
        assert again.delivery_count == attempt
        again.abandon(f"attempt {attempt}", delay_seconds=0)

    assert queues.is_empty()
    assert queues.counted() == (0, 0, 1)


def test_a_message_whose_consumers_die_is_set_aside_after_ten(queues: Queues):
    queues.mine.send([plain_message("killer")])
    for attempt in range(1, DELIVERIES_MAX + 1):
        assert queues.take_one().delivery_count == attempt
        queues.let_pass(LEASE_SECONDS + 1)
    queues.mine.send([plain_message("innocent")])

    assert queues.take_one().message_id == "innocent"
    assert queues.mine.depth(PAYMENTS).dead == 1


def test_a_dead_letter_is_not_delivered_again(queues: Queues):
    queues.mine.send([plain_message()])
    queues.take_one().dead_letter(DeadReason.REFUSED, "The invoice is void.")

    queues.let_pass(LEASE_SECONDS * 2)

    assert queues.is_empty()
    assert queues.counted() == (0, 0, 1)


def test_a_scheduled_message_is_not_delivered_before_its_time(queues: Queues):
    at = queues.clock() + timedelta(seconds=90)
    queues.mine.send([plain_message("later", at=at), plain_message("now")])

    assert queues.take_one().message_id == "now"
    assert queues.counted() == (1, 1, 0)
    queues.let_pass(80)
    # The other one's lease has ended meanwhile.
    assert [one.message_id for one in queues.take()] == ["now"]
    queues.let_pass(10)
    assert [one.message_id for one in queues.take()] == ["later"]


def test_two_processes_never_hold_the_same_message(queues: Queues):
    queues.mine.send([plain_message(f"m-{number}") for number in range(300)])
    held: dict[str, list[str]] = {"mine": [], "others": []}

    def drain(who: str, transport: Transport) -> None:
        while batch := transport.receive(PAYMENTS, messages_max=7, wait_seconds=0):
            held[who] += [one.message_id for one in batch]
            assert transport.complete(batch) == []

    threads = [
        threading.Thread(target=drain, args=("mine", queues.mine)),
        threading.Thread(target=drain, args=("mine", queues.mine)),
        threading.Thread(target=drain, args=("others", queues.others)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(held["mine"] + held["others"]) == sorted(f"m-{number}" for number in range(300))


def test_sending_from_two_processes_at_once_queues_each_message_once(queues: Queues):
    batch = [plain_message(f"m-{number}") for number in range(100)]
    shuffled = random.Random(7).sample(batch, len(batch))  # noqa: S311
    threads = [
        threading.Thread(target=transport.send, args=(messages,))
        for transport, messages in [
            (queues.mine, batch),
            (queues.others, shuffled),
            (queues.others, batch),
        ]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(queues.take(messages_max=1000)) == 100


def test_an_empty_queue_is_waited_for_only_as_long_as_was_asked(queues: Queues):
    waiting = threading.Thread(
        target=queues.mine.receive,
        args=(PAYMENTS,),
        kwargs={"messages_max": 1, "wait_seconds": 0.3},
    )
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


def test_who_waits_is_woken_by_another_process(queues: Queues):
    arrived: list[Delivery] = []

    def wait() -> None:
        arrived.extend(queues.mine.receive(PAYMENTS, messages_max=1, wait_seconds=30))

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    queues.others.send([plain_message("knock")])
    waiting.join(10)

    assert [one.message_id for one in arrived] == ["knock"]


def test_closing_ends_the_waiting(queues: Queues):
    waiting = threading.Thread(
        target=queues.mine.receive,
        args=(PAYMENTS,),
        kwargs={"messages_max": 1, "wait_seconds": 1},
    )
    waiting.start()
    queues.mine.close()
    waiting.join(10)

    assert not waiting.is_alive()
