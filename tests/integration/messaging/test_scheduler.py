"""By the clock: overdue at each tenant's midnight, dunning once a day, the clean-up."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest

from backend.actor import Actor, platform_system
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.dunning.holds import HoldInvoice, hold_invoice
from backend.idempotency import claim_message
from backend.identity.sessions import start_session
from backend.identity.throttle import count_attempt
from backend.identity.users import CreateUser, create_user
from backend.invoices.models import InvoiceHold
from backend.messaging.contracts import EvaluateDunning
from backend.scheduling import start_once
from backend.tenants.service import UpdateTenant, deactivate_tenant, update_tenant
from backend.unit_of_work import UnitOfWork, run
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    raw_count,
    raw_rows,
)
from tests.queues import another_process, real_message, services_on
from worker.handlers.table import HANDLERS
from worker.process import Worker
from worker.scheduler import Scheduler


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


@pytest.fixture
def scheduler(services: Services) -> Scheduler:
    return Scheduler(services, threading.Event())


def evaluations(db: Database) -> int:
    return raw_rows(db, "SELECT count(*) FROM outbox WHERE message_type = 'dunning.evaluate'")[0][0]


def local(day: str, time_of_day: str, offset_hours: int) -> datetime:
    """An instant as a wall clock shows it."""
    return datetime.fromisoformat(f"{day}T{time_of_day}:00+00:00") - timedelta(hours=offset_hours)


def test_promises_are_settled_for_every_tenant_and_once(
    db: Database, scheduler: Scheduler, clock: Clock
):
    for name in ("Ridge Roofing", "Cool Air"):
        actor = actor_in(make_tenant(db, name))
        invoice = make_invoice(db, actor, make_customer(db, actor).customer_id)
        promise = HoldInvoice(InvoiceHold.PROMISE, clock.now.date())
        run(db, actor, hold_invoice, invoice.invoice_id, promise)
    assert scheduler.settle() == 0
    clock.pass_time(days=1)
    assert [scheduler.settle(), scheduler.settle()] == [2, 0]


def test_an_invoice_falls_overdue_at_midnight_where_its_tenant_lives(
    db: Database, scheduler: Scheduler, clock: Clock
):
    invoices = {}
    for zone in ("Pacific/Auckland", "America/Chicago", "Pacific/Honolulu"):
        actor = actor_in(make_tenant(db, zone, time_zone=zone))
        customer = make_customer(db, actor)
        due = date(2026, 3, 6)
        invoice = make_invoice(db, actor, customer.customer_id, due_date=due)
        invoices[zone] = (actor, invoice.invoice_id)

    def overdue() -> set[str]:
        scheduler.sweep()
        return {
            zone
            for zone, (actor, invoice_id) in invoices.items()
            if invoice_now(db, actor, invoice_id).status == "overdue"
        }

    clock.now = local("2026-03-06", "23:59", 13)
    assert overdue() == set()
    clock.now = local("2026-03-07", "00:00", 13)
    assert overdue() == {"Pacific/Auckland"}
    clock.now = local("2026-03-06", "23:59", -6)
    assert overdue() == {"Pacific/Auckland"}
    clock.now = local("2026-03-07", "00:00", -6)
    assert overdue() == {"Pacific/Auckland", "America/Chicago"}
    clock.now = local("2026-03-07", "00:00", -10)
    assert overdue() == set(invoices)


def test_sweeping_again_marks_and_audits_nothing_twice(
    db: Database, services: Services, scheduler: Scheduler, actor: Actor, clock: Clock
):
    customer = make_customer(db, actor)
    make_invoice(db, actor, customer.customer_id, due_date=date(2026, 3, 5))
    clock.pass_time(days=3)

    assert scheduler.sweep() == 1
    with another_process(db) as others:
        assert Scheduler(others, threading.Event()).sweep() == 0
    assert scheduler.sweep() == 0
    assert raw_rows(db, "SELECT count(*) FROM audit_log WHERE action = 'invoice.fell_overdue'") == [
        (1,)
    ]


def test_once_begins_with_the_overdue_sweep(
    db: Database, services: Services, actor: Actor, clock: Clock
):
    customer = make_customer(db, actor)
    invoice = make_invoice(db, actor, customer.customer_id, due_date=date(2026, 3, 5))
    clock.pass_time(days=3)

    Worker(services, HANDLERS).run_once()

    assert invoice_now(db, actor, invoice.invoice_id).status == "overdue"


def test_dunning_starts_once_a_day_inside_the_sending_window(
    db: Database, scheduler: Scheduler, actor: Actor, clock: Clock
):
    started = []
    clock.now = local("2026-03-05", "00:00", -6)  # A Thursday; the window is Mon-Fri 8 to 18.
    for _ in range(4 * 24 * 4):
        if scheduler.start_dunning():
            started.append(clock.now)
        clock.pass_time(minutes=15)

    assert started == [local("2026-03-05", "08:00", -6), local("2026-03-06", "08:00", -6)]
    assert evaluations(db) == 2


def test_dunning_that_was_missed_in_the_morning_starts_later_the_same_day(
    db: Database, scheduler: Scheduler, actor: Actor, clock: Clock
):
    clock.now = local("2026-03-05", "17:59", -6)
    assert scheduler.start_dunning() == 1
    clock.now = local("2026-03-06", "18:00", -6)
    assert scheduler.start_dunning() == 0, "too late: the next business day catches up"


def test_two_workers_start_a_tenants_dunning_once(db: Database, scheduler: Scheduler, actor: Actor):
    with another_process(db) as others:
        schedulers = [scheduler, Scheduler(others, threading.Event())] * 2
        threads = [threading.Thread(target=one.start_dunning) for one in schedulers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert evaluations(db) == 1


def test_the_run_and_its_message_are_there_together_or_not_at_all(db: Database, actor: Actor):
    def breaks(work: UnitOfWork) -> None:
        assert start_once(work, "dunning", work.today)
        work.send(EvaluateDunning(scheduled=True))
        raise LookupError

    with pytest.raises(LookupError):
        run(db, actor, breaks)

    assert (evaluations(db), raw_count(db, "scheduled_runs")) == (0, 0)
    assert run(db, actor, lambda work: start_once(work, "dunning", work.today))
    assert not run(db, actor, lambda work: start_once(work, "dunning", work.today))


def test_each_tenant_keeps_its_own_window_and_an_inactive_one_is_left_alone(
    db: Database, scheduler: Scheduler, clock: Clock
):
    early = make_tenant(db, "Early", time_zone="Europe/Berlin")
    weekend = make_tenant(db, "Weekend", time_zone="Europe/Berlin")
    closed = make_tenant(db, "Closed", time_zone="Europe/Berlin")
    settings = UpdateTenant(sending_from_minute=600, sending_weekdays="0000011")
    run(db, actor_in(weekend), update_tenant, settings)
    run(db, platform_system(), deactivate_tenant, closed)

    def started_for() -> list[UUID]:
        before = raw_count(db, "outbox")
        scheduler.start_dunning()
        rows = raw_rows(db, "SELECT tenant_id FROM outbox ORDER BY row_id")
        return [UUID(tenant_id) for (tenant_id,) in rows[before:]]

    clock.now = local("2026-03-06", "09:00", 1)  # A Friday.
    assert started_for() == [early]
    clock.now = local("2026-03-07", "09:59", 1)
    assert started_for() == []
    clock.now = local("2026-03-07", "10:00", 1)
    assert started_for() == [weekend]


@pytest.mark.parametrize(
    ("day", "offsets"),
    [
        ("2026-03-08", [(-6, "00:30"), (-5, "03:30"), (-5, "07:59"), (-5, "08:00")]),
        ("2026-11-01", [(-5, "01:30"), (-6, "01:30"), (-6, "07:59"), (-6, "08:00")]),
    ],
)
def test_on_the_days_the_clocks_change_dunning_starts_once_by_the_wall_clock(
    db: Database,
    scheduler: Scheduler,
    actor: Actor,
    clock: Clock,
    day: str,
    offsets: list[tuple[int, str]],
):
    run(db, actor, update_tenant, UpdateTenant(sending_weekdays="1111111"))
    started = []
    for offset, time_of_day in offsets:
        clock.now = local(day, time_of_day, offset)
        started.append(scheduler.start_dunning())
    clock.pass_time(hours=5)

    assert [*started, scheduler.start_dunning()] == [0, 0, 0, 1, 0]


def test_a_clock_set_back_starts_no_day_twice(
    db: Database, services: Services, scheduler: Scheduler, actor: Actor, clock: Clock
):
    clock.now = local("2026-03-05", "09:00", -6)
    assert scheduler.start_dunning() == 1
    clock.now = local("2026-03-06", "09:00", -6)
    assert scheduler.start_dunning() == 1

    clock.now = local("2026-03-05", "10:00", -6)
    assert scheduler.start_dunning() == 0
    restarted = Scheduler(services, threading.Event())
    assert restarted.start_dunning() == 0
    clock.now = local("2026-03-09", "09:00", -6)
    assert restarted.start_dunning() == 1, "and the days after are not lost"


def test_the_daily_evaluation_is_handled_by_the_worker(
    db: Database, services: Services, scheduler: Scheduler, actor: Actor
):
    assert scheduler.start_dunning() == 1
    Worker(services, HANDLERS).run_once()

    assert raw_rows(db, "SELECT is_scheduled, as_of FROM dunning_runs") == [(1, "2026-03-04")]


def test_an_evaluation_delivered_twice_runs_once(db: Database, services: Services, actor: Actor):
    first = real_message(actor.tenant_id, EvaluateDunning())
    services.transport.send([first])
    Worker(services, HANDLERS).run_once()
    services.transport.send(
        [type(first)(first.queue, "another id of the broker", first.body, first.available_at)]
    )
    Worker(services, HANDLERS).run_once()

    assert raw_count(db, "dunning_runs") == 1


def test_the_clean_up_forgets_what_has_expired_and_nothing_else(
    db: Database, services: Services, scheduler: Scheduler, actor: Actor, clock: Clock
):
    user_id = run(
        db,
        platform_system(),
        create_user,
        CreateUser("ann@ridge.example", actor.role, actor.tenant_id, "no password has this hash"),
    )

    def leave_traces(work: UnitOfWork, number: int) -> None:
        start_session(work, user_id, address="192.0.2.1", user_agent="test")
        count_attempt(work, email=f"bob{number}@ridge.example", address="192.0.2.1")

    def fill(number: int) -> None:
        run(db, platform_system(), leave_traces, number)
        run(db, actor, claim_message, "test", f"m-{number}")
        services.transport.send([real_message(actor.tenant_id, EvaluateDunning())])
        Worker(services, HANDLERS).run_once()

    tables = ("user_sessions", "sign_in_failures", "queue_messages")
    fill(1)
    clock.pass_time(days=60)
    fill(2)
    assert [raw_count(db, table) for table in tables] == [2, 2, 2]
    keys = raw_count(db, "idempotency_keys")

    scheduler.clean_up()

    assert [raw_count(db, table) for table in tables] == [1, 1, 1]
    assert raw_count(db, "idempotency_keys") == keys / 2
    scheduler.clean_up()
    assert [raw_count(db, table) for table in tables] == [1, 1, 1]


def test_a_scheduler_told_to_stop_ends_its_wait(services: Services):
    stop = threading.Event()
    scheduler = Scheduler(services, stop)
    thread = threading.Thread(target=scheduler.step)
    thread.start()
    stop.set()
    thread.join(20)

    assert not thread.is_alive()
