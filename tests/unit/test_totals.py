"""What an invoice comes to."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.invoices.totals import LINES_MAX, LineInput, price_lines
from backend.money import MAX_AMOUNT, currency

USD, JPY = currency("USD"), currency("JPY")


def test_each_line_is_rounded_once_and_then_added_up():
    # Rounded at the end instead, three lines of 0.005 would come to 0.02.
    totals = price_lines([LineInput("Screws", "0.5", "0.01")] * 3, None, USD)
    assert [str(line.line_total) for line in totals.lines] == ["0.01", "0.01", "0.01"]
    assert (str(totals.subtotal), str(totals.tax), str(totals.total)) == ("0.03", "0.00", "0.03")


def test_tax_is_rounded_per_line_from_the_rounded_total():
    lines = [LineInput("Shingles", "1", "0.10", "5"), LineInput("Nails", "1", "0.10", "5")]
    totals = price_lines(lines, None, USD)
    assert [str(line.tax_amount) for line in totals.lines] == ["0.01", "0.01"]
    assert str(totals.total) == "0.22"
    # Half a cent, rounded up to one, and half of that one again; of half a cent it were nothing.
    (line,) = price_lines([LineInput("Screws", "0.5", "0.01", "50")], None, USD).lines
    assert (str(line.line_total), str(line.tax_amount)) == ("0.01", "0.01")


def test_a_line_without_a_rate_bears_no_tax():
    lines = [LineInput("Labor", "2", "85.00"), LineInput("Parts", "1", "100.00", "8.25")]
    totals = price_lines(lines, None, USD)
    assert [line.tax_rate for line in totals.lines] == [None, Decimal("8.25")]
    assert (str(totals.subtotal), str(totals.tax)) == ("270.00", "8.25")


def test_a_given_tax_amount_stands_for_the_whole_invoice():
    totals = price_lines([LineInput("Labor", "2", "85.00")], "14.03", USD)
    assert (str(totals.subtotal), str(totals.tax), str(totals.total)) == (
        "170.00",
        "14.03",
        "184.03",
    )


@pytest.mark.parametrize("rate", ["8.25", "0"])
def test_tax_is_per_line_or_for_the_invoice_but_never_both(rate: str):
    with pytest.raises(InvalidInput) as refusal:
        price_lines([LineInput("Parts", "1", "100.00", rate)], "8.25", USD)
    assert refusal.value.errors[0].field == "tax_amount"


def test_lines_are_numbered_in_the_order_given():
    totals = price_lines([LineInput(name, 1, 1) for name in ("a", "b", "c")], None, USD)
    assert [(line.line_number, line.description) for line in totals.lines] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]


def test_a_total_of_zero_is_allowed():
    assert price_lines([LineInput("Warranty visit", "1", "0")], None, USD).total == 0


@pytest.mark.parametrize("count", [0, LINES_MAX + 1])
def test_an_invoice_has_one_to_five_hundred_lines(count: int):
    with pytest.raises(InvalidInput) as refusal:
        price_lines([LineInput("Hour", "1", "1.00")] * count, None, USD)
    assert refusal.value.errors[0].field == "line_items"


def test_five_hundred_lines_are_taken():
    assert price_lines([LineInput("Hour", "1", "1.00")] * LINES_MAX, None, USD).total == LINES_MAX


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (LineInput("", "1", "1.00"), "description"),
        (LineInput("   ", "1", "1.00"), "description"),
        (LineInput("x" * 1001, "1", "1.00"), "description"),
        (LineInput("bell\x07", "1", "1.00"), "description"),
        (LineInput("x", "0", "1.00"), "quantity"),
        (LineInput("x", "-1", "1.00"), "quantity"),
        (LineInput("x", "0.00001", "1.00"), "quantity"),
        (LineInput("x", 1.5, "1.00"), "quantity"),  # type: ignore[arg-type]
        (LineInput("x", "NaN", "1.00"), "quantity"),
        (LineInput("x", "1", "-0.01"), "unit_price"),
        (LineInput("x", "1", "0.001"), "unit_price"),
        (LineInput("x", "1", "1e13"), "unit_price"),
        (LineInput("x", "1", 0.1), "unit_price"),  # type: ignore[arg-type]
        (LineInput("x", "1", "1.00", "-1"), "tax_rate"),
        (LineInput("x", "1", "1.00", "100.01"), "tax_rate"),
        (LineInput("x", "1", "1.00", "8.12345"), "tax_rate"),
    ],
)
def test_a_bad_line_is_refused_by_its_place_and_field(line: LineInput, field: str):
    with pytest.raises(InvalidInput) as refusal:
        price_lines([LineInput("Good", "1", "1.00"), line], None, USD)
    assert [error.field for error in refusal.value.errors] == [f"line_items.1.{field}"]


def test_all_bad_lines_are_named_at_once():
    lines = [LineInput("", 1, 1), LineInput("fine", 1, 1), LineInput("x", 0, 1)]
    with pytest.raises(InvalidInput) as refusal:
        price_lines(lines, None, USD)
    assert [error.field for error in refusal.value.errors] == [
        "line_items.0.description",
        "line_items.2.quantity",
    ]


@pytest.mark.parametrize("tax", ["-0.01", "0.001", "NaN", 0.5])
def test_a_bad_tax_amount_is_refused(tax: object):
    with pytest.raises(InvalidInput) as refusal:
        price_lines([LineInput("x", 1, 1)], tax, USD)  # type: ignore[arg-type]
    assert refusal.value.errors[0].field == "tax_amount"


def test_a_line_or_a_total_beyond_the_largest_amount_is_refused():
    with pytest.raises(InvalidInput, match=r"line_items\.0"):
        price_lines([LineInput("x", "2", str(MAX_AMOUNT))], None, USD)
    with pytest.raises(InvalidInput, match="the total"):
        price_lines([LineInput("x", "1", str(MAX_AMOUNT))] * 2, None, USD)
    with pytest.raises(InvalidInput, match="the total"):
        price_lines([LineInput("x", "1", str(MAX_AMOUNT))], "0.01", USD)


def test_every_rounding_of_yen_leaves_whole_yen():
    totals = price_lines([LineInput("Sealant", "1.5", "333", "8")], None, JPY)
    assert (str(totals.subtotal), str(totals.tax)) == ("500.00", "40.00")
    with pytest.raises(InvalidInput, match="must be whole"):
        price_lines([LineInput("Sealant", "1", "333.50")], None, JPY)
    with pytest.raises(InvalidInput, match="must be whole"):
        price_lines([LineInput("Sealant", "1", "333")], "0.50", JPY)


_LINES = st.lists(
    st.builds(
        LineInput,
        st.just("Work"),
        st.decimals("0.0001", 1000, places=4),
        st.decimals(0, 10_000, places=2),
        st.none() | st.decimals(0, 100, places=4),
    ),
    min_size=1,
    max_size=20,
)


@given(_LINES, st.sampled_from(["USD", "JPY"]))
def test_the_parts_always_add_up_to_the_total_in_the_currencys_unit(
    lines: list[LineInput], code: str
):
    if code == "JPY":
        lines = [
            LineInput(line.description, line.quantity, Decimal(line.unit_price) // 1, line.tax_rate)
            for line in lines
        ]
    totals = price_lines(lines, None, currency(code))
    assert totals.subtotal == sum(line.line_total for line in totals.lines)
    assert totals.tax == sum(line.tax_amount for line in totals.lines)
    assert totals.total == totals.subtotal + totals.tax
    assert totals.total % currency(code).unit == 0
