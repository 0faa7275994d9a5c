"""Whatever breaks on the way, the message is not lost, is not sent twice, and the job goes on."""

from __future__ import annotations

from typing import Any

import pytest

from backend.actor import Actor
from backend.db.engine import Database
from backend.errors import Busy, StateConflict
from backend.messaging.transport import LEASE_SECONDS, LeaseLost
from backend.support.acting import (
    Matching,
    Selected,
    act_now,
    run_again,
    run_here,
    start_job,
)
from backend.support.archive import get_archived, list_archive, restore
from backend.support.executor import run_due_jobs, run_job
from backend.support.jobs import JobView, get_job, list_items, list_jobs
from backend.support.letters import LetterFilter, LetterKey, get_letter
from backend.support.models import ItemState, JobKind, JobState
from backend.support.progress import HELD_TRIES_MAX, PAUSE_SECONDS_MAX
from backend.unit_of_work import read
from tests.factories import Clock, raw_rows
from tests.integration.support.letters import (
    DUNNING,
    POINTS,
    Faulty,
    Killed,
    audited,
    bury,
    dead,
    dunning,
    nobodys,
    on_both,
    seen_by,
    waiting,
)
from tests.queues import another_process

RESUBMIT, DISCARD = JobKind.RESUBMIT, JobKind.DISCARD
_AWAY = Busy("The queues cannot be reached.")


def never() -> bool:
    return False


def run_due(db: Database, transport: Faulty) -> int:
    return run_due_jobs(db, transport, never)


def one_letter(db: Database, transport: Faulty, actor: Actor, who: Any) -> LetterKey:
    bury(transport, dunning(actor.tenant_id))
    (letter,) = seen_by(db, transport, who, queue=DUNNING)
    return letter.key


def only_job(db: Database, who: Any) -> JobView:
    (job,) = read(db, who, list_jobs).items
    return job


def states(db: Database, who: Any) -> dict[ItemState, int]:
    return dict(only_job(db, who).counts)


BREAKS = [(RESUBMIT, point) for point in POINTS] + [
    (DISCARD, point) for point in POINTS if point not in ("send", "sent")
]


@on_both
@pytest.mark.parametrize(("kind", "point"), BREAKS)
def test_a_killed_run_is_finished_by_another_one(
    db: Database,
    transport: Faulty,
    actor: Actor,
    dana: Actor,
    sam: Actor,
    clock: Clock,
    kind: JobKind,
    point: str,
):
    key = one_letter(db, transport, actor, dana)
    transport.faults[point].append(Killed())

    with pytest.raises(Killed):
        act_now(db, transport, dana, kind, key)

    job = only_job(db, dana)
    assert (job.state, job.is_running) == (JobState.OPEN, True)
    is_sent = kind is RESUBMIT and point not in ("hold", "held", "send")
    is_there = point not in ("removed", "given_back")
    assert [one.message_id for one in transport.sent] == [f"{key.message_id}:retry-1"] * is_sent
    assert dead(transport) == [key.message_id] * is_there
    assert run_due(db, transport) == 0, "the lease of whoever was killed still runs"
    if is_there:
        with pytest.raises(StateConflict) as told:
            act_now(db, transport, sam, kind, key)
        assert told.value.code == "already_claimed"

    clock.pass_time(seconds=LEASE_SECONDS + 1)
    assert run_due(db, transport) == 1

    assert states(db, dana) == {ItemState.DONE: 1}
    assert only_job(db, dana).state is JobState.DONE
    assert dead(transport) == []
    times_sent = 2 if point == "sent" else 1
    assert len(transport.sent) == (times_sent if kind is RESUBMIT else 0)
    assert len({one.message_id for one in transport.sent}) <= 1
    assert waiting(transport) == (1 if kind is RESUBMIT else 0)
    assert len(read(db, dana, list_archive).items) == (0 if kind is RESUBMIT else 1)
    done = "resubmitted" if kind is RESUBMIT else "discarded"
    assert [action for action, *_ in audited(db)] == [
        "dead_letter_job.started",
        f"dead_letter.{done}",
    ]


