"""What a template may speak of, and samples of every shape to prove it on before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from backend.communications.contexts import (
    Issuer,
    OpenInvoice,
    PaidInvoice,
    dunning_context,
    invoice_context,
    receipt_context,
)
from backend.communications.templates import (
    TemplateKey,
    TemplateSource,
    Value,
    known_key,
    render,
)
from backend.errors import InvalidInput

_TODAY = date(2026, 4, 20)
_ISSUER = Issuer("Ridge Roofing", ("12 Ridge Road", "Denver, CO 80202"))
_LONG_ISSUER = Issuer("Ridge Roofing and Gutter Works of the Upper Arkansas Valley " * 3, ())
_NAME = "Harbor Dental Group"
# Names that would be markup, an attribute or an address if they got to be one.
_NAMES = (
    _NAME,
    "The Wonderful and Very Long Winded Association of Home Owners of the Lower Valley " * 3,
    '"><script>alert(1)</script>{{ 7 * 7 }}',
    "x onmouseover=alert(1) y",
    "javascript:alert(1)",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a template may place; `meaning` and `example` are for who writes it."""

    name: str
    meaning: str
    example: str


_COMMON = (
    Variable("issuer_name", "Your company's name.", "Ridge Roofing"),
    Variable("issuer_lines", "Your postal address, a list of lines.", "12 Ridge Road"),
    Variable("customer_name", "The customer's name.", "Harbor Dental Group"),
)
_INVOICE = (
    Variable("number", "The invoice's number.", "INV-000042"),
    Variable("issue_date", "The day of issue.", "Apr 1, 2026"),
    Variable("due_date", "The due date.", "May 1, 2026"),
    Variable("total", "The invoice's total.", "$1,234.50"),
    Variable("balance_due", "What is still to be paid.", "$1,234.50"),
    Variable("purchase_order", "The purchase order's number; empty when there is none.", "PO-7"),
    Variable("facts_table", "Number, dates and amounts as a table.", ""),
)
_RECEIPT = (
    Variable("amount", "What was paid.", "$500.00"),
    Variable("received_on", "The day it was received.", "Apr 20, 2026"),
    Variable("credit", "The part kept as credit; empty when there is none.", "$12.00"),
    Variable("has_invoices", "True when it went to an invoice; for {% if %}.", ""),
    Variable("invoice_table", "The invoices it went to, as a table.", ""),
)
_REMINDER = (
    Variable("invoices_named", "The invoice by its number, or how many.", "Invoice INV-000042"),
    Variable("invoice_count", "How many invoices it is about.", "1"),
    Variable("is_single", "True when it is about one invoice; for {% if %}.", ""),
    Variable("total_due", "The sum of what is open.", "$1,234.50"),
    Variable("invoice_table", "The invoices with due date and balance, as a table.", ""),
)
VARIABLES: dict[TemplateKey, tuple[Variable, ...]] = {
    key: (
        *{TemplateKey.INVOICE: _INVOICE, TemplateKey.RECEIPT: _RECEIPT}.get(key, _REMINDER),
        *_COMMON,
    )
    for key in TemplateKey
}


def variables_of(template_key: str) -> tuple[Variable, ...]:
    """What a template of this key may place; a reminder of the tenant's own has a reminder's."""
    return VARIABLES[known_key(template_key) or TemplateKey.OVERDUE_NOTICE]


def sample_context(template_key: str) -> Mapping[str, Value]:
    """A plain example, for a preview when there is no invoice to show."""
    return _samples(template_key)[0]


def check_with_samples(template_key: str, source: TemplateSource) -> None:
    """Fill the template in with every sample. Raises InvalidInput naming the part that is broken.

    A subject must say something for each of them.
    """
    for context in _samples(template_key):
        email = render(template_key, context, source)
        if not email.subject:
            raise InvalidInput.of("subject", "must say something for every e-mail")
        own_text = email.text.partition("\n-- \n")[
            0
        ]  # what stands under every e-mail is not its own
        if not own_text.strip():
            raise InvalidInput.of("text", "must say something for every e-mail")


@cache
def _samples(template_key: str) -> tuple[Mapping[str, Value], ...]:
    match template_key:
        case TemplateKey.INVOICE:
            return (
                *(_invoice(name) for name in _NAMES),
                _invoice(_NAME, currency_code="JPY", amount="120000"),
                _invoice(_NAME, balance_due="1.00", purchase_order="PO-7"),
                _invoice(_NAME, issuer=_LONG_ISSUER),
            )
        case TemplateKey.RECEIPT:
            return (
                *(_receipt(name, invoices=1) for name in _NAMES),
                _receipt(_NAME, invoices=0, unapplied="500"),
                _receipt(_NAME, invoices=40, currency_code="JPY", amount="40000"),
                _receipt(_NAME, invoices=1, issuer=_LONG_ISSUER),
            )
    return (
        *(_reminder(name, invoices=1) for name in _NAMES),
        _reminder(_NAME, invoices=40),
        _reminder(_NAME, invoices=1, currency_code="JPY"),
        _reminder(_NAME, invoices=1, promised_on=date(2026, 4, 15)),
        _reminder(_NAME, invoices=60, issuer=_LONG_ISSUER),
    )


def _invoice(
    name: str,
    *,
    currency_code: str = "USD",
    amount: str = "1234.50",
    balance_due: str | None = None,
    purchase_order: str | None = None,
    issuer: Issuer = _ISSUER,
) -> Mapping[str, Value]:
    return invoice_context(
        issuer,
        name,
        number="INV-000042",
        issue_date=date(2026, 4, 1),
        due_date=date(2026, 5, 1),
        total=Decimal(amount),
        balance_due=Decimal(balance_due or amount),
        currency_code=currency_code,
        purchase_order_number=purchase_order,
    )


def _receipt(
    name: str,
    *,
    invoices: int,
    unapplied: str = "0",
    currency_code: str = "USD",
    amount: str = "500.00",
    issuer: Issuer = _ISSUER,
) -> Mapping[str, Value]:
    paid = [
        PaidInvoice(f"INV-{number:06}", Decimal(500), Decimal(number % 2 * 100))
        for number in range(42, 42 + invoices)
    ]
    return receipt_context(
        issuer,
        name,
        amount=Decimal(amount),
        unapplied=Decimal(unapplied),
        received_on=_TODAY,
        currency_code=currency_code,
        invoices=paid,
    )


def _reminder(
    name: str,
    *,
    invoices: int,
    currency_code: str = "USD",
    promised_on: date | None = None,
    issuer: Issuer = _ISSUER,
) -> Mapping[str, Value]:
    opened = [
        OpenInvoice(
            f"INV-{number:06}",
            _TODAY - timedelta(days=1 + number % 60),
            Decimal(100 + number),
            currency_code,
            promised_on,
        )
        for number in range(42, 42 + invoices)
    ]
    return dunning_context(issuer, name, opened, today=_TODAY)
