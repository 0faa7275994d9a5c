"""A new password by e-mail: asked for by anybody, sent to whom it concerns, used once.

The request writes down the address that was typed and answers; the same work, so the same time,
whether or not it is anybody's. The worker looks whose it is, makes the reset and sends the link.
The token is the reset's id, signed by a key from SECRET_KEY: the worker can make the same link
again when an e-mail has to be sent twice, and the database keeps the SHA-256 only.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import SecretStr

from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import InvalidInput
from backend.identity import accounts, sessions, sign_in_steps, throttle
from backend.identity.account_emails import queue_account_email
from backend.identity.account_models import PASSWORD_RESETS, AccountEmailKind
from backend.identity.models import USERS
from backend.identity.sealing import reset_signature
from backend.identity.users import hash_new_password
from backend.unit_of_work import Reader, UnitOfWork, read, run

LIFETIME = timedelta(minutes=30)
# Nobody can fill a person's mailbox by asking in its name.
SENT_MAX = 3
SENT_WINDOW = timedelta(hours=1)
_TOKEN_LENGTH_MAX = 128

_R = PASSWORD_RESETS.c
_FIND = PlatformStatement(
    sa.select(_R.id, _R.user_id).where(
        _R.token_digest == sa.bindparam("digest"),
        _R.used_at.is_(None),
        _R.expires_at > sa.bindparam("now"),
    )
)
_USE = PlatformStatement(
    sa.update(PASSWORD_RESETS)
    .where(
        _R.id == sa.bindparam("reset_id"),
        _R.used_at.is_(None),
        _R.expires_at > sa.bindparam("now"),
    )
    .values(used_at=sa.bindparam("now"))
)
_USE_UP = PlatformStatement(
    sa.update(PASSWORD_RESETS)
    .where(_R.user_id == sa.bindparam("of_user"), _R.used_at.is_(None))
    .values(used_at=sa.bindparam("now"))
)
_SENT_LATELY = PlatformStatement(
    sa.select(sa.func.count())
    .select_from(PASSWORD_RESETS)
    .where(
        _R.user_id == sa.bindparam("of_user"),
        _R.created_at > sa.bindparam("since"),
        _R.id != sa.bindparam("reset_id"),
    )
)
_EXISTS = PlatformStatement(sa.select(_R.row_id).where(_R.id == sa.bindparam("reset_id")))
_INSERT = PlatformStatement(sa.insert(PASSWORD_RESETS))
_EXTEND = PlatformStatement(
    sa.update(PASSWORD_RESETS)
    .where(_R.id == sa.bindparam("reset_id"), _R.used_at.is_(None))
    .values(expires_at=sa.bindparam("until"))
)
_SET_PASSWORD = PlatformStatement(
    sa.update(USERS)
    .where(USERS.c.id == sa.bindparam("wanted"))
    .values(password_hash=sa.bindparam("new_hash"), version=USERS.c.version + 1)
)


def request_password_reset(work: UnitOfWork, email: str, *, address: str) -> None:
    """Ask for a link to be sent to this address, whether or not it is anybody's.

    Raises TooManyRequests for too many requests from one network address or for one e-mail.
    """
    typed = email.strip().lower()
    throttle.count_attempt(work, email=f"reset:{typed}", address=address)
    queue_account_email(
        work, AccountEmailKind.PASSWORD_RESET, to_address=typed, network_address=address
    )


def token_of(secret_key: SecretStr, reset_id: UUID) -> str:
    """The token in the link of this reset."""
    signed = reset_id.bytes + reset_signature(secret_key, reset_id.bytes)
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def prepare_reset(
    work: UnitOfWork, reset_id: UUID, user: Any, *, secret_key: SecretStr, network_address: str
) -> str | None:
    """Make the reset good from now on and give its token; None when it may not be sent.

    Called again when the e-mail has to be sent again: then the half hour begins anew.
    """
    if not accounts.may_sign_in(user):
        return None
    if work.execute(_EXTEND, reset_id=reset_id, until=work.now + LIFETIME):
        return token_of(secret_key, reset_id)
    if work.first(_EXISTS, reset_id=reset_id) is not None:
        return None  # used, or void since the password was changed
    sent = work.scalar(
        _SENT_LATELY, of_user=user.id, since=work.now - SENT_WINDOW, reset_id=reset_id
    )
    if sent >= SENT_MAX:
        return None
    token = token_of(secret_key, reset_id)
    work.execute(
        _INSERT,
        id=reset_id,
        user_id=user.id,
        token_digest=sessions.digest_of(token),
        created_at=work.now,
        expires_at=work.now + LIFETIME,
        used_at=None,
    )
    work.record(
        "user.password_reset_requested", "user", user.id, after={"address": network_address}
    )
    return token


def redeem_password_reset(
    db: Database, *, token: str, password: str, address: str, correlation_id: str
) -> str:
    """Choose a new password with a link's token; every session of the user ends. The e-mail.

    Two-factor sign-in stays as it is. Raises InvalidInput for a token that is not ours, has ended
    or was used, and for a password that is too weak, or TooManyRequests.
    """
    nobody = accounts.anonymous(correlation_id)
    run(db, nobody, throttle.count_attempt, email="redeem:", address=address)
    found = read(db, nobody, _find, token)
    if found is None:
        raise _not_valid()
    reset_id, user = found
    new_hash = hash_new_password(password, email=user.email, field="password")
    actor = accounts.actor_of(user, correlation_id)
    run(db, actor, _redeem, reset_id, user, new_hash, address)
    email: str = user.email
    return email


def use_up_resets_of(work: UnitOfWork, user_id: UUID) -> None:
    """Void the links a user has been sent: the password was changed."""
    work.execute(_USE_UP, of_user=user_id, now=work.now)


def _find(reader: Reader, token: str) -> tuple[UUID, Any] | None:
    if not token or len(token) > _TOKEN_LENGTH_MAX:
        return None
    row = reader.first(_FIND, digest=sessions.digest_of(token), now=reader.now)
    user = accounts.find_by_id(reader, row.user_id) if row is not None else None
    if row is None or user is None or not accounts.may_sign_in(user):
        return None
    return row.id, user


def _redeem(work: UnitOfWork, reset_id: UUID, user: Any, new_hash: str, address: str) -> None:
    if not work.execute(_USE, reset_id=reset_id, now=work.now):
        raise _not_valid()
    work.execute(_SET_PASSWORD, wanted=user.id, new_hash=new_hash)
    use_up_resets_of(work, user.id)
    sessions.revoke_sessions_of(work, user.id)
    sign_in_steps.end_steps_of(work, user.id)
    throttle.forgive(work, email="redeem:", address=address)
    work.record("user.password_reset", "user", user.id, after={"address": address})
    queue_account_email(
        work, AccountEmailKind.PASSWORD_CHANGED, to_address=user.email, user_id=user.id
    )


def _not_valid() -> InvalidInput:
    return InvalidInput.of(
        "token", "This link is not valid, or no longer. Please ask for a new one.", code="bad_link"
    )
