"""Periods of reports, and small exact numbers: days and percentages with one decimal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from backend.checks import sensible_day
from backend.errors import InvalidInput
from backend.unit_of_work import Reader

PERIOD_DAYS = 90


def checked_period(reader: Reader, since: date | None, until: date | None) -> tuple[date, date]:
    """The first and the last day of a period, both included.

    It ends today unless told otherwise, and has 90 days. Raises InvalidInput when reversed.
    """
    last = reader.today if until is None else sensible_day(until, field="until")
    if since is None:
        return last - timedelta(days=PERIOD_DAYS - 1), last
    first = sensible_day(since, field="since")
    if first > last:
        raise InvalidInput.of("since", "must not be after the end of the period")
    return first, last


def one_decimal(value: Fraction) -> Decimal:
    """A number that is not negative, rounded half up to one decimal."""
    return Decimal(int(value * 10 + Fraction(1, 2))).scaleb(-1)


def median(values: Sequence[int]) -> Decimal:
    """The middle one of the values, or the mean of the two in the middle."""
    in_order = sorted(values)
    half = len(in_order) // 2
    return one_decimal(Fraction(in_order[half] + in_order[-1 - half], 2))


def mean(values: Sequence[int]) -> Decimal:
    """Their sum by their number."""
    return one_decimal(Fraction(sum(values), len(values)))
