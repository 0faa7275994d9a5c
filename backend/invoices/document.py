"""The invoice as a document: everything its PDF shows, and nothing that it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_NOT_FOR_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Party:
    """One side of the invoice: its name, then address and contact lines as they are to stand."""

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line item. `tax_rate` is in percent, None when tax is given for the whole invoice."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal | None
    line_total: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An invoice as its reader sees it. Amounts have two places; a draft has no number."""

    issuer: Party
    bill_to: Party
    number: str | None
    status: str
    issue_date: date
    due_date: date
    currency_code: str
    lines: tuple[DocumentLine, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    paid: Decimal
    credited: Decimal
    balance_due: Decimal
    purchase_order_number: str | None = None
    notes: str | None = None

    @property
    def title(self) -> str:
        """ "Invoice INV-000001", or "Draft invoice" while it has no number."""
        return f"Invoice {self.number}" if self.number else "Draft invoice"

    @property
    def file_name(self) -> str:
        """The name under which the PDF is attached and downloaded."""
        return f"{_NOT_FOR_FILE_NAMES.sub('-', self.number or 'draft-invoice')}.pdf"
