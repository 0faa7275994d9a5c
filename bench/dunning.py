"""Evaluating overdue invoices against plain set-based SQL that does the same writes.

The hand-written transaction knows that nobody is held and no step was taken before: it only has to
choose, insert and chain the audit rows. Ours asks all the questions of every invoice, and does it
in many transactions, so that nobody else waits long and memory does not grow with the books.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from backend.actor import Actor
from backend.audit import chain_hash
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.ids import new_id
from backend.unit_of_work import run
from bench.bulk import NOW, LargeBooks
from bench.measure import Line, Target, duration, median, seconds_of

INVOICES = 100_000
# Several stretches too, so that only what grows with the books makes a difference.
FEWER_INVOICES = 20_000
INVOICES_A_CUSTOMER = 10
# Where Linux tells of a process; elsewhere its largest size is not measured.
_STATUS = Path("/proc/self/status")

_FRESH = ":prefix || lower(substr(hex(randomblob(10)), 2))"
_RUN = """
INSERT INTO dunning_runs (tenant_id, id, as_of, is_scheduled, keeps_gap, email_count,
    invoice_count, overdue_count, finished_at, correlation_id, created_at)
VALUES (:tenant, :run, :today, 0, 0, 0, 0, 0, :now, 'bench', :now)
"""
_COMMUNICATIONS = f"""
INSERT INTO communications (tenant_id, id, customer_id, dunning_run_id, channel, type, status,
    to_address, template_key, step_number, subject, text_body, html_body, source_message_id,
    correlation_id, created_at, reminded_on, version)
SELECT :tenant, {_FRESH}, c.id, :run, 'email', 'dunning', 'queued', c.email, s.template_key, 1,
    '', '', '', {_FRESH}, 'bench', :now, :today, 1
FROM (SELECT DISTINCT customer_id FROM invoices WHERE tenant_id = :tenant
    AND status IN ('sent', 'overdue') AND due_date < :today) i
JOIN customers c ON c.tenant_id = :tenant AND c.id = i.customer_id
JOIN dunning_plans p ON p.tenant_id = :tenant AND p.is_default = 1
JOIN dunning_steps s ON s.tenant_id = :tenant AND s.plan_id = p.id AND s.step_number = 1
WHERE c.email IS NOT NULL AND c.hold_kind IS NULL
"""  # noqa: S608 (constants of this module)
_OUTBOX = """
INSERT INTO outbox (message_id, tenant_id, queue, message_type, correlation_id, body,
    available_at, created_at)
SELECT source_message_id, :tenant, 'email-send', 'email.dunning_requested', 'bench',
    json_object('message_id', source_message_id, 'message_type', 'email.dunning_requested',
        'tenant_id', :tenant, 'correlation_id', 'bench', 'causation_id', NULL,
        'external_source', NULL, 'external_reference_id', NULL, 'requested_by_user_id', NULL,
        'occurred_at', :now, 'payload', json_object('communication_id', id)), :now, :now
FROM communications WHERE tenant_id = :tenant AND dunning_run_id = :run
"""
_NOTICES = f"""
INSERT INTO dunning_notices (tenant_id, id, invoice_id, step_number, days_after_due, template_key,
    noticed_on, dunning_run_id, communication_id, created_at)
SELECT :tenant, {_FRESH}, i.id, 1, 0, m.template_key, :today, :run, m.id, :now
FROM communications m JOIN invoices i ON i.tenant_id = :tenant AND i.customer_id = m.customer_id
WHERE m.tenant_id = :tenant AND m.dunning_run_id = :run
    AND i.status IN ('sent', 'overdue') AND i.due_date < :today AND i.hold_kind IS NULL
"""  # noqa: S608
_LINKS = f"""
INSERT INTO communication_invoices (tenant_id, id, communication_id, invoice_id)
SELECT :tenant, {_FRESH}, communication_id, invoice_id
FROM dunning_notices WHERE tenant_id = :tenant AND dunning_run_id = :run
"""  # noqa: S608
_STATES = f"""
INSERT INTO invoice_dunning_states (tenant_id, id, invoice_id, plan_id, last_step_number,
    last_days_after_due, last_step_on, updated_at, version)
