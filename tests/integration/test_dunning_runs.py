"""Runs: the gap between reminders, what is counted and why, stretches, and when the next one is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.mailer import Mailer
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning import evaluation, letters
from backend.dunning.evaluation import Evaluation, run_evaluation
from backend.dunning.holds import HoldInvoice, hold_invoice
from backend.dunning.plans import CreatePlan, StepInput, create_default_plan, create_plan
from backend.dunning.preview import preview_run
from backend.dunning.progress import list_progress
from backend.dunning.runs import RunView, get_run, list_runs, next_run
from backend.errors import InvalidInput, NotFound
from backend.ids import new_id
from backend.invoices.models import InvoiceHold
from backend.messaging.contracts import EvaluateDunning
from backend.messaging.envelope import Envelope, read_envelope, read_message
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer, envelopes, handle, services_with
from tests.factories import (
    Clock,
    actor_in,
    make_customer,
    make_invoice,
    pay,
    raw_count,
    raw_rows,
)
from worker.handlers.dunning import evaluate as handle_evaluation
from worker.scheduler import Scheduler

TODAY = date(2026, 3, 4)


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    """An Admin of a tenant with the default plan (days 0, 3, 7, 14) and a gap of three days."""
    actor = actor_in(tenant_id)
    run(db, actor, create_default_plan)
    return actor


def a_customer(db: Database, actor: Actor, name: str = "Harbor") -> UUID:
    return make_customer(db, actor, name, email=f"{name.lower()}@example.com").customer_id


def an_overdue(
    db: Database, actor: Actor, customer_id: UUID, days: int = 1, amount: str = "100.00"
) -> UUID:
    due = TODAY - timedelta(days=days)
    return make_invoice(db, actor, customer_id, amount, issue_date=due, due_date=due).invoice_id


def evaluate(
    db: Database, actor: Actor, day: date = TODAY, *, keep_gap: bool = False
) -> Evaluation:
    return run(db, actor, run_evaluation, as_of=day, keep_gap=keep_gap)


def later(days: int) -> date:
    return TODAY + timedelta(days=days)


def newest(db: Database, actor: Actor) -> RunView:
    return read(db, actor, list_runs, limit=1).items[0]


def test_a_run_that_keeps_the_gap_passes_over_who_had_a_reminder_less_than_so_many_days_ago(
    db: Database, actor: Actor
) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer)
    evaluate(db, actor)
    fresh = an_overdue(db, actor, payer)
    for days in (0, 1, 2):
        assert evaluate(db, actor, later(days), keep_gap=True).email_count == 0
        found = read(db, actor, preview_run, later(days), keep_gap=True).not_chased
        [passed] = [one for one in found if one.invoice_id == fresh]
        assert (passed.reason, passed.reminded_on) == ("customer_reminded_lately", TODAY)
    # On either side: a reminder of a day to come is as near.
    assert evaluate(db, actor, later(-2), keep_gap=True).email_count == 0
    assert evaluate(db, actor, later(3), keep_gap=True).invoice_count == 2


def test_a_run_asked_for_goes_ahead_and_its_preview_names_the_reminder(
    db: Database, actor: Actor
) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer)
    evaluate(db, actor)
    an_overdue(db, actor, payer)
    [planned] = read(db, actor, preview_run, later(1)).would_send
    assert planned.last_reminded_on == TODAY
    assert evaluate(db, actor, later(1)).email_count == 1


def test_a_gap_of_no_days_holds_nobody_back_and_the_schedule_keeps_it_unasked(
    db: Database, actor: Actor
) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer)
    evaluate(db, actor)
    an_overdue(db, actor, payer)
    assert run(db, actor, run_evaluation, scheduled=True).email_count == 0
    assert newest(db, actor).keeps_gap
    run(db, actor, update_tenant, UpdateTenant(reminder_gap_days=0))
    assert run(db, actor, run_evaluation, scheduled=True).email_count == 1


def test_a_reminder_that_failed_and_a_receipt_hold_nobody_back(db: Database, actor: Actor) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer)
    evaluate(db, actor)
    mailer: Mailer = RecordingMailer()
    run(db, actor, update_customer, payer, {"email": None})
    for envelope in envelopes(db):
        handle(db, mailer, envelope)
    run(db, actor, update_customer, payer, {"email": "harbor@example.com"})
    pay(db, actor, "1.00", customer_id=payer)
    assert evaluate(db, actor, keep_gap=True).email_count == 1


def test_a_scheduled_run_named_for_another_day_does_nothing(db: Database, actor: Actor) -> None:
    an_overdue(db, actor, a_customer(db, actor))
    late = run(db, actor, run_evaluation, as_of=later(-1), scheduled=True)
    assert (late.is_window_closed, raw_count(db, "dunning_runs")) == (True, 0)


def test_a_holiday_of_the_tenants_calendar_keeps_the_window_closed(
    db: Database, actor: Actor, clock: Clock
) -> None:
    an_overdue(db, actor, a_customer(db, actor))
    clock.now = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
    run(db, actor, update_tenant, UpdateTenant(holiday_calendar="US"))
    assert run(db, actor, run_evaluation, scheduled=True).is_window_closed
    scheduler = Scheduler(services_with(db, RecordingMailer()), Event())
    assert scheduler.start_dunning() == 0
    clock.pass_time(days=1)
    assert scheduler.start_dunning() == 1


def test_a_complaint_ends_mail_to_the_address(db: Database, actor: Actor) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer)
    driver = db.connect().driver
    driver.execute("UPDATE customers SET email_status = 'complained'")
    driver.close()
    assert dict(evaluate(db, actor).skipped) == {"email_complained": 1}


def test_a_run_counts_what_it_looked_at_queued_and_passed_over(db: Database, actor: Actor) -> None:
    payer, other = a_customer(db, actor), a_customer(db, actor, "Hilltop")
    for _ in range(3):
        an_overdue(db, actor, payer)
    for kind in (InvoiceHold.PAUSE, InvoiceHold.PAUSE, InvoiceHold.DISPUTE):
        hold = HoldInvoice(kind, reason="Leaks")
        run(db, actor, hold_invoice, an_overdue(db, actor, other), hold)
    an_overdue(db, actor, other)
    done = evaluate(db, actor)
    [view] = read(db, actor, list_runs).items
    assert view == read(db, actor, get_run, view.dunning_run_id)
    assert (view.as_of, view.is_scheduled, view.keeps_gap) == (TODAY, False, False)
    assert (view.email_count, view.invoice_count, view.overdue_count) == (2, 4, 7)
    assert [(skip.reason, skip.invoice_count) for skip in view.skipped] == [
        ("paused", 2),
        ("disputed", 1),
    ]
    assert view.started_at == view.finished_at is not None
    assert done.run_id == view.dunning_run_id
    found = read(db, actor, preview_run, later(1))
    counts = Counter(one.reason.value for one in found.not_chased)
    evaluate(db, actor, later(1))
    assert dict(counts) == {s.reason: s.invoice_count for s in newest(db, actor).skipped}


def test_runs_are_listed_newest_first_page_by_page(db: Database, actor: Actor) -> None:
    for days in range(3):
        evaluate(db, actor, later(days))
    first = read(db, actor, list_runs, limit=2)
    assert [one.as_of for one in first.items] == [later(2), later(1)]
    rest = read(db, actor, list_runs, limit=2, cursor=first.next_cursor)
    assert ([one.as_of for one in rest.items], rest.next_cursor) == ([TODAY], None)
    with pytest.raises(InvalidInput):
        read(db, actor, list_runs, cursor="x")
    with pytest.raises(NotFound):
        read(db, actor, get_run, new_id())


def messages(db: Database) -> Iterator[Envelope]:
    """Each message of the evaluation's queue, those that come of the ones before too."""
    seen = 0
    while True:
        sql = "SELECT body FROM outbox WHERE queue = 'dunning-evaluate' ORDER BY row_id"
        rows = raw_rows(db, sql)[seen:]
        if not rows:
            return
        for (body,) in rows:
            seen += 1
            yield read_envelope(body.encode())


