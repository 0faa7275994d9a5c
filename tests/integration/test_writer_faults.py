"""Faults under the writer: Busy for those concerned, nothing half done, and it recovers alone."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.actor import Actor
from backend.customers.queries import list_customers
from backend.customers.service import CreateCustomer, create_customer
from backend.errors import BillerJacketError, Busy
from backend.payments.service import RecordPayment, record_payment
from backend.unit_of_work import read, run
from tests.factories import (
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    money_rows,
    raw_count,
    raw_rows,
)
from tests.watched import WatchedDatabase, batched, disk_error

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def locked_by_another_process(path: Path | str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield


@contextlib.contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """Writing further fails, as on a full disk (EFBIG; SQLite calls it an I/O error)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_lock_held_by_another_process_is_busy_and_over_when_it_is_over(
    watched: WatchedDatabase, mine: Actor
):
    make_customer(watched, mine, "Before")
    before = money_rows(watched)
    with locked_by_another_process(str(watched.path)):
        for _ in range(3):
            with pytest.raises(Busy):
                make_customer(watched, mine, "Locked out")
        page = read(watched, mine, list_customers)
        assert [item.display_name for item in page.items] == ["Before"]
    assert money_rows(watched) == before
    assert make_customer(watched, mine, "After").display_name == "After"


