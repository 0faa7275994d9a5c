"""Dead letters and depths: what every implementation of the queues must do; one suite for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.transport import (
    DeadLetter,
    DeadReason,
    LeaseLost,
    Outgoing,
    QueueDepth,
)
from tests.contract.transports import (
    Queues,
)
from tests.emulator.leftovers import SOCKETS_LEFT, sdk_may_leave_sockets
from tests.queues import EPOCH, plain_message

PAYMENTS, EMAILS = Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND


pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    yield
    with sdk_may_leave_sockets():
        pass


def dead_letters_of(queues: Queues, *message_ids: str) -> list[DeadLetter]:
    """Queue these and set each aside at once; how they lie there."""
    queues.mine.send([plain_message(message_id) for message_id in message_ids])
    for delivery in queues.take(messages_max=len(message_ids)):
        delivery.dead_letter(DeadReason.REFUSED, f"{delivery.message_id} is void.")
    return list(queues.mine.peek_dead_letters(PAYMENTS, after=0, messages_max=100))


def test_a_dead_letter_is_seen_as_it_was_sent_and_why_it_is_there(queues: Queues):
    tenant_id = new_id()
    queued_at = queues.clock()
    message = Outgoing(
        PAYMENTS,
        "m-1:retry-2",
        '{"grüße": 1}'.encode(),
        EPOCH,
        "payment.apply",
        tenant_id,
        "job-4711",
        original_message_id="m-1",
    )
    queues.mine.send([message])
    queues.let_pass(5)
    queues.take_one().abandon("away", delay_seconds=0)
    queues.take_one().dead_letter(DeadReason.REFUSED, "The invoice is void.")

    (letter,) = queues.others.peek_dead_letters(PAYMENTS, after=0, messages_max=10)

    assert (letter.queue, letter.message_id, letter.body) == (PAYMENTS, "m-1:retry-2", message.body)
    assert (letter.message_type, letter.tenant_id) == ("payment.apply", tenant_id)
    assert letter.correlation_id == "job-4711"
    # Not every broker counts the delivery by which it was set aside.
    assert letter.delivery_count in (1, 2)
    assert (letter.reason, letter.description) == ("refused", "The invoice is void.")
    assert letter.properties == {
        "tenant_id": str(tenant_id),
        "message_type": "payment.apply",
        "original_message_id": "m-1",
    }
    assert abs(letter.enqueued_at - queued_at) < timedelta(seconds=2)
    depth = queues.mine.depth(PAYMENTS)
    assert depth.oldest_dead_at == letter.enqueued_at


def test_dead_letters_are_seen_in_order_and_looking_changes_nothing(queues: Queues):
    first_look = dead_letters_of(queues, *(f"m-{number}" for number in range(7)))

    assert [letter.message_id for letter in first_look] == [f"m-{number}" for number in range(7)]
    numbers = [letter.sequence_number for letter in first_look]
    assert numbers == sorted(set(numbers))
    for after, expected in [(numbers[2], numbers[3:5]), (numbers[6], []), (0, numbers[:2])]:
        page = queues.others.peek_dead_letters(PAYMENTS, after=after, messages_max=2)
        assert [letter.sequence_number for letter in page] == expected
    assert queues.mine.peek_dead_letters(PAYMENTS, after=0, messages_max=100) == first_look
    assert queues.mine.peek_dead_letters(EMAILS, after=0, messages_max=100) == []


def test_a_held_dead_letter_can_be_removed_and_the_others_are_given_back(queues: Queues):
    letters = dead_letters_of(queues, "stays", "goes", "unheld")
    stays, goes, _ = (letter.sequence_number for letter in letters)

    with queues.mine.hold_dead_letters(PAYMENTS, [goes, stays, 4711]) as held:
        assert set(held) == {stays, goes}, "the one that is not there is missing"
        assert held[goes].letter == letters[1]
        held[goes].remove()
        with pytest.raises(LeaseLost):
            held[goes].remove()

    left = queues.mine.peek_dead_letters(PAYMENTS, after=0, messages_max=10)
    assert left == [letters[0], letters[2]], "uncounted and unchanged"
    assert queues.counted() == (0, 0, 2)
    with queues.others.hold_dead_letters(PAYMENTS, [stays]) as held:
        held[stays].remove()
    assert queues.counted() == (0, 0, 1)


def test_of_two_who_want_a_dead_letter_one_has_it(queues: Queues):
    (letter,) = dead_letters_of(queues, "m-1")
    number = letter.sequence_number

    with queues.mine.hold_dead_letters(PAYMENTS, [number]) as mine:
        assert list(mine) == [number]
        with queues.others.hold_dead_letters(PAYMENTS, [number]) as others:
            assert others == {}
        with queues.mine.hold_dead_letters(PAYMENTS, [number]) as again:
            assert again == {}
        assert queues.mine.peek_dead_letters(PAYMENTS, after=0, messages_max=10) == [letter]
        assert queues.counted() == (0, 0, 1)
        mine[number].remove()
    assert queues.counted() == (0, 0, 0)


def test_a_dead_letter_is_given_back_when_the_work_with_it_fails(queues: Queues):
    (letter,) = dead_letters_of(queues, "m-1")
    number = letter.sequence_number

    def fail_with_it() -> None:
        with queues.mine.hold_dead_letters(PAYMENTS, [number]) as held:
            assert list(held) == [number]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_it()

    with queues.others.hold_dead_letters(PAYMENTS, [number]) as held:
        assert held[number].letter == letter


def test_depth_can_be_that_of_one_tenant(queues: Queues):
    ours, theirs = new_id(), new_id()
    later = queues.clock() + timedelta(minutes=5)

    def of(tenant_id: UUID, message_id: str, at: datetime = EPOCH) -> Outgoing:
        return Outgoing(PAYMENTS, message_id, b"{}", at, "payment.apply", tenant_id, "job")

    queues.mine.send([of(theirs, "dead"), plain_message("nobody's")])
    for delivery in queues.take():
        delivery.dead_letter(DeadReason.REFUSED, "no")
    queues.mine.send(
        [of(ours, "1"), of(theirs, "2"), of(ours, "3"), of(ours, "4", later), plain_message("5")]
    )

    found = queues.others.depth(PAYMENTS, tenant_id=ours)
    assert (found.active, found.scheduled, found.dead) == (2, 1, 0)
    found = queues.others.depth(PAYMENTS, tenant_id=theirs)
    assert (found.active, found.scheduled, found.dead) == (1, 0, 1)
    assert queues.counted() == (4, 1, 2)
    assert queues.others.depth(EMAILS, tenant_id=ours) == QueueDepth(0, 0, 0)
