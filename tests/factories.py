"""Ready-made things for tests: a clock, tenants, actors, users, customers, invoices, payments."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from backend.actor import Actor, Role, platform_system
from backend.customers.queries import CustomerView
from backend.customers.service import CreateCustomer, create_customer
from backend.db.engine import Database
from backend.ids import new_id
from backend.invoices.queries import InvoiceView, get_invoice
from backend.invoices.service import CreateInvoice, LineInput, create_invoice, send_invoice
from backend.payments.queries import PaymentView
from backend.payments.service import RecordPayment, record_payment
from backend.tenants.service import CreateTenant, add_tenant
from backend.unit_of_work import read, run


@dataclass
class Clock:
    """A clock that stands still until a test moves it. A Wednesday noon in Chicago."""

    now: datetime = field(default=datetime(2026, 3, 4, 18, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **much: float) -> None:
        """Move on by a timedelta's keywords, such as minutes=5."""
        self.now += timedelta(**much)


def make_tenant(db: Database, name: str = "Ridge Roofing", **settings: str) -> UUID:
    """A tenant, without the plan that onboarding gives it."""
    return run(db, platform_system("test"), add_tenant, CreateTenant(name, **settings))


def actor_in(tenant_id: UUID, role: Role = Role.ADMIN, who: str = "test") -> Actor:
    """Somebody acting in this tenant."""
    return Actor(tenant_id, role, who, new_id().hex)


def make_customer(
    db: Database, actor: Actor, display_name: str = "Harbor Dental Group", **fields: Any
) -> CustomerView:
    """A customer; without an e-mail address unless one is given, so nothing is queued."""
    return run(db, actor, create_customer, CreateCustomer(display_name, **fields))


def make_draft(
    db: Database, actor: Actor, customer_id: UUID, amount: str = "100.00", **fields: Any
) -> InvoiceView:
    """A draft of one line that comes to `amount`; `fields` are those of CreateInvoice."""
    lines = fields.pop("line_items", None) or [LineInput("Roof inspection", "1", amount)]
    return run(db, actor, create_invoice, CreateInvoice(customer_id, lines, **fields))


def make_invoice(
    db: Database, actor: Actor, customer_id: UUID, amount: str = "100.00", **fields: Any
) -> InvoiceView:
    """The same, sent."""
    draft = make_draft(db, actor, customer_id, amount, **fields)
    return run(db, actor, send_invoice, draft.invoice_id)


def pay(db: Database, actor: Actor, amount: str, **fields: Any) -> PaymentView:
    """A recorded payment; `fields` are those of RecordPayment."""
    return run(db, actor, record_payment, RecordPayment(amount, **fields))


def invoice_now(db: Database, actor: Actor, invoice_id: UUID) -> InvoiceView:
    """The invoice as it stands."""
    return read(db, actor, get_invoice, invoice_id)


def raw_rows(db: Database, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What stands in the file, read past everything of ours."""
    assert db.path is not None
    with contextlib.closing(sqlite3.connect(db.path)) as connection:
        return connection.execute(sql, parameters).fetchall()


def raw_count(db: Database, table: str) -> int:
    """How many rows a table has, in all tenants."""
    count: int = raw_rows(db, f"SELECT count(*) FROM {table}")[0][0]
    return count


MONEY_TABLES = ("payments", "payment_allocations", "ledger_entries", "audit_log", "outbox")


def money_rows(db: Database) -> dict[str, int]:
    """How many rows there are in what a refused use case must leave alone."""
    return {table: raw_count(db, table) for table in MONEY_TABLES}


def ledger_lines(db: Database, after: int = 0) -> list[tuple[Any, ...]]:
    """Kind, day, account and hundredths of the postings, in order, from a row number on."""
    return raw_rows(
        db,
        "SELECT e.kind, e.entry_day, p.account, p.amount FROM ledger_postings p "
        "JOIN ledger_entries e ON e.id = p.entry_id WHERE p.row_id > ? ORDER BY p.row_id",
        after,
    )
