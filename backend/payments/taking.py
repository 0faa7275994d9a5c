"""Money that leaves a payment again: by hand, by a refund, by a dispute; and comes back to it.

It is taken first from what is unapplied, then from the applications, newest first. Nothing else
moves the amounts of a payment down, and each step is a guarded update with its ledger entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.invoices.balances import find_balance, take_back
from backend.ledger.models import LEDGER_ENTRIES, EntryKind
from backend.ledger.reversal import Moved, application_reversed, cash_entries, cash_moved
from backend.ledger.service import Entry, post
from backend.money import ZERO
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENTS, PaymentStatus
from backend.payments.queries import PaymentView
from backend.unit_of_work import UnitOfWork

_P, _A, _E = PAYMENTS, PAYMENT_ALLOCATIONS, LEDGER_ENTRIES
AMOUNTS = (
    "applied_amount",
    "unapplied_amount",
    "refunded_amount",
    "disputed_amount",
    "reversed_amount",
)
_MOVE = Statement(
    sa.update(_P)
    .where(
        _P.c.tenant_id == TENANT,
        _P.c.id == sa.bindparam("payment_id"),
        _P.c.version == sa.bindparam("seen_version"),
    )
    .values(
        **{name: sa.bindparam(f"new_{name}") for name in AMOUNTS},
        status=sa.bindparam("new_status"),
        applied_at=sa.bindparam("new_applied_at"),
        reversed_at=sa.bindparam("new_reversed_at"),
        reversal_reason=sa.bindparam("new_reversal_reason"),
        version=_P.c.version + 1,
    )
)
# With the day of each application; newest first.
_STANDING = Statement(
    sa.select(_A.c.id, _A.c.invoice_id, _A.c.amount, _A.c.reversed_amount, _E.c.entry_day)
    .join(_E, sa.and_(_E.c.tenant_id == _A.c.tenant_id, _E.c.id == _A.c.id))
    .where(
        _A.c.tenant_id == TENANT,
        _A.c.payment_id == sa.bindparam("payment_id"),
        _A.c.reversed_at.is_(None),
    )
    .order_by(_A.c.row_id.desc())
)
_REVERSE_PART = Statement(
    sa.update(_A)
    .where(_A.c.tenant_id == TENANT, _A.c.id == sa.bindparam("allocation_id"))
    .values(
        reversed_amount=sa.bindparam("new_reversed_amount"),
        reversed_at=sa.bindparam("new_reversed_at"),
    )
)


class Taker(StrEnum):
    """Who takes money out of a payment."""

    HAND = "hand"
    REFUND = "refund"
    DISPUTE = "dispute"


_KINDS = {
    Taker.HAND: EntryKind.PAYMENT_REVERSED,
    Taker.REFUND: EntryKind.PAYMENT_REFUNDED,
    Taker.DISPUTE: EntryKind.PAYMENT_DISPUTED,
}
_GOES_TO = {
    Taker.HAND: "reversed_amount",
    Taker.REFUND: "refunded_amount",
    Taker.DISPUTE: "disputed_amount",
}


@dataclass(frozen=True, slots=True)
class Part:
    """What an invoice lost, or got back."""

    invoice_id: UUID
    amount: Decimal


def take_out(
    work: UnitOfWork,
    payment: PaymentView,
    amount: Decimal,
    taker: Taker,
    *,
    reason: str,
    claim_id: UUID | None = None,
) -> list[Part]:
    """Take money out of a payment; which invoices lost what, newest application first.

    `amount` is at most what is applied and unapplied. The entries are dated today, or the day of
    what they undo when that is later. `reason` is kept when nothing of the payment is left.
    """
    moved = Moved(payment.payment_id, payment.customer_id, payment.currency_code, claim_id)
    from_credit = min(amount, payment.unapplied_amount)
    from_invoices = amount - from_credit
    parts, entries = _undo_applications(work, moved, from_invoices)
    cash = cash_entries(work, payment.payment_id)
    # The money of a payment comes and goes in order, also when a clock was set back.
    day = max(work.today, *(entry.day for entry in cash))
    entries.append(
        cash_moved(_KINDS[taker], day, moved, amount, reverses_entry_id=cash[0].entry_id)
    )
    post(work, entries)
    changes = {"applied_amount": -from_invoices, "unapplied_amount": -from_credit}
    move_amounts(work, payment, changes | {_GOES_TO[taker]: amount}, reason=reason)
    return parts


def put_back(work: UnitOfWork, payment: PaymentView, amount: Decimal, claim_id: UUID) -> None:
    """What a dispute took is here again, as credit."""
    moved = Moved(payment.payment_id, payment.customer_id, payment.currency_code, claim_id)
    cash = cash_entries(work, payment.payment_id)
    taken = [
        entry
        for entry in cash
        if entry.claim_id == claim_id and entry.kind is EntryKind.PAYMENT_DISPUTED
    ]
    day = max(work.today, *(entry.day for entry in cash))
    restored = cash_moved(
        EntryKind.DISPUTE_RESTORED, day, moved, amount, reverses_entry_id=taken[-1].entry_id
    )
    post(work, [restored])
    move_amounts(work, payment, {"disputed_amount": -amount, "unapplied_amount": amount})


def move_amounts(
    work: UnitOfWork,
    payment: PaymentView,
    changes: dict[str, Decimal],
    *,
    reason: str | None = None,
) -> None:
    """Change a payment's amounts by so much each, and its status by what is left.

    Raises LostRace when the payment is not what was seen.
    """
    new = {name: getattr(payment, name) + changes.get(name, ZERO) for name in AMOUNTS}
    has_some = new["applied_amount"] + new["unapplied_amount"] > ZERO
    is_applied_more = new["applied_amount"] > payment.applied_amount
    touched = work.execute(
        _MOVE,
        payment_id=payment.payment_id,
        seen_version=payment.version,
        **{f"new_{name}": amount for name, amount in new.items()},
        new_status=PaymentStatus.SUCCEEDED if has_some else PaymentStatus.REVERSED,
        new_applied_at=work.now if is_applied_more else payment.applied_at,
        new_reversed_at=None if has_some else work.now,
        new_reversal_reason=None if has_some else reason,
    )
    if touched != 1:
        raise LostRace


def told_parts(parts: list[Part]) -> list[dict[str, str]]:
    """Parts as the audit log has them, one for each invoice."""
    sums: dict[UUID, Decimal] = {}
    for part in parts:
        sums[part.invoice_id] = sums.get(part.invoice_id, ZERO) + part.amount
    return [{"invoice_id": str(one), "amount": str(amount)} for one, amount in sums.items()]


def _undo_applications(
    work: UnitOfWork, moved: Moved, amount: Decimal
) -> tuple[list[Part], list[Entry]]:
    """Take so much back from the applications, newest first; the entries that go with it."""
    parts: list[Part] = []
    entries: list[Entry] = []
    left = amount
    standing = work.rows(_STANDING, payment_id=moved.payment_id) if left > ZERO else []
    for row in standing:
        if left == ZERO:
            break
        part = min(left, row.amount - row.reversed_amount)
        reversed_amount = row.reversed_amount + part
        work.execute(
            _REVERSE_PART,
            allocation_id=row.id,
            new_reversed_amount=reversed_amount,
            new_reversed_at=work.now if reversed_amount == row.amount else None,
        )
        balance = find_balance(work, row.invoice_id)
        assert balance is not None
        take_back(work, balance, part)
        parts.append(Part(row.invoice_id, part))
        entries.append(
            application_reversed(
                max(work.today, row.entry_day),
                moved,
                row.invoice_id,
                part,
                reverses_entry_id=row.id,
            )
        )
        left -= part
    assert left == ZERO, "more was to be taken back than is applied"
    return parts, entries
