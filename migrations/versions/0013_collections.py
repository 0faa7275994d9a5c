"""Collections: settings, templates, holds with a history, returned mail, contacts, reasons of runs

A step of chasing is known by its days after the due date, so that a plan may change under way;
what was sent before takes the days of the step it was then. SQLite changes no constraint of a
table that is there, so there the tables are made anew, row for row; see env.py for the foreign
keys meanwhile.

The way back is refused by the CHECK of the version before when a customer has complained.
"""

# The names in the SQL are written below.
# ruff: noqa: S608
from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_WHERE = ("sqlite_where", "mssql_where")
_OPEN = "status IN ('sent', 'overdue')"
_EMAIL_STATUSES_BEFORE = ("ok", "bounced")
_EMAIL_STATUSES = (*_EMAIL_STATUSES_BEFORE, "complained")
_OF_E_MAIL = "ix_dunning_notices__communication"
_HOLDS = ("pause", "dispute", "promise")
_SEARCHED = ("display_name", "email", "external_reference_id")

_TENANT_VALUES = {
    "holiday_calendar": "''",
    "reminder_gap_days": "3",
    "reply_to_email": "NULL",
    "postal_address": "NULL",
    "high_value_amount": "NULL",
}
_RUN_VALUES = {
    "keeps_gap": "0",
    "overdue_count": "invoice_count",
    "finished_at": "created_at",
}
# The plan of a notice is not kept; its invoice's state says by which plan it was last chased.
_NOTICE_VALUES = {
    "days_after_due": (
        "COALESCE((SELECT s.days_after_due FROM invoice_dunning_states i JOIN dunning_steps s "
        "ON s.tenant_id = i.tenant_id AND s.plan_id = i.plan_id "
        "AND s.step_number = dunning_notices.step_number "
        "WHERE i.tenant_id = dunning_notices.tenant_id "
        "AND i.invoice_id = dunning_notices.invoice_id), step_number)"
    )
}
_STATE_VALUES = {
    "last_days_after_due": (
        "COALESCE((SELECT s.days_after_due FROM dunning_steps s "
        "WHERE s.tenant_id = invoice_dunning_states.tenant_id "
        "AND s.plan_id = invoice_dunning_states.plan_id "
        "AND s.step_number = invoice_dunning_states.last_step_number), last_step_number)"
    )
}
_ALL_VALUES = {
    "tenants": _TENANT_VALUES,
    "customers": {},
    "dunning_runs": _RUN_VALUES,
    "dunning_notices": _NOTICE_VALUES,
    "invoice_dunning_states": _STATE_VALUES,
}
_INDEXES = {
    "customers": {
        "ix_customers__created": ["row_id"],
        "ix_customers__external": ["external_reference_id", "external_source"],
        "ix_customers__name": ["display_name", "row_id"],
    },
    "dunning_runs": {"ix_dunning_runs__created": ["row_id"]},
    "dunning_notices": {
        _OF_E_MAIL: ["communication_id"],
        "ix_dunning_notices__run": ["dunning_run_id"],
    },
}


def upgrade() -> None:
    _create_tables()
    op.add_column("dunning_steps", sa.Column("subject", types.Text(length=500), nullable=True))
    op.add_column("communications", sa.Column("reminded_on", sa.Date(), nullable=True))
    op.add_column("communications", sa.Column("sending_until", types.UtcInstant(), nullable=True))
    op.add_column(
        "communications", sa.Column("template_problem", types.Text(length=300), nullable=True)
    )
    op.execute(
        "UPDATE communications SET reminded_on = (SELECT MAX(n.noticed_on) FROM dunning_notices n "
        "WHERE n.tenant_id = communications.tenant_id AND n.communication_id = communications.id) "
        "WHERE type = 'dunning'"
    )
    _create_index(
        "communications",
        "ix_communications__reminded",
        ["customer_id", "reminded_on"],
        "reminded_on IS NOT NULL",
    )
    if op.get_context().dialect.name == "sqlite":
        _remake_all(is_new=True)
    else:
        _alter()
    op.drop_index("ix_invoices__chase", "invoices")
    _create_index("invoices", "ix_invoices__chase", ["customer_id", "due_date"], _OPEN)
    op.drop_index(_OF_E_MAIL, "dunning_notices")
    _create_index("dunning_notices", _OF_E_MAIL, ["communication_id", "invoice_id"])
    _keep_holds_that_stand()


