"""What is done with dead letters: jobs and their items, the archive, notes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("dead_letter_archive", "dead_letter_items", "dead_letter_jobs", "dead_letter_notes")


def upgrade() -> None:
    op.create_table(
        "dead_letter_archive",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("item_id", types.Id(), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("message_id", types.Text(length=128), nullable=False),
        sa.Column("original_message_id", types.Text(length=128), nullable=False),
        sa.Column("message_type", types.Text(length=64), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("properties", types.LongText(), nullable=False),
        sa.Column("reason", types.Text(length=500), nullable=True),
        sa.Column("description", types.LongText(), nullable=True),
        sa.Column("delivery_count", sa.Integer(), nullable=False),
        sa.Column("enqueued_at", types.UtcInstant(), nullable=False),
        sa.Column("dead_at", types.UtcInstant(), nullable=True),
        sa.Column("archived_at", types.UtcInstant(), nullable=False),
        sa.Column("archived_by", types.Text(length=200), nullable=False),
        sa.Column("restoring_at", types.UtcInstant(), nullable=True),
        sa.Column("restored_at", types.UtcInstant(), nullable=True),
        sa.Column("restored_by", types.Text(length=200), nullable=True),
        sa.Column("copy_message_id", types.Text(length=128), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dead_letter_archive")),
        sa.UniqueConstraint("id", name=op.f("uq_dead_letter_archive__id")),
        sa.UniqueConstraint("item_id", name=op.f("uq_dead_letter_archive__item_id")),
    )
    with op.batch_alter_table("dead_letter_archive", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dead_letter_archive__original", ["queue", "original_message_id"], unique=False
        )
        batch_op.create_index(
            "ix_dead_letter_archive__tenant", ["tenant_id", "row_id"], unique=False
        )

    op.create_table(
        "dead_letter_items",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "resubmit",
                "discard",
                "purge",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("who", types.Text(length=200), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("message_id", types.Text(length=128), nullable=False),
        sa.Column("original_message_id", types.Text(length=128), nullable=False),
        sa.Column("message_type", types.Text(length=64), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "sent",
                "archived",
                "done",
                "gone",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("body", types.LongText(), nullable=True),
        sa.Column("copy_message_id", types.Text(length=128), nullable=True),
        sa.Column("archive_id", types.Id(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("problem", types.Text(length=500), nullable=True),
        sa.Column("claimed_at", types.UtcInstant(), nullable=False),
        sa.Column("changed_at", types.UtcInstant(), nullable=False),
        sa.Column("finished_at", types.UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dead_letter_items")),
        sa.UniqueConstraint("id", name=op.f("uq_dead_letter_items__id")),
    )
    with op.batch_alter_table("dead_letter_items", schema=None) as batch_op:
        batch_op.create_index("ix_dead_letter_items__job", ["job_id", "row_id"], unique=False)
        batch_op.create_index(
            "ix_dead_letter_items__letter", ["queue", "sequence_number"], unique=False
        )
        batch_op.create_index(
            "ix_dead_letter_items__original", ["queue", "original_message_id"], unique=False
        )
        batch_op.create_index(
            "uq_dead_letter_items__claim",
            ["queue", "sequence_number", "message_id"],
            unique=True,
            sqlite_where=sa.text("finished_at IS NULL"),
            mssql_where=sa.text("finished_at IS NULL"),
        )

    op.create_table(
        "dead_letter_jobs",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "resubmit",
                "discard",
                "purge",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "done",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("scope", types.Text(length=1000), nullable=False),
        sa.Column("who", types.Text(length=200), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("finished_at", types.UtcInstant(), nullable=True),
        sa.Column("cancel_asked_at", types.UtcInstant(), nullable=True),
        sa.Column("cancelled_by", types.Text(length=200), nullable=True),
        sa.Column("due_at", types.UtcInstant(), nullable=False),
        sa.Column("setbacks", sa.Integer(), nullable=False),
        sa.Column("problem", types.Text(length=500), nullable=True),
        sa.Column("lease_token", types.Id(), nullable=True),
        sa.Column("leased_until", types.UtcInstant(), nullable=True),
        sa.CheckConstraint("item_count > 0", name=op.f("ck_dead_letter_jobs__item_count")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dead_letter_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_dead_letter_jobs__id")),
    )
    with op.batch_alter_table("dead_letter_jobs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dead_letter_jobs__open",
            ["due_at", "row_id"],
            unique=False,
            sqlite_where=sa.text("state = 'open'"),
            mssql_where=sa.text("state = 'open'"),
        )
        batch_op.create_index("ix_dead_letter_jobs__tenant", ["tenant_id", "row_id"], unique=False)

    op.create_table(
        "dead_letter_notes",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("reason", types.Text(length=200), nullable=False),
        sa.Column("message_type", types.Text(length=64), nullable=False),
        sa.Column("note", types.Text(length=2000), nullable=False),
        sa.Column("who", types.Text(length=200), nullable=False),
        sa.Column("noted_at", types.UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_dead_letter_notes")),
        sa.UniqueConstraint(
            "tenant_id",
            "queue",
            "reason",
            "message_type",
            name=op.f("uq_dead_letter_notes__tenant_id_queue_reason_message_type"),
        ),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
