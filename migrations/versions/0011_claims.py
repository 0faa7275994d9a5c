"""Refunds and disputes: what a provider takes back of a payment, and how much of it is where

An allocation gets the id of its entry in the ledger, by which the entries that take it back find
it. One without such an entry keeps its own, and `verify` names it. SQLite changes no constraint of
a table that is there, so there the tables are made anew, row for row; see env.py for the foreign
keys meanwhile. What is in the ledger stays what it was.

The way back is refused by the CHECKs of the version before as soon as something was refunded.
"""

# The names in the SQL are written below.
# ruff: noqa: S608
from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.db import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WHERE = ("sqlite_where", "mssql_where")
_METHODS = ("manual", "autopay", "external")
_STATUSES = ("pending", "succeeded", "failed", "reversed")
_KINDS_BEFORE = (
    "invoice_issued",
    "invoice_voided",
    "invoice_cancelled",
    "payment_received",
    "payment_applied",
    "application_reversed",
    "payment_reversed",
    "credit_note_issued",
    "write_off",
)
_KINDS = (
    *_KINDS_BEFORE[:7],
    "payment_refunded",
    "payment_disputed",
    "dispute_restored",
    *_KINDS_BEFORE[7:],
)
_PAYMENT_CHECKS_BEFORE = {
    "applied_and_unapplied": (
        "(status = 'succeeded' AND applied_amount + unapplied_amount = amount) "
        "OR (status <> 'succeeded' AND applied_amount = 0 AND unapplied_amount = 0)"
    ),
    "not_negative": "applied_amount >= 0 AND unapplied_amount >= 0",
}
_PAYMENT_CHECKS = {
    "not_negative": (
        "applied_amount >= 0 AND unapplied_amount >= 0 AND refunded_amount >= 0 "
        "AND disputed_amount >= 0 AND reversed_amount >= 0"
    ),
    "adds_up": (
        "applied_amount + unapplied_amount + refunded_amount + disputed_amount + reversed_amount "
        "= CASE WHEN status IN ('succeeded', 'reversed') THEN amount ELSE 0 END"
    ),
    "reversed_when_nothing_is_left": (
        "(status = 'succeeded' AND applied_amount + unapplied_amount > 0) "
        "OR (status <> 'succeeded' AND applied_amount + unapplied_amount = 0)"
    ),
}
_ALLOCATION_CHECK = (
    "(reversed_at IS NULL AND reversed_amount >= 0 AND reversed_amount < amount) "
    "OR (reversed_at IS NOT NULL AND reversed_amount = amount)"
)
# A payment was reversed whole or not at all, and its allocations with it.
_PAYMENT_AMOUNTS = {
    "refunded_amount": "0",
    "disputed_amount": "0",
    "reversed_amount": "CASE WHEN status = 'reversed' THEN amount ELSE 0 END",
}
_ALLOCATION_AMOUNTS = {"reversed_amount": "CASE WHEN reversed_at IS NULL THEN 0 ELSE amount END"}
# Allocations and entries were written in the same order. The same amount of a payment may have
# gone to the same invoice twice.
_TAKE_IDS_OF_ENTRIES = """
    UPDATE payment_allocations SET id = paired.entry_id
    FROM (
        SELECT allocation.row_id, entry.id AS entry_id
        FROM (
            SELECT row_id, tenant_id, payment_id, invoice_id, amount, ROW_NUMBER() OVER (
                PARTITION BY tenant_id, payment_id, invoice_id, amount ORDER BY row_id
            ) AS place
            FROM payment_allocations
        ) AS allocation
        JOIN (
            SELECT e.tenant_id, e.id, e.payment_id, e.invoice_id, p.amount, ROW_NUMBER() OVER (
                PARTITION BY e.tenant_id, e.payment_id, e.invoice_id, p.amount ORDER BY e.row_id
            ) AS place
            FROM ledger_entries AS e
            JOIN ledger_postings AS p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
            WHERE e.kind = 'payment_applied' AND p.account = 'accounts_receivable'
        ) AS entry
        ON entry.tenant_id = allocation.tenant_id AND entry.payment_id = allocation.payment_id
            AND entry.invoice_id = allocation.invoice_id
            AND entry.amount = -allocation.amount AND entry.place = allocation.place
    ) AS paired
    WHERE paired.row_id = payment_allocations.row_id
"""


