"""Payments that bounced or were charged back: undone by hand, by new, linked entries."""

from __future__ import annotations

from uuid import UUID

from backend.actor import Action
from backend.checks import required_text
from backend.errors import StateConflict
from backend.payments.models import PaymentStatus
from backend.payments.queries import PaymentView, get_payment
from backend.payments.taking import Taker, take_out
from backend.unit_of_work import UnitOfWork


def reverse_payment(work: UnitOfWork, payment_id: UUID, reason: str) -> PaymentView:
    """Undo what is left of a payment: its applications, then its receipt; its invoices are open.

    What a provider refunded or disputed before is gone already and stays as it is. Raises
    NotFound, InvalidInput, StateConflict (payment_not_reversible), NotAllowed.
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
    left = payment.applied_amount + payment.unapplied_amount
    take_out(work, payment, left, Taker.HAND, reason=why)
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
