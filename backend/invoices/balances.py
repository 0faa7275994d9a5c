"""The cached balance of an open invoice: the only code that moves it.

Every change is one guarded UPDATE: it names the version it saw, and refuses to overdraw. The
CHECK constraints of the table say the same once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement, constant
from backend.errors import StateConflict
from backend.invoices.lifecycle import OPEN, InvoiceEvent, next_status
from backend.invoices.models import INVOICES, InvoiceStatus
from backend.money import ZERO
from backend.unit_of_work import Reader, UnitOfWork

_I = INVOICES
_COLUMNS = (
    _I.c.id,
    _I.c.customer_id,
    _I.c.status,
    _I.c.currency_code,
    _I.c.due_date,
    _I.c.posted_on,
    _I.c.total_amount,
    _I.c.paid_amount,
    _I.c.balance_due,
    _I.c.version,
    _I.c.invoice_number,
)
_GET = Statement(
    sa.select(*_COLUMNS).where(_I.c.tenant_id == TENANT, _I.c.id == sa.bindparam("invoice_id"))
)
_IS_OPEN = _I.c.status.in_((constant("sent"), constant("overdue")))
_OPEN_OF_CUSTOMER = Statement(
    sa.select(*_COLUMNS)
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.customer_id == sa.bindparam("customer_id"),
        _I.c.currency_code == sa.bindparam("currency_code"),
        _IS_OPEN,
    )
    .order_by(_I.c.due_date, _I.c.row_id)
)
_MOVE = Statement(
    sa.update(_I)
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.id == sa.bindparam("invoice_id"),
        _I.c.version == sa.bindparam("seen_version"),
    )
    .values(
        paid_amount=sa.bindparam("new_paid_amount"),
        balance_due=sa.bindparam("new_balance_due"),
        status=sa.bindparam("new_status"),
        paid_at=sa.bindparam("new_paid_at"),
        updated_at=sa.bindparam("now"),
        version=_I.c.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class InvoiceBalance:
    """What payments need to know of an invoice."""

    invoice_id: UUID
    customer_id: UUID
    status: InvoiceStatus
    currency_code: str
    due_date: date
    posted_on: date | None
    total_amount: Decimal
    paid_amount: Decimal
    balance_due: Decimal
    version: int
    invoice_number: str | None


def find_balance(reader: Reader, invoice_id: UUID) -> InvoiceBalance | None:
    """The invoice's balance, or None when the tenant has none of that id."""
    row = reader.first(_GET, invoice_id=invoice_id)
    return None if row is None else InvoiceBalance(*row)


def open_balances(reader: Reader, customer_id: UUID, currency_code: str) -> list[InvoiceBalance]:
    """The customer's open invoices in a currency, oldest due first."""
    rows = reader.rows(_OPEN_OF_CUSTOMER, customer_id=customer_id, currency_code=currency_code)
    return [InvoiceBalance(*row) for row in rows]


def require_open(balance: InvoiceBalance) -> None:
    """StateConflict (invoice_not_open) unless the invoice takes payments."""
    if balance.status not in OPEN:
        raise StateConflict(
            f"The invoice is {balance.status}; only a sent or overdue invoice takes payments.",
            code="invoice_not_open",
            status=balance.status,
            invoice_id=str(balance.invoice_id),
        )


def pay_down(work: UnitOfWork, balance: InvoiceBalance, amount: Decimal) -> None:
    """Lower an open invoice's balance; at zero it is paid. `amount` is at most the balance."""
    require_open(balance)
    if not ZERO < amount <= balance.balance_due:
        raise AssertionError("an allocation must be positive and within the open balance")
    left = balance.balance_due - amount
    settled = left == ZERO
    status = next_status(balance.status, InvoiceEvent.SETTLE) if settled else balance.status
    _move(
        work,
        balance,
        paid_amount=balance.paid_amount + amount,
        balance_due=left,
        status=status,
        paid_at=work.now if settled else None,
    )
    if settled:
        work.record(
            "invoice.paid",
            "invoice",
            balance.invoice_id,
            before={"status": balance.status},
            after={"status": status},
        )


def take_back(work: UnitOfWork, balance: InvoiceBalance, amount: Decimal) -> None:
    """Raise an invoice's balance after a reversal; a paid one is open again."""
    status = balance.status
    if status is InvoiceStatus.PAID:
        status = next_status(status, InvoiceEvent.REOPEN)
        if balance.due_date < work.today:
            status = next_status(status, InvoiceEvent.FALL_DUE)
    _move(
        work,
        balance,
        paid_amount=balance.paid_amount - amount,
        balance_due=balance.balance_due + amount,
        status=status,
        paid_at=None,
    )
    if status is not balance.status:
        work.record(
            "invoice.reopened",
            "invoice",
            balance.invoice_id,
            before={"status": balance.status},
            after={"status": status, "balance_due": balance.balance_due + amount},
        )


def _move(work: UnitOfWork, balance: InvoiceBalance, **new: Any) -> None:
    touched = work.execute(
        _MOVE,
        invoice_id=balance.invoice_id,
        seen_version=balance.version,
        now=work.now,
        **{f"new_{name}": value for name, value in new.items()},
    )
    if touched != 1:
        raise LostRace
