"""A queue of the emulator by itself, on a clock that a test moves by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.broker import Broker, LockLost, Queue, Rules
from tests.emulator.content import Content, write_message
from tests.emulator.stored import Clock


class _Clock(Clock):
    """Stands still unless it is moved."""

    def __call__(self) -> float:
        return 1000.0 + self.ahead


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def queue(clock: _Clock) -> Queue:
    found = Broker(("q",), clock, Rules(max_deliveries=3)).find("Q")
    assert found is not None
    return found


def content(number: int = 0) -> Content:
    return Content(write_message(b"x", message_id=f"m-{number}"))


def claimed(queue: Queue) -> bytes:
    message = queue.claim()
    assert message is not None
    assert message.token is not None
    return message.token


def test_a_lock_is_over_at_its_instant_even_before_anybody_has_noticed(queue: Queue, clock: _Clock):
    queue.put(content())
    token = claimed(queue)
    clock.ahead = 29.999
    queue.held(token)

    clock.ahead = 30

    with pytest.raises(LockLost):
        queue.complete(token)
    assert queue.claim() is None, "not yet given back"
    assert queue.tick() is None
    assert claimed(queue) != token


def test_the_next_thing_to_do_is_told(queue: Queue, clock: _Clock):
    told: list[float] = []
    queue.on_due = told.append
    queue.put(content())
    queue.put(content())
    queue.claim()
    clock.ahead = 5
    queue.claim()
    later = content()
    later.scheduled_for = 1010.0
    queue.put(later)

    assert told == [1030, 1010]
    assert queue.tick() == 1010
    clock.ahead = 10
    assert queue.tick() == 1030


def test_dead_letters_lie_in_the_order_of_their_numbers(queue: Queue):
    assert queue.dead_letters is not None
    numbers = [queue.put(content(number)) for number in range(4)]
    tokens = [claimed(queue) for _ in numbers]
    for index in (2, 0, 3, 1):
        queue.reject(tokens[index], "refused", None)

    assert [one.sequence_number for one in queue.dead_letters.peek()] == numbers
    assert [one.sequence_number for one in queue.dead_letters.peek(numbers[1], 2)] == numbers[1:3]
    taken = [queue.dead_letters.held(claimed(queue.dead_letters)) for _ in numbers]
    assert [one.sequence_number for one in taken] == numbers


def test_locks_are_renewed_all_or_none(queue: Queue, clock: _Clock):
    queue.put(content())
    queue.put(content())
    tokens = [claimed(queue), claimed(queue)]
    queue.complete(tokens[1])
    clock.ahead = 20

    with pytest.raises(LockLost):
        queue.renew(tokens)

    clock.ahead = 31
    queue.tick()
    with pytest.raises(LockLost):
        queue.held(tokens[0])


STEPS = st.lists(
    st.sampled_from(["put", "claim", "complete", "abandon", "release", "reject", "wait"]),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_no_message_is_lost_or_in_two_hands(steps: list[str]):
    clock = _Clock()
    queue = Broker(("q",), clock, Rules(max_deliveries=3)).find("q")
    assert queue is not None
    assert queue.dead_letters is not None
    put, done = 0, 0
    held: dict[bytes, int] = {}
    for step in steps:
        if step == "put":
            put += 1
            queue.put(content(put))
        elif step == "wait":
            clock.ahead += 31
            queue.tick()
            held.clear()
        elif step == "claim":
            message = queue.claim()
            if message is not None:
                assert message.token is not None
                assert message.sequence_number not in held.values()
                assert message.delivery_count < 3
                held[message.token] = message.sequence_number
        elif held:
            token = next(iter(held))
            del held[token]
            if step == "reject":
                queue.reject(token, "refused", None)
            else:
                getattr(queue, step)(token)
                done += step == "complete"
            with pytest.raises(LockLost):
                queue.held(token)
        numbers = [one.sequence_number for one in queue.peek()]
        assert numbers == sorted(set(numbers))
        assert len(queue) + len(queue.dead_letters) + done == put
