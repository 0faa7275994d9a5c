"""App and worker are killed without warning, under load, again and again: nothing is lost.

A run of 50 kills: BILLERJACKET_TEST_KILLS=50 python -m pytest tests/faults
"""

from __future__ import annotations

import os
import random
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from backend.actor import Actor
from backend.bootstrap import open_services
from backend.config import Settings
from backend.db.engine import Database, utc_now
from backend.identity.api_keys import CreateApiKey, create_api_key
from backend.messaging.contracts import Queue
from backend.messaging.transport import QueueDepth
from backend.unit_of_work import run
from backend.verification.service import verify_books
from tests.factories import actor_in, make_customer, make_draft, make_invoice, make_tenant, raw_rows
from tests.faults.load import Answered, Load
from tests.faults.processes import Service
from worker.handlers.table import HANDLERS
from worker.process import Worker

KILLS = int(os.environ.get("BILLERJACKET_TEST_KILLS", "6"))
PAYMENTS_A_ROUND = 24
LONGEST_LIFE_SECONDS = 0.5  # under load, counted from when the API answers

pytestmark = pytest.mark.faults


def drain_an_hour_later(database_file: Path) -> dict[str, QueueDepth]:
    """A worker takes up what the dead ones held and what waits for another try; what is left."""
    services = open_services(
        Settings(
            database_url=SecretStr(f"sqlite:///{database_file}"),
            secret_key=SecretStr("only-for-this-test"),
        ),
        clock=lambda: utc_now() + timedelta(hours=1),
    )
    try:
        Worker(services, HANDLERS).run_once()
        return {queue.value: services.transport.depth(queue) for queue in Queue}
    finally:
        services.close()


def kill_at_random(service: Service, load: Load, chance: random.Random) -> None:
    """One life: both run, payments come in, and at some moment one of them or both are gone."""
    service.start()
    load.ask(PAYMENTS_A_ROUND)
    time.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
    victims = chance.choice([(service.api,), (service.worker,), (service.api, service.worker)])
    for victim in victims:
        victim.kill()


def test_nothing_is_lost_or_doubled_when_app_and_worker_are_killed(
    real_db: Database, database_file: Path, service: Service
):
    actor = actor_in(make_tenant(real_db))
    invoice_ids = prepare(real_db, actor)
    api_key = run(real_db, actor, create_api_key, CreateApiKey("load")).api_key
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)  # noqa: S311 (moments to kill, not secrets)
    load = Load(service.url, actor.tenant_id, api_key, invoice_ids)
    try:
        for _ in range(KILLS):
            kill_at_random(service, load, chance)
        service.start()
    except BaseException:
        load.give_up()
        raise
    finally:
        answered = load.finish()
    service.stop()
    left = drain_an_hour_later(database_file)

    told = f"seed {seed}, {len(answered.payments)} answered, {answered.sent_again} sent again"
    assert answered.surprises == [], told
    assert len(answered.payments) + len(answered.queued) == KILLS * PAYMENTS_A_ROUND, told
    assert left == {queue.value: QueueDepth(0, 0, 0) for queue in Queue}, told
    assert raw_rows(real_db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == [(0,)], told
    assert verify_books(real_db).findings == [], told
    assert raw_rows(real_db, "PRAGMA integrity_check") == [("ok",)], told
    every_payment_is_there_once(real_db, answered)
    every_email_is_there_once(real_db, invoice_ids)


def prepare(db: Database, actor: Actor) -> list[UUID]:
    """Invoices that can take all the payments; their e-mails wait for the worker."""
    invoice_ids = []
    for number in range(8):
        customer = make_customer(db, actor, f"Customer {number}", email=f"c{number}@example.com")
        amount = f"{KILLS * PAYMENTS_A_ROUND}.00"
        invoice_ids.append(make_invoice(db, actor, customer.customer_id, amount).invoice_id)
        make_draft(db, actor, customer.customer_id)
    return invoice_ids


def every_payment_is_there_once(db: Database, answered: Answered) -> None:
    kept = raw_rows(db, "SELECT external_payment_id, id FROM payments")
    keys = [row[0] for row in kept]
    assert sorted(keys) == sorted(answered.payments.keys() | answered.queued)
    ids = {key: str(UUID(payment_id)) for key, payment_id in kept}
    assert {key: ids[key] for key in answered.payments} == answered.payments
    applied = "SELECT count(*), sum(amount) FROM ledger_postings WHERE account = 'cash_clearing'"
    assert raw_rows(db, applied) == [(len(keys), len(keys) * 100)]


def every_email_is_there_once(db: Database, invoice_ids: list[UUID]) -> None:
    counted = raw_rows(db, "SELECT type, status, count(*) FROM communications GROUP BY 1, 2")
    payments = raw_rows(db, "SELECT count(*) FROM payments")[0][0]
    assert sorted(counted) == [
        ("invoice", "sent", len(invoice_ids)),
        ("receipt", "sent", payments),
    ]
    about = raw_rows(db, "SELECT count(DISTINCT payment_id) FROM communications")
    assert about == [(payments,)]
