"""Drafts: creating and changing an invoice before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, sensible_day
from backend.customers.queries import CustomerView, find_customer
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, StateConflict
from backend.ids import new_id
from backend.invoices.models import INVOICE_LINE_ITEMS, INVOICES, InvoiceStatus
from backend.invoices.queries import InvoiceView, LineView, get_invoice
from backend.invoices.totals import Line, LineInput, Totals, price_lines
from backend.money import ZERO, currency
from backend.unit_of_work import UnitOfWork

_I, _L = INVOICES, INVOICE_LINE_ITEMS
_CHANGEABLE = (
    "customer_id",
    "issue_date",
    "due_date",
    "currency_code",
    "subtotal_amount",
    "tax_amount",
    "total_amount",
    "given_tax_amount",
    "purchase_order_number",
    "notes",
    "external_source",
    "external_reference_id",
)
# What every new draft begins with.
_FRESH: dict[str, Any] = {
    "invoice_number": None,
    "status": InvoiceStatus.DRAFT,
    "paid_amount": ZERO,
    "credited_amount": ZERO,
    "balance_due": ZERO,
    "posted_on": None,
    "sent_at": None,
    "paid_at": None,
    "closed_at": None,
    "close_reason": None,
    "bill_to_name": None,
    "bill_to_address": None,
    "hold_kind": None,
    "hold_until": None,
    "hold_amount": None,
    "hold_reason": None,
    "version": 1,
}
_ADD = Statement(sa.insert(_I))
_ADD_LINE = Statement(sa.insert(_L))
_DROP_LINES = Statement(
    sa.delete(_L).where(_L.c.tenant_id == TENANT, _L.c.invoice_id == sa.bindparam("invoice_id"))
)
_CHANGE = Statement(
    sa.update(_I)
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.id == sa.bindparam("invoice_id"),
        _I.c.version == sa.bindparam("seen_version"),
        _I.c.status == InvoiceStatus.DRAFT,
    )
    .values({name: sa.bindparam(f"new_{name}") for name in _CHANGEABLE})
    .values(updated_at=sa.bindparam("now"), version=_I.c.version + 1)
)


@dataclass(frozen=True, slots=True)
class CreateInvoice:
    """A new draft. Left out: today, the customer's payment terms, the tenant's currency."""

    customer_id: UUID
    line_items: Sequence[LineInput]
    issue_date: date | None = None
    due_date: date | None = None
    currency_code: str | None = None
    purchase_order_number: str | None = None
    notes: str | None = None
    tax_amount: Decimal | str | int | None = None
    external_source: str | None = None
    external_reference_id: str | None = None


def create_invoice(work: UnitOfWork, command: CreateInvoice) -> InvoiceView:
    """Add a draft. Raises InvalidInput (also for a customer that is not there), NotAllowed."""
    work.actor.require(Action.INVOICES_WRITE)
    customer = _customer(work, command.customer_id)
    code = command.currency_code or work.tenant.currency_code
    totals = price_lines(command.line_items, command.tax_amount, currency(code))
    issue_date = sensible_day(command.issue_date or work.today, field="issue_date")
    texts = _texts(
        {
            "purchase_order_number": command.purchase_order_number,
            "notes": command.notes,
            "external_source": command.external_source,
            "external_reference_id": command.external_reference_id,
        }
    )
    invoice_id = new_id()
    row: dict[str, Any] = {
        "customer_id": customer.customer_id,
        "issue_date": issue_date,
        "due_date": _due_date(command.due_date, issue_date, customer),
        "currency_code": code,
        **_amounts(totals, command.tax_amount is not None),
        **texts,
        **_FRESH,
        "created_at": work.now,
    }
    work.execute(_ADD, id=invoice_id, updated_at=work.now, **row)
    line_ids = _write_lines(work, invoice_id, totals)
    work.record(
        "invoice.created",
        "invoice",
        invoice_id,
        after={
            "customer_id": customer.customer_id,
            "total_amount": totals.total,
            "currency_code": code,
            "due_date": row["due_date"],
        },
    )
    # Told from what was just written: reading it back would cost a fifth of the whole use case.
    return InvoiceView(
        invoice_id=invoice_id,
        customer_name=customer.display_name,
        line_items=tuple(map(_line_view, line_ids, totals.lines)),
        **row,
    )


def update_invoice(
    work: UnitOfWork,
    invoice_id: UUID,
    changes: dict[str, Any],
    *,
    seen_version: int | None = None,
) -> InvoiceView:
    """Change the named fields of a draft; `line_items` replaces all lines.

    `seen_version` is the version that the changes were made from; None takes any.
    Raises NotFound, StateConflict (invoice_not_draft, invoice_changed), InvalidInput, NotAllowed.
    """
    work.actor.require(Action.INVOICES_WRITE)
    before = get_invoice(work, invoice_id)
    if before.status is not InvoiceStatus.DRAFT:
        raise StateConflict(
            "A sent invoice never changes; only drafts can be edited.",
            code="invoice_not_draft",
            status=before.status,
        )
    if seen_version not in (None, before.version):
        raise StateConflict(
            "Somebody else changed this draft meanwhile. What you typed is still here; discard "
            "it to see the draft as it is now.",
            code="invoice_changed",
        )
    values = _changed_values(work, before, changes)
    old = {name: getattr(before, name) for name in _CHANGEABLE}
    touched = work.execute(
        _CHANGE,
        invoice_id=invoice_id,
        seen_version=before.version,
        now=work.now,
        **{f"new_{name}": value for name, value in (old | values).items()},
    )
    if touched != 1:
        raise LostRace
    differing = {name: value for name, value in values.items() if value != old[name]}
    work.record(
        "invoice.updated",
        "invoice",
        invoice_id,
        before={name: old[name] for name in differing},
        after=differing,
    )
    return get_invoice(work, invoice_id)


def _changed_values(
    work: UnitOfWork, before: InvoiceView, changes: dict[str, Any]
) -> dict[str, Any]:
    customer = _customer(work, changes.get("customer_id") or before.customer_id)
    code = changes.get("currency_code") or before.currency_code
    issue_date = sensible_day(changes.get("issue_date") or before.issue_date, field="issue_date")
    due_date = changes.get("due_date", before.due_date)
    values: dict[str, Any] = {
        "customer_id": customer.customer_id,
        "currency_code": code,
        "issue_date": issue_date,
        "due_date": _due_date(due_date, issue_date, customer),
        **_texts({name: changes[name] for name in _TEXTS if name in changes}),
    }
    if {"line_items", "tax_amount", "currency_code"} & changes.keys():
        given_tax = changes.get("tax_amount", before.given_tax_amount)
        lines = changes.get("line_items")
        if lines is None:
            lines = [
                LineInput(line.description, line.quantity, line.unit_price, line.tax_rate)
                for line in before.line_items
            ]
        totals = price_lines(lines, given_tax, currency(code))
        values |= _amounts(totals, given_tax is not None)
        work.execute(_DROP_LINES, invoice_id=before.invoice_id)
        _write_lines(work, before.invoice_id, totals)
    return values


def _customer(work: UnitOfWork, customer_id: UUID) -> CustomerView:
    customer = find_customer(work, customer_id)
    if customer is None:
        raise InvalidInput.of("customer_id", "is not a customer of this tenant")
    return customer


def _due_date(given: date | None, issue_date: date, customer: CustomerView) -> date:
    due_date = given or issue_date + timedelta(days=customer.payment_terms_days)
    if due_date < issue_date:
        raise InvalidInput.of("due_date", "must not be before issue_date")
    return sensible_day(due_date, field="due_date")


def _amounts(totals: Totals, tax_was_given: bool) -> dict[str, Decimal | None]:
    return {
        "subtotal_amount": totals.subtotal,
        "tax_amount": totals.tax,
        "total_amount": totals.total,
        "given_tax_amount": totals.tax if tax_was_given else None,
    }


_TEXTS = {
    "purchase_order_number": 100,
    "notes": 4000,
    "external_source": 100,
    "external_reference_id": 200,
}


def _texts(given: dict[str, str | None]) -> dict[str, str | None]:
    return {
        name: optional_text(value, field=name, max_length=_TEXTS[name], many_lines=name == "notes")
        for name, value in given.items()
    }


def _write_lines(work: UnitOfWork, invoice_id: UUID, totals: Totals) -> list[UUID]:
    line_ids = [new_id() for _ in totals.lines]
    work.execute_many(
        _ADD_LINE,
        [
            {
                "id": line_id,
                "invoice_id": invoice_id,
                "line_number": line.line_number,
                "description": line.description,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "tax_rate": line.tax_rate,
                "line_total": line.line_total,
                "tax_amount": line.tax_amount,
            }
            for line_id, line in zip(line_ids, totals.lines, strict=True)
        ],
    )
    return line_ids


def _line_view(line_id: UUID, line: Line) -> LineView:
    return LineView(
        line_id,
        line.line_number,
        line.description,
        line.quantity,
        line.unit_price,
        line.tax_rate,
        line.line_total,
        line.tax_amount,
    )
