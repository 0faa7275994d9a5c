"""Seeing dead letters: all that are one's own, none that are not, and nothing is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest

from backend.actor import Actor, PlatformActor, Role
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import Busy, InvalidInput, NotAllowed, NotFound, StateConflict
from backend.messaging.attempts import note_failed_delivery
from backend.messaging.contracts import ApplyPayment, InvoiceEmailRequested, Queue
from backend.messaging.models import DeliveryOutcome
from backend.messaging.transport import DeadReason, Outgoing
from backend.support.acting import Matching, Selected, act_now, plan_job, run_again, run_here
from backend.support.archive import list_archive, restore
from backend.support.export import export_letters
from backend.support.groups import KEPT_FOR, group_letters, note_group
from backend.support.jobs import list_jobs
from backend.support.letters import (
    NONE,
    LetterFilter,
    LetterKey,
    get_letter,
    list_letters,
    parse_queue,
)
from backend.support.models import JobKind
from backend.unit_of_work import UnitOfWork, read, run
from tests.factories import Clock, actor_in
from tests.integration.support.letters import (
    DUNNING,
    EMAILS,
    PAYMENTS,
    Faulty,
    bury,
    dead,
    dunning,
    message_of,
    nobodys,
    seen_by,
)

ANY = LetterFilter()


def email(actor: Actor) -> Outgoing:
    return message_of(actor.tenant_id, InvoiceEmailRequested(invoice_id=actor.tenant_id))


def test_looking_changes_nothing(db: Database, transport: Faulty, actor: Actor, dana: Actor):
    bury(transport, dunning(actor.tenant_id))
    before = transport.peek_dead_letters(DUNNING, after=0, messages_max=10)

    (letter,) = seen_by(db, transport, dana)
    for _ in range(3):
        get_letter(db, transport, dana, letter.queue, letter.sequence_number)
        group_letters(db, transport, dana)

    assert transport.peek_dead_letters(DUNNING, after=0, messages_max=10) == before
    assert letter.delivery_count == 1


def test_a_letter_tells_what_it_is_and_why_it_lies_there(
    db: Database,
    transport: Faulty,
    actor: Actor,
    dana: Actor,
    customer: CustomerView,
    clock: Clock,
):
    invoice_id, other_id = uuid4(), uuid4()
    command: dict[str, object] = {
        "amount": "40.00",
        "customer_id": str(customer.customer_id),
        "allocations": [{"invoice_id": str(invoice_id)}, {"invoice_id": str(other_id)}],
    }
    message = message_of(actor.tenant_id, ApplyPayment(command=command))
    bury(transport, message)

    def note(work: UnitOfWork) -> None:
        for number in (1, 2):
            note_failed_delivery(
                work.connection,
                queue=PAYMENTS,
                message_id=message.message_id,
                tenant_id=actor.tenant_id,
                delivery_count=number,
                outcome=DeliveryOutcome.PUT_BACK,
                problem=f"try {number}",
                now=work.now,
            )

    run(db, actor, note)
    (one,) = seen_by(db, transport, dana)

    detail = get_letter(db, transport, dana, PAYMENTS, one.sequence_number)

    assert detail.summary == one
    assert (one.message_type, one.tenant_name) == ("payment.apply", "Ridge Roofing")
    assert (one.reason, one.description) == (
        "refused",
        "invoice_not_open: The invoice is a draft.",
    )
    assert one.dead_at == clock.now
    assert detail.is_json
    assert detail.body_text.splitlines()[0] == "{"
    assert orjson.loads(detail.body_text) == orjson.loads(message.body)
    assert detail.problem is None
    assert [attempt.problem for attempt in detail.attempts] == ["try 1", "try 2"]
    assert detail.links == [
        ("customer", str(customer.customer_id)),
        ("invoice", str(invoice_id)),
        ("invoice", str(other_id)),
        ("correlation", "job-4711"),
    ]
    assert len(detail.digest) == 64


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"not json", "Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (b"{}", "Field required"),
    ],
)
def test_a_body_that_cannot_be_read_is_shown_as_it_is(
    db: Database, transport: Faulty, root: PlatformActor, body: bytes, problem: str
):
    bury(transport, nobodys("m-1", body), reason=DeadReason.BAD_ENVELOPE)
    (one,) = seen_by(db, transport, root)

    detail = get_letter(db, transport, root, one.queue, one.sequence_number)

    assert detail.body_text == body.decode()
    assert detail.problem is not None
    assert problem in detail.problem
    assert (one.message_type, one.tenant_id, detail.links) == (None, None, [])


def test_a_message_in_the_wrong_queue_says_so(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    wrong = dunning(actor.tenant_id)
    bury(transport, Outgoing(EMAILS, wrong.message_id, wrong.body, wrong.available_at))
    (one,) = seen_by(db, transport, dana)

    detail = get_letter(db, transport, dana, one.queue, one.sequence_number)

    assert detail.problem == "dunning.evaluate belongs into the queue dunning-evaluate"


def test_pages_follow_each_other_through_all_queues(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, root: PlatformActor
):
    sent = [email(actor), *(dunning(actor.tenant_id) for _ in range(5)), email(actor)]
    bury(transport, *sent)

    for who in (dana, root):
        for limit in (1, 2, 3, 7, 8):
            found, cursor = [], None
            while True:
                page = list_letters(db, transport, who, ANY, limit=limit, cursor=cursor)
                assert len(page.items) <= limit
                found += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
                assert len(page.items) == limit
            assert len(found) == 7
            assert {one.message_id for one in found} == {one.message_id for one in sent}
            assert found == sorted(
                found, key=lambda one: (list(Queue).index(one.queue), one.sequence_number)
            )


@pytest.mark.parametrize("cursor", ["", "x", "ZW1haWwtc2VuZC8tMQ==", "ZW1haWwtc2VuZC94", "€"])
def test_a_cursor_that_is_none_is_refused(
    db: Database, transport: Faulty, root: PlatformActor, cursor: str
):
    with pytest.raises(InvalidInput, match="cursor"):
        list_letters(db, transport, root, ANY, cursor=cursor)


def test_a_cursor_of_another_queue_is_refused(
    db: Database, transport: Faulty, actor: Actor, root: PlatformActor
):
    bury(transport, email(actor), email(actor))
    cursor = list_letters(db, transport, root, ANY, limit=1).next_cursor
    with pytest.raises(InvalidInput, match="cursor"):
        list_letters(db, transport, root, LetterFilter(queue=DUNNING), cursor=cursor)


@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_out_of_range_is_refused(
    db: Database, transport: Faulty, root: PlatformActor, limit: int
):
    with pytest.raises(InvalidInput, match="limit"):
        list_letters(db, transport, root, ANY, limit=limit)


def test_letters_are_found_by_what_is_known_of_them(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor, root: PlatformActor
):
    mine = dunning(actor.tenant_id, correlation_id="Needle-1")
    theirs = message_of(stranger.tenant_id, InvoiceEmailRequested(invoice_id=actor.tenant_id))
    bury(transport, mine, description="first problem")
    bury(transport, theirs, reason=DeadReason.PROCESSING_FAILED, description="second problem")
    bury(transport, nobodys("odd", b'"needle in a body"'), reason=DeadReason.BAD_ENVELOPE)

    def found(**narrowed: Any) -> set[str]:
        return {one.message_id for one in seen_by(db, transport, root, **narrowed)}

    m, t = mine.message_id, theirs.message_id
    assert found() == {m, t, "odd"}
    assert found(queue=DUNNING) == {m, "odd"}
    assert found(reason="processing_failed") == {t}
    assert found(reason="no such reason") == set()
    assert found(message_type="dunning.evaluate") == {m}
    assert found(message_type=NONE) == {"odd"}
    assert found(reason=NONE) == set()
    assert found(tenant_id=stranger.tenant_id) == {t}
    assert found(q="NEEDLE") == {m, "odd"}
    assert found(q="second problem") == {t}
    assert found(q=str(actor.tenant_id)) == {m, t}
    assert found(q="bad_envelope") == {"odd"}
    assert found(q=m[:-1], queue=EMAILS) == set()


def test_groups_count_by_queue_reason_and_type(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    first_at = clock.now
    bury(transport, dunning(actor.tenant_id))
    clock.pass_time(hours=1)
    bury(transport, dunning(actor.tenant_id), email(actor))
    bury(transport, dunning(actor.tenant_id), reason=DeadReason.PROCESSING_FAILED)

    found = group_letters(db, transport, dana)

    told = [(one.queue, one.reason, one.message_type, one.count) for one in found.groups]
    assert told == [
        (DUNNING, "refused", "dunning.evaluate", 2),
        (DUNNING, "processing_failed", "dunning.evaluate", 1),
        (EMAILS, "refused", "email.invoice_requested", 1),
    ]
    assert (found.groups[0].first_at, found.groups[0].last_at) == (first_at, clock.now)
    counts = {one.queue: one.count for one in found.queues}
    assert counts == {EMAILS: 1, DUNNING: 3, PAYMENTS: 0, Queue.WEBHOOK_INGEST: 0}
    assert found.queues[1].oldest_at == first_at
    assert all(one.is_exact for one in found.queues)
    assert found.is_complete


def test_counts_are_kept_for_a_moment_and_forgotten_with_every_act(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, clock: Clock
):
    bury(transport, dunning(actor.tenant_id), dunning(actor.tenant_id))

    def count() -> int:
        return sum(one.count for one in group_letters(db, transport, dana).queues)

    assert count() == 2
    peeks = transport.peeks
    bury(transport, dunning(actor.tenant_id))
    assert (count(), transport.peeks) == (2, peeks)
    clock.now += KEPT_FOR
    assert count() == 3
    act_now(db, transport, dana, JobKind.DISCARD, seen_by(db, transport, dana)[0].key)
    assert count() == 2


def test_a_note_stands_at_its_group_for_the_same_tenant(
    db: Database,
    transport: Faulty,
    actor: Actor,
    dana: Actor,
    sam: Actor,
    stranger: Actor,
    root: PlatformActor,
    clock: Clock,
):
    bury(transport, dunning(actor.tenant_id), dunning(stranger.tenant_id), nobodys())
    group = (DUNNING, "refused", "dunning.evaluate")
    run(db, dana, note_group, *group, " The plan is missing. ")
    run(db, root, note_group, DUNNING, "refused", None, "From the old importer.")

    def notes(who: Any) -> list[tuple[str | None, str | None]]:
        return [
            (one.note, one.note_by)
            for one in group_letters(db, transport, who).groups
            if one.note is not None
        ]

    assert notes(sam) == [("The plan is missing.", dana.who)]
    assert notes(stranger) == []
    assert notes(root) == [("From the old importer.", root.who)]

    clock.pass_time(minutes=1)
    run(db, sam, note_group, *group, "Mended; resubmit.")
    assert notes(dana) == [("Mended; resubmit.", sam.who)]
    run(db, sam, note_group, *group, " ")
    assert notes(dana) == []
    with pytest.raises(InvalidInput, match="note"):
        run(db, sam, note_group, *group, "x" * 2001)


def test_an_export_has_every_letter_with_its_body(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor, root: PlatformActor, dana: Actor
):
    mine = dunning(actor.tenant_id)
    bury(transport, mine, dunning(stranger.tenant_id), nobodys("odd", "grüße".encode()))

    lines = list(export_letters(db, transport, root, ANY))
    told = [orjson.loads(line) for line in lines]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert [one["tenant_id"] for one in told] == [
        str(actor.tenant_id),
        str(stranger.tenant_id),
        None,
    ]
    assert told[0]["body"] == mine.body.decode()
    assert told[2]["body"] == "grüße"
    (own,) = export_letters(db, transport, dana, ANY)
    assert orjson.loads(own)["message_id"] == mine.message_id


# What a tenant's people see.


def test_a_tenant_sees_the_letters_that_name_it_and_nothing_else(
    db: Database,
    transport: Faulty,
    actor: Actor,
    stranger: Actor,
    dana: Actor,
    root: PlatformActor,
):
    mine, theirs = dunning(actor.tenant_id), dunning(stranger.tenant_id)
    says_two_things = Outgoing(
        DUNNING, "two", theirs.body, theirs.available_at, tenant_id=actor.tenant_id
    )
    only_property = Outgoing(
        DUNNING, "property", b"broken", theirs.available_at, tenant_id=actor.tenant_id
    )
    no_uuid = nobodys("no uuid", orjson.dumps({"tenant_id": f"{actor.tenant_id}x"}))
    only_body = nobodys("body", orjson.dumps({"tenant_id": str(actor.tenant_id)}))
    bury(transport, mine, theirs, says_two_things, only_property, no_uuid, only_body, nobodys())

    assert {one.message_id for one in seen_by(db, transport, dana)} == {
        mine.message_id,
        "property",
        "body",
    }
    assert {one.message_id for one in seen_by(db, transport, stranger)} == {theirs.message_id}
    everything = {one.message_id: one.tenant_id for one in seen_by(db, transport, root)}
    assert everything == {
        mine.message_id: actor.tenant_id,
        theirs.message_id: stranger.tenant_id,
        "two": None,
        "property": actor.tenant_id,
        "no uuid": None,
        "body": actor.tenant_id,
        "m-1": None,
    }


def test_others_letters_change_nothing_that_a_tenant_sees(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor, dana: Actor, clock: Clock
):
    bury(transport, dunning(actor.tenant_id))

    def seen() -> str:
        clock.now += KEPT_FOR
        moved = str(clock.now)
        return repr(
            (
                list_letters(db, transport, dana, ANY, limit=1),
                group_letters(db, transport, dana),
                plan_job(db, transport, dana, JobKind.DISCARD, Matching(ANY)),
                list(export_letters(db, transport, dana, ANY)),
                read(db, dana, list_jobs),
                read(db, dana, list_archive),
            )
        ).replace(moved, "now")

    alone = seen()
    bury(transport, dunning(stranger.tenant_id), email(stranger), nobodys())
    act_now(db, transport, stranger, JobKind.DISCARD, seen_by(db, transport, stranger)[0].key)
    run(db, stranger, note_group, DUNNING, "refused", "dunning.evaluate", "secret")
    assert seen() == alone


def test_anothers_letter_is_like_one_that_is_not_there(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor, dana: Actor
):
    theirs = dunning(stranger.tenant_id)
    bury(transport, theirs)
    (key,) = [one.key for one in seen_by(db, transport, stranger)]
    nowhere = LetterKey(DUNNING, 4711, "nowhere")

    calls: list[Callable[[LetterKey], Any]] = [
        lambda key: get_letter(db, transport, dana, key.queue, key.sequence_number),
        lambda key: act_now(db, transport, dana, JobKind.RESUBMIT, key),
        lambda key: act_now(db, transport, dana, JobKind.RESUBMIT, key, body="{}"),
        lambda key: plan_job(db, transport, dana, JobKind.DISCARD, Selected((key,))),
        lambda key: run_here(
            db, transport, dana, JobKind.DISCARD, Selected((key, key)), expected_count=1
        ),
    ]

    def outcomes(one: LetterKey) -> list[str]:
        told = []
        for call in calls:
            try:
                told.append(repr(call(one)))
            except (NotFound, StateConflict) as error:
                told.append(repr((type(error), error.code, error.detail, error.facts)))
        return told

    assert outcomes(key) == outcomes(nowhere)
    transport.faults["hold"].append(Busy("away"))
    act_now(db, transport, stranger, JobKind.RESUBMIT, key)
    assert outcomes(key) == outcomes(nowhere), "nor is told who is at work on it"
    run_again(db, transport, stranger, read(db, stranger, list_jobs).items[0].job_id)
    assert outcomes(key) == outcomes(nowhere), "nor is told who dealt with it"
    assert read(db, dana, list_jobs).items == []


def test_a_tenants_own_filter_cannot_name_another(
    db: Database, transport: Faulty, actor: Actor, stranger: Actor, dana: Actor
):
    bury(transport, dunning(stranger.tenant_id), dunning(actor.tenant_id))

    assert seen_by(db, transport, dana, tenant_id=stranger.tenant_id) == []


ACTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "list": lambda db, transport, who: list_letters(db, transport, who, ANY),
    "get": lambda db, transport, who: get_letter(db, transport, who, DUNNING, 1),
    "groups": group_letters,
    "plan": lambda db, transport, who: plan_job(
        db, transport, who, JobKind.RESUBMIT, Matching(ANY)
    ),
    "act": lambda db, transport, who: act_now(
        db, transport, who, JobKind.RESUBMIT, LetterKey(DUNNING, 1, "x")
    ),
    "export": lambda db, transport, who: list(export_letters(db, transport, who, ANY)),
    "restore": lambda db, transport, who: restore(db, transport, who, uuid4()),
    "jobs": lambda db, transport, who: read(db, who, list_jobs),
    "archive": lambda db, transport, who: read(db, who, list_archive),
    "note": lambda db, transport, who: run(db, who, note_group, DUNNING, "a", "b", "c"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_only_support_admins_and_superadmins_see_dead_letters(
    db: Database, transport: Faulty, actor: Actor, root: PlatformActor, act: Any
):
    for role in (Role.SUPPORT, Role.ADMIN, None):
        who = root if role is None else actor_in(actor.tenant_id, role)
        try:
            act(db, transport, who)
        except NotAllowed:
            pytest.fail(f"{role} may")
        except NotFound:
            pass
    refused: list[Any] = [
        actor_in(actor.tenant_id, Role.FINANCE),
        # Nobody reaches across tenants by being called a platform actor.
        PlatformActor("sam", "c", role=Role.SUPPORT),
        PlatformActor("ann", "c", role=Role.ADMIN),
        PlatformActor("fin", "c", role=Role.FINANCE),
    ]
    for who in refused:
        with pytest.raises(NotAllowed):
            act(db, transport, who)


def test_only_admins_and_superadmins_purge(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, root: PlatformActor
):
    bury(transport, dunning(actor.tenant_id), nobodys())
    scope = Matching(LetterFilter(queue=DUNNING))

    def purge(who: Any, count: int) -> None:
        run_here(
            db,
            transport,
            who,
            JobKind.PURGE,
            scope,
            expected_count=count,
            queue_typed="dunning-evaluate",
        )

    with pytest.raises(NotAllowed):
        plan_job(db, transport, dana, JobKind.PURGE, scope)
    with pytest.raises(NotAllowed):
        purge(dana, 1)
    assert len(dead(transport)) == 2
    purge(actor, 1)
    assert dead(transport) == ["m-1"], "what names no tenant is not the tenant's to purge"
    purge(root, 1)
    assert dead(transport) == []


def test_a_queue_is_called_by_its_name():
    assert parse_queue("email-send") is EMAILS
    with pytest.raises(InvalidInput, match="email-send, dunning-evaluate"):
        parse_queue("emails")


def test_a_page_asks_the_queue_for_no_more_than_it_shows(
    db: Database, transport: Faulty, actor: Actor, root: PlatformActor
):
    asked: list[tuple[int, int]] = []

    class Watched(Faulty):
        def peek_dead_letters(self, queue: Queue, *, after: int, messages_max: int) -> Any:
            found = super().peek_dead_letters(queue, after=after, messages_max=messages_max)
            asked.append((messages_max, len(found)))
            return found

    bury(transport, *(dunning(actor.tenant_id) for _ in range(300)))
    page = list_letters(db, Watched(transport.inner), root, LetterFilter(queue=DUNNING), limit=50)

    assert len(page.items) == 50
    assert asked == [(51, 51)]
