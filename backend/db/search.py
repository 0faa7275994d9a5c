"""Substring search: a trigram index on SQLite, LIKE over the tenant's own rows elsewhere.

Trigrams need three characters; shorter text is looked for with LIKE too.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

# Which columns of a table are searched; the migration that makes the indexes says the same.
SEARCHED = {
    "invoices": ("invoice_number", "external_reference_id", "purchase_order_number"),
    "customers": ("display_name", "email", "external_reference_id"),
}
_TRIGRAM = 3
_LONGEST = 200


def search_terms(dialect: Dialect, text: str) -> tuple[str, dict[str, str]]:
    """How to search for this text ("trigram" or "like"), and the parameters to pass along."""
    wanted = text.strip()[:_LONGEST]
    if dialect.name == "sqlite" and len(wanted) >= _TRIGRAM:
        quoted = wanted.replace("\x00", "").replace('"', '""')
        return "trigram", {"match": f'"{quoted}"'}
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return "like", {"match": f"%{escaped}%"}


def matching(table: sa.Table, how: str) -> ColumnElement[bool]:
    """The condition that a row of `table` contains the text bound as `match`."""
    if how == "trigram":
        index = sa.table(f"{table.name}_search", sa.column("rowid", sa.Integer))
        # An FTS5 table matches as a whole: its own name stands on the left.
        matches = sa.literal_column(index.name).op("MATCH")(sa.bindparam("match"))
        return table.c.row_id.in_(sa.select(index.c.rowid).where(matches))
    text = sa.bindparam("match", type_=sa.Unicode)
    return sa.or_(*(table.c[name].like(text, escape="\\") for name in SEARCHED[table.name]))
