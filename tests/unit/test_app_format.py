"""What a person reads: money, dates, times and counts as text."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billerjacket_app import format as fmt

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 9, 22, 14, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        ("12480", "USD", "$12,480.00"),
        ("0", "USD", "$0.00"),
        ("-40.5", "USD", "\u2212$40.50"),
        ("1000", "JPY", "¥1,000"),
        ("1234.5", "CHF", "CHF 1,234.50"),
        ("-0.01", "EUR", "\u2212€0.01"),
        ("999999999999.99", "GBP", "£999,999,999,999.99"),
    ],
)
def test_money_shows_every_digit_of_its_own_currency(amount, code, text):
    assert fmt.money(Decimal(amount), code) == text


def test_mixed_currencies_are_written_with_their_code():
    assert fmt.money(Decimal("12480"), "USD", with_code=True) == "USD 12,480.00"


def test_a_quantity_has_no_needless_zeros():
    texts = [fmt.quantity(Decimal(q)) for q in ("2.0000", "1.5000", "0.0001", "100", "1200.0000")]
    assert texts == ["2", "1.5", "0.0001", "100", "1,200"]


def test_counts_agree_with_their_noun():
    assert fmt.count(1204) == "1,204"
    assert fmt.count(1, "invoice") == "1 invoice"
    assert fmt.count(0, "invoice") == "0 invoices"
    assert fmt.count(2, "reply", "replies") == "2 replies"


def test_a_share_of_nothing_is_not_a_number():
    assert fmt.percent(1, 5) == "20.0%"
    assert fmt.percent(0, 0) == "—"
    assert fmt.share(Decimal(1), Decimal(3)) == "33.33%"
    assert fmt.share(Decimal(5), Decimal(3)) == "100.00%"
    assert fmt.share(Decimal(-1), Decimal(3)) == "0%"


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=59), "59m ago"),
        (timedelta(hours=3), "3h ago"),
        (timedelta(days=7), "7d ago"),
        (timedelta(days=8), "Sep 14"),
        (timedelta(days=400), "Aug 18, 2025"),
        (timedelta(minutes=-5), "Sep 22"),
    ],
)
def test_times_are_relative_for_a_week_and_dates_after(ago, text):
    assert fmt.when(NOW - ago, CHICAGO, NOW).text == text


def test_the_exact_time_names_the_tenants_zone_and_utc():
    shown = fmt.when_exactly(NOW, CHICAGO)
    assert shown.text == "2026-09-22 09:03:11"
    assert shown.title == "2026-09-22 09:03:11 CDT (14:03:11 UTC)"
    assert shown.iso == "2026-09-22T14:03:11Z"


def test_a_date_near_midnight_is_the_tenants_day():
    late = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    assert fmt.when(late, CHICAGO, late + timedelta(days=30)).text == "Dec 31, 2025"


def test_due_dates_are_told_in_days():
    today = date(2026, 9, 22)
    assert fmt.due_in(date(2026, 9, 25), today) == "Due in 3d"
    assert fmt.due_in(today, today) == "Due today"
    assert fmt.due_in(date(2026, 8, 11), today) == "Overdue 42d"


def test_sizes_and_ids_are_short():
    assert [fmt.size(n) for n in (812, 24_678, 3_145_728)] == ["812 B", "24.1 KB", "3.0 MB"]
    assert fmt.short_id("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b") == "0190a1b2…4a5b"
    assert fmt.short_id("INV-000001") == "INV-000001"


def test_day_headings_name_today_and_yesterday():
    today = date(2026, 9, 22)
    assert fmt.day_heading(today, today) == "Today, 22 Sep 2026"
    assert fmt.day_heading(date(2026, 9, 21), today) == "Yesterday, 21 Sep 2026"
    assert fmt.day_heading(date(2026, 9, 11), today) == "Fri 11 Sep 2026"
