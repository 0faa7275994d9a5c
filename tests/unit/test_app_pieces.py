"""The app's pure parts: timelines by day, the form of an invoice, problems, cookies."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from backend import errors
from billerjacket_app import bridge, flash, security, session
from billerjacket_app.components.timeline import Change, Entry, count_folded, group_by_day
from billerjacket_app.pages import invoice_draft

CHICAGO = ZoneInfo("America/Chicago")
TODAY = date(2026, 9, 22)
NOON = datetime(2026, 9, 22, 17, 0, tzinfo=UTC)


def entry(minutes_ago=0, entry_type="invoice.sent", title="Sent", **more):
    return Entry(NOON - timedelta(minutes=minutes_ago), entry_type, title, **more)


def lay_out(*entries, unfolded=False):
    return group_by_day(entries, zone=CHICAGO, today=TODAY, unfolded=unfolded)


def test_a_timeline_is_newest_first_under_the_tenants_days():
    # 04:30 UTC is still the evening before in Chicago.
    late = Entry(datetime(2026, 9, 22, 4, 30, tzinfo=UTC), "invoice.created", "Created")
    days = lay_out(late, entry(60, title="Older"), entry(title="Newer"))
    assert [day.heading for day in days] == ["Today, 22 Sep 2026", "Yesterday, 21 Sep 2026"]
    assert [event.title for event in days[0].events] == ["Newer", "Older"]
    assert days[1].events[0].time.text == "23:30:00"


def test_the_steps_of_a_delivery_fold_once_it_happened_and_failures_never_do():
    story = (
        entry(9, "dunning.notice_queued", "Reminder queued", about="a"),
        entry(8, "communication.sent", "Reminder sent", about="a"),
        entry(7, "communication.queued", "Receipt queued", about="b"),
        entry(6, "communication.failed", "Receipt failed", about="b"),
    )
    assert count_folded(story) == 1
    shown = [event.title for event in lay_out(*story)[0].events]
    assert shown == ["Receipt failed", "Receipt queued", "Reminder sent"]
    assert lay_out(*story)[0].events[0].tone == "bad"
    assert len(lay_out(*story, unfolded=True)[0].events) == len(story)


def test_entries_of_one_second_have_keys_of_their_own():
    events = lay_out(entry(title="Sent"), entry(title="Sent"))[0].events
    assert events[0].key != events[1].key


def test_changes_come_along():
    change = Change("due date", "2026-08-01", "2026-08-11")
    assert lay_out(entry(changes=(change,)))[0].events[0].changes == [change]


VALUES = {
    "currency_code": "USD",
    "quantity-a": "24", "unit_price-a": "$1,385.00", "tax_rate-a": "8.25%", "description-a": "Roof",
    "quantity-b": "1.5", "unit_price-b": "99.99", "tax_rate-b": "", "description-b": "Dump",
}  # fmt: skip


def test_the_form_adds_up_as_the_service_does_and_takes_what_people_write():
    sums = invoice_draft.add_up(VALUES, ["a", "b"], "USD")
    assert sums.lines == {"a": "$33,240.00", "b": "$149.99"}
    assert (sums.subtotal, sums.tax, sums.total) == ("$33,389.99", "$2,742.30", "$36,132.29")
    command = invoice_draft.command_of(VALUES, ["a", "b"], "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
    invoice_draft.check(command, "USD")
    assert command.line_items[0].tax_rate == "8.25"


def test_a_line_that_makes_no_sense_yet_counts_nothing():
    half = VALUES | {"unit_price-a": "abc", "quantity-b": ""}
    sums = invoice_draft.add_up(half, ["a", "b"], "USD")
    assert sums.lines == {"a": "—", "b": "—"}
    assert sums.total == "$0.00"


def test_tax_for_the_whole_invoice_stands_in_for_rates():
    values = VALUES | {"tax_rate-a": "", "tax_amount": "10"}
    assert invoice_draft.add_up(values, ["a", "b"], "USD").tax == "$10.00"


def test_yen_have_no_decimals():
    values = {"quantity-a": "3", "unit_price-a": "333"}
    assert invoice_draft.add_up(values, ["a"], "JPY").total == "¥999"


def test_errors_of_the_service_find_their_field_in_the_form():
    found = invoice_draft.form_errors(
        {"line_items.1.unit_price": "x", "line_items.0": "y", "customer_id": "z", "notes": "n"},
        ["a", "b"],
    )
    assert found == {"unit_price-b": "x", "unit_price-a": "y", "customer": "z", "notes": "n"}


def test_a_form_without_a_customer_or_with_a_bad_date_is_refused_by_field():
    with pytest.raises(errors.InvalidInput) as refused:
        invoice_draft.command_of(VALUES | {"due_date": "soon"}, ["a"], "")
    assert {error.field for error in refused.value.errors} == {"customer", "due_date"}


def all_errors(base=errors.BillerJacketError):
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:  # The API's own errors reach no page.
            yield kind
            yield from all_errors(kind)


def make(kind):
    if kind is errors.InvalidInput:
        return kind.of("line_items.0.unit_price", "must be a decimal number")
    if kind is errors.TooManyRequests:
        return kind("Wait.", retry_after_seconds=5)
    return kind("it happened")


@pytest.mark.parametrize("kind", list(all_errors()), ids=lambda kind: kind.__name__)
def test_every_error_is_shown_as_a_sentence_with_its_correlation_id(kind):
    problem = bridge.problem_of(make(kind), "c-1")
    assert problem
    assert problem.title.endswith(".")
    assert problem.detail.endswith(".")
    assert problem.correlation_id == "c-1"


def test_an_invalid_field_is_named_as_a_person_would():
    problem = bridge.problem_of(make(errors.InvalidInput), "c-1")
    assert problem.detail == "Line 1 unit price must be a decimal number."
    assert problem.errors == {"line_items.0.unit_price": "Must be a decimal number."}


def test_an_unexpected_error_shows_nothing_of_itself():
    problem = bridge.problem_of(ValueError("password=hunter2"), "c-2")
    assert problem.quotable
    assert "hunter2" not in problem.title + problem.detail


def test_what_a_form_said_survives_its_cookie_and_nothing_else_does():
    said = flash.Flash("login", "Wrong “password”.", {"email": "x"}, {"email": "a@b.example"})
    cookie = f"other=1; {flash.COOKIE}={flash.encode(said)}"
    assert flash.decode(cookie, "login") == said
    assert flash.decode(cookie, "register") == flash.Flash()
    for broken in (None, "", f"{flash.COOKIE}=!!!", f"{flash.COOKIE}=e30=", "a b;;=,"):
        assert flash.decode(broken, "login") == flash.Flash()


def test_the_sessions_token_is_found_among_cookies():
    assert session.token_in(f"a=b; {session.COOKIE}=token-1; c=d") == "token-1"
    for other in (None, "", "a=b", f"x{session.COOKIE}=no", "=;,"):
        assert session.token_in(other) is None


def test_the_content_policy_allows_no_inline_script():
    policy = security.content_security_policy()
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert "default-src 'self'" in policy


def test_an_amount_is_exact_however_it_was_typed():
    values = {"quantity-a": "1", "unit_price-a": "0.10"}
    command = invoice_draft.command_of(values, ["a"], "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
    assert Decimal(str(command.line_items[0].unit_price)) == Decimal("0.10")
