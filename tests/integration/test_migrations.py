"""Migrations: up, down and up again on SQLite; the script for SQL Server says what it must."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from backend import migrate
from backend.db.engine import Database
from backend.db.search import SEARCHED
from backend.tables import METADATA
from tests.factories import make_tenant, raw_rows

APPEND_ONLY = ("audit_log", "ledger_entries", "ledger_postings")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    """A database without any tables."""
    database = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    yield database
    database.close()


@pytest.fixture(scope="module")
def script() -> str:
    """The whole upgrade as SQL Server's script."""
    return migrate.offline_sql("mssql")


def schema_of(db: Database) -> set[tuple[str, str, str]]:
    """Everything that stands in the schema, with constraints in one order."""
    rows = raw_rows(db, "SELECT type, name, coalesce(sql, '') FROM sqlite_master")
    return {(kind, name, " ".join(sorted(sql.split()))) for kind, name, sql in rows}


def test_an_upgraded_database_is_what_the_models_say(db: Database):
    assert migrate.differences(db, METADATA) == []


def test_a_table_that_changed_without_a_migration_is_noticed(db: Database):
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE customers ADD COLUMN nickname TEXT")
    assert migrate.differences(db, METADATA) != []


def test_migrations_go_up_down_and_up_again_to_the_same_schema(fresh: Database):
    assert not migrate.is_at_head(fresh)
    migrate.upgrade(fresh)
    assert migrate.is_at_head(fresh)
    first = schema_of(fresh)
    migrate.downgrade(fresh)
    left = {name for _, name, _ in schema_of(fresh)}
    assert {name for name in left if not name.startswith("sqlite_")} <= {"alembic_version"}
    assert not migrate.is_at_head(fresh)
    migrate.upgrade(fresh)
    assert schema_of(fresh) == first


def test_each_migration_can_be_taken_back_alone(fresh: Database):
    revisions = [
        revision.revision
        for revision in ScriptDirectory.from_config(migrate.alembic_config()).walk_revisions()
    ]
    migrate.upgrade(fresh)
    for revision in revisions[1:]:
        migrate.downgrade(fresh, revision)
    for revision in reversed(revisions):
        migrate.upgrade(fresh, revision)
    assert migrate.differences(fresh, METADATA) == []


def test_an_upgrade_at_head_does_nothing(db: Database):
    before = schema_of(db)
    migrate.upgrade(db)
    assert schema_of(db) == before


def test_there_is_one_line_of_migrations():
    assert len(ScriptDirectory.from_config(migrate.alembic_config()).get_heads()) == 1


def test_the_search_indexes_are_on_the_columns_the_queries_search(db: Database):
    for table, columns in SEARCHED.items():
        found = [row[1] for row in raw_rows(db, f"PRAGMA table_info({table}_search)")]
        assert tuple(found) == columns


def test_sqlite_keeps_foreign_keys_and_waits_for_the_disk(db: Database):
    connection = db.connect()
    wanted = {
        "foreign_keys": 1,
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "recursive_triggers": 1,
    }
    found = {name: connection.driver.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    connection.driver.close()
    assert found == wanted


def test_sql_server_gets_every_table(script: str):
    made = set(re.findall(r"CREATE TABLE (\w+)", script))
    assert made == {table.name for table in METADATA.sorted_tables} | {"alembic_version"}


def test_sql_server_gets_exact_types_and_text_of_any_script(script: str):
    for wrong in ("FLOAT", "REAL", "DATETIME ", "DATETIME2", "NTEXT", "IMAGE", "MONEY"):
        assert not re.search(rf"\b{wrong}", script), wrong
    assert not re.search(r"(?<!N)VARCHAR(?!\()", script), "a VARCHAR without a length"
    # What is left as VARCHAR are choices, in ASCII under a CHECK, and Alembic's own version.
    choices = {
        (table.name, column.name)
        for table in METADATA.sorted_tables
        for column in table.columns
        if isinstance(column.type, sa.Enum)
    }
    for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", script, re.DOTALL):
        for column in re.findall(r"^ +(\w+) VARCHAR\(", body, re.MULTILINE):
            assert (table, column) in choices | {("alembic_version", "version_num")}


def test_sql_server_gets_money_as_numeric_and_instants_with_their_zone(script: str):
    for column in ("total_amount", "balance_due", "unit_price", "unapplied_amount"):
        assert f"{column} NUMERIC(18, 2)" in script
    assert "quantity NUMERIC(18, 4)" in script
    assert "created_at DATETIMEOFFSET(6)" in script
    assert "entry_day DATE " in script


def test_sql_server_gets_filtered_indexes_where_null_may_stand_twice(script: str):
    for index, condition in {
        "uq_invoices__number": "invoice_number IS NOT NULL",
        "uq_payments__external": "external_payment_id IS NOT NULL",
        "ix_invoices__open": "status IN ('sent', 'overdue')",
        "uq_dunning_plans__default": "is_default = 1",
        "ix_outbox__unsent": "sent_at IS NULL",
    }.items():
        made = re.search(rf"CREATE (?:UNIQUE )?INDEX {index} ON .*", script)
        assert made is not None, index
        assert made[0].endswith(f"WHERE {condition};")
        assert ("UNIQUE" in made[0]) is index.startswith("uq_")


def test_sql_server_refuses_changes_of_the_logs(script: str):
    for table in APPEND_ONLY:
        made = re.search(rf"CREATE TRIGGER \w+ ON {table} .*", script)
        assert made is not None
        assert "INSTEAD OF UPDATE, DELETE" in made[0]
        assert "THROW" in made[0]


def test_every_constraint_has_a_name_so_that_it_can_be_altered(script: str):
    assert not re.search(r"^\s+(CHECK|UNIQUE|FOREIGN KEY|PRIMARY KEY)", script, re.MULTILINE)


def test_sql_servers_script_holds_nothing_only_sqlite_understands(script: str):
    assert not re.search(r"fts5|PRAGMA|RAISE\(|VIRTUAL TABLE|AUTOINCREMENT", script, re.IGNORECASE)


def test_sql_server_can_go_back_too():
    script = migrate.offline_sql("mssql", "head:base")
    dropped = set(re.findall(r"DROP TABLE (\w+)", script))
    assert {table.name for table in METADATA.sorted_tables} <= dropped


def test_refusals_of_payment_messages_move_to_their_copy_and_back(db: Database):
    def kept() -> list[tuple[object, ...]]:
        return raw_rows(
            db, "SELECT operation, key, status_code FROM idempotency_keys ORDER BY row_id"
        )

    tenant_id = make_tenant(db)
    migrate.downgrade(db, "0005")
    recorded = ("message:payment.apply", "m-1", 200)
    refused = ("message:payment.apply", "m-2", 409)
    of_api = ("POST /api/payments", "m-2", 409)
    with db.engine.begin() as connection:
        for row in (recorded, refused, of_api):
            connection.exec_driver_sql(
                "INSERT INTO idempotency_keys (tenant_id, operation, key, status_code, "
                "request_hash, response, created_at, expires_at) VALUES (?, ?, ?, ?, '', '', 1, 1)",
                (tenant_id.hex, *row),
            )

    migrate.upgrade(db)
    moved = ("message:payment.apply:refused", "m-2:0", 409)
    assert kept() == [recorded, moved, of_api]
    with db.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO idempotency_keys (tenant_id, operation, key, status_code, request_hash, "
            "response, created_at, expires_at) VALUES (?, ?, 'm-2:1', 409, '', '', 1, 1)",
            (tenant_id.hex, moved[0]),
        )
    migrate.downgrade(db, "0005")
    assert kept() == [recorded, refused, of_api]
