"""The measures as text, and the periods of the address."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from backend.errors import InvalidInput
from backend.reporting.dso import CountedMonth, CurrencyDso
from backend.reporting.recovery import RecoveredBy
from billerjacket_app.pages import reports, reports_rows
from billerjacket_app.pages.reports_rows import Period

TODAY = date(2026, 3, 31)
PERIOD = Period(date(2026, 3, 2), TODAY)


def test_without_a_period_it_is_the_last_days():
    assert reports_rows.period_of("", "", TODAY, 30) == PERIOD
    assert reports_rows.period_of("2026-03-31", "", TODAY, 30) == Period(TODAY, TODAY)
    assert reports_rows.period_of("", "0001-01-05", TODAY, 30).since == date.min


@pytest.mark.parametrize(
    ("since", "until"), [("soon", ""), ("", "2026-02-30"), ("2026-04-01", "2026-03-31")]
)
def test_a_period_that_makes_no_sense_is_refused(since: str, until: str):
    with pytest.raises(InvalidInput):
        reports_rows.period_of(since, until, TODAY, 30)


def test_the_usual_periods_keep_what_is_looked_at():
    tabs = reports.period_tabs(PERIOD, TODAY, {"measure": "dso"})
    assert [tab.current for tab in tabs] == [True, False, False]
    assert tabs[0].href == "/reports?since=2026-03-02&until=2026-03-31&measure=dso"


def test_what_was_recovered_leads_to_its_rows():
    group = RecoveredBy("USD", 7, "final_warning", Decimal(80), 2, Decimal("3.5"), Decimal("4.0"))
    row = reports_rows.recovery_row(group, {"final_warning": "Final warning"}, PERIOD)
    assert (row.step, row.template, row.amount) == ("7 days after due", "Final warning", "$80.00")
    assert (row.median, row.mean) == ("3.5 d", "4.0 d")
    assert row.href.startswith("/reports?measure=recovery&step=7&currency=USD&")
    before = RecoveredBy("EUR", None, None, Decimal(1), 1, None, None)
    row = reports_rows.recovery_row(before, {}, PERIOD)
    assert (row.step, row.template, row.median) == ("Before any reminder", "—", "—")
    assert "step=none" in row.href


def test_days_of_sales_say_how_they_add_up_and_when_they_are_the_least():
    months = tuple(
        CountedMonth(date(2026, month, 1), 30, Decimal(1), Decimal(1), Decimal("30.0"))
        for month in (6, 5, 4, 3, 2)
    )
    row = reports_rows.dso_row(
        CurrencyDso("USD", Decimal("150.0"), Decimal(9), Decimal(4), months), PERIOD
    )
    assert row.days == "at least 150.0 d"
    assert row.how.startswith("Jun 2026 30.0 d, May 2026")
    assert row.how.endswith(" and 1 more")