def deliver(db: Database, actor: Actor, envelope: Envelope) -> None:
    message = read_message(envelope)
    assert isinstance(message, EvaluateDunning)
    handle_evaluation(services_with(db, RecordingMailer()), actor, envelope, message)


def test_a_long_run_delivered_twice_to_two_workers_counts_everything_once(
    db: Database,
    actor: Actor,
    clock: Clock,
    database_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "INVOICES_PER_STRETCH", 3)
    for number in range(5):
        payer = a_customer(db, actor, f"Customer{number}")
        for _ in range(number + 1):
            an_overdue(db, actor, payer)
        paused = an_overdue(db, actor, payer)
        run(db, actor, hold_invoice, paused, HoldInvoice(InvoiceHold.PAUSE))
    run(db, actor, lambda work: work.send(EvaluateDunning(as_of=TODAY)))
    other = Database(f"sqlite:///{database_file}", clock=clock)
    with ThreadPoolExecutor(4) as pool:
        for envelope in messages(db):
            pending = [pool.submit(deliver, one, actor, envelope) for one in (db, other) * 2]
            for future in pending:
                future.result()
    other.close()
    assert len(list(messages(db))) > 2
    [view] = read(db, actor, list_runs).items
    assert (view.email_count, view.invoice_count, view.overdue_count) == (5, 15, 20)
    assert [(one.reason, one.invoice_count) for one in view.skipped] == [("paused", 5)]
    assert view.finished_at is not None
    assert raw_count(db, "dunning_notices") == raw_count(db, "invoice_dunning_states") == 15


