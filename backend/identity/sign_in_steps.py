"""A sign-in that is under way: after the password, or away at Microsoft, before there is a session.

The browser holds a random token in a cookie of its own, which opens nothing by itself.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import PlatformStatement
from backend.identity.account_models import SIGN_IN_STEPS, SignInKind
from backend.identity.sessions import TOKEN_BYTES, digest_of
from backend.unit_of_work import Reader, UnitOfWork

LIFETIME = timedelta(minutes=10)
_TOKEN_LENGTH_MAX = 128

_S = SIGN_IN_STEPS.c
_INSERT = PlatformStatement(sa.insert(SIGN_IN_STEPS))
_FIND = PlatformStatement(
    sa.select(_S.user_id, _S.leads_to, _S.expires_at).where(
        _S.token_digest == sa.bindparam("digest"),
        _S.kind == sa.bindparam("of_kind", type_=_S.kind.type),
        _S.expires_at > sa.bindparam("now"),
    )
)
# The row that is deleted is the one that counts: a second use finds nothing.
_TAKE = PlatformStatement(
    sa.delete(SIGN_IN_STEPS).where(
        _S.token_digest == sa.bindparam("digest"),
        _S.kind == sa.bindparam("of_kind", type_=_S.kind.type),
        _S.expires_at > sa.bindparam("now"),
    )
)
_END_OF_USER = PlatformStatement(
    sa.delete(SIGN_IN_STEPS).where(_S.user_id == sa.bindparam("of_user"))
)
_FORGET = PlatformStatement(sa.delete(SIGN_IN_STEPS).where(_S.expires_at < sa.bindparam("before")))


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The password was right; a code is asked for next. The token goes into a cookie only."""

    token: str
    user_id: UUID
    expires_at: datetime


def begin_step(
    work: UnitOfWork, kind: SignInKind, *, leads_to: str, user_id: UUID | None = None
) -> str:
    """Keep a sign-in that is under way for ten minutes; its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    work.execute(
        _INSERT,
        token_digest=digest_of(token),
        kind=kind,
        user_id=user_id,
        leads_to=leads_to[:2000],
        created_at=work.now,
        expires_at=work.now + LIFETIME,
    )
    return token


def find_step(reader: Reader, kind: SignInKind, token: str | None) -> Any | None:
    """The sign-in of this token; None when there is none, or no longer."""
    if not token or len(token) > _TOKEN_LENGTH_MAX:
        return None
    return reader.first(_FIND, digest=digest_of(token), of_kind=kind, now=reader.now)


def take_step(work: UnitOfWork, kind: SignInKind, token: str) -> bool:
    """End the sign-in of this token; True for the one caller who may go on with it."""
    return work.execute(_TAKE, digest=digest_of(token), of_kind=kind, now=work.now) > 0


def end_steps_of(work: UnitOfWork, user_id: UUID) -> None:
    """End all that are under way for a user, whose password or authenticator changed."""
    work.execute(_END_OF_USER, of_user=user_id)


def forget_old_steps(work: UnitOfWork) -> int:
    """Delete those that ran out; how many. For the scheduler."""
    return work.execute(_FORGET, before=work.now)
