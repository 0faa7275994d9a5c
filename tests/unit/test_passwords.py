"""Passwords: what is kept, what is accepted, and how old hashes move on."""

import time
from statistics import median

import pytest
from passlib.hash import argon2

from backend.errors import InvalidInput
from backend.identity import passwords


def test_keeps_argon2id_with_the_recommended_cost():
    kept = passwords.hash_password("correct horse")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.hash_password("correct horse") != kept, "every hash has its own salt"


def test_accepts_the_password_and_nothing_else():
    kept = passwords.hash_password("correct horse")
    assert passwords.verify_password("correct horse", kept) == passwords.Verdict(ok=True)
    for wrong in ("Correct horse", "correct horse ", "", "correct\x00horse", "x" * 5000):
        assert not passwords.verify_password(wrong, kept).ok


def test_the_same_letters_typed_on_another_keyboard_are_the_same_password():
    kept = passwords.hash_password("café au lait")
    assert passwords.verify_password("cafe\u0301 au lait", kept).ok


def test_a_text_that_begins_with_a_very_long_password_is_not_it():
    longest = "x" * passwords.LENGTH_MAX
    kept = passwords.hash_password(longest)
    assert passwords.verify_password(longest, kept).ok
    assert not passwords.verify_password(longest + "y", kept).ok


def test_a_hash_of_older_parameters_is_replaced_when_the_password_is_right():
    old = argon2.using(type="ID", memory_cost=8192, time_cost=1, parallelism=1).hash("correct")
    verdict = passwords.verify_password("correct", old)
    assert verdict.ok
    assert verdict.new_hash is not None
    assert verdict.new_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify_password("wrong", old) == passwords.Verdict(ok=False)


def test_nobody_signs_in_where_there_is_no_password():
    for nothing in (None, passwords.UNUSABLE):
        for given in ("", "!", "correct horse"):
            assert not passwords.verify_password(given, nothing).ok


def test_an_unknown_user_costs_as_much_work_as_a_wrong_password():
    kept = passwords.hash_password("correct horse")

    def cpu_seconds(hashed: str | None) -> float:
        start = time.thread_time()
        passwords.verify_password("wrong horse", hashed)
        return time.thread_time() - start

    cpu_seconds(None)  # The stand-in is made at its first use.
    known = median(cpu_seconds(kept) for _ in range(5))
    unknown = median(cpu_seconds(None) for _ in range(5))
    assert 0.4 < unknown / known < 2.5


@pytest.mark.parametrize(
    "weak", ["", "1234567", "x" * 257, "owner@example.com", " OWNER@example.com"]
)
def test_refuses_a_password_that_is_too_weak(weak: str):
    with pytest.raises(InvalidInput) as refusal:
        passwords.check_strength(weak, email="owner@example.com")
    assert refusal.value.errors[0].field == "password"


def test_takes_any_characters_of_any_script():
    passwords.check_strength("пароль 東京 🔑", email="owner@example.com")
