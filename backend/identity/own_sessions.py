"""A person's own sessions: which there are, and ending one of them or all the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import PlatformStatement
from backend.errors import NotFound
from backend.identity import sessions
from backend.identity.models import USER_SESSIONS
from backend.identity.sessions import SignedIn
from backend.unit_of_work import Reader, UnitOfWork

_S = USER_SESSIONS.c
_LIVE = sa.and_(
    _S.user_id == sa.bindparam("of_user"),
    _S.revoked_at.is_(None),
    _S.expires_at > sa.bindparam("now"),
)
_LIST = PlatformStatement(
    sa.select(
        _S.row_id,
        _S.token_digest,
        _S.created_at,
        _S.last_seen_at,
        _S.expires_at,
        _S.address,
        _S.user_agent,
    )
    .where(_LIVE)
    .order_by(_S.last_seen_at.desc(), _S.row_id.desc())
)
_REVOKE_ONE = PlatformStatement(
    sa.update(USER_SESSIONS)
    .where(_LIVE, _S.row_id == sa.bindparam("number"))
    .values(revoked_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A browser in which somebody is signed in. `number` names it to its owner."""

    number: int
    is_this_one: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


def list_own_sessions(reader: Reader, session: SignedIn) -> list[OwnSession]:
    """Where the person is signed in, lately seen first."""
    return [
        OwnSession(
            number=row.row_id,
            is_this_one=row.token_digest == session.token_digest,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
        )
        for row in reader.rows(_LIST, of_user=session.user_id, now=reader.now)
    ]


def end_own_session(work: UnitOfWork, session: SignedIn, number: int) -> None:
    """End one of the person's own sessions, at once. Raises NotFound for anybody else's."""
    if not work.execute(_REVOKE_ONE, of_user=session.user_id, number=number, now=work.now):
        raise NotFound("This session has ended already.", code="session_not_found")
    _record(work, session.user_id, 1)


def end_other_sessions(work: UnitOfWork, session: SignedIn) -> int:
    """Sign the person out everywhere else; how many sessions that ended."""
    ended = sessions.revoke_sessions_of(work, session.user_id, except_digest=session.token_digest)
    if ended:
        _record(work, session.user_id, ended)
    return ended


def _record(work: UnitOfWork, user_id: UUID, count: int) -> None:
    work.record("user.sessions_ended", "user", user_id, after={"count": count})
