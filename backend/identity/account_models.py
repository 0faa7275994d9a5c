"""Tables of what keeps an account safe: second steps, authenticators, resets, Microsoft links.

Their owner is a user, not a tenant: some users have none. Every query names the user.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, Text, UtcInstant, choice


class SignInKind(StrEnum):
    """What a sign-in under way waits for."""

    CODE = "code"
    ENTRA = "entra"


class SignInStep(Row, table=True):
    """A sign-in that is under way: the browser holds the token, the database its SHA-256.

    Of a second step the user is known; of a way through Microsoft it is not, until it ends.
    """

    __tablename__ = "sign_in_steps"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("token_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.CheckConstraint("kind <> 'code' OR user_id IS NOT NULL", name="whose"),
        sa.Index("ix_sign_in_steps__user_id", "user_id"),
        sa.Index("ix_sign_in_steps__expires_at", "expires_at"),
    )

    token_digest: str = Field(sa_type=Text(64))
    kind: SignInKind = Field(sa_type=choice(SignInKind, "kind"))
    user_id: UUID | None = Field(default=None, sa_type=Id)
    leads_to: str = Field(sa_type=Text(2000))
    created_at: datetime = Field(sa_type=UtcInstant)
    expires_at: datetime = Field(sa_type=UtcInstant)


class TwoFactor(Row, table=True):
    """A user's authenticator. It counts from the moment its first code was confirmed.

    `last_step` is the 30-second step of the last code that was taken: none is taken twice.
    """

    __tablename__ = "user_two_factors"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("user_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    )

    user_id: UUID = Field(sa_type=Id)
    sealed_secret: str = Field(sa_type=Text(200))
    last_step: int = Field(sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcInstant)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class RecoveryCode(Row, table=True):
    """A code that stands in for the authenticator, once. Only its SHA-256 is kept."""

    __tablename__ = "user_recovery_codes"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("user_id", "digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    )

    user_id: UUID = Field(sa_type=Id)
    digest: str = Field(sa_type=Text(64))
    created_at: datetime = Field(sa_type=UtcInstant)
    used_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class AccountEmailKind(StrEnum):
    """What an e-mail to a user is about."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 (a name)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a name)
    TWO_FACTOR_ON = "two_factor_on"
    TWO_FACTOR_OFF = "two_factor_off"


class AccountEmailStatus(StrEnum):
    """Where it stands. Ignored: nobody who may sign in has the address, or it had enough."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    IGNORED = "ignored"


class AccountEmail(Row, table=True):
    """An e-mail of the platform to somebody who signs in. No text is kept: it is made anew.

    A request for a new password names only the address that was typed; whose it is, the worker
    finds out. Of an address that is nobody's, nothing is kept.
    """

    __tablename__ = "account_emails"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.Index("ix_account_emails__user_id", "user_id", "created_at"),
        sa.Index("ix_account_emails__created_at", "created_at"),
    )

    id: UUID = Field(sa_type=Id)
    kind: AccountEmailKind = Field(sa_type=choice(AccountEmailKind, "kind"))
    status: AccountEmailStatus = Field(sa_type=choice(AccountEmailStatus, "status"))
    user_id: UUID | None = Field(default=None, sa_type=Id)
    to_address: str = Field(sa_type=Text(254))
    network_address: str = Field(sa_type=Text(64))
    provider_id: str | None = Field(default=None, sa_type=Text(255))
    problem: str | None = Field(default=None, sa_type=Text(500))
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)
    settled_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class PasswordReset(Row, table=True):
    """A link with which a user chooses a new password, once. `id` is that of its e-mail."""

    __tablename__ = "password_resets"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("token_digest"),
        sa.ForeignKeyConstraint(["id"], ["account_emails.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.Index("ix_password_resets__user_id", "user_id"),
    )

    id: UUID = Field(sa_type=Id)
    user_id: UUID = Field(sa_type=Id)
    token_digest: str = Field(sa_type=Text(64))
    created_at: datetime = Field(sa_type=UtcInstant)
    expires_at: datetime = Field(sa_type=UtcInstant)
    used_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class EntraLink(Row, table=True):
    """The person of a Microsoft Entra directory who signs in as this user."""

    __tablename__ = "user_entra_links"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("user_id"),
        sa.UniqueConstraint("directory", "object_key"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    )

    user_id: UUID = Field(sa_type=Id)
    directory: str = Field(sa_type=Text(64))
    object_key: str = Field(sa_type=Text(64))
    created_at: datetime = Field(sa_type=UtcInstant)


SIGN_IN_STEPS = table_of(SignInStep)
TWO_FACTORS = table_of(TwoFactor)
RECOVERY_CODES = table_of(RecoveryCode)
ACCOUNT_EMAILS = table_of(AccountEmail)
PASSWORD_RESETS = table_of(PasswordReset)
ENTRA_LINKS = table_of(EntraLink)
