"""What stands in the form of an invoice, and how it becomes a command. No Reflex in here.

Totals are the service's own arithmetic, so what the form shows is what will be saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from backend.customers.queries import CustomerFilter, find_customer, list_customers
from backend.errors import BillerJacketError, FieldError, InvalidInput
from backend.idempotency import Answer, once, request_hash
from backend.invoices.queries import InvoiceView, get_invoice
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    create_invoice,
    send_invoice,
    update_invoice,
)
from backend.invoices.totals import price_lines
from backend.money import ZERO, Currency, currency, parse_amount
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import format as fmt
from billerjacket_app.pages import rows

LINE_FIELDS = ("description", "quantity", "unit_price", "tax_rate")
SUGGESTIONS_MAX = 20


@dataclass(frozen=True)
class Sums:
    """What the typed lines come to so far: a text for each line, and the totals."""

    lines: dict[str, str]
    subtotal: str
    tax: str
    total: str


def add_up(values: dict[str, str], keys: Sequence[str], code: str) -> Sums:
    """Totals of the lines that make sense already; the others show `—` and count nothing."""
    in_currency = currency(code)
    texts: dict[str, str] = {}
    subtotal = tax = ZERO
    for key in keys:
        try:
            priced = price_lines([_line(values, key, describe="line")], None, in_currency)
        except InvalidInput:
            texts[key] = fmt.NOTHING
            continue
        texts[key] = fmt.money(priced.subtotal, code)
        subtotal += priced.subtotal
        tax += priced.tax
    if values.get("tax_amount"):
        tax = _amount_or_zero(values["tax_amount"], in_currency)
    return Sums(
        texts, fmt.money(subtotal, code), fmt.money(tax, code), fmt.money(subtotal + tax, code)
    )


def command_of(values: dict[str, str], keys: Sequence[str], customer_id: str) -> CreateInvoice:
    """The command the form stands for; raises InvalidInput with the form's own field names."""
    errors: list[FieldError] = []
    if not customer_id:
        errors.append(FieldError("customer", "choose a customer from the list"))
    dates: dict[str, Any] = {}
    for name in ("issue_date", "due_date"):
        try:
            dates[name] = rows.optional_date(values.get(name, ""), name)
        except InvalidInput as wrong:
            errors += wrong.errors
    if errors:
        raise InvalidInput(errors)
    return CreateInvoice(
        customer_id=UUID(customer_id),
        line_items=[_line(values, key) for key in keys],
        currency_code=values.get("currency_code") or None,
        purchase_order_number=values.get("purchase_order_number") or None,
        notes=values.get("notes") or None,
        tax_amount=_number(values.get("tax_amount", "")) or None,
        **dates,
    )


def check(command: CreateInvoice, code: str) -> None:
    """Raise what saving would say about lines, tax and dates, before anything is asked."""
    price_lines(command.line_items, command.tax_amount, currency(code))
    if command.issue_date and command.due_date and command.due_date < command.issue_date:
        raise InvalidInput.of("due_date", "must not be before the issue date")


