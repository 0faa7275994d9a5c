"""Payments that bounced or were charged back: undone by new, linked entries."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import required_text
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.errors import StateConflict
from backend.invoices.balances import find_balance, take_back
from backend.ledger.reversal import reverse_payment_entries
from backend.money import ZERO
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENTS, PaymentStatus
from backend.payments.queries import PaymentView, get_payment
from backend.unit_of_work import UnitOfWork

_P, _A = PAYMENTS, PAYMENT_ALLOCATIONS
_REVERSE = Statement(
    sa.update(_P)
    .where(
        _P.c.tenant_id == TENANT,
        _P.c.id == sa.bindparam("payment_id"),
        _P.c.version == sa.bindparam("seen_version"),
    )
    .values(
        status=PaymentStatus.REVERSED,
        applied_amount=ZERO,
        unapplied_amount=ZERO,
        reversed_at=sa.bindparam("now"),
        reversal_reason=sa.bindparam("reason"),
        version=_P.c.version + 1,
    )
)
_REVERSE_ALLOCATIONS = Statement(
    sa.update(_A)
    .where(
        _A.c.tenant_id == TENANT,
        _A.c.payment_id == sa.bindparam("payment_id"),
        _A.c.reversed_at.is_(None),
    )
    .values(reversed_at=sa.bindparam("now"))
)


def reverse_payment(work: UnitOfWork, payment_id: UUID, reason: str) -> PaymentView:
    """Undo a payment: its applications, then its receipt; its invoices are open again.

    Raises NotFound, InvalidInput, StateConflict (payment_not_reversible), NotAllowed.
    """
    work.actor.require(Action.PAYMENTS_WRITE)
    why = required_text(reason, field="reason", max_length=500)
    payment = get_payment(work, payment_id)
    if payment.status is not PaymentStatus.SUCCEEDED:
        raise StateConflict(
            f"The payment is {payment.status}; only one that succeeded can be reversed.",
            code="payment_not_reversible",
            status=payment.status,
        )
    touched = work.execute(
        _REVERSE, payment_id=payment_id, seen_version=payment.version, now=work.now, reason=why
    )
    if touched != 1:
        raise LostRace
    work.execute(_REVERSE_ALLOCATIONS, payment_id=payment_id, now=work.now)
    for part in payment.allocations:
        balance = find_balance(work, part.invoice_id)
        assert balance is not None
        take_back(work, balance, part.amount)
    reverse_payment_entries(work, payment_id, day=work.today)
    work.record(
        "payment.reversed",
        "payment",
        payment_id,
        before={"status": payment.status, "applied_amount": payment.applied_amount},
        after={
            "status": PaymentStatus.REVERSED,
            "reason": why,
            "invoices": [str(part.invoice_id) for part in payment.allocations],
        },
    )
    return get_payment(work, payment_id)
