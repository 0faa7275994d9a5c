"""Asking again who it is, before what keeps an account safe is changed.

A browser left open, or a stolen session, must not be enough to take an account over. With an
authenticator a code is asked for, without one the password; the answer holds for ten minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import SecretStr

from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import InvalidInput, NotAllowed
from backend.identity import accounts, passwords, throttle, two_factor
from backend.identity.models import USER_SESSIONS
from backend.identity.sessions import SignedIn
from backend.unit_of_work import UnitOfWork, read, run

HOLDS_FOR = timedelta(minutes=10)

_VERIFIED = PlatformStatement(
    sa.update(USER_SESSIONS)
    .where(
        USER_SESSIONS.c.token_digest == sa.bindparam("digest"),
        USER_SESSIONS.c.revoked_at.is_(None),
    )
    .values(verified_at=sa.bindparam("now"))
)


def is_recent(session: SignedIn, now: datetime) -> bool:
    """Whether the person has lately proved who it is in this browser; `now` in UTC."""
    return session.verified_at is not None and now < session.verified_at + HOLDS_FOR


def require_recent(session: SignedIn, now: datetime) -> None:
    """Raise NotAllowed unless the person has lately proved who it is."""
    if not is_recent(session, now):
        raise NotAllowed("Please confirm first that it is you.", code="step_up_needed")


def confirm_identity(
    db: Database,
    session: SignedIn,
    *,
    proof: str,
    secret_key: SecretStr,
    address: str,
    correlation_id: str,
) -> None:
    """Take the password, or with two-factor a code, as the proof of who it is.

    Raises InvalidInput when it is wrong, or TooManyRequests.
    """
    actor = session.actor(correlation_id)
    if read(db, actor, two_factor.is_on, session.user_id):
        run(db, actor, throttle.count_code, session.user_id, address=address)
        run(db, actor, _take_code, session, proof, secret_key)
        return
    run(db, actor, throttle.count_attempt, email=session.email, address=address)
    user = read(db, actor, accounts.get_by_id, session.user_id)
    if not passwords.verify_password(proof, user.password_hash).ok:
        raise InvalidInput.of("proof", "is wrong", code="bad_credentials")
    run(db, actor, _take_password, session, address)


def _take_code(work: UnitOfWork, session: SignedIn, code: str, secret_key: SecretStr) -> None:
    if two_factor.take_code(work, session.user_id, code, secret_key=secret_key) is None:
        raise InvalidInput.of("proof", "is wrong, or was used already", code="bad_code")
    throttle.forgive_codes(work, session.user_id)
    _verified(work, session)


def _take_password(work: UnitOfWork, session: SignedIn, address: str) -> None:
    throttle.forgive(work, email=session.email, address=address)
    _verified(work, session)


def _verified(work: UnitOfWork, session: SignedIn) -> None:
    work.execute(_VERIFIED, digest=session.token_digest, now=work.now)
    work.record("user.identity_confirmed", "user", session.user_id)
