"""Every fault the emulator can be told to have, as the SDK meets it."""

from __future__ import annotations

import socket
import time

import pytest
from azure.servicebus.exceptions import (
    MessageLockLostError,
    ServiceBusAuthenticationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from tests.emulator import Counts, Emulator
from tests.emulator.faults import Faults, How
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.integration.emulator.sdk import DEAD, PATIENCE, QUEUE, Sdk, message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)

ALL_DEAD = "/$DeadLetterQueue"

# Where the SDK's two faces have nothing to do with it, its asynchronous one stands for both.
aio_only = pytest.mark.parametrize("wired", ["aio"], indirect=True)


def test_cut_connections_are_made_again_and_locks_outlive_them(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    assert emulator.connections() > 0

    emulator.faults.drop_connections()

    assert emulator.connections() == 0
    sdk.send(message("m-2"))
    sdk.do(sdk.receiver().complete_message(received))
    assert emulator.counts(QUEUE) == Counts(ready=1)


@aio_only
@pytest.mark.parametrize("frames", [1, 2])
def test_a_connection_is_cut_at_a_certain_frame(sdk: Sdk, emulator: Emulator, frames: int):
    first = sdk.sender()._handler
    # The first is what the client sends; the second is the answer that it is stored.
    emulator.faults.drop_after(frames)

    sdk.send(message("m-1"))

    assert sdk.sender()._handler is not first
    assert [one.message_id for one in emulator.messages(QUEUE)] == ["m-1"]


@aio_only
def test_every_connection_is_cut(sdk: Sdk, emulator: Emulator):
    sdk.sender()
    emulator.faults.drop_at_random(1.0)
    with pytest.raises(ServiceBusError):
        sdk.send(message("m-1"))
    assert emulator.counts(QUEUE) == Counts()

    emulator.faults.drop_at_random(0)

    sdk.send(message("m-1"))
    assert emulator.counts(QUEUE) == Counts(ready=1)


def test_the_die_falls_the_same_way_for_the_same_seed():
    def thrown(seed: int) -> list[bool]:
        faults = Faults(
            cut=lambda: None,
            detach=lambda entity: None,
            shut=lambda seconds: None,
            reopen=lambda: None,
        )
        faults.drop_at_random(0.1, seed)
        return [faults.strikes_frame() for _ in range(1000)]

    assert thrown(1) == thrown(1) != thrown(2)
    assert 50 < sum(thrown(1)) < 150


@aio_only
def test_what_was_sent_is_stored_although_the_answer_is_lost(sdk: Sdk, emulator: Emulator):
    sdk.sender()
    emulator.faults.lose_send_answers(None)

    with pytest.raises(ServiceBusConnectionError):
        sdk.send(message("m-1"))

    assert [one.message_id for one in emulator.messages(QUEUE)] == ["m-1"]


def test_without_duplicate_detection_a_lost_answer_stores_it_twice():
    with Emulator() as emulator:
        sdk = Sdk(emulator, is_aio=True)
        emulator.faults.lose_send_answers(1, entity=QUEUE)
        sdk.send(message("m-1"))

        assert [one.message_id for one in emulator.messages(QUEUE)] == ["m-1", "m-1"]
        sdk.close()


@aio_only
@pytest.mark.parametrize("is_deferred", [False, True], ids=["by its link", "by management"])
def test_a_settlement_is_done_although_the_answer_is_lost(
    sdk: Sdk, emulator: Emulator, is_deferred: bool
):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    if is_deferred:
        sdk.do(sdk.receiver().defer_message(received))
        again = sdk.receiver().receive_deferred_messages(received.sequence_number)
        (received,) = sdk.do(again)
    emulator.faults.lose_settle_answers()

    with pytest.raises(MessageLockLostError):
        sdk.do(sdk.receiver().complete_message(received))

    assert emulator.counts(QUEUE) == Counts()


def test_a_busy_broker_is_tried_again(sdk: Sdk, emulator: Emulator):
    emulator.faults.busy(1)
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    emulator.faults.busy(1)
    assert len(sdk.do(sdk.receiver().peek_messages(1, sequence_number=1))) == 1
    emulator.faults.busy(1)
    sdk.do(sdk.receiver().complete_message(received))
    assert emulator.counts(QUEUE) == Counts()

    emulator.faults.busy(None, entity=QUEUE)

    with pytest.raises(ServiceBusServerBusyError):
        sdk.send(message("m-2"))
    assert emulator.counts(QUEUE) == Counts()


@aio_only
def test_nobody_is_let_in_without_a_token_that_is_accepted(sdk: Sdk, emulator: Emulator):
    emulator.faults.refuse_auth()
    receiver = sdk.new_receiver()
    with pytest.raises(ServiceBusAuthenticationError):
        sdk.do(receiver.peek_messages(1))

    emulator.faults.refuse_auth(False)

    assert sdk.do(receiver.peek_messages(1)) == []
    sdk.do(receiver.close())


@aio_only
def test_an_outage_lasts_until_it_is_ended(sdk: Sdk, emulator: Emulator):
    sdk.sender()
    port = emulator.port
    emulator.faults.outage()
    with pytest.raises(ServiceBusConnectionError):
        sdk.send(message("m-1"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))

    emulator.faults.end_outage()

    sdk.send(message("m-1"))
    assert emulator.port == port
    assert emulator.counts(QUEUE) == Counts(ready=1)


def test_an_outage_ends_by_itself():
    with Emulator() as emulator:
        began = time.monotonic()
        emulator.faults.outage(0.2)
        while True:
            try:
                socket.create_connection(("127.0.0.1", emulator.port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() - began < 10
        assert time.monotonic() - began >= 0.2


@aio_only
@pytest.mark.parametrize("how", ["error", "drop"])
def test_dead_letters_cannot_be_removed_but_everything_else_works(
    sdk: Sdk, emulator: Emulator, how: How
):
    emulator.put_dead(QUEUE, message_id="dead")
    dead = sdk.receive_one(sub_queue=DEAD)
    emulator.faults.fail_settle(ALL_DEAD, how, times=None)
    sdk.send(message("copy"))
    sdk.do(sdk.receiver().complete_message(sdk.receive_one()))

    with pytest.raises(ServiceBusError):
        sdk.do(sdk.receiver(sub_queue=DEAD).complete_message(dead))

    (seen,) = emulator.dead_letters(QUEUE)
    assert (seen.message_id, seen.is_locked) == ("dead", True)
    emulator.faults.clear()
    # After an error the SDK settles nothing until something has made it open its link again.
    sdk.do(sdk.receiver(sub_queue=DEAD).peek_messages(1))
    sdk.do(sdk.receiver(sub_queue=DEAD).complete_message(dead))
    assert emulator.counts(QUEUE) == Counts()


@aio_only
def test_a_settlement_without_an_answer_is_not_done(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    receiver = sdk.new_receiver(timeout=0.2)
    (received,) = sdk.do(receiver.receive_messages(1, max_wait_time=PATIENCE))
    emulator.faults.fail_settle(QUEUE, "silence")
    began = time.monotonic()

    # The SDK waits in vain, then asks again by way of the queue's management.
    sdk.do(receiver.complete_message(received))

    assert time.monotonic() - began >= 0.2
    assert emulator.counts(QUEUE) == Counts()
    sdk.do(receiver.close())


@aio_only
def test_links_are_refused_or_kept_waiting(sdk: Sdk, emulator: Emulator):
    emulator.put_dead(QUEUE)
    receiver = sdk.new_receiver(sub_queue=DEAD)
    emulator.faults.refuse_links(ALL_DEAD, times=None)
    with pytest.raises(ServiceBusError):
        sdk.do(receiver.receive_messages(1, max_wait_time=PATIENCE))
    emulator.faults.clear()
    emulator.faults.delay_links(0.6, ALL_DEAD)
    began = time.monotonic()

    assert len(sdk.do(receiver.receive_messages(1, max_wait_time=PATIENCE))) == 1

    assert time.monotonic() - began >= 0.6
    sdk.do(receiver.close())


def test_detached_links_are_attached_again(sdk: Sdk, emulator: Emulator):
    sdk.send(message("m-1"))
    received = sdk.receive_one()
    before = emulator.connections()

    emulator.faults.detach_links(QUEUE)

    sdk.send(message("m-2"))
    sdk.do(sdk.receiver().complete_message(received))
    assert sdk.receive_one().message_id == "m-2"
    assert emulator.connections() == before <= emulator.most_connections()
