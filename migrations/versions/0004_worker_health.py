"""Heartbeats of the workers, and the deliveries that failed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_heartbeats",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("worker_id", types.Id(), nullable=False),
        sa.Column("host", types.Text(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", types.UtcInstant(), nullable=False),
        sa.Column("seen_at", types.UtcInstant(), nullable=False),
        sa.Column("stopped_at", types.UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_worker_heartbeats")),
        sa.UniqueConstraint("worker_id", name=op.f("uq_worker_heartbeats__worker_id")),
    )
    op.create_table(
        "delivery_failures",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queue", types.Text(length=64), nullable=False),
        sa.Column("message_id", types.Text(length=128), nullable=False),
        sa.Column("original_message_id", types.Text(length=128), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=True),
        sa.Column("delivery_count", sa.Integer(), nullable=False),
        sa.Column("at", types.UtcInstant(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "put_back",
                "dead_lettered",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("problem", types.Text(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_delivery_failures")),
    )
    with op.batch_alter_table("delivery_failures", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_failures__at", ["at"], unique=False)
        batch_op.create_index(
            "ix_delivery_failures__message", ["queue", "original_message_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("delivery_failures")
    op.drop_table("worker_heartbeats")
