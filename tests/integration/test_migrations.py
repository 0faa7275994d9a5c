"""Migrations: up, down and up again on SQLite; the script for SQL Server says what it must."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from backend import migrate
from backend.db.engine import Database
from backend.db.search import SEARCHED
from backend.payments.reversal import reverse_payment
from backend.tables import METADATA
from backend.unit_of_work import run
from backend.verification.service import verify_books
from tests.factories import Clock, actor_in, make_tenant, raw_rows
from tests.provider_events import Teller

APPEND_ONLY = ("audit_log", "ledger_entries", "ledger_postings")
BOOKS_AT_0003 = Path(__file__).parents[1] / "data" / "books_at_0003.sql"


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


@pytest.fixture
def old(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    """A database of an earlier version, two days after its last payment.

    `pi_applied` went to two invoices, `pi_credit` twice with 20.00 to the same one, and what went
    to two invoices of `pi_reversed` was reversed by hand. `pi_refused` was refused.
    """
    clock.pass_time(days=3)
    database = Database(f"sqlite:///{tmp_path / 'old.db'}", clock=clock)
    migrate.upgrade(database, "0003")
    write(database, BOOKS_AT_0003.read_text())
    yield database
    database.close()


def write(db: Database, script: str) -> None:
    """Run SQL past everything of ours, foreign keys too."""
    assert db.path is not None
    with contextlib.closing(sqlite3.connect(db.path)) as connection:
        connection.executescript(script)


def provider_in(db: Database) -> Teller:
    """The provider of the old database's only tenant."""
    return Teller(db, actor_in(UUID(raw_rows(db, "SELECT id FROM tenants")[0][0])))


