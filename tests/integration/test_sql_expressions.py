"""SQL spelled per database: fresh ids and days between dates."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql

from backend.actor import Actor
from backend.db.engine import Database
from backend.db.expressions import days_between, fresh_id, id_prefix
from backend.db.statements import PlatformStatement
from backend.ids import new_id
from backend.unit_of_work import read


def test_every_row_gets_its_own_id_of_version_7(db: Database, actor: Actor) -> None:
    numbers = sa.select(sa.literal(1).label("i")).cte("n", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.i + 1).where(numbers.c.i < 500))
    statement = PlatformStatement(sa.select(fresh_id().label("id")).select_from(numbers))
    before = new_id()
    ids = [row.id for row in read(db, actor, lambda r: r.rows(statement, id_prefix=id_prefix()))]
    assert len(set(ids)) == 500
    assert all(isinstance(one, UUID) and one.version == 7 for one in ids)
    assert {one.variant for one in ids} == {before.variant}
    assert {one.hex[:13] for one in ids} == {ids[0].hex[:13]}
    assert ids[0].hex[:12] >= before.hex[:12]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (date(2026, 3, 1), date(2026, 3, 1), 0),
        (date(2026, 2, 28), date(2026, 3, 1), 1),
        (date(2024, 2, 28), date(2024, 3, 1), 2),
        (date(2026, 3, 1), date(2026, 2, 1), -28),
        (date(1999, 12, 31), date(2026, 1, 1), 9498),
    ],
)
def test_days_between_two_dates_are_whole(
    db: Database, actor: Actor, start: date, end: date, days: int
) -> None:
    sides = [sa.bindparam(name, type_=sa.Date) for name in ("start", "end")]
    statement = PlatformStatement(sa.select(days_between(*sides).label("days")))
    assert read(db, actor, lambda r: r.scalar(statement, start=start, end=end)) == days
    assert (end - start).days == days


def test_sql_server_has_its_own_words_for_both() -> None:
    day = sa.column("due_date", sa.Date)
    spelled = sa.select(fresh_id(), days_between(day, day)).compile(dialect=mssql.dialect())
    assert "NEWID()" in str(spelled)
    assert "DATEDIFF(day, due_date, due_date)" in str(spelled)
