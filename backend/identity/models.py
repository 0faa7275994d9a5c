"""Tables of users, their sessions, sign-in throttling, and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.actor import Role
from backend.db.tables import Row, TenantRow, owned, table_of
from backend.db.types import Id, Text, UtcInstant, choice


class User(Row, table=True):
    """Somebody who signs in. Without a tenant: a SuperAdmin, or somebody who has yet to set one up.

    `email` is kept in lower case.
    """

    __tablename__ = "users"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("email"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.CheckConstraint("role <> 'superadmin' OR tenant_id IS NULL", name="platform_role"),
        sa.Index("ix_users__tenant_id", "tenant_id"),
    )

    id: UUID = Field(sa_type=Id)
    tenant_id: UUID | None = Field(default=None, sa_type=Id)
    email: str = Field(sa_type=Text(254))
    display_name: str = Field(sa_type=Text(200))
    password_hash: str = Field(sa_type=Text(255))
    role: Role = Field(sa_type=choice(Role, "role"))
    is_active: bool = Field(sa_type=sa.Boolean)
    created_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


class UserSession(Row, table=True):
    """A signed-in browser. Only the SHA-256 of its token is kept.

    `verified_at` is when the person last proved who it is, by signing in or when asked again.
    """

    __tablename__ = "user_sessions"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("token_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.Index("ix_user_sessions__user_id", "user_id"),
        sa.Index("ix_user_sessions__expires_at", "expires_at"),
    )

    token_digest: str = Field(sa_type=Text(64))
    user_id: UUID = Field(sa_type=Id)
    created_at: datetime = Field(sa_type=UtcInstant)
    last_seen_at: datetime = Field(sa_type=UtcInstant)
    expires_at: datetime = Field(sa_type=UtcInstant)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    address: str = Field(sa_type=Text(64))
    user_agent: str = Field(sa_type=Text(300))
    verified_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class SignInFailure(Row, table=True):
    """A failed sign-in; throttling counts the recent ones of an e-mail and of an address."""

    __tablename__ = "sign_in_failures"
    __table_args__: ClassVar[Any] = (
        sa.Index("ix_sign_in_failures__email_digest", "email_digest", "at"),
        sa.Index("ix_sign_in_failures__address", "address", "at"),
        sa.Index("ix_sign_in_failures__at", "at"),
    )

    email_digest: str = Field(sa_type=Text(64))
    address: str = Field(sa_type=Text(64))
    at: datetime = Field(sa_type=UtcInstant)


class ApiKey(TenantRow, table=True):
    """A consuming app's key: a public prefix to find it by, and the SHA-256 of the whole."""

    __tablename__ = "api_keys"
    __table_args__: ClassVar[Any] = owned(sa.UniqueConstraint("prefix"))

    name: str = Field(sa_type=Text(200))
    role: Role = Field(sa_type=choice(Role, "role"))
    prefix: str = Field(sa_type=Text(32))
    digest: str = Field(sa_type=Text(64))
    created_at: datetime = Field(sa_type=UtcInstant)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcInstant)


USERS = table_of(User)
USER_SESSIONS = table_of(UserSession)
SIGN_IN_FAILURES = table_of(SignInFailure)
API_KEYS = table_of(ApiKey)
