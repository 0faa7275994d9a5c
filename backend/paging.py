"""Pages by key: a page ends with a cursor that names its last row; offsets are never used.

A cursor is the last row's id, encoded. It is resolved inside the reader's tenant, so that it
tells nothing and reaches nothing beyond it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from backend.errors import InvalidInput

T = TypeVar("T")

LIMIT_DEFAULT = 25
LIMIT_MAX = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of the next ones; None when these are the last."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(last: UUID) -> str:
    """The cursor that continues after this row."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> UUID:
    """The row a cursor names; raises InvalidInput when it is none of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==")
        if len(raw) != 16 or encode_cursor(UUID(bytes=raw)) != cursor:
            raise ValueError
    except (ValueError, binascii.Error):
        raise unknown_cursor() from None
    return UUID(bytes=raw)


def unknown_cursor() -> InvalidInput:
    """The error for a cursor that is malformed, or whose row is not there."""
    return InvalidInput.of("cursor", "is not a cursor of this list")


def checked_limit(limit: int) -> int:
    """The limit itself, or InvalidInput when it is out of range."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput.of("limit", f"must be between 1 and {LIMIT_MAX}")
    return limit
