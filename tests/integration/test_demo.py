"""The demo: two businesses whose books are proven and on whose pages everything is found."""

import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from backend.actor import platform_system
from backend.bootstrap import Services
from backend.config import Environment, Settings
from backend.db.engine import Database
from backend.demo.plan import EMAIL_DAYS, HISTORY_DAYS
from backend.demo.service import DemoResult, build_demo, is_empty, seed_if_empty
from backend.dunning.preview import preview_run
from backend.errors import InvalidInput, StateConflict
from backend.identity.api_keys import authenticate_api_key
from backend.identity.service import SignIn, sign_in
from backend.invoices.models import InvoiceStatus
from backend.messaging.contracts import Queue
from backend.reporting.aging import get_aging
from backend.unit_of_work import read
from backend.verification.service import verify_books
from tests.factories import Clock, actor_in, make_tenant, raw_count, raw_rows
from tests.queues import services_on

SMALL = {"customers": 6, "invoices": 30}
# A Wednesday noon in Chicago.
BUILT_AT = Clock().now


@pytest.fixture(scope="module")
def told(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, DemoResult]]:
    """The demo as everybody gets it; only looked at."""
    path = Path(shutil.copy(migrated_file, tmp_path_factory.mktemp("demo") / "demo.db"))
    database = Database(f"sqlite:///{path}", clock=Clock())
    yield database, build_demo(database)
    database.close()


def story(db: Database) -> list[tuple[Any, ...]]:
    """Everything that people see of a demo, without the ids, which are new each time."""
    return [
        *raw_rows(db, "SELECT display_name, email, hold_kind, email_status FROM customers"),
        *raw_rows(
            db,
            "SELECT invoice_number, status, issue_date, due_date, total_amount, balance_due,"
            " sent_at, paid_at, hold_kind, external_reference_id FROM invoices ORDER BY row_id",
        ),
        *raw_rows(
            db,
            "SELECT amount, unapplied_amount, status, received_on, method, note,"
            " external_payment_id, created_at FROM payments ORDER BY row_id",
        ),
        *raw_rows(db, "SELECT description, quantity, unit_price FROM invoice_line_items"),
        *raw_rows(
            db,
            "SELECT kind, until, amount, balance_then, placed_at, ended_at, ended_as "
            "FROM invoice_holds ORDER BY row_id",
        ),
        *raw_rows(db, "SELECT kind, outcome, note, next_on, created_at FROM contact_log"),
        *sorted(raw_rows(db, "SELECT type, status, to_address, subject FROM communications")),
    ]


@pytest.fixture
def empty_files(migrated_file: Path, tmp_path: Path) -> Iterator[Any]:
    """Makes databases of their own, at any hour."""
    opened: list[Database] = []

    def make(now: datetime = BUILT_AT) -> Database:
        path = shutil.copy(migrated_file, tmp_path / f"{len(opened)}.db")
        opened.append(Database(f"sqlite:///{path}", clock=Clock(now)))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


def test_the_books_of_the_demo_are_proven(told: tuple[Database, DemoResult]):
    db, _ = told
    result = verify_books(db)
    assert result.is_proven, result.findings
    assert result.tenants == 2
    assert result.checked["invoices"] == 400
    assert raw_count(db, "customers") == 60


def test_every_state_of_an_invoice_is_there_in_both_businesses(told: tuple[Database, DemoResult]):
    db, demo = told
    for tenant in demo.tenants:
        found = raw_rows(
            db, "SELECT DISTINCT status FROM invoices WHERE tenant_id = ?", tenant.id.hex
        )
        assert {row[0] for row in found} == set(InvoiceStatus)


def test_promises_kept_and_broken_disputes_and_calls_are_there_in_both_businesses(
    told: tuple[Database, DemoResult],
):
    db, demo = told
    for tenant in demo.tenants:
        ends = raw_rows(
            db,
            "SELECT DISTINCT kind, ended_as FROM invoice_holds WHERE tenant_id = ?",
            tenant.id.hex,
        )
        assert set(ends) >= {
            ("promise", None),
            ("promise", "kept"),
            ("promise", "broken"),
            ("dispute", None),
            ("pause", None),
        }
        outcomes = raw_rows(
            db, "SELECT DISTINCT outcome FROM contact_log WHERE tenant_id = ?", tenant.id.hex
        )
        assert {row[0] for row in outcomes} == {
            "promised",
            "disputed",
            "left_message",
            "no_answer",
        }
        [in_dollars] = read(db, actor_in(tenant.id), get_aging).currencies
        assert in_dollars.totals.disputed > 0


