"""Which invoices a payment pays: pure decisions over open balances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from backend.errors import RuleRefused
from backend.invoices.balances import InvoiceBalance, require_open
from backend.money import ZERO


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a payment for one invoice."""

    invoice: InvoiceBalance
    amount: Decimal


def to_one_invoice(
    invoice: InvoiceBalance, amount: Decimal, *, keep_excess_as_credit: bool
) -> list[Share]:
    """All of it to one open invoice; more than its balance is refused, or kept as credit."""
    require_open(invoice)
    if amount > invoice.balance_due and not keep_excess_as_credit:
        raise overpayment(invoice, amount)
    return [Share(invoice, min(amount, invoice.balance_due))]


def as_asked(
    shares: Sequence[Share], available: Decimal, *, code: str = "allocations_exceed_amount"
) -> list[Share]:
    """The allocations as given: each within its invoice's balance, together within the money."""
    for share in shares:
        require_open(share.invoice)
        if share.amount > share.invoice.balance_due:
            raise overpayment(share.invoice, share.amount)
    total = sum((share.amount for share in shares), ZERO)
    if total > available:
        raise RuleRefused(
            f"The allocations come to {total}, but only {available} is there to allocate.",
            code=code,
            allocated=str(total),
            available=str(available),
        )
    return list(shares)


def oldest_due_first(invoices: Sequence[InvoiceBalance], amount: Decimal) -> list[Share]:
    """An exact match of one open balance; else the oldest due first. The rest stays unapplied.

    `invoices` are the customer's open ones, oldest due first.
    """
    for invoice in invoices:
        if invoice.balance_due == amount:
            return [Share(invoice, amount)]
    shares = []
    left = amount
    for invoice in invoices:
        if left == ZERO:
            break
        part = min(left, invoice.balance_due)
        shares.append(Share(invoice, part))
        left -= part
    return shares


def overpayment(invoice: InvoiceBalance, amount: Decimal) -> RuleRefused:
    """The refusal of more than an invoice's open balance."""
    return RuleRefused(
        f"{amount} is more than the invoice's open balance of {invoice.balance_due}.",
        code="overpayment",
        invoice_id=str(invoice.invoice_id),
        balance_due=str(invoice.balance_due),
    )


def distinct(invoice_ids: Sequence[UUID]) -> bool:
    """Whether no invoice is named twice."""
    return len(set(invoice_ids)) == len(invoice_ids)
