"""The HTTP API against the straightforward baseline: same server, same load, same writes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.books import LINES, Books, make_books
from bench.load import Load, Request, put_load
from bench.measure import Line, Target, median
from bench.servers import serving

# How many requests one round sends; the baseline is slower, and a round should last as long.
PAYMENTS, BASELINE_PAYMENTS = 1500, 250
INVOICES, BASELINE_INVOICES = 1000, 250
READS = 2000

_numbers = itertools.count(1)


def run_api(directory: Path, *, quick: bool) -> Iterator[Line]:
    """Payments with 8 and 32 clients, invoices with 5 lines, one invoice read."""
    books = make_books(directory / "books.db")
    rounds, share = (2, 3) if quick else (5, 1)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(
            serving("backend", "api", "--host", "127.0.0.1", database=_copy(books, "ours"))
        )
        os.environ["BENCH_INVOICE"] = _read(ours, f"/api/invoices/{books.invoices[0]}", books)
        theirs = stack.enter_context(serving("bench.baseline", database=_copy(books, "baseline")))
        race = Race(ours, theirs, rounds)
        payments = (PAYMENTS // share, BASELINE_PAYMENTS // share)
        race.warm_up(lambda n: _payments(books, n))
        for clients in (8, 32):
            mine, other = race.run(lambda n: _payments(books, n), payments, clients=clients)
            name = f"POST /api/payments, {clients} clients"
            yield throughput(name, mine, other, bound=3)
            yield _tail(name, mine, other)
        race.warm_up(lambda n: _invoices(books, n))
        invoices = (INVOICES // share, BASELINE_INVOICES // share)
        mine, other = race.run(lambda n: _invoices(books, n), invoices, clients=8)
        yield throughput(f"POST /api/invoices, {LINES} lines, 8 clients", mine, other, bound=2)
        yield _reading(books, race, READS // share)


def _copy(books: Books, name: str) -> Path:
    return Path(shutil.copy(books.path, books.path.with_name(f"{name}.db")))


class Race:
    """Ours and the baseline take turns, the one that goes first changing."""

    def __init__(self, ours: int, theirs: int, rounds: int) -> None:
        self._ports = (ours, theirs)
        self._rounds = rounds

    def warm_up(
        self,
        requests: Callable[[int], list[Request]],
        *,
        status: int = 201,
        baseline_requests: Callable[[int], list[Request]] | None = None,
    ) -> None:
        """Let both do everything once before it counts."""
        for port, make in zip(self._ports, (requests, baseline_requests or requests), strict=True):
            put_load(port, make(40), clients=8, status=status)

    def run(
        self,
        requests: Callable[[int], list[Request]],
        counts: tuple[int, int],
        *,
        clients: int,
        status: int = 201,
        baseline_requests: Callable[[int], list[Request]] | None = None,
    ) -> tuple[list[Load], list[Load]]:
        """The loads of all rounds, ours and the baseline's."""
        makers = (requests, baseline_requests or requests)
        loads: tuple[list[Load], list[Load]] = ([], [])
        for number in range(self._rounds):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                prepared = makers[side](counts[side])
                load = put_load(self._ports[side], prepared, clients=clients, status=status)
                loads[side].append(load)
        return loads


def _payments(books: Books, count: int) -> list[Request]:
    """Payments of one cent and more on invoices that stay open, each with a key of its own."""
    return [
        Request.of(
            "POST",
            "/api/payments",
            books.headers | {"idempotency-key": f"payment-{number}"},
            {
                "amount": f"{number % 90 + 10}.{number % 100:02d}",
                "invoice_id": str(books.invoices[number % len(books.invoices)]),
                "note": f"Check {number}",
            },
        )
        for number in itertools.islice(_numbers, count)
    ]


def _invoices(books: Books, count: int) -> list[Request]:
    lines = [
        {
            "description": f"Tear-off and re-roof, section {line + 1}",
            "quantity": "24.5",
            "unit_price": "385.25",
            "tax_rate": "8.25",
        }
        for line in range(LINES)
    ]
    return [
        Request.of(
            "POST",
            "/api/invoices",
            books.headers | {"idempotency-key": f"invoice-{number}"},
            {
                "customer_id": str(books.customers[number % len(books.customers)]),
                "purchase_order_number": f"PO-{number}",
                "notes": "Thank you.",
                "line_items": lines,
            },
        )
        for number in itertools.islice(_numbers, count)
    ]


def _reading(books: Books, race: Race, count: int) -> Line:
    invoice_id = books.invoices[0]
    authenticated = Request.of("GET", f"/api/invoices/{invoice_id}", books.headers)
    bare = Request.of("GET", f"/memory/invoices/{invoice_id}", {})
    mine, other = race.run(
        lambda n: [authenticated] * n,
        (count, count),
        clients=8,
        status=200,
        baseline_requests=lambda n: [bare] * n,
    )
    name = "GET one invoice, authenticated / bare FastAPI route, from memory"
    return throughput(name, mine, other, bound=0.4)


def throughput(name: str, ours: list[Load], theirs: list[Load], *, bound: float) -> Line:
    """The line that compares how many are answered in a second."""
    ratios = [mine.per_second / other.per_second for mine, other in zip(ours, theirs, strict=True)]
    return Line(
        name,
        "requests per second",
        f"{median([one.per_second for one in ours]):,.0f}/s",
        f"{median([one.per_second for one in theirs]):,.0f}/s",
        median(ratios),
        Target.AT_LEAST,
        bound,
        {"rounds": ratios, "ours": [vars(one) for one in ours], "baseline": _plain(theirs)},
    )


def _tail(name: str, ours: list[Load], theirs: list[Load]) -> Line:
    return Line(
        name,
        "p99 to p50",
        _latency(ours),
        _latency(theirs),
        median([one.p99_ms / one.p50_ms for one in ours]),
        Target.AT_MOST,
        5,
        {"baseline_ratio": median([one.p99_ms / one.p50_ms for one in theirs])},
    )


def _latency(loads: list[Load]) -> str:
    p50, p99 = median([one.p50_ms for one in loads]), median([one.p99_ms for one in loads])
    return f"{p50:,.0f} → {p99:,.0f} ms"


def _plain(loads: list[Load]) -> list[dict[str, Any]]:
    return [vars(one) for one in loads]


def _read(port: int, path: str, books: Books) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=books.headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
    assert len(json.loads(text)["line_items"]) == LINES
    return text
