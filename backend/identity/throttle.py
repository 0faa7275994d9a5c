"""Sign-in throttling: bounds guessing, and never keeps an owner out for good.

An attempt is counted before the password is looked at, in one transaction with the look at the
count, so that many at once cannot slip through; success takes its count back. A caller who is
over the limit is told how long to wait, and asking again does not make the wait longer.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import PlatformStatement, at_most
from backend.errors import TooManyRequests
from backend.identity.models import SIGN_IN_FAILURES, USER_SESSIONS, USERS
from backend.unit_of_work import UnitOfWork

WINDOW = timedelta(minutes=5)
# Somebody who mistypes: five tries, then a short wait.
PAIR_MAX = 5
# One machine that tries many people: an office behind one address still gets through.
ADDRESS_MAX = 50
# One person tried from many machines. Addresses the person has signed in from are exempt, or a
# stranger could lock the owner out.
EMAIL_MAX = 100
# Six figures are soon guessed: whoever has the password gets ten tries in a quarter of an hour,
# from wherever they come.
CODES_MAX = 10
CODES_WINDOW = timedelta(minutes=15)
# Failures are of no use after the window; they stay a while for whoever looks into an attack.
KEPT = timedelta(days=7)

_F = SIGN_IN_FAILURES.c
_ADDRESS_LENGTH = 64


def _recent(limit: int, *conditions: sa.ColumnElement[bool]) -> PlatformStatement:
    return PlatformStatement(
        sa.select(_F.at)
        .where(*conditions, _F.at > sa.bindparam("since"))
        .order_by(_F.at.desc())
        .limit(at_most(limit))
    )


_OF_PAIR = _recent(
    PAIR_MAX,
    _F.email_digest == sa.bindparam("email_digest"),
    _F.address == sa.bindparam("address"),
)
_OF_ADDRESS = _recent(ADDRESS_MAX, _F.address == sa.bindparam("address"))
_OF_EMAIL = _recent(EMAIL_MAX, _F.email_digest == sa.bindparam("email_digest"))
_KNOWN_ADDRESS = PlatformStatement(
    sa.select(USER_SESSIONS.c.row_id)
    .join(USERS, USERS.c.id == USER_SESSIONS.c.user_id)
    .where(
        USERS.c.email == sa.bindparam("email"),
        USER_SESSIONS.c.address == sa.bindparam("address"),
    )
    .order_by(USER_SESSIONS.c.row_id)
    .limit(at_most(1))
)
_COUNT = PlatformStatement(sa.insert(SIGN_IN_FAILURES))
_FORGIVE = PlatformStatement(
    sa.delete(SIGN_IN_FAILURES).where(
        _F.email_digest == sa.bindparam("email_digest"),
        _F.address == sa.bindparam("address"),
    )
)
_OF_CODES = _recent(CODES_MAX, _F.email_digest == sa.bindparam("email_digest"))
_FORGIVE_CODES = PlatformStatement(
    sa.delete(SIGN_IN_FAILURES).where(_F.email_digest == sa.bindparam("email_digest"))
)
_FORGET_OLD = PlatformStatement(sa.delete(SIGN_IN_FAILURES).where(_F.at < sa.bindparam("before")))


def count_attempt(work: UnitOfWork, *, email: str, address: str) -> None:
    """Count one attempt of this e-mail from this address; raises TooManyRequests over a limit."""
    address = address[:_ADDRESS_LENGTH]
    since = work.now - WINDOW
    digest = _digest(email)
    limits = [
        (PAIR_MAX, work.rows(_OF_PAIR, email_digest=digest, address=address, since=since)),
        (ADDRESS_MAX, work.rows(_OF_ADDRESS, address=address, since=since)),
    ]
    if work.first(_KNOWN_ADDRESS, email=email, address=address) is None:
        limits.append((EMAIL_MAX, work.rows(_OF_EMAIL, email_digest=digest, since=since)))
    wait = max(
        (rows[-1].at + WINDOW - work.now for limit, rows in limits if len(rows) >= limit),
        default=None,
    )
    if wait is not None:
        raise _too_many(wait)
    work.execute(_COUNT, email_digest=digest, address=address, at=work.now)


def forgive(work: UnitOfWork, *, email: str, address: str) -> None:
    """Take the counts back: the right person has signed in from there."""
    work.execute(_FORGIVE, email_digest=_digest(email), address=address[:_ADDRESS_LENGTH])


def count_code(work: UnitOfWork, user_id: UUID, *, address: str) -> None:
    """Count one try of a code for this user; raises TooManyRequests over the limit."""
    digest = _digest(f"code:{user_id}")
    rows = work.rows(_OF_CODES, email_digest=digest, since=work.now - CODES_WINDOW)
    if len(rows) >= CODES_MAX:
        raise _too_many(rows[-1].at + CODES_WINDOW - work.now)
    work.execute(_COUNT, email_digest=digest, address=address[:_ADDRESS_LENGTH], at=work.now)


def forgive_codes(work: UnitOfWork, user_id: UUID) -> None:
    """Take the counts of codes back: one was right."""
    work.execute(_FORGIVE_CODES, email_digest=_digest(f"code:{user_id}"))


def forget_old_failures(work: UnitOfWork) -> int:
    """Delete failures older than a week; how many. For the scheduler."""
    before: datetime = work.now - KEPT
    return work.execute(_FORGET_OLD, before=before)


def _too_many(wait: timedelta) -> TooManyRequests:
    return TooManyRequests(
        "Too many attempts to sign in. Please wait a little.",
        retry_after_seconds=max(1, math.ceil(wait.total_seconds())),
    )


def _digest(email: str) -> str:
    # People type their password into the wrong box: what was typed is not kept.
    return hashlib.sha256(email.encode()).hexdigest()
