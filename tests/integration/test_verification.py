"""`verify` passes on books made by the services, and names whatever is altered by hand."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.actor import Actor
from backend.audit import PLATFORM_CHAIN
from backend.db.engine import Database
from backend.errors import NotFound
from backend.ids import new_id
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import run
from backend.verification.service import verify_books
from tests.factories import (
    Clock,
    actor_in,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
)
from tests.provider_events import Teller

LOGS = ("audit_log", "ledger_entries", "ledger_postings")
Tamper = Callable[..., None]


@pytest.fixture(scope="module")
def books_made(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Actor]:
    """Two tenants with invoices and payments of every kind; the file and one of the tenants."""
    path = Path(shutil.copy(migrated_file, tmp_path_factory.mktemp("books") / "books.db"))
    clock = Clock()
    db = Database(f"sqlite:///{path}", clock=clock)
    actor, stranger = (actor_in(make_tenant(db, name)) for name in ("Ridge", "Northwind"))
    for who in (actor, stranger):
        one, two = make_customer(db, who, "Elm Diner"), make_customer(db, who, "Oak Gym")
        part = make_invoice(db, who, one.customer_id, "100.00", tax_amount="8.25")
        paid = make_invoice(db, who, one.customer_id, "50.00")
        void, cancelled = (make_invoice(db, who, two.customer_id, "70.00") for _ in range(2))
        euro = make_invoice(db, who, two.customer_id, "30.00", currency_code="EUR")
        make_draft(db, who, two.customer_id)
        make_invoice(db, who, two.customer_id, "0.00")
        pay(db, who, "40.00", invoice_id=part.invoice_id)
        pay(db, who, "60.00", invoice_id=paid.invoice_id, keep_excess_as_credit=True)
        bounced = pay(db, who, "35.00", invoice_id=euro.invoice_id, keep_excess_as_credit=True)
        clock.pass_time(days=1)
        run(db, who, reverse_payment, bounced.payment_id, "bounced")
        run(db, who, void_invoice, void.invoice_id, "mistake")
        run(db, who, cancel_invoice, cancelled.invoice_id, "called off")
        # Due to the same customer as what is void: no other sums are touched.
        job = make_invoice(db, who, two.customer_id, "90.00")
        stripe = Teller(db, who, only_writes=True)
        stripe.paid("90.00", invoice_id=job.invoice_id)
        stripe.refunded("20.00")
        stripe.disputed("30.00", "dp_won")
        stripe.closed("dp_won", won=True)
        stripe.disputed("25.00", "dp_open")
        stripe.paid("15.00", payment="pi_2", customer_id=two.customer_id)
        stripe.refunded("15.00", payment="pi_2")
        stripe.refunded("5.00", payment="pi_not_here_yet")
    db.close()
    assert not path.with_name("books.db-wal").exists(), "the copies would miss what the log holds"
    return path, actor


@pytest.fixture
def books(books_made: tuple[Path, Actor], tmp_path: Path) -> Iterator[Database]:
    """This test's own copy of the books."""
    path = shutil.copy(books_made[0], tmp_path / "books.db")
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def tamper(books: Database) -> Tamper:
    """Change the file past every guard: triggers dropped, checks and foreign keys off."""

    def change(*statements: str) -> None:
        with contextlib.closing(sqlite3.connect(str(books.path))) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for table in LOGS:
                for verb in ("update", "delete"):
                    connection.execute(f"DROP TRIGGER IF EXISTS tr_{table}__no_{verb}")
            touched = sum(connection.execute(sql).rowcount for sql in statements)
            connection.commit()
        assert touched > 0, "the tampering changed nothing"

    return change


def found(db: Database) -> set[str]:
    return {finding.check for finding in verify_books(db).findings}


def test_books_made_by_the_services_are_proven(books: Database, books_made: tuple[Path, Actor]):
    actor = books_made[1]
    everything = verify_books(books)
    assert everything.findings == []
    assert everything.is_proven
    assert everything.tenants == 2
    assert everything.checked["invoices"] == 16
    assert everything.checked["payments"] == 10
    assert everything.checked["provider_claims"] == 10
    assert everything.checked["ledger_entries"] > 30
    assert everything.checked["audit_entries"] > 40
    one = verify_books(books, actor.tenant_id)
    assert (one.is_proven, one.tenants, one.checked["invoices"]) == (True, 1, 8)