def test_every_age_of_debt_and_some_credit_are_there_in_both_businesses(
    told: tuple[Database, DemoResult],
):
    db, demo = told
    for tenant in demo.tenants:
        [in_dollars] = read(db, actor_in(tenant.id), get_aging).currencies
        totals = in_dollars.totals
        assert totals.current > 0
        assert totals.days_1_30 > 0
        assert totals.days_31_60 > 0
        assert totals.days_61_90 > 0
        assert totals.days_over_90 > 0
        assert totals.unapplied > 0


def test_fourteen_months_end_today_and_nothing_lies_in_the_future(
    told: tuple[Database, DemoResult],
):
    db, _ = told
    now = int(BUILT_AT.timestamp() * 1_000_000)
    today = BUILT_AT.astimezone(ZoneInfo("America/Chicago")).date()
    assert raw_rows(db, "SELECT max(at) FROM audit_log")[0][0] <= now
    assert raw_rows(db, "SELECT max(sent_at) FROM communications")[0][0] <= now
    assert raw_rows(db, "SELECT max(entry_day) FROM ledger_entries") == [(str(today),)]
    [(first, last)] = raw_rows(db, "SELECT min(issue_date), max(issue_date) FROM invoices")
    assert str(today - timedelta(days=HISTORY_DAYS)) <= first < str(today - timedelta(days=400))
    assert str(today - timedelta(days=4)) <= last < str(today)


def test_what_happened_is_on_record_in_the_order_of_time(told: tuple[Database, DemoResult]):
    db, _ = told
    for table, column in (
        ("audit_log", "at"),
        ("payments", "created_at"),
        ("outbox", "created_at"),
    ):
        instants = [row[0] for row in raw_rows(db, f"SELECT {column} FROM {table} ORDER BY row_id")]
        assert instants == sorted(instants), table


def test_no_e_mail_is_called_sent_that_was_not_written_and_no_invoice_went_without_its_pdf(
    told: tuple[Database, DemoResult],
):
    db, _ = told
    sent = raw_rows(
        db,
        "SELECT type, subject, text_body, html_body, sent_at, (SELECT count(*) FROM"
        " communication_attachments a WHERE a.communication_id = c.id"
        " AND hex(substr(a.content, 1, 5)) = '255044462D')"
        " FROM communications c WHERE status = 'sent'",
    )
    assert {row[0] for row in sent} == {"invoice", "dunning", "receipt"}
    for kind, subject, text, html, sent_at, pdf_count in sent:
        assert subject, kind
        assert text, kind
        assert html, kind
        assert sent_at is not None
        assert (pdf_count == 0) is (kind == "receipt")
    begun = int((BUILT_AT - timedelta(days=EMAIL_DAYS + 1)).timestamp() * 1_000_000)
    assert raw_rows(db, "SELECT min(created_at) FROM communications")[0][0] > begun