def test_a_full_database_is_busy_and_takes_writes_again_when_there_is_room(
    watched: WatchedDatabase, mine: Actor
):
    customer = make_customer(watched, mine)
    invoice = make_invoice(watched, mine, customer.customer_id, "1000.00")
    (writer,) = watched.opened[-1:]
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    accepted = refused = 0
    for _ in range(60):
        try:
            run(watched, mine, record_payment, RecordPayment("1.00", invoice_id=invoice.invoice_id))
        except Busy:
            refused += 1
        else:
            accepted += 1
    assert refused > 0
    assert raw_count(watched, "payments") == accepted
    assert raw_count(watched, "payment_allocations") == accepted
    paid = invoice_now(watched, mine, invoice.invoice_id).paid_amount
    assert paid == accepted
    writer.execute(f"PRAGMA max_page_count = {2**30}")
    run(watched, mine, record_payment, RecordPayment("1.00", invoice_id=invoice.invoice_id))
    assert raw_count(watched, "payments") == accepted + 1


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(
    watched: WatchedDatabase, mine: Actor
):
    customer = make_customer(watched, mine)
    invoice = make_invoice(watched, mine, customer.customer_id, "1000.00")
    size = Path(f"{watched.path}-wal").stat().st_size
    command = RecordPayment("1.00", invoice_id=invoice.invoice_id)
    accepted = refused = 0
    with no_file_grows_beyond(size + 1_000_000):
        for _ in range(40):
            try:
                run(watched, mine, record_payment, command)
            except Busy:
                refused += 1
            else:
                accepted += 1
    assert accepted > 0
    assert refused > 0
    assert raw_count(watched, "payments") == accepted
    run(watched, mine, record_payment, command)
    assert raw_count(watched, "payments") == accepted + 1
    assert raw_rows(watched, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("step", ["BEGIN IMMEDIATE", "SAVEPOINT use_case", "COMMIT"])
def test_a_fault_at_any_step_is_busy_and_leaves_nothing(
    watched: WatchedDatabase, mine: Actor, step: str
):
    before = money_rows(watched)
    watched.faults[step] = [disk_error()]
    with pytest.raises(Busy):
        make_customer(watched, mine, "Lost")
    assert money_rows(watched) == before
    assert make_customer(watched, mine, "After").display_name == "After"


def test_a_failed_commit_is_busy_for_the_whole_batch(watched: WatchedDatabase, mine: Actor):
    with batched(watched, mine) as hand_in:
        # One for the transaction that holds the batch up, one for the batch itself.
        watched.faults["COMMIT"] = [disk_error(), disk_error()]
        futures = [hand_in(create_customer, CreateCustomer(name)) for name in ("A", "", "B")]
    assert [type(future.exception()) for future in futures] == [Busy] * 3
    assert raw_count(watched, "customers") == 0


def test_a_rollback_that_fails_as_well_costs_the_connection_and_not_the_writer(
    watched: WatchedDatabase, mine: Actor
):
    make_customer(watched, mine, "Before")
    opened = len(watched.opened)
    watched.faults |= {"COMMIT": [disk_error()], "ROLLBACK": [disk_error()]}
    with pytest.raises(Busy):
        make_customer(watched, mine, "Lost")
    assert make_customer(watched, mine, "After").display_name == "After"
    assert len(watched.opened) > opened
    assert [
        row[0] for row in raw_rows(watched, "SELECT display_name FROM customers ORDER BY row_id")
    ] == [
        "Before",
        "After",
    ]


def test_even_a_fault_nobody_thought_of_is_answered_and_survived(
    watched: WatchedDatabase, mine: Actor
):
    make_customer(watched, mine, "Before")
    watched.faults["COMMIT"] = [MemoryError()]
    with pytest.raises(Busy):
        make_customer(watched, mine, "Lost")
    assert make_customer(watched, mine, "After").display_name == "After"
    assert raw_count(watched, "customers") == 2


def test_a_disk_error_inside_a_use_case_is_busy_and_not_a_bug(
    watched: WatchedDatabase, mine: Actor
):
    def fail(_: Any) -> None:
        raise disk_error("database or disk is full", sqlite3.SQLITE_FULL)

    with pytest.raises(Busy):
        run(watched, mine, fail)
    assert make_customer(watched, mine, "After").display_name == "After"


def test_a_mistake_in_sql_is_a_bug_and_not_busy(watched: WatchedDatabase, mine: Actor):
    def fail(work: Any) -> None:
        work.connection.control("SELECT * FROM no_such_table")

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        run(watched, mine, fail)


def test_a_database_that_cannot_be_opened_is_busy_until_it_can(
    watched: WatchedDatabase, mine: Actor, database_file: Path
):
    other = WatchedDatabase(database_file, watched.clock)  # type: ignore[arg-type]
    hidden = database_file.with_suffix(".hidden")
    other.path = str(hidden / "none.db")
    with pytest.raises(Busy):
        make_customer(other, mine, "Nowhere")
    other.path = str(database_file)
    assert make_customer(other, mine, "Here").display_name == "Here"
    other.close()


def test_readers_are_busy_when_the_database_cannot_be_read(watched: WatchedDatabase, mine: Actor):
    def fail(reader: Any) -> None:
        reader.connection.control("ROLLBACK")  # as SQLite itself does
        raise disk_error()

    with pytest.raises(Busy):
        read(watched, mine, fail)
    assert read(watched, mine, list_customers).items == []


def test_faults_under_load_lose_and_double_nothing(watched: WatchedDatabase, mine: Actor):
    customer = make_customer(watched, mine)
    invoice = make_invoice(watched, mine, customer.customer_id, "1000.00")
    watched.faults["COMMIT"] = [disk_error() for _ in range(5)]
    watched.faults["ROLLBACK"] = [disk_error()]
    acknowledged: list[str] = []

    def one(number: int) -> None:
        command = RecordPayment(
            "1.00",
            invoice_id=invoice.invoice_id,
            external_provider="test",
            external_payment_id=f"p{number}",
        )
        while True:
            with contextlib.suppress(Busy):
                acknowledged.append(str(run(watched, mine, record_payment, command).payment_id))
                return

    threads = [threading.Thread(target=one, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {row[0] for row in raw_rows(watched, "SELECT id FROM payments")}
    assert kept == {payment_id.replace("-", "") for payment_id in acknowledged}
    assert len(kept) == 60
    assert invoice_now(watched, mine, invoice.invoice_id).paid_amount == 60


def test_every_error_of_a_fault_is_one_of_ours(watched: WatchedDatabase, mine: Actor):
    watched.faults["COMMIT"] = [disk_error()]
    with pytest.raises(BillerJacketError) as refusal:
        make_tenant(watched)
    assert refusal.value.code == "temporarily_unavailable"