def test_an_empty_database_is_proven(db: Database):
    assert verify_books(db).is_proven


def test_an_unknown_tenant_is_not_found(db: Database):
    with pytest.raises(NotFound):
        verify_books(db, new_id())


def test_one_altered_posting_is_found_whichever_it_is(books: Database, tamper: Tamper):
    with contextlib.closing(sqlite3.connect(str(books.path))) as connection:
        rows = [row[0] for row in connection.execute("SELECT row_id FROM ledger_postings")]
    assert len(rows) > 40
    for row in rows:
        tamper(f"UPDATE ledger_postings SET amount = amount + 1 WHERE row_id = {row}")
        assert "entry_balances" in found(books), row
        tamper(f"UPDATE ledger_postings SET amount = amount - 1 WHERE row_id = {row}")
    assert found(books) == set()


# Postings and entries that still balance: found by what they stand for.
_FIRST = "(SELECT min(row_id) FROM ledger_postings WHERE account = 'accounts_receivable')"
_ENTRY = "(SELECT id FROM ledger_entries WHERE kind = '{}' ORDER BY row_id LIMIT 1)"
LEDGER = {
    "a posting removed": (f"DELETE FROM ledger_postings WHERE row_id = {_FIRST}",),
    "a posting doubled": (
        "INSERT INTO ledger_postings SELECT NULL, tenant_id, hex(randomblob(16)), entry_id, "
        f"account, amount, entry_day, currency_code, customer_id, invoice_id "
        f"FROM ledger_postings WHERE row_id = {_FIRST}",
    ),
    "another account": (
        f"UPDATE ledger_postings SET account = 'bad_debt' WHERE row_id = {_FIRST}",
    ),
    "another day": (
        f"UPDATE ledger_postings SET entry_day = '2020-01-01' WHERE row_id = {_FIRST}",
    ),
    "another currency": (
        f"UPDATE ledger_postings SET currency_code = 'EUR' WHERE row_id = {_FIRST}",
    ),
    "another customer": (
        f"UPDATE ledger_postings SET customer_id = hex(randomblob(16)) WHERE row_id = {_FIRST}",
    ),
    "another invoice": (
        f"UPDATE ledger_postings SET invoice_id = hex(randomblob(16)) WHERE row_id = {_FIRST}",
    ),
    **{
        f"a whole entry removed: {kind}": (
            f"DELETE FROM ledger_postings WHERE entry_id = {_ENTRY.format(kind)}",
        )
        for kind in (
            "invoice_issued",
            "invoice_voided",
            "invoice_cancelled",
            "payment_received",
            "payment_applied",
            "application_reversed",
            "payment_reversed",
            "payment_refunded",
            "payment_disputed",
            "dispute_restored",
        )
    },
    "both sides of an entry raised": (
        "UPDATE ledger_postings SET amount = amount + 1 WHERE account = 'accounts_receivable' "
        f"AND entry_id = {_ENTRY.format('invoice_issued')}",
        "UPDATE ledger_postings SET amount = amount - 1 WHERE account = 'revenue' "
        f"AND entry_id = {_ENTRY.format('invoice_issued')}",
    ),
}


@pytest.mark.parametrize("statements", LEDGER.values(), ids=LEDGER.keys())
def test_a_ledger_altered_by_hand_is_found(
    books: Database, tamper: Tamper, statements: tuple[str, ...]
):
    tamper(*statements)
    assert found(books) - {"audit_hash", "audit_head", "audit_sequence"}