# What stands on a table that is made anew, but for the index of payments by day, which changes.
_INDEXES = {
    "payments": (
        ("ix_payments__correlation_id", ["correlation_id"], None),
        ("ix_payments__created", ["row_id"], None),
        ("ix_payments__customer", ["customer_id", "row_id"], None),
        (
            "ix_payments__unapplied",
            ["currency_code", "customer_id", "unapplied_amount"],
            "unapplied_amount > 0",
        ),
        (
            "uq_payments__external",
            ["external_provider", "external_payment_id"],
            "external_payment_id IS NOT NULL",
        ),
    ),
    "payment_allocations": (
        ("ix_payment_allocations__invoice", ["invoice_id"], None),
        ("ix_payment_allocations__payment", ["payment_id"], None),
    ),
    "ledger_entries": (
        ("ix_ledger_entries__correlation_id", ["correlation_id"], None),
        ("ix_ledger_entries__day", ["entry_day"], None),
        ("ix_ledger_entries__invoice", ["invoice_id"], None),
        ("ix_ledger_entries__payment", ["payment_id"], None),
    ),
}


def upgrade() -> None:
    _create_claims()
    if op.get_context().dialect.name == "sqlite":
        _remake("payments", _payments(is_new=True), _PAYMENT_AMOUNTS)
        _remake("payment_allocations", _allocations(is_new=True), _ALLOCATION_AMOUNTS)
        _remake("ledger_entries", _ledger_entries(is_new=True), {"claim_id": "NULL"})
        _refuse_changes_of_the_ledger()
    else:
        op.drop_index("ix_payments__received", "payments")
        _alter()
    _index_receipts("applied_amount", "unapplied_amount")
    op.execute(_TAKE_IDS_OF_ENTRIES)
    op.add_column("payment_attempts", sa.Column("external_at", types.UtcInstant(), nullable=True))
    _create_index(
        "payment_attempts",
        "uq_payment_attempts__external",
        ["external_provider", "external_payment_id", "external_at"],
        "external_at IS NOT NULL",
    )


def downgrade() -> None:
    op.drop_index("uq_payment_attempts__external", "payment_attempts")
    op.drop_column("payment_attempts", "external_at")
    if op.get_context().dialect.name == "sqlite":
        _remake("ledger_entries", _ledger_entries(is_new=False), {})
        _refuse_changes_of_the_ledger()
        _remake("payment_allocations", _allocations(is_new=False), {})
        _remake("payments", _payments(is_new=False), {})
    else:
        op.drop_index("ix_payments__received", "payments")
        _alter_back()
    _index_receipts("amount")
    op.drop_table("provider_claims")


