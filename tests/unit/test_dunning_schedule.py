"""When a step is due, and when reminders may go out, wherever the tenant lives."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from backend.dunning.schedule import is_window_open, next_opening, step_due_on, why_closed
from backend.tenants.models import TenantStatus
from backend.tenants.settings import TenantSettings

DUE = date(2026, 3, 10)


def tenant_in(
    time_zone: str,
    *,
    hours: tuple[float, float] = (8, 18),
    weekdays: str = "1111100",
    calendar: str = "",
) -> TenantSettings:
    return TenantSettings(
        id=UUID(int=1),
        name="Ridge Roofing",
        status=TenantStatus.ACTIVE,
        currency_code="USD",
        time_zone=time_zone,
        invoice_number_prefix="INV-",
        sending_from_minute=int(hours[0] * 60),
        sending_until_minute=int(hours[1] * 60),
        sending_weekdays=weekdays,
        holiday_calendar=calendar,
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


def test_no_reminders_go_out_on_a_public_holiday_and_it_is_named() -> None:
    ohio = tenant_in("America/New_York", calendar="US")
    thanksgiving = datetime(2026, 11, 26, 17, 0, tzinfo=UTC)
    assert not is_window_open(thanksgiving, ohio)
    assert is_window_open(thanksgiving, tenant_in("America/New_York"))
    assert why_closed(date(2026, 11, 26), ohio) == "Thanksgiving Day"
    assert why_closed(date(2026, 11, 27), ohio) is None
    assert why_closed(date(2026, 11, 28), ohio) == "weekend"
    assert why_closed(date(2026, 11, 25), tenant_in("UTC", weekdays="1100111")) == "no sending day"
    # Christmas, a Friday, and the weekend behind it.
    opening = next_opening(datetime(2026, 12, 24, 23, 30, tzinfo=UTC), ohio)
    assert opening == datetime(2026, 12, 28, 13, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DAILY = "1111111"


@pytest.mark.parametrize(
    ("zone", "hours", "now", "opening"),
    [
        ("America/Chicago", (8, 18), "2026-03-04 13:00", "2026-03-04 14:00"),
        ("America/Chicago", (8, 18), "2026-03-04 15:30", "2026-03-04 15:30"),
        ("America/Chicago", (8, 18), "2026-03-05 00:00", "2026-03-05 14:00"),
        # 02:00 becomes 03:00. A window inside the hour that is not there, one that reaches beyond
        # it, and one that begins before it.
        ("America/New_York", (2.25, 2.75), "2026-03-08 05:00", "2026-03-09 06:15"),
        ("America/New_York", (2.5, 8), "2026-03-08 05:00", "2026-03-08 07:00"),
        ("America/New_York", (1, 2.5), "2026-03-08 07:10", "2026-03-09 05:00"),
        ("Europe/Berlin", (2.5, 4), "2026-03-29 00:00", "2026-03-29 01:00"),
        # 02:00 becomes 01:00: the window between 01:15 and 01:45 opens twice.
        ("America/New_York", (1.25, 1.75), "2026-11-01 05:00", "2026-11-01 05:15"),
        ("America/New_York", (1.25, 1.75), "2026-11-01 05:50", "2026-11-01 06:15"),
        ("America/New_York", (1.25, 1.75), "2026-11-01 06:50", "2026-11-02 06:15"),
        # Open from 00:30 to 01:30, and again when it is one o'clock for the second time.
        ("America/New_York", (0.5, 1.5), "2026-11-01 05:40", "2026-11-01 06:00"),
        # The other half of the earth: forward in September and October, back in April.
        ("Pacific/Auckland", (2.25, 2.75), "2026-09-26 12:30", "2026-09-27 13:15"),
        ("Pacific/Auckland", (2.25, 2.75), "2026-04-04 13:50", "2026-04-04 14:15"),
        ("Australia/Lord_Howe", (2.1, 2.4), "2026-10-03 15:00", "2026-10-04 15:06"),
        # The day begins at one o'clock.
        ("America/Santiago", (0, 12), "2026-09-06 03:30", "2026-09-06 04:00"),
        # A day that never was: the 30th of December 2011.
        ("Pacific/Apia", (8, 18), "2011-12-30 09:00", "2011-12-30 18:00"),
    ],
)
def test_the_next_opening_is_by_the_clock_on_the_wall(
    zone: str, hours: tuple[float, float], now: str, opening: str
) -> None:
    assert next_opening(utc(now), tenant_in(zone, hours=hours, weekdays=DAILY)) == utc(opening)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", "2026-03-07"),
        ("America/New_York", "2026-10-31"),
        ("Pacific/Auckland", "2026-04-04"),
        ("Pacific/Auckland", "2026-09-26"),
        ("America/Santiago", "2026-04-04"),
        ("America/Santiago", "2026-09-05"),
        ("Africa/Cairo", "2026-04-23"),
        ("Pacific/Honolulu", "2026-02-28"),
    ],
)
@pytest.mark.parametrize("hours", [(0, 24), (0, 0.5), (1.5, 2.5), (2.25, 2.5), (23, 24), (8, 18)])
def test_the_next_opening_is_the_first_open_quarter_of_an_hour(
    zone: str, day: str, hours: tuple[float, float]
) -> None:
    tenant = tenant_in(zone, hours=hours, weekdays="0111111")
    quarters = [utc(day) + timedelta(minutes=15 * number) for number in range(4 * 24 * 6)]
    for start in quarters[: 4 * 24 * 3 : 5]:
        found = next(at for at in quarters if at >= start and is_window_open(at, tenant))
        assert next_opening(start, tenant) == found


def test_the_opening_after_a_day_is_on_a_later_one() -> None:
    chicago = tenant_in("America/Chicago")
    noon = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)  # A Friday.
    assert next_opening(noon, chicago, after=date(2026, 3, 5)) == noon
    monday = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    assert next_opening(noon, chicago, after=date(2026, 3, 6)) == monday