def downgrade() -> None:
    op.drop_index("ix_invoices__chase", "invoices")
    _create_index("invoices", "ix_invoices__chase", ["due_date"], _OPEN)
    op.drop_index(_OF_E_MAIL, "dunning_notices")
    _create_index("dunning_notices", _OF_E_MAIL, ["communication_id"])
    if op.get_context().dialect.name == "sqlite":
        _remake_all(is_new=False)
    else:
        _alter_back()
    op.drop_index("ix_communications__reminded", "communications")
    for name in ("template_problem", "sending_until", "reminded_on"):
        op.drop_column("communications", name)
    op.drop_column("dunning_steps", "subject")
    for table in (
        "contact_log",
        "invoice_holds",
        "email_returns",
        "email_templates",
        "dunning_run_skips",
    ):
        op.drop_table(table)


def _create_tables() -> None:
    table = "dunning_run_skips"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("dunning_run_id", types.Id(), nullable=False),
        sa.Column("reason", types.Text(length=64), nullable=False),
        sa.Column("invoice_count", sa.Integer(), nullable=False),
        _check(table, "invoice_count", "invoice_count > 0"),
        *_own_constraints(table),
        _reference(table, "dunning_run_id", "dunning_runs"),
        _unique(table, "dunning_run_id", "reason"),
    )
    table = "email_templates"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("template_key", types.Text(length=64), nullable=False),
        sa.Column("name", types.Text(length=100), nullable=False),
        sa.Column("subject", types.Text(length=500), nullable=False),
        sa.Column("text_body", types.LongText(), nullable=False),
        sa.Column("html_body", types.LongText(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *_own_constraints(table),
        _unique(table, "template_key"),
    )
    table = "email_returns"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("communication_id", types.Id(), nullable=True),
        sa.Column("address", types.Text(length=254), nullable=False),
        sa.Column("kind", _one_of(table, "kind", "bounced", "complained"), nullable=False),
        sa.Column("detail", types.Text(length=500), nullable=False),
        sa.Column("source", types.Text(length=50), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        *_own_constraints(table),
        _reference(table, "customer_id", "customers"),
        _reference(table, "communication_id", "communications"),
    )
    _create_index(table, "ix_email_returns__customer", ["customer_id", "row_id"])
    table = "invoice_holds"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("kind", _one_of(table, "kind", *_HOLDS), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("amount", types.MoneyAmount(), nullable=True),
        sa.Column("reason", types.Text(length=500), nullable=True),
        sa.Column("balance_then", types.MoneyAmount(), nullable=False),
        sa.Column("placed_on", sa.Date(), nullable=False),
        sa.Column("placed_at", types.UtcInstant(), nullable=False),
        sa.Column("placed_by", types.Text(length=200), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("ended_at", types.UtcInstant(), nullable=True),
        sa.Column(
            "ended_as",
            _one_of(table, "ended_as", "released", "replaced", "kept", "broken"),
            nullable=True,
        ),
        _check(
            table,
            "ended",
            "(ended_on IS NULL AND ended_at IS NULL AND ended_as IS NULL) "
            "OR (ended_on IS NOT NULL AND ended_at IS NOT NULL AND ended_as IS NOT NULL)",
        ),
        _check(
            table,
            "promise",
            "kind = 'promise' OR (amount IS NULL AND COALESCE(ended_as, 'released') "
            "IN ('released', 'replaced'))",
        ),
        _check(table, "balance_then", "balance_then >= 0"),
        *_own_constraints(table),
        _reference(table, "invoice_id", "invoices"),
    )
    _create_index(table, "uq_invoice_holds__standing", ["invoice_id"], "ended_on IS NULL")
    _create_index(table, "ix_invoice_holds__invoice", ["invoice_id", "row_id"])
    _create_index(table, "ix_invoice_holds__kind", ["kind", "placed_on"])
    _create_index(
        table,
        "ix_invoice_holds__promised",
        ["until"],
        "kind = 'promise' AND ended_on IS NULL",
    )
    table = "contact_log"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("customer_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=True),
        sa.Column("kind", _one_of(table, "kind", "call", "note"), nullable=False),
        sa.Column(
            "outcome",
            _one_of(
                table,
                "outcome",
                "reached",
                "left_message",
                "no_answer",
                "promised",
                "disputed",
                "refused",
                "wrong_number",
            ),
            nullable=True,
        ),
        sa.Column("note", types.Text(length=2000), nullable=False),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("created_by", types.Text(length=200), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        _check(
            table,
            "outcome_of_call",
            "(kind = 'call' AND outcome IS NOT NULL) OR (kind = 'note' AND outcome IS NULL)",
        ),
        *_own_constraints(table),
        _reference(table, "customer_id", "customers"),
        _reference(table, "invoice_id", "invoices"),
    )
    _create_index(table, "ix_contact_log__customer", ["customer_id", "row_id"])
    _create_index(table, "ix_contact_log__invoice", ["invoice_id"], "invoice_id IS NOT NULL")
    _make_append_only(table)


def _make_append_only(table: str) -> None:
    """As the audit log and the ledger are: the database itself refuses changes."""
    if op.get_context().dialect.name == "sqlite":
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


def _keep_holds_that_stand() -> None:
    """The history begins with what stands; since when is known from the last change only."""
    day = "DATE(updated_at / 1000000, 'unixepoch')"
    fresh = "LOWER(HEX(RANDOMBLOB(16)))"
    if op.get_context().dialect.name != "sqlite":
        day, fresh = "CAST(updated_at AS DATE)", "NEWID()"
    op.execute(
        "INSERT INTO invoice_holds (tenant_id, id, invoice_id, kind, until, amount, reason, "
        "balance_then, placed_on, placed_at, placed_by) "
        f"SELECT tenant_id, {fresh}, id, hold_kind, hold_until, hold_amount, hold_reason, "
        f"balance_due, {day}, updated_at, 'upgrade' FROM invoices WHERE hold_kind IS NOT NULL"
    )


def _remake_all(*, is_new: bool) -> None:
    """On SQLite: the changed tables anew, and the triggers that went with them."""
    parts = {
        "tenants": _tenants,
        "customers": _customers,
        "dunning_runs": _runs,
        "dunning_notices": _notices,
        "invoice_dunning_states": _states,
    }
    for table, values in _ALL_VALUES.items():
        made = op.create_table(f"{table}_new", *parts[table](is_new=is_new))
        names = [column.name for column in made.columns]
        filled = [values.get(name, name) if is_new else name for name in names]
        op.execute(
            f"INSERT INTO {table}_new ({', '.join(names)}) SELECT {', '.join(filled)} FROM {table}"
        )
        op.drop_table(table)
        op.rename_table(f"{table}_new", table)
        for name, columns in _INDEXES.get(table, {}).items():
            _create_index(table, name, columns)
    _search_customers()


def _search_customers() -> None:
    names = ", ".join(_SEARCHED)
    new = ", ".join(f"new.{column}" for column in _SEARCHED)
    old = ", ".join(f"old.{column}" for column in _SEARCHED)
    search = "customers_search"
    add = f"INSERT INTO {search}(rowid, {names}) VALUES (new.row_id, {new});"
    remove = f"INSERT INTO {search}({search}, rowid, {names}) VALUES ('delete', old.row_id, {old});"
    for verb, event, body in (
        ("insert", "INSERT", add),
        ("update", f"UPDATE OF {names}", f"{remove} {add}"),
        ("delete", "DELETE", remove),
    ):
        op.execute(
            f"CREATE TRIGGER tr_{search}__{verb} AFTER {event} ON customers BEGIN {body} END"
        )


def _alter() -> None:
    """What SQL Server does in place."""
    new_columns: dict[str, list[sa.Column[Any]]] = {
        "tenants": _settings(),
        "dunning_runs": _counts(),
        "dunning_notices": [_days("days_after_due")],
        "invoice_dunning_states": [_days("last_days_after_due")],
    }
    for table, columns in new_columns.items():
        for column in columns:
            op.add_column(table, sa.Column(column.name, column.type, nullable=True))
        values = ", ".join(f"{name} = {value}" for name, value in _ALL_VALUES[table].items())
        op.execute(f"UPDATE {table} SET {values}")
        for column in columns:
            if not column.nullable:
                op.alter_column(
                    table,
                    column.name,
                    existing_type=column.type,
                    existing_nullable=True,
                    nullable=False,
                )
    op.create_check_constraint(op.f("ck_tenants__reminder_gap"), "tenants", _GAP)
    op.create_check_constraint(op.f("ck_dunning_runs__overdue_count"), "dunning_runs", _LOOKED_AT)
    _change_email_status(_EMAIL_STATUSES)
    op.drop_constraint(op.f(_BY_NUMBER), "dunning_notices", type_="unique")
    op.create_unique_constraint(
        op.f(_BY_DAYS), "dunning_notices", ["tenant_id", "invoice_id", "days_after_due"]
    )


def _alter_back() -> None:
    op.drop_constraint(op.f(_BY_DAYS), "dunning_notices", type_="unique")
    op.create_unique_constraint(
        op.f(_BY_NUMBER), "dunning_notices", ["tenant_id", "invoice_id", "step_number"]
    )
    _change_email_status(_EMAIL_STATUSES_BEFORE)
    op.drop_constraint(op.f("ck_dunning_runs__overdue_count"), "dunning_runs", type_="check")
    op.drop_constraint(op.f("ck_tenants__reminder_gap"), "tenants", type_="check")
    for table, values in _ALL_VALUES.items():
        for name in values:
            op.drop_column(table, name)


def _change_email_status(values: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    op.drop_constraint(op.f("ck_customers__email_status"), "customers", type_="check")
    op.create_check_constraint(
        op.f("ck_customers__email_status"), "customers", f"email_status IN ({listed})"
    )


_GAP = "reminder_gap_days >= 0 AND reminder_gap_days <= 60"
_LOOKED_AT = "overdue_count >= invoice_count"
_BY_NUMBER = "uq_dunning_notices__tenant_id_invoice_id_step_number"
_BY_DAYS = "uq_dunning_notices__tenant_id_invoice_id_days_after_due"


def _settings() -> list[sa.Column[Any]]:
    return [
        sa.Column("holiday_calendar", types.Text(length=16), nullable=False),
        sa.Column("reminder_gap_days", sa.Integer(), nullable=False),
        sa.Column("reply_to_email", types.Text(length=254), nullable=True),
        sa.Column("postal_address", types.Text(length=500), nullable=True),
        sa.Column("high_value_amount", types.MoneyAmount(), nullable=True),
    ]


def _counts() -> list[sa.Column[Any]]:
    return [
        sa.Column("keeps_gap", sa.Boolean(), nullable=False),
        sa.Column("overdue_count", sa.Integer(), nullable=False),
        sa.Column("finished_at", types.UtcInstant(), nullable=True),
    ]


def _days(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _tenants(*, is_new: bool) -> list[Any]:
    table = "tenants"
    return [
        sa.Column("row_id", _row_number(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("name", types.Text(length=200), nullable=False),
        sa.Column("status", _one_of(table, "status", "active", "inactive"), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("time_zone", types.Text(length=64), nullable=False),
        sa.Column("invoice_number_prefix", types.Text(length=16), nullable=False),
        sa.Column("sending_from_minute", sa.Integer(), nullable=False),
        sa.Column("sending_until_minute", sa.Integer(), nullable=False),
        sa.Column("sending_weekdays", types.Text(length=7), nullable=False),
        *(_settings() if is_new else ()),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(
            table,
            "sending_window",
            "sending_from_minute >= 0 AND sending_until_minute <= 1440 "
            "AND sending_from_minute < sending_until_minute",
        ),
        *([_check(table, "reminder_gap", _GAP)] if is_new else ()),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("id", name=op.f("uq_tenants__id")),
    ]


def _customers(*, is_new: bool) -> list[Any]:
    table = "customers"
    statuses = _EMAIL_STATUSES if is_new else _EMAIL_STATUSES_BEFORE
    return [
        *_own_columns(),
        sa.Column("display_name", types.Text(length=200), nullable=False),
        sa.Column("email", types.Text(length=254), nullable=True),
        sa.Column("email_status", _one_of(table, "email_status", *statuses), nullable=False),
        sa.Column("phone", types.Text(length=50), nullable=True),
        sa.Column("billing_address", types.Text(length=1000), nullable=True),
        sa.Column("payment_terms_days", sa.Integer(), nullable=False),
        sa.Column("external_source", types.Text(length=100), nullable=True),
        sa.Column("external_reference_id", types.Text(length=200), nullable=True),
        sa.Column("dunning_plan_id", types.Id(), nullable=True),
        sa.Column("hold_kind", _one_of(table, "hold_kind", "pause", "exclude"), nullable=True),
        sa.Column("hold_until", sa.Date(), nullable=True),
        sa.Column("hold_reason", types.Text(length=500), nullable=True),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(table, "payment_terms", "payment_terms_days >= 0"),
        *_own_constraints(table),
        _reference(table, "dunning_plan_id", "dunning_plans"),
    ]


def _runs(*, is_new: bool) -> list[Any]:
    table = "dunning_runs"
    return [
        *_own_columns(),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("is_scheduled", sa.Boolean(), nullable=False),
        sa.Column("email_count", sa.Integer(), nullable=False),
        sa.Column("invoice_count", sa.Integer(), nullable=False),
        *(_counts() if is_new else ()),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        _check(table, "counts", "email_count >= 0 AND invoice_count >= email_count"),
        *([_check(table, "overdue_count", _LOOKED_AT)] if is_new else ()),
        *_own_constraints(table),
    ]


def _notices(*, is_new: bool) -> list[Any]:
    table = "dunning_notices"
    return [
        *_own_columns(),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        *([_days("days_after_due")] if is_new else ()),
        sa.Column("template_key", types.Text(length=64), nullable=False),
        sa.Column("noticed_on", sa.Date(), nullable=False),
        sa.Column("dunning_run_id", types.Id(), nullable=False),
        sa.Column("communication_id", types.Id(), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        *_own_constraints(table),
        _reference(table, "invoice_id", "invoices"),
        _reference(table, "communication_id", "communications"),
        _reference(table, "dunning_run_id", "dunning_runs"),
        _unique(table, "invoice_id", "days_after_due" if is_new else "step_number"),
        _unique(table, "invoice_id", "noticed_on"),
    ]


def _states(*, is_new: bool) -> list[Any]:
    table = "invoice_dunning_states"
    return [
        *_own_columns(),
        sa.Column("invoice_id", types.Id(), nullable=False),
        sa.Column("plan_id", types.Id(), nullable=False),
        sa.Column("last_step_number", sa.Integer(), nullable=False),
        *([_days("last_days_after_due")] if is_new else ()),
        sa.Column("last_step_on", sa.Date(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(table, "last_step_number", "last_step_number >= 1"),
        *_own_constraints(table),
        _reference(table, "invoice_id", "invoices"),
        _reference(table, "plan_id", "dunning_plans"),
        _unique(table, "invoice_id"),
    ]


def _create_index(table: str, name: str, columns: list[str], where: str | None = None) -> None:
    condition = {} if where is None else dict.fromkeys(_WHERE, sa.text(where))
    op.create_index(
        name, table, ["tenant_id", *columns], unique=name.startswith("uq_"), **condition
    )


def _row_number() -> Any:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _own_columns() -> list[Any]:
    """The columns of every tenant's table."""
    return [
        sa.Column("row_id", _row_number(), nullable=False),
        sa.Column("tenant_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
    ]


def _own_constraints(table: str) -> list[Any]:
    return [
        sa.PrimaryKeyConstraint("row_id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f(f"uq_{table}__tenant_id_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}__tenant_id")),
    ]


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=op.f(f"fk_{table}__tenant_id_{column}"),
    )


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    name = op.f(f"uq_{table}__tenant_id_{'_'.join(columns)}")
    return sa.UniqueConstraint("tenant_id", *columns, name=name)


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}__{name}"))


def _one_of(table: str, name: str, *values: str) -> sa.Enum:
    check = op.f(f"ck_{table}__{name}")
    return sa.Enum(*values, name=check, native_enum=False, create_constraint=True, length=32)
