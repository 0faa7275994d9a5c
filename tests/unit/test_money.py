"""Money is exact: what is refused at the door, and what rounding does once."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.money import (
    CURRENCY_CODES,
    MAX_AMOUNT,
    currency,
    line_total,
    parse_amount,
    parse_decimal,
    tax_on,
)

USD, JPY = currency("USD"), currency("JPY")


@pytest.mark.parametrize(
    ("quantity", "price", "total"),
    [
        ("1", "0.01", "0.01"),
        ("0.5", "0.01", "0.01"),  # half a cent goes up
        ("0.4999", "0.01", "0.00"),
        ("2.5", "0.05", "0.13"),  # 0.125: half even would give 0.12
        ("1.5", "0.03", "0.05"),  # 0.045: a float would give 0.04
        ("0.3333", "3.00", "1.00"),
        ("1234.5678", "99.99", "123444.43"),
        ("0.0001", "999999999999.99", "100000000.00"),
    ],
)
def test_a_line_is_rounded_half_up_to_the_cent(quantity: str, price: str, total: str):
    assert str(line_total(Decimal(quantity), Decimal(price), USD)) == total


@pytest.mark.parametrize(
    ("amount", "rate", "tax"),
    [
        ("100.00", "8.25", "8.25"),
        ("0.10", "5", "0.01"),  # 0.005
        ("0.09", "5", "0.00"),
        ("33.33", "7.1250", "2.37"),
        ("999999999999.99", "100", "999999999999.99"),
        ("10.00", "0", "0.00"),
    ],
)
def test_tax_is_rounded_half_up_to_the_cent(amount: str, rate: str, tax: str):
    assert str(tax_on(Decimal(amount), Decimal(rate), USD)) == tax


def test_yen_are_rounded_to_whole_yen():
    assert str(line_total(Decimal("1.5"), Decimal("333.00"), JPY)) == "500.00"
    assert str(tax_on(Decimal("505.00"), Decimal("10"), JPY)) == "51.00"


@given(
    st.decimals(0, 10_000, places=4, allow_nan=False),
    st.decimals(0, 10_000, places=2, allow_nan=False),
)
def test_a_rounded_line_is_the_nearest_cent_and_never_below_the_half(
    quantity: Decimal, price: Decimal
):
    error = line_total(quantity, price, USD) - quantity * price
    assert Decimal("-0.005") < error <= Decimal("0.005")


@pytest.mark.parametrize("text", ["0.10", "0.1", "10", "-3.00", " 5.25 ", "1e2", "00012.50"])
def test_an_amount_is_kept_with_two_places(text: str):
    amount = parse_amount(text, in_currency=USD, field="amount")
    assert amount == Decimal(text)
    assert amount.as_tuple().exponent == -2


@pytest.mark.parametrize("value", [7, Decimal("7"), "7"], ids=repr)
def test_an_amount_may_be_text_a_whole_number_or_a_decimal(value: object):
    assert str(parse_amount(value, in_currency=USD, field="amount")) == "7.00"


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        1.0,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
        {"amount": "1.00"},
        "",
        "ten",
        "1,50",
        "$5",
        "0x10",
        "1.2.3",
        "1_000",
        "١٢",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        Decimal("NaN"),
        "0.001",
        "1.999",
        Decimal("0.005"),
        "1e-3",
        "1000000000000.00",
        "-1000000000000.00",
        "1e300",
        "1e999999999",
        "-1e999999999999999999999",
        "1e-999999999",
        10**40,
        "9" * 5000,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_exact_amount_is_refused_with_its_field(value: object):
    with pytest.raises(InvalidInput) as refusal:
        parse_amount(value, in_currency=USD, field="line_items.3.unit_price")
    assert [error.field for error in refusal.value.errors] == ["line_items.3.unit_price"]


def test_minus_zero_is_zero():
    assert str(parse_amount("-0", in_currency=USD, field="amount")) == "0.00"


def test_the_largest_amount_is_taken_and_the_next_cent_is_not():
    assert parse_amount("999999999999.99", in_currency=USD, field="amount") == MAX_AMOUNT
    with pytest.raises(InvalidInput, match="at most"):
        parse_amount("1000000000000.00", in_currency=USD, field="amount")


def test_a_json_number_read_as_decimal_keeps_its_digits():
    body = json.loads('{"amount": 1234.50}', parse_float=Decimal)
    assert str(parse_amount(body["amount"], in_currency=USD, field="amount")) == "1234.50"


@pytest.mark.parametrize("text", ["0.50", "100.01", "1e-1"])
def test_a_currency_without_decimals_takes_whole_amounts_only(text: str):
    with pytest.raises(InvalidInput, match="must be whole: JPY has no decimals"):
        parse_amount(text, in_currency=JPY, field="amount")


def test_a_currency_without_decimals_is_written_without_them():
    assert JPY.text(parse_amount("1000", in_currency=JPY, field="amount")) == "1000"
    assert USD.text(parse_amount("1000", in_currency=USD, field="amount")) == "1000.00"


@pytest.mark.parametrize("code", ["KWD", "BHD", "TND", "CLF"])
def test_a_currency_with_more_than_two_decimals_is_refused_by_name(code: str):
    with pytest.raises(InvalidInput, match=f"'{code}' has more decimals than two") as refusal:
        currency(code)
    assert refusal.value.code == "unsupported_currency"
    assert refusal.value.errors[0].field == "currency_code"


@pytest.mark.parametrize("code", ["XXX", "usd", "", "US", "DOLLAR", "€"])
def test_what_is_no_currency_is_refused(code: str):
    with pytest.raises(InvalidInput, match="not a known ISO 4217") as refusal:
        currency(code)
    assert refusal.value.code == "unsupported_currency"


def test_every_listed_currency_is_supported_with_cents_or_none():
    assert len(CURRENCY_CODES) > 140
    assert {str(currency(code).unit) for code in CURRENCY_CODES} == {"0.01", "1"}


@pytest.mark.parametrize("text", ["0.0001", "99999999999999.9999"])
def test_a_quantity_has_up_to_four_places(text: str):
    assert str(parse_decimal(text, places=4, field="quantity")) == text


@pytest.mark.parametrize("text", ["0.00001", "100000000000000"])
def test_a_quantity_beyond_four_places_or_eighteen_digits_is_refused(text: str):
    with pytest.raises(InvalidInput):
        parse_decimal(text, places=4, field="quantity")
