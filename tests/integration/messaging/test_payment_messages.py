"""payment.apply: money accepted for later is recorded exactly once, or refused with its attempt."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.bootstrap import Services
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.ids import new_id
from backend.invoices.service import void_invoice
from backend.messaging.contracts import ApplyPayment, Queue
from backend.messaging.transport import LEASE_SECONDS, Outgoing, QueueDepth
from backend.unit_of_work import run
from tests.factories import (
    Clock,
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    raw_rows,
)
from tests.queues import EPOCH, another_process, real_message, services_on
from worker.dispatch import dispatch
from worker.handlers.table import HANDLERS
from worker.process import Worker

QUEUE = Queue.PAYMENT_COMMANDS


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


@pytest.fixture
def customer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor)


def apply(tenant_id: UUID, *, message_id: UUID | None = None, **command: Any) -> Outgoing:
    command = {name: str(value) for name, value in command.items()}
    return real_message(tenant_id, ApplyPayment(command=command), message_id=message_id)


def work_off(services: Services, *messages: Outgoing) -> None:
    services.transport.send(messages)
    Worker(services, HANDLERS).run_once()


def payments(db: Database) -> list[tuple[Any, ...]]:
    return raw_rows(db, "SELECT amount, received_on, correlation_id FROM payments ORDER BY row_id")


def attempts(db: Database) -> list[tuple[Any, ...]]:
    return raw_rows(db, "SELECT outcome, failure_code FROM payment_attempts ORDER BY row_id")


def dead_letters(db: Database) -> list[tuple[Any, ...]]:
    return raw_rows(
        db, "SELECT dead_reason, dead_description FROM queue_messages WHERE state = 'dead'"
    )


def test_a_queued_payment_is_recorded(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")

    work_off(services, apply(actor.tenant_id, amount="40.00", invoice_id=invoice.invoice_id))

    assert payments(db) == [(4000, "2026-03-04", "job-4711")]
    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "60.00"
    assert dead_letters(db) == []


def test_duplicates_in_any_order_leave_the_same_state_as_one_of_each(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    invoices = [make_invoice(db, actor, customer.customer_id, "100.00") for _ in range(4)]
    originals = [
        apply(actor.tenant_id, amount=f"{10 + number}.00", invoice_id=invoice.invoice_id)
        for invoice in invoices
        for number in range(3)
    ]
    # A broker may deliver a message under several of its own ids; the envelope's stays.
    copies = [
        Outgoing(one.queue, f"{one.message_id}-{copy}", one.body, EPOCH)
        for one in originals
        for copy in range(3)
    ]
    random.Random(11).shuffle(copies)  # noqa: S311

    work_off(services, *copies)

    assert sorted(amount for amount, *_ in payments(db)) == sorted([1000, 1100, 1200] * 4)
    for invoice in invoices:
        assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "67.00"
    assert services.transport.depth(QUEUE).dead == 0


def test_a_crash_between_the_payment_and_the_completion_pays_once(
    db: Database, services: Services, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    services.transport.send([apply(actor.tenant_id, amount="40.00", invoice_id=invoice.invoice_id)])
    (delivery,) = services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)
    assert dispatch(services, HANDLERS, delivery), "handled, and then the process is gone"

    clock.pass_time(seconds=LEASE_SECONDS + 1)
    with another_process(db) as others:
        Worker(others, HANDLERS).run_once()

    assert len(payments(db)) == 1
    assert services.transport.depth(QUEUE) == QueueDepth(active=0, scheduled=0, dead=0)


def test_a_refused_payment_keeps_its_attempt_and_is_set_aside_with_the_reason(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")

    work_off(services, apply(actor.tenant_id, amount="100.01", invoice_id=invoice.invoice_id))

    assert payments(db) == []
    assert attempts(db) == [("failed", "overpayment")]
    ((reason, description),) = dead_letters(db)
    assert reason == "refused"
    assert description.startswith("overpayment: ")


def test_a_refusal_repeated_by_a_crash_is_the_same_refusal_with_one_attempt(
    db: Database, services: Services, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    run(db, actor, void_invoice, invoice.invoice_id, "typed twice")
    message = apply(actor.tenant_id, amount="1.00", invoice_id=invoice.invoice_id)

    work_off(services, message)
    work_off(services, Outgoing(message.queue, "the same again", message.body, EPOCH))

    assert attempts(db) == [("failed", "invoice_not_open")]
    first, second = dead_letters(db)
    assert first == second


def test_a_command_that_makes_no_sense_is_set_aside_without_an_attempt(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    work_off(
        services,
        apply(actor.tenant_id, amount="1.00", invoice_id="the last one"),
        apply(actor.tenant_id, amount="1.00", customer_id=new_id()),
    )

    assert attempts(db) == []
    assert sorted(reason for reason, _ in dead_letters(db)) == ["bad_envelope", "refused"]


def test_another_tenants_invoice_is_not_found(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    foreign = make_tenant(db, "Elsewhere Electric")

    work_off(services, apply(foreign, amount="10.00", invoice_id=invoice.invoice_id))

    assert payments(db) == []
    ((reason, description),) = dead_letters(db)
    assert (reason, "invoice_id" in description) == ("refused", True)


def test_a_payment_without_a_date_is_received_on_the_day_it_was_accepted(
    db: Database, services: Services, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    message = apply(actor.tenant_id, amount="40.00", invoice_id=invoice.invoice_id)

    clock.pass_time(days=2)
    work_off(services, message)

    assert payments(db)[0][1] == "2026-03-04"


def test_amounts_and_dates_come_through_the_queue_exactly(
    db: Database, services: Services, actor: Actor, customer: CustomerView
):
    command = ApplyPayment(
        command={
            "amount": 12.5,
            "customer_id": str(customer.customer_id),
            "allocations": [],
            "received_on": "2026-03-01",
            "keep_excess_as_credit": True,
        }
    )

    work_off(services, real_message(actor.tenant_id, command))

    assert [row[:2] for row in payments(db)] == [(1250, "2026-03-01")]
