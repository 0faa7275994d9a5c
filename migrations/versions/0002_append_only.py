"""The audit log and the ledger take no UPDATE and no DELETE"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_log", "ledger_entries", "ledger_postings")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for table in APPEND_ONLY:
        if dialect == "sqlite":
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER tr_{table}__no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        else:
            op.execute(
                f"CREATE TRIGGER tr_{table}__append_only ON {table} INSTEAD OF UPDATE, DELETE "
                f"AS BEGIN; THROW 51000, '{table} is append-only', 1; END"
            )


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    for table in APPEND_ONLY:
        if dialect == "sqlite":
            for verb in ("update", "delete"):
                op.execute(f"DROP TRIGGER tr_{table}__no_{verb}")
        else:
            op.execute(f"DROP TRIGGER tr_{table}__append_only")
