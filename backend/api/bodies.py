"""Reading a request's body: bounded, JSON with exact decimals, and errors that name the field."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.types import Receive

from backend.api.problems import BodyTooLarge, UnsupportedMediaType
from backend.errors import FieldError, InvalidInput

M = TypeVar("M", bound=BaseModel)

BODY_BYTES_MAX = 1024 * 1024
# A client that is still sending must get our answer and not a reset connection, so what it sends
# is thrown away before we refuse; but not for ever.
DRAIN_BYTES_MAX = 16 * BODY_BYTES_MAX
DRAIN_SECONDS_MAX = 5.0

RawHeaders = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client closed the connection in the middle of its request: nobody is there to answer."""


def header(headers: RawHeaders, name: bytes) -> str | None:
    """The first header of this (lower-case) name, or None."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


async def read_body(receive: Receive, headers: RawHeaders) -> bytes:
    """The whole body; raises BodyTooLarge above one MiB, by its length or as it comes."""
    declared = header(headers, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise BodyTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")
    message = await _next_part(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await _next_part(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > BODY_BYTES_MAX:
                raise BodyTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")
        body = b"".join(parts)
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")
    return body


async def drain(receive: Receive, headers: RawHeaders) -> None:
    """Throw away what the client is still sending, within bounds."""
    declared = header(headers, b"content-length")
    if declared in (None, "0") and header(headers, b"transfer-encoding") is None:
        return
    if declared is not None and declared.isdigit() and int(declared) > DRAIN_BYTES_MAX:
        return
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            size, more = 0, True
            while more and size <= DRAIN_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                more = message["type"] == "http.request" and message.get("more_body", False)
    except TimeoutError:
        return


async def _next_part(receive: Receive) -> Any:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def require_json(headers: RawHeaders) -> None:
    """Raise UnsupportedMediaType unless the body is said to be JSON; saying nothing will do."""
    given = header(headers, b"content-type")
    if given is None:
        return
    media_type = given.partition(";")[0].strip().lower()
    main, _, sub = media_type.partition("/")
    if media_type != "application/json" and not (main == "application" and sub.endswith("+json")):
        raise UnsupportedMediaType(f"The body must be application/json, not {media_type[:100]}.")


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


def validated(model: type[M], value: Any) -> M:
    """The value as `model`; raises InvalidInput naming every field that is wrong."""
    try:
        valid: M = model.__pydantic_validator__.validate_python(value)
        return valid
    except ValidationError as error:
        raise InvalidInput(_field_errors(error)) from None


def _field_errors(error: ValidationError) -> list[FieldError]:
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in one["loc"]) or "body"
        found.setdefault(field, _wording(one))
    return [FieldError(field, message) for field, message in found.items()]


_WORDINGS = {
    "missing": "is required",
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "string_pattern_mismatch": "must not be blank or contain control characters",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def _wording(one: Any) -> str:
    wording = _WORDINGS.get(one["type"])
    if wording is None:
        message: str = one["msg"]
        return message
    return wording.format(**one.get("ctx", {}))
