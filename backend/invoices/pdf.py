"""Invoices as PDF, set by the Typst compiler in its wheel: no browser and no service to run.

The template `invoice.typ` holds the layout; the invoice's data reaches it as one JSON input, as
strings, so that no customer's text is ever read as markup. The same document always gives the same
bytes.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Lock

import typst

from backend.communications.wording import (
    clean_text,
    column_money_text,
    date_text,
    money_text,
    quantity_text,
)
from backend.invoices.document import DocumentLine, InvoiceDocument, Party
from backend.money import ZERO

_HERE = Path(__file__).parent
_TEMPLATE = _HERE / "invoice.typ"
_FONTS = _HERE / "fonts"

# Where Letter paper is in use; everybody else prints on A4.
_LETTER_CURRENCIES = frozenset({"USD", "CAD", "MXN", "CLP", "COP", "PHP"})

# Written across the page: a document nobody is to pay.
_WATERMARKS = {"draft": "DRAFT", "void": "VOID", "cancelled": "CANCELLED"}

# Typst breaks lines between words only; a longer word would run over the next column.
_UNBROKEN_MAX = 28
_LONG_WORD = re.compile(rf"\S{{{_UNBROKEN_MAX + 1},}}")
_ZERO_WIDTH_SPACE = "\u200b"

# The last line stays on one page with the totals, so that they never stand alone, unless the line
# is so long that it must be free to break.
_KEPT_TOGETHER_MAX_CHARACTERS = 900

# One at a time: the compiler keeps its caches in one place and uses every core by itself.
_compiling = Lock()


def render_invoice_pdf(document: InvoiceDocument) -> bytes:
    """The invoice as a PDF, on Letter or A4 by its currency; about 20 ms for a page.

    Deterministic: equal documents give equal bytes. Latin, Greek, Cyrillic, Chinese and Japanese
    text looks alike everywhere; other scripts need a font of the system.
    """
    created = datetime.combine(document.issue_date, time(), tzinfo=UTC)
    with _compiling:
        pdf = _compiler().compile(
            format="pdf", sys_inputs={"invoice": json.dumps(_inputs(document))}, timestamp=created
        )
    if not isinstance(pdf, bytes):
        raise TypeError("one PDF was expected of the compiler")
    return pdf


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(font_paths=[str(_FONTS)])
    return typst.Compiler(input=str(_TEMPLATE), root=str(_HERE), font_paths=fonts)


def _inputs(document: InvoiceDocument) -> dict[str, object]:
    return {
        "paper": "us-letter" if document.currency_code in _LETTER_CURRENCIES else "a4",
        "title": _text(document.title),
        "issuer": _party(document.issuer),
        "bill_to": _party(document.bill_to),
        "facts": _facts(document),
        "headline": _headline(document),
        "watermark": _WATERMARKS.get(document.status),
        "taxed": any(line.tax_rate is not None for line in document.lines),
        "lines": [_line(line, document.currency_code) for line in document.lines],
        "keep_last_line": bool(document.lines)
        and len(document.lines[-1].description) <= _KEPT_TOGETHER_MAX_CHARACTERS,
        "totals": _totals(document),
        "notes": _text(document.notes or ""),
        "created": document.issue_date.isoformat(),
    }


def _facts(document: InvoiceDocument) -> list[list[str]]:
    facts = [
        ["Issued", date_text(document.issue_date)],
        ["Due", date_text(document.due_date)],
        ["Currency", document.currency_code],
    ]
    if document.number:
        facts.insert(0, ["Invoice number", _text(document.number)])
    if document.purchase_order_number:
        facts.append(["Purchase order", _text(document.purchase_order_number)])
    return facts


def _headline(document: InvoiceDocument) -> dict[str, str]:
    """What the reader looks for first: how much, and by when."""

    def money(amount: Decimal) -> str:
        return money_text(amount, document.currency_code)

    match document.status:
        case "draft":
            return {"label": "Total", "amount": money(document.total), "note": "Not sent yet"}
        case "void" | "cancelled":
            label = document.status.capitalize()
            return {"label": label, "amount": money(ZERO), "note": "Nothing to pay"}
    if document.balance_due == 0:
        return {"label": "Balance due", "amount": money(ZERO), "note": "Paid, thank you"}
    due = f"by {date_text(document.due_date)}"
    return {"label": "Balance due", "amount": money(document.balance_due), "note": due}


def _totals(document: InvoiceDocument) -> list[dict[str, str]]:
    rows: list[tuple[str, Decimal, str]] = [
        ("Subtotal", document.subtotal, "plain"),
        ("Tax", document.tax, "plain"),
        ("Total", document.total, "strong"),
    ]
    if document.paid:
        rows.append(("Paid", -document.paid, "plain"))
    if document.credited:
        rows.append(("Credited", -document.credited, "plain"))
    if document.status not in _WATERMARKS:
        rows.append(("Balance due", document.balance_due, "final"))
    return [
        {"label": label, "amount": money_text(amount, document.currency_code), "weight": weight}
        for label, amount, weight in rows
    ]


def _line(line: DocumentLine, currency_code: str) -> dict[str, str]:
    return {
        "description": _text(line.description),
        "quantity": quantity_text(line.quantity),
        "unit_price": column_money_text(line.unit_price, currency_code),
        "tax": "" if line.tax_rate is None else f"{quantity_text(line.tax_rate)}%",
        "total": column_money_text(line.line_total, currency_code),
    }


def _party(party: Party) -> dict[str, object]:
    return {"name": _text(party.name), "lines": [_text(line) for line in party.lines]}


def _text(text: str) -> str:
    """Somebody's text, cleaned, with places to break in words that are too long for a column."""
    return _LONG_WORD.sub(_breakable, clean_text(text)).strip()


def _breakable(word: re.Match[str]) -> str:
    whole = word.group()
    parts = (whole[at : at + _UNBROKEN_MAX] for at in range(0, len(whole), _UNBROKEN_MAX))
    return _ZERO_WIDTH_SPACE.join(parts)
