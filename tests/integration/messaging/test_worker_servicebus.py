"""The worker on Service Bus: the same parts, another transport, and still gone in ten seconds."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.ids import new_id
from backend.messaging.contracts import Queue, WebhookReceived
from backend.unit_of_work import UnitOfWork, run
from tests.contract.transports import brisk, make_sdk_hasty, transport_of, wait_for
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT, sdk_may_leave_sockets
from tests.factories import make_customer, make_tenant, raw_count, raw_rows
from tests.integration.messaging.test_worker_process import start_worker
from tests.queues import in_background, queue_payments, services_on
from worker.handlers.table import HANDLERS
from worker.process import Worker

STOP_SECONDS_MAX = 10.0

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    yield
    with sdk_may_leave_sockets():
        pass


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def services(
    db: Database, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    make_sdk_hasty(monkeypatch)
    transport = transport_of(emulator, replace(brisk(emulator), look=0.5))
    yield replace(services_on(db), transport=transport)
    transport.close()


def queue_a_customers(db: Database, actor: Actor, count: int) -> None:
    customer = make_customer(db, actor, email="dental@example.com")
    queue_payments(db, actor, customer.customer_id, count)


def test_once_relays_and_handles_everything_that_is_due_even_what_handlers_send(
    db: Database, services: Services, actor: Actor, emulator: Emulator
):
    queue_a_customers(db, actor, 40)

    taken = Worker(services, HANDLERS).run_once()

    assert taken == 80, "each payment has its receipt sent"
    assert raw_rows(db, "SELECT count(*), sum(amount) FROM payments") == [(40, 82_000)]
    assert {queue: emulator.counts(queue) for queue in Queue} == dict.fromkeys(Queue, Counts())
    assert Worker(services, HANDLERS).run_once() == 0


def test_a_message_that_comes_twice_has_its_effect_once(
    db: Database, services: Services, actor: Actor, emulator: Emulator
):
    queue_a_customers(db, actor, 3)
    emulator.faults.lose_send_answers(1)
    emulator.faults.lose_settle_answers(2)

    Worker(services, HANDLERS).run_once()

    assert raw_count(db, "payments") == 3
    assert emulator.counts(Queue.PAYMENT_COMMANDS) == Counts()


def test_a_stop_with_fifty_in_hand_gives_back_what_was_not_begun(
    db: Database, services: Services, tenant_id: UUID, emulator: Emulator
):
    actor = Actor.system(tenant_id, "fifty")
    begun = threading.Event()

    def use_case(work: UnitOfWork) -> None:
        for _ in range(50):
            work.send(WebhookReceived(webhook_event_id=new_id()))

    def handle(*_: Any) -> None:
        begun.set()
        assert worker.stop.wait(20)

    run(db, actor, use_case)
    worker = Worker(services, {WebhookReceived: handle})
    with in_background(worker.run, worker.stop):
        assert begun.wait(20)
        wait_for(lambda: emulator.counts(Queue.WEBHOOK_INGEST).locked == 50)

    assert emulator.counts(Queue.WEBHOOK_INGEST) == Counts(ready=49)
    assert {one.delivery_count for one in emulator.messages(Queue.WEBHOOK_INGEST)} == {0}


@contextmanager
def worker_on(emulator: Emulator, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A worker's process; its log is worker.log."""
    setting = f"BILLERJACKET_SERVICEBUS_CONNECTION_STRING={emulator.connection_string}\n"
    (folder / ".env").write_text(setting)
    process = start_worker(folder, *options, output=folder / "worker.log")
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_the_process_drains_once_and_exits(real_db: Database, emulator: Emulator, tmp_path: Path):
    queue_a_customers(real_db, Actor.system(make_tenant(real_db), "once"), 5)

    with worker_on(emulator, tmp_path, "--once") as process:
        process.wait(90)

    log = (tmp_path / "worker.log").read_text()
    assert process.returncode == 0, log
    assert raw_count(real_db, "payments") == 5
    assert {queue: emulator.counts(queue) for queue in Queue} == dict.fromkeys(Queue, Counts())
    assert "emulator;" not in log, "the key"


@pytest.mark.parametrize("trouble", ["none", "refuses connections", "does not answer"])
def test_a_signal_ends_the_process_in_time_whatever_the_broker_does(
    real_db: Database,
    emulator: Emulator,
    tmp_path: Path,
    trouble: str,
):
    if trouble == "does not answer":
        emulator.faults.delay_links(120, times=None)
    elif trouble == "refuses connections":
        emulator.faults.outage()
    queue_a_customers(real_db, Actor.system(make_tenant(real_db), "stop"), 1)

    with worker_on(emulator, tmp_path) as process:
        log = tmp_path / "worker.log"
        wait_for(lambda: "worker.started" in log.read_text())
        if trouble == "none":
            wait_for(lambda: raw_count(real_db, "payments") == 1)
        else:
            time.sleep(1.5)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        took = time.monotonic() - started

    assert took < STOP_SECONDS_MAX
    text = log.read_text()
    assert "Traceback" not in text
    assert "worker.stopped" in text
    if trouble == "none":
        assert process.returncode == 0
