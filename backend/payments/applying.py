"""Applying money to invoices: what a new payment and older credit have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import Statement
from backend.errors import InvalidInput, RuleRefused
from backend.ids import new_id
from backend.invoices.balances import InvoiceBalance, find_balance, pay_down
from backend.ledger.service import Entry, payment_applied
from backend.money import ZERO, Currency, parse_amount
from backend.payments.allocation import Share, distinct
from backend.payments.models import PAYMENT_ALLOCATIONS
from backend.unit_of_work import UnitOfWork

ALLOCATIONS_MAX = 500

_ADD_ALLOCATION = Statement(sa.insert(PAYMENT_ALLOCATIONS))


@dataclass(frozen=True, slots=True)
class AllocationInput:
    """A wanted part of a payment for one invoice."""

    invoice_id: UUID
    amount: Decimal | str | int


def wanted_shares(
    work: UnitOfWork,
    allocations: Sequence[AllocationInput],
    customer_id: UUID,
    in_currency: Currency,
) -> list[Share]:
    if len(allocations) > ALLOCATIONS_MAX:
        raise InvalidInput.of("allocations", f"must be at most {ALLOCATIONS_MAX}")
    if not distinct([one.invoice_id for one in allocations]):
        raise InvalidInput.of("allocations", "must name each invoice once")
    shares = []
    for index, one in enumerate(allocations):
        at = f"allocations.{index}"
        invoice = find_balance(work, one.invoice_id)
        if invoice is None or invoice.customer_id != customer_id:
            raise InvalidInput.of(f"{at}.invoice_id", "is not an invoice of this customer")
        amount = parse_amount(one.amount, in_currency=in_currency, field=f"{at}.amount")
        if amount <= ZERO:
            raise InvalidInput.of(f"{at}.amount", "must be greater than zero")
        if invoice.currency_code != in_currency.code:
            raise currency_mismatch(invoice, in_currency)
        shares.append(Share(invoice, amount))
    return shares


def apply_shares(
    work: UnitOfWork,
    payment_id: UUID,
    currency_code: str,
    shares: Sequence[Share],
    day: date,
    *,
    claim_id: UUID | None = None,
) -> list[Entry]:
    """Write the allocations and lower the balances; the ledger entries that go with them.

    An application is dated `day`, or the day its invoice entered the ledger when that is later.
    `claim_id` is the dispute that gives the money back, when it is one.
    """
    allocation_ids = [new_id() for _ in shares]
    work.execute_many(
        _ADD_ALLOCATION,
        [
            {
                "id": allocation_id,
                "payment_id": payment_id,
                "invoice_id": share.invoice.invoice_id,
                "amount": share.amount,
                "reversed_amount": ZERO,
                "created_at": work.now,
                "reversed_at": None,
            }
            for allocation_id, share in zip(allocation_ids, shares, strict=True)
        ],
    )
    entries = []
    for allocation_id, share in zip(allocation_ids, shares, strict=True):
        pay_down(work, share.invoice, share.amount)
        assert share.invoice.posted_on is not None
        entries.append(
            payment_applied(
                max(day, share.invoice.posted_on),
                currency_code,
                share.invoice.customer_id,
                payment_id,
                share.invoice.invoice_id,
                share.amount,
                entry_id=allocation_id,
                claim_id=claim_id,
            )
        )
    return entries


def told_shares(shares: Sequence[Share]) -> list[dict[str, str]]:
    return [
        {"invoice_id": str(share.invoice.invoice_id), "amount": str(share.amount)}
        for share in shares
    ]


def currency_mismatch(invoice: InvoiceBalance, in_currency: Currency) -> RuleRefused:
    return RuleRefused(
        f"The invoice is in {invoice.currency_code}, the payment in {in_currency.code}.",
        code="currency_mismatch",
        invoice_id=str(invoice.invoice_id),
    )
