"""Holds: an invoice or a customer that is not chased, until when, and why.

An invoice carries the hold that stands; `invoice_holds` remembers every hold it ever had, and how
each ended. Both are written in one transaction, so the two cannot tell different stories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, sensible_day
from backend.customers.models import CUSTOMERS, CustomerHold
from backend.customers.queries import get_customer
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement, constant
from backend.dunning.models import INVOICE_HOLDS, HoldEnd
from backend.errors import FieldError, InvalidInput, StateConflict
from backend.ids import new_id
from backend.invoices.lifecycle import OPEN
from backend.invoices.models import INVOICES, InvoiceHold, InvoiceStatus
from backend.invoices.queries import get_invoice
from backend.money import ZERO, currency, parse_amount
from backend.unit_of_work import Reader, UnitOfWork

REASON_LENGTH_MAX = 500
# Nothing is left to chase on these. A paid one may be opened again by a reversal.
_CLOSED = frozenset({InvoiceStatus.VOID, InvoiceStatus.CANCELLED})

_I, _C, _H = INVOICES, CUSTOMERS, INVOICE_HOLDS
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
_HISTORY = Statement(
    sa.select(
        _H.c.kind,
        _H.c.until,
        _H.c.amount,
        _H.c.reason,
        _H.c.balance_then,
        _H.c.placed_on,
        _H.c.placed_at,
        _H.c.placed_by,
        _H.c.ended_on,
        _H.c.ended_at,
        _H.c.ended_as,
    )
    .where(_H.c.tenant_id == TENANT, _H.c.invoice_id == sa.bindparam("invoice_id"))
    .order_by(_H.c.row_id.desc())
)
_PLACE = Statement(sa.insert(_H))
_END = Statement(
    sa.update(_H)
    .where(
        _H.c.tenant_id == TENANT,
        _H.c.invoice_id == sa.bindparam("held_invoice_id"),
        _H.c.ended_on.is_(None),
    )
    .values(
        ended_on=sa.bindparam("today"),
        ended_at=sa.bindparam("now"),
        ended_as=sa.bindparam("how"),
    )
)
# Disputes are about one invoice: what is agreed about the customer's others leaves them alone.
_OVERDUE_OF_CUSTOMER = Statement(
    sa.select(
        _I.c.id,
        _I.c.version,
        _I.c.currency_code,
        _I.c.balance_due,
        _I.c.hold_kind,
        _I.c.hold_until,
        _I.c.hold_amount,
        _I.c.hold_reason,
    )
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.customer_id == sa.bindparam("customer_id"),
        _I.c.status.in_((constant("sent"), constant("overdue"))),
        _I.c.due_date < sa.bindparam("today", type_=sa.Date),
        sa.or_(
            _I.c.hold_kind.is_(None),
            _I.c.hold_kind != constant("dispute"),
            _I.c.hold_until < sa.bindparam("today", type_=sa.Date),
        ),
    )
    .order_by(_I.c.due_date, _I.c.row_id)
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


@dataclass(frozen=True, slots=True)
class HoldRecordView:
    """A hold that an invoice has or had. Without `ended_as` it stands, until its last day."""

    kind: InvoiceHold
    until: date | None
    amount: Decimal | None
    reason: str | None
    balance_then: Decimal
    placed_on: date
    placed_at: datetime
    placed_by: str
    ended_on: date | None
    ended_at: datetime | None
    ended_as: HoldEnd | None


def hold_invoice(work: UnitOfWork, invoice_id: UUID, command: HoldInvoice) -> HoldView:
    """Hold an invoice, in place of the hold it may have.

    Raises NotFound, InvalidInput, NotAllowed, StateConflict (invoice_not_open: void, cancelled, or
    a promise about an invoice on which nothing is owed).
    """
    work.actor.require(Action.DUNNING_WRITE)
    invoice = get_invoice(work, invoice_id)
    hold = _checked(command, invoice.currency_code)
    is_promise = hold.kind is InvoiceHold.PROMISE
    if invoice.status in _CLOSED or (is_promise and invoice.status not in OPEN):
        what = "nothing is owed on it" if is_promise else "nobody is chased for it"
        raise StateConflict(
            f"The invoice is {invoice.status}; {what}.",
            code="invoice_not_open",
            status=invoice.status,
        )
    _place(work, {invoice_id: invoice}, hold)
    return hold


def hold_overdue(work: UnitOfWork, customer_id: UUID, command: HoldInvoice) -> int:
    """Pause all overdue invoices of a customer, or take a promise about them; how many there are.

    Invoices in dispute stay so and are not counted. An amount is possible when there is just one.
    Raises NotFound, InvalidInput, NotAllowed, StateConflict (nothing_overdue).
    """
    work.actor.require(Action.DUNNING_WRITE)
    get_customer(work, customer_id)
    if command.kind is InvoiceHold.DISPUTE:
        raise InvalidInput.of("kind", "a dispute is about one invoice")
    overdue = work.rows(_OVERDUE_OF_CUSTOMER, customer_id=customer_id, today=work.today)
    code = overdue[0].currency_code if overdue else work.tenant.currency_code
    hold = _checked(command, code)
    if not overdue:
        raise StateConflict("The customer has nothing overdue to hold.", code="nothing_overdue")
    if hold.amount is not None and len(overdue) > 1:
        raise InvalidInput.of("amount", f"{len(overdue)} invoices are overdue: name one of them")
    _place(work, {invoice.id: invoice for invoice in overdue}, hold)
    return len(overdue)


def release_invoice(work: UnitOfWork, invoice_id: UUID) -> None:
    """End the invoice's hold; no error when it has none. Raises NotFound, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    invoice = get_invoice(work, invoice_id)
    before = _hold_of(invoice)
    if before is not None:
        clear_hold(work, invoice_id, invoice.version, HoldEnd.RELEASED)
        work.record("invoice.released", "invoice", invoice_id, before=hold_facts(before))


