"""Webhooks: the very bytes of an event, how often it came and was tried, and what it did

No version before this one wrote to these tables, so they are made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def _row_id() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("row_id", number, nullable=False)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


_STATUSES = ("received", "processing", "processed", "failed", "ignored")
_SIGNATURES = ("verified", "api_key", "failed")


def upgrade() -> None:
    op.drop_table("webhook_events")
    op.drop_table("webhook_endpoints")
    op.create_table(
        "webhook_endpoints",
        _row_id(),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("token_digest", types.Text(length=64), nullable=False),
        sa.Column("token_hint", types.Text(length=8), nullable=False),
        sa.Column("encrypted_secret", types.Text(length=1000), nullable=False),
        sa.Column("secret_set_at", types.UtcInstant(), nullable=False),
        sa.Column("encrypted_previous_secret", types.Text(length=1000), nullable=True),
        sa.Column("previous_secret_set_at", types.UtcInstant(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("refused_count", sa.Integer(), nullable=False),
        sa.Column("last_refused_at", types.UtcInstant(), nullable=True),
        sa.Column("last_refused_reason", types.Text(length=200), nullable=True),
        sa.CheckConstraint("refused_count >= 0", name=op.f("ck_webhook_endpoints__refused_count")),
        sa.CheckConstraint(
            "(encrypted_previous_secret IS NULL AND previous_secret_set_at IS NULL) OR "
            "(encrypted_previous_secret IS NOT NULL AND previous_secret_set_at IS NOT NULL)",
            name=op.f("ck_webhook_endpoints__previous_secret"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_endpoints__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_webhook_endpoints__tenant_id_id")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_webhook_endpoints__token_digest")),
    )
    op.create_table(
        "webhook_events",
        _row_id(),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("endpoint_id", types.Id(), nullable=True),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("external_event_id", types.Text(length=200), nullable=False),
        sa.Column("event_type", types.Text(length=100), nullable=True),
        sa.Column("status", _one_of("status", *_STATUSES), nullable=False),
        sa.Column("signature", _one_of("signature", *_SIGNATURES), nullable=False),
        sa.Column("received_at", types.UtcInstant(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("last_delivered_at", types.UtcInstant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_attempt_at", types.UtcInstant(), nullable=True),
        sa.Column("processed_at", types.UtcInstant(), nullable=True),
        sa.Column("error", types.Text(length=1000), nullable=True),
        sa.Column("effect", types.Text(length=32), nullable=True),
        sa.Column("codes", types.Text(length=200), nullable=True),
        sa.Column("detail", types.Text(length=1000), nullable=True),
        sa.Column("payment_id", types.Id(), nullable=True),
        sa.Column("replay_requested_at", types.UtcInstant(), nullable=True),
        sa.Column("settled_message_id", types.Id(), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("headers", types.LongText(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_events__attempts")),
        sa.CheckConstraint("deliveries >= 1", name=op.f("ck_webhook_events__deliveries")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name=op.f("fk_webhook_events__tenant_id_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("fk_webhook_events__tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_events__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_webhook_events__tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "provider",
            "external_event_id",
            name=op.f("uq_webhook_events__tenant_id_provider_external_event_id"),
        ),
    )
    _index_events()
    for name, column in (("endpoint", "endpoint_id"), ("type", "event_type")):
        op.create_index(
            f"ix_webhook_events__{name}", "webhook_events", ["tenant_id", column, "row_id"]
        )


def downgrade() -> None:
    op.drop_table("webhook_events")
    op.drop_table("webhook_endpoints")
    op.create_table(
        "webhook_endpoints",
        _row_id(),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("token_digest", types.Text(length=64), nullable=False),
        sa.Column("encrypted_secret", types.Text(length=1000), nullable=False),
        sa.Column("encrypted_previous_secret", types.Text(length=1000), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_endpoints__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_webhook_endpoints__tenant_id_id")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_webhook_endpoints__token_digest")),
    )
    op.create_table(
        "webhook_events",
        _row_id(),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("endpoint_id", types.Id(), nullable=True),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("external_event_id", types.Text(length=200), nullable=False),
        sa.Column("event_type", types.Text(length=100), nullable=True),
        sa.Column("status", _one_of("status", *_STATUSES), nullable=False),
        sa.Column("signature", _one_of("signature", *_SIGNATURES), nullable=False),
        sa.Column("payload", types.LongText(), nullable=False),
        sa.Column("received_at", types.UtcInstant(), nullable=False),
        sa.Column("processed_at", types.UtcInstant(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", types.Text(length=1000), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_events__attempts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name=op.f("fk_webhook_events__tenant_id_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_events__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_webhook_events__tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "provider",
            "external_event_id",
            name=op.f("uq_webhook_events__tenant_id_provider_external_event_id"),
        ),
    )
    _index_events()


def _index_events() -> None:
    table = "webhook_events"
    op.create_index("ix_webhook_events__correlation_id", table, ["tenant_id", "correlation_id"])
    op.create_index("ix_webhook_events__created", table, ["tenant_id", "row_id"])
    op.create_index("ix_webhook_events__status", table, ["tenant_id", "status", "row_id"])
