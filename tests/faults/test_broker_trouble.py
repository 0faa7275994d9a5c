"""Service Bus misbehaves in every way at once while the worker is killed: nothing is lost.

The full run: BILLERJACKET_TEST_MESSAGES=2000 BILLERJACKET_TEST_OUTAGE=20 BILLERJACKET_TEST_KILLS=30
python -m pytest tests/faults/test_broker_trouble.py
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.db.engine import Database
from backend.messaging.contracts import ApplyPayment, Queue
from backend.unit_of_work import UnitOfWork, run
from backend.verification.service import verify_books
from tests.emulator import Counts, Emulator
from tests.factories import actor_in, make_customer, make_invoice, make_tenant, raw_rows
from tests.faults.processes import Program

# Each payment is one message, and so is its receipt.
PAYMENTS = int(os.environ.get("BILLERJACKET_TEST_MESSAGES", "400")) // 2
OUTAGE_SECONDS = float(os.environ.get("BILLERJACKET_TEST_OUTAGE", "4"))
KILLS = int(os.environ.get("BILLERJACKET_TEST_KILLS", "6")) // 2 * 2
FAILING = 0.05  # of all deliveries
# Short, so that a killed worker's messages are back while the run lasts.
LOCK_SECONDS = 8.0
# For the last message, after the last trouble; back-off included, on a busy machine.
DONE_SECONDS_MAX = 150.0

pytestmark = pytest.mark.faults


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Without duplicate detection: what is sent twice is there twice."""
    with Emulator(lock_seconds=LOCK_SECONDS) as emulator:
        yield emulator


@pytest.fixture
def unsteady(database_file: Path, emulator: Emulator) -> Iterator[Program]:
    program = Program(
        "worker",
        database_file.parent,
        "tests.faults.unsteady_worker",
        str(FAILING),
        BILLERJACKET_SERVICEBUS_CONNECTION_STRING=emulator.connection_string,
    )
    yield program
    program.stop()


def troubles(emulator: Emulator) -> list[Callable[[], None]]:
    """What may happen at any moment."""
    faults = emulator.faults
    return [
        faults.drop_connections,
        lambda: faults.drop_after(random.randint(1, 200)),  # noqa: S311
        lambda: faults.lose_send_answers(1),
        lambda: faults.lose_settle_answers(3),
        lambda: faults.busy(5),
        lambda: faults.refuse_links(times=1),
    ]


@pytest.mark.parametrize("kills", [0, KILLS], ids=["worker lives", "worker is killed"])
def test_every_message_has_its_effect_once(
    real_db: Database, emulator: Emulator, unsteady: Program, kills: int
):
    actor = actor_in(make_tenant(real_db))
    invoice_ids = make_invoices(real_db, actor)
    chance = random.Random(kills)  # noqa: S311
    unsteady.start()

    steps = kills or 20
    for step in range(steps):
        queue_payments(
            real_db,
            actor,
            invoice_ids,
            first=PAYMENTS * step // steps,
            end=PAYMENTS * (step + 1) // steps,
        )
        chance.choice(troubles(emulator))()
        if step == steps // 2:
            emulator.faults.outage(OUTAGE_SECONDS)
        time.sleep(chance.uniform(0.1, 0.6) if not kills else chance.uniform(0.5, 3.0))
        if step < kills:
            unsteady.kill()
            unsteady.start()

    emulator.faults.clear()
    wait_until_done(real_db, emulator, unsteady)
    unsteady.stop()

    assert {queue: emulator.counts(queue) for queue in Queue} == dict.fromkeys(Queue, Counts())
    assert verify_books(real_db).findings == []
    every_effect_is_there_once(real_db)


def make_invoices(db: Database, actor: Actor) -> list[UUID]:
    """Large enough to take all the payments."""
    ids = []
    for number in range(8):
        customer = make_customer(db, actor, f"Customer {number}", email=f"c{number}@example.com")
        ids.append(make_invoice(db, actor, customer.customer_id, "10000.00").invoice_id)
    return ids


def queue_payments(
    db: Database, actor: Actor, invoice_ids: list[UUID], *, first: int, end: int
) -> None:
    """As the API does when a caller would rather not wait."""

    def queue(work: UnitOfWork) -> None:
        for number in range(first, end):
            command: dict[str, object] = {
                "amount": "1.00",
                "invoice_id": str(invoice_ids[number % len(invoice_ids)]),
                "note": f"payment {number}",
            }
            work.send(ApplyPayment(command=command))

    run(db, actor, queue)


def wait_until_done(db: Database, emulator: Emulator, worker: Program) -> None:
    """Until every message that was written was handled; locks of the dead end with time."""
    deadline = time.monotonic() + DONE_SECONDS_MAX
    while time.monotonic() < deadline:
        assert worker.is_running(), worker.log.read_text()[-4000:]
        unsent = raw_rows(db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL")[0][0]
        if not unsent and all(emulator.counts(queue) == Counts() for queue in Queue):
            return
        time.sleep(0.2)
    left = {queue.value: emulator.counts(queue) for queue in Queue}
    pytest.fail(f"{left}\n{worker.log.read_text()[-4000:]}")


def every_effect_is_there_once(db: Database) -> None:
    """The payments carry no external id: only the message's own id keeps them from doubling."""
    notes = [row[0] for row in raw_rows(db, "SELECT note FROM payments")]
    assert sorted(notes) == sorted(f"payment {number}" for number in range(PAYMENTS))
    applied = "SELECT sum(amount) FROM ledger_postings WHERE account = 'cash_clearing'"
    assert raw_rows(db, applied) == [(PAYMENTS * 100,)]
    emails = "SELECT type, status, count(*), count(DISTINCT payment_id) FROM communications"
    assert sorted(raw_rows(db, f"{emails} GROUP BY 1, 2")) == [
        ("invoice", "sent", 8, 0),
        ("receipt", "sent", PAYMENTS, PAYMENTS),
    ]
