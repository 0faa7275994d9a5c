"""The age of a balance: five buckets by due date, as SQL over whatever holds the balance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from backend.db.statements import constant

NAMES = ("current", "days_1_30", "days_31_60", "days_61_90", "days_over_90")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Open balances by days past due; `current` is what is not past due."""

    current: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    days_over_90: Decimal


def edges(as_of: date) -> dict[str, date]:
    """The parameters of `sums_by_age`: the oldest due date of each bucket but the last."""
    return {f"due_{days}": as_of - timedelta(days=days) for days in (0, 30, 60, 90)}


def sums_by_age(amount: Any, due_date: Any) -> list[Any]:
    """Five sums named as in NAMES. Edges are compared, so no dialect has to count days."""
    day_0, day_30, day_60, day_90 = (
        sa.bindparam(f"due_{days}", type_=sa.Date) for days in (0, 30, 60, 90)
    )
    conditions = (
        due_date >= day_0,
        sa.and_(due_date >= day_30, due_date < day_0),
        sa.and_(due_date >= day_60, due_date < day_30),
        sa.and_(due_date >= day_90, due_date < day_60),
        due_date < day_90,
    )
    return [
        sa.func.sum(sa.case((condition, amount), else_=constant(0))).label(name)
        for name, condition in zip(NAMES, conditions, strict=True)
    ]
