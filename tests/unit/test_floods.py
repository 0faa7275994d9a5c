"""How many deliveries are let through, told by a clock that the test moves."""

from __future__ import annotations

import pytest

from backend.api.floods import KEYS_MAX, Allowance, Floodgate
from backend.errors import TooManyRequests


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def gate(seconds: Seconds) -> Floodgate:
    return Floodgate(Allowance(at_once=10, per_second=2), clock=seconds)


def passed(gate: Floodgate, key: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            gate.pass_one(key)
            count += 1
        except TooManyRequests:
            continue
    return count


def test_so_many_at_once_and_so_many_a_second(gate: Floodgate, seconds: Seconds):
    assert passed(gate, "a", 50) == 10
    seconds.now += 3
    assert passed(gate, "a", 50) == 6
    seconds.now += 3600
    assert passed(gate, "a", 50) == 10


def test_one_key_does_not_slow_down_another(gate: Floodgate):
    assert passed(gate, "a", 50) == 10
    assert passed(gate, "b", 5) == 5


def test_asking_all_the_time_does_not_make_the_wait_longer(gate: Floodgate, seconds: Seconds):
    passed(gate, "a", 10)
    total = 0
    for _ in range(100):
        seconds.now += 0.1
        total += passed(gate, "a", 5)
    assert total == 20


def test_the_wait_is_told_in_whole_seconds(seconds: Seconds):
    slow = Floodgate(Allowance(at_once=1, per_second=1), clock=seconds)
    slow.pass_one("a")
    with pytest.raises(TooManyRequests) as refused:
        slow.pass_one("a")
    assert refused.value.retry_after_seconds == 1
    seconds.now += refused.value.retry_after_seconds
    slow.pass_one("a")


def test_only_so_many_keys_are_remembered(gate: Floodgate):
    passed(gate, "first", 10)
    for number in range(KEYS_MAX):
        gate.pass_one(str(number))
    assert passed(gate, "first", 50) == 10
    assert len(gate._levels) == KEYS_MAX
