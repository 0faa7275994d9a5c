"""Taking a provider's signed deliveries, against a bare FastAPI route that stores the same row."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from stripe import WebhookSignature

from backend.db.engine import Database
from backend.unit_of_work import run
from backend.webhooks.endpoints import CreateEndpoint, NewEndpoint, create_endpoint
from backend.webhooks.secrets import SecretBox
from bench.api import Race, throughput
from bench.books import Books, make_books
from bench.load import Request
from bench.measure import Line
from bench.servers import SECRET_KEY, serving

DELIVERIES, BASELINE_DELIVERIES = 2000, 800
# Each takes so many deliveries in a row before it asks for patience.
ENDPOINTS = 12

_numbers = itertools.count(1)


def run_webhooks(directory: Path, *, quick: bool) -> Iterator[Line]:
    """Deliveries verified, stored once and queued, with 1, 8 and 32 clients."""
    books = make_books(directory / "books.db")
    endpoints = _make_endpoints(books)
    rounds, share = (2, 2) if quick else (5, 1)
    os.environ["BENCH_TENANT"] = str(books.tenant_id)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(
            serving("backend", "api", "--host", "127.0.0.1", database=_copy(books, "ours"))
        )
        theirs = stack.enter_context(serving("bench.baseline", database=_copy(books, "baseline")))
        race = Race(ours, theirs, rounds)

        def signed(count: int) -> list[Request]:
            return [_signed(endpoints[n % ENDPOINTS], n) for n in itertools.islice(_numbers, count)]

        race.warm_up(signed, baseline_requests=_bare, status=202)
        for clients in (1, 8, 32):
            fewer = 4 if clients == 1 else 1
            counts = (DELIVERIES // share // fewer, BASELINE_DELIVERIES // share // fewer)
            mine, other = race.run(
                signed, counts, clients=clients, status=202, baseline_requests=_bare
            )
            name = f"POST /api/webhooks/stripe/…, {clients} clients"
            yield throughput(name, mine, other, bound=0.5)


def _make_endpoints(books: Books) -> list[NewEndpoint]:
    db = Database(f"sqlite:///{books.path}")
    try:
        box, command = SecretBox(SECRET_KEY), CreateEndpoint("stripe")
        actor = books.actor()
        return [run(db, actor, create_endpoint, box, command) for _ in range(ENDPOINTS)]
    finally:
        db.close()


def _copy(books: Books, name: str) -> Path:
    return Path(shutil.copy(books.path, books.path.with_name(f"{name}.db")))


def _event(number: int) -> dict[str, object]:
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "data": {
            "object": {
                "id": f"pi_{number}",
                "object": "payment_intent",
                "amount_received": 5000 + number % 90,
                "currency": "usd",
                "metadata": {"invoice_number": f"INV-{number % 400 + 1:06d}"},
                "description": "Payment for the work of last month, thank you. " * 10,
            }
        },
    }


def _signed(endpoint: NewEndpoint, number: int) -> Request:
    event = _event(number)
    header = WebhookSignature.generate_signature_header(json.dumps(event), endpoint.secret)
    path = f"/api/webhooks/stripe/{endpoint.endpoint_token}"
    return Request.of("POST", path, {"stripe-signature": header}, event)


def _bare(count: int) -> list[Request]:
    return [
        Request.of("POST", "/bare/webhooks", {"x-event-id": f"evt_{number}"}, _event(number))
        for number in itertools.islice(_numbers, count)
    ]
