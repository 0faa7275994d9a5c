"""What an invoice comes to: pure arithmetic on exact decimals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backend.checks import required_text
from backend.errors import FieldError, InvalidInput
from backend.money import (
    HUNDRED,
    MAX_AMOUNT,
    ZERO,
    Currency,
    line_total,
    parse_amount,
    parse_decimal,
    tax_on,
)

LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class LineInput:
    """A line as it is asked for: numbers as Decimal or text, a tax rate in percent."""

    description: str
    quantity: Decimal | str | int
    unit_price: Decimal | str | int
    tax_rate: Decimal | str | int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its rounded total and tax."""

    line_number: int
    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal | None
    line_total: Decimal
    tax_amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """subtotal = Σ line totals; total = subtotal + tax."""

    lines: tuple[Line, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal


def price_lines(
    lines: Sequence[LineInput], tax_amount: Decimal | str | int | None, in_currency: Currency
) -> Totals:
    """Check and add up the lines. Raises InvalidInput naming the line.

    A line's total is rounded half up once; its tax is rounded from that total. Tax is per line or
    one amount for the whole invoice, never both.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidInput.of("line_items", f"must have 1 to {LINES_MAX} lines")
    errors: list[FieldError] = []
    priced: list[Line] = []
    for index, line in enumerate(lines):
        try:
            priced.append(_price(index, line, in_currency))
        except InvalidInput as error:
            errors.extend(error.errors)
    if errors:
        raise InvalidInput(errors)
    subtotal = sum((line.line_total for line in priced), ZERO)
    if tax_amount is None:
        tax = sum((line.tax_amount for line in priced), ZERO)
    else:
        if any(line.tax_rate is not None for line in priced):
            raise InvalidInput.of(
                "tax_amount", "must not be given together with tax rates on the lines"
            )
        tax = parse_amount(tax_amount, in_currency=in_currency, field="tax_amount")
        if tax < ZERO:
            raise InvalidInput.of("tax_amount", "must not be negative")
    total = subtotal + tax
    if total > MAX_AMOUNT:
        raise InvalidInput.of("line_items", f"the total must be at most {MAX_AMOUNT}")
    return Totals(tuple(priced), subtotal, tax, total)


def _price(index: int, line: LineInput, in_currency: Currency) -> Line:
    at = f"line_items.{index}"
    description = required_text(
        line.description, field=f"{at}.description", max_length=1000, many_lines=True
    )
    quantity = parse_decimal(line.quantity, places=4, field=f"{at}.quantity")
    if quantity <= 0:
        raise InvalidInput.of(f"{at}.quantity", "must be greater than zero")
    unit_price = parse_amount(line.unit_price, in_currency=in_currency, field=f"{at}.unit_price")
    if unit_price < ZERO:
        raise InvalidInput.of(f"{at}.unit_price", "must not be negative")
    rate = None
    if line.tax_rate is not None:
        rate = parse_decimal(line.tax_rate, places=4, field=f"{at}.tax_rate")
        if not 0 <= rate <= HUNDRED:
            raise InvalidInput.of(f"{at}.tax_rate", "must be between 0 and 100 percent")
    if quantity * unit_price > MAX_AMOUNT:
        raise InvalidInput.of(at, f"the line's total must be at most {MAX_AMOUNT}")
    total = line_total(quantity, unit_price, in_currency)
    tax = ZERO if rate is None else tax_on(total, rate, in_currency)
    return Line(index + 1, description, quantity, unit_price, rate, total, tax)