@on_both
@pytest.mark.parametrize("trouble", [_AWAY, LeaseLost()], ids=["away", "lock lost"])
def test_when_the_original_cannot_be_removed_it_says_so_and_is_removed_later(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock, trouble: Exception
):
    key = one_letter(db, transport, actor, dana)
    transport.faults["remove"].append(trouble)

    item = act_now(db, transport, dana, RESUBMIT, key)

    assert item.state is ItemState.SENT
    assert item.text == (
        f"The copy is in the queue as {key.message_id}:retry-1; "
        "the original is still among the dead letters."
    )
    assert dead(transport) == [key.message_id]
    detail = get_letter(db, transport, dana, key.queue, key.sequence_number)
    assert detail.summary.handled is not None
    assert (detail.summary.handled.state, detail.summary.handled.who) == ("sent", dana.who)
    assert run_due(db, transport) == 0, "after a pause"

    clock.pass_time(seconds=6)
    assert run_due(db, transport) == 1

    assert states(db, dana) == {ItemState.DONE: 1}
    assert dead(transport) == []
    assert len(transport.sent) == 1
    assert waiting(transport) == 1


@on_both
def test_a_removal_whose_answer_was_lost_is_a_removal(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    key = one_letter(db, transport, actor, dana)
    transport.faults["removed"].append(_AWAY)

    assert act_now(db, transport, dana, RESUBMIT, key).state is ItemState.SENT
    job = run_again(db, transport, dana, only_job(db, dana).job_id)

    assert (job.state, dict(job.counts)) == (JobState.DONE, {ItemState.DONE: 1})
    assert len(transport.sent) == 1


@on_both
@pytest.mark.parametrize("point", ["hold", "send", "sent"])
def test_while_the_queues_are_away_nothing_is_lost_and_the_job_waits(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock, point: str
):
    key = one_letter(db, transport, actor, dana)
    transport.faults[point] += [_AWAY] * 3

    item = act_now(db, transport, dana, RESUBMIT, key)
    assert item.state is ItemState.WAITING
    assert only_job(db, dana).problem == "The queues cannot be reached. It is tried again."
    for _ in range(2):
        clock.pass_time(seconds=PAUSE_SECONDS_MAX)
        assert run_due(db, transport) == 1
        assert dead(transport) == [key.message_id]
    clock.pass_time(seconds=PAUSE_SECONDS_MAX)
    run_due(db, transport)

    assert states(db, dana) == {ItemState.DONE: 1}
    assert dead(transport) == []
    assert waiting(transport) == 1


@on_both
def test_a_letter_that_went_away_meanwhile_is_told_as_gone(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    letters = seen_by(db, transport, dana, queue=DUNNING)
    keys = tuple(one.key for one in letters)
    job = start_job(db, transport, dana, RESUBMIT, Selected(keys), expected_count=3)
    with transport.inner.hold_dead_letters(DUNNING, {keys[1].sequence_number}) as held:
        held[keys[1].sequence_number].remove()

    run_due(db, transport)

    items = read(db, dana, list_items, job.job_id).items
    assert [item.state for item in items] == ["done", "gone", "done"]
    assert "no longer among the dead letters" in items[1].text
    assert read(db, dana, get_job, job.job_id).state is JobState.DONE
    assert len(transport.sent) == 2


@on_both
def test_a_letter_in_the_hands_of_another_program_is_tried_again(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    key = one_letter(db, transport, actor, dana)
    with transport.inner.hold_dead_letters(DUNNING, {key.sequence_number}):
        item = act_now(db, transport, dana, RESUBMIT, key)
        assert item.state is ItemState.WAITING
        assert "Another program holds this message" in item.text
    clock.pass_time(seconds=6)
    run_due(db, transport)

    assert states(db, dana) == {ItemState.DONE: 1}


def test_a_letter_that_another_program_never_lets_go_is_reported(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    key = one_letter(db, transport, actor, dana)
    start_job(db, transport, dana, RESUBMIT, Selected((key,)), expected_count=1)
    for _ in range(HELD_TRIES_MAX):
        with transport.inner.hold_dead_letters(DUNNING, {key.sequence_number}):
            assert run_due(db, transport) == 1
        clock.pass_time(seconds=PAUSE_SECONDS_MAX)

    (item,) = read(db, dana, list_items, only_job(db, dana).job_id).items
    assert item.state is ItemState.FAILED
    assert "kept holding" in item.text
    assert dead(transport) == [key.message_id], "and it is free to be acted on again"
    assert act_now(db, transport, dana, RESUBMIT, key).state is ItemState.DONE


@on_both
def test_a_copy_that_the_queue_refuses_fails_alone(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    # The batch, then the first message by itself.
    transport.faults["send"] += [ValueError("too big"), ValueError("too big")]

    job = run_here(
        db, transport, dana, RESUBMIT, Matching(LetterFilter(queue=DUNNING)), expected_count=3
    )

    assert dict(job.counts) == {ItemState.DONE: 2, ItemState.FAILED: 1}
    (failed,) = read(db, dana, list_items, job.job_id, state=ItemState.FAILED).items
    assert failed.text == "The queue refuses the copy: too big"
    assert dead(transport) == [failed.message_id]


@on_both
def test_an_outage_in_the_middle_of_single_sends_keeps_what_was_sent(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    sent = transport.sent

    class Refusing(Faulty):
        def send(self, messages: Any) -> None:
            if len(messages) > 1:
                raise ValueError("the batch is too big")
            if len(sent) == 1 and not self.faults["tried"]:
                self.faults["tried"].append(_AWAY)
                raise _AWAY
            super().send(messages)
            sent.extend(messages)

    refusing = Refusing(transport.inner)
    job = run_here(
        db, refusing, dana, RESUBMIT, Matching(LetterFilter(queue=DUNNING)), expected_count=3
    )
    assert dict(job.counts) == {ItemState.WAITING: 2, ItemState.SENT: 1}
    assert len(dead(transport)) == 3

    clock.pass_time(seconds=6)
    run_due(db, refusing)
    assert states(db, dana) == {ItemState.DONE: 3}
    assert len({one.message_id for one in sent}) == len(sent) == 3


@on_both
def test_a_message_with_too_long_an_id_is_left_where_it_is(
    db: Database, transport: Faulty, root: Any
):
    bury(transport, nobodys("x" * 125), nobodys("short"))

    job = run_here(
        db, transport, root, RESUBMIT, Matching(LetterFilter(queue=DUNNING)), expected_count=2
    )

    assert dict(job.counts) == {ItemState.DONE: 1, ItemState.FAILED: 1}
    assert dead(transport) == ["x" * 125]


@on_both
def test_a_job_is_run_by_one_worker_at_a_time(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    job = start_job(
        db, transport, dana, RESUBMIT, Matching(LetterFilter(queue=DUNNING)), expected_count=3
    )
    tries: list[int] = []

    class Watched(Faulty):
        def send(self, messages: Any) -> None:
            with another_process(db) as second:
                tries.append(run_job(second.db, transport, job.job_id))
                tries.append(run_due_jobs(second.db, transport, never))
            super().send(messages)

    watched = Watched(transport.inner)
    assert run_due(db, watched) == 1

    assert tries == [False, 0]
    assert len(watched.sent) == 3
    assert transport.sent == []


@on_both
def test_who_lost_the_lease_notes_nothing_more(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    bury(transport, dunning(actor.tenant_id))
    job = start_job(
        db, transport, dana, RESUBMIT, Matching(LetterFilter(queue=DUNNING)), expected_count=1
    )

    class Slow(Faulty):
        def send(self, messages: Any) -> None:
            super().send(messages)
            # So slow that everything it holds has run out, and another worker has done the job.
            clock.pass_time(seconds=LEASE_SECONDS + 1)
            assert run_job(db, transport, job.job_id)

    run_due(db, Slow(transport.inner))
    # A broker that knows the time better than the database still had the letter locked for it.
    clock.pass_time(seconds=PAUSE_SECONDS_MAX)
    run_due(db, transport)

    assert states(db, dana) == {ItemState.DONE: 1}
    assert [action for action, *_ in audited(db)].count("dead_letter.resubmitted") == 1
    assert waiting(transport) == 1, "one copy, under one id"


@on_both
def test_a_stopping_worker_leaves_the_rest_to_the_next_one_at_once(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(60)))
    start_job(
        db, transport, dana, DISCARD, Matching(LetterFilter(queue=DUNNING)), expected_count=60
    )
    removed: list[None] = []
    stopping_at = 20

    class Counting(Faulty):
        def come_by(self, point: str) -> None:
            removed.extend([None] * (point == "removed"))
            super().come_by(point)

    counting = Counting(transport.inner)
    run_due_jobs(db, counting, lambda: len(removed) >= stopping_at)
    assert states(db, dana) == {
        ItemState.DONE: 20,
        ItemState.ARCHIVED: 30,
        ItemState.WAITING: 10,
    }
    assert len(dead(transport)) == 40

    assert run_due(db, transport) == 1
    assert states(db, dana) == {ItemState.DONE: 60}
    assert dead(transport) == []
    assert len(read(db, dana, list_archive, limit=100).items) == 60


@on_both
def test_a_job_with_a_bug_in_its_way_is_tried_again_and_says_what_it_was(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    key = one_letter(db, transport, actor, dana)
    transport.faults["held"].append(ZeroDivisionError("oh"))

    act_now(db, transport, dana, RESUBMIT, key)
    assert only_job(db, dana).problem == "ZeroDivisionError: oh"

    clock.pass_time(seconds=6)
    run_due(db, transport)
    assert states(db, dana) == {ItemState.DONE: 1}


@on_both
def test_a_clock_that_was_set_back_holds_up_no_job(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    key = one_letter(db, transport, actor, dana)
    transport.faults["held"].append(Killed())
    with pytest.raises(Killed):
        act_now(db, transport, dana, RESUBMIT, key)

    clock.pass_time(hours=-1)
    assert run_due(db, transport) == 1


@on_both
def test_a_restore_that_failed_can_be_repeated_and_one_that_died_is_taken_over(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor, clock: Clock
):
    key = one_letter(db, transport, actor, dana)
    act_now(db, transport, dana, DISCARD, key)
    (head,) = read(db, dana, list_archive).items
    transport.faults["send"].append(_AWAY)
    with pytest.raises(Busy):
        restore(db, transport, dana, head.archive_id)
    assert read(db, dana, get_archived, head.archive_id).head.restored_at is None

    transport.faults["sent"].append(Killed())
    with pytest.raises(Killed):
        restore(db, transport, dana, head.archive_id)
    with pytest.raises(StateConflict) as told:
        restore(db, transport, sam, head.archive_id)
    assert (told.value.code, told.value.facts["who"]) == ("restore_running", dana.who)

    clock.pass_time(seconds=61)
    restored = restore(db, transport, sam, head.archive_id).head
    assert (restored.restored_by, restored.restored_at) == (sam.who, clock.now)
    assert {one.message_id for one in transport.sent} == {f"{key.message_id}:retry-1"}
    assert waiting(transport) == 1


@on_both
def test_items_of_a_finished_job_claim_nothing(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    key = one_letter(db, transport, actor, dana)
    act_now(db, transport, dana, RESUBMIT, key)

    open_items = raw_rows(db, "SELECT count(*) FROM dead_letter_items WHERE finished_at IS NULL")
    assert open_items == [(0,)]
