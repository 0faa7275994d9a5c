"""Column types that are exact on SQLite and on SQL Server alike.

SQLite has neither decimals nor time zones: NUMERIC there is a float. So on SQLite money is an
integer count of hundredths, quantities and rates are integers of ten-thousandths, and an instant
is an integer count of microseconds since 1970 UTC; SUM and comparisons are exact. On SQL Server
the same columns are NUMERIC and DATETIMEOFFSET.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, SafeUUID

import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _ExactDecimal(TypeDecorator[Decimal]):
    """A decimal with a fixed number of places."""

    impl = sa.BigInteger
    cache_ok = True
    places = 2

    def __init__(self) -> None:
        super().__init__()
        self._unit = Decimal(1).scaleb(-self.places)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        # The one place where NUMERIC is right: SQL Server keeps it exactly.
        return dialect.type_descriptor(sa.Numeric(18, self.places))  # noqa: TID251

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"an exact decimal is required, not {type(value).__name__}")
        if dialect.name != "sqlite":
            return value
        scaled = value.scaleb(self.places)
        whole = int(scaled)
        if whole != scaled:
            raise ValueError(f"{value} has more than {self.places} decimals")
        return whole

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).quantize(self._unit)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """SQLite's integers by a short way: a report reads thousands, and most of them are zero."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        unit = self._unit
        zero = 0 * unit

        def from_integer(value: int | None) -> Decimal | None:
            if value:
                return value * unit
            return None if value is None else zero

        return from_integer


class MoneyAmount(_ExactDecimal):
    """Money with two places: NUMERIC(18,2), or hundredths as an integer on SQLite."""

    cache_ok = True
    places = 2


class FourPlaces(_ExactDecimal):
    """A quantity or a rate in percent, four places: NUMERIC(18,4), an integer on SQLite."""

    cache_ok = True
    places = 4


class UtcInstant(TypeDecorator[datetime]):
    """An aware UTC datetime: DATETIMEOFFSET(6), or microseconds since 1970 on SQLite."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mssql":
            # The dialect's type has no annotations.
            offset = mssql.DATETIMEOFFSET(6)  # type: ignore[no-untyped-call]
            return dialect.type_descriptor(offset)
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must carry its time zone")
        if dialect.name == "sqlite":
            return (value - _EPOCH) // _MICROSECOND
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=value)
        instant: datetime = value
        return instant.astimezone(UTC)


class Id(sa.Uuid[Any]):
    """A UUID: UNIQUEIDENTIFIER, or 32 hexadecimal digits on SQLite."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """SQLite's digits are ours and well formed: half of UUID()'s time goes to checking them."""
        if dialect.name != "sqlite":
            # The base class has no annotations.
            return super().result_processor(dialect, coltype)  # type: ignore[no-any-return,no-untyped-call]
        return _uuid_from_digits


_UNKNOWN = SafeUUID.unknown  # looking it up costs as much as the rest


def _uuid_from_digits(digits: str | None) -> UUID | None:
    if digits is None:
        return None
    value = object.__new__(UUID)
    object.__setattr__(value, "int", int(digits, 16))
    object.__setattr__(value, "is_safe", _UNKNOWN)
    return value


class Text(sa.Unicode):
    """Text of any script, bounded in length (VARCHAR would lose characters on SQL Server)."""

    cache_ok = True


class LongText(sa.UnicodeText):
    """Text of any script without a bound."""

    cache_ok = True


def choice(of: type[StrEnum], name: str) -> sa.Enum:
    """One of an enumeration's values, kept as text under a CHECK constraint called `name`."""
    return sa.Enum(
        of,
        native_enum=False,
        length=32,
        create_constraint=True,
        name=name,
        values_callable=lambda members: [member.value for member in members],
    )


# Clustered and creation-ordered on both databases; SQLite only numbers a plain INTEGER key.
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
