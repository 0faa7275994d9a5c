"""Whom and what a provider's money is for: the invoice or customer its event names."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement
from backend.errors import RuleRefused
from backend.invoices.balances import InvoiceBalance, find_balance
from backend.invoices.lifecycle import OPEN
from backend.invoices.models import INVOICES
from backend.unit_of_work import Reader
from backend.webhooks.events import ProviderEvent

_I, _C = INVOICES, CUSTOMERS
_BY_NUMBER = Statement(
    sa.select(_I.c.id).where(
        _I.c.tenant_id == TENANT, _I.c.invoice_number == sa.bindparam("invoice_number")
    )
)
_CUSTOMER = Statement(
    sa.select(_C.c.id).where(_C.c.tenant_id == TENANT, _C.c.id == sa.bindparam("customer_id"))
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why money cannot go where it was meant to: a stable word, and half a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Target:
    """Whose the money is, and the invoice that takes it; None: any of the customer's.

    With an obstacle the money goes to no invoice: it is the customer's credit.
    """

    customer_id: UUID
    invoice_id: UUID | None = None
    obstacle: Obstacle | None = None


def find_target(reader: Reader, event: ProviderEvent) -> Target:
    """Where a payment that succeeded goes.

    Raises RuleRefused (unknown_invoice, unknown_customer, payer_unknown, customer_mismatch) when
    nobody can say whose money it is.
    """
    invoice = find_named_invoice(reader, event)
    if invoice is not None:
        if event.customer_id not in (None, invoice.customer_id):
            raise _unmatched(
                event,
                "customer_mismatch",
                f"{_named(event)} is not of customer {event.customer_id}",
            )
        obstacle = _obstacle(invoice, event)
        return Target(
            invoice.customer_id, invoice.invoice_id if obstacle is None else None, obstacle
        )
    names_invoice = event.invoice_id is not None or event.invoice_number is not None
    customer_id = find_named_customer(reader, event)
    if customer_id is not None:
        unknown = Obstacle("unknown_invoice", f"there is no {_named(event)}")
        return Target(customer_id, obstacle=unknown if names_invoice else None)
    if names_invoice:
        raise _unmatched(event, "unknown_invoice", f"there is no {_named(event)}")
    if event.customer_id is not None:
        raise _unmatched(event, "unknown_customer", f"there is no customer {event.customer_id}")
    raise _unmatched(event, "payer_unknown", "the event names no invoice and no customer")


def find_named_invoice(reader: Reader, event: ProviderEvent) -> InvoiceBalance | None:
    """The invoice that the event names by id or by number, or None."""
    found = None if event.invoice_id is None else find_balance(reader, event.invoice_id)
    if found is None and event.invoice_number is not None:
        invoice_id = reader.scalar(_BY_NUMBER, invoice_number=event.invoice_number)
        found = None if invoice_id is None else find_balance(reader, invoice_id)
    return found


def find_named_customer(reader: Reader, event: ProviderEvent) -> UUID | None:
    """The id of the customer that the event names, or None when there is no such customer."""
    if event.customer_id is None:
        return None
    found: UUID | None = reader.scalar(_CUSTOMER, customer_id=event.customer_id)
    return found


def _obstacle(invoice: InvoiceBalance, event: ProviderEvent) -> Obstacle | None:
    name = f"invoice {invoice.invoice_number}" if invoice.invoice_number else "the invoice"
    if invoice.status not in OPEN:
        return Obstacle("invoice_not_open", f"{name} is {invoice.status}")
    if event.currency_code not in (None, invoice.currency_code):
        return Obstacle(
            "currency_mismatch",
            f"{name} is in {invoice.currency_code}, the payment in {event.currency_code}",
        )
    return None


def _named(event: ProviderEvent) -> str:
    return f"invoice {event.invoice_number or event.invoice_id}"


def _unmatched(event: ProviderEvent, code: str, why: str) -> RuleRefused:
    return RuleRefused(
        f"Nobody can say whose money this is: {why}. Record the payment by hand with the "
        f"provider's id {event.external_payment_id}, then replay the event.",
        code=code,
        external_payment_id=event.external_payment_id,
    )