def list_holds(reader: Reader, invoice_id: UUID) -> list[HoldRecordView]:
    """Every hold the invoice has or had, the newest first. Raises NotFound, NotAllowed."""
    reader.actor.require(Action.READ)
    get_invoice(reader, invoice_id)
    return [HoldRecordView(*row) for row in reader.rows(_HISTORY, invoice_id=invoice_id)]


def clear_hold(work: UnitOfWork, invoice_id: UUID, version: int, how: HoldEnd) -> None:
    """Take the hold off the invoice and say in its history how it ended.

    `version` is the invoice's as it was read; raises LostRace when it has changed.
    """
    _set_on_invoice(work, invoice_id, version, None)
    _end(work, invoice_id, how)


def hold_customer(work: UnitOfWork, customer_id: UUID, command: HoldCustomer) -> HoldView:
    """Hold a customer, in place of the hold it may have. Raises NotFound, InvalidInput."""
    work.actor.require(Action.DUNNING_WRITE)
    customer = get_customer(work, customer_id)
    hold = HoldView(command.kind, _checked_until(command.until), None, _reason(command.reason))
    before = _hold_of(customer)
    if hold != before:
        _set_on_customer(work, customer_id, customer.version, hold)
        work.record(
            "customer.held",
            "customer",
            customer_id,
            before=hold_facts(before),
            after=hold_facts(hold),
        )
    return hold


def release_customer(work: UnitOfWork, customer_id: UUID) -> None:
    """End the customer's hold; no error when it has none. Raises NotFound, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    customer = get_customer(work, customer_id)
    before = _hold_of(customer)
    if before is not None:
        _set_on_customer(work, customer_id, customer.version, None)
        work.record("customer.released", "customer", customer_id, before=hold_facts(before))


def _place(work: UnitOfWork, invoices: dict[UUID, Any], hold: HoldView) -> None:
    """Put the hold on the invoices and into their histories, unless it stands already."""
    others = {key: one for key, one in invoices.items() if _hold_of(one) != hold}
    if not others:
        return
    for invoice_id, invoice in others.items():
        _set_on_invoice(work, invoice_id, invoice.version, hold)
        before = hold_facts(_hold_of(invoice))
        work.record("invoice.held", "invoice", invoice_id, before=before, after=hold_facts(hold))
    # A promise that was broken has ended already, though the invoice still shows it.
    end = {"today": work.today, "now": work.now, "how": HoldEnd.REPLACED}
    work.execute_many(_END, [{"held_invoice_id": key, **end} for key in others])
    work.execute_many(_PLACE, [_record_of(work, key, one, hold) for key, one in others.items()])


def _record_of(work: UnitOfWork, invoice_id: UUID, invoice: Any, hold: HoldView) -> dict[str, Any]:
    return {
        "id": new_id(),
        "invoice_id": invoice_id,
        "kind": hold.kind,
        "until": hold.until,
        "amount": hold.amount,
        "reason": hold.reason,
        "balance_then": invoice.balance_due,
        "placed_on": work.today,
        "placed_at": work.now,
        "placed_by": work.actor.who,
        "ended_on": None,
        "ended_at": None,
        "ended_as": None,
    }


def _end(work: UnitOfWork, invoice_id: UUID, how: HoldEnd) -> None:
    work.execute(_END, held_invoice_id=invoice_id, today=work.today, now=work.now, how=how)


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


def hold_facts(hold: HoldView | None) -> dict[str, Any] | None:
    """A hold as the audit log keeps it: what it says, without what it leaves open."""
    if hold is None:
        return None
    facts = {"kind": hold.kind, "until": hold.until, "amount": hold.amount, "reason": hold.reason}
    return {name: value for name, value in facts.items() if value is not None}
