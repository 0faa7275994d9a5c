"""The kinds of fields in requests: exact, strict, and described in the OpenAPI document.

Numbers may be JSON numbers or text; both arrive exact. What depends on the tenant, the currency or
another row is the services' business.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from backend.checks import EARLIEST_DAY, LATEST_DAY
from backend.errors import InvalidInput
from backend.money import HUNDRED, MAX_AMOUNT, parse_decimal
from backend.paging import LIMIT_DEFAULT, LIMIT_MAX, decode_cursor

_DECIMAL_TEXT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_DAY_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CURRENCY_TEXT = re.compile(r"[A-Z]{3}", re.ASCII)
_LIMIT_TEXT = re.compile(r"[0-9]{1,9}", re.ASCII)


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual form."""
    return _UUID_TEXT.fullmatch(text) is not None


def _wrong(message: str) -> PydanticCustomError:
    # The message holds no braces of ours to fill in: they would be read as a template.
    return PydanticCustomError("invalid", "{message}", {"message": message})


def _decimal(value: Any, places: int, maximum: Decimal, *, positive: bool = False) -> Decimal:
    if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
        raise _wrong("must be a decimal number")
    try:
        number = parse_decimal(value, places=places, field="")
    except InvalidInput as refused:
        raise _wrong(refused.errors[0].message) from None
    if number < 0:
        raise _wrong("must not be negative")
    if positive and number == 0:
        raise _wrong("must be greater than zero")
    if number > maximum:
        raise _wrong(f"must be at most {maximum}")
    return number


def _amount(value: Any) -> Decimal:
    return _decimal(value, 2, MAX_AMOUNT)


def _positive_amount(value: Any) -> Decimal:
    return _decimal(value, 2, MAX_AMOUNT, positive=True)


def _quantity(value: Any) -> Decimal:
    return _decimal(value, 4, MAX_AMOUNT, positive=True)


def _rate(value: Any) -> Decimal:
    return _decimal(value, 4, HUNDRED)


def _uuid(value: Any) -> UUID:
    if not isinstance(value, str) or not is_uuid(value):
        raise _wrong("must be a UUID")
    return UUID(value)


def _choice_in_query(value: Any) -> bool:
    if value not in ("true", "false"):
        raise _wrong("must be true or false")
    return bool(value == "true")


def _day(value: Any) -> date:
    if not isinstance(value, str) or not _DAY_TEXT.fullmatch(value):
        raise _wrong("must be a date, YYYY-MM-DD")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise _wrong("is not a day of the calendar") from None
    if not EARLIEST_DAY <= day <= LATEST_DAY:
        raise _wrong(f"must be between {EARLIEST_DAY} and {LATEST_DAY}")
    return day


def _currency_code(value: Any) -> str:
    if not isinstance(value, str) or not _CURRENCY_TEXT.fullmatch(value):
        raise _wrong("must be an ISO 4217 code of three capital letters")
    return value


def _cursor(value: Any) -> str:
    try:
        decode_cursor(value)
    except InvalidInput as refused:
        raise _wrong(refused.errors[0].message) from None
    return str(value)


def _limit(value: Any) -> int:
    if not _LIMIT_TEXT.fullmatch(value) or not 1 <= int(value) <= LIMIT_MAX:
        raise _wrong(f"must be a whole number between 1 and {LIMIT_MAX}")
    return int(value)


def _schema(
    places: int, example: str, *, positive: bool = False, maximum: Decimal = MAX_AMOUNT
) -> WithJsonSchema:
    not_zero = r"(?!0+(\.0+)?$)" if positive else ""
    return WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": rf"^{not_zero}[0-9]{{1,12}}(\.[0-9]{{1,{places}}})?$",
                },
                {
                    "type": "number",
                    "exclusiveMinimum" if positive else "minimum": 0,
                    "maximum": float(maximum),
                    "multipleOf": float(Decimal(1).scaleb(-places)),
                },
            ],
            "description": f"A decimal, as text or number, with at most {places} decimals.",
            "examples": [example],
        }
    )


Amount = Annotated[Decimal, PlainValidator(_amount), _schema(2, "1234.50")]
PositiveAmount = Annotated[
    Decimal, PlainValidator(_positive_amount), _schema(2, "1234.50", positive=True)
]
Quantity = Annotated[Decimal, PlainValidator(_quantity), _schema(4, "2.5", positive=True)]
Rate = Annotated[Decimal, PlainValidator(_rate), _schema(4, "8.25", maximum=HUNDRED)]
Id = Annotated[UUID, PlainValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
Day = Annotated[
    date,
    PlainValidator(_day),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "pattern": "^(19[7-9]|2[0-9]{2})[0-9]-",
            "description": f"From {EARLIEST_DAY} to {LATEST_DAY}.",
            "examples": ["2026-03-31"],
        }
    ),
]
CurrencyCode = Annotated[
    str,
    PlainValidator(_currency_code),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD"]}),
]
Limit = Annotated[
    int,
    PlainValidator(_limit),
    WithJsonSchema(
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
    ),
]

# Control characters are never part of a text; line breaks and tabs are where lines are possible.
_LINE = r"[^\x00-\x1f\x7f-\x9f]"
_VISIBLE = r"[^\x00-\x20\x7f-\xa0]"
_LINES = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"


def one_line(maximum: int) -> StringConstraints:
    """Constrains text to one line of up to this many characters; it may be empty."""
    return StringConstraints(strict=True, max_length=maximum, pattern=f"^{_LINE}*$")


def many_lines(maximum: int) -> StringConstraints:
    """Constrains text to this many characters, line breaks and tabs included; it may be empty."""
    return StringConstraints(strict=True, max_length=maximum, pattern=f"^{_LINES}*$")


def required_line(maximum: int) -> StringConstraints:
    """Constrains text to one line of up to this many characters that is not blank."""
    pattern = f"^{_LINE}*{_VISIBLE}{_LINE}*$"
    return StringConstraints(strict=True, min_length=1, max_length=maximum, pattern=pattern)


def required_lines(maximum: int) -> StringConstraints:
    """Constrains text to this many characters, line breaks and tabs included, and not blank."""
    pattern = f"^{_LINES}*{_VISIBLE}{_LINES}*$"
    return StringConstraints(strict=True, min_length=1, max_length=maximum, pattern=pattern)


Cursor = Annotated[
    str,
    PlainValidator(_cursor),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}),
]
Switch = Annotated[bool, Field(strict=True)]
# The same in a query, where all is text.
QuerySwitch = Annotated[bool, PlainValidator(_choice_in_query), WithJsonSchema({"type": "boolean"})]
