"""Alembic's environment: one set of migrations for SQLite and SQL Server."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context

from backend.config import load_settings
from backend.db.engine import Database
from backend.tables import METADATA


def _only_ours(name: str | None, kind: str, _parents: Any) -> bool:
    # Search tables are virtual tables with shadow tables of their own: SQL, not models.
    return kind != "table" or name in METADATA.tables


_OPTIONS: dict[str, Any] = {
    "target_metadata": METADATA,
    "compare_type": True,
    "include_name": _only_ours,
    "render_as_batch": True,
    "transactional_ddl": True,
}


# Offline nothing tells the server's version, and for an unknown one SQLAlchemy writes the types
# of 2005: DATETIME for a date, NTEXT, IMAGE. SQL Server 2016 is the oldest that is maintained.
_MSSQL_VERSION = (13, 0)


def _run_offline(dialect_name: str) -> None:
    context.configure(dialect_name=dialect_name, literal_binds=True, **_OPTIONS)
    dialect: Any = context.get_context().dialect
    if dialect.name == "mssql":
        dialect.server_version_info = _MSSQL_VERSION
        dialect.deprecate_large_types = True
    with context.begin_transaction():
        context.run_migrations()


def _check_references(connection: sa.Connection) -> None:
    """Refuse a migration, which is rolled back, that left rows referring to nothing."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        tables = ", ".join(sorted({f"{row[0]} to {row[2]}" for row in broken}))
        raise RuntimeError(f"{len(broken)} references lead to no row, from {tables}")


def _run_online() -> None:
    engine = context.config.attributes.get("engine")
    if engine is None:
        engine = Database(load_settings().database_url.get_secret_value()).engine
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            # A table is changed there by making it anew, and while it is away those that refer to
            # it refer to nothing. Inside a transaction this cannot be switched; nobody uses the
            # connection after us.
            connection.connection.execute("PRAGMA foreign_keys=OFF")
        context.configure(connection=connection, **_OPTIONS)
        with context.begin_transaction():
            before = context.get_context().get_current_heads()
            context.run_migrations()
            if is_sqlite and context.get_context().get_current_heads() != before:
                _check_references(connection)


if context.is_offline_mode():
    _run_offline(context.config.attributes.get("dialect", "sqlite"))
else:
    _run_online()