def test_a_scheduled_run_whose_window_closes_on_the_way_ends_with_what_it_did(
    db: Database, actor: Actor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "INVOICES_PER_STRETCH", 1)
    for name in ("First", "Second"):
        an_overdue(db, actor, a_customer(db, actor, name))
    first = run(db, actor, run_evaluation, scheduled=True)
    clock.pass_time(hours=6)
    closed = run(db, actor, run_evaluation, as_of=TODAY, scheduled=True, go_on=first.goes_on)
    assert (closed.is_window_closed, closed.goes_on) == (True, None)
    view = newest(db, actor)
    assert (view.email_count, view.overdue_count, view.finished_at) == (1, 1, clock.now)


def test_ten_thousand_overdue_invoices_of_one_customer_make_one_e_mail(
    db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "ENCLOSURES_MAX", 1)  # Each takes a while to draw.
    payer = a_customer(db, actor)
    only = an_overdue(db, actor, payer)
    names = [name for (_, name, *_) in raw_rows(db, "PRAGMA table_info(invoices)")]
    copied = {
        "row_id": "NULL",
        "id": "lower(hex(randomblob(16)))",
        "invoice_number": "'INV-1' || printf('%05d', i)",
    }
    driver = db.connect().driver
    driver.execute(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
        f"INSERT INTO invoices ({', '.join(names)}) "
        f"SELECT {', '.join(copied.get(name, name) for name in names)} FROM n, invoices "
        "WHERE id = ?",
        (only.hex,),
    )
    driver.close()
    done = evaluate(db, actor)
    assert (done.email_count, done.invoice_count, done.goes_on) == (1, 10_000, None)
    [(told,)] = raw_rows(db, "SELECT data FROM audit_log WHERE action = 'dunning.notice_queued'")
    assert '"invoice_count":10000' in told
    assert len(told) < 20_000
    mailer = RecordingMailer()
    handle(db, mailer, envelopes(db)[-1])
    [email] = mailer.taken
    assert "and 9950 more" in email.text_body
    assert "Total due: $1,000,000.00" in email.text_body
    assert len(email.text_body) < 10_000
    assert evaluate(db, actor, keep_gap=True).email_count == 0


def test_the_next_run_is_at_the_next_opening_that_has_had_none(
    db: Database, actor: Actor, clock: Clock
) -> None:
    due_now = read(db, actor, next_run)
    assert (due_now.at, due_now.day) == (clock.now, TODAY)
    scheduler = Scheduler(services_with(db, RecordingMailer()), Event())
    assert scheduler.start_dunning() == 1
    tomorrow = read(db, actor, next_run)
    assert (tomorrow.at, tomorrow.day) == (datetime(2026, 3, 5, 14, 0, tzinfo=UTC), later(1))


def test_progress_tells_how_many_and_how_much_stands_at_each_step(
    db: Database, actor: Actor
) -> None:
    payer = a_customer(db, actor)
    an_overdue(db, actor, payer, days=3, amount="10.00")
    evaluate(db, actor, later(-2))
    evaluate(db, actor)
    an_overdue(db, actor, payer, amount="20.00")
    evaluate(db, actor)
    for amount in ("30.00", "40.00"):
        an_overdue(db, actor, payer, amount=amount)
    own = run(db, actor, create_plan, CreatePlan("Gentle", [StepInput(30, "last_call")]))
    gentle = a_customer(db, actor, "Gentle")
    run(db, actor, update_customer, gentle, {"dunning_plan_id": own.dunning_plan_id})
    an_overdue(db, actor, gentle, amount="50.00")
    make_invoice(db, actor, payer, "60.00")
    found = [
        (one.plan_name, one.step_number, one.days_after_due, one.template_key, one.invoice_count)
        for one in read(db, actor, list_progress)
    ]
    assert found == [
        ("Gentle", None, None, None, 1),
        ("Standard", None, None, None, 2),
        ("Standard", 1, 0, "friendly_reminder", 1),
        ("Standard", 2, 3, "overdue_notice", 1),
    ]
    assert [one.amounts for one in read(db, actor, list_progress)] == [
        (("USD", Decimal(amount)),) for amount in ("50.00", "70.00", "20.00", "10.00")
    ]