def test_nothing_is_left_for_the_worker_but_one_dead_letter(told: tuple[Database, DemoResult]):
    db, demo = told
    assert raw_rows(db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == [(0,)]
    assert raw_rows(db, "SELECT count(*) FROM queue_messages WHERE state = 'ready'") == [(0,)]
    transport = services_on(db).transport
    assert {queue: transport.depth(queue).dead for queue in Queue} == {
        Queue.EMAIL_SEND: 0,
        Queue.DUNNING_EVALUATE: 0,
        Queue.PAYMENT_COMMANDS: 1,
        Queue.WEBHOOK_INGEST: 0,
    }
    [(tenant_id, reason, description)] = raw_rows(
        db,
        "SELECT tenant_id, dead_reason, dead_description FROM queue_messages WHERE state = 'dead'",
    )
    assert (UUID(tenant_id), reason) == (demo.tenants[0].id, "refused")
    assert description.startswith("invoice_not_open: ")


def test_money_comes_in_every_way_it_can(told: tuple[Database, DemoResult]):
    db, _ = told

    def count(where: str) -> int:
        found: int = raw_rows(db, f"SELECT count(*) FROM payments p WHERE {where}")[0][0]
        return found

    allocated = "(SELECT count(*) FROM payment_allocations a WHERE a.payment_id = p.id)"
    assert {row[0] for row in raw_rows(db, "SELECT DISTINCT method FROM payments")} == {
        "manual",
        "autopay",
        "external",
    }
    assert count("status = 'reversed'") >= 4
    assert count(f"{allocated} >= 4") >= 2
    assert count(f"unapplied_amount > 0 AND {allocated} = 0") >= 2
    assert count(f"unapplied_amount > 0 AND {allocated} = 2") >= 2
    assert count("received_on = '2026-03-04'") >= 2  # So something was paid this month.
    assert dict(
        raw_rows(
            db,
            "SELECT failure_code, count(*) FROM payment_attempts WHERE outcome = 'failed'"
            " GROUP BY 1",
        )
    ) == {"overpayment": 2, "invoice_not_open": 1}
    partly = "paid_amount > 0 AND balance_due > 0"
    open_states = raw_rows(db, f"SELECT DISTINCT status FROM invoices WHERE {partly}")
    assert {row[0] for row in open_states} == {"sent", "overdue"}


def test_the_next_reminders_and_every_reason_for_none_are_in_the_preview(
    told: tuple[Database, DemoResult],
):
    db, demo = told
    for tenant in demo.tenants:
        preview = read(db, actor_in(tenant.id), preview_run)
        assert preview.would_send
        assert {str(one.reason) for one in preview.not_chased} >= {
            "customer_excluded",
            "customer_paused",
            "disputed",
            "paused",
            "promised",
            "no_email",
            "email_bounced",
            "steps_exhausted",
        }


def test_a_broken_promise_is_named_in_the_reminders_after_it(told: tuple[Database, DemoResult]):
    db, _ = told
    letters = raw_rows(
        db,
        "SELECT status FROM communications WHERE type = 'dunning'"
        " AND text_body LIKE '%promised for%'",
    )
    assert len(letters) >= 4
    assert set(letters) == {("sent",)}


def test_the_people_and_the_key_get_in(told: tuple[Database, DemoResult]):
    db, demo = told
    identity = read(db, platform_system("test"), authenticate_api_key, demo.api_key)
    assert identity.tenant_id == demo.tenants[0].id
    emails = [demo.superadmin_email]
    for tenant in demo.tenants:
        emails += [tenant.admin_email, tenant.finance_email, tenant.support_email]
    assert all(email.endswith(".example") for email in emails)
    for number, email in enumerate(emails):
        command = SignIn(email, demo.password, f"192.0.2.{number}")
        assert sign_in(db, command, correlation_id="c").token
    roles = raw_rows(db, "SELECT role, count(*) FROM users GROUP BY role ORDER BY role")
    assert roles == [("admin", 2), ("finance", 2), ("superadmin", 1), ("support", 2)]
    assert (
        raw_rows(
            db,
            "SELECT count(*) FROM invoices WHERE tenant_id = ? AND external_source IS NOT NULL",
            demo.tenants[0].id.hex,
        )[0][0]
        > 50
    )


def test_the_demo_writes_to_nobody_real(told: tuple[Database, DemoResult]):
    db, _ = told
    addresses = raw_rows(db, "SELECT email FROM customers WHERE email IS NOT NULL")
    assert len(addresses) == 58
    assert all(address.endswith(".example") for (address,) in addresses)
    phones = raw_rows(db, "SELECT phone FROM customers")
    assert all(") 555-01" in phone for (phone,) in phones)


def test_a_seed_and_a_day_make_one_story_whatever_the_hour(empty_files: Any):
    early = datetime(2026, 3, 4, 6, 6, tzinfo=UTC)  # Six minutes of the day are over in Chicago.
    late = datetime(2026, 3, 5, 5, 59, tzinfo=UTC)
    first, second, other = empty_files(early), empty_files(late), empty_files(early)
    one, two = build_demo(first, seed=3, **SMALL), build_demo(second, seed=3, **SMALL)
    build_demo(other, seed=4, **SMALL)
    assert story(first) == story(second)
    assert story(first) != story(other)
    assert one.tenants[0].id != two.tenants[0].id
    assert one.api_key != two.api_key


@pytest.mark.parametrize(
    "day", ["2026-11-01", "2026-11-02", "2026-11-03"], ids=["Sunday", "Monday", "Tuesday"]
)
def test_a_small_demo_has_every_state_step_and_hold_too(empty_files: Any, day: str):
    # In the night before the Sunday the clocks of America go back.
    db = empty_files(datetime.fromisoformat(f"{day}T17:00:00+00:00"))
    build_demo(db, seed=5, **SMALL)

    def distinct(column: str, table: str, where: str = "1 = 1") -> set[Any]:
        sql = f"SELECT DISTINCT {column} FROM {table} WHERE {where}"
        return {row[0] for row in raw_rows(db, sql)}

    assert verify_books(db).is_proven
    assert (raw_count(db, "customers"), raw_count(db, "invoices")) == (6, 30)
    assert distinct("status", "invoices") == set(InvoiceStatus)
    assert distinct("hold_kind", "invoices") == {None, "pause", "dispute", "promise"}
    assert distinct("hold_kind", "customers") == {None, "pause", "exclude"}
    assert distinct("email_status", "customers") == {"ok", "bounced"}
    assert distinct("status", "payments") == {"succeeded", "reversed"}
    assert distinct("status", "communications") == {"sent", "failed"}
    overdue = "invoice_id IN (SELECT id FROM invoices WHERE status = 'overdue')"
    assert distinct("last_step_number", "invoice_dunning_states", overdue) == {1, 2, 3, 4}
    assert raw_rows(db, "SELECT count(*) FROM payments WHERE received_on = ?", day)[0][0] >= 2
    assert raw_rows(db, "SELECT count(*) FROM queue_messages WHERE state = 'dead'") == [(1,)]


def test_a_database_that_is_not_empty_is_left_alone(db: Database):
    make_tenant(db)
    with pytest.raises(StateConflict, match="not empty") as refused:
        build_demo(db, **SMALL)
    assert refused.value.code == "database_not_empty"
    assert raw_count(db, "tenants") == 1
    assert raw_count(db, "users") == 0
    assert seed_if_empty(services_on(db)) is None


def test_a_second_start_adds_nothing(db: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "backend.demo.service.build_demo", lambda db: build_demo(db, seed=1, **SMALL)
    )
    assert seed_if_empty(services_on(db)) is not None
    before = story(db)
    assert seed_if_empty(services_on(db)) is None
    assert story(db) == before


def test_production_is_not_seeded(db: Database):
    settings = Settings(
        _env_file=None,
        environment=Environment.PRODUCTION,
        secret_key=SecretStr("of-production-0123456789"),
    )
    services = services_on(db)
    assert seed_if_empty(Services(db, services.transport, services.mailer, settings)) is None
    assert read(db, platform_system("test"), is_empty)


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"customers": 5}, "customers"),
        ({"customers": 1_001}, "customers"),
        ({"invoices": 29}, "invoices"),
        ({"invoices": 10_001}, "invoices"),
    ],
)
def test_numbers_with_which_no_story_can_be_told_are_refused(
    db: Database, numbers: dict[str, int], field: str
):
    with pytest.raises(InvalidInput) as refused:
        build_demo(db, **numbers)
    assert [error.field for error in refused.value.errors] == [field]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the tests were started in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_who_interrupts_it_finds_the_database_empty_and_can_begin_again(db: Database):
    def interrupt_when_it_has_begun() -> None:
        # The write lock is held from its first row to its last.
        assert db.path is not None
        while True:
            other = sqlite3.connect(db.path, timeout=0)
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                break
            finally:
                other.close()
            threading.Event().wait(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_it_has_begun).start()
    with pytest.raises(KeyboardInterrupt):
        build_demo(db, customers=60, invoices=400)
    assert read(db, platform_system("test"), is_empty)
    build_demo(db, **SMALL)
    assert raw_count(db, "invoices") == 30
