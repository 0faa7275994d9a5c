"""How amounts, dates and other people's text are written in e-mails and on documents.

English for readers in the United States: "$1,234.50", "Jul 3, 2026".
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal

from backend.money import currency

# The currencies whose sign is understood on its own; all others are written "CHF 1,234.50".
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "CA$", "AUD": "A$", "MXN": "MX$"}

_MINUS = "\u2212"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# Overrides and isolates can make a line read other than it is ("refund" for "invoice"); zero-width
# joiners and plain right-to-left letters stay, since real names need them.
_DIRECTION_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_WHITESPACE_RUN = re.compile(r"\s+")


def money_text(amount: Decimal, currency_code: str) -> str:
    """An amount for people: "$1,234.50", "¥1,000", "CHF 10.00"; negative with a minus sign."""
    sign = _SIGNS.get(currency_code, f"{currency_code}\u00a0")
    return _signed(amount, sign + _grouped(abs(amount), currency_code))


def column_money_text(amount: Decimal, currency_code: str) -> str:
    """An amount in a column of its like, where a three-letter code on every row would be noise."""
    sign = _SIGNS.get(currency_code, "")
    return _signed(amount, sign + _grouped(abs(amount), currency_code))


def _signed(amount: Decimal, text: str) -> str:
    return f"{_MINUS}{text}" if amount < 0 else text


def _grouped(amount: Decimal, currency_code: str) -> str:
    return f"{Decimal(currency(currency_code).text(amount)):,f}"


def quantity_text(quantity: Decimal) -> str:
    """A quantity or a percentage without idle zeros: "2", "1.5", "1,200.0625"."""
    whole, _, fraction = f"{quantity:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def date_text(day: date) -> str:
    """A calendar date for people: "Jul 3, 2026"."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def days_text(days: int) -> str:
    """ "1 day", "12 days"."""
    return "1 day" if days == 1 else f"{days} days"


def clean_text(text: str) -> str:
    """Text as it was meant: normalised, without control characters; line breaks and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _DIRECTION_CONTROLS.sub("", unicodedata.normalize("NFC", text))
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}
    )


def single_line(text: str, *, characters_max: int) -> str:
    """Cleaned text on one line, cut with an ellipsis; what a header or a file name can hold."""
    line = _WHITESPACE_RUN.sub(" ", clean_text(text)).strip()
    return line if len(line) <= characters_max else line[: characters_max - 1].rstrip() + "…"
