"""Holds: an invoice or a customer that is not chased, until when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, sensible_day
from backend.customers.models import CUSTOMERS, CustomerHold
from backend.customers.queries import get_customer
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.errors import FieldError, InvalidInput, StateConflict
from backend.invoices.models import INVOICES, InvoiceHold, InvoiceStatus
from backend.invoices.queries import get_invoice
from backend.money import ZERO, currency, parse_amount
from backend.unit_of_work import UnitOfWork

REASON_LENGTH_MAX = 500
# Nothing is left to chase on these. A paid one may be opened again by a reversal.
_CLOSED = frozenset({InvoiceStatus.VOID, InvoiceStatus.CANCELLED})

_I, _C = INVOICES, CUSTOMERS
_SET_ON_INVOICE = Statement(
    sa.update(_I)
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.id == sa.bindparam("invoice_id"),
        _I.c.version == sa.bindparam("seen_version"),
    )
    .values(
        hold_kind=sa.bindparam("kind"),
        hold_until=sa.bindparam("until"),
        hold_amount=sa.bindparam("amount"),
        hold_reason=sa.bindparam("reason"),
        updated_at=sa.bindparam("now"),
        version=_I.c.version + 1,
    )
)
_SET_ON_CUSTOMER = Statement(
    sa.update(_C)
    .where(
        _C.c.tenant_id == TENANT,
        _C.c.id == sa.bindparam("customer_id"),
        _C.c.version == sa.bindparam("seen_version"),
    )
    .values(
        hold_kind=sa.bindparam("kind"),
        hold_until=sa.bindparam("until"),
        hold_reason=sa.bindparam("reason"),
        updated_at=sa.bindparam("now"),
        version=_C.c.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class HoldInvoice:
    """Do not chase an invoice: pause it, dispute it (why), or take a promise (until when).

    `until` is the last day of the hold; without it the hold stands until it is released. `amount`
    is what was promised.
    """

    kind: InvoiceHold
    until: date | None = None
    amount: Decimal | str | int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HoldCustomer:
    """Do not chase a customer: for a while (pause), or not at all (exclude)."""

    kind: CustomerHold
    until: date | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as everybody reads it."""

    kind: InvoiceHold | CustomerHold
    until: date | None
    amount: Decimal | None
    reason: str | None


def hold_invoice(work: UnitOfWork, invoice_id: UUID, command: HoldInvoice) -> HoldView:
    """Hold an invoice, in place of the hold it may have.

    Raises NotFound, InvalidInput, NotAllowed, StateConflict (invoice_not_open: void, cancelled).
    """
    work.actor.require(Action.DUNNING_WRITE)
    invoice = get_invoice(work, invoice_id)
    hold = _checked(command, invoice.currency_code)
    if invoice.status in _CLOSED:
        raise StateConflict(
            f"The invoice is {invoice.status}; nobody is chased for it.",
            code="invoice_not_open",
            status=invoice.status,
        )
    before = _hold_of(invoice)
    if hold != before:
        _set_on_invoice(work, invoice_id, invoice.version, hold)
        work.record(
            "invoice.held", "invoice", invoice_id, before=_facts(before), after=_facts(hold)
        )
    return hold


def release_invoice(work: UnitOfWork, invoice_id: UUID) -> None:
    """End the invoice's hold; no error when it has none. Raises NotFound, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    invoice = get_invoice(work, invoice_id)
    before = _hold_of(invoice)
    if before is not None:
        _set_on_invoice(work, invoice_id, invoice.version, None)
        work.record("invoice.released", "invoice", invoice_id, before=_facts(before))


def hold_customer(work: UnitOfWork, customer_id: UUID, command: HoldCustomer) -> HoldView:
    """Hold a customer, in place of the hold it may have. Raises NotFound, InvalidInput."""
    work.actor.require(Action.DUNNING_WRITE)
    customer = get_customer(work, customer_id)
    hold = HoldView(command.kind, _checked_until(command.until), None, _reason(command.reason))
    before = _hold_of(customer)
    if hold != before:
        _set_on_customer(work, customer_id, customer.version, hold)
        work.record(
            "customer.held", "customer", customer_id, before=_facts(before), after=_facts(hold)
        )
    return hold


def release_customer(work: UnitOfWork, customer_id: UUID) -> None:
    """End the customer's hold; no error when it has none. Raises NotFound, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    customer = get_customer(work, customer_id)
    before = _hold_of(customer)
    if before is not None:
        _set_on_customer(work, customer_id, customer.version, None)
        work.record("customer.released", "customer", customer_id, before=_facts(before))


def _checked(command: HoldInvoice, currency_code: str) -> HoldView:
    errors = []
    reason = _reason(command.reason)
    if command.kind is InvoiceHold.DISPUTE and reason is None:
        errors.append(FieldError("reason", "a dispute needs a reason"))
    if command.kind is InvoiceHold.PROMISE and command.until is None:
        errors.append(FieldError("until", "a promise needs the day until which it is to be kept"))
    amount = None
    if command.amount is not None:
        if command.kind is not InvoiceHold.PROMISE:
            errors.append(FieldError("amount", "only a promise has an amount"))
        else:
            amount = parse_amount(
                command.amount, in_currency=currency(currency_code), field="amount"
            )
            if amount <= ZERO:
                errors.append(FieldError("amount", "must be more than zero"))
    if errors:
        raise InvalidInput(errors)
    return HoldView(command.kind, _checked_until(command.until), amount, reason)


def _checked_until(until: date | None) -> date | None:
    return None if until is None else sensible_day(until, field="until")


def _reason(given: str | None) -> str | None:
    return optional_text(given, field="reason", max_length=REASON_LENGTH_MAX, many_lines=True)


def _hold_of(held: Any) -> HoldView | None:
    if held.hold_kind is None:
        return None
    amount = getattr(held, "hold_amount", None)
    return HoldView(held.hold_kind, held.hold_until, amount, held.hold_reason)


def _set_on_invoice(
    work: UnitOfWork, invoice_id: UUID, version: int, hold: HoldView | None
) -> None:
    touched = work.execute(
        _SET_ON_INVOICE,
        invoice_id=invoice_id,
        seen_version=version,
        now=work.now,
        kind=hold.kind if hold else None,
        until=hold.until if hold else None,
        amount=hold.amount if hold else None,
        reason=hold.reason if hold else None,
    )
    if touched != 1:
        raise LostRace


def _set_on_customer(
    work: UnitOfWork, customer_id: UUID, version: int, hold: HoldView | None
) -> None:
    touched = work.execute(
        _SET_ON_CUSTOMER,
        customer_id=customer_id,
        seen_version=version,
        now=work.now,
        kind=hold.kind if hold else None,
        until=hold.until if hold else None,
        reason=hold.reason if hold else None,
    )
    if touched != 1:
        raise LostRace


def _facts(hold: HoldView | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    facts = {"kind": hold.kind, "until": hold.until, "amount": hold.amount, "reason": hold.reason}
    return {name: value for name, value in facts.items() if value is not None}
