"""Schema migrations: Alembic without an ini file, on the database the settings name."""

from __future__ import annotations

import io
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from backend.db.engine import Database

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def alembic_config(db: Database | None = None, *, output: io.StringIO | None = None) -> Config:
    """Alembic's configuration; with `db` its commands run on that database's engine."""
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    if db is not None:
        config.attributes["engine"] = db.engine
    return config


def upgrade(db: Database, revision: str = "head") -> None:
    """Bring the schema up to `revision`."""
    command.upgrade(alembic_config(db), revision)


def downgrade(db: Database, revision: str = "base") -> None:
    """Take the schema back to `revision`."""
    command.downgrade(alembic_config(db), revision)


def is_at_head(db: Database) -> bool:
    """Whether the database has exactly the schema this version of the code expects."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def offline_sql(dialect: str, revisions: str = "head") -> str:
    """The migrations as an SQL script for a dialect, without a database."""
    output = io.StringIO()
    config = alembic_config(output=output)
    config.attributes["dialect"] = dialect
    if ":" in revisions and revisions.endswith(":base"):
        command.downgrade(config, revisions, sql=True)
    else:
        command.upgrade(config, revisions, sql=True)
    return output.getvalue()


def differences(db: Database, metadata: sa.MetaData) -> list[object]:
    """What autogenerate would change: empty when models and migrations agree."""
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _parents: (
                    kind != "table" or name in metadata.tables
                ),
            },
        )
        return list(compare_metadata(context, metadata))
