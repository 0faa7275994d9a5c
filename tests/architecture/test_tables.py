"""What every table must have, read from the models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from backend.db.types import FourPlaces, Id, LongText, MoneyAmount, Text, UtcInstant
from backend.tables import METADATA

TABLES = list(METADATA.sorted_tables)
# Of a tenant, but never named by an id from outside: found by another key.
WITHOUT_ID = {
    "audit_log",  # the platform's chain stands in it as well, under no tenant of the table
    "audit_heads",
    "outbox",
    "queue_messages",
    "delivery_failures",  # of messages of which nobody may know the tenant
    "dead_letter_jobs",  # what belongs to no tenant stands under the platform's chain
    "dead_letter_items",
    "dead_letter_archive",
    "dead_letter_notes",
    "scheduled_runs",
    "idempotency_keys",
    "invoice_number_series",
    "users",  # unique by e-mail on the whole platform; some have no tenant
    "user_sessions",
}
OWNED = [t for t in TABLES if "tenant_id" in t.c and t.name not in WITHOUT_ID]


def named(tables: list[sa.Table]) -> list[object]:
    return [pytest.param(table, id=table.name) for table in tables]


def unique_keys(table: sa.Table) -> Iterator[tuple[str, ...]]:
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)


def test_every_business_table_is_owned():
    assert {t.name for t in OWNED} >= {
        "customers",
        "invoices",
        "invoice_line_items",
        "payments",
        "payment_allocations",
        "payment_attempts",
        "ledger_entries",
        "ledger_postings",
        "dunning_plans",
        "dunning_steps",
        "dunning_notices",
        "invoice_dunning_states",
        "communications",
        "communication_attachments",
        "webhook_endpoints",
        "webhook_events",
    }
    assert {t.name for t in TABLES if "tenant_id" not in t.c} <= {
        "tenants",
        "sign_in_failures",
        "sign_in_attempts",
        "user_sessions",
        "worker_heartbeats",
        # Of users, some of whom have no tenant.
        "sign_in_steps",
        "user_two_factors",
        "user_recovery_codes",
        "user_entra_links",
        "account_emails",
        "password_resets",
    }


@pytest.mark.parametrize("table", named(OWNED))
def test_a_tenants_row_is_named_by_tenant_and_id(table: sa.Table):
    assert not table.c.tenant_id.nullable
    assert isinstance(table.c.tenant_id.type, Id)
    assert ("tenant_id", "id") in set(unique_keys(table))
    owners = [key for key in table.foreign_key_constraints if key.column_keys == ["tenant_id"]]
    assert [key.referred_table.name for key in owners] == ["tenants"]


@pytest.mark.parametrize("table", named(OWNED))
def test_a_reference_between_tenants_rows_carries_the_tenant(table: sa.Table):
    for key in table.foreign_key_constraints:
        if "tenant_id" in key.referred_table.c:
            assert "tenant_id" in key.column_keys, key
            referred = [element.column.name for element in key.elements]
            assert referred[key.column_keys.index("tenant_id")] == "tenant_id"
            assert "id" in referred


@pytest.mark.parametrize("table", named(OWNED))
def test_every_column_that_names_another_row_is_a_foreign_key(table: sa.Table):
    # Ids of things that may be gone, or stand elsewhere, by intention.
    free = {
        ("communications", "source_message_id"),
        ("communications", "provider_id"),
        ("webhook_events", "settled_message_id"),
        ("ledger_postings", "customer_id"),  # copies of what the entry names
        ("ledger_postings", "invoice_id"),
    }
    keyed = {column for key in table.foreign_key_constraints for column in key.column_keys}
    for column in table.columns:
        is_id = isinstance(column.type, Id) and column.name.endswith("_id")
        if is_id and (table.name, column.name) not in free:
            assert column.name in keyed, f"{table.name}.{column.name}"


@pytest.mark.parametrize("table", named(OWNED))
def test_every_index_of_a_tenants_table_begins_with_the_tenant(table: sa.Table):
    across = {"ix_invoices__falling_due"}  # the sweep asks which tenants have something due
    for index in table.indexes:
        first = next(iter(index.columns)).name
        assert first == "tenant_id" or index.name in across, index.name


@pytest.mark.parametrize("table", named(OWNED))
def test_every_unique_key_of_a_tenants_table_is_within_the_tenant(table: sa.Table):
    # Secrets that say who calls: looked up before the tenant is known.
    across = {("api_keys", ("prefix",)), ("webhook_endpoints", ("token_digest",))}
    for key in unique_keys(table):
        assert "tenant_id" in key or (table.name, key) in across, key
    for index in table.indexes:
        if index.unique:
            assert "tenant_id" in index.columns


@pytest.mark.parametrize("table", named(TABLES))
def test_every_column_type_is_exact_on_both_databases(table: sa.Table):
    allowed = (
        Id,
        MoneyAmount,
        FourPlaces,
        UtcInstant,
        Text,
        LongText,
        sa.BigInteger,
        sa.Integer,
        sa.Boolean,
        sa.Date,
        sa.Enum,
        sa.LargeBinary,
    )
    for column in table.columns:
        assert isinstance(column.type, allowed), column
        assert not isinstance(column.type, sa.DateTime | sa.Float), column
        if isinstance(column.type, Text):
            assert column.type.length, f"{column} has no length"


@pytest.mark.parametrize("table", named(TABLES))
def test_a_column_called_amount_total_or_price_is_money(table: sa.Table):
    for column in table.columns:
        words = set(column.name.split("_"))
        if words & {"amount", "total", "price", "balance"}:
            assert isinstance(column.type, MoneyAmount), column


@pytest.mark.parametrize("table", named(TABLES))
def test_a_column_called_at_is_an_instant_and_one_called_on_or_date_a_day(table: sa.Table):
    for column in table.columns:
        last = column.name.rsplit("_", 1)[-1]
        if last == "at":
            assert isinstance(column.type, UtcInstant), column
        if last in ("on", "date", "day"):
            assert isinstance(column.type, sa.Date), column


@pytest.mark.parametrize("table", named(TABLES))
def test_every_choice_is_checked_by_the_database(table: sa.Table):
    checks = " ".join(
        str(constraint.sqltext)
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    )
    for column in table.columns:
        if isinstance(column.type, sa.Enum):
            assert column.type.create_constraint, column
            assert column.name in checks


@pytest.mark.parametrize("table", named(TABLES))
def test_every_constraint_and_index_has_a_name(table: sa.Table):
    for constraint in table.constraints:
        assert constraint.name, constraint
    for index in table.indexes:
        assert index.name


@pytest.mark.parametrize("name", ["invoices", "payments", "customers", "communications"])
def test_what_is_changed_by_many_has_a_version(name: str):
    assert isinstance(METADATA.tables[name].c.version.type, sa.Integer)
