"""The audit log by who acted and by what was done"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_audit_log__action", "audit_log", ["tenant_id", "action", "sequence"])
    op.create_index("ix_audit_log__actor", "audit_log", ["tenant_id", "actor", "sequence"])


def downgrade() -> None:
    op.drop_index("ix_audit_log__actor", "audit_log")
    op.drop_index("ix_audit_log__action", "audit_log")
