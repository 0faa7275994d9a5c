"""Small checks of what people and programs send; each raises InvalidInput with the field's name."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from backend.errors import InvalidInput

# One @, something on both sides, a dot in the domain: enough to catch slips. Whether an address
# takes mail is for the mail server to say.
_EMAIL = re.compile(r"[^@\s,;<>\"()\[\]\\]{1,64}@[^@\s,;<>\"()\[\]\\]+\.[^@\s,;<>\"()\[\]\\.]+")
EARLIEST_DAY = date(1970, 1, 1)
LATEST_DAY = date(2999, 12, 31)


def optional_text(
    value: str | None, *, field: str, max_length: int, many_lines: bool = False
) -> str | None:
    """Trimmed text or None when blank; no control characters, no line breaks unless allowed."""
    if value is None:
        return None
    text = value.strip()
    if not text:
        return None
    if len(text) > max_length:
        raise InvalidInput.of(field, f"must be at most {max_length} characters")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and not (
            many_lines and character in "\n\r\t"
        ):
            raise InvalidInput.of(field, "must not contain control characters")
    return text


def required_text(
    value: str | None, *, field: str, max_length: int, many_lines: bool = False
) -> str:
    """The same, and it must not be blank."""
    text = optional_text(value, field=field, max_length=max_length, many_lines=many_lines)
    if text is None:
        raise InvalidInput.of(field, "must not be empty")
    return text


def optional_email(value: str | None, *, field: str = "email") -> str | None:
    """An e-mail address as it was written, or None when blank."""
    text = optional_text(value, field=field, max_length=254)
    if text is not None and not _EMAIL.fullmatch(text):
        raise InvalidInput.of(field, "is not an e-mail address")
    return text


def sensible_day(value: date, *, field: str) -> date:
    """A day between 1970 and 2999: what every part of the product can print and compare."""
    if not EARLIEST_DAY <= value <= LATEST_DAY:
        raise InvalidInput.of(field, "must be between 1970-01-01 and 2999-12-31")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


# Numbers with decimals are never floats: 1.10 is exactly 1.10.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def parse_json(body: bytes) -> Any:
    """The JSON value with exact decimals; raises InvalidInput when it is not JSON."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except (ValueError, ArithmeticError):
        # NaN and Infinity, integers of thousands of digits, exponents beyond all bounds.
        raise _malformed("it has a number that is not finite or is too long") from None


def _malformed(why: str) -> InvalidInput:
    return InvalidInput.of("body", f"is not valid JSON: {why}", code="malformed_json")
