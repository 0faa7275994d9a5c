"""Pure decisions about time: when a step is due, and when reminders may go out. No database."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from backend.tenants.settings import TenantSettings


def step_due_on(due_date: date, days_after_due: int) -> date:
    """The first day on which a step may go out: day 0 is the first overdue day.

    An invoice is overdue when its due day has ended, so nothing goes out on the due day itself.
    """
    return due_date + timedelta(days=max(days_after_due, 1))


def is_window_open(now: datetime, tenant: TenantSettings) -> bool:
    """Whether reminders may go out at this instant: the tenant's weekday and time of day."""
    local = now.astimezone(ZoneInfo(tenant.time_zone))
    minute = local.hour * 60 + local.minute
    return (
        tenant.sending_weekdays[local.weekday()] == "1"
        and tenant.sending_from_minute <= minute < tenant.sending_until_minute
    )
