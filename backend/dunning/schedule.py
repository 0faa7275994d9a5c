"""Pure decisions about time: when a step is due, and when reminders may go out. No database.

Times of day are what the tenant's clock on the wall shows. Where it jumps over an hour, a window
inside that hour does not open on that day; where an hour comes twice, the window is open twice.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backend.business_days import holiday_name, is_business_day
from backend.tenants.settings import TenantSettings

# A calendar with a holiday on every sending weekday for ten years is no calendar.
_DAYS_LOOKED_AHEAD_MAX = 3660


def step_due_on(due_date: date, days_after_due: int) -> date:
    """The first day on which a step may go out: day 0 is the first overdue day.

    An invoice is overdue when its due day has ended, so nothing goes out on the due day itself.
    """
    return due_date + timedelta(days=max(days_after_due, 1))


def is_window_open(now: datetime, tenant: TenantSettings) -> bool:
    """Whether reminders may go out at this instant: the tenant's business day and time of day."""
    local = now.astimezone(ZoneInfo(tenant.time_zone))
    minute = local.hour * 60 + local.minute
    return (
        _is_business_day(local.date(), tenant)
        and tenant.sending_from_minute <= minute < tenant.sending_until_minute
    )


def why_closed(day: date, tenant: TenantSettings) -> str | None:
    """Why no reminders go out on a day: the name of the holiday, or "no working day"; or None."""
    holiday = holiday_name(day, tenant.holiday_calendar)
    if holiday is not None:
        return holiday
    return None if tenant.sending_weekdays[day.weekday()] == "1" else "no working day"


def next_opening(now: datetime, tenant: TenantSettings, *, after: date | None = None) -> datetime:
    """The next instant (UTC, not before `now`) in the sending window, on a day later than `after`.

    A tenant has at least one weekday for sending, so that there is always one.
    """
    zone = ZoneInfo(tenant.time_zone)
    day = now.astimezone(zone).date()
    if after is not None and after >= day:
        day = after + timedelta(days=1)
    for _ in range(_DAYS_LOOKED_AHEAD_MAX):
        if _is_business_day(day, tenant) and (opening := _opening(day, tenant, zone)) is not None:
            start, end = opening
            if now < end:
                return max(now, start)
        day += timedelta(days=1)
    raise ValueError("no day of the coming years is a working day")


def _is_business_day(day: date, tenant: TenantSettings) -> bool:
    return is_business_day(day, weekdays=tenant.sending_weekdays, calendar=tenant.holiday_calendar)


def _opening(day: date, tenant: TenantSettings, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """First and last instant (the latter excluded) of a day's window in UTC; None without one."""
    midnight = datetime.combine(day, time.min)
    start = _first_instant(midnight + timedelta(minutes=tenant.sending_from_minute), zone)
    end = _first_instant(midnight + timedelta(minutes=tenant.sending_until_minute), zone)
    return (start, end) if start < end else None


def _first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clock first shows this time, or jumps over it."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # A time that is jumped over: both readings are an hour off, and the jump lies between them.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = instant
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
