"""Rows that several pages show: an invoice, a payment; from the services' views to text.

Also the small readers of what stands in an address: ids, dates, choices. They raise InvalidInput.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import reflex as rx

from backend.errors import InvalidInput, NotFound
from backend.invoices.models import InvoiceStatus
from backend.invoices.queries import InvoiceView
from backend.payments.queries import PaymentView
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, table
from billerjacket_app.status import Badge

Choice = TypeVar("Choice", bound=StrEnum)

# States in which nothing is owed any more and nothing was: the amount is struck through.
_CALLED_OFF = (InvoiceStatus.VOID, InvoiceStatus.CANCELLED)


@dataclass
class InvoiceRow:
    """An invoice as a row."""

    invoice_id: str = ""
    href: str = ""
    number: str = ""
    customer: str = ""
    customer_href: str = ""
    badge: Badge = field(default_factory=Badge)
    issued: str = ""
    due: str = ""
    total: str = ""
    balance: str = ""
    struck: bool = False


@dataclass
class PaymentRow:
    """A payment as a row."""

    payment_id: str = ""
    href: str = ""
    received: str = ""
    customer: str = ""
    customer_href: str = ""
    badge: Badge = field(default_factory=Badge)
    method: str = ""
    invoices: str = ""
    amount: str = ""
    struck: bool = False


def invoice_row(reader: Reader, invoice: InvoiceView, *, with_code: bool = False) -> InvoiceRow:
    """An invoice as text; `with_code` where several currencies stand in one column."""
    code = invoice.currency_code
    is_open = invoice.status in (InvoiceStatus.SENT, InvoiceStatus.OVERDUE)
    owed = is_open or invoice.status is InvoiceStatus.PAID
    return InvoiceRow(
        invoice_id=str(invoice.invoice_id),
        href=routes.invoice(invoice.invoice_id),
        number=invoice.invoice_number or "Draft",
        customer=invoice.customer_name,
        customer_href=routes.customer(invoice.customer_id),
        badge=badge_of(reader, invoice),
        issued=fmt.calendar(invoice.issue_date),
        due=fmt.calendar(invoice.due_date),
        total=fmt.money(invoice.total_amount, code, with_code=with_code),
        balance=fmt.money(invoice.balance_due, code, with_code=with_code) if owed else fmt.NOTHING,
        struck=invoice.status in _CALLED_OFF,
    )


def badge_of(reader: Reader, invoice: InvoiceView) -> Badge:
    """The invoice's state on the tenant's today; a dispute is told before lateness."""
    if invoice.hold_kind == "dispute" and invoice.balance_due > 0:
        return status.HOLD["dispute"]
    return status.invoice(
        invoice.status,
        due=invoice.due_date,
        today=reader.today,
        paid=invoice.paid_amount,
        balance=invoice.balance_due,
    )


def payment_row(payment: PaymentView, *, with_code: bool = False) -> PaymentRow:
    """A payment as text."""
    numbers = [part.invoice_number for part in payment.allocations]
    more = f" and {len(numbers) - 2} more" if len(numbers) > 2 else ""
    return PaymentRow(
        payment_id=str(payment.payment_id),
        href=routes.payment(payment.payment_id),
        received=fmt.calendar(payment.received_on),
        customer=payment.customer_name,
        customer_href=routes.customer(payment.customer_id),
        badge=status.payment(
            payment.status,
            unapplied=payment.unapplied_amount,
            currency_code=payment.currency_code,
            refunded=payment.refunded_amount,
            disputed=payment.disputed_amount,
        ),
        method=status.METHODS[payment.method],
        invoices=", ".join(numbers[:2]) + more if numbers else fmt.NOTHING,
        amount=fmt.money(payment.amount, payment.currency_code, with_code=with_code),
        struck=payment.status == "reversed",
    )


def mixed(codes: Iterable[str]) -> bool:
    """Whether several currencies stand in one list."""
    return len(set(codes)) > 1


def zone_of(reader: Reader) -> ZoneInfo:
    """The tenant's time zone."""
    return ZoneInfo(reader.tenant.time_zone)


def figure(text: Any, struck: Any) -> rx.Component:
    """An amount; struck through where the thing it belongs to was called off."""
    return rx.cond(struck, rx.el.s(text, class_name="struck num"), basic.money(text))


def invoice_cells(row: Any, *, with_customer: bool = True) -> list[rx.Component]:
    """The cells of an `InvoiceRow`, in the order of `invoice_columns`."""
    customer = [
        table.cell(
            rx.el.a(row.customer, href=row.customer_href, class_name="hit", title=row.customer),
            class_name="clip",
        )
    ]
    return [
        table.row_header(rx.el.a(row.number, href=row.href, class_name="hit"), class_name="num-l"),
        *(customer if with_customer else []),
        table.cell(basic.badge(row.badge)),
        table.cell(basic.day(row.issued)),
        table.cell(basic.day(row.due)),
        table.number(figure(row.total, row.struck), name="total"),
        table.number(basic.money(row.balance), name="balance"),
    ]


def invoice_columns(*, with_customer: bool = True, sortable: bool = False) -> list[table.Column]:
    """The columns of an invoice list."""

    def column(key: str, label: str, numeric: bool = False, sort: str = "") -> table.Column:
        return table.Column(key, label, numeric, sort if sortable else "")

    customer = [column("customer", "Customer", sort="customer")]
    return [
        column("number", "Number", sort="number"),
        *(customer if with_customer else []),
        column("status", "Status"),
        column("issued", "Issued"),
        column("due", "Due", sort="due"),
        column("total", "Total", numeric=True, sort="total"),
        column("balance", "Balance", numeric=True, sort="balance"),
    ]


def payment_cells(row: Any, *, with_customer: bool = True) -> list[rx.Component]:
    """The cells of a `PaymentRow`, in the order of `payment_columns`."""
    customer = [
        table.cell(
            rx.el.a(row.customer, href=row.customer_href, class_name="hit", title=row.customer),
            class_name="clip",
        )
    ]
    return [
        table.row_header(rx.el.a(basic.day(row.received), href=row.href, class_name="hit")),
        *(customer if with_customer else []),
        table.cell(basic.badge(row.badge)),
        table.cell(row.method),
        table.cell(row.invoices, class_name="clip"),
        table.number(figure(row.amount, row.struck), name="amount"),
    ]


def payment_columns(*, with_customer: bool = True) -> list[table.Column]:
    """The columns of a payment list."""
    customer = [table.Column("customer", "Customer")]
    return [
        table.Column("received", "Received"),
        *(customer if with_customer else []),
        table.Column("status", "Status"),
        table.Column("method", "Method"),
        table.Column("invoices", "Invoices"),
        table.Column("amount", "Amount", True),
    ]


# What stands in an address or a form.


def record_id(text: str, noun: str) -> UUID:
    """The id in a page's path; anything else names nothing that is here."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"There is no such {noun}.") from None


def optional_id(text: str, field_name: str) -> UUID | None:
    """An id in the address, or None when it is not there."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput.of(field_name, "is not an id") from None


def optional_date(text: str, field_name: str) -> date | None:
    """A date as YYYY-MM-DD, or None when it is not there."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput.of(field_name, "must be a date such as 2026-09-22") from None


def optional_choice(kind: type[Choice], text: str, field_name: str) -> Choice | None:
    """One of an enumeration's values, or None when it is not there."""
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InvalidInput.of(field_name, f"must be one of {', '.join(kind)}") from None
