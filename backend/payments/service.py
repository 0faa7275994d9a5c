"""Money received: recorded, allocated to invoices, and kept as credit where it is too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, sensible_day
from backend.customers.models import CUSTOMERS, EmailStatus
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, Refused, StateConflict
from backend.ids import new_id
from backend.invoices.balances import InvoiceBalance, find_balance, open_balances
from backend.ledger.service import payment_received, post
from backend.messaging.contracts import ReceiptEmailRequested
from backend.money import ZERO, Currency, currency, parse_amount
from backend.payments.allocation import (
    Share,
    as_asked,
    oldest_due_first,
    to_one_invoice,
)
from backend.payments.applying import (
    AllocationInput,
    apply_shares,
    currency_mismatch,
    told_shares,
    wanted_shares,
)
from backend.payments.attempts import record_attempt
from backend.payments.claims import list_claims, settle_claims
from backend.payments.models import PAYMENTS, PaymentMethod, PaymentStatus
from backend.payments.queries import AllocationView, PaymentView
from backend.unit_of_work import UnitOfWork

_P, _C = PAYMENTS, CUSTOMERS
_ADD = Statement(sa.insert(_P))
_SAME_EXTERNAL = Statement(
    sa.select(_P.c.id).where(
        _P.c.tenant_id == TENANT,
        _P.c.external_provider == sa.bindparam("external_provider"),
        _P.c.external_payment_id == sa.bindparam("external_payment_id"),
    )
)
_PAYER = Statement(
    sa.select(_C.c.id, _C.c.display_name, _C.c.email, _C.c.email_status).where(
        _C.c.tenant_id == TENANT, _C.c.id == sa.bindparam("customer_id")
    )
)


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """Money received: for one invoice, or from a customer with allocations.

    `allocations` None means automatic (an exact match, else oldest due first); empty means all
    of it stays credit. `received_on` is the tenant's calendar day, today when left out.
    """

    amount: Decimal | str | int
    currency_code: str | None = None
    method: PaymentMethod = PaymentMethod.MANUAL
    invoice_id: UUID | None = None
    customer_id: UUID | None = None
    allocations: tuple[AllocationInput, ...] | None = None
    keep_excess_as_credit: bool = False
    external_provider: str | None = None
    external_payment_id: str | None = None
    received_on: date | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Payer:
    """What a payment needs to know of its customer."""

    customer_id: UUID
    display_name: str
    email: str | None
    email_status: EmailStatus


@dataclass(frozen=True, slots=True)
class _Checked:
    """A command whose rows were found and whose values are well formed."""

    payer: _Payer
    invoice: InvoiceBalance | None
    amount: Decimal
    currency: Currency
    received_on: date
    external: tuple[str | None, str | None]
    note: str | None


def record_payment(work: UnitOfWork, command: RecordPayment) -> PaymentView:
    """Record money and apply it. Everything happens, or nothing.

    What a provider told before of refunds and disputes of this payment is taken from it at once.

    Raises InvalidInput (also for a row that is not there), StateConflict (invoice_not_open,
    duplicate_external_payment), RuleRefused (overpayment, allocations_exceed_amount,
    currency_mismatch), NotAllowed.
    """
    work.actor.require(Action.PAYMENTS_WRITE)
    checked = _check(work, command)
    return _record(work, command, checked, _decide(work, command, checked))


def try_payment(work: UnitOfWork, command: RecordPayment) -> PaymentView | Refused:
    """The same, but a refusal by the rules is returned, so that its attempt is kept.

    Nothing else of a refused payment stays. Raises InvalidInput and NotAllowed as they are no
    attempts to pay.
    """
    work.actor.require(Action.PAYMENTS_WRITE)
    checked = _check(work, command)
    try:
        # All is decided before anything is written: a refusal leaves nothing to undo.
        shares = _decide(work, command, checked)
    except Refused as refusal:
        record_attempt(
            work,
            amount=checked.amount,
            currency_code=checked.currency.code,
            method=command.method,
            customer_id=checked.payer.customer_id,
            invoice_id=command.invoice_id or _refused_by(refusal),
            external=checked.external,
            failure=refusal,
        )
        return refusal
    return _record(work, command, checked, shares)


def _refused_by(refusal: Refused) -> UUID | None:
    """Of several invoices the one that could not take its part."""
    named = refusal.facts.get("invoice_id")
    return UUID(str(named)) if named is not None else None


def _check(work: UnitOfWork, command: RecordPayment) -> _Checked:
    if command.invoice_id is None and command.customer_id is None:
        raise InvalidInput.of("invoice_id", "either invoice_id or customer_id is required")
    if command.invoice_id is not None and command.allocations is not None:
        raise InvalidInput.of("allocations", "must not be given together with invoice_id")
    invoice = None
    if command.invoice_id is not None:
        invoice = find_balance(work, command.invoice_id)
        if invoice is None:
            raise InvalidInput.of("invoice_id", "is not an invoice of this tenant")
        if command.customer_id not in (None, invoice.customer_id):
            raise InvalidInput.of("customer_id", "is not the customer of this invoice")
    customer_id = invoice.customer_id if invoice is not None else command.customer_id
    assert customer_id is not None
    payer = work.first(_PAYER, customer_id=customer_id)
    if payer is None:
        raise InvalidInput.of("customer_id", "is not a customer of this tenant")
    default_code = invoice.currency_code if invoice is not None else work.tenant.currency_code
    in_currency = currency(command.currency_code or default_code)
    amount = parse_amount(command.amount, in_currency=in_currency, field="amount")
    if amount <= ZERO:
        raise InvalidInput.of("amount", "must be greater than zero")
    received_on = sensible_day(command.received_on or work.today, field="received_on")
    if received_on > work.today:
        raise InvalidInput.of("received_on", "must not be in the future")
    return _Checked(
        _Payer(*payer),
        invoice,
        amount,
        in_currency,
        received_on,
        _external(command),
        optional_text(command.note, field="note", max_length=1000, many_lines=True),
    )


def _external(command: RecordPayment) -> tuple[str | None, str | None]:
    provider = optional_text(command.external_provider, field="external_provider", max_length=50)
    payment = optional_text(
        command.external_payment_id, field="external_payment_id", max_length=200
    )
    if payment is not None and provider is None:
        raise InvalidInput.of("external_provider", "is required with external_payment_id")
    return provider, payment


def _decide(work: UnitOfWork, command: RecordPayment, checked: _Checked) -> list[Share]:
    """What of the money pays which invoice; raises Refused when the rules do not permit it."""
    provider, external_id = checked.external
    if external_id is not None:
        twin = work.scalar(
            _SAME_EXTERNAL, external_provider=provider, external_payment_id=external_id
        )
        if twin is not None:
            raise StateConflict(
                f"This payment of {provider} is already recorded as {twin}.",
                code="duplicate_external_payment",
                payment_id=str(twin),
            )
    if checked.invoice is not None:
        if checked.invoice.currency_code != checked.currency.code:
            raise currency_mismatch(checked.invoice, checked.currency)
        return to_one_invoice(
            checked.invoice,
            checked.amount,
            keep_excess_as_credit=command.keep_excess_as_credit,
        )
    customer_id = checked.payer.customer_id
    if command.allocations is None:
        invoices = open_balances(work, customer_id, checked.currency.code)
        return oldest_due_first(invoices, checked.amount)
    wanted = wanted_shares(work, command.allocations, customer_id, checked.currency)
    return as_asked(wanted, checked.amount)


def _record(
    work: UnitOfWork, command: RecordPayment, checked: _Checked, shares: Sequence[Share]
) -> PaymentView:
    payer, amount, code = checked.payer, checked.amount, checked.currency.code
    applied = sum((share.amount for share in shares), ZERO)
    payment_id = new_id()
    row: dict[str, Any] = {
        "customer_id": payer.customer_id,
        "amount": amount,
        "applied_amount": applied,
        "unapplied_amount": amount - applied,
        "refunded_amount": ZERO,
        "disputed_amount": ZERO,
        "reversed_amount": ZERO,
        "currency_code": code,
        "method": command.method,
        "status": PaymentStatus.SUCCEEDED,
        "received_on": checked.received_on,
        "applied_at": work.now if shares else None,
        "external_provider": checked.external[0],
        "external_payment_id": checked.external[1],
        "note": checked.note,
        "correlation_id": work.actor.correlation_id,
        "created_at": work.now,
        "reversed_at": None,
        "reversal_reason": None,
        "version": 1,
    }
    provider, external_id = checked.external
    # Asked before the payment is there: a refund told at the same moment waits its turn.
    has_claims = (
        provider is not None
        and external_id is not None
        and bool(list_claims(work, provider, external_id))
    )
    work.execute(_ADD, id=payment_id, **row)
    record_attempt(
        work,
        amount=amount,
        currency_code=code,
        method=command.method,
        customer_id=payer.customer_id,
        invoice_id=command.invoice_id,
        payment_id=payment_id,
        external=checked.external,
    )
    received = payment_received(checked.received_on, code, payer.customer_id, payment_id, amount)
    post(work, [received, *apply_shares(work, payment_id, code, shares, checked.received_on)])
    work.record(
        "payment.recorded",
        "payment",
        payment_id,
        after={
            "customer_id": payer.customer_id,
            "amount": amount,
            "currency_code": code,
            "received_on": checked.received_on,
            "allocations": told_shares(shares),
            "unapplied_amount": amount - applied,
        },
    )
    if payer.email is not None and payer.email_status is EmailStatus.OK:
        work.send(ReceiptEmailRequested(payment_id=payment_id))
    if has_claims:
        assert provider is not None
        assert external_id is not None
        settlement = settle_claims(work, provider, external_id)
        assert settlement is not None
        return settlement.payment
    # Told from what was just written: reading it back would cost a fifth of the whole use case.
    return PaymentView(
        payment_id=payment_id,
        customer_name=payer.display_name,
        allocations=tuple(_allocation_view(share) for share in shares),
        **row,
    )


def _allocation_view(share: Share) -> AllocationView:
    number = share.invoice.invoice_number
    assert number is not None
    return AllocationView(share.invoice.invoice_id, number, share.amount)