CACHES = {
    "an open balance": "UPDATE invoices SET balance_due = balance_due + 1 WHERE balance_due > 0",
    "an open balance moved to paid": (
        "UPDATE invoices SET balance_due = balance_due - 1, paid_amount = paid_amount + 1 "
        "WHERE balance_due > 1"
    ),
    "a paid invoice open again": (
        "UPDATE invoices SET status = 'sent', balance_due = total_amount, paid_amount = 0 "
        "WHERE status = 'paid' AND total_amount > 0"
    ),
    "a paid amount": "UPDATE invoices SET paid_amount = paid_amount + 1 WHERE status = 'paid'",
    "a subtotal": (
        "UPDATE invoices SET subtotal_amount = subtotal_amount + 1, "
        "total_amount = total_amount + 1, balance_due = balance_due + 1 WHERE status = 'sent'"
    ),
    "a tax amount": (
        "UPDATE invoices SET tax_amount = tax_amount + 1, total_amount = total_amount + 1 "
        "WHERE status = 'sent'"
    ),
    "a void invoice sent again": "UPDATE invoices SET status = 'sent' WHERE status = 'void'",
    "a line's total": "UPDATE invoice_line_items SET line_total = line_total + 1 WHERE row_id = 1",
    "a line removed": "DELETE FROM invoice_line_items WHERE row_id = 1",
    "a number taken away": (
        "UPDATE invoices SET invoice_number = NULL WHERE invoice_number = 'INV-000002'"
    ),
    "a number given twice over": "UPDATE invoice_number_series SET next_number = next_number + 1",
    "an applied amount": "UPDATE payments SET applied_amount = applied_amount - 1, "
    "unapplied_amount = unapplied_amount + 1 WHERE status = 'succeeded'",
    "an unapplied amount": "UPDATE payments SET unapplied_amount = unapplied_amount + 1 "
    "WHERE unapplied_amount > 0",
    "a payment's amount": "UPDATE payments SET amount = amount + 1 WHERE status = 'succeeded'",
    "a reversed payment alive again": "UPDATE payments SET status = 'succeeded', "
    "unapplied_amount = amount WHERE status = 'reversed'",
    "a payment given to another customer": (
        "UPDATE payments SET customer_id = (SELECT id FROM customers WHERE "
        "display_name = 'Oak Gym' AND customers.tenant_id = payments.tenant_id) "
        "WHERE unapplied_amount > 0"
    ),
    "an invoice given to another customer": (
        "UPDATE invoices SET customer_id = (SELECT id FROM customers WHERE "
        "display_name = 'Oak Gym' AND customers.tenant_id = invoices.tenant_id) "
        "WHERE balance_due > 0 AND currency_code = 'USD'"
    ),
    "an allocation": "UPDATE payment_allocations SET amount = amount + 1 WHERE row_id = 1",
    "an allocation marked as reversed": (
        "UPDATE payment_allocations SET reversed_at = 1 WHERE row_id = 1"
    ),
    "a part of an allocation taken back": (
        "UPDATE payment_allocations SET reversed_amount = reversed_amount - 1 "
        "WHERE reversed_amount > 1"
    ),
    "a refunded amount": (
        "UPDATE payments SET refunded_amount = refunded_amount + 1 WHERE refunded_amount > 0"
    ),
    "a refunded amount called disputed": (
        "UPDATE payments SET refunded_amount = refunded_amount - 1, "
        "disputed_amount = disputed_amount + 1 WHERE refunded_amount > 0"
    ),
    "a disputed amount": (
        "UPDATE payments SET disputed_amount = disputed_amount - 1 WHERE disputed_amount > 0"
    ),
    "a reversed amount": (
        "UPDATE payments SET reversed_amount = reversed_amount - 1 WHERE reversed_amount > 0"
    ),
    "a payment with money left called reversed": (
        "UPDATE payments SET status = 'reversed' WHERE refunded_amount > 0"
    ),
    "what a claim took": (
        "UPDATE provider_claims SET taken_amount = taken_amount + 1 WHERE taken_amount > 0"
    ),
    "what is claimed": (
        "UPDATE provider_claims SET claimed_amount = claimed_amount + 1 WHERE kind = 'refund' "
        "AND external_payment_id = 'pi_1'"
    ),
    "an open dispute called won": (
        "UPDATE provider_claims SET closed_as = 'won', closed_at = 1 WHERE dispute_id = 'dp_open'"
    ),
    "a dispute that was won called lost": (
        "UPDATE provider_claims SET closed_as = 'lost' WHERE dispute_id = 'dp_won'"
    ),
    "a claim removed": "DELETE FROM provider_claims WHERE external_payment_id = 'pi_1'",
    "a claim whose payment is here": (
        "UPDATE provider_claims SET external_payment_id = 'pi_1', kind = 'dispute', "
        "dispute_id = 'dp' WHERE external_payment_id = 'pi_not_here_yet'"
    ),
    "a claim given to another payment": (
        "UPDATE provider_claims SET external_payment_id = 'pi_3' WHERE external_payment_id = 'pi_1'"
    ),
    "an allocation removed": "DELETE FROM payment_allocations WHERE row_id = 1",
}


