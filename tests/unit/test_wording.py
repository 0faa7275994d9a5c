"""How amounts, dates and other people's text are written for people."""

from datetime import date
from decimal import Decimal

import pytest

from backend.communications.wording import (
    clean_text,
    column_money_text,
    date_text,
    days_text,
    money_text,
    quantity_text,
    single_line,
)


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        ("1234.50", "USD", "$1,234.50"),
        ("0.00", "USD", "$0.00"),
        ("999999999999.99", "USD", "$999,999,999,999.99"),
        ("1000.00", "JPY", "¥1,000"),
        ("1234.50", "CHF", "CHF\u00a01,234.50"),
        ("-5.00", "EUR", "\u2212€5.00"),
    ],
)
def test_money_is_grouped_and_carries_its_currency(amount: str, code: str, text: str) -> None:
    assert money_text(Decimal(amount), code) == text


def test_a_column_of_money_does_not_repeat_a_letter_code() -> None:
    assert column_money_text(Decimal("-1234.50"), "CHF") == "\u22121,234.50"
    assert column_money_text(Decimal("1234.50"), "USD") == "$1,234.50"


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("2.0000", "2"), ("1.5000", "1.5"), ("1200.0625", "1,200.0625"), ("100.0000", "100")],
)
def test_quantities_have_no_idle_zeros(quantity: str, text: str) -> None:
    assert quantity_text(Decimal(quantity)) == text


def test_dates_and_days_read_as_people_write_them() -> None:
    assert date_text(date(2026, 7, 3)) == "Jul 3, 2026"
    assert days_text(1) == "1 day"
    assert days_text(12) == "12 days"


def test_cleaning_keeps_line_breaks_and_drops_what_cannot_be_seen() -> None:
    assert clean_text("a\r\nb\rc\x00\x1b\u202e") == "a\nb\nc"
    assert clean_text("e\u0301") == "é"


def test_one_line_is_one_line_and_no_longer_than_asked() -> None:
    assert single_line(" Bcc: x\r\n\tme ", characters_max=50) == "Bcc: x me"
    assert single_line("word " * 100, characters_max=12) == "word word w…"
