"""Every delivery that fails is noted for people, and the note never stands in the way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from backend import errors
from backend.actor import platform_system
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.messaging.attempts import (
    SHOWN_MAX,
    FailedDelivery,
    list_failed_deliveries,
    note_failed_delivery,
)
from backend.messaging.contracts import EvaluateDunning, Queue
from backend.messaging.models import DeliveryOutcome
from backend.messaging.transport import DELIVERIES_MAX, DESCRIPTION_LENGTH_MAX, Outgoing
from backend.unit_of_work import Reader, UnitOfWork, read, run
from tests.factories import Clock, make_tenant, raw_count, raw_rows
from tests.queues import EPOCH, real_message, services_on
from worker.dispatch import Handlers, dispatch
from worker.scheduler import FAILED_DELIVERIES_KEPT, Scheduler

QUEUE = Queue.DUNNING_EVALUATE


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


def failing(error: Exception) -> Handlers:
    def handle(*_: Any) -> None:
        raise error

    return {EvaluateDunning: handle}


def deliver_once(services: Services, handlers: Handlers) -> bool:
    (delivery,) = services.transport.receive(QUEUE, messages_max=10, wait_seconds=0)
    done = dispatch(services, handlers, delivery)
    if done:
        delivery.complete()
    return done


def failures(
    db: Database, message_id: str, *, tenant_id: UUID | None = None, queue: Queue = QUEUE
) -> Sequence[FailedDelivery]:
    def query(reader: Reader) -> Sequence[FailedDelivery]:
        return list_failed_deliveries(reader.connection, queue, message_id, tenant_id=tenant_id)

    return read(db, platform_system("test"), query)


def note(db: Database, message_id: str = "m-1", **changed: Any) -> None:
    values: dict[str, Any] = {
        "queue": QUEUE,
        "message_id": message_id,
        "tenant_id": None,
        "delivery_count": 1,
        "outcome": DeliveryOutcome.PUT_BACK,
        "problem": "no route",
    } | changed

    def use_case(work: UnitOfWork) -> None:
        note_failed_delivery(work.connection, now=work.now, **values)

    run(db, platform_system("test"), use_case)


def test_each_failed_delivery_is_noted_with_its_problem_and_what_became_of_it(
    db: Database, services: Services, tenant_id: UUID, clock: Clock
):
    message = real_message(tenant_id)
    services.transport.send([message])
    began = clock.now

    deliver_once(services, failing(errors.Busy("The database is locked.")))
    clock.pass_time(minutes=5)
    deliver_once(services, failing(errors.StateConflict("It is void.", code="invoice_not_open")))

    assert failures(db, message.message_id) == [
        FailedDelivery(
            message.message_id,
            1,
            began,
            DeliveryOutcome.PUT_BACK,
            "temporarily_unavailable: The database is locked.",
        ),
        FailedDelivery(
            message.message_id,
            2,
            began + timedelta(minutes=5),
            DeliveryOutcome.DEAD_LETTERED,
            "invoice_not_open: It is void.",
        ),
    ]
    assert failures(db, message.message_id, queue=Queue.EMAIL_SEND) == []


def test_the_last_delivery_of_all_is_noted_as_the_one_that_set_it_aside(
    db: Database, services: Services, tenant_id: UUID, clock: Clock
):
    message = real_message(tenant_id)
    services.transport.send([message])

    for _ in range(DELIVERIES_MAX):
        deliver_once(services, failing(KeyError("a bug")))
        clock.pass_time(hours=2)

    noted = failures(db, message.message_id)
    assert [one.delivery_count for one in noted] == list(range(1, DELIVERIES_MAX + 1))
    assert {one.outcome for one in noted[:-1]} == {DeliveryOutcome.PUT_BACK}
    assert noted[-1].outcome is DeliveryOutcome.DEAD_LETTERED
    assert raw_rows(db, "SELECT state FROM queue_messages") == [("dead",)]


def test_a_delivery_that_succeeds_leaves_no_note(db: Database, services: Services, tenant_id: UUID):
    services.transport.send([real_message(tenant_id)])

    assert deliver_once(services, {EvaluateDunning: lambda *_: None})

    assert raw_count(db, "delivery_failures") == 0


def test_a_tenant_sees_what_was_noted_as_its_own_and_nothing_else(db: Database, tenant_id: UUID):
    other = make_tenant(db, "Northwind Heating")
    note(db, tenant_id=tenant_id, problem="mine")
    note(db, tenant_id=other, problem="secret of another")
    note(db, tenant_id=None, problem="whose, nobody knows")

    assert [one.problem for one in failures(db, "m-1", tenant_id=tenant_id)] == ["mine"]
    assert [one.problem for one in failures(db, "m-1", tenant_id=other)] == ["secret of another"]
    assert len(failures(db, "m-1")) == 3


@pytest.mark.parametrize(
    ("body", "is_known"),
    [
        (b"not json", False),
        (b'{"tenant_id": "nobody"}', False),
        (b'["tenant_id"]', False),
        (b'{"tenant_id": "%s", "message_type": 7}', True),
    ],
)
def test_the_tenant_is_noted_when_the_body_names_one(
    db: Database, services: Services, tenant_id: UUID, body: bytes, is_known: bool
):
    named = body.replace(b"%s", str(tenant_id).encode())
    services.transport.send([Outgoing(QUEUE, "m-1", named, EPOCH)])

    deliver_once(services, {})

    assert len(failures(db, "m-1")) == 1
    assert len(failures(db, "m-1", tenant_id=tenant_id)) == is_known


def test_the_copies_of_a_message_share_one_history(db: Database):
    for message_id in ("m-1", "m-1:retry-1", "m-2", "m-1:retry-2"):
        note(db, message_id)

    expected = ["m-1", "m-1:retry-1", "m-1:retry-2"]
    assert [one.message_id for one in failures(db, "m-1")] == expected
    assert [one.message_id for one in failures(db, "m-1:retry-2")] == expected


def test_of_very_many_failures_the_newest_are_shown(db: Database):
    for number in range(SHOWN_MAX + 5):
        note(db, delivery_count=number)

    shown = [one.delivery_count for one in failures(db, "m-1")]
    assert shown == list(range(5, SHOWN_MAX + 5))


def test_a_note_is_bounded_and_holds_no_secret(db: Database, services: Services, tenant_id: UUID):
    message = real_message(tenant_id)
    services.transport.send([message])
    long = "smtp://bob:hunter2@mail.example " + "x" * 3000

    deliver_once(services, failing(ConnectionError(long)))

    (noted,) = failures(db, message.message_id)
    assert len(noted.problem) == DESCRIPTION_LENGTH_MAX
    assert "hunter2" not in noted.problem


def test_a_note_that_cannot_be_written_is_in_nobodys_way(
    db: Database, services: Services, tenant_id: UUID, clock: Clock
):
    message = real_message(tenant_id)
    services.transport.send([message])
    run(
        db,
        platform_system("test"),
        lambda work: work.connection.control("ALTER TABLE delivery_failures RENAME TO elsewhere"),
    )

    assert not deliver_once(services, failing(errors.Busy("away")))

    assert raw_rows(db, "SELECT state, dead_description FROM queue_messages") == [
        ("ready", "temporarily_unavailable: away")
    ]
    clock.pass_time(minutes=1)
    assert deliver_once(services, {EvaluateDunning: lambda *_: None})


def test_old_notes_are_forgotten(db: Database, services: Services, clock: Clock):
    for number in range(3):
        note(db, f"old-{number}")
    clock.pass_time(days=1)
    note(db, "new")
    clock.now += FAILED_DELIVERIES_KEPT - timedelta(hours=12)

    Scheduler(services, threading.Event()).clean_up()

    assert raw_rows(db, "SELECT message_id FROM delivery_failures") == [("new",)]