@pytest.mark.parametrize("statement", CACHES.values(), ids=CACHES.keys())
def test_a_cached_amount_altered_by_hand_is_found(books: Database, tamper: Tamper, statement: str):
    tamper(statement)
    assert found(books) - {"audit_hash", "audit_head", "audit_sequence"}


_MIDDLE = "(SELECT id FROM audit_log WHERE sequence = 5 LIMIT 1)"
AUDIT = {
    **{
        f"{column} edited": (
            f"UPDATE audit_log SET {column} = {value} WHERE id = {_MIDDLE}",
            "audit_hash",
        )
        for column, value in {
            "data": "replace(data, '1', '2')",
            "actor": "'somebody else'",
            "action": "'invoice.updated'",
            "at": "at + 1",
            "entity_type": "'thing'",
            "entity_id": "lower(hex(randomblob(16)))",
            "user_id": "lower(hex(randomblob(16)))",
            "correlation_id": "'other'",
            "hash": "lower(hex(randomblob(32)))",
            "previous_hash": "lower(hex(randomblob(32)))",
        }.items()
    },
    "a row deleted": (f"DELETE FROM audit_log WHERE id = {_MIDDLE}", "audit_sequence"),
    "the first row deleted": ("DELETE FROM audit_log WHERE sequence = 1", "audit_sequence"),
    "the end cut off": (
        "DELETE FROM audit_log WHERE sequence > 20",
        "audit_head",
    ),
    "everything deleted": ("DELETE FROM audit_log", "audit_head"),
    "a row put at the end": (
        "INSERT INTO audit_log SELECT NULL, tenant_id, hex(randomblob(16)), "
        "(SELECT max(sequence) + 1 FROM audit_log b WHERE b.tenant_id = a.tenant_id), entity_type, "
        "entity_id, action, actor, user_id, at, correlation_id, data, previous_hash, hash "
        f"FROM audit_log a WHERE id = {_MIDDLE}",
        "audit_hash",
    ),
    "the head moved": ("UPDATE audit_heads SET sequence = sequence - 1", "audit_head"),
    "the head removed": ("DELETE FROM audit_heads", "audit_head"),
}


@pytest.mark.parametrize(("statement", "check"), AUDIT.values(), ids=AUDIT.keys())
def test_an_audit_log_altered_by_hand_is_found(
    books: Database, tamper: Tamper, statement: str, check: str
):
    tamper(statement)
    assert check in found(books)


def test_two_rows_of_the_audit_log_that_changed_places_are_found(books: Database, tamper: Tamper):
    tamper(
        "UPDATE audit_log SET sequence = -5 WHERE sequence = 5",
        "UPDATE audit_log SET sequence = 5 WHERE sequence = 6",
        "UPDATE audit_log SET sequence = 6 WHERE sequence = -5",
    )
    assert "audit_hash" in found(books)


def test_a_deleted_row_does_not_hide_by_closing_the_gap(books: Database, tamper: Tamper):
    tamper(
        "DELETE FROM audit_log WHERE sequence = 5",
        "UPDATE audit_log SET sequence = -sequence WHERE sequence > 5",
        "UPDATE audit_log SET sequence = -sequence - 1 WHERE sequence < 0",
    )
    assert "audit_hash" in found(books)


def test_a_row_forged_into_the_platforms_own_chain_is_found(books: Database, tamper: Tamper):
    tamper(
        f"INSERT INTO audit_log SELECT NULL, '{PLATFORM_CHAIN.hex}', id, 1, entity_type, "
        "entity_id, action, actor, user_id, at, correlation_id, data, previous_hash, hash "
        f"FROM audit_log WHERE id = {_MIDDLE}",
    )
    assert {"audit_hash", "audit_head"} <= found(books)


def test_a_finding_says_which_tenant_what_was_expected_and_what_is_there(
    books: Database, tamper: Tamper, books_made: tuple[Path, Actor]
):
    actor = books_made[1]
    tamper(
        "UPDATE invoices SET balance_due = balance_due + 100 WHERE invoice_number = 'INV-000001' "
        f"AND tenant_id = '{actor.tenant_id.hex}'"
    )
    findings = {one.check: one for one in verify_books(books).findings}
    finding = findings["invoice_balance_is_receivable"]
    assert finding.tenant_id == actor.tenant_id
    assert (finding.expected, finding.found) == ("69.25", "68.25")
    assert verify_books(books, actor.tenant_id).findings != []
    others = {one.tenant_id for one in verify_books(books).findings}
    assert others == {actor.tenant_id}
