"""Column types keep exactly what they are given, on SQLite and as SQL Server wants it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.types import TypeEngine

from backend.db.types import FourPlaces, Id, LongText, MoneyAmount, Text, UtcInstant, choice
from backend.ids import new_id

SQLITE, MSSQL = sqlite.dialect(), mssql.dialect(deprecate_large_types=True)


def stored(kind: TypeEngine, value: object, dialect: sa.Dialect = SQLITE) -> object:
    processor = kind.dialect_impl(dialect).bind_processor(dialect)
    return value if processor is None else processor(value)


def loaded(kind: TypeEngine, value: object, dialect: sa.Dialect = SQLITE) -> object:
    processor = kind.dialect_impl(dialect).result_processor(dialect, None)
    return value if processor is None else processor(value)


@given(st.decimals("-999999999999.99", "999999999999.99", places=2))
def test_money_on_sqlite_is_a_whole_number_of_hundredths(amount: Decimal):
    kept = stored(MoneyAmount(), amount)
    assert kept == int(amount * 100)
    assert type(kept) is int
    back = loaded(MoneyAmount(), kept)
    assert back == amount
    assert str(back) == str(amount if amount else abs(amount))


@given(st.decimals("0.0001", "99999999999999.9999", places=4))
def test_quantities_and_rates_on_sqlite_keep_four_places(quantity: Decimal):
    kept = stored(FourPlaces(), quantity)
    assert type(kept) is int
    assert loaded(FourPlaces(), kept) == quantity


def test_money_on_sql_server_stays_a_decimal():
    assert stored(MoneyAmount(), Decimal("1234.50"), MSSQL) == Decimal("1234.50")
    assert str(loaded(MoneyAmount(), Decimal("1234.5"), MSSQL)) == "1234.50"


@pytest.mark.parametrize("value", [1, 1.5, "1.50", True])
@pytest.mark.parametrize("dialect", [SQLITE, MSSQL], ids=["sqlite", "mssql"])
def test_money_takes_decimals_only(value: object, dialect: sa.Dialect):
    with pytest.raises(TypeError, match="exact decimal"):
        stored(MoneyAmount(), value, dialect)


def test_money_with_a_fraction_of_a_cent_is_never_cut():
    with pytest.raises(ValueError, match="more than 2 decimals"):
        stored(MoneyAmount(), Decimal("0.005"))
    with pytest.raises(ValueError, match="more than 4 decimals"):
        stored(FourPlaces(), Decimal("0.00005"))


def test_a_hundred_thousand_dimes_sum_exactly_in_the_database(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'sums.db'}")
    table = sa.Table("t", sa.MetaData(), sa.Column("amount", MoneyAmount))
    with engine.begin() as connection:
        table.create(connection)
        dimes = [{"amount": Decimal("0.10")}] * 1000
        for _ in range(100):
            connection.execute(table.insert(), dimes)
        total = connection.scalar(sa.select(sa.func.sum(table.c.amount)))
        assert total == Decimal("10000.00")
        equal = sa.select(sa.func.count()).where(table.c.amount == Decimal("0.10"))
        assert connection.scalar(equal) == 100_000
    engine.dispose()


@given(
    st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis takes naive bounds, then adds the zone.
        datetime(2999, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-5, minutes=-30))),
    )
)
def test_an_instant_on_sqlite_keeps_its_microseconds_in_utc(at: datetime):
    kept = stored(UtcInstant(), at)
    assert type(kept) is int
    back = loaded(UtcInstant(), kept)
    assert back == at
    assert isinstance(back, datetime)
    assert back.tzinfo is UTC


def test_instants_on_sqlite_sort_as_they_happened():
    start = datetime(2026, 3, 8, 7, 59, 59, 999_999, tzinfo=UTC)
    kept: list[Any] = [
        stored(UtcInstant(), start + timedelta(microseconds=step)) for step in range(3)
    ]
    assert kept == sorted(kept)
    assert len(set(kept)) == 3


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        stored(UtcInstant(), datetime(2026, 3, 4, 12))  # noqa: DTZ001


def test_an_instant_goes_to_sql_server_in_utc():
    at = datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=-6)))
    assert str(stored(UtcInstant(), at, MSSQL)).startswith("2026-03-04 18:00:00")


def test_an_id_on_sqlite_is_32_digits():
    one = new_id()
    assert stored(Id(), one) == one.hex
    assert loaded(Id(), one.hex) == one


@pytest.mark.parametrize("kind", [MoneyAmount(), FourPlaces(), UtcInstant(), Id()], ids=repr)
def test_nothing_stays_nothing(kind: TypeEngine):
    for dialect in (SQLITE, MSSQL):
        assert stored(kind, None, dialect) is None
        assert loaded(kind, None, dialect) is None


@pytest.mark.parametrize(
    ("kind", "on_sqlite", "on_mssql"),
    [
        (MoneyAmount(), "BIGINT", "NUMERIC(18, 2)"),
        (FourPlaces(), "BIGINT", "NUMERIC(18, 4)"),
        (UtcInstant(), "BIGINT", "DATETIMEOFFSET(6)"),
        (Id(), "CHAR(32)", "UNIQUEIDENTIFIER"),
        (Text(40), "VARCHAR(40)", "NVARCHAR(40)"),
        (LongText(), "TEXT", "NVARCHAR(max)"),
    ],
    ids=lambda value: repr(value) if isinstance(value, TypeEngine) else None,
)
def test_a_type_is_exact_on_both_databases(kind: TypeEngine, on_sqlite: str, on_mssql: str):
    assert kind.compile(SQLITE) == on_sqlite
    assert kind.compile(MSSQL) == on_mssql


class Colour(StrEnum):
    RED = "red"
    DARK_GREEN = "dark-green"


def test_a_choice_keeps_the_value_and_gives_back_the_member():
    kind = choice(Colour, "colour")
    assert stored(kind, Colour.DARK_GREEN) == "dark-green"
    assert loaded(kind, "dark-green") is Colour.DARK_GREEN
    with pytest.raises(LookupError):
        loaded(kind, "blue")


def test_a_choice_is_checked_by_the_database_too():
    table = sa.Table("t", sa.MetaData(), sa.Column("colour", choice(Colour, "colour")))
    assert "CHECK (colour IN ('red', 'dark-green'))" in str(sa.schema.CreateTable(table))
