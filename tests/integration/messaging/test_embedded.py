"""What is particular to the queues in the database: their rows, their plans, their clock."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from backend.actor import platform_system
from backend.db.engine import Database
from backend.errors import Busy
from backend.messaging import dead_letter_table, queue_table
from backend.messaging.contracts import Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import (
    BACKOFF_SECONDS_MAX,
    DELIVERIES_MAX,
    LEASE_SECONDS,
    DeadReason,
    Delivery,
    backoff_seconds,
)
from backend.unit_of_work import UnitOfWork, run
from tests.factories import Clock, raw_rows
from tests.queues import plain_message

QUEUE = Queue.PAYMENT_COMMANDS


@pytest.fixture
def transport(db: Database) -> EmbeddedTransport:
    return EmbeddedTransport(db)


def take(transport: EmbeddedTransport, messages_max: int = 10) -> list[Delivery]:
    return list(transport.receive(QUEUE, messages_max=messages_max, wait_seconds=0))


def row_of(db: Database, message_id: str) -> tuple[Any, ...]:
    (row,) = raw_rows(
        db,
        "SELECT state, delivery_count, dead_reason, dead_description FROM queue_messages"
        " WHERE message_id = ?",
        message_id,
    )
    return row


def plan(db: Database, statement: Any) -> str:
    sql = statement.compiled_for(db.dialect).sql
    return " | ".join(
        row[3] for row in raw_rows(db, f"EXPLAIN QUERY PLAN {sql}", *[None] * sql.count("?"))
    )


def test_claiming_walks_the_index_of_waiting_messages_however_many_rows_there_are(db: Database):
    for statement in (queue_table._CLAIM, queue_table._NEXT):
        found = plan(db, statement)
        assert "INDEX ix_queue_messages__ready (queue=?" in found
        assert "SCAN" not in found.replace("SCAN CONSTANT ROW", "")
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    "statement",
    [
        queue_table._ADD,
        queue_table._COMPLETE,
        queue_table._PUT_BACK,
        queue_table._RELEASE,
        queue_table._RENEW,
        queue_table._BURY,
        *queue_table._DEPTH,
        *queue_table._DEPTH_OF_TENANT,
        queue_table._FORGET_DONE,
        queue_table._BRING_FORWARD,
        dead_letter_table._PEEK,
        dead_letter_table._HOLD,
        dead_letter_table._REMOVE,
        dead_letter_table._GIVE_BACK,
    ],
)
def test_no_statement_of_the_queue_scans_the_table(db: Database, statement: Any):
    found = plan(db, statement)

    assert "SCAN" not in found.replace("SCAN CONSTANT ROW", "")
    assert "TEMP B-TREE" not in found


def test_the_same_delivery_is_not_handed_out_when_the_clock_stands_still(
    db: Database, transport: EmbeddedTransport
):
    transport.send([plain_message("m-1")])

    assert len(take(transport)) == 1
    assert take(transport) == []


def test_the_last_problem_becomes_the_description_of_the_dead_letter(
    db: Database, transport: EmbeddedTransport
):
    transport.send([plain_message("poison")])
    for attempt in range(1, DELIVERIES_MAX + 1):
        take(transport)[0].abandon(f"KeyError: attempt {attempt}", delay_seconds=0)

    assert row_of(db, "poison") == (
        "dead",
        10,
        "max_delivery_count_exceeded",
        "KeyError: attempt 10",
    )


def test_a_message_that_kills_its_consumers_says_so_and_keeps_its_last_problem(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message("killer")])
    take(transport)[0].abandon("MemoryError: no room", delay_seconds=0)
    for _ in range(2, DELIVERIES_MAX + 1):
        assert len(take(transport)) == 1
        clock.pass_time(seconds=LEASE_SECONDS + 1)
    assert take(transport) == []

    state, _, reason, description = row_of(db, "killer")
    assert (state, reason) == ("dead", "max_delivery_count_exceeded")
    assert "never came back" in description
    assert "MemoryError: no room" in description


def test_a_description_longer_than_its_column_is_cut(db: Database, transport: EmbeddedTransport):
    transport.send([plain_message("long")])
    take(transport)[0].dead_letter(DeadReason.PROCESSING_FAILED, "é" * 5000)

    assert row_of(db, "long")[3] == "é" * 2000


def test_a_completed_message_forgets_the_problems_of_earlier_deliveries(
    db: Database, transport: EmbeddedTransport
):
    transport.send([plain_message("m-1")])
    take(transport)[0].abandon("away for a moment", delay_seconds=0)
    assert row_of(db, "m-1")[3] == "away for a moment"
    take(transport)[0].complete()

    assert row_of(db, "m-1") == ("done", 2, None, None)


def test_a_body_that_is_not_text_is_queued_for_the_dispatcher_to_judge(
    transport: EmbeddedTransport,
):
    transport.send([plain_message("bytes", body=b"\xff\x00{")])

    assert take(transport)[0].body == b"\\xff\x00{"


def test_done_messages_are_forgotten_after_their_time_in_portions(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message(f"old-{number}") for number in range(5)])
    transport.complete(take(transport))
    clock.pass_time(days=31)
    transport.send([plain_message("new"), plain_message("waiting"), plain_message("dead")])
    new, _waiting, dead = take(transport)
    new.complete()
    dead.dead_letter(DeadReason.REFUSED, "no")

    def forget(work: UnitOfWork) -> int:
        before = work.now - timedelta(days=30)
        return queue_table.forget_done(work.connection, before=before, rows_max=3)

    assert [run(db, platform_system(), forget) for _ in range(3)] == [3, 2, 0]
    assert raw_rows(db, "SELECT message_id FROM queue_messages ORDER BY message_id") == [
        ("dead",),
        ("new",),
        ("waiting",),
    ]


def test_the_backoff_grows_to_outlast_an_hour_and_stays_bounded():
    waits = [[backoff_seconds(count) for _ in range(200)] for count in range(1, DELIVERIES_MAX)]

    assert 1.5 <= min(waits[0]) < max(waits[0]) <= 2.5, "quick to recover, with jitter"
    assert all(max(earlier) < 1.3 * max(later) for earlier, later in pairwise(waits))
    assert sum(min(wait) for wait in waits) > 3600
    assert max(max(wait) for wait in waits) <= BACKOFF_SECONDS_MAX * 1.25


def test_after_the_clock_is_set_back_waiting_messages_do_not_wait_for_its_old_time(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message("leased"), plain_message("abandoned"), plain_message("waiting")])
    deliveries = take(transport, messages_max=2)
    deliveries[1].abandon("away", delay_seconds=5)
    in_two_hours = clock.now + timedelta(hours=2)
    transport.send([plain_message("scheduled", at=in_two_hours)])

    clock.pass_time(hours=-3)

    assert [one.message_id for one in take(transport)] == ["leased", "abandoned", "waiting"]
    clock.now = in_two_hours
    assert "scheduled" in [one.message_id for one in take(transport)]


def test_a_process_that_starts_after_the_clock_was_set_back_frees_them_too(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message("waiting")])
    clock.pass_time(hours=-3)

    assert [one.message_id for one in take(EmbeddedTransport(db))] == ["waiting"]


def test_a_slightly_slow_clock_takes_nobodys_lease(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message("held")])
    assert len(take(transport)) == 1

    clock.pass_time(seconds=-1)

    assert take(transport) == []


def test_a_batch_larger_than_one_write_is_sent_whole(db: Database, transport: EmbeddedTransport):
    transport.send([plain_message() for _ in range(601)])

    assert transport.depth(QUEUE).active == 601


def test_a_closed_database_is_busy_and_not_an_empty_queue(
    db: Database, transport: EmbeddedTransport
):
    transport.send([plain_message()])
    db.close()

    with pytest.raises(Busy):
        transport.send([plain_message()])
    with pytest.raises(Busy):
        take(transport)


def test_a_removed_dead_letter_is_forgotten_with_the_done_ones(
    db: Database, transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message("removed")])
    take(transport)[0].dead_letter(DeadReason.REFUSED, "no")
    with transport.hold_dead_letters(QUEUE, [1]) as held:
        held[1].remove()

    assert row_of(db, "removed") == ("done", 1, "refused", "no")
    clock.pass_time(days=31)
    run(
        db,
        platform_system("test"),
        lambda work: queue_table.forget_done(work.connection, before=work.now, rows_max=10),
    )
    assert raw_rows(db, "SELECT * FROM queue_messages") == []


def test_a_hold_from_before_the_clock_was_set_back_is_over(
    transport: EmbeddedTransport, clock: Clock
):
    transport.send([plain_message()])
    take(transport)[0].dead_letter(DeadReason.REFUSED, "no")
    with transport.hold_dead_letters(QUEUE, [1]) as held:
        assert list(held) == [1]
        clock.pass_time(hours=-3)
        with transport.hold_dead_letters(QUEUE, [1]) as again:
            assert list(again) == [1]
