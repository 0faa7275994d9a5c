"""The tables"""

# Written by autogenerate: its long lines are the CHECK constraints as they are in the models.
# ruff: noqa: E501
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", types.Text(length=64), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_audit_heads")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_audit_heads__tenant_id")),
    )
    op.create_table(
        "audit_log",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entity_type", types.Text(length=64), nullable=False),
        sa.Column("entity_id", types.Id(), nullable=False),
        sa.Column("action", types.Text(length=64), nullable=False),
        sa.Column("actor", types.Text(length=200), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        sa.Column("at", types.UtcInstant(), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("data", types.LongText(), nullable=False),
        sa.Column("previous_hash", types.Text(length=64), nullable=False),
        sa.Column("hash", types.Text(length=64), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("tenant_id", "sequence", name=op.f("uq_audit_log__tenant_id_sequence")),
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index(
            "ix_audit_log__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index(
            "ix_audit_log__entity",
            ["tenant_id", "entity_type", "entity_id", "sequence"],
            unique=False,
        )

    op.create_table(
        "outbox",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", types.Id(), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("message_type", types.Text(length=64), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("body", types.LongText(), nullable=False),
        sa.Column("available_at", types.UtcInstant(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("sent_at", types.UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox__message_id")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox__correlation_id", ["correlation_id"], unique=False)
        batch_op.create_index(
            "ix_outbox__unsent",
            ["row_id"],
            unique=False,
            sqlite_where=sa.text("sent_at IS NULL"),
            mssql_where=sa.text("sent_at IS NULL"),
        )

    op.create_table(
        "queue_messages",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("message_id", types.Text(length=128), nullable=False),
        sa.Column("message_type", types.Text(length=64), nullable=True),
        sa.Column("tenant_id", types.Id(), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=True),
        sa.Column("body", types.LongText(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ready",
                "done",
                "dead",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("enqueued_at", types.UtcInstant(), nullable=False),
        sa.Column("available_at", types.UtcInstant(), nullable=False),
        sa.Column("lease_token", types.Id(), nullable=True),
        sa.Column("delivery_count", sa.Integer(), nullable=False),
        sa.Column("completed_at", types.UtcInstant(), nullable=True),
        sa.Column("dead_reason", types.Text(length=64), nullable=True),
        sa.Column("dead_description", types.Text(length=2000), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_queue_messages")),
        sa.UniqueConstraint(
            "queue", "message_id", name=op.f("uq_queue_messages__queue_message_id")
        ),
    )
    with op.batch_alter_table("queue_messages", schema=None) as batch_op:
        batch_op.create_index("ix_queue_messages__correlation_id", ["correlation_id"], unique=False)
        batch_op.create_index(
            "ix_queue_messages__dead",
            ["queue", "row_id"],
            unique=False,
            sqlite_where=sa.text("state = 'dead'"),
            mssql_where=sa.text("state = 'dead'"),
        )
        batch_op.create_index(
            "ix_queue_messages__done",
            ["completed_at"],
            unique=False,
            sqlite_where=sa.text("state = 'done'"),
            mssql_where=sa.text("state = 'done'"),
        )
        batch_op.create_index(
            "ix_queue_messages__ready",
            ["queue", "available_at", "row_id"],
            unique=False,
            sqlite_where=sa.text("state = 'ready'"),
            mssql_where=sa.text("state = 'ready'"),
        )

    op.create_table(
        "scheduled_runs",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", types.Text(length=64), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("run_on", sa.Date(), nullable=False),
        sa.Column("started_at", types.UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_scheduled_runs")),
        sa.UniqueConstraint(
            "job", "tenant_id", "run_on", name=op.f("uq_scheduled_runs__job_tenant_id_run_on")
        ),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email_digest", types.Text(length=64), nullable=False),
        sa.Column("address", types.Text(length=64), nullable=False),
        sa.Column("at", types.UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_sign_in_failures")),
    )
    with op.batch_alter_table("sign_in_failures", schema=None) as batch_op:
        batch_op.create_index("ix_sign_in_failures__address", ["address", "at"], unique=False)
        batch_op.create_index("ix_sign_in_failures__at", ["at"], unique=False)
        batch_op.create_index(
            "ix_sign_in_failures__email_digest", ["email_digest", "at"], unique=False
        )

    op.create_table(
        "tenants",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("name", types.Text(length=200), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "active",
                "inactive",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("time_zone", types.Text(length=64), nullable=False),
        sa.Column("invoice_number_prefix", types.Text(length=16), nullable=False),
        sa.Column("sending_from_minute", sa.Integer(), nullable=False),
        sa.Column("sending_until_minute", sa.Integer(), nullable=False),
        sa.Column("sending_weekdays", types.Text(length=7), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "sending_from_minute >= 0 AND sending_until_minute <= 1440 AND sending_from_minute < sending_until_minute",
            name=op.f("ck_tenants__sending_window"),
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("id", name=op.f("uq_tenants__id")),
    )
    op.create_table(
        "api_keys",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("name", types.Text(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "superadmin",
                "admin",
                "finance",
                "support",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("prefix", types.Text(length=32), nullable=False),
        sa.Column("digest", types.Text(length=64), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("last_used_at", types.UtcInstant(), nullable=True),
        sa.Column("revoked_at", types.UtcInstant(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys__tenant_id")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys__prefix")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_api_keys__tenant_id_id")),
    )
    op.create_table(
        "dunning_plans",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("name", types.Text(length=200), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dunning_plans__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dunning_plans")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_dunning_plans__tenant_id_id")),
    )
    with op.batch_alter_table("dunning_plans", schema=None) as batch_op:
        batch_op.create_index(
            "uq_dunning_plans__default",
            ["tenant_id"],
            unique=True,
            sqlite_where=sa.text("is_default = 1"),
            mssql_where=sa.text("is_default = 1"),
        )

    op.create_table(
        "dunning_runs",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("is_scheduled", sa.Boolean(), nullable=False),
        sa.Column("email_count", sa.Integer(), nullable=False),
        sa.Column("invoice_count", sa.Integer(), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.CheckConstraint(
            "email_count >= 0 AND invoice_count >= email_count",
            name=op.f("ck_dunning_runs__counts"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dunning_runs__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dunning_runs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_dunning_runs__tenant_id_id")),
    )
    with op.batch_alter_table("dunning_runs", schema=None) as batch_op:
        batch_op.create_index("ix_dunning_runs__created", ["tenant_id", "row_id"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("operation", types.Text(length=200), nullable=False),
        sa.Column("key", types.Text(length=255), nullable=False),
        sa.Column("request_hash", types.Text(length=64), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("response", types.LongText(), nullable=False),
        sa.Column("location", types.Text(length=300), nullable=True),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("expires_at", types.UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint(
            "tenant_id",
            "operation",
            "key",
            name=op.f("uq_idempotency_keys__tenant_id_operation_key"),
        ),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index("ix_idempotency_keys__expires_at", ["expires_at"], unique=False)

    op.create_table(
        "invoice_number_series",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_invoice_number_series__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_invoice_number_series")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_invoice_number_series__tenant_id")),
    )
    op.create_table(
        "users",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=True),
        sa.Column("email", types.Text(length=254), nullable=False),
        sa.Column("display_name", types.Text(length=200), nullable=False),
        sa.Column("password_hash", types.Text(length=255), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "superadmin",
                "admin",
                "finance",
                "support",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "role <> 'superadmin' OR tenant_id IS NULL", name=op.f("ck_users__platform_role")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users__tenant_id")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users__email")),
        sa.UniqueConstraint("id", name=op.f("uq_users__id")),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index("ix_users__tenant_id", ["tenant_id"], unique=False)

    op.create_table(
        "webhook_endpoints",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
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
        "customers",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("display_name", types.Text(length=200), nullable=False),
        sa.Column("email", types.Text(length=254), nullable=True),
        sa.Column(
            "email_status",
            sa.Enum(
                "ok",
                "bounced",
                name="email_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("phone", types.Text(length=50), nullable=True),
        sa.Column("billing_address", types.Text(length=1000), nullable=True),
        sa.Column("payment_terms_days", sa.Integer(), nullable=False),
        sa.Column("external_source", types.Text(length=100), nullable=True),
        sa.Column("external_reference_id", types.Text(length=200), nullable=True),
        sa.Column("dunning_plan_id", types.Id(), nullable=True),
        sa.Column(
            "hold_kind",
            sa.Enum(
                "pause",
                "exclude",
                name="hold_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("hold_until", sa.Date(), nullable=True),
        sa.Column("hold_reason", types.Text(length=500), nullable=True),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("payment_terms_days >= 0", name=op.f("ck_customers__payment_terms")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "dunning_plan_id"],
            ["dunning_plans.tenant_id", "dunning_plans.id"],
            name=op.f("fk_customers__tenant_id_dunning_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_customers__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_customers")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_customers__tenant_id_id")),
    )
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.create_index("ix_customers__created", ["tenant_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_customers__external",
            ["tenant_id", "external_reference_id", "external_source"],
            unique=False,
        )
        batch_op.create_index(
            "ix_customers__name", ["tenant_id", "display_name", "row_id"], unique=False
        )

    op.create_table(
        "dunning_steps",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("plan_id", types.Id(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("days_after_due", sa.Integer(), nullable=False),
        sa.Column("template_key", types.Text(length=64), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("email", name="channel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.CheckConstraint(
            "days_after_due >= 0 AND step_number >= 1", name=op.f("ck_dunning_steps__positive")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["dunning_plans.tenant_id", "dunning_plans.id"],
            name=op.f("fk_dunning_steps__tenant_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dunning_steps__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dunning_steps")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_dunning_steps__tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "plan_id",
            "step_number",
            name=op.f("uq_dunning_steps__tenant_id_plan_id_step_number"),
        ),
    )
    op.create_table(
        "user_sessions",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_digest", types.Text(length=64), nullable=False),
        sa.Column("user_id", types.Id(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("last_seen_at", types.UtcInstant(), nullable=False),
        sa.Column("expires_at", types.UtcInstant(), nullable=False),
        sa.Column("revoked_at", types.UtcInstant(), nullable=True),
        sa.Column("address", types.Text(length=64), nullable=False),
        sa.Column("user_agent", types.Text(length=300), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions__user_id")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_user_sessions__token_digest")),
    )
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.create_index("ix_user_sessions__expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_user_sessions__user_id", ["user_id"], unique=False)

    op.create_table(
        "webhook_events",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("endpoint_id", types.Id(), nullable=True),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("external_event_id", types.Text(length=200), nullable=False),
        sa.Column("event_type", types.Text(length=100), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "received",
                "processing",
                "processed",
                "failed",
                "ignored",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "signature",
            sa.Enum(
                "verified",
                "api_key",
                "failed",
                name="signature",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
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
    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_webhook_events__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index("ix_webhook_events__created", ["tenant_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_webhook_events__status", ["tenant_id", "status", "row_id"], unique=False
        )

    op.create_table(
        "invoices",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("invoice_number", types.Text(length=40), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "sent",
                "overdue",
                "paid",
                "void",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("subtotal_amount", types.MoneyAmount(), nullable=False),
        sa.Column("tax_amount", types.MoneyAmount(), nullable=False),
        sa.Column("total_amount", types.MoneyAmount(), nullable=False),
        sa.Column("paid_amount", types.MoneyAmount(), nullable=False),
        sa.Column("credited_amount", types.MoneyAmount(), nullable=False),
        sa.Column("balance_due", types.MoneyAmount(), nullable=False),
        sa.Column("given_tax_amount", types.MoneyAmount(), nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=True),
        sa.Column("sent_at", types.UtcInstant(), nullable=True),
        sa.Column("paid_at", types.UtcInstant(), nullable=True),
        sa.Column("closed_at", types.UtcInstant(), nullable=True),
        sa.Column("close_reason", types.Text(length=500), nullable=True),
        sa.Column("bill_to_name", types.Text(length=200), nullable=True),
        sa.Column("bill_to_address", types.Text(length=1000), nullable=True),
        sa.Column("purchase_order_number", types.Text(length=100), nullable=True),
        sa.Column("notes", types.Text(length=4000), nullable=True),
        sa.Column("external_source", types.Text(length=100), nullable=True),
        sa.Column("external_reference_id", types.Text(length=200), nullable=True),
        sa.Column(
            "hold_kind",
            sa.Enum(
                "pause",
                "dispute",
                "promise",
                name="hold_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("hold_until", sa.Date(), nullable=True),
        sa.Column("hold_amount", types.MoneyAmount(), nullable=True),
        sa.Column("hold_reason", types.Text(length=500), nullable=True),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "hold_kind IS NULL OR hold_kind = 'pause' "
            "OR (hold_kind = 'dispute' AND hold_reason IS NOT NULL) "
            "OR (hold_kind = 'promise' AND hold_until IS NOT NULL)",
            name=op.f("ck_invoices__hold"),
        ),
        sa.CheckConstraint(
            "status IN ('sent', 'overdue') OR balance_due = 0",
            name=op.f("ck_invoices__only_open_owes"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('sent', 'overdue', 'paid') OR paid_amount + credited_amount + balance_due = total_amount",
            name=op.f("ck_invoices__balance"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('sent', 'overdue', 'paid', 'cancelled') OR (invoice_number IS NOT NULL AND sent_at IS NOT NULL AND posted_on IS NOT NULL)",
            name=op.f("ck_invoices__sent_has_number"),
        ),
        sa.CheckConstraint("due_date >= issue_date", name=op.f("ck_invoices__due_after_issue")),
        sa.CheckConstraint(
            "paid_amount >= 0 AND credited_amount >= 0 AND balance_due >= 0",
            name=op.f("ck_invoices__not_negative"),
        ),
        sa.CheckConstraint(
            "subtotal_amount >= 0 AND tax_amount >= 0 AND total_amount = subtotal_amount + tax_amount",
            name=op.f("ck_invoices__total"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("fk_invoices__tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_invoices__tenant_id")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_invoices__tenant_id_id")),
    )
    with op.batch_alter_table("invoices", schema=None) as batch_op:
        batch_op.create_index(
            "ix_invoices__chase",
            ["tenant_id", "due_date"],
            unique=False,
            sqlite_where=sa.text("status IN ('sent', 'overdue')"),
            mssql_where=sa.text("status IN ('sent', 'overdue')"),
        )
        batch_op.create_index("ix_invoices__created", ["tenant_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_invoices__customer", ["tenant_id", "customer_id", "row_id"], unique=False
        )
        batch_op.create_index("ix_invoices__due", ["tenant_id", "due_date", "row_id"], unique=False)
        batch_op.create_index(
            "ix_invoices__external", ["tenant_id", "external_reference_id"], unique=False
        )
        batch_op.create_index(
            "ix_invoices__falling_due",
            ["due_date", "tenant_id"],
            unique=False,
            sqlite_where=sa.text("status = 'sent'"),
            mssql_where=sa.text("status = 'sent'"),
        )
        batch_op.create_index(
            "ix_invoices__open",
            ["tenant_id", "currency_code", "customer_id", "due_date", "status", "balance_due"],
            unique=False,
            sqlite_where=sa.text("status IN ('sent', 'overdue')"),
            mssql_where=sa.text("status IN ('sent', 'overdue')"),
        )
        batch_op.create_index(
            "ix_invoices__status", ["tenant_id", "status", "row_id"], unique=False
        )
        batch_op.create_index(
            "uq_invoices__number",
            ["tenant_id", "invoice_number"],
            unique=True,
            sqlite_where=sa.text("invoice_number IS NOT NULL"),
            mssql_where=sa.text("invoice_number IS NOT NULL"),
        )

    op.create_table(
        "payments",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("amount", types.MoneyAmount(), nullable=False),
        sa.Column("applied_amount", types.MoneyAmount(), nullable=False),
        sa.Column("unapplied_amount", types.MoneyAmount(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "manual",
                "autopay",
                "external",
                name="method",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "succeeded",
                "failed",
                "reversed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("applied_at", types.UtcInstant(), nullable=True),
        sa.Column("external_provider", types.Text(length=50), nullable=True),
        sa.Column("external_payment_id", types.Text(length=200), nullable=True),
        sa.Column("note", types.Text(length=1000), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("reversed_at", types.UtcInstant(), nullable=True),
        sa.Column("reversal_reason", types.Text(length=500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'succeeded' AND applied_amount + unapplied_amount = amount) OR (status <> 'succeeded' AND applied_amount = 0 AND unapplied_amount = 0)",
            name=op.f("ck_payments__applied_and_unapplied"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments__amount")),
        sa.CheckConstraint(
            "applied_amount >= 0 AND unapplied_amount >= 0", name=op.f("ck_payments__not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("fk_payments__tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_payments__tenant_id")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_payments")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_payments__tenant_id_id")),
    )
    with op.batch_alter_table("payments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payments__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index("ix_payments__created", ["tenant_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_payments__customer", ["tenant_id", "customer_id", "row_id"], unique=False
        )
        batch_op.create_index(
            "ix_payments__received",
            ["tenant_id", "received_on", "currency_code", "amount"],
            unique=False,
            sqlite_where=sa.text("status = 'succeeded'"),
            mssql_where=sa.text("status = 'succeeded'"),
        )
        batch_op.create_index(
            "ix_payments__unapplied",
            ["tenant_id", "currency_code", "customer_id", "unapplied_amount"],
            unique=False,
            sqlite_where=sa.text("unapplied_amount > 0"),
            mssql_where=sa.text("unapplied_amount > 0"),
        )
        batch_op.create_index(
            "uq_payments__external",
            ["tenant_id", "external_provider", "external_payment_id"],
            unique=True,
            sqlite_where=sa.text("external_payment_id IS NOT NULL"),
            mssql_where=sa.text("external_payment_id IS NOT NULL"),
        )

    op.create_table(
        "communications",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("payment_id", types.Id(), nullable=True),
        sa.Column("dunning_run_id", types.Id(), nullable=True),
        sa.Column(
            "channel",
            sa.Enum("email", name="channel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "type",
            sa.Enum(
                "invoice",
                "dunning",
                "receipt",
                "other",
                name="type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "sent",
                "failed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("to_address", types.Text(length=254), nullable=False),
        sa.Column("template_key", types.Text(length=64), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=True),
        sa.Column("subject", types.Text(length=500), nullable=False),
        sa.Column("text_body", types.LongText(), nullable=False),
        sa.Column("html_body", types.LongText(), nullable=False),
        sa.Column("source_message_id", types.Id(), nullable=True),
        sa.Column("provider_id", types.Text(length=300), nullable=True),
        sa.Column("error", types.Text(length=1000), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("sent_at", types.UtcInstant(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("fk_communications__tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "dunning_run_id"],
            ["dunning_runs.tenant_id", "dunning_runs.id"],
            name=op.f("fk_communications__tenant_id_dunning_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("fk_communications__tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_communications__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_communications")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_communications__tenant_id_id")),
    )
    with op.batch_alter_table("communications", schema=None) as batch_op:
        batch_op.create_index(
            "ix_communications__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index("ix_communications__created", ["tenant_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_communications__customer", ["tenant_id", "customer_id", "row_id"], unique=False
        )
        batch_op.create_index(
            "uq_communications__dunning_run",
            ["tenant_id", "dunning_run_id", "customer_id"],
            unique=True,
            sqlite_where=sa.text("dunning_run_id IS NOT NULL"),
            mssql_where=sa.text("dunning_run_id IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_communications__source",
            ["tenant_id", "source_message_id"],
            unique=True,
            sqlite_where=sa.text("source_message_id IS NOT NULL"),
            mssql_where=sa.text("source_message_id IS NOT NULL"),
        )

    op.create_table(
        "invoice_dunning_states",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("plan_id", types.Id(), nullable=False),
        sa.Column("last_step_number", sa.Integer(), nullable=False),
        sa.Column("last_step_on", sa.Date(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "last_step_number >= 1", name=op.f("ck_invoice_dunning_states__last_step_number")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_invoice_dunning_states__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["dunning_plans.tenant_id", "dunning_plans.id"],
            name=op.f("fk_invoice_dunning_states__tenant_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_invoice_dunning_states__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_invoice_dunning_states")),
        sa.UniqueConstraint(
            "tenant_id", "id", name=op.f("uq_invoice_dunning_states__tenant_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "invoice_id", name=op.f("uq_invoice_dunning_states__tenant_id_invoice_id")
        ),
    )
    op.create_table(
        "invoice_line_items",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("description", types.Text(length=1000), nullable=False),
        sa.Column("quantity", types.FourPlaces(), nullable=False),
        sa.Column("unit_price", types.MoneyAmount(), nullable=False),
        sa.Column("tax_rate", types.FourPlaces(), nullable=True),
        sa.Column("line_total", types.MoneyAmount(), nullable=False),
        sa.Column("tax_amount", types.MoneyAmount(), nullable=False),
        sa.CheckConstraint(
            "quantity > 0 AND unit_price >= 0 AND line_total >= 0",
            name=op.f("ck_invoice_line_items__positive"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_invoice_line_items__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_invoice_line_items__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_invoice_line_items")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_invoice_line_items__tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "invoice_id",
            "line_number",
            name=op.f("uq_invoice_line_items__tenant_id_invoice_id_line_number"),
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "invoice_issued",
                "invoice_voided",
                "invoice_cancelled",
                "payment_received",
                "payment_applied",
                "application_reversed",
                "payment_reversed",
                "credit_note_issued",
                "write_off",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("entry_day", sa.Date(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=True),
        sa.Column("payment_id", types.Id(), nullable=True),
        sa.Column("reverses_entry_id", types.Id(), nullable=True),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("fk_ledger_entries__tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_ledger_entries__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("fk_ledger_entries__tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reverses_entry_id"],
            ["ledger_entries.tenant_id", "ledger_entries.id"],
            name=op.f("fk_ledger_entries__tenant_id_reverses_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ledger_entries__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_ledger_entries__tenant_id_id")),
    )
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ledger_entries__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index("ix_ledger_entries__day", ["tenant_id", "entry_day"], unique=False)
        batch_op.create_index(
            "ix_ledger_entries__invoice", ["tenant_id", "invoice_id"], unique=False
        )
        batch_op.create_index(
            "ix_ledger_entries__payment", ["tenant_id", "payment_id"], unique=False
        )

    op.create_table(
        "payment_allocations",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("payment_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("amount", types.MoneyAmount(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("reversed_at", types.UtcInstant(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_allocations__amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_payment_allocations__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("fk_payment_allocations__tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_payment_allocations__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_payment_allocations")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_payment_allocations__tenant_id_id")),
    )
    with op.batch_alter_table("payment_allocations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_allocations__invoice", ["tenant_id", "invoice_id"], unique=False
        )
        batch_op.create_index(
            "ix_payment_allocations__payment", ["tenant_id", "payment_id"], unique=False
        )

    op.create_table(
        "payment_attempts",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("payment_id", types.Id(), nullable=True),
        sa.Column("customer_id", types.Id(), nullable=True),
        sa.Column("invoice_id", types.Id(), nullable=True),
        sa.Column("amount", types.MoneyAmount(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "manual",
                "autopay",
                "external",
                name="method",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "succeeded",
                "failed",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("failure_code", types.Text(length=64), nullable=True),
        sa.Column("failure_message", types.Text(length=500), nullable=True),
        sa.Column("external_provider", types.Text(length=50), nullable=True),
        sa.Column("external_payment_id", types.Text(length=200), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("at", types.UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("fk_payment_attempts__tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_payment_attempts__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("fk_payment_attempts__tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_payment_attempts__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_payment_attempts__tenant_id_id")),
    )
    with op.batch_alter_table("payment_attempts", schema=None) as batch_op:
        batch_op.create_index("ix_payment_attempts__at", ["tenant_id", "at"], unique=False)
        batch_op.create_index(
            "ix_payment_attempts__correlation_id", ["tenant_id", "correlation_id"], unique=False
        )
        batch_op.create_index(
            "ix_payment_attempts__invoice", ["tenant_id", "invoice_id"], unique=False
        )

    op.create_table(
        "communication_attachments",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("communication_id", types.Id(), nullable=False),
        sa.Column("filename", types.Text(length=200), nullable=False),
        sa.Column("content_type", types.Text(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", types.Text(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("size >= 0", name=op.f("ck_communication_attachments__size")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "communication_id"],
            ["communications.tenant_id", "communications.id"],
            name=op.f("fk_communication_attachments__tenant_id_communication_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_communication_attachments__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_communication_attachments")),
        sa.UniqueConstraint(
            "tenant_id", "id", name=op.f("uq_communication_attachments__tenant_id_id")
        ),
    )
    with op.batch_alter_table("communication_attachments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_communication_attachments__communication",
            ["tenant_id", "communication_id"],
            unique=False,
        )

    op.create_table(
        "communication_invoices",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("communication_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "communication_id"],
            ["communications.tenant_id", "communications.id"],
            name=op.f("fk_communication_invoices__tenant_id_communication_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_communication_invoices__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_communication_invoices__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_communication_invoices")),
        sa.UniqueConstraint(
            "tenant_id",
            "communication_id",
            "invoice_id",
            name=op.f("uq_communication_invoices__tenant_id_communication_id_invoice_id"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "id", name=op.f("uq_communication_invoices__tenant_id_id")
        ),
    )
    with op.batch_alter_table("communication_invoices", schema=None) as batch_op:
        batch_op.create_index(
            "ix_communication_invoices__invoice",
            ["tenant_id", "invoice_id", "communication_id"],
            unique=False,
        )

    op.create_table(
        "dunning_notices",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("template_key", types.Text(length=64), nullable=False),
        sa.Column("noticed_on", sa.Date(), nullable=False),
        sa.Column("dunning_run_id", types.Id(), nullable=False),
        sa.Column("communication_id", types.Id(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "communication_id"],
            ["communications.tenant_id", "communications.id"],
            name=op.f("fk_dunning_notices__tenant_id_communication_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "dunning_run_id"],
            ["dunning_runs.tenant_id", "dunning_runs.id"],
            name=op.f("fk_dunning_notices__tenant_id_dunning_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f("fk_dunning_notices__tenant_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dunning_notices__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dunning_notices")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_dunning_notices__tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "invoice_id",
            "noticed_on",
            name=op.f("uq_dunning_notices__tenant_id_invoice_id_noticed_on"),
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "invoice_id",
            "step_number",
            name=op.f("uq_dunning_notices__tenant_id_invoice_id_step_number"),
        ),
    )
    with op.batch_alter_table("dunning_notices", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dunning_notices__communication", ["tenant_id", "communication_id"], unique=False
        )
        batch_op.create_index(
            "ix_dunning_notices__run", ["tenant_id", "dunning_run_id"], unique=False
        )

    op.create_table(
        "ledger_postings",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("entry_id", types.Id(), nullable=False),
        sa.Column(
            "account",
            sa.Enum(
                "accounts_receivable",
                "revenue",
                "sales_tax_payable",
                "cash_clearing",
                "unapplied_cash",
                "bad_debt",
                name="account",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("amount", types.MoneyAmount(), nullable=False),
        sa.Column("entry_day", sa.Date(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=True),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_postings__amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entry_id"],
            ["ledger_entries.tenant_id", "ledger_entries.id"],
            name=op.f("fk_ledger_postings__tenant_id_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ledger_postings__tenant_id")
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_ledger_postings")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_ledger_postings__tenant_id_id")),
    )
    with op.batch_alter_table("ledger_postings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ledger_postings__account",
            [
                "tenant_id",
                "account",
                "currency_code",
                "customer_id",
                "invoice_id",
                "entry_day",
                "amount",
            ],
            unique=False,
        )
        batch_op.create_index("ix_ledger_postings__entry", ["tenant_id", "entry_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("ledger_postings", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_postings__entry")
        batch_op.drop_index("ix_ledger_postings__account")

    op.drop_table("ledger_postings")
    with op.batch_alter_table("dunning_notices", schema=None) as batch_op:
        batch_op.drop_index("ix_dunning_notices__run")
        batch_op.drop_index("ix_dunning_notices__communication")

    op.drop_table("dunning_notices")
    with op.batch_alter_table("communication_invoices", schema=None) as batch_op:
        batch_op.drop_index("ix_communication_invoices__invoice")

    op.drop_table("communication_invoices")
    with op.batch_alter_table("communication_attachments", schema=None) as batch_op:
        batch_op.drop_index("ix_communication_attachments__communication")

    op.drop_table("communication_attachments")
    with op.batch_alter_table("payment_attempts", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_attempts__invoice")
        batch_op.drop_index("ix_payment_attempts__correlation_id")
        batch_op.drop_index("ix_payment_attempts__at")

    op.drop_table("payment_attempts")
    with op.batch_alter_table("payment_allocations", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_allocations__payment")
        batch_op.drop_index("ix_payment_allocations__invoice")

    op.drop_table("payment_allocations")
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_entries__payment")
        batch_op.drop_index("ix_ledger_entries__invoice")
        batch_op.drop_index("ix_ledger_entries__day")
        batch_op.drop_index("ix_ledger_entries__correlation_id")

    op.drop_table("ledger_entries")
    op.drop_table("invoice_line_items")
    op.drop_table("invoice_dunning_states")
    with op.batch_alter_table("communications", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_communications__source",
            sqlite_where=sa.text("source_message_id IS NOT NULL"),
            mssql_where=sa.text("source_message_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "uq_communications__dunning_run",
            sqlite_where=sa.text("dunning_run_id IS NOT NULL"),
            mssql_where=sa.text("dunning_run_id IS NOT NULL"),
        )
        batch_op.drop_index("ix_communications__customer")
        batch_op.drop_index("ix_communications__created")
        batch_op.drop_index("ix_communications__correlation_id")

    op.drop_table("communications")
    with op.batch_alter_table("payments", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payments__external",
            sqlite_where=sa.text("external_payment_id IS NOT NULL"),
            mssql_where=sa.text("external_payment_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_payments__unapplied",
            sqlite_where=sa.text("unapplied_amount > 0"),
            mssql_where=sa.text("unapplied_amount > 0"),
        )
        batch_op.drop_index(
            "ix_payments__received",
            sqlite_where=sa.text("status = 'succeeded'"),
            mssql_where=sa.text("status = 'succeeded'"),
        )
        batch_op.drop_index("ix_payments__customer")
        batch_op.drop_index("ix_payments__created")
        batch_op.drop_index("ix_payments__correlation_id")

    op.drop_table("payments")
    with op.batch_alter_table("invoices", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_invoices__number",
            sqlite_where=sa.text("invoice_number IS NOT NULL"),
            mssql_where=sa.text("invoice_number IS NOT NULL"),
        )
        batch_op.drop_index("ix_invoices__status")
        batch_op.drop_index(
            "ix_invoices__open",
            sqlite_where=sa.text("status IN ('sent', 'overdue')"),
            mssql_where=sa.text("status IN ('sent', 'overdue')"),
        )
        batch_op.drop_index(
            "ix_invoices__falling_due",
            sqlite_where=sa.text("status = 'sent'"),
            mssql_where=sa.text("status = 'sent'"),
        )
        batch_op.drop_index("ix_invoices__external")
        batch_op.drop_index("ix_invoices__due")
        batch_op.drop_index("ix_invoices__customer")
        batch_op.drop_index(
            "ix_invoices__chase",
            sqlite_where=sa.text("status IN ('sent', 'overdue')"),
            mssql_where=sa.text("status IN ('sent', 'overdue')"),
        )
        batch_op.drop_index("ix_invoices__created")

    op.drop_table("invoices")
    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.drop_index("ix_webhook_events__status")
        batch_op.drop_index("ix_webhook_events__created")
        batch_op.drop_index("ix_webhook_events__correlation_id")

    op.drop_table("webhook_events")
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_user_sessions__user_id")
        batch_op.drop_index("ix_user_sessions__expires_at")

    op.drop_table("user_sessions")
    op.drop_table("dunning_steps")
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.drop_index("ix_customers__name")
        batch_op.drop_index("ix_customers__external")
        batch_op.drop_index("ix_customers__created")

    op.drop_table("customers")
    op.drop_table("webhook_endpoints")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index("ix_users__tenant_id")

    op.drop_table("users")
    op.drop_table("invoice_number_series")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index("ix_idempotency_keys__expires_at")

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("dunning_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_dunning_runs__created")

    op.drop_table("dunning_runs")
    with op.batch_alter_table("dunning_plans", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_dunning_plans__default",
            sqlite_where=sa.text("is_default = 1"),
            mssql_where=sa.text("is_default = 1"),
        )

    op.drop_table("dunning_plans")
    op.drop_table("api_keys")
    op.drop_table("tenants")
    with op.batch_alter_table("sign_in_failures", schema=None) as batch_op:
        batch_op.drop_index("ix_sign_in_failures__email_digest")
        batch_op.drop_index("ix_sign_in_failures__at")
        batch_op.drop_index("ix_sign_in_failures__address")

    op.drop_table("sign_in_failures")
    op.drop_table("scheduled_runs")
    with op.batch_alter_table("queue_messages", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_queue_messages__ready",
            sqlite_where=sa.text("state = 'ready'"),
            mssql_where=sa.text("state = 'ready'"),
        )
        batch_op.drop_index(
            "ix_queue_messages__done",
            sqlite_where=sa.text("state = 'done'"),
            mssql_where=sa.text("state = 'done'"),
        )
        batch_op.drop_index(
            "ix_queue_messages__dead",
            sqlite_where=sa.text("state = 'dead'"),
            mssql_where=sa.text("state = 'dead'"),
        )
        batch_op.drop_index("ix_queue_messages__correlation_id")

    op.drop_table("queue_messages")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox__unsent",
            sqlite_where=sa.text("sent_at IS NULL"),
            mssql_where=sa.text("sent_at IS NULL"),
        )
        batch_op.drop_index("ix_outbox__correlation_id")

    op.drop_table("outbox")
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_log__entity")
        batch_op.drop_index("ix_audit_log__correlation_id")

    op.drop_table("audit_log")
    op.drop_table("audit_heads")
