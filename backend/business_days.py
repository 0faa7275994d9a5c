"""On which days a business works: its weekdays, without the public holidays of its calendar.

Calendars are those of the `holidays` library, named by country and, where it has its own days,
by the part of the country: "US", "US-TX". The empty name is a calendar without holidays.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from importlib import resources

import holidays
from holidays.registry import COUNTRIES

CALENDAR_LENGTH_MAX = 16


@lru_cache(maxsize=1)
def calendars() -> tuple[str, ...]:
    """Every calendar there is, but for the empty one; in alphabetical order."""
    parts = holidays.list_supported_countries(include_aliases=False)
    names = [*parts, *(f"{country}-{part}" for country in parts for part in parts[country])]
    return tuple(sorted(name for name in names if len(name) <= CALENDAR_LENGTH_MAX))


def holiday_name(day: date, calendar: str) -> str | None:
    """What is celebrated that day ("Thanksgiving Day"), or None. KeyError for no calendar."""
    return _holidays_of(day.year, calendar).get(day) if calendar else None


@lru_cache(maxsize=1)
def country_names() -> dict[str, str]:
    """What the calendars of whole countries are called, `{"US": "United States"}`, by name."""
    names = {codes[1]: key.replace("_", " ").title() for key, codes in COUNTRIES.items()}
    found = {code: names.get(code, code) for code in calendars() if "-" not in code}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


@lru_cache(maxsize=8)
def part_names(country: str) -> dict[str, str]:
    """The parts of a country that have a calendar, by what they are called; none for no country.

    The key is the calendar: `{"US-TX": "Texas"}`.
    """
    own = [name for name in calendars() if name.startswith(f"{country}-")]
    if not own:
        return {}
    known = {
        part: name for name, part in holidays.country_holidays(country).subdivisions_aliases.items()
    }
    found = {name: known.get(part := name.partition("-")[2], part) for name in own}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def next_holidays(day: date, calendar: str, *, count: int) -> list[tuple[date, str]]:
    """The holidays from this day on, the next `count` of them, at most a year ahead."""
    days = (day + timedelta(days=ahead) for ahead in range(366))
    found = ((it, name) for it in days if (name := holiday_name(it, calendar)))
    return [next_one for next_one, _ in zip(found, range(count), strict=False)]


def is_business_day(day: date, *, weekdays: str, calendar: str) -> bool:
    """Whether it is a working day: `weekdays` is seven of 0 and 1, Monday first."""
    return weekdays[day.weekday()] == "1" and holiday_name(day, calendar) is None


def calendar_of_zone(time_zone: str) -> str:
    """The calendar of the country a time zone lies in, or the empty one where none is known."""
    return _calendars_of_zones().get(time_zone, "")


@lru_cache(maxsize=512)
def _holidays_of(year: int, calendar: str) -> dict[date, str]:
    if calendar not in calendars():
        raise KeyError(calendar)
    country, _, part = calendar.partition("-")
    return dict(holidays.country_holidays(country, subdiv=part or None, years=year))


@lru_cache(maxsize=1)
def _calendars_of_zones() -> dict[str, str]:
    table = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    known = frozenset(calendars())
    return {fields[2]: fields[0] for fields in lines if fields[0] in known}
