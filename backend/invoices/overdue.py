"""The overdue sweep: a sent invoice is overdue when its due day has ended for the tenant."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, PlatformStatement, Statement, constant
from backend.db.types import Id
from backend.invoices.lifecycle import InvoiceEvent, next_status
from backend.invoices.models import INVOICES, InvoiceStatus
from backend.unit_of_work import Reader, UnitOfWork

_I = INVOICES
_FALLEN_DUE = (_I.c.status == constant("sent"), _I.c.due_date < sa.bindparam("today"))
_TENANTS = PlatformStatement(sa.select(_I.c.tenant_id).where(*_FALLEN_DUE).distinct())
_MINE = Statement(sa.select(_I.c.id).where(_I.c.tenant_id == TENANT, *_FALLEN_DUE))
_MARKED = {
    "status": InvoiceStatus.OVERDUE,
    "updated_at": sa.bindparam("now"),
    "version": _I.c.version + 1,
}
_MARK = Statement(sa.update(_I).where(_I.c.tenant_id == TENANT, *_FALLEN_DUE).values(**_MARKED))
# Said so that SQLite sees that the index of open invoices by customer serves.
_OF_CUSTOMERS = (
    _I.c.status.in_((constant("sent"), constant("overdue"))),
    _I.c.customer_id > sa.bindparam("after_customer", type_=Id()),
    _I.c.customer_id <= sa.bindparam("until_customer", type_=Id()),
)
_MINE_OF_CUSTOMERS = Statement(
    sa.select(_I.c.id).where(_I.c.tenant_id == TENANT, *_FALLEN_DUE, *_OF_CUSTOMERS)
)
_MARK_OF_CUSTOMERS = Statement(
    sa.update(_I).where(_I.c.tenant_id == TENANT, *_FALLEN_DUE, *_OF_CUSTOMERS).values(**_MARKED)
)


def tenants_to_sweep(reader: Reader) -> list[UUID]:
    """Tenants that may have invoices to mark: somewhere on earth their due day has ended."""
    latest_today = (reader.now + timedelta(hours=14)).date()
    return [row.tenant_id for row in reader.rows(_TENANTS, today=latest_today)]


def sweep_overdue(
    work: UnitOfWork, *, as_of: date | None = None, customers: tuple[UUID, UUID] | None = None
) -> int:
    """Mark the tenant's fallen-due invoices as overdue; how many. `as_of` stands for today.

    `customers` limits it to those with ids after the first and up to the second one.
    """
    overdue = next_status(InvoiceStatus.SENT, InvoiceEvent.FALL_DUE)
    mine, mark = _MINE, _MARK
    params: dict[str, Any] = {"today": as_of or work.today}
    if customers is not None:
        mine, mark = _MINE_OF_CUSTOMERS, _MARK_OF_CUSTOMERS
        params |= {"after_customer": customers[0], "until_customer": customers[1]}
    fallen = work.rows(mine, **params)
    if not fallen:
        return 0
    work.execute(mark, **params, now=work.now)
    for row in fallen:
        work.record(
            "invoice.fell_overdue",
            "invoice",
            row.id,
            before={"status": InvoiceStatus.SENT},
            after={"status": overdue},
        )
    return len(fallen)
