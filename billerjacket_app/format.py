"""Everything a person reads, as text: money, dates, times, counts. The browser gets strings.

Pure functions, no float. Money takes a `Decimal` and the ISO code; instants are aware UTC
datetimes and are shown in the tenant's time zone; due dates are calendar dates and no zone
shifts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from backend.money import currency

MINUS = "\u2212"  # the minus sign: as wide as a digit, and read aloud as minus
NOTHING = "—"  # not applicable; a zero amount is written as an amount

# Symbols that mean one currency. Others are written with their code.
_SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "CA$", "AUD": "A$", "NZD": "NZ$",
    "INR": "₹", "KRW": "₩", "ILS": "₪", "VND": "₫", "BRL": "R$", "MXN": "MX$",
}  # fmt: skip

_RELATIVE_UP_TO = timedelta(days=7)


def money(amount: Decimal, code: str, *, with_code: bool = False) -> str:
    """`$12,480.00`, `¥1,000`, a true minus sign; `USD 12,480.00` among several currencies."""
    digits = f"{abs(amount).quantize(currency(code).unit):,}"
    sign = MINUS if amount < 0 else ""
    symbol = None if with_code else _SYMBOLS.get(code)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{code} {digits}"


def amount_input(amount: Decimal, code: str) -> str:
    """An amount as a person types it: `1234.50`, `1000`."""
    return currency(code).text(amount)


def quantity(value: Decimal) -> str:
    """A quantity without needless zeros: `2`, `1.5`, `0.0001`."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(number: int, noun: str = "", plural: str = "") -> str:
    """`1,204`, or with a noun `1 invoice`, `1,204 invoices`."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(part: Decimal | int, whole: Decimal | int) -> str:
    """A share with one decimal: `20.0%`; nothing of nothing is `—`."""
    if not whole:
        return NOTHING
    share = (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{share}%"


def share(part: Decimal, whole: Decimal) -> str:
    """A width in CSS percent for a bar, from 0% to 100%."""
    if whole <= 0 or part <= 0:
        return "0%"
    return f"{min(Decimal(100), part * 100 / whole).quantize(Decimal('0.01'))}%"


def short_id(identifier: object) -> str:
    """The first eight and last four characters of a long id: `7f3a0c11…90c1`."""
    text = str(identifier)
    return text if len(text) <= 14 else f"{text[:8]}…{text[-4:]}"


def size(number_of_bytes: int) -> str:
    """`812 B`, `24.1 KB`, `3.0 MB`."""
    amount, unit = Decimal(number_of_bytes), "B"
    for larger in ("KB", "MB", "GB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{number_of_bytes} B" if unit == "B" else f"{amount.quantize(Decimal('0.1'))} {unit}"


def duration(seconds: int) -> str:
    """How long something has lasted, in its largest unit: `40 s`, `5 min`, `2 h`, `3 d`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} s"


@dataclass(frozen=True, slots=True)
class When:
    """An instant for `<time>`: what is shown, the exact time on hover, and the machine's form."""

    text: str = ""
    title: str = ""
    iso: str = ""


def when(instant: datetime | None, zone: ZoneInfo, now: datetime) -> When:
    """Relative up to seven days (`3h ago`), then the date in the tenant's zone."""
    if instant is None:
        return When(NOTHING)
    age = now - instant
    text = _relative(age) if timedelta(0) <= age <= _RELATIVE_UP_TO else _day(instant, zone, now)
    return When(text, exactly(instant, zone), _iso(instant))


def when_exactly(instant: datetime | None, zone: ZoneInfo) -> When:
    """Absolute to the second, for detail and support pages: `2026-09-22 14:03:11`."""
    if instant is None:
        return When(NOTHING)
    local = instant.astimezone(zone)
    return When(f"{local:%Y-%m-%d %H:%M:%S}", exactly(instant, zone), _iso(instant))


def clock(instant: datetime, zone: ZoneInfo) -> When:
    """The time of day alone, where a heading names the day."""
    return When(f"{instant.astimezone(zone):%H:%M:%S}", exactly(instant, zone), _iso(instant))


def exactly(instant: datetime, zone: ZoneInfo) -> str:
    """The tenant's time and UTC: `2026-09-22 09:03:11 CDT (14:03:11 UTC)`."""
    local = instant.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({instant.astimezone(ZoneInfo('UTC')):%H:%M:%S} UTC)"


def day_heading(day: date, today: date) -> str:
    """`Today`, `Yesterday`, else `Tue 22 Sep 2026`."""
    if day == today:
        return f"Today, {day.day} {day:%b %Y}"
    if day == today - timedelta(days=1):
        return f"Yesterday, {day.day} {day:%b %Y}"
    return f"{day:%a} {day.day} {day:%b %Y}"


def calendar(day: date | None) -> str:
    """A calendar date as it stands everywhere: `2026-08-11`."""
    return day.isoformat() if day else NOTHING


def due_in(due: date, today: date) -> str:
    """How a due date lies from today: `Due in 3d`, `Due today`, `Overdue 42d`."""
    days = (due - today).days
    if days == 0:
        return "Due today"
    return f"Due in {days}d" if days > 0 else f"Overdue {-days}d"


def _relative(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60}m ago"
    if seconds < 86_400:
        return f"{seconds // 3600}h ago"
    return f"{seconds // 86_400}d ago"


def _day(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    local, today = instant.astimezone(zone), now.astimezone(zone)
    return f"{local:%b} {local.day}" + ("" if local.year == today.year else f", {local.year}")


def _iso(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
