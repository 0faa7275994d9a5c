"""Large books, written by SQL inside the database: the reports and lists read them.

A tenant has its invoices spread over two years, three in ten of them open unless more are asked
for, the others paid, each payment with its allocation, and the ledger behind it all. Ids are made
from the tenant's number, so that the rows of one insert find those of another.
"""

# The SQL is put together from constants of this module.
# ruff: noqa: S608
from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from backend import migrate
from backend.actor import Actor, platform_system
from backend.db.engine import Database
from backend.onboarding import create_tenant
from backend.tenants.service import CreateTenant
from backend.unit_of_work import run

NOW = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)
_MICROSECONDS = int(NOW.timestamp()) * 1_000_000

_NUMBERS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < :count)"


def _id(kind: str, number: str) -> str:
    """SQL for an id: fixed by the tenant's number, the kind of row and its number."""
    return f"printf('%04x{kind}%026x', :number, {number})"


_CUSTOMERS = f"""
{_NUMBERS} INSERT INTO customers (tenant_id, id, display_name, email, email_status,
    payment_terms_days, created_at, updated_at, version)
SELECT :tenant, {_id("c0", "i")}, printf('Customer %05d of %d', i, :number),
    printf('customer%d@example.com', i), 'ok', 30, :now, :now, 1 FROM n
"""
_INVOICES = f"""
{_NUMBERS}, one(i, is_open, issued, cents) AS (
    SELECT i, i % 10 < :open_tenths,
        date(:today, printf('-%d days', :youngest + (i * 7919) % (730 - :youngest))),
        10000 + (i * 104729) % 900000 FROM n)
INSERT INTO invoices (tenant_id, id, customer_id, invoice_number, status, issue_date, due_date,
    currency_code, subtotal_amount, tax_amount, total_amount, paid_amount, credited_amount,
    balance_due, posted_on, sent_at, paid_at, external_reference_id, created_at, updated_at,
    version)
SELECT :tenant, {_id("a0", "i")}, {_id("c0", "1 + i % :customers")}, printf('INV-%06d', i),
    CASE WHEN NOT is_open THEN 'paid' WHEN date(issued, '+30 days') < :today THEN 'overdue'
        ELSE 'sent' END,
    issued, date(issued, '+30 days'), 'USD', cents, 0, cents, CASE WHEN is_open THEN 0 ELSE cents
    END, 0, CASE WHEN is_open THEN cents ELSE 0 END, issued, :now,
    CASE WHEN is_open THEN NULL ELSE :now END, printf('job-%d-%d', :number, i), :now, :now, 2
FROM one ORDER BY i
"""
_PAYMENTS = """
INSERT INTO payments (tenant_id, id, customer_id, amount, applied_amount, unapplied_amount,
    refunded_amount, disputed_amount, reversed_amount, currency_code, method, status, received_on,
    applied_at, correlation_id, created_at, version)
SELECT tenant_id, printf('%04xb0%s', :number, substr(id, 7)), customer_id,
    total_amount + (row_id % 50 = 0) * 100, total_amount, (row_id % 50 = 0) * 100, 0, 0, 0, 'USD',
    'manual', 'succeeded', min(:today, date(issue_date, '+20 days')), :now, 'bulk', :now, 1
FROM invoices WHERE tenant_id = :tenant AND status = 'paid' ORDER BY row_id
"""
# With the ids of their entries in the ledger.
_ALLOCATIONS = """
INSERT INTO payment_allocations (tenant_id, id, payment_id, invoice_id, amount, reversed_amount,
    created_at)
SELECT tenant_id, printf('%04xe2%s', :number, substr(id, 7)), id,
    printf('%04xa0%s', :number, substr(id, 7)), applied_amount, 0, :now
FROM payments WHERE tenant_id = :tenant ORDER BY row_id
"""
_ENTRY = "INSERT INTO ledger_entries (tenant_id, id, kind, entry_day, currency_code, customer_id, "
_ISSUES = f"""
{_ENTRY} invoice_id, created_at, correlation_id)
SELECT tenant_id, printf('%04xe0%s', :number, substr(id, 7)), 'invoice_issued', posted_on,
    'USD', customer_id, id, :now, 'bulk' FROM invoices WHERE tenant_id = :tenant ORDER BY row_id
"""
_RECEIPTS = f"""
{_ENTRY} payment_id, created_at, correlation_id)
SELECT tenant_id, printf('%04xe1%s', :number, substr(id, 7)), 'payment_received', received_on,
    'USD', customer_id, id, :now, 'bulk' FROM payments WHERE tenant_id = :tenant ORDER BY row_id
"""
_APPLICATIONS = f"""
{_ENTRY} invoice_id, payment_id, created_at, correlation_id)
SELECT p.tenant_id, printf('%04xe2%s', :number, substr(p.id, 7)), 'payment_applied',
    p.received_on, 'USD', p.customer_id, a.invoice_id, p.id, :now, 'bulk'
FROM payments p JOIN payment_allocations a ON a.tenant_id = p.tenant_id AND a.payment_id = p.id
WHERE p.tenant_id = :tenant ORDER BY p.row_id
"""


