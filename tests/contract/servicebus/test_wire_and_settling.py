"""Service Bus: what is on the wire, and how messages are settled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backend.errors import Busy
from backend.ids import new_id
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    DELIVERIES_MAX,
    LEASE_SECONDS,
    MessageTooLarge,
    Outgoing,
)
from tests.contract.servicebus.helpers import (
    DEAD,
    EMAILS,
    PAYMENTS,
    fill,
    ids,
    take,
)
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.queues import EPOCH, plain_message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


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
