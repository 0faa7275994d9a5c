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
_WEEKEND = (5, 6)


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
    """Why no reminders go out on a day: "Thanksgiving Day", "weekend", …; None when they do."""
    if tenant.sending_weekdays[day.weekday()] != "1":
        return "weekend" if day.weekday() in _WEEKEND else "no sending day"
    return holiday_name(day, tenant.holiday_calendar)


def next_opening(now: datetime, tenant: TenantSettings, *, after: date | None = None) -> datetime:
    """The next instant (UTC, not before `now`) in the sending window, on a day later than `after`.

    That is `now` itself while the window is open. A tenant has at least one weekday for sending,
    so that there is always one.
    """
    zone = ZoneInfo(tenant.time_zone)
    day = now.astimezone(zone).date()
    if after is not None and after >= day:
        day = after + timedelta(days=1)
    for _ in range(_DAYS_LOOKED_AHEAD_MAX):
        if _is_business_day(day, tenant):
            for instant in sorted(_changes(day, tenant, zone) | {now}):
                is_that_day = instant.astimezone(zone).date() == day
                if instant >= now and is_that_day and is_window_open(instant, tenant):
                    return instant
        day += timedelta(days=1)
    raise ValueError("no day of the coming years is a working day")


def _is_business_day(day: date, tenant: TenantSettings) -> bool:
    return is_business_day(day, weekdays=tenant.sending_weekdays, calendar=tenant.holiday_calendar)


def _changes(day: date, tenant: TenantSettings, zone: ZoneInfo) -> set[datetime]:
    """Every instant of a day (UTC) at which a closed window may open."""
    midnight = datetime.combine(day, time.min, zone)
    opens = midnight + timedelta(minutes=tenant.sending_from_minute)  # On the wall.
    # An hour that comes twice shows this time twice.
    instants = {opens.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    first = midnight.astimezone(UTC)
    last = (midnight + timedelta(days=1)).replace(fold=1).astimezone(UTC)
    if first.astimezone(zone).utcoffset() != last.astimezone(zone).utcoffset():
        instants.add(_clock_change(first, last, zone))
    return instants | {first}


def _clock_change(first: datetime, last: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks are put forward or back between two instants; to the second."""
    before = first.astimezone(zone).utcoffset()
    seconds = int((last - first).total_seconds())
    early, late = 0, seconds
    while late - early > 1:
        middle = (early + late) // 2
        if (first + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return first + timedelta(seconds=late)