def _posting(kind: str, account: str, side: int, amount: str, source: str) -> str:
    """One posting for each entry of a kind; `side` makes its id differ from the other's."""
    return f"""
    INSERT INTO ledger_postings (tenant_id, id, entry_id, account, amount, entry_day,
        currency_code, customer_id, invoice_id)
    SELECT e.tenant_id, printf('%sf{side}%s', substr(e.id, 1, 6), substr(e.id, 9)), e.id,
        '{account}', {amount}, e.entry_day, 'USD', e.customer_id, e.invoice_id
    FROM ledger_entries e JOIN {source}
    WHERE e.tenant_id = :tenant AND e.kind = '{kind}' ORDER BY e.row_id
    """


_OF_INVOICE = "invoices s ON s.tenant_id = e.tenant_id AND s.id = e.invoice_id"
_OF_PAYMENT = "payments s ON s.tenant_id = e.tenant_id AND s.id = e.payment_id"
_STATEMENTS = (
    _INVOICES,
    _PAYMENTS,
    _ALLOCATIONS,
    _ISSUES,
    _RECEIPTS,
    _APPLICATIONS,
    _posting("invoice_issued", "accounts_receivable", 1, "s.total_amount", _OF_INVOICE),
    _posting("invoice_issued", "revenue", 2, "-s.total_amount", _OF_INVOICE),
    _posting("payment_received", "cash_clearing", 1, "s.amount", _OF_PAYMENT),
    _posting("payment_received", "unapplied_cash", 2, "-s.amount", _OF_PAYMENT),
    _posting("payment_applied", "unapplied_cash", 1, "s.applied_amount", _OF_PAYMENT),
    _posting("payment_applied", "accounts_receivable", 2, "-s.applied_amount", _OF_PAYMENT),
)


class LargeBooks:
    """A database that is filled tenant by tenant; its clock stands at NOW."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = Database(f"sqlite:///{path}", clock=lambda: NOW)
        migrate.upgrade(self.db)
        self.tenants: list[UUID] = []

    def add_tenants(
        self,
        count: int,
        *,
        invoices: int,
        customers: int = 400,
        open_tenths: int = 3,
        youngest: int = 0,
    ) -> None:
        """More tenants, each with as many invoices, the newest issued `youngest` days ago."""
        driver = sqlite3.connect(self.path, isolation_level=None)
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA cache_size=-200000")
        for _ in range(count):
            tenant_id = run(
                self.db, platform_system("bench"), create_tenant, CreateTenant("Ridge Roofing")
            )
            self.tenants.append(tenant_id)
            values = {
                "tenant": tenant_id.hex,
                "number": len(self.tenants),
                "now": _MICROSECONDS,
                "today": NOW.date().isoformat(),
                "customers": customers,
                "open_tenths": open_tenths,
                "youngest": youngest,
            }
            driver.execute("BEGIN IMMEDIATE")
            driver.execute(_CUSTOMERS, values | {"count": customers})
            for statement in _STATEMENTS:
                driver.execute(statement, values | {"count": invoices})
            driver.execute("COMMIT")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        driver.close()

    def actor(self) -> Actor:
        """The service, acting for the first tenant."""
        return Actor.system(self.tenants[0], "bench", who="bench")

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()
