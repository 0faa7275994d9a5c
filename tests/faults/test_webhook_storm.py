"""Many deliveries of fewer events, in any order and at once, while the worker is killed twice.

The full size: BILLERJACKET_TEST_DELIVERIES=1000 python -m pytest tests/faults/test_webhook_storm.py
"""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from backend.actor import Actor
from backend.db.engine import Database
from backend.messaging.transport import QueueDepth
from backend.unit_of_work import run
from backend.verification.service import verify_books
from backend.webhooks.endpoints import CreateEndpoint, NewEndpoint, create_endpoint
from backend.webhooks.secrets import SecretBox
from tests.factories import (
    actor_in,
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    raw_rows,
)
from tests.faults.processes import Service
from tests.faults.test_sudden_death import drain_an_hour_later
from tests.webhooks import (
    Json,
    as_bytes,
    charge,
    dispute,
    payment_intent,
    signed_by_stripe,
    stripe_event,
)

DELIVERIES = int(os.environ.get("BILLERJACKET_TEST_DELIVERIES", "200"))
EVENTS_OF_AN_INVOICE = 5
INVOICES = DELIVERIES * 3 // 10 // EVENTS_OF_AN_INVOICE
CLIENTS = 8
# The worker dies when so much of it is delivered.
KILLED_AT = (0.35, 0.7)
PATIENCE_SECONDS = 120.0

pytestmark = pytest.mark.faults


def events_about(number: int, invoice_number: str) -> list[Json]:
    """Of 100.00 a fifth is refunded; a dispute about 30.00 is won. First a card was declined."""
    intent = f"pi_{number}"
    declined = payment_intent(intent, 10_000, invoice_number=invoice_number)
    declined["last_payment_error"] = {"code": "card_declined", "message": "Declined."}
    paid = payment_intent(intent, 10_000, invoice_number=invoice_number)
    told = [
        ("payment_intent.payment_failed", declined),
        ("payment_intent.succeeded", paid),
        ("charge.refunded", charge(intent, 10_000, 2_000)),
        ("charge.dispute.created", dispute(intent, 3_000, "needs_response")),
        ("charge.dispute.closed", dispute(intent, 3_000, "won")),
    ]
    assert len(told) == EVENTS_OF_AN_INVOICE
    return [
        stripe_event(f"evt_{number}_{step}", event_type, subject)
        for step, (event_type, subject) in enumerate(told)
    ]


def shuffled_with_repetitions(events: list[Json], chance: random.Random) -> list[Json]:
    """Every event at least once, DELIVERIES in all, in no order."""
    deliveries = events + chance.choices(events, k=DELIVERIES - len(events))
    chance.shuffle(deliveries)
    return deliveries


class Provider:
    """A provider's clients: each sends again what was not answered, as providers do."""

    def __init__(self, url: str, endpoint: NewEndpoint, deliveries: list[Json]) -> None:
        self.answers: Counter[int] = Counter()
        self.ids: dict[str, set[str]] = {}
        self._address = f"{url}/api/webhooks/stripe/{endpoint.endpoint_token}"
        self._secret = endpoint.secret
        self._waiting: queue.SimpleQueue[Json] = queue.SimpleQueue()
        for event in deliveries:
            self._waiting.put(event)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, share: float) -> None:
        """Until so much of it is delivered."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(self.answers.values()) < share * DELIVERIES:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.01)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with httpx.Client(timeout=30) as http:
            while True:
                try:
                    event = self._waiting.get_nowait()
                except queue.Empty:
                    return
                body = as_bytes(event)
                signed = signed_by_stripe(body, self._secret, at=datetime.now(UTC))
                response = http.post(self._address, content=body, headers=signed)
                if response.status_code in (429, 503):
                    self._waiting.put(event)
                    time.sleep(int(response.headers["retry-after"]))
                    continue
                with self._lock:
                    self.answers[response.status_code] += 1
                    told = response.json().get("webhook_event_id", response.text)
                    self.ids.setdefault(event["id"], set()).add(told)


def test_every_event_is_applied_once_however_it_comes_and_whoever_dies(
    real_db: Database, database_file: Path, service: Service
):
    actor = actor_in(make_tenant(real_db))
    numbers = prepare(real_db, actor)
    box = SecretBox("only-for-this-test")
    endpoint = run(real_db, actor, create_endpoint, box, CreateEndpoint("stripe"))
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)  # noqa: S311 (an order to send in, not secrets)
    events = [e for n, number in enumerate(numbers.values()) for e in events_about(n, number)]
    service.start()
    provider = Provider(service.url, endpoint, shuffled_with_repetitions(events, chance))
    try:
        for share in KILLED_AT:
            provider.wait_for(share)
            service.worker.kill()
            service.start()
    finally:
        provider.finish()
    service.stop()
    left = drain_an_hour_later(database_file)

    told = f"seed {seed}, {dict(provider.answers)}"
    assert provider.answers == {202: len(events), 200: DELIVERIES - len(events)}, told
    assert all(len(ids) == 1 for ids in provider.ids.values()), told
    assert set(left.values()) == {QueueDepth(0, 0, 0)}, told
    assert verify_books(real_db).findings == [], told
    assert raw_rows(
        real_db, "SELECT status, count(*), sum(deliveries) FROM webhook_events GROUP BY status"
    ) == [("processed", len(events), DELIVERIES)], told
    every_event_has_its_effect_once(real_db, actor, numbers, told)


def prepare(db: Database, actor: Actor) -> dict[UUID, str]:
    """Sent invoices of 100.00: their ids and numbers."""
    customer = make_customer(db, actor)
    invoices = [make_invoice(db, actor, customer.customer_id) for _ in range(INVOICES)]
    return {one.invoice_id: str(one.invoice_number) for one in invoices}


def every_event_has_its_effect_once(
    db: Database, actor: Actor, numbers: dict[UUID, str], told: str
) -> None:
    balances = Counter(str(invoice_now(db, actor, one).balance_due) for one in numbers)
    assert balances == {"20.00": INVOICES}, told
    assert raw_rows(db, "SELECT status, count(*), sum(amount) FROM payments GROUP BY status") == [
        ("succeeded", INVOICES, INVOICES * 10_000)
    ], told
    kinds = dict(raw_rows(db, "SELECT kind, count(*) FROM ledger_entries GROUP BY kind"))
    assert kinds["payment_received"] == INVOICES, (told, kinds)
    # Each failure is kept once, whether it was told before the success or after it.
    failed = "SELECT external_payment_id FROM payment_attempts WHERE outcome = 'failed'"
    kept = Counter(raw_rows(db, failed))
    assert (len(kept), set(kept.values())) == (INVOICES, {1}), (told, kept)
    cash = "SELECT sum(amount) FROM ledger_postings WHERE account = 'cash_clearing'"
    assert raw_rows(db, cash) == [(INVOICES * 8_000,)], told
