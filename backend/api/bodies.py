"""Reading a request's body: bounded, checked against a model, and errors that name the field."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, TypeVar

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


class Incoming:
    """The body of a request: on its way until it is read, or thrown away."""

    __slots__ = ("_ended", "_headers", "_receive")

    def __init__(self, receive: Receive, headers: RawHeaders) -> None:
        self._receive = receive
        self._headers = headers
        self._ended = False

    async def read(self) -> bytes:
        """The whole body; raises BodyTooLarge above one MiB, by its length or as it comes."""
        if self._declared_size() > BODY_BYTES_MAX:
            raise _too_large()
        body = await self._next_part()
        if not self._ended:
            parts, size = [body], len(body)
            while not self._ended and size <= BODY_BYTES_MAX:
                parts.append(await self._next_part())
                size += len(parts[-1])
            body = b"".join(parts)
        if len(body) > BODY_BYTES_MAX:
            raise _too_large()
        return body

    async def discard(self) -> None:
        """Throw away what the client is still sending, within bounds."""
        is_chunked = header(self._headers, b"transfer-encoding") is not None
        size = self._declared_size()
        if self._ended or size > DRAIN_BYTES_MAX or (size == 0 and not is_chunked):
            return
        with contextlib.suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                thrown_away = 0
                while not self._ended and thrown_away <= DRAIN_BYTES_MAX:
                    thrown_away += len(await self._next_part())

    def _declared_size(self) -> int:
        declared = header(self._headers, b"content-length")
        return int(declared) if declared is not None and declared.isdecimal() else 0

    async def _next_part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientGone
        self._ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")


def require_json(headers: RawHeaders) -> None:
    """Raise UnsupportedMediaType unless the body is said to be JSON; saying nothing will do."""
    given = header(headers, b"content-type")
    if given is None:
        return
    media_type = given.partition(";")[0].strip().lower()
    main, _, sub = media_type.partition("/")
    if media_type != "application/json" and not (main == "application" and sub.endswith("+json")):
        raise UnsupportedMediaType(f"The body must be application/json, not {media_type[:100]}.")


def validated(model: type[M], value: Any) -> M:
    """The value as `model`; raises InvalidInput naming every field that is wrong."""
    try:
        valid: M = model.__pydantic_validator__.validate_python(value)
        return valid
    except ValidationError as error:
        raise InvalidInput(_field_errors(error)) from None


def given(value: Any) -> Any:
    """What a caller said, as plain values: the fields of a model that were set, at any depth."""
    if isinstance(value, BaseModel):
        return {name: given(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, list):
        return [given(item) for item in value]
    return value


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
