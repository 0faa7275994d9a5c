"""What the money checks are made of: named queries of rows that differ, and sums to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement, constant
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account, EntryKind
from backend.payments.models import PAYMENT_ALLOCATIONS, STANDING_AMOUNT

_E, _X, _A = LEDGER_ENTRIES, LEDGER_POSTINGS, PAYMENT_ALLOCATIONS
NOTHING = constant(0)


@dataclass(frozen=True, slots=True)
class Check:
    """A named query with columns `subject`, `expected` and `found`."""

    name: str
    statement: Statement


def or_nothing(column: Any) -> Any:
    return sa.func.coalesce(column, NOTHING)


def posted_by_entry(by: Any, account: Account, *kinds: EntryKind) -> Any:
    """Sum of an account's postings for each value of an entry's column, of some kinds or of all."""
    query = (
        sa.select(by.label("key"), sa.func.sum(_X.c.amount).label("amount"))
        .join(_X, sa.and_(_X.c.tenant_id == _E.c.tenant_id, _X.c.entry_id == _E.c.id))
        .where(_E.c.tenant_id == TENANT, _X.c.account == account, by.is_not(None))
    )
    if kinds:
        query = query.where(_E.c.kind.in_([constant(kind.value) for kind in kinds]))
    return query.group_by(by).subquery()


def allocated(by: Any) -> Any:
    """Sum of the allocations that stand, for each payment or invoice."""
    return (
        sa.select(by.label("key"), sa.func.sum(STANDING_AMOUNT).label("amount"))
        .where(_A.c.tenant_id == TENANT, _A.c.reversed_at.is_(None))
        .group_by(by)
        .subquery()
    )


def differing(own: Any, expected: Any, sums: Any, *, sign: int = 1) -> sa.Select[Any]:
    """The rows of a table whose amount is not the sum that belongs to it, nothing if there is none.

    `sign` -1 turns the sum around, for what the ledger has as credit.
    """
    found = or_nothing(sums.c.amount if sign > 0 else -sums.c.amount)
    return (
        sa.select(own.c.id.label("subject"), expected.label("expected"), found.label("found"))
        .join(sums, sums.c.key == own.c.id, isouter=True)
        .where(own.c.tenant_id == TENANT, expected != found)
    )