def form_errors(problem_errors: dict[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Errors under the form's names: `line_items.0.quantity` belongs to `quantity-KEY`."""
    renamed = {}
    for name, text in problem_errors.items():
        parts = name.split(".")
        if parts[0] == "line_items" and len(parts) > 1 and int(parts[1]) < len(keys):
            field = parts[2] if len(parts) > 2 else "unit_price"
            renamed[f"{field}-{keys[int(parts[1])]}"] = text
        else:
            renamed["customer" if name == "customer_id" else name] = text
    return renamed


def save(
    work: UnitOfWork,
    form_key: str,
    command: CreateInvoice,
    draft_id: UUID | None,
    seen_version: int | None,
    send: bool,
) -> InvoiceView:
    """Save the form, and send the invoice when asked: both, or neither.

    A draft that somebody else changed since it was seen is not overwritten: StateConflict. The same
    form sent twice (a double click, a retry after a lost answer) makes one invoice.
    """

    def produce() -> Answer:
        if draft_id is None:
            invoice = create_invoice(work, command)
        else:
            changes = {
                name: getattr(command, name)
                for name in (
                    "customer_id", "line_items", "issue_date", "due_date", "currency_code",
                    "purchase_order_number", "notes", "tax_amount",
                )
            }  # fmt: skip
            invoice = update_invoice(work, draft_id, changes, seen_version=seen_version)
        if send:
            send_invoice(work, invoice.invoice_id)
        return Answer(201, str(invoice.invoice_id))

    answer = once(
        work,
        operation="app.save_invoice",
        key=form_key,
        hash_of_request=request_hash(str(command), str(draft_id), send),
        produce=produce,
    )
    return get_invoice(work, UUID(answer.response))


@dataclass(frozen=True)
class Suggestion:
    """A customer as the picker offers it: a text that names it, and nothing else."""

    label: str
    customer_id: str
    note: str


def suggest_customers(reader: Reader, text: str) -> list[Suggestion]:
    """Customers whose name, e-mail or reference holds the text; the newest when it is empty."""
    found = list_customers(reader, CustomerFilter(q=text or None), limit=SUGGESTIONS_MAX)
    names = [customer.display_name for customer in found.items]
    suggestions = []
    for customer in found.items:
        label = customer.display_name
        if names.count(label) > 1:
            label = f"{label} · {customer.email or fmt.short_id(customer.customer_id)}"
        suggestions.append(Suggestion(label, str(customer.customer_id), _note(customer)))
    return suggestions


def suggestion_for(reader: Reader, customer_id: UUID) -> Suggestion | None:
    """One customer as a suggestion; None when there is none of that id."""
    customer = find_customer(reader, customer_id)
    if customer is None:
        return None
    return Suggestion(customer.display_name, str(customer_id), _note(customer))


def values_of(invoice: InvoiceView) -> tuple[dict[str, str], list[str]]:
    """A draft's values and line keys, as the form holds them."""
    code = invoice.currency_code
    keys = [f"l{line.line_number}" for line in invoice.line_items]
    values = {
        "issue_date": invoice.issue_date.isoformat(),
        "due_date": invoice.due_date.isoformat(),
        "currency_code": code,
        "purchase_order_number": invoice.purchase_order_number or "",
        "notes": invoice.notes or "",
        "tax_amount": ""
        if invoice.given_tax_amount is None
        else fmt.amount_input(invoice.given_tax_amount, code),
    }
    for key, line in zip(keys, invoice.line_items, strict=True):
        values[f"description-{key}"] = line.description
        values[f"quantity-{key}"] = fmt.quantity(line.quantity).replace(",", "")
        values[f"unit_price-{key}"] = fmt.amount_input(line.unit_price, code)
        values[f"tax_rate-{key}"] = "" if line.tax_rate is None else fmt.quantity(line.tax_rate)
    return values, keys


def _line(values: dict[str, str], key: str, describe: str = "") -> LineInput:
    given = {name: values.get(f"{name}-{key}", "").strip() for name in LINE_FIELDS}
    return LineInput(
        given["description"] or describe,
        _number(given["quantity"]),
        _number(given["unit_price"]),
        _number(given["tax_rate"]) or None,
    )


def _number(text: str) -> str:
    """What people write around a number: thousands commas, a currency sign, spaces, a percent."""
    return text.strip().replace(",", "").replace(" ", "").lstrip("$€£¥").rstrip("%")


def _amount_or_zero(text: str, in_currency: Currency) -> Any:
    try:
        return parse_amount(_number(text), in_currency=in_currency, field="tax_amount")
    except BillerJacketError:
        return ZERO


def _note(customer: Any) -> str:
    terms = f"due {fmt.count(customer.payment_terms_days, 'day')} after the issue date"
    if customer.email is None:
        return f"No e-mail address: the invoice will not be e-mailed. Terms: {terms}."
    return f"Goes to {customer.email}. Terms: {terms}."
