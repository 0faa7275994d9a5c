"""Gapless invoice numbers: taken in the transaction that sends the invoice, or not at all."""

from __future__ import annotations

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.invoices.models import NUMBER_SERIES
from backend.unit_of_work import UnitOfWork

_DIGITS = 6  # INV-000001; longer numbers simply grow
_TAKE = Statement(
    sa.update(NUMBER_SERIES)
    .where(NUMBER_SERIES.c.tenant_id == TENANT)
    .values(next_number=NUMBER_SERIES.c.next_number + 1)
    .returning(NUMBER_SERIES.c.next_number)
)
_START = Statement(sa.insert(NUMBER_SERIES))


def take_number(work: UnitOfWork) -> str:
    """The tenant's next number. The series stays locked until the commit, so none is skipped."""
    row = work.first(_TAKE)
    if row is None:
        work.execute(_START, next_number=2)
        number = 1
    else:
        number = row.next_number - 1
    return f"{work.tenant.invoice_number_prefix}{number:0{_DIGITS}d}"
