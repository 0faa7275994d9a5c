"""What people do with dead letters: one or many, each once, each on record."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from backend.actor import Actor, PlatformActor
from backend.audit import PLATFORM_CHAIN
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.errors import Busy, InvalidInput, NotFound, StateConflict
from backend.ids import new_id
from backend.messaging.contracts import EvaluateDunning, InvoiceEmailRequested, Queue
from backend.messaging.queue_table import forget_done
from backend.messaging.transport import DeadReason
from backend.reporting.trace import list_trace
from backend.support.acting import Matching, Selected, act_now, plan_job, run_here, start_job
from backend.support.archive import get_archived, list_archive, restore
from backend.support.executor import run_due_jobs
from backend.support.jobs import cancel_job, get_job, list_items, list_jobs
from backend.support.letters import LetterFilter, LetterKey, get_letter
from backend.support.models import ItemState, JobKind, JobState
from backend.unit_of_work import UnitOfWork, read, run
from backend.verification.service import verify_books
from tests.factories import Clock, actor_in
from tests.integration.support.letters import (
    DUNNING,
    EMAILS,
    Faulty,
    audited,
    body_of,
    bury,
    dead,
    dunning,
    message_of,
    nobodys,
    on_both,
    seen_by,
    take,
    waiting,
)
from worker.relay import Relay

RESUBMIT, DISCARD, PURGE = JobKind


def run_due(db: Database, transport: Faulty) -> int:
    return run_due_jobs(db, transport, lambda: False)


def all_of(queue: Queue | None = DUNNING, **narrowed: Any) -> Matching:
    return Matching(LetterFilter(queue, **narrowed))


def keys_of(
    db: Database, transport: Faulty, who: Any, queue: Queue | None = DUNNING
) -> tuple[LetterKey, ...]:
    return tuple(one.key for one in seen_by(db, transport, who, queue=queue))


@on_both
def test_a_copy_is_the_same_message_under_an_id_of_its_own(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    message = dunning(actor.tenant_id)
    bury(transport, message)
    (key,) = keys_of(db, transport, dana)

    item = act_now(db, transport, dana, RESUBMIT, key)

    (sent,) = transport.sent
    assert item.copy_message_id == sent.message_id == f"{message.message_id}:retry-1"
    assert sent.original_message_id == message.message_id
    assert (sent.tenant_id, sent.message_type) == (actor.tenant_id, "dunning.evaluate")
    assert sent.correlation_id == "job-4711"
    assert orjson.loads(sent.body) == orjson.loads(message.body) | {"resubmission": 1}
    assert item.text == f"Sent again as {sent.message_id}."
    assert dead(transport) == []


@on_both
def test_a_copy_of_a_copy_is_the_next_one_of_the_same_original(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    message = dunning(actor.tenant_id)
    bury(transport, message)
    for number in (1, 2, 3):
        (letter,) = seen_by(db, transport, dana, queue=DUNNING)
        assert (letter.original_message_id, letter.resubmission) == (
            message.message_id,
            number - 1,
        )
        act_now(db, transport, dana, RESUBMIT, letter.key)
        (delivery,) = take(transport)
        assert delivery.message_id == f"{message.message_id}:retry-{number}"
        assert body_of(delivery)["resubmission"] == number
        assert body_of(delivery)["message_id"] == message.message_id
        delivery.dead_letter(DeadReason.REFUSED, "again")

    (letter,) = seen_by(db, transport, dana, queue=DUNNING)
    detail = get_letter(db, transport, dana, letter.queue, letter.sequence_number)
    assert [item.copy_message_id for item in detail.history] == [
        f"{message.message_id}:retry-{number}" for number in (1, 2, 3)
    ]


@on_both
@pytest.mark.parametrize("body", [b"not json", b"[1, 2]", '"grüße"'.encode(), b""])
def test_what_is_no_json_object_goes_as_it_was(
    db: Database, transport: Faulty, root: PlatformActor, body: bytes
):
    bury(transport, nobodys("m-1", body))
    (key,) = keys_of(db, transport, root)

    act_now(db, transport, root, RESUBMIT, key)

    assert [(one.message_id, one.body) for one in transport.sent] == [("m-1:retry-1", body)]


@on_both
def test_of_two_people_one_wins_and_the_other_is_told(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor, clock: Clock
):
    bury(transport, dunning(actor.tenant_id), dunning(actor.tenant_id))
    first, second = keys_of(db, transport, dana)
    start_job(db, transport, dana, RESUBMIT, Selected((first,)), expected_count=1)
    clock.pass_time(minutes=5)

    with pytest.raises(StateConflict) as told:
        act_now(db, transport, sam, DISCARD, first)
    assert told.value.code == "already_claimed"
    assert told.value.detail == f"{dana.who} has been sending it again since 18:00:00 UTC."

    plan = plan_job(db, transport, sam, DISCARD, Selected((first, second)))
    assert plan.count == 1
    assert plan.skipped == [(f"in the hands of {dana.who} since 18:00:00 UTC", 1)]

    run_due(db, transport)
    with pytest.raises(NotFound) as told_later:
        act_now(db, transport, sam, RESUBMIT, first)
    assert told_later.value.code == "already_handled"
    assert told_later.value.detail.startswith(f"Already handled by {dana.who} at 18:05:00 UTC")
    assert told_later.value.facts["who"] == dana.who
    with pytest.raises(NotFound, match="Already handled by"):
        get_letter(db, transport, sam, first.queue, first.sequence_number)
    plan = plan_job(db, transport, sam, DISCARD, Selected((first, second)))
    assert plan.skipped == [(f"already handled by {dana.who} at 18:05:00 UTC", 1)]
    assert len(transport.sent) == 1


@on_both
def test_who_comes_too_late_between_looking_and_claiming_is_told_as_well(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor
):
    bury(transport, dunning(actor.tenant_id))
    (key,) = keys_of(db, transport, dana)

    class Overtaken(Faulty):
        """Between the look of one person and the claim, the other does it all."""

        def peek_dead_letters(self, *args: Any, **kwargs: Any) -> Any:
            found = super().peek_dead_letters(*args, **kwargs)
            if not self.sent:
                self.sent.append(None)  # type: ignore[arg-type]
                act_now(db, transport, dana, RESUBMIT, key)
            return found

    with pytest.raises(NotFound) as told:
        act_now(db, Overtaken(transport.inner), sam, RESUBMIT, key)
    assert told.value.code == "already_handled"
    assert waiting(transport) == 1


@on_both
def test_of_many_at_the_same_moment_exactly_one_sends_it(
    db: Database, transport: Faulty, actor: Actor
):
    bury(transport, dunning(actor.tenant_id))
    (key,) = keys_of(db, transport, actor)
    people = [actor_in(actor.tenant_id, who=f"person {number}") for number in range(6)]
    start = threading.Barrier(len(people))

    def act(who: Actor) -> str:
        start.wait(10)
        try:
            return act_now(db, transport, who, RESUBMIT, key).state
        except (StateConflict, NotFound) as told:
            return f"{told.code} {told.facts.get('who')}"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = list(pool.map(act, people))

    winner = people[outcomes.index("done")].who
    told = {"done", f"already_claimed {winner}", f"already_handled {winner}"}
    assert set(outcomes) <= told
    assert outcomes.count("done") == 1
    assert len(transport.sent) == 1
    assert [action for action, *_ in audited(db)].count("dead_letter.resubmitted") == 1


def test_a_plan_counts_and_says_how_old_they_are(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    email = InvoiceEmailRequested(invoice_id=actor.tenant_id)
    bury(transport, dunning(actor.tenant_id))
    clock.pass_time(hours=1)
    bury(transport, dunning(actor.tenant_id), message_of(actor.tenant_id, email))

    plan = plan_job(db, transport, dana, RESUBMIT, all_of(None))

    assert (plan.count, plan.is_complete, plan.skipped) == (3, True, [])
    assert plan.newest_at == clock.now
    assert plan.oldest_at is not None
    assert (clock.now - plan.oldest_at).total_seconds() == 3600
    assert sorted(plan.by_queue) == [(DUNNING, 2), (EMAILS, 1)]
    assert transport.sent == []


@on_both
def test_when_there_are_not_as_many_as_expected_nothing_is_done(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))

    with pytest.raises(StateConflict) as told:
        run_here(db, transport, dana, DISCARD, all_of(), expected_count=2)

    assert told.value.code == "count_changed"
    assert told.value.detail == "There are 3 messages now, not 2; nothing was done."
    assert len(dead(transport)) == 3
    assert read(db, dana, list_jobs).items == []


@on_both
def test_what_comes_after_the_start_is_not_touched(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    job = start_job(db, transport, dana, DISCARD, all_of(queue=DUNNING), expected_count=3)
    late = dunning(actor.tenant_id)
    bury(transport, late)

    run_due(db, transport)

    assert dead(transport) == [late.message_id]
    assert read(db, dana, get_job, job.job_id).counts == {ItemState.DONE: 3}


@on_both
def test_a_filter_takes_only_what_matches(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    email = message_of(actor.tenant_id, InvoiceEmailRequested(invoice_id=actor.tenant_id))
    bury(transport, email, description="no address")
    bury(transport, dunning(actor.tenant_id), reason=DeadReason.PROCESSING_FAILED)
    bury(transport, dunning(actor.tenant_id, correlation_id="needle-1"))
    scope = all_of(queue=DUNNING, reason="refused", message_type="dunning.evaluate", q="NEEDLE")

    job = run_here(db, transport, dana, DISCARD, scope, expected_count=1)

    assert job.scope == (
        "all with queue dunning-evaluate, reason refused, type dunning.evaluate, text NEEDLE"
    )
    assert len(dead(transport)) == 1
    assert dead(transport, EMAILS) == [email.message_id]


@on_both
def test_nothing_to_do_is_said_plainly(db: Database, transport: Faulty, dana: Actor):
    with pytest.raises(StateConflict) as told:
        run_here(db, transport, dana, RESUBMIT, all_of(), expected_count=1)
    assert told.value.code == "nothing_to_do"


@on_both
def test_many_in_several_queues_are_worked_off_with_a_result_for_each(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    emails = [
        message_of(actor.tenant_id, InvoiceEmailRequested(invoice_id=actor.tenant_id))
        for _ in range(60)
    ]
    bury(transport, *emails, *(dunning(actor.tenant_id) for _ in range(70)))
    keys = keys_of(db, transport, dana, None)

    job = start_job(db, transport, dana, RESUBMIT, Selected(keys), expected_count=130)
    assert (job.state, job.open_count, job.finished_count) == (JobState.OPEN, 130, 0)
    run_due(db, transport)

    job = read(db, dana, get_job, job.job_id)
    assert (job.state, job.scope) == (JobState.DONE, "130 selected messages")
    assert (job.open_count, job.finished_count) == (0, 130)
    assert dead(transport) == dead(transport, EMAILS) == []
    first = read(db, dana, list_items, job.job_id, limit=100)
    rest = read(db, dana, list_items, job.job_id, limit=100, cursor=first.next_cursor)
    items = [*first.items, *rest.items]
    assert [item.message_id for item in items] == [key.message_id for key in keys]
    assert {item.state for item in items} == {ItemState.DONE}
    assert rest.next_cursor is None


@on_both
def test_a_cancelled_job_stops_after_the_messages_in_hand(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(120)))
    job = start_job(db, transport, dana, RESUBMIT, all_of(), expected_count=120)

    class Cancelling(Faulty):
        def send(self, messages: Any) -> None:
            if not self.sent:
                told = run(db, sam, cancel_job, job.job_id)
                assert (told.state, told.cancelled_by) == (JobState.OPEN, sam.who)
            super().send(messages)

    cancelling = Cancelling(transport.inner)
    run_due(db, cancelling)

    job = read(db, dana, get_job, job.job_id)
    assert (job.state, job.cancelled_by) == (JobState.CANCELLED, sam.who)
    assert job.counts == {ItemState.DONE: 50, ItemState.CANCELLED: 70}
    assert len(dead(transport)) == 70
    assert len(cancelling.sent) == 50
    with pytest.raises(StateConflict, match="This job ended at"):
        run(db, sam, cancel_job, job.job_id)
    again = run_here(db, transport, sam, RESUBMIT, all_of(), expected_count=70)
    assert again.state is JobState.DONE, "what was left alone can be acted on"


@on_both
def test_a_job_that_nobody_runs_is_cancelled_at_once(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    job = start_job(db, transport, dana, RESUBMIT, all_of(), expected_count=3)

    told = run(db, sam, cancel_job, job.job_id)

    assert (told.state, dict(told.counts)) == (JobState.CANCELLED, {ItemState.CANCELLED: 3})
    assert run_due(db, transport) == 0
    assert len(dead(transport)) == 3
    assert sorted(row[:2] for row in audited(db)) == [
        *[("dead_letter.left_alone", sam.who)] * 3,
        ("dead_letter_job.cancelled", sam.who),
        ("dead_letter_job.started", dana.who),
    ]


@on_both
def test_what_was_sent_before_a_cancellation_is_still_removed(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(2)))

    transport.faults["remove"].append(Busy("away"))
    job = run_here(db, transport, dana, RESUBMIT, all_of(), expected_count=2)
    assert job.counts == {ItemState.SENT: 2}

    told = run(db, dana, cancel_job, job.job_id)
    assert (told.state, told.counts) == (JobState.OPEN, {ItemState.SENT: 2})
    run_due(db, transport)

    assert read(db, dana, get_job, job.job_id).counts == {ItemState.DONE: 2}
    assert dead(transport) == []


@on_both
def test_a_discarded_message_is_kept_whole_and_can_be_sent_again_once(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, sam: Actor, clock: Clock
):
    message = dunning(actor.tenant_id)
    bury(transport, message, description="no such plan")
    (letter,) = seen_by(db, transport, dana, queue=DUNNING)
    clock.pass_time(minutes=1)

    item = act_now(db, transport, dana, DISCARD, letter.key)

    assert item.text == "Discarded; the archive has it."
    assert dead(transport) == []
    (head,) = read(db, sam, list_archive).items
    assert head.archive_id == item.archive_id
    assert (head.reason, head.description, head.delivery_count) == ("refused", "no such plan", 1)
    assert (head.enqueued_at, head.dead_at) == (letter.enqueued_at, letter.dead_at)
    assert (head.archived_by, head.archived_at) == (dana.who, clock.now)
    detail = read(db, sam, get_archived, head.archive_id)
    assert orjson.loads(detail.body_text) == orjson.loads(message.body)
    assert detail.properties["message_type"] == "dunning.evaluate"

    restored = restore(db, transport, sam, head.archive_id).head
    assert (restored.restored_by, restored.restored_at) == (sam.who, clock.now)
    (delivery,) = take(transport)
    assert delivery.message_id == f"{message.message_id}:retry-1" == restored.copy_message_id
    assert body_of(delivery) == orjson.loads(message.body) | {"resubmission": 1}

    with pytest.raises(StateConflict) as told:
        restore(db, transport, dana, head.archive_id)
    assert told.value.code == "already_restored"
    assert told.value.detail == f"Already restored by {sam.who} at 18:01:00 UTC."
    assert len(transport.sent) == 1


@on_both
def test_a_restored_message_gets_a_number_that_no_copy_has_had(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    message = dunning(actor.tenant_id)
    bury(transport, message)
    for number in (1, 2):
        (key,) = keys_of(db, transport, dana)
        archive_id = act_now(db, transport, dana, DISCARD, key).archive_id
        assert archive_id is not None
        restore(db, transport, dana, archive_id)
        (delivery,) = take(transport)
        assert delivery.message_id == f"{message.message_id}:retry-{number}"
        delivery.dead_letter(DeadReason.REFUSED, "again")


@on_both
def test_bytes_that_are_no_text_come_out_of_the_archive_as_they_were(
    db: Database, transport: Faulty, root: PlatformActor
):
    bury(transport, nobodys("m-1", b"{half"))
    (key,) = keys_of(db, transport, root)
    archive_id = act_now(db, transport, root, DISCARD, key).archive_id
    assert archive_id is not None

    restore(db, transport, root, archive_id)

    assert [one.body for one in transport.sent] == [b"{half"]


@on_both
def test_a_purge_archives_all_of_a_queue_and_wants_its_name(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor
):
    email = message_of(actor.tenant_id, InvoiceEmailRequested(invoice_id=actor.tenant_id))
    theirs = dunning(stranger.tenant_id)
    bury(transport, email, theirs, *(dunning(actor.tenant_id) for _ in range(23)))
    wanted: dict[str, Any] = {"expected_count": 23}

    for typed in (None, "", "dunning", "DUNNING-EVALUATE", "email-send"):
        with pytest.raises(InvalidInput, match="queue_typed"):
            run_here(
                db, transport, actor, PURGE, all_of(queue=DUNNING), queue_typed=typed, **wanted
            )
    for scope in (all_of(None), all_of(queue=DUNNING, reason="refused"), Selected(())):
        with pytest.raises(InvalidInput, match="whole queue"):
            run_here(db, transport, actor, PURGE, scope, queue_typed="dunning-evaluate", **wanted)
    assert len(dead(transport)) == 24

    job = run_here(
        db,
        transport,
        actor,
        PURGE,
        all_of(queue=DUNNING),
        queue_typed="dunning-evaluate",
        **wanted,
    )

    assert job.counts == {ItemState.DONE: 23}
    assert dead(transport) == [theirs.message_id]
    assert dead(transport, EMAILS) == [email.message_id]
    assert len(read(db, actor, list_archive, limit=100).items) == 23
    assert [row[0] for row in audited(db, actor.tenant_id)].count("dead_letter.purged") == 23


@on_both
def test_everything_is_on_record_in_the_tenant_whose_message_it_was(
    db: Database,
    transport: Faulty,
    actor: Actor,
    stranger: Actor,
    root: PlatformActor,
):
    bury(
        transport,
        dunning(actor.tenant_id, correlation_id="mine-1"),
        dunning(stranger.tenant_id, correlation_id="theirs-1"),
        nobodys(),
    )
    run_here(db, transport, root, RESUBMIT, all_of(), expected_count=3)

    assert audited(db, actor.tenant_id) == [("dead_letter.resubmitted", root.who, "mine-1")]
    assert audited(db, stranger.tenant_id) == [("dead_letter.resubmitted", root.who, "theirs-1")]
    platform = [row for row in audited(db) if row[2] not in ("mine-1", "theirs-1")]
    assert platform == [
        ("dead_letter_job.started", root.who, "root-1"),
        ("dead_letter.resubmitted", root.who, "root-1"),
    ]
    assert verify_books(db, None).findings == []


def test_what_names_a_tenant_that_does_not_exist_is_on_record_for_the_platform(
    db: Database, transport: Faulty, root: PlatformActor
):
    nowhere = new_id()
    bury(transport, dunning(nowhere))
    (key,) = keys_of(db, transport, root)

    archive_id = act_now(db, transport, root, DISCARD, key).archive_id
    assert archive_id is not None
    restore(db, transport, root, archive_id)

    assert audited(db, nowhere) == []
    told = [action for action, *_ in audited(db, PLATFORM_CHAIN)]
    assert told == ["dead_letter_job.started", "dead_letter.discarded", "dead_letter.restored"]


def test_no_two_copies_of_a_message_have_the_same_number(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    message = dunning(actor.tenant_id)
    for number in (1, 2):
        # As from a sender who sends it again long after the queue has forgotten it.
        bury(transport, message)
        (key,) = keys_of(db, transport, dana)
        item = act_now(db, transport, dana, RESUBMIT, key)
        assert item.copy_message_id == f"{message.message_id}:retry-{number}"
        take(transport)[0].complete()
        clock.pass_time(days=31)
        run(db, dana, lambda work: forget_done(work.connection, before=work.now, rows_max=9))


@on_both
def test_the_trace_of_a_message_tells_that_it_was_sent_again(
    db: Database, services: Services, actor: Actor, dana: Actor
):
    transport = services.transport

    def send(work: UnitOfWork) -> str:
        return str(work.send(EvaluateDunning()))

    message_id = run(db, actor, send)
    Relay(services).relay_batch()
    take(transport)[0].dead_letter(DeadReason.REFUSED, "no")
    (letter,) = seen_by(db, transport, dana, queue=DUNNING)
    act_now(db, transport, dana, RESUBMIT, letter.key)

    for wanted in (actor.correlation_id, message_id, f"{message_id}:retry-1"):
        told = [item for item in read(db, dana, list_trace, wanted) if item.actor == dana.who]
        assert [item.title for item in told] == ["Dead letter sent again"]
        assert told[0].detail == (
            f"Message {message_id} of dunning-evaluate as {message_id}:retry-1"
        )


@on_both
def test_jobs_are_listed_newest_first_page_by_page(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(5)))
    made = [
        start_job(db, transport, dana, DISCARD, Selected((key,)), expected_count=1).job_id
        for key in keys_of(db, transport, dana)
    ]
    first = read(db, dana, list_jobs, limit=3)
    rest = read(db, dana, list_jobs, limit=3, cursor=first.next_cursor)

    listed = [job.job_id for job in (*first.items, *rest.items)]
    assert listed == made[::-1]
    assert rest.next_cursor is None


@on_both
def test_the_same_letter_named_twice_is_one_letter(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, dunning(actor.tenant_id))
    (key,) = keys_of(db, transport, dana)

    job = run_here(db, transport, dana, RESUBMIT, Selected((key, key)), expected_count=1)

    assert job.counts == {ItemState.DONE: 1}


@on_both
def test_a_key_with_another_messages_id_names_nothing(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, dunning(actor.tenant_id))
    (key,) = keys_of(db, transport, dana)
    wrong = LetterKey(key.queue, key.sequence_number, "another")
    elsewhere = LetterKey(Queue.WEBHOOK_INGEST, key.sequence_number, key.message_id)

    for one in (wrong, elsewhere):
        with pytest.raises(NotFound) as told:
            act_now(db, transport, dana, DISCARD, one)
        assert told.value.code == "dead_letter_not_found"
    assert len(dead(transport)) == 1
