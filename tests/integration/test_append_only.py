"""The logs take no change and no deletion, however it is tried."""

import sqlite3
from collections.abc import Iterator

import pytest

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.models import ContactKind
from backend.unit_of_work import run
from tests.factories import make_invoice, pay, raw_rows

FIELDS = {
    "audit_log": "actor",
    "ledger_entries": "entry_day",
    "ledger_postings": "amount",
    "contact_log": "note",
}
LOGS = tuple(FIELDS)


@pytest.fixture
def driver(db: Database, actor: Actor, customer: CustomerView) -> Iterator[sqlite3.Connection]:
    """A connection as the service has it, to a database with something in every log."""
    invoice = make_invoice(db, actor, customer.customer_id)
    pay(db, actor, "40.00", invoice_id=invoice.invoice_id)
    run(db, actor, log_contact, customer.customer_id, LogContact(ContactKind.NOTE, note="Polite"))
    connection = db.connect().driver
    yield connection
    connection.close()


@pytest.mark.parametrize("table", LOGS)
def test_an_update_is_refused(db: Database, driver: sqlite3.Connection, table: str):
    before = raw_rows(db, f"SELECT * FROM {table}")
    assert before
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        driver.execute(f"UPDATE {table} SET {FIELDS[table]} = {FIELDS[table]} WHERE row_id = 1")
    assert raw_rows(db, f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("table", LOGS)
def test_a_deletion_is_refused(db: Database, driver: sqlite3.Connection, table: str):
    before = raw_rows(db, f"SELECT * FROM {table}")
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        driver.execute(f"DELETE FROM {table}")
    assert raw_rows(db, f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("table", LOGS)
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_replacing_a_row_is_refused(
    db: Database, driver: sqlite3.Connection, table: str, verb: str
):
    before = raw_rows(db, f"SELECT * FROM {table}")
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        driver.execute(f"{verb} INTO {table} SELECT * FROM {table} WHERE row_id = 1")
    assert raw_rows(db, f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("table", LOGS)
def test_an_upsert_is_refused(db: Database, driver: sqlite3.Connection, table: str):
    field = FIELDS[table]
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        driver.execute(
            f"INSERT INTO {table} SELECT * FROM {table} WHERE row_id = 1 "
            f"ON CONFLICT DO UPDATE SET {field} = excluded.{field}"
        )


def test_replacing_is_refused_through_another_unique_key_as_well(
    db: Database, driver: sqlite3.Connection
):
    before = raw_rows(db, "SELECT * FROM ledger_postings")
    columns = [row[1] for row in driver.execute("PRAGMA table_info(ledger_postings)")]
    rest = ", ".join(column for column in columns if column != "row_id")
    with pytest.raises(sqlite3.IntegrityError, match="ledger_postings is append-only"):
        driver.execute(
            f"INSERT OR REPLACE INTO ledger_postings ({rest}) "
            f"SELECT {rest} FROM ledger_postings WHERE row_id = 1"
        )
    assert raw_rows(db, "SELECT * FROM ledger_postings") == before
