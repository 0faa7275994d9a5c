"""Server-side sessions: the browser holds a random token, the database its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Actor, PlatformActor, Role
from backend.db.statements import PlatformStatement
from backend.errors import NotSignedIn
from backend.identity.models import USER_SESSIONS, USERS
from backend.tenants.models import TENANTS, TenantStatus
from backend.unit_of_work import Reader, UnitOfWork

# A working day: signing in once in the morning is enough.
LIFETIME = timedelta(hours=12)
# How often "last seen" is written; a write for every click would be a waste.
SEEN_EVERY = timedelta(minutes=5)
# 256 random bits.
TOKEN_BYTES = 32
# Nobody guesses a token, so a longer text is not one of ours; bounds what is hashed.
_TOKEN_LENGTH_MAX = 128

_S = USER_SESSIONS.c

_START = PlatformStatement(sa.insert(USER_SESSIONS))
_FIND = PlatformStatement(
    sa.select(
        _S.token_digest,
        _S.expires_at,
        _S.revoked_at,
        _S.last_seen_at,
        _S.verified_at,
        USERS.c.id.label("user_id"),
        USERS.c.email,
        USERS.c.display_name,
        USERS.c.role,
        USERS.c.is_active,
        USERS.c.tenant_id,
        TENANTS.c.name.label("tenant_name"),
        TENANTS.c.status.label("tenant_status"),
    )
    .select_from(
        USER_SESSIONS.join(USERS, USERS.c.id == _S.user_id).outerjoin(
            TENANTS, TENANTS.c.id == USERS.c.tenant_id
        )
    )
    .where(_S.token_digest == sa.bindparam("token_digest"))
)
_SEEN = PlatformStatement(
    sa.update(USER_SESSIONS)
    .where(_S.token_digest == sa.bindparam("digest"))
    .values(last_seen_at=sa.bindparam("now"))
)
_REVOKE = PlatformStatement(
    sa.update(USER_SESSIONS)
    .where(_S.token_digest == sa.bindparam("digest"), _S.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("now"))
)
_REVOKE_OF_USER = PlatformStatement(
    sa.update(USER_SESSIONS)
    .where(
        _S.user_id == sa.bindparam("of_user"),
        _S.token_digest != sa.bindparam("except_digest"),
        _S.revoked_at.is_(None),
    )
    .values(revoked_at=sa.bindparam("now"))
)
_FORGET = PlatformStatement(sa.delete(USER_SESSIONS).where(_S.expires_at < sa.bindparam("before")))
# An expired session still tells from where somebody has signed in: sign-in throttling looks.
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just started. The token goes into the browser's cookie and nowhere else."""

    token: str
    expires_at: datetime
    user_id: UUID


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session belongs to, as of now: a change of role or tenant shows at the next look."""

    token_digest: str
    user_id: UUID
    email: str
    display_name: str
    role: Role
    tenant_id: UUID | None
    tenant_name: str | None
    expires_at: datetime
    should_note: bool
    verified_at: datetime | None = None

    @property
    def needs_set_up(self) -> bool:
        """A registered user who has yet to set up a tenant."""
        return self.tenant_id is None and self.role is not Role.SUPERADMIN

    def actor(self, correlation_id: str) -> Actor | PlatformActor:
        """The actor of this session's requests; a platform actor for who has no tenant."""
        if self.tenant_id is not None:
            return Actor(self.tenant_id, self.role, self.email, correlation_id, self.user_id)
        return PlatformActor(self.email, correlation_id, self.user_id, self.role)


def start_session(work: UnitOfWork, user_id: UUID, *, address: str, user_agent: str) -> NewSession:
    """Start a session of twelve hours. The caller has verified the user."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = work.now + LIFETIME
    work.execute(
        _START,
        token_digest=digest_of(token),
        user_id=user_id,
        created_at=work.now,
        last_seen_at=work.now,
        expires_at=expires_at,
        revoked_at=None,
        address=address[:64],
        user_agent=user_agent[:300],
        verified_at=work.now,
    )
    return NewSession(token, expires_at, user_id)


def find_session(reader: Reader, token: str | None) -> SignedIn | None:
    """Who is signed in with this token, or None: unknown, expired, revoked, or shut out.

    `should_note` asks the caller to run `note_session_seen` some time soon.
    """
    if not token or len(token) > _TOKEN_LENGTH_MAX:
        return None
    row = reader.first(_FIND, token_digest=digest_of(token))
    if row is None or row.revoked_at is not None or row.expires_at <= reader.now:
        return None
    if not row.is_active or row.tenant_status is TenantStatus.INACTIVE:
        return None
    return SignedIn(
        token_digest=row.token_digest,
        user_id=row.user_id,
        email=row.email,
        display_name=row.display_name,
        role=row.role,
        tenant_id=row.tenant_id,
        tenant_name=row.tenant_name,
        expires_at=row.expires_at,
        should_note=row.last_seen_at + SEEN_EVERY <= reader.now,
        verified_at=row.verified_at,
    )


def get_session(reader: Reader, token: str | None) -> SignedIn:
    """As `find_session`; raises NotSignedIn."""
    found = find_session(reader, token)
    if found is None:
        raise NotSignedIn("Please sign in.")
    return found


def note_session_seen(work: UnitOfWork, token_digest: str) -> None:
    """Keep that the session was in use now."""
    work.execute(_SEEN, digest=token_digest, now=work.now)


def revoke_session(work: UnitOfWork, token: str) -> None:
    """End the session of this token, at once and everywhere; an unknown token is no error."""
    work.execute(_REVOKE, digest=digest_of(token), now=work.now)


def revoke_sessions_of(work: UnitOfWork, user_id: UUID, *, except_digest: str = "") -> int:
    """End a user's sessions, perhaps all but one; how many."""
    return work.execute(_REVOKE_OF_USER, of_user=user_id, except_digest=except_digest, now=work.now)


def forget_expired_sessions(work: UnitOfWork) -> int:
    """Delete sessions that expired a month ago; how many. For the scheduler."""
    return work.execute(_FORGET, before=work.now - _KEPT)


def digest_of(token: str) -> str:
    """SHA-256 in hexadecimal. The token has 256 random bits: nothing slower is needed."""
    return hashlib.sha256(token.encode()).hexdigest()