def _create_claims() -> None:
    table = "provider_claims"
    op.create_table(
        table,
        *_own_columns(),
        sa.Column("provider", types.Text(length=50), nullable=False),
        sa.Column("external_payment_id", types.Text(length=200), nullable=False),
        sa.Column("kind", _one_of(table, "kind", "refund", "dispute"), nullable=False),
        sa.Column("dispute_id", types.Text(length=200), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=True),
        sa.Column("claimed_amount", types.MoneyAmount(), nullable=True),
        sa.Column("taken_amount", types.MoneyAmount(), nullable=False),
        sa.Column("closed_as", _one_of(table, "closed_as", "won", "lost"), nullable=True),
        sa.Column("closed_at", types.UtcInstant(), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("updated_at", types.UtcInstant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(
            table,
            "claimed_amount",
            "claimed_amount IS NULL OR (claimed_amount > 0 AND currency_code IS NOT NULL)",
        ),
        _check(table, "taken_amount", "taken_amount >= 0"),
        _check(
            table,
            "taken_of_claimed",
            "taken_amount = 0 OR (claimed_amount IS NOT NULL AND taken_amount <= claimed_amount)",
        ),
        _check(table, "dispute_id", "kind = 'dispute' OR dispute_id = ''"),
        _check(
            table,
            "closed",
            "(closed_as IS NULL AND closed_at IS NULL) "
            "OR (kind = 'dispute' AND closed_as IS NOT NULL AND closed_at IS NOT NULL)",
        ),
        *_own_constraints(table),
        sa.UniqueConstraint(
            "tenant_id",
            "provider",
            "external_payment_id",
            "kind",
            "dispute_id",
            name=op.f("uq_provider_claims__tenant_id_provider_external_payment_id_kind_dispute_id"),
        ),
    )


def _alter() -> None:
    """What SQL Server does in place."""
    for name in _PAYMENT_AMOUNTS:
        op.add_column("payments", sa.Column(name, types.MoneyAmount(), nullable=True))
    op.add_column(
        "payment_allocations", sa.Column("reversed_amount", types.MoneyAmount(), nullable=True)
    )
    for table, filled in (
        ("payments", _PAYMENT_AMOUNTS),
        ("payment_allocations", _ALLOCATION_AMOUNTS),
    ):
        values = ", ".join(f"{name} = {value}" for name, value in filled.items())
        op.execute(f"UPDATE {table} SET {values}")
        for name in filled:
            op.alter_column(table, name, existing_type=types.MoneyAmount(), nullable=False)
    _change_checks("payments", _PAYMENT_CHECKS_BEFORE, _PAYMENT_CHECKS)
    _change_checks("payment_allocations", {}, {"reversed": _ALLOCATION_CHECK})
    op.add_column("ledger_entries", sa.Column("claim_id", types.Id(), nullable=True))
    op.create_foreign_key(
        op.f("fk_ledger_entries__tenant_id_claim_id"),
        "ledger_entries",
        "provider_claims",
        ["tenant_id", "claim_id"],
        ["tenant_id", "id"],
    )
    _change_checks("ledger_entries", _kind_check(_KINDS_BEFORE), _kind_check(_KINDS))


def _alter_back() -> None:
    _change_checks("ledger_entries", _kind_check(_KINDS), _kind_check(_KINDS_BEFORE))
    op.drop_constraint(
        op.f("fk_ledger_entries__tenant_id_claim_id"), "ledger_entries", type_="foreignkey"
    )
    op.drop_column("ledger_entries", "claim_id")
    _change_checks("payment_allocations", {"reversed": _ALLOCATION_CHECK}, {})
    op.drop_column("payment_allocations", "reversed_amount")
    _change_checks("payments", _PAYMENT_CHECKS, _PAYMENT_CHECKS_BEFORE)
    for name in _PAYMENT_AMOUNTS:
        op.drop_column("payments", name)


def _change_checks(table: str, old: dict[str, str], new: dict[str, str]) -> None:
    for name in old:
        op.drop_constraint(op.f(f"ck_{table}__{name}"), table, type_="check")
    for name, condition in new.items():
        op.create_check_constraint(op.f(f"ck_{table}__{name}"), table, condition)


def _kind_check(kinds: tuple[str, ...]) -> dict[str, str]:
    values = ", ".join(f"'{kind}'" for kind in kinds)
    return {"kind": f"kind IN ({values})"}


def _remake(table: str, parts: list[Any], filled: dict[str, str]) -> None:
    """Make a table anew with the rows it has; `filled` says what stands in its new columns."""
    made = op.create_table(f"{table}_new", *parts)
    names = [column.name for column in made.columns]
    values = [filled.get(name, name) for name in names]
    op.execute(
        f"INSERT INTO {table}_new ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}"
    )
    op.drop_table(table)
    op.rename_table(f"{table}_new", table)
    for name, columns, where in _INDEXES[table]:
        _create_index(table, name, columns, where)


def _refuse_changes_of_the_ledger() -> None:
    """The triggers went with the table that they stood on."""
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER tr_ledger_entries__no_{verb.lower()} BEFORE {verb} ON ledger_entries "
            "BEGIN SELECT RAISE(ABORT, 'ledger_entries is append-only'); END"
        )


def _index_receipts(*amounts: str) -> None:
    columns = ["received_on", "currency_code", *amounts]
    _create_index("payments", "ix_payments__received", columns, "status = 'succeeded'")


def _create_index(table: str, name: str, columns: list[str], where: str | None) -> None:
    condition = {} if where is None else dict.fromkeys(_WHERE, sa.text(where))
    op.create_index(
        name, table, ["tenant_id", *columns], unique=name.startswith("uq_"), **condition
    )


def _payments(*, is_new: bool) -> list[Any]:
    table = "payments"
    checks = _PAYMENT_CHECKS if is_new else _PAYMENT_CHECKS_BEFORE
    amounts = [
        "amount",
        "applied_amount",
        "unapplied_amount",
        *(_PAYMENT_AMOUNTS if is_new else ()),
    ]
    return [
        *_own_columns(),
        sa.Column("customer_id", types.Id(), nullable=False),
        *(sa.Column(name, types.MoneyAmount(), nullable=False) for name in amounts),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("method", _one_of(table, "method", *_METHODS), nullable=False),
        sa.Column("status", _one_of(table, "status", *_STATUSES), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("applied_at", types.UtcInstant(), nullable=True),
        sa.Column("external_provider", types.Text(length=50), nullable=True),
        sa.Column("external_payment_id", types.Text(length=200), nullable=True),
        sa.Column("note", types.Text(length=1000), nullable=True),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("reversed_at", types.UtcInstant(), nullable=True),
        sa.Column("reversal_reason", types.Text(length=500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(table, "amount", "amount > 0"),
        *(_check(table, name, condition) for name, condition in checks.items()),
        *_own_constraints(table),
        _reference(table, "customer_id", "customers"),
    ]


def _allocations(*, is_new: bool) -> list[Any]:
    table = "payment_allocations"
    amounts = ["amount", *(_ALLOCATION_AMOUNTS if is_new else ())]
    return [
        *_own_columns(),
        sa.Column("payment_id", types.Id(), nullable=False),
        sa.Column("invoice_id", types.Id(), nullable=False),
        *(sa.Column(name, types.MoneyAmount(), nullable=False) for name in amounts),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("reversed_at", types.UtcInstant(), nullable=True),
        _check(table, "amount", "amount > 0"),
        *([_check(table, "reversed", _ALLOCATION_CHECK)] if is_new else ()),
        *_own_constraints(table),
        _reference(table, "payment_id", "payments"),
        _reference(table, "invoice_id", "invoices"),
    ]


def _ledger_entries(*, is_new: bool) -> list[Any]:
    table = "ledger_entries"
    kinds = _KINDS if is_new else _KINDS_BEFORE
    references = {
        "invoice_id": "invoices",
        "payment_id": "payments",
        "reverses_entry_id": table,
        **({"claim_id": "provider_claims"} if is_new else {}),
    }
    return [
        *_own_columns(),
        sa.Column("kind", _one_of(table, "kind", *kinds), nullable=False),
        sa.Column("entry_day", sa.Date(), nullable=False),
        sa.Column("currency_code", types.Text(length=3), nullable=False),
        sa.Column("customer_id", types.Id(), nullable=False),
        *(sa.Column(name, types.Id(), nullable=True) for name in references),
        sa.Column("created_at", types.UtcInstant(), nullable=False),
        sa.Column("correlation_id", types.Text(length=128), nullable=False),
        *_own_constraints(table),
        _reference(table, "customer_id", "customers"),
        *(_reference(table, name, target) for name, target in references.items()),
    ]


def _own_columns() -> list[Any]:
    """The columns of every tenant's table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return [
        sa.Column("row_id", number, nullable=False),
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


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}__{name}"))


def _one_of(table: str, name: str, *values: str) -> sa.Enum:
    check = op.f(f"ck_{table}__{name}")
    return sa.Enum(*values, name=check, native_enum=False, create_constraint=True, length=32)