SELECT :tenant, {_FRESH}, n.invoice_id, p.id, 1, 0, :today, :now, 1
FROM dunning_notices n JOIN dunning_plans p ON p.tenant_id = :tenant AND p.is_default = 1
WHERE n.tenant_id = :tenant AND n.dunning_run_id = :run
"""  # noqa: S608
_STEPS = """
SELECT n.communication_id, json_group_object(i.invoice_number, n.step_number)
FROM dunning_notices n JOIN invoices i ON i.tenant_id = :tenant AND i.id = n.invoice_id
WHERE n.tenant_id = :tenant AND n.dunning_run_id = :run GROUP BY n.communication_id
"""
_AUDIT = """
INSERT INTO audit_log (tenant_id, id, sequence, entity_type, entity_id, action, actor, at,
    correlation_id, data, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def run_dunning(directory: Path, *, quick: bool) -> Iterator[Line]:
    """100,000 overdue invoices of 10,000 customers take their first step."""
    invoices = INVOICES // 10 if quick else INVOICES
    books = _books(directory / "books.db", invoices)
    mine, theirs, ratios = [], [], []
    for number in range(3):
        sides = [_ours, _by_hand]
        took = {}
        for side in sides if number % 2 == 0 else reversed(sides):
            with _copy_of(books) as path:
                took[side] = side(books, path, invoices)
        mine.append(took[_ours])
        theirs.append(took[_by_hand])
        ratios.append(mine[-1] / theirs[-1])
    yield Line(
        f"Evaluating {invoices:,} overdue invoices / set-based SQL",
        "time",
        duration(median(mine)),
        duration(median(theirs)),
        median(ratios),
        Target.AT_MOST,
        3,
        {"rounds": ratios},
    )
    if not quick and _STATUS.exists():
        yield _memory(books, _books(directory / "fewer.db", FEWER_INVOICES))


def _books(path: Path, invoices: int) -> LargeBooks:
    books = LargeBooks(path)
    books.add_tenants(
        1,
        invoices=invoices,
        customers=invoices // INVOICES_A_CUSTOMER,
        open_tenths=10,
        youngest=31,
    )
    books.close()
    return books


@contextlib.contextmanager
def _copy_of(books: LargeBooks) -> Iterator[Path]:
    path = Path(shutil.copy(books.path, books.path.with_name("copy.db")))
    try:
        yield path
    finally:
        for left in path.parent.glob("copy.db*"):
            left.unlink()


def _memory(many: LargeBooks, few: LargeBooks) -> Line:
    """How much a process grows by a run, over all of it, and over one of fewer invoices."""
    grown = []
    for books, invoices in ((many, INVOICES), (few, FEWER_INVOICES)):
        with _copy_of(books) as path, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            grown.append(pool.submit(_growth, path, books.actor(), invoices).result())
    return Line(
        f"Growth by {INVOICES:,} overdue invoices / by {FEWER_INVOICES:,}",
        "memory",
        f"{grown[0] / 1024:.1f} MiB",
        f"{grown[1] / 1024:.1f} MiB",
        grown[0] / grown[1],
        Target.AT_MOST,
        1.25,
    )


def _growth(path: Path, actor: Actor, invoices: int) -> int:
    """By how many KiB this process was larger at its largest than before the run."""
    db = Database(f"sqlite:///{path}", clock=lambda: NOW)
    try:
        run(db, actor, lambda work: work.today)
        before = _peak_memory()
        _evaluate(db, actor, invoices)
        return _peak_memory() - before
    finally:
        db.close()


def _peak_memory() -> int:
    """The most memory this process has had so far, in KiB."""
    [line] = [one for one in _STATUS.read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1])


def _evaluate(db: Database, actor: Actor, invoices: int) -> None:
    """The whole run, one stretch after the other."""
    done = run(db, actor, run_evaluation)
    chased = done.invoice_count
    while done.goes_on is not None:
        done = run(db, actor, run_evaluation, go_on=done.goes_on)
        chased += done.invoice_count
    assert chased == invoices, chased


def _ours(books: LargeBooks, path: Path, invoices: int) -> float:
    db = Database(f"sqlite:///{path}", clock=lambda: NOW)
    try:
        return seconds_of(lambda: _evaluate(db, books.actor(), invoices))
    finally:
        db.close()


def _by_hand(books: LargeBooks, path: Path, invoices: int) -> float:
    driver = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32000"):
        driver.execute(f"PRAGMA {pragma}")
    try:
        return seconds_of(lambda: _evaluate_by_hand(driver, books, invoices))
    finally:
        driver.close()


def _evaluate_by_hand(driver: sqlite3.Connection, books: LargeBooks, invoices: int) -> None:
    values = {
        "tenant": books.tenants[0].hex,
        "run": new_id().hex,
        "prefix": new_id().hex[:13],
        "today": NOW.date().isoformat(),
        "now": int(NOW.timestamp() * 1_000_000),
    }
    driver.execute("BEGIN IMMEDIATE")
    for statement in (_RUN, _COMMUNICATIONS, _OUTBOX, _NOTICES, _LINKS, _STATES):
        chased = driver.execute(statement, values).rowcount
    assert chased == invoices, chased
    _chain(driver, books, driver.execute(_STEPS, values).fetchall(), values["now"])
    driver.execute("COMMIT")


def _chain(
    driver: sqlite3.Connection, books: LargeBooks, steps: list[tuple[str, str]], now: object
) -> None:
    """One audit row for each e-mail, chained by hash."""
    tenant = books.tenants[0]
    sequence, previous = driver.execute(
        "SELECT sequence, hash FROM audit_heads WHERE tenant_id = ?", (tenant.hex,)
    ).fetchone()
    rows = []
    for communication_id, taken in steps:
        sequence += 1
        data = json.dumps({"before": None, "after": {"steps": json.loads(taken)}})
        entity_id = new_id()
        entity = ("communication", entity_id, "dunning.notice_queued")
        who = ("bench", None, NOW, "bench")
        digest = chain_hash(previous, tenant, sequence, entity, who, data)
        rows.append(
            (
                tenant.hex,
                new_id().hex,
                sequence,
                entity[0],
                communication_id,
                entity[2],
                "bench",
                now,
                "bench",
                data,
                previous,
                digest,
            )
        )
        previous = digest
    driver.executemany(_AUDIT, rows)
    driver.execute(
        "UPDATE audit_heads SET sequence = ?, hash = ? WHERE tenant_id = ?",
        (sequence, previous, tenant.hex),
    )
