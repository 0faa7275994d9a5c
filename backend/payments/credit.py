"""Credit: what is left of a payment, applied to invoices later."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.errors import StateConflict
from backend.invoices.balances import open_balances
from backend.ledger.service import post
from backend.money import ZERO, currency
from backend.payments.allocation import as_asked, oldest_due_first
from backend.payments.applying import AllocationInput, apply_shares, told_shares, wanted_shares
from backend.payments.models import PAYMENTS, PaymentStatus
from backend.payments.queries import PaymentView, get_payment
from backend.unit_of_work import UnitOfWork

_P = PAYMENTS
_APPLY_MORE = Statement(
    sa.update(_P)
    .where(
        _P.c.tenant_id == TENANT,
        _P.c.id == sa.bindparam("payment_id"),
        _P.c.version == sa.bindparam("seen_version"),
    )
    .values(
        applied_amount=sa.bindparam("new_applied_amount"),
        unapplied_amount=sa.bindparam("new_unapplied_amount"),
        applied_at=sa.bindparam("now"),
        version=_P.c.version + 1,
    )
)


def allocate_credit(
    work: UnitOfWork, payment_id: UUID, allocations: Sequence[AllocationInput] | None
) -> PaymentView:
    """Apply what is left of a payment to invoices; None chooses the oldest due first.

    Raises NotFound, InvalidInput, StateConflict (payment_not_applicable, invoice_not_open),
    RuleRefused (insufficient_credit, overpayment), NotAllowed.
    """
    work.actor.require(Action.PAYMENTS_WRITE)
    payment = get_payment(work, payment_id)
    if payment.status is not PaymentStatus.SUCCEEDED:
        raise StateConflict(
            f"The payment is {payment.status}; there is nothing of it to apply.",
            code="payment_not_applicable",
            status=payment.status,
        )
    available = payment.unapplied_amount
    if allocations is None:
        invoices = open_balances(work, payment.customer_id, payment.currency_code)
        shares = oldest_due_first(invoices, available)
    else:
        wanted = wanted_shares(
            work, allocations, payment.customer_id, currency(payment.currency_code)
        )
        shares = as_asked(wanted, available, code="insufficient_credit")
    if not shares:
        return payment
    applied = sum((share.amount for share in shares), ZERO)
    touched = work.execute(
        _APPLY_MORE,
        payment_id=payment_id,
        seen_version=payment.version,
        new_applied_amount=payment.applied_amount + applied,
        new_unapplied_amount=available - applied,
        now=work.now,
    )
    if touched != 1:
        raise LostRace
    # Applied today: reports of earlier days stay as they were. Money is never spent before it came
    # in, not even by a clock that was set back.
    day = max(work.today, payment.received_on)
    post(work, apply_shares(work, payment_id, payment.currency_code, shares, day))
    work.record(
        "payment.applied",
        "payment",
        payment_id,
        before={"unapplied_amount": available},
        after={"unapplied_amount": available - applied, "allocations": told_shares(shares)},
    )
    return get_payment(work, payment_id)
