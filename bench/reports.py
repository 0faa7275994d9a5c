"""Aging and dashboard of one tenant, alone and among others, against hand-written SQL.

The hand-written queries know the schema and its covering indexes, and hand over the driver's bare
rows; ours give names, exact decimals, totals and order on top of that.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from backend.actor import Actor
from backend.db.engine import Database
from backend.reporting.aging import get_aging
from backend.reporting.dashboard import get_dashboard
from backend.unit_of_work import read
from bench.bulk import NOW, LargeBooks
from bench.measure import Line, Target, duration, take_turns

INVOICES_EACH = 10_000
TENANTS = 20

_AGES = """
    sum(CASE WHEN due_date >= :day_0 THEN balance_due ELSE 0 END),
    sum(CASE WHEN due_date >= :day_30 AND due_date < :day_0 THEN balance_due ELSE 0 END),
    sum(CASE WHEN due_date >= :day_60 AND due_date < :day_30 THEN balance_due ELSE 0 END),
    sum(CASE WHEN due_date >= :day_90 AND due_date < :day_60 THEN balance_due ELSE 0 END),
    sum(CASE WHEN due_date < :day_90 THEN balance_due ELSE 0 END)
"""
_AGING = f"""
SELECT owed.*, c.display_name, credit.unapplied FROM (
    SELECT currency_code, customer_id, {_AGES} FROM invoices
    WHERE tenant_id = :tenant AND status IN ('sent', 'overdue')
    GROUP BY currency_code, customer_id) owed
JOIN customers c ON c.tenant_id = :tenant AND c.id = owed.customer_id
LEFT JOIN (
    SELECT currency_code, customer_id, sum(unapplied_amount) AS unapplied FROM payments
    WHERE tenant_id = :tenant AND unapplied_amount > 0 GROUP BY currency_code, customer_id) credit
ON credit.currency_code = owed.currency_code AND credit.customer_id = owed.customer_id
ORDER BY owed.currency_code, c.display_name
"""  # noqa: S608 (constants of this module)
_AGING_THEN = """
SELECT owed.currency_code, owed.customer_id, c.display_name,
    sum(CASE WHEN i.due_date >= :day_0 THEN balance ELSE 0 END),
    sum(CASE WHEN i.due_date >= :day_30 AND i.due_date < :day_0 THEN balance ELSE 0 END),
    sum(CASE WHEN i.due_date >= :day_60 AND i.due_date < :day_30 THEN balance ELSE 0 END),
    sum(CASE WHEN i.due_date >= :day_90 AND i.due_date < :day_60 THEN balance ELSE 0 END),
    sum(CASE WHEN i.due_date < :day_90 THEN balance ELSE 0 END)
FROM (
    SELECT currency_code, customer_id, invoice_id, sum(amount) AS balance FROM ledger_postings
    WHERE tenant_id = :tenant AND account = 'accounts_receivable' AND entry_day <= :day_0
    GROUP BY currency_code, customer_id, invoice_id HAVING sum(amount) <> 0) owed
JOIN invoices i ON i.tenant_id = :tenant AND i.id = owed.invoice_id
JOIN customers c ON c.tenant_id = :tenant AND c.id = owed.customer_id
GROUP BY owed.currency_code, owed.customer_id
"""
_CREDIT_THEN = """
SELECT currency_code, customer_id, -sum(amount) FROM ledger_postings
WHERE tenant_id = :tenant AND account = 'unapplied_cash' AND entry_day <= :day_0
GROUP BY currency_code, customer_id HAVING sum(amount) <> 0
"""
_OPEN = f"""
SELECT currency_code, count(*), {_AGES} FROM invoices
WHERE tenant_id = :tenant AND status IN ('sent', 'overdue') GROUP BY currency_code
"""  # noqa: S608
_CREDIT = """
SELECT currency_code, sum(unapplied_amount) FROM payments
WHERE tenant_id = :tenant AND unapplied_amount > 0 GROUP BY currency_code
"""
_RECEIVED = """
SELECT currency_code, received_on, sum(applied_amount + unapplied_amount) FROM payments
WHERE tenant_id = :tenant AND status = 'succeeded' AND received_on >= :since
GROUP BY currency_code, received_on
"""


def run_reports(directory: Path, *, quick: bool) -> Iterator[Line]:
    """One tenant of 10,000 invoices: alone, then among 200,000."""
    invoices, tenants = (2_000, 5) if quick else (INVOICES_EACH, TENANTS)
    books = LargeBooks(directory / "reports.db")
    books.add_tenants(1, invoices=invoices)
    alone = Database(f"sqlite:///{_copy(books.path)}", clock=books.db.clock)
    try:
        books.add_tenants(tenants - 1, invoices=invoices)
        yield from _lines(books, alone, invoices, tenants, rounds=5 if quick else 15)
    finally:
        alone.close()
        books.close()


def _copy(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("alone.db")))


def _reports(db: Database, actor: Actor) -> dict[str, Callable[[], object]]:
    then = NOW.date() - timedelta(days=45)
    return {
        "Aging, today": lambda: read(db, actor, get_aging),
        "Aging, 45 days ago": lambda: read(db, actor, get_aging, then),
        "Dashboard": lambda: read(db, actor, get_dashboard),
    }


def _lines(
    books: LargeBooks, alone: Database, invoices: int, tenants: int, *, rounds: int
) -> Iterator[Line]:
    driver = sqlite3.connect(books.path)
    driver.execute("PRAGMA cache_size=-32000")
    today = NOW.date()
    by_hand = {
        "Aging, today": _query(driver, books, today, _AGING),
        "Aging, 45 days ago": _query(
            driver, books, today - timedelta(days=45), _AGING_THEN, _CREDIT_THEN
        ),
        "Dashboard": _query(driver, books, today, _OPEN, _CREDIT, _RECEIVED),
    }
    size = f"{invoices:,} of {invoices * tenants:,} invoices"
    without_others = _reports(alone, books.actor())
    for name, report in _reports(books.db, books.actor()).items():
        ours, theirs, ratio = take_turns(report, by_hand[name], rounds=rounds, repeat=3)
        yield Line(
            f"{name}, {size} / hand-written SQL",
            "time",
            duration(ours),
            duration(theirs),
            ratio,
            Target.AT_MOST,
            2,
        )
        ours, theirs, ratio = take_turns(report, without_others[name], rounds=rounds, repeat=3)
        yield Line(
            f"{name}, {size} / {invoices:,} alone",
            "time",
            duration(ours),
            duration(theirs),
            ratio,
            Target.AT_MOST,
            1.5,
        )
    driver.close()


def _query(
    driver: sqlite3.Connection, books: LargeBooks, as_of: date, *statements: str
) -> Callable[[], object]:
    values = {f"day_{days}": (as_of - timedelta(days=days)).isoformat() for days in (0, 30, 60, 90)}
    values["tenant"] = books.tenants[0].hex
    values["since"] = (as_of - timedelta(days=365)).replace(day=1).isoformat()
    return lambda: [driver.execute(statement, values).fetchall() for statement in statements]
