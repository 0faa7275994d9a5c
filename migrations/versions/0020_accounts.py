"""Accounts: second steps of a sign-in, authenticators, e-mails to users, resets, Microsoft links"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0020"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_sessions", sa.Column("verified_at", types.UtcInstant(), nullable=True))
    table = "sign_in_steps"
    op.create_table(
        table,
        _row_number(),
        _text("token_digest", 64),
        sa.Column("kind", _one_of(table, "kind", "code", "entra"), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        _text("leads_to", 2000),
        _instant("created_at"),
        _instant("expires_at"),
        sa.CheckConstraint(
            "kind <> 'code' OR user_id IS NOT NULL", name=op.f(f"ck_{table}__whose")
        ),
        *_constraints(table, ["token_digest"]),
    )
    op.create_index("ix_sign_in_steps__user_id", table, ["user_id"])
    op.create_index("ix_sign_in_steps__expires_at", table, ["expires_at"])
    table = "user_two_factors"
    op.create_table(
        table,
        _row_number(),
        sa.Column("user_id", types.Id(), nullable=False),
        _text("sealed_secret", 200),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        _instant("created_at"),
        _instant("confirmed_at", nullable=True),
        *_constraints(table, ["user_id"]),
    )
    table = "user_recovery_codes"
    op.create_table(
        table,
        _row_number(),
        sa.Column("user_id", types.Id(), nullable=False),
        _text("digest", 64),
        _instant("created_at"),
        _instant("used_at", nullable=True),
        *_constraints(table, ["user_id", "digest"]),
    )
    table = "account_emails"
    kinds = ("password_reset", "password_changed", "two_factor_on", "two_factor_off")
    op.create_table(
        table,
        _row_number(),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("kind", _one_of(table, "kind", *kinds), nullable=False),
        sa.Column(
            "status",
            _one_of(table, "status", "queued", "sent", "failed", "ignored"),
            nullable=False,
        ),
        sa.Column("user_id", types.Id(), nullable=True),
        _text("to_address", 254),
        _text("network_address", 64),
        _text("provider_id", 255, nullable=True),
        _text("problem", 500, nullable=True),
        _text("correlation_id", 128),
        _instant("created_at"),
        _instant("settled_at", nullable=True),
        *_constraints(table, ["id"]),
    )
    op.create_index("ix_account_emails__user_id", table, ["user_id", "created_at"])
    op.create_index("ix_account_emails__created_at", table, ["created_at"])
    table = "password_resets"
    op.create_table(
        table,
        _row_number(),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=False),
        _text("token_digest", 64),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", nullable=True),
        sa.ForeignKeyConstraint(["id"], ["account_emails.id"], name=op.f(f"fk_{table}__id")),
        *_constraints(table, ["id"], ["token_digest"]),
    )
    op.create_index("ix_password_resets__user_id", table, ["user_id"])
    table = "user_entra_links"
    op.create_table(
        table,
        _row_number(),
        sa.Column("user_id", types.Id(), nullable=False),
        _text("directory", 64),
        _text("object_key", 64),
        _instant("created_at"),
        *_constraints(table, ["user_id"], ["directory", "object_key"]),
    )


def downgrade() -> None:
    for table in (
        "user_entra_links",
        "password_resets",
        "account_emails",
        "user_recovery_codes",
        "user_two_factors",
        "sign_in_steps",
    ):
        op.drop_table(table)
    op.drop_column("user_sessions", "verified_at")


def _row_number() -> sa.Column[Any]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("row_id", number, nullable=False)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, types.Text(length=length), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, types.UtcInstant(), nullable=nullable)


def _constraints(table: str, *unique: list[str]) -> list[Any]:
    """The key of a table of users' things, whose user, and what is there once."""
    return [
        sa.PrimaryKeyConstraint("row_id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}__user_id")),
        *(
            sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}__{'_'.join(columns)}"))
            for columns in unique
        ),
    ]


def _one_of(table: str, name: str, *values: str) -> sa.Enum:
    check = op.f(f"ck_{table}__{name}")
    return sa.Enum(*values, name=check, native_enum=False, create_constraint=True, length=32)
