"""Business days: weekdays and public holidays."""

from __future__ import annotations

from datetime import date

import pytest

from backend.business_days import (
    calendar_of_zone,
    calendars,
    country_names,
    holiday_name,
    is_business_day,
    next_holidays,
    part_names,
)


def test_thanksgiving_is_a_holiday_in_the_united_states_only() -> None:
    day = date(2026, 11, 26)
    assert holiday_name(day, "US") == "Thanksgiving Day"
    assert holiday_name(day, "DE") is None
    assert holiday_name(day, "") is None


def test_a_holiday_on_a_weekend_is_kept_on_the_working_day_next_to_it() -> None:
    # July 4th of 2026 is a Saturday.
    assert not is_business_day(date(2026, 7, 3), weekdays="1111100", calendar="US")
    assert is_business_day(date(2026, 7, 6), weekdays="1111100", calendar="US")


def test_parts_of_a_country_have_days_of_their_own() -> None:
    assert holiday_name(date(2026, 4, 21), "US-TX") == "San Jacinto Day"
    assert holiday_name(date(2026, 4, 21), "US") is None


def test_a_day_without_work_is_no_business_day_whatever_the_calendar() -> None:
    saturday = date(2026, 3, 7)
    assert not is_business_day(saturday, weekdays="1111100", calendar="")
    assert is_business_day(saturday, weekdays="1111110", calendar="")


def test_every_calendar_that_is_offered_can_be_asked() -> None:
    assert {"US", "US-TX", "NZ", "DE-BY", "GB-SCT"} <= set(calendars())
    for calendar in calendars():
        holiday_name(date(2026, 1, 1), calendar)


@pytest.mark.parametrize("calendar", ["XX", "US-XX", "us", "../US"])
def test_a_calendar_that_is_none_is_an_error(calendar: str) -> None:
    with pytest.raises(KeyError):
        holiday_name(date(2026, 1, 1), calendar)


@pytest.mark.parametrize(
    ("time_zone", "calendar"),
    [
        ("America/Chicago", "US"),
        ("Pacific/Honolulu", "US"),
        ("Pacific/Auckland", "NZ"),
        ("Europe/Berlin", "DE"),
        ("UTC", ""),
        ("Nowhere", ""),
    ],
)
def test_a_time_zone_tells_the_country(time_zone: str, calendar: str) -> None:
    assert calendar_of_zone(time_zone) == calendar


def test_calendars_are_offered_by_the_names_of_countries_and_their_parts() -> None:
    assert country_names()["US"] == "United States"
    assert part_names("US")["US-TX"] == "Texas"
    assert part_names("") == {}
    offered = {*country_names(), *(part for it in country_names() for part in part_names(it))}
    assert offered == set(calendars())


def test_the_next_holidays_begin_with_the_day_itself() -> None:
    thanksgiving = date(2026, 11, 26)
    assert next_holidays(thanksgiving, "US", count=2) == [
        (thanksgiving, "Thanksgiving Day"),
        (date(2026, 12, 25), "Christmas Day"),
    ]
    assert next_holidays(thanksgiving, "", count=2) == []
