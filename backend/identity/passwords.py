"""Passwords: argon2id through passlib, and the same time whether or not the user exists."""

from __future__ import annotations

import os
import threading
import unicodedata
from dataclasses import dataclass

from passlib.context import CryptContext

from backend.errors import InvalidInput

# OWASP's figures for argon2id: 19 MiB, two passes, one lane; some 25 ms on a small machine.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

LENGTH_MIN = 8
# Long enough for any passphrase; bounds what a stranger can make us hash.
LENGTH_MAX = 256

# In place of a hash: nobody can sign in with it (an invitation that is not yet accepted).
UNUSABLE = "!"

_CONTEXT = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__memory_cost=MEMORY_KIB,
    argon2__time_cost=PASSES,
    argon2__parallelism=LANES,
)
# Hashing is CPU and memory: more at once than there are cores only makes everybody wait longer.
_TURNS = threading.BoundedSemaphore(os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password was right; `new_hash` when the kept hash is of older parameters."""

    ok: bool
    new_hash: str | None = None


def check_strength(password: str, *, email: str, field: str = "password") -> None:
    """Raise InvalidInput for a password that is too short, too long, or the e-mail address."""
    length = len(_normalised(password))
    if length < LENGTH_MIN:
        raise InvalidInput.of(field, f"must have at least {LENGTH_MIN} characters")
    if length > LENGTH_MAX:
        raise InvalidInput.of(field, f"must have at most {LENGTH_MAX} characters")
    if password.strip().lower() in (email.lower(), email.lower().partition("@")[0]):
        raise InvalidInput.of(field, "must not be the e-mail address")


def hash_password(password: str) -> str:
    """The hash to keep. Takes some 25 ms of CPU: never inside a transaction."""
    with _TURNS:
        hashed: str = _CONTEXT.hash(_normalised(password))
        return hashed


def verify_password(password: str, kept_hash: str | None) -> Verdict:
    """Compare with the kept hash; without one, take as long and say no."""
    if kept_hash is None or kept_hash == UNUSABLE:
        with _TURNS:
            _CONTEXT.dummy_verify()
        return Verdict(ok=False)
    # Too long to be anybody's; still the work is done, so that the time tells nothing.
    given = _normalised(password)[:LENGTH_MAX]
    with _TURNS:
        ok, new_hash = _CONTEXT.verify_and_update(given, kept_hash)
    return Verdict(ok=ok and len(_normalised(password)) <= LENGTH_MAX, new_hash=new_hash)


def _normalised(password: str) -> str:
    # One keyboard writes é as one character, another as two: NIST SP 800-63B asks for this.
    return unicodedata.normalize("NFKC", password)
