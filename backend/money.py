"""Exact money: decimals with two places, rounded half up once, in the currency's own precision.

Amounts are `Decimal`; no float is ever accepted. Currencies have an exponent of two, or of zero
(JPY), whose amounts must be whole. Three-exponent currencies are refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from backend.errors import InvalidInput

ZERO = Decimal("0.00")
CENT = Decimal("0.01")
MAX_AMOUNT = Decimal("999999999999.99")  # what NUMERIC(18,2) holds with room for sums
MAX_QUANTITY = Decimal("99999999999999.9999")
HUNDRED = Decimal(100)

# ISO 4217 codes by number of decimals. Only exponents two and zero can be kept exactly here.
_EXPONENT_TWO = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR
    LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
    PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
    SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW
"""
_EXPONENT_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_EXPONENT_OTHER = "BHD IQD JOD KWD LYD OMR TND CLF UYW"


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency by ISO code; `unit` is its smallest amount (0.01, or 1 for JPY)."""

    code: str
    unit: Decimal

    def round(self, amount: Decimal) -> Decimal:
        """Half up to the currency's unit, always with two places in the result."""
        return amount.quantize(self.unit, rounding=ROUND_HALF_UP).quantize(CENT)

    def text(self, amount: Decimal) -> str:
        """As the API writes it: "1234.50", or "1000" where the currency has no decimals."""
        return str(amount.quantize(self.unit))


_CURRENCIES = {code: Currency(code, CENT) for code in _EXPONENT_TWO.split()} | {
    code: Currency(code, Decimal(1)) for code in _EXPONENT_ZERO.split()
}
CURRENCY_CODES = tuple(sorted(_CURRENCIES))


def currency(code: str, *, field: str = "currency_code") -> Currency:
    """The currency with this ISO code; raises InvalidInput for an unknown or unsupported one."""
    found = _CURRENCIES.get(code)
    if found is None:
        why = (
            "has more decimals than two and is not supported"
            if code in _EXPONENT_OTHER.split()
            else "is not a known ISO 4217 currency code"
        )
        raise InvalidInput.of(field, f"{code!r} {why}", code="unsupported_currency")
    return found


def parse_decimal(value: object, *, places: int, field: str) -> Decimal:
    """A finite decimal with at most `places` decimals, from text, int or Decimal.

    Floats are refused: JSON numbers must be read with `parse_float=Decimal` or as text.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidInput.of(field, "must be a decimal number")
    # Decimal itself would also take "1_000" and the digits of every script.
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        raise InvalidInput.of(field, "must be a decimal number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InvalidInput.of(field, "must be a decimal number") from None
    if not number.is_finite():
        raise InvalidInput.of(field, "must be a finite number")
    # Copied, not calculated: abs() of "1e999999999" overflows.
    if number.copy_abs() > MAX_QUANTITY:
        raise InvalidInput.of(field, "is too large")
    exact = number.quantize(Decimal(1).scaleb(-places))
    if exact != number:
        raise InvalidInput.of(field, f"must have at most {places} decimals")
    return exact + 0  # There is no minus zero in money.


def parse_amount(value: object, *, in_currency: Currency, field: str) -> Decimal:
    """An amount with two places, bounded, whole where the currency has no decimals."""
    amount = parse_decimal(value, places=2, field=field)
    if abs(amount) > MAX_AMOUNT:
        raise InvalidInput.of(field, f"must be at most {MAX_AMOUNT}")
    if amount % in_currency.unit:
        raise InvalidInput.of(field, f"must be whole: {in_currency.code} has no decimals")
    return amount


def line_total(quantity: Decimal, unit_price: Decimal, in_currency: Currency) -> Decimal:
    """quantity times unit price, rounded half up once."""
    return in_currency.round(quantity * unit_price)


def share_of(part: Decimal | int, whole: Decimal | int) -> Fraction:
    """Which part of the whole this is, exactly. ZeroDivisionError for a part of nothing."""
    return Fraction(part) / Fraction(whole)


def tax_on(amount: Decimal, rate_percent: Decimal, in_currency: Currency) -> Decimal:
    """amount times rate in percent, rounded half up once."""
    return in_currency.round(amount * rate_percent / HUNDRED)
