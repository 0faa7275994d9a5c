"""Substring search by trigrams over invoices and customers (SQLite)

On SQL Server the same search is a LIKE over the tenant's own rows.
"""

# The names in the SQL are the constants below.
# ruff: noqa: S608
from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEARCHED = {
    "invoices": ("invoice_number", "external_reference_id", "purchase_order_number"),
    "customers": ("display_name", "email", "external_reference_id"),
}


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    for table, columns in SEARCHED.items():
        search = f"{table}_search"
        names = ", ".join(columns)
        new = ", ".join(f"new.{column}" for column in columns)
        old = ", ".join(f"old.{column}" for column in columns)
        add = f"INSERT INTO {search}(rowid, {names}) VALUES (new.row_id, {new});"
        remove = (
            f"INSERT INTO {search}({search}, rowid, {names}) VALUES ('delete', old.row_id, {old});"
        )
        op.execute(
            f"CREATE VIRTUAL TABLE {search} USING fts5({names}, content='{table}', "
            "content_rowid='row_id', tokenize='trigram')"
        )
        op.execute(f"CREATE TRIGGER tr_{search}__insert AFTER INSERT ON {table} BEGIN {add} END")
        op.execute(
            f"CREATE TRIGGER tr_{search}__update AFTER UPDATE OF {names} ON {table} "
            f"BEGIN {remove} {add} END"
        )
        op.execute(f"CREATE TRIGGER tr_{search}__delete AFTER DELETE ON {table} BEGIN {remove} END")
        op.execute(f"INSERT INTO {search}({search}) VALUES ('rebuild')")


def downgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    for table in SEARCHED:
        for verb in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER tr_{table}_search__{verb}")
        op.execute(f"DROP TABLE {table}_search")
