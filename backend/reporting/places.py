"""Places in a list that is worked out anew each time: its cursor carries the sorted values.

A row of a read model has no row number, and may be gone when the next page is asked for. So the
cursor says where the last page ended, not which row did: what the caller saw there, nothing else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa

from backend.errors import InvalidInput
from backend.money import parse_decimal
from backend.paging import unknown_cursor

LENGTH_MAX = 2000
# A column's name, and whether it descends.
Order = Sequence[tuple[str, bool]]


def turned(order: Order) -> Order:
    """The same order from its end."""
    return [(name, not descending) for name, descending in order]


def sorted_by(columns: Any, order: Order) -> list[Any]:
    """What ORDER BY takes."""
    return [columns[name].desc() if down else columns[name].asc() for name, down in order]


def after_place(columns: Any, order: Order) -> sa.ColumnElement[bool]:
    """The condition of the rows after a place, whose values are bound as `after_<column>`."""
    beyond: list[Any] = []
    same: list[Any] = []
    for name, descending in order:
        column = columns[name]
        value = sa.bindparam(f"after_{name}", type_=column.type)
        further = column < value if descending else column > value
        beyond.append(sa.and_(*same, further))
        same.append(column == value)
    return sa.or_(*beyond)


def write_place(sort: str, order: Order, row: Any) -> str:
    """The cursor after this row."""
    values = [str(getattr(row, name)) for name, _ in order]
    return base64.urlsafe_b64encode(orjson.dumps([sort, *values])).decode().rstrip("=")


def read_place(
    cursor: str, sort: str, order: Order, kinds: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    """The parameters of `after_place`.

    Raises InvalidInput for what is no cursor, or one of another order.
    """
    try:
        if len(cursor) > LENGTH_MAX:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        named, *values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if named != sort or not all(isinstance(value, str) for value in values):
            raise ValueError
        return {
            f"after_{name}": kinds[name](value)
            for (name, _), value in zip(order, values, strict=True)
        }
    except (ValueError, TypeError, binascii.Error, InvalidInput):
        raise unknown_cursor() from None


def instant(text: str) -> datetime:
    """A moment as `write_place` wrote it, with its time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def amount(text: str) -> Decimal:
    """An amount of money as `write_place` wrote it."""
    return parse_decimal(text, places=2, field="cursor")


def number(text: str) -> int:
    """A small whole number."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(text)
    return int(text)
