"""Ids, cursors, and the small checks of what people send."""

import base64
import contextlib
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import checks
from backend.actor import correlation_id_from
from backend.errors import InvalidInput
from backend.ids import new_id
from backend.paging import LIMIT_MAX, checked_limit, decode_cursor, encode_cursor


def test_an_id_is_a_uuid_of_version_7():
    one = new_id()
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"


def test_ids_are_distinct_and_those_made_later_do_not_sort_earlier_by_their_time():
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    times = [one.int >> 80 for one in made]
    assert times == sorted(times)


@given(st.uuids())
def test_a_cursor_names_its_row(row: UUID):
    cursor = encode_cursor(row)
    assert decode_cursor(cursor) == row
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "garbage",
        "====",
        "!!!!!!!!!!!!!!!!!!!!!!",
        "é" * 22,
        encode_cursor(UUID(int=5)) + "=",
        encode_cursor(UUID(int=5))[:-1],
        encode_cursor(UUID(int=5))[:-1] + "B",  # other spare bits
        str(UUID(int=5)),
        base64.urlsafe_b64encode(b"x" * 17).decode(),
        "' OR 1=1 --",
        "\x00" * 22,
        "A" * 100_000,
    ],
    ids=lambda cursor: repr(cursor)[:24],
)
def test_a_garbage_cursor_is_invalid_input(cursor: str):
    with pytest.raises(InvalidInput) as refusal:
        decode_cursor(cursor)
    assert [error.field for error in refusal.value.errors] == ["cursor"]


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_invalid_input(text: str):
    with contextlib.suppress(InvalidInput):
        assert encode_cursor(decode_cursor(text)) == text


@pytest.mark.parametrize("limit", [1, 25, LIMIT_MAX])
def test_a_limit_within_bounds_is_taken(limit: int):
    assert checked_limit(limit) == limit


@pytest.mark.parametrize("limit", [-1, 0, LIMIT_MAX + 1, 10**9])
def test_a_limit_out_of_bounds_is_invalid_input(limit: int):
    with pytest.raises(InvalidInput, match="limit"):
        checked_limit(limit)


@pytest.mark.parametrize("given_id", ["abc", "A-1_b.c:d", "x" * 128])
def test_a_well_formed_correlation_id_is_kept(given_id: str):
    assert correlation_id_from(given_id) == given_id


@pytest.mark.parametrize("given_id", [None, "", "x" * 129, "a b", "a\nb", "é", "a/b", "abc\n"])
def test_another_correlation_id_is_replaced_and_never_an_error(given_id: str | None):
    made = correlation_id_from(given_id)
    assert made != given_id
    assert correlation_id_from(made) == made


@pytest.mark.parametrize("text", [None, "", "   ", "\n\t"])
def test_blank_text_is_none_or_missing(text: str | None):
    assert checks.optional_text(text, field="f", max_length=5) is None
    with pytest.raises(InvalidInput, match="f: must not be empty"):
        checks.required_text(text, field="f", max_length=5)


def test_text_is_trimmed_before_its_length_counts():
    assert checks.optional_text("  12345  ", field="f", max_length=5) == "12345"
    with pytest.raises(InvalidInput, match="f: must be at most 5 characters"):
        checks.optional_text("123456", field="f", max_length=5)


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\nb", "a\x7fb", "a\ud800b"], ids=ascii)
def test_control_characters_and_half_characters_are_refused(text: str):
    with pytest.raises(InvalidInput, match="control characters"):
        checks.optional_text(text, field="f", max_length=50)


def test_many_lines_are_taken_only_where_they_make_sense():
    assert checks.optional_text("a\nb\tc", field="f", max_length=50, many_lines=True) == "a\nb\tc"
    with pytest.raises(InvalidInput):
        checks.optional_text("a\x00b", field="f", max_length=50, many_lines=True)


def test_text_of_any_script_is_taken():
    assert checks.required_text("Łódź 東京 😀", field="f", max_length=50) == "Łódź 東京 😀"


@pytest.mark.parametrize("email", ["a@b.co", "first.last+tag@sub.example.com", "ü@bücher.example"])
def test_an_address_is_kept_as_written(email: str):
    assert checks.optional_email(email) == email


@pytest.mark.parametrize(
    "email",
    [
        "a",
        "@b.co",
        "a@",
        "a@b",
        "a@b.",
        "a b@c.de",
        "a@b@c.de",
        "a@b.co, c@d.co",
        "<a@b.co>",
        "a@b.co\nBcc: x@y.z",
        "x" * 250 + "@b.co",
    ],
    ids=lambda email: email[:16],
)
def test_what_is_no_address_is_refused(email: str):
    with pytest.raises(InvalidInput, match="email"):
        checks.optional_email(email)


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2026, 3, 4), date(2999, 12, 31)])
def test_a_sensible_day_is_taken(day: date):
    assert checks.sensible_day(day, field="due_date") == day


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(3000, 1, 1), date.max])
def test_a_day_nobody_means_is_refused(day: date):
    with pytest.raises(InvalidInput, match="due_date"):
        checks.sensible_day(day, field="due_date")
