"""The values that each e-mail template is given, made from typed facts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from backend.communications.templates import Cell, Table, Value
from backend.communications.wording import date_text, days_text, money_text, single_line
from backend.money import ZERO
from backend.tenants.settings import TenantSettings

# A customer with more open invoices gets the first ones, and the number and sum of the rest.
ROWS_MAX = 50

_NAME_CHARACTERS_MAX = 100
_LINE_CHARACTERS_MAX = 200
_LINES_MAX = 10


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who writes: the tenant's name, and the address and contact lines under its e-mails."""

    name: str
    lines: tuple[str, ...] = ()


def issuer_of(tenant: TenantSettings) -> Issuer:
    """The tenant as the writer of its e-mails, its postal address under each of them."""
    address = tenant.postal_address or ""
    lines = (single_line(line, characters_max=_LINE_CHARACTERS_MAX) for line in address.split("\n"))
    return Issuer(tenant.name, tuple(line for line in lines if line)[:_LINES_MAX])


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """One invoice in a reminder. `broken_promise_on` is the day by which it was promised."""

    number: str
    due_date: date
    balance_due: Decimal
    currency_code: str
    broken_promise_on: date | None = None


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """One invoice that a payment went to: how much, and what remains open after it."""

    number: str
    amount: Decimal
    balance_due: Decimal


def invoice_context(
    issuer: Issuer,
    customer_name: str,
    *,
    number: str,
    issue_date: date,
    due_date: date,
    total: Decimal,
    balance_due: Decimal,
    currency_code: str,
    purchase_order_number: str | None,
) -> dict[str, Value]:
    """Values for the `invoice` template."""
    facts = [("Invoice", number), ("Issued", date_text(issue_date)), ("Due", date_text(due_date))]
    if purchase_order_number:
        facts.append(("Purchase order", single_line(purchase_order_number, characters_max=100)))
    facts.append(("Total", money_text(total, currency_code)))
    if balance_due != total:
        facts.append(("Balance due", money_text(balance_due, currency_code)))
    return {
        **_common(issuer, customer_name),
        "number": number,
        "issue_date": date_text(issue_date),
        "due_date": date_text(due_date),
        "total": money_text(total, currency_code),
        "balance_due": money_text(balance_due, currency_code),
        "purchase_order": purchase_order_number or "",
        "facts_table": Table(
            heads=(),
            rows=tuple((Cell(name), Cell(value)) for name, value in facts),
            text_rows=tuple(f"{name}: {value}" for name, value in facts),
        ),
    }


def dunning_context(
    issuer: Issuer, customer_name: str, invoices: list[OpenInvoice], *, today: date
) -> dict[str, Value]:
    """Values for the four reminder templates; `invoices` in the order in which they are listed."""
    shown, rest = invoices[:ROWS_MAX], invoices[ROWS_MAX:]
    rows = [_open_row(invoice, today) for invoice in shown]
    text_rows = [_open_text(invoice, today) for invoice in shown]
    if rest:
        more = f"and {len(rest)} more"
        rows.append((Cell(more), Cell(""), Cell(_totals_text(rest))))
        text_rows.append(f"- {more}: {_totals_text(rest)}")
    single = len(invoices) == 1
    return {
        **_common(issuer, customer_name),
        "is_single": single,
        "invoice_count": len(invoices),
        "invoices_named": f"Invoice {invoices[0].number}"
        if single
        else f"{len(invoices)} invoices",
        "total_due": _totals_text(invoices),
        "invoice_table": Table(("Invoice", "Due", "Balance"), tuple(rows), tuple(text_rows)),
    }


def receipt_context(
    issuer: Issuer,
    customer_name: str,
    *,
    amount: Decimal,
    unapplied: Decimal,
    received_on: date,
    currency_code: str,
    invoices: list[PaidInvoice],
) -> dict[str, Value]:
    """Values for the `receipt` template. `unapplied` is what was kept as credit."""
    rows: list[tuple[Cell, ...]] = []
    text_rows: list[str] = []
    for invoice in invoices[:ROWS_MAX]:
        paid = money_text(invoice.amount, currency_code)
        open_text = (
            f"{money_text(invoice.balance_due, currency_code)} remains open"
            if invoice.balance_due
            else "paid in full"
        )
        rows.append((Cell(invoice.number, open_text), Cell(paid)))
        text_rows.append(f"- {invoice.number}: {paid} ({open_text})")
    if rest := invoices[ROWS_MAX:]:
        more = f"and {len(rest)} more"
        paid = money_text(sum((invoice.amount for invoice in rest), ZERO), currency_code)
        rows.append((Cell(more), Cell(paid)))
        text_rows.append(f"- {more}: {paid}")
    return {
        **_common(issuer, customer_name),
        "amount": money_text(amount, currency_code),
        "received_on": date_text(received_on),
        "credit": money_text(unapplied, currency_code) if unapplied else "",
        "has_invoices": bool(invoices),
        "invoice_table": Table(("Invoice", "Applied"), tuple(rows), tuple(text_rows)),
    }


def _common(issuer: Issuer, customer_name: str) -> dict[str, Value]:
    return {
        "issuer_name": single_line(issuer.name, characters_max=_NAME_CHARACTERS_MAX),
        "issuer_lines": list(issuer.lines),
        "customer_name": single_line(customer_name, characters_max=_NAME_CHARACTERS_MAX),
    }


def _open_row(invoice: OpenInvoice, today: date) -> tuple[Cell, ...]:
    return (
        Cell(invoice.number, _promise_text(invoice)),
        Cell(date_text(invoice.due_date), _age_text(invoice, today)),
        Cell(money_text(invoice.balance_due, invoice.currency_code)),
    )


def _open_text(invoice: OpenInvoice, today: date) -> str:
    balance = money_text(invoice.balance_due, invoice.currency_code)
    notes = [note for note in (_age_text(invoice, today), _promise_text(invoice)) if note]
    aside = f" ({', '.join(notes)})" if notes else ""
    return f"- {invoice.number}: {balance}, due {date_text(invoice.due_date)}{aside}"


def _age_text(invoice: OpenInvoice, today: date) -> str:
    days = (today - invoice.due_date).days
    return f"{days_text(days)} ago" if days > 0 else ""


def _promise_text(invoice: OpenInvoice) -> str:
    promised = invoice.broken_promise_on
    return f"promised for {date_text(promised)}" if promised else ""


def _totals_text(invoices: list[OpenInvoice]) -> str:
    """The sum in each currency: "$120.00", "$120.00 and €80.00"."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for invoice in invoices:
        totals[invoice.currency_code] += invoice.balance_due
    return " and ".join(money_text(total, code) for code, total in totals.items())
