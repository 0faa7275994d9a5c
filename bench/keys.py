"""The API-key check on the path of every call, against verifying a password hash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backend.db.engine import Database
from backend.identity.api_keys import authenticate_api_key
from backend.identity.passwords import hash_password, verify_password
from backend.unit_of_work import Reader
from bench.books import make_books
from bench.measure import Line, Target, duration, take_turns

CHECKS = 2000


def run_keys(directory: Path, *, quick: bool) -> Iterator[Line]:
    """How much of an argon2id verification one key check costs."""
    books = make_books(directory / "keys.db")
    db = Database(f"sqlite:///{books.path}")
    hashed = hash_password("correct horse battery staple")

    def check_keys() -> None:
        connection, actor = db.thread_connection(), books.actor()
        for _ in range(CHECKS):
            reader = Reader(connection, actor, db.clock())
            identity = authenticate_api_key(reader, books.api_key)
            identity.actor(books.tenant_id, "bench")

    def verify_once() -> None:
        assert verify_password("correct horse battery staple", hashed).ok

    try:
        all_checks, verify, _ = take_turns(check_keys, verify_once, rounds=3 if quick else 7)
    finally:
        db.close()
    check = all_checks / CHECKS
    yield Line(
        "API-key check / argon2id password check",
        "time",
        duration(check),
        duration(verify),
        check / verify,
        Target.AT_MOST,
        0.01,
        {"microseconds": check * 1e6},
    )
