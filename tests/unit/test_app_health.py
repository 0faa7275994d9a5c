"""What the dashboard's strip says of the workers and the queues."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.health.service import Health, QueueHealth
from backend.messaging.contracts import Queue
from backend.messaging.transport import QueueDepth
from billerjacket_app import format as fmt
from billerjacket_app.pages.health_strip import HealthState, Strip, strip_of

NOW = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)


def ago(**much: float) -> datetime:
    return NOW - timedelta(**much)


def health(*queues: QueueHealth, running: bool = True, seen_at: datetime | None = NOW) -> Health:
    return Health(NOW, running, seen_at, queues, ())


def queue(name: Queue, depth: QueueDepth | None, **more: Any) -> QueueHealth:
    given: dict[str, Any] = {"problem": None, "unsent": 0, "oldest_unsent_at": None}
    return QueueHealth(name, depth, **given | more)


EMAILS = queue(
    Queue.EMAIL_SEND,
    QueueDepth(2, 3, 1, oldest_active_at=ago(minutes=5), oldest_dead_at=ago(days=2)),
    unsent=1_000,
    oldest_unsent_at=ago(hours=3),
)
PAYMENTS = queue(Queue.PAYMENT_COMMANDS, QueueDepth(4, 0, 0, oldest_active_at=ago(seconds=9)))


def test_the_figures_of_all_queues_are_added_and_the_oldest_of_all_is_told():
    said = strip_of(health(EMAILS, PAYMENTS, seen_at=ago(seconds=3)))

    assert (said.running, said.badge.label, said.age) == (True, "Worker running", "3")
    assert (said.waiting, said.waiting_note) == ("1,006", "oldest 3 h, 3 to be tried later")
    assert (said.dead, said.dead_note) == ("1", "oldest 2 d")
    assert [(row.name, row.waiting, row.oldest, row.dead) for row in said.queues] == [
        ("email-send", "1,002", "3 h", "1"),
        ("payment-commands", "4", "9 s", "0"),
    ]
    assert said.problem == ""


def test_a_sum_with_an_unknown_part_is_unknown_and_the_reason_is_said():
    away = queue(Queue.WEBHOOK_INGEST, None, problem="The queue is away.", unsent=2)

    said = strip_of(health(PAYMENTS, away))

    assert (said.waiting, said.dead, said.problem) == ("unknown", "unknown", "The queue is away.")
    assert [(row.waiting, row.dead) for row in said.queues] == [("4", "0"), ("unknown", "unknown")]


def test_a_count_that_is_only_a_lower_bound_says_so():
    many = queue(Queue.EMAIL_SEND, QueueDepth(5_000, 0, 10), is_exact=False)

    said = strip_of(health(many, PAYMENTS))

    assert (said.waiting, said.dead) == ("5,004+", "10+")
    assert [row.waiting for row in said.queues] == ["5,000+", "4"]


def test_that_no_worker_runs_or_ever_ran_is_said():
    stopped = strip_of(health(running=False, seen_at=ago(minutes=2)))
    never = strip_of(health(running=False, seen_at=None))

    assert (stopped.badge.label, stopped.age) == ("No worker running", "120")
    assert (never.badge.label, never.seen_at, never.age) == ("No worker running", "", "")


def test_a_worker_whose_clock_is_ahead_was_seen_just_now():
    assert strip_of(health(seen_at=ago(seconds=-2))).age == "0"


def test_the_seconds_are_sent_again_only_after_another_heartbeat():
    state = HealthState()
    first = strip_of(health(seen_at=ago(seconds=3)))
    state._show(first)
    later = strip_of(replace(health(seen_at=ago(seconds=3)), now=NOW + timedelta(seconds=5)))
    assert later.age == "8"

    state._show(later)
    assert state.strip == first

    state._show(strip_of(replace(health(), now=NOW + timedelta(seconds=5))))
    assert state.strip.age == "5"
    assert isinstance(state.strip, Strip)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172_800, "2 d")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: int, text: str):
    assert fmt.duration(seconds) == text