def logs_of(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """All that stands in the logs, in the columns they have always had."""
    entry = (
        "row_id, tenant_id, id, kind, entry_day, currency_code, customer_id, invoice_id, "
        "payment_id, reverses_entry_id, created_at, correlation_id"
    )
    columns = dict.fromkeys((*APPEND_ONLY, "audit_heads"), "*") | {"ledger_entries": entry}
    return {
        table: raw_rows(db, f"SELECT {names} FROM {table} ORDER BY row_id")
        for table, names in columns.items()
    }


def schema_of(db: Database) -> set[tuple[str, str, str]]:
    """Everything that stands in the schema, with constraints in one order."""
    rows = raw_rows(db, "SELECT type, name, coalesce(sql, '') FROM sqlite_master")
    return {(kind, name, " ".join(sorted(sql.split()))) for kind, name, sql in rows}


def words_of(db: Database) -> dict[str, list[str]]:
    """The words that made each table, index and trigger, without their order and punctuation."""
    rows = raw_rows(db, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: sorted(re.sub('[",]', " ", sql).split()) for name, sql in rows}


def test_an_upgraded_database_is_what_the_models_say(db: Database):
    assert migrate.differences(db, METADATA) == []


def test_every_check_and_partial_index_is_what_the_models_say(db: Database, fresh: Database):
    """Autogenerate looks at neither."""
    METADATA.create_all(fresh.engine)
    migrated, from_models = words_of(db), words_of(fresh)
    ours = {name for name in migrated if not re.search(r"^tr_|_search|^alembic_version$", name)}
    assert ours == from_models.keys()
    assert {name: migrated[name] for name in ours} == from_models


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


def test_old_books_are_upgraded_with_all_they_hold(old: Database, db: Database):
    logs = logs_of(old)
    migrate.upgrade(old)
    assert verify_books(old).findings == []
    assert logs_of(old) == logs
    assert migrate.differences(old, METADATA) == []
    assert schema_of(old) == schema_of(db)
    assert raw_rows(old, "PRAGMA foreign_key_check") == []
    assert raw_rows(
        old,
        "SELECT external_payment_id, status, amount, applied_amount, unapplied_amount, "
        "refunded_amount, disputed_amount, reversed_amount FROM payments ORDER BY row_id",
    ) == [
        ("pi_applied", "succeeded", 150_00, 150_00, 0, 0, 0, 0),
        ("pi_credit", "succeeded", 60_00, 40_00, 20_00, 0, 0, 0),
        ("pi_reversed", "reversed", 45_00, 0, 0, 0, 0, 45_00),
    ]
    assert raw_rows(
        old,
        "SELECT p.external_payment_id, a.amount, a.reversed_amount, a.reversed_at = p.reversed_at "
        "FROM payment_allocations a JOIN payments p ON p.id = a.payment_id ORDER BY a.row_id",
    ) == [
        ("pi_applied", 100_00, 0, None),
        ("pi_applied", 50_00, 0, None),
        ("pi_credit", 20_00, 0, None),
        ("pi_credit", 20_00, 0, None),
        ("pi_reversed", 15_00, 15_00, 1),
        ("pi_reversed", 25_00, 25_00, 1),
    ]
    assert raw_rows(
        old, "SELECT external_payment_id, outcome, external_at FROM payment_attempts"
    ) == [
        ("pi_applied", "succeeded", None),
        ("pi_credit", "succeeded", None),
        ("pi_reversed", "succeeded", None),
        ("pi_refused", "failed", None),
    ]


def test_old_allocations_have_the_ids_of_their_entries_in_the_order_of_both(old: Database):
    migrate.upgrade(old)
    allocations = raw_rows(
        old, "SELECT id, payment_id, invoice_id, amount FROM payment_allocations ORDER BY row_id"
    )
    entries = raw_rows(
        old,
        "SELECT e.id, e.payment_id, e.invoice_id, -p.amount FROM ledger_entries e "
        "JOIN ledger_postings p ON p.entry_id = e.id AND p.account = 'accounts_receivable' "
        "WHERE e.kind = 'payment_applied' ORDER BY e.row_id",
    )
    assert len(allocations) == 6
    assert allocations == entries


@pytest.mark.parametrize(
    "change", ["UPDATE ledger_entries SET kind = kind", "DELETE FROM ledger_entries"]
)
def test_an_upgraded_ledger_takes_no_changes(old: Database, change: str):
    migrate.upgrade(old)
    with pytest.raises(sqlite3.IntegrityError, match="ledger_entries is append-only"):
        write(old, change)


def test_refunds_and_disputes_take_from_payments_of_before(old: Database):
    migrate.upgrade(old)
    stripe = provider_in(old)
    stripe.refunded("70.00", payment="pi_applied")
    assert stripe.amounts("pi_applied") == {"applied": "80.00", "refunded": "70.00"}
    stripe.disputed("50.00", payment="pi_credit")
    assert stripe.amounts("pi_credit") == {"applied": "10.00", "disputed": "50.00"}
    stripe.closed(won=True, payment="pi_credit")
    assert stripe.amounts("pi_credit") == {"applied": "40.00", "unapplied": "20.00"}
    # What was reversed by hand is gone already.
    stripe.refunded("45.00", payment="pi_reversed")
    assert stripe.amounts("pi_reversed") == {"reversed": "45.00"}
    stripe.failed("31.00", payment="pi_refused")
    run(old, stripe.actor, reverse_payment, stripe.payment("pi_applied").payment_id, "bounced")
    assert verify_books(old).findings == []


def test_books_without_refunds_go_back_and_forth(old: Database):
    logs, words = logs_of(old), words_of(old)
    migrate.upgrade(old)
    migrate.downgrade(old, "0003")
    assert logs_of(old) == logs
    assert words_of(old) == words
    migrate.upgrade(old)
    assert verify_books(old).findings == []


def test_refunds_are_not_thrown_away_by_going_back(old: Database):
    migrate.upgrade(old)
    provider_in(old).refunded("70.00", payment="pi_applied")
    before = schema_of(old)
    with pytest.raises(sa.exc.IntegrityError):
        migrate.downgrade(old, "0010")
    assert schema_of(old) == before
    assert verify_books(old).findings == []


def test_an_upgrade_that_would_leave_rows_referring_to_nothing_is_rolled_back(old: Database):
    write(old, "UPDATE payments SET customer_id = 'nobody' WHERE row_id = 2")
    before = schema_of(old)
    with pytest.raises(RuntimeError, match="payments to customers"):
        migrate.upgrade(old)
    assert schema_of(old) == before
    assert not migrate.is_at_head(old)


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
