"""When a step is due, and when reminders may go out, wherever the tenant lives."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from backend.dunning.schedule import is_window_open, step_due_on
from backend.tenants.models import TenantStatus
from backend.tenants.settings import TenantSettings

DUE = date(2026, 3, 10)


def tenant_in(time_zone: str, *, hours: tuple[int, int] = (8, 18)) -> TenantSettings:
    return TenantSettings(
        id=UUID(int=1),
        name="Ridge Roofing",
        status=TenantStatus.ACTIVE,
        currency_code="USD",
        time_zone=time_zone,
        invoice_number_prefix="INV-",
        sending_from_minute=hours[0] * 60,
        sending_until_minute=hours[1] * 60,
        sending_weekdays="1111100",
        holiday_calendar="",
        reminder_gap_days=3,
        reply_to_email=None,
        postal_address=None,
        high_value_amount=None,
    )


@pytest.mark.parametrize(
    ("days_after_due", "due_on"),
    [(0, date(2026, 3, 11)), (1, date(2026, 3, 11)), (3, date(2026, 3, 13))],
)
def test_a_step_is_due_so_many_days_after_the_due_date_but_never_on_it(
    days_after_due: int, due_on: date
) -> None:
    assert step_due_on(DUE, days_after_due) == due_on


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        (datetime(2026, 3, 4, 13, 59, tzinfo=UTC), False),  # Wednesday 07:59 in Chicago
        (datetime(2026, 3, 4, 14, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 4, 23, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 5, 0, 0, tzinfo=UTC), False),  # 18:00: the end is not included
        (datetime(2026, 3, 7, 18, 0, tzinfo=UTC), False),  # Saturday noon
    ],
)
def test_the_window_is_the_tenants_weekday_and_time_of_day(utc: datetime, is_open: bool) -> None:
    assert is_window_open(utc, tenant_in("America/Chicago")) is is_open


def test_the_weekday_is_the_tenants_and_not_greenwichs() -> None:
    friday_evening_utc = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
    assert not is_window_open(friday_evening_utc, tenant_in("Pacific/Auckland"))  # Saturday 09:00
    assert is_window_open(friday_evening_utc, tenant_in("Pacific/Honolulu"))  # Friday 10:00


def test_the_window_moves_with_summer_time() -> None:
    chicago = tenant_in("America/Chicago")
    hour = 13
    friday_in_winter = datetime(2026, 3, 6, hour, 30, tzinfo=UTC)
    monday_in_summer = datetime(2026, 3, 9, hour, 30, tzinfo=UTC)
    assert not is_window_open(friday_in_winter, chicago)  # 07:30
    assert is_window_open(monday_in_summer, chicago)  # 08:30


def test_a_window_until_midnight_is_open_in_the_last_minute() -> None:
    late = datetime(2026, 3, 5, 5, 59, tzinfo=UTC)  # Wednesday 23:59 in Chicago
    assert is_window_open(late, tenant_in("America/Chicago", hours=(8, 24)))
