"""Chasing as text: next run, rows, reasons, the form of a plan. No browser, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.dunning.candidates import NotChased
from backend.dunning.preview import PassedOver, PlannedEmail, PlannedStep
from backend.dunning.progress import StepProgress
from backend.errors import InvalidInput
from backend.tenants.models import TenantStatus
from backend.tenants.settings import TenantSettings
from billerjacket_app import status
from billerjacket_app.pages import dunning_plan_form as form
from billerjacket_app.pages import dunning_rows, dunning_view
from billerjacket_app.pages.dunning_plan_form import StepFields

ANY_ID = UUID(int=7)
DUE = date(2026, 11, 2)


def step(number: int, amount: str = "10.00", code: str = "USD") -> PlannedStep:
    return PlannedStep(ANY_ID, f"INV-{number:06}", 1, Decimal(amount), code, DUE)


def email(*steps: PlannedStep, reminded: date | None = None) -> PlannedEmail:
    return PlannedEmail(ANY_ID, "Harbor", "ap@harbor.example", "last_call", reminded, steps)


def passed(reason: NotChased, **more: Any) -> PassedOver:
    days = {"until": None, "next_step_on": None, "reminded_on": None} | more
    return PassedOver(
        ANY_ID, "INV-000001", ANY_ID, "Harbor", DUE, Decimal("5.00"), "USD", reason, **days
    )


def settings(weekdays: str = "1111100") -> TenantSettings:
    return TenantSettings(
        id=ANY_ID,
        name="Ridge Roofing",
        status=TenantStatus.ACTIVE,
        currency_code="USD",
        time_zone="America/Chicago",
        invoice_number_prefix="INV-",
        sending_from_minute=480,
        sending_until_minute=1440,
        sending_weekdays=weekdays,
        holiday_calendar="US",
        reminder_gap_days=3,
        reply_to_email=None,
        postal_address=None,
        high_value_amount=None,
    )


def test_every_reason_not_to_chase_has_words():
    assert set(status.NOT_CHASED) == {reason.value for reason in NotChased}


def test_a_reminder_names_a_few_invoices_and_counts_the_rest():
    row = dunning_view.send_row(email(*(step(n) for n in range(1, 8))), {"last_call": "Last call"})
    assert [link.number for link in row.invoices] == ["INV-000001", "INV-000002", "INV-000003"]
    assert (row.more_text, len(row.more), row.amount) == ("4 more", 4, "$70.00")
    assert row.template == "Last call"
    # One more is named rather than counted.
    assert dunning_view.send_row(email(*(step(n) for n in range(4))), {}).more == []


def test_amounts_are_added_up_by_currency_and_never_across():
    both = [("USD", Decimal("1.00")), ("JPY", Decimal("500")), ("USD", Decimal("2.50"))]
    assert dunning_view.amounts_text(both) == "JPY 500 + USD 3.50"
    assert dunning_view.amounts_text([]) == ""


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (passed(NotChased.DISPUTED), "Disputed"),
        (passed(NotChased.PROMISED, until=date(2026, 12, 1)), "Promised until 2026-12-01"),
        (
            passed(NotChased.NEXT_STEP_NOT_DUE, next_step_on=date(2026, 12, 3)),
            "Next step is not due yet: 2026-12-03",
        ),
        (
            passed(NotChased.CUSTOMER_REMINDED_LATELY, reminded_on=date(2026, 11, 24)),
            "Customer was reminded lately: 2026-11-24",
        ),
    ],
)
def test_a_reason_says_the_day_that_belongs_to_it(item: PassedOver, why: str):
    assert dunning_view.passed_row(item).why == why


def test_days_before_the_next_run_say_why_nothing_goes_out():
    thanksgiving, monday = date(2026, 11, 26), date(2026, 11, 30)
    told = dunning_view.closed_days(thanksgiving, monday, settings())
    assert told[0].startswith("Thu 2026-11-26: Thanksgiving")
    assert [line[:3] for line in told] == ["Thu", "Sat", "Sun"]
    assert dunning_view.closed_days(monday, monday, settings()) == []
    many = dunning_view.closed_days(monday, date(2026, 12, 28), settings("0" * 7))
    assert many[-1] == "and 22 days more"


def test_the_window_is_told_with_days_hours_and_holidays():
    assert (
        dunning_view.window_text(settings())
        == "Mon Tue Wed Thu Fri, 08:00 to 24:00, not on US holidays"
    )


def test_a_page_of_the_address_is_a_number_or_the_first():
    assert [dunning_view.page_number(text) for text in ("", "0", "-3", "x", "12", "9" * 30)] == [
        1, 1, 1, 1, 12, 1,
    ]  # fmt: skip


def test_progress_tells_what_was_sent_also_by_a_step_that_is_gone():
    sent = StepProgress(ANY_ID, "Standard", 2, 3, "overdue_notice", 4, (("USD", Decimal("9")),))
    row = dunning_rows.step_row(sent, {"overdue_notice": "Overdue notice"})
    assert (row.step, row.email, row.amount) == ("Step 2, day 3", "Overdue notice", "$9.00")
    gone = dunning_rows.step_row(replace(sent, template_key=None), {})
    assert (gone.step, gone.email) == ("day 3", "No longer in the plan")
    none = StepProgress(None, None, None, None, None, 1, ())
    assert dunning_rows.step_row(none, {}).plan == "No plan"


STEPS = [
    StepFields("a", "a-0", "0", "friendly_reminder", ""),
    StepFields("b", "b-3", "3", "overdue_notice", "Please"),
    StepFields("c", "c-7", "7", "final_warning", ""),
]


def test_moving_a_step_moves_its_email_and_leaves_the_days_in_order():
    moved = form.move(STEPS, "c", -1)
    assert [(one.days, one.template_key) for one in moved] == [
        ("0", "friendly_reminder"), ("3", "final_warning"), ("7", "overdue_notice"),
    ]  # fmt: skip
    assert [one.key for one in moved] == ["a", "c", "b"]
    assert moved[1].days_key != STEPS[2].days_key
    assert form.move(STEPS, "a", -1) == STEPS
    assert form.move(STEPS, "c", 1) == STEPS
    assert form.move(STEPS, "nobody", 1) == STEPS


def test_steps_are_added_a_week_later_and_the_last_one_stays():
    assert form.add(STEPS)[-1].days == "14"
    assert form.add([replace(STEPS[0], days="soon")])[-1].days == ""
    assert [one.key for one in form.remove(STEPS, "b")] == ["a", "c"]
    assert form.remove(STEPS[:1], "a") == STEPS[:1]


def test_the_form_is_read_and_its_errors_stand_at_its_fields():
    typed = form.read_form(STEPS, {"days-a": " 1 ", "subject-b": "", "template-c": "last_call"})
    assert [one.days for one in typed] == ["1", "3", "7"]
    changes = form.changes_of(typed, {"name": " Slow ", "is_active": "yes"})
    assert (changes["name"], changes["is_default"], changes["is_active"]) == ("Slow", False, True)
    assert [(s.days_after_due, s.template_key, s.subject) for s in changes["steps"]] == [
        (1, "friendly_reminder", None), (3, "overdue_notice", None), (7, "last_call", None),
    ]  # fmt: skip
    for bad in ("", "-1", "soon", "1.5", "9" * 12):
        with pytest.raises(InvalidInput) as refused:
            form.changes_of([STEPS[0], replace(STEPS[1], days=bad)], {})
        assert [error.field for error in refused.value.errors] == ["steps.1.days_after_due"]
    errors = {"steps.1.days_after_due": "Wrong.", "steps.0.subject": "No.", "name": "Missing."}
    assert form.form_errors(errors, STEPS) == {
        "days-b": "Wrong.", "subject-a": "No.", "name": "Missing.",
    }  # fmt: skip
