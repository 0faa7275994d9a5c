"""What the SDK sends, receives and settles arrives, and is remembered, as the service would."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusMessageState, ServiceBusReceiveMode
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusError,
)

from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.integration.emulator.sdk import DEAD, PATIENCE, QUEUE, Sdk, message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)

DELETING = {
    "queue": "webhook-ingest",
    "receive_mode": ServiceBusReceiveMode.RECEIVE_AND_DELETE,
}


def ids(messages: list) -> list[str]:
    return [one.message_id for one in messages]


def test_a_message_arrives_as_it_was_sent(sdk: Sdk, emulator: Emulator):
    before = datetime.now(UTC) - timedelta(seconds=1)
    sdk.send(
        message(
            "m-1",
            '{"grüße": 1}'.encode(),
            subject="email.send",
            correlation_id="job-4711",
            application_properties={"tenant_id": "t-1", "large": 2**31 - 1},
        )
    )

    received = sdk.receive_one()

    assert (received.message_id, received.subject) == ("m-1", "email.send")
    assert received.correlation_id == "job-4711"
    assert b"".join(received.body) == '{"grüße": 1}'.encode()
    assert received.application_properties == {b"tenant_id": b"t-1", b"large": 2**31 - 1}
    assert received.delivery_count == 0
    assert before < received.enqueued_time_utc < datetime.now(UTC) + timedelta(seconds=1)
    left = received.locked_until_utc - datetime.now(UTC)
    assert timedelta(seconds=29) < left <= timedelta(seconds=30)
    assert isinstance(received.lock_token, uuid.UUID)
    (seen,) = emulator.messages(QUEUE)
    assert seen.sequence_number == received.sequence_number
    assert (seen.is_locked, seen.subject, seen.correlation_id) == (
        True,
        "email.send",
        "job-4711",
    )
    assert seen.properties == {"tenant_id": "t-1", "large": 2**31 - 1}


def test_a_batch_arrives_in_order(sdk: Sdk):
    sdk.send(*[message(f"m-{number}", b"x" * number * 100) for number in range(20)])

    received = sdk.receive(20)

    assert ids(received) == [f"m-{number}" for number in range(20)]
    assert [len(b"".join(one.body)) for one in received] == [n * 100 for n in range(20)]
    numbers = [one.sequence_number for one in received]
    assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_a_batch_is_as_large_as_the_link_allows(sdk: Sdk, emulator: Emulator):
    batch = sdk.do(sdk.sender().create_message_batch())
    assert batch.max_size_in_bytes == 256 * 1024
    for number in range(26):
        batch.add_message(message(f"m-{number}", b"x" * 10_000))
    with pytest.raises(MessageSizeExceededError):
        batch.add_message(message("one too many", b"x" * 10_000))

    sdk.do(sdk.sender().send_messages(batch))

    assert emulator.counts(QUEUE) == Counts(ready=26)


def test_a_message_larger_than_a_frame_goes_both_ways(sdk: Sdk):
    body = bytes(range(256)) * 900
    sdk.send(message("large", body))

    received = sdk.receive_one()
    (peeked,) = sdk.do(sdk.receiver().peek_messages(1, sequence_number=1))

    assert b"".join(received.body) == b"".join(peeked.body) == body


def test_a_message_that_is_too_large_is_refused(sdk: Sdk, emulator: Emulator):
    with pytest.raises(MessageSizeExceededError):
        sdk.send(message("too large", b"x" * 256 * 1024))
    assert emulator.counts(QUEUE) == Counts()


def test_a_completed_message_is_gone(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    assert emulator.counts(QUEUE) == Counts(locked=1)

    sdk.do(sdk.receiver().complete_message(received))

    assert emulator.counts(QUEUE) == Counts()


def test_many_are_completed_at_once(sdk: Sdk, emulator: Emulator):
    sdk.send(*[message(f"m-{number}") for number in range(100)])
    receiver = sdk.receiver()

    results = sdk.do_all([receiver.complete_message(one) for one in sdk.receive(100)])

    assert results == [None] * 100
    assert emulator.counts(QUEUE) == Counts()


def test_an_abandoned_message_is_first_in_the_queue_again_and_counts(sdk: Sdk):
    sdk.send(message("m-1"), message("m-2"))

    for count in range(3):
        received = sdk.receive_one()
        assert (received.message_id, received.delivery_count) == ("m-1", count)
        sdk.do(sdk.receiver().abandon_message(received))


def test_a_released_message_does_not_count(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    settle = sdk.receiver()._handler
    release = settle.settle_messages_async if sdk.is_aio else settle.settle_messages

    sdk.do(release(received._delivery_id, received._delivery_tag, "released", await_outcome=True))

    assert emulator.counts(QUEUE) == Counts(ready=1)
    assert sdk.receive_one().delivery_count == 0


def test_a_dead_letter_says_why_and_keeps_its_number(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1", application_properties={"tenant_id": "t-1", "attempts": 3}))
    received = sdk.receive_one()

    sdk.do(
        sdk.receiver().dead_letter_message(
            received, reason="refused", error_description="Void: grün."
        )
    )

    assert emulator.counts(QUEUE) == Counts(dead=1)
    dead = sdk.receive_one(sub_queue=DEAD)
    assert (dead.message_id, dead.sequence_number) == ("m-1", received.sequence_number)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == (
        "refused",
        "Void: grün.",
    )
    assert dead.application_properties[b"attempts"] == 3
    assert dead.enqueued_time_utc == received.enqueued_time_utc
    assert dead.delivery_count == 1
    sdk.do(sdk.receiver(sub_queue=DEAD).complete_message(dead))
    assert emulator.counts(QUEUE) == Counts()


def test_a_dead_letter_stays_one_however_often_it_is_given_back(sdk: Sdk, emulator: Emulator):
    emulator.put_dead(QUEUE, message_id="m-1", delivery_count=9)
    for _ in range(3):
        sdk.do(sdk.receiver(sub_queue=DEAD).abandon_message(sdk.receive_one(sub_queue=DEAD)))

    assert [one.delivery_count for one in emulator.dead_letters(QUEUE)] == [12]
    with pytest.raises(ServiceBusError):
        sdk.do(sdk.receiver(sub_queue=DEAD).dead_letter_message(sdk.receive_one(sub_queue=DEAD)))


def test_the_last_delivery_ends_among_the_dead_letters(sdk: Sdk, emulator: Emulator):
    sdk.send(message("poison"))
    for count in range(10):
        received = sdk.receive_one()
        assert received.delivery_count == count
        sdk.do(sdk.receiver().abandon_message(received))

    (dead,) = emulator.dead_letters(QUEUE)
    assert emulator.counts(QUEUE) == Counts(dead=1)
    assert dead.delivery_count == 10
    assert dead.properties["DeadLetterReason"] == "MaxDeliveryCountExceeded"


def test_what_is_received_to_be_deleted_is_gone_at_once(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"), message("m-2"), queue="webhook-ingest")

    assert ids(sdk.receive(2, **DELETING)) == ["m-1", "m-2"]
    assert emulator.counts("webhook-ingest") == Counts()


def test_an_idle_receivers_open_credit_takes_nothing_that_counts(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    receiver = sdk.receiver()
    assert ids(sdk.do(receiver.receive_messages(5, max_wait_time=PATIENCE))) == ["m-1"]
    # Its credit for four more is still out: this one is sent to it, and it gives it back unseen
    # as soon as it listens to anything.
    sdk.send(message("m-2"))

    sdk.do(receiver.peek_messages(1, sequence_number=1))

    (_, second) = emulator.messages(QUEUE)
    assert second.delivery_count == 0
    assert ids(sdk.do(receiver.receive_messages(1, max_wait_time=PATIENCE))) == ["m-2"]


def test_peeking_shows_everything_in_order_and_changes_nothing(sdk: Sdk, emulator: Emulator):
    numbers = emulator.put(QUEUE, count=300)
    receiver = sdk.receiver()
    sdk.receive(2)

    first = sdk.do(receiver.peek_messages(1000, sequence_number=numbers[0]))
    then = sdk.do(receiver.peek_messages(1000, sequence_number=first[-1].sequence_number + 1))
    middle = sdk.do(receiver.peek_messages(3, sequence_number=numbers[50]))

    assert len(first) == 250
    assert [one.sequence_number for one in first + then] == numbers
    assert [one.sequence_number for one in middle] == numbers[50:53]
    assert sdk.do(receiver.peek_messages(5, sequence_number=numbers[-1] + 1)) == []
    assert emulator.counts(QUEUE) == Counts(ready=298, locked=2)


def test_dead_letters_are_peeked_without_being_taken(sdk: Sdk, emulator: Emulator):
    numbers = emulator.put_dead(
        QUEUE,
        b'{"a": 1}',
        reason="refused",
        message_id="m",
        subject="email.send",
        properties={"tenant_id": "t-1"},
        count=3,
    )

    peeked = sdk.do(sdk.receiver(sub_queue=DEAD).peek_messages(10, sequence_number=1))

    assert [one.sequence_number for one in peeked] == numbers
    assert ids(peeked) == ["m-0", "m-1", "m-2"]
    assert peeked[0].dead_letter_reason == "refused"
    assert peeked[0].application_properties[b"tenant_id"] == b"t-1"
    assert (peeked[0].subject, peeked[0].lock_token) == ("email.send", None)
    assert emulator.counts(QUEUE) == Counts(dead=3)


def test_a_renewed_lock_lasts_longer(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    emulator.pass_time(25)

    until = sdk.do(sdk.receiver().renew_message_lock(received))

    left = until - datetime.now(UTC)
    assert timedelta(seconds=29) < left <= timedelta(seconds=30), "told in real time"
    emulator.pass_time(25)
    sdk.do(sdk.receiver().complete_message(received))
    assert emulator.counts(QUEUE) == Counts()


def test_a_lost_lock_is_neither_renewed_nor_settled(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    late = sdk.receive_one()
    emulator.pass_time(31)
    assert emulator.counts(QUEUE) == Counts(ready=1)
    receiver = sdk.receiver()
    for action in (receiver.renew_message_lock, receiver.complete_message):
        with pytest.raises(MessageLockLostError):
            sdk.do(action(late))

    again = sdk.receive_one()

    assert again.delivery_count == 1
    sdk.do(receiver.complete_message(again))
    assert emulator.counts(QUEUE) == Counts()


def test_consumers_that_die_use_up_deliveries(sdk: Sdk, emulator: Emulator):
    sdk.send(message("killer"))
    for _ in range(10):
        sdk.receive_one()
        emulator.pass_time(31)

    (dead,) = emulator.dead_letters(QUEUE)
    assert dead.properties["DeadLetterReason"] == "MaxDeliveryCountExceeded"


def test_scheduled_messages_come_when_they_are_due(sdk: Sdk, emulator: Emulator):
    at = emulator.now() + timedelta(seconds=90)
    numbers = sdk.do(sdk.sender().schedule_messages([message("s-1"), message("s-2")], at))
    sdk.send(message("s-3", scheduled_enqueue_time_utc=at), message("now"))

    assert emulator.counts(QUEUE) == Counts(ready=1, scheduled=3)
    peeked = sdk.do(sdk.receiver().peek_messages(1, sequence_number=numbers[0]))
    assert (ids(peeked), peeked[0].state) == (["s-1"], ServiceBusMessageState.SCHEDULED)
    sdk.do(sdk.sender().cancel_scheduled_messages([numbers[0]]))
    with pytest.raises(MessageNotFoundError):
        sdk.do(sdk.sender().cancel_scheduled_messages([numbers[0]]))
    assert ids(sdk.receive(1)) == ["now"]

    emulator.pass_time(91)
    sdk.do(sdk.receiver().complete_message(sdk.receive_one()))

    assert emulator.counts(QUEUE) == Counts(ready=2)
    assert sorted(ids(sdk.receive(2))) == ["s-2", "s-3"]


def test_a_deferred_message_is_received_by_its_number(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    receiver = sdk.receiver()
    sdk.do(receiver.defer_message(received))
    assert emulator.counts(QUEUE) == Counts(deferred=1)

    (again,) = sdk.do(receiver.receive_deferred_messages(received.sequence_number))

    assert again.message_id == "m-1"
    with pytest.raises(MessageNotFoundError):
        sdk.do(receiver.receive_deferred_messages(received.sequence_number))
    sdk.do(receiver.complete_message(again))
    assert emulator.counts(QUEUE) == Counts()


def test_the_same_message_is_accepted_again_only_after_the_window(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"), message("m-2"), message("m-1"))
    sdk.send(message("m-1"))
    assert [one.message_id for one in emulator.messages(QUEUE)] == ["m-1", "m-2"]

    emulator.pass_time(601)
    sdk.send(message("m-1"))

    assert [one.message_id for one in emulator.messages(QUEUE)] == ["m-1", "m-2", "m-1"]


def test_a_queue_that_is_not_there_cannot_be_reached(sdk: Sdk):
    lost = sdk.new_receiver("no-such-queue")
    with pytest.raises(MessagingEntityNotFoundError):
        sdk.do(lost.peek_messages(1))
    sdk.do(lost.close())


def test_closing_a_receiver_leaves_its_locks(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    short = sdk.new_receiver()
    sdk.do(short.receive_messages(1, max_wait_time=PATIENCE))

    sdk.do(short.close())

    assert emulator.counts(QUEUE) == Counts(locked=1)
    emulator.pass_time(31)
    assert sdk.receive_one().delivery_count == 1
