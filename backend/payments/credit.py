"""Credit: what is left of a payment, applied to invoices later."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from backend.actor import Action
from backend.errors import StateConflict
from backend.invoices.balances import open_balances
from backend.ledger.reversal import cash_entries
from backend.ledger.service import post
from backend.money import ZERO, currency
from backend.payments.allocation import Share, as_asked, oldest_due_first
from backend.payments.applying import AllocationInput, apply_shares, told_shares, wanted_shares
from backend.payments.models import PaymentStatus
from backend.payments.queries import PaymentView, get_payment
from backend.payments.taking import move_amounts
from backend.unit_of_work import UnitOfWork


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
    applied = spend_credit(work, payment, shares)
    work.record(
        "payment.applied",
        "payment",
        payment_id,
        before={"unapplied_amount": available},
        after={"unapplied_amount": available - applied, "allocations": told_shares(shares)},
    )
    return get_payment(work, payment_id)


def spend_credit(
    work: UnitOfWork,
    payment: PaymentView,
    shares: Sequence[Share],
    *,
    claim_id: UUID | None = None,
) -> Decimal:
    """Apply these parts of what is unapplied; how much they come to.

    `claim_id` is the dispute that gave the money back, when it is one.
    """
    applied = sum((share.amount for share in shares), ZERO)
    changes = {"applied_amount": applied, "unapplied_amount": -applied}
    move_amounts(work, payment, changes)
    # Applied today: reports of earlier days stay as they were. Money is never spent before it came
    # in, not even by a clock that was set back.
    day = max(work.today, *(entry.day for entry in cash_entries(work, payment.payment_id)))
    code = payment.currency_code
    post(work, apply_shares(work, payment.payment_id, code, shares, day, claim_id=claim_id))
    return applied
