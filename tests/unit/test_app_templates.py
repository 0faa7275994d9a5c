"""Templates and the settings of chasing as text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from backend.communications.templates import TemplateKey
from backend.dunning.models import DunningChannel
from backend.dunning.plans import PlanView, StepView
from backend.errors import InvalidInput
from backend.tenants.service import UpdateTenant
from billerjacket_app.pages import settings_chasing, template
from billerjacket_app.pages.settings_chasing import Settings, Weekday
from billerjacket_app.pages.templates import used_by


def step(number: int, days: int, key: str) -> StepView:
    return StepView(
        step_number=number, days_after_due=days, template_key=key,
        channel=DunningChannel.EMAIL, subject=None,
    )  # fmt: skip


def test_a_template_names_the_steps_that_send_it():
    steps = (step(1, 1, "friendly_reminder"), step(2, 3, "x"), step(3, 9, "x"))
    plans = [
        PlanView(UUID(int=1), "Standard", True, True, steps, 1),
        PlanView(UUID(int=2), "Old", False, False, (step(1, 0, "x"),), 1),
    ]
    assert used_by("x", plans) == [
        "Standard: step 2 (3 days), step 3 (9 days)",
        "Old (not active): step 1 (0 days)",
    ]
    assert used_by("friendly_reminder", plans) == ["Standard: step 1 (1 day)"]
    assert used_by("last_call", plans) == []
    assert used_by(TemplateKey.INVOICE, plans) == ["With every invoice that is sent"]


def test_the_preview_shows_either_theme_whatever_the_browser_has():
    html = "<style>@media (prefers-color-scheme: dark) { b {} }</style>"
    assert template.in_theme(html, dark=True) == "<style>@media all { b {} }</style>"
    assert template.in_theme(html, dark=False) == "<style>@media not all { b {} }</style>"


@pytest.mark.parametrize("minute", [0, 1, 8 * 60, 23 * 60 + 59])
def test_a_time_comes_back_as_it_was(minute: int):
    assert settings_chasing.minute_of(settings_chasing.clock_text(minute), "from") == minute


def test_midnight_is_the_end_of_the_day_where_a_window_closes():
    assert settings_chasing.clock_text(24 * 60) == "00:00"
    assert settings_chasing.minute_of("00:00", "until", is_end=True) == 24 * 60


@pytest.mark.parametrize("text", ["", "8", "24:00", "ab:cd", "-1:00", "08:"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(InvalidInput):
        settings_chasing.minute_of(text, "sending_from_minute")


SHOWN = Settings(
    opens="08:00", closes="18:00",
    weekdays=[Weekday(f"weekday_{day}", "", day < 5) for day in range(7)],
    country="US", part="US-TX", gap="3", reply_to="a@b.example", address="1 Main St",
    high_value="500.00", currency="USD",
)  # fmt: skip
FORM: dict[str, Any] = {
    "sending_from_minute": "08:00", "sending_until_minute": "18:00", "holiday_country": "US",
    "holiday_part": "US-TX", "reminder_gap_days": "3", "reply_to_email": "a@b.example",
    "postal_address": "1 Main St", "high_value_amount": "500.00",
    **{f"weekday_{day}": "yes" for day in range(5)},
}  # fmt: skip


def test_only_what_was_changed_is_sent():
    assert settings_chasing.parse(FORM, SHOWN) == UpdateTenant()
    changed = {"reply_to_email": "", "holiday_part": "", "high_value_amount": "1,000"}
    assert settings_chasing.parse(FORM | changed, SHOWN) == UpdateTenant(
        reply_to_email="", holiday_calendar="US", high_value_amount="1000"
    )


@pytest.mark.parametrize("gap", ["", "-1", "61", "three", "1.5"])
def test_a_gap_that_is_no_number_of_days_is_refused(gap: str):
    with pytest.raises(InvalidInput) as refused:
        settings_chasing.parse(FORM | {"reminder_gap_days": gap}, SHOWN)
    assert refused.value.errors[0].field == "reminder_gap_days"


def test_a_week_without_a_day_is_refused():
    form = {name: value for name, value in FORM.items() if not name.startswith("weekday")}
    with pytest.raises(InvalidInput):
        settings_chasing.parse(form, SHOWN)
