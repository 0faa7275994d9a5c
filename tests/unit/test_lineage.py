"""Ids of messages that are sent again lead back to their original, however often."""

import pytest

from backend.messaging.lineage import copy_id, original_id, resubmission_of, retry_id


@pytest.mark.parametrize(
    ("message_id", "original", "number", "following"),
    [
        ("m", "m", 0, "m:retry-1"),
        ("m:retry-1", "m", 1, "m:retry-2"),
        ("m:retry-9", "m", 9, "m:retry-10"),
        ("m:retry-0", "m:retry-0", 0, "m:retry-0:retry-1"),
        ("m:retry-01", "m:retry-01", 0, "m:retry-01:retry-1"),
        ("m:retry-x", "m:retry-x", 0, "m:retry-x:retry-1"),
        (":retry-1", ":retry-1", 0, ":retry-1:retry-1"),
        ("a\nb:retry-2", "a\nb", 2, "a\nb:retry-3"),
        ("m:retry-1:retry-1", "m:retry-1", 1, "m:retry-1:retry-2"),
    ],
)
def test_an_id_tells_its_original_and_the_next_copy(
    message_id: str, original: str, number: int, following: str
):
    assert original_id(message_id) == original
    assert resubmission_of(message_id) == number
    assert retry_id(message_id) == following


def test_a_copys_id_names_its_original_and_its_number():
    for original in ("m", "a:b", "x" * 100):
        for number in (1, 2, 30):
            named = copy_id(original, number)
            assert (original_id(named), resubmission_of(named)) == (original, number)
