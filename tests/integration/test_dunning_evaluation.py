"""The evaluation: which step each overdue invoice takes, on which day, and that none is doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.communications.models import ReturnKind
from backend.communications.returns import report_return
from backend.customers.models import CustomerHold
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning import evaluation
from backend.dunning.evaluation import Evaluation, run_evaluation
from backend.dunning.holds import HoldCustomer, HoldInvoice, hold_customer, hold_invoice
from backend.dunning.plans import (
    CreatePlan,
    StepInput,
    create_default_plan,
    create_plan,
    update_plan,
)
from backend.dunning.preview import preview_run
from backend.dunning.runs import get_run, list_runs
from backend.dunning.service import request_evaluation
from backend.errors import InvalidInput, NotAllowed
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
    raw_count,
    raw_rows,
)

DUE = date(2026, 2, 20)


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    """An Admin of a tenant with the default plan: days 0, 3, 7 and 14."""
    actor = actor_in(tenant_id)
    run(db, actor, create_default_plan)
    return actor


@pytest.fixture
def customer_id(db: Database, actor: Actor) -> UUID:
    return make_customer(db, actor, email="office@harbor.example").customer_id


@pytest.fixture
def invoice(db: Database, actor: Actor, customer_id: UUID) -> InvoiceView:
    return an_invoice(db, actor, customer_id)


def an_invoice(
    db: Database, actor: Actor, customer_id: UUID, due: date = DUE, amount: str = "100.00"
) -> InvoiceView:
    return make_invoice(
        db, actor, customer_id, amount, issue_date=due - timedelta(days=10), due_date=due
    )


def evaluate(db: Database, actor: Actor, day: date) -> Evaluation:
    return run(db, actor, run_evaluation, as_of=day)


def steps_of(db: Database, invoice: InvoiceView) -> list[tuple[int, str]]:
    return raw_rows(
        db,
        "SELECT step_number, noticed_on FROM dunning_notices WHERE invoice_id = ? ORDER BY row_id",
        invoice.invoice_id.hex,
    )


def day(number: int) -> date:
    """So many days after the due date."""
    return DUE + timedelta(days=number)


def test_each_step_goes_out_on_its_day_and_the_last_one_ends_it(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    sent = [number for number in range(30) if evaluate(db, actor, day(number)).email_count]
    assert sent == [1, 3, 7, 14]
    assert [step for step, _ in steps_of(db, invoice)] == [1, 2, 3, 4]
    [passed] = read(db, actor, preview_run, day(30)).not_chased
    assert passed.reason == "steps_exhausted"


def test_nothing_goes_out_on_the_due_day_itself(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    assert evaluate(db, actor, DUE).email_count == 0
    assert read(db, actor, preview_run, DUE).not_chased == ()


def test_after_silence_the_steps_catch_up_in_order_one_a_day(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    for number in (20, 20, 21, 22, 23, 24):
        evaluate(db, actor, day(number))
    assert steps_of(db, invoice) == [(step, day(19 + step).isoformat()) for step in (1, 2, 3, 4)]


def test_as_of_stands_for_today_in_the_once_a_day_rule_too(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    # All within the same minute of the real clock.
    for number in (5, 4, 5, 6):
        evaluate(db, actor, day(number))
    # Day 4 lies before the step of day 5, but is another day: the overdue notice was due by then.
    assert steps_of(db, invoice) == [(1, day(5).isoformat()), (2, day(4).isoformat())]


def test_without_as_of_today_is_the_tenants_calendar_day(db: Database, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)  # the 2nd in Auckland, the 1st in Honolulu
    for zone, steps in (("Pacific/Auckland", 1), ("Pacific/Honolulu", 0)):
        actor = actor_in(make_tenant(db, zone, time_zone=zone))
        run(db, actor, create_default_plan)
        payer = make_customer(db, actor, email="office@harbor.example").customer_id
        an_invoice(db, actor, payer, due=date(2026, 3, 1))
        assert run(db, actor, run_evaluation).invoice_count == steps


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # The night in which the clock jumps forward, and the one in which it falls back.
        ("America/New_York", datetime(2026, 3, 9, 3, 59, tzinfo=UTC), 1),
        ("America/New_York", datetime(2026, 11, 2, 4, 59, tzinfo=UTC), 1),
    ],
)
def test_a_day_ends_with_the_tenants_midnight_on_days_of_23_and_25_hours(
    db: Database, clock: Clock, zone: str, before: datetime, after: int
) -> None:
    clock.now = before
    actor = actor_in(make_tenant(db, zone, time_zone=zone))
    run(db, actor, create_default_plan)
    payer = make_customer(db, actor, email="office@harbor.example").customer_id
    an_invoice(db, actor, payer, due=(before - timedelta(hours=6)).date())
    assert run(db, actor, run_evaluation).invoice_count == 0
    clock.pass_time(minutes=after)
    assert run(db, actor, run_evaluation).invoice_count == 1


def test_all_invoices_of_a_customer_make_one_e_mail_named_by_the_furthest_step(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    old = an_invoice(db, actor, customer_id)
    evaluate(db, actor, day(1))
    new = an_invoice(db, actor, customer_id, due=day(2))
    result = evaluate(db, actor, day(3))
    assert (result.email_count, result.invoice_count) == (1, 2)
    assert (steps_of(db, old)[-1][0], steps_of(db, new)[-1][0]) == (2, 1)
    [mail] = raw_rows(
        db,
        "SELECT c.id, c.template_key, c.step_number, c.status, c.to_address FROM communications c"
        " JOIN dunning_runs r ON r.id = c.dunning_run_id WHERE r.as_of = ?",
        day(3).isoformat(),
    )
    assert mail[1:] == ("overdue_notice", 2, "queued", "office@harbor.example")
    linked = raw_rows(
        db, "SELECT invoice_id FROM communication_invoices WHERE communication_id = ?", mail[0]
    )
    assert {row[0] for row in linked} == {old.invoice_id.hex, new.invoice_id.hex}
    bodies = raw_rows(
        db, "SELECT body FROM outbox WHERE message_type = 'email.dunning_requested' ORDER BY row_id"
    )
    assert str(UUID(mail[0])) in bodies[-1][0]
    assert len(bodies) == 2


def test_every_customer_gets_its_own_e_mail(db: Database, actor: Actor) -> None:
    for number in range(3):
        payer = make_customer(db, actor, f"Customer {number}", email=f"c{number}@example.com")
        an_invoice(db, actor, payer.customer_id)
    assert evaluate(db, actor, day(1)).email_count == 3
    assert raw_rows(db, "SELECT count(DISTINCT to_address) FROM communications") == [(3,)]


def test_a_second_run_of_the_day_finds_nothing_left_to_do(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    assert evaluate(db, actor, day(3)).email_count == 1
    assert evaluate(db, actor, day(3)).email_count == 0
    assert raw_count(db, "communications") == raw_count(db, "dunning_notices") == 1


def test_two_processes_that_evaluate_at_once_double_nothing(
    db: Database, actor: Actor, clock: Clock, database_file: Path, invoice: InvoiceView
) -> None:
    other = Database(f"sqlite:///{database_file}", clock=clock)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(evaluate, each, actor, day(1)) for each in (db, other)]
    other.close()
    assert sorted(future.result().email_count for future in futures) == [0, 1]
    assert raw_count(db, "communications") == raw_count(db, "dunning_notices") == 1


@pytest.mark.parametrize("close", [void_invoice, cancel_invoice])
def test_a_closed_invoice_is_not_looked_at(
    db: Database, actor: Actor, invoice: InvoiceView, close: object
) -> None:
    run(db, actor, close, invoice.invoice_id, "Not our job")  # type: ignore[arg-type]
    assert evaluate(db, actor, day(5)).email_count == 0
    assert read(db, actor, preview_run, day(5)).not_chased == ()


def test_payment_ends_it_and_a_reversal_resumes_with_the_next_step(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    evaluate(db, actor, day(1))
    payment = pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    assert evaluate(db, actor, day(4)).email_count == 0
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    assert evaluate(db, actor, day(5)).email_count == 1
    assert [step for step, _ in steps_of(db, invoice)] == [1, 2]


def test_a_part_payment_does_not_end_it(db: Database, actor: Actor, invoice: InvoiceView) -> None:
    pay(db, actor, "60.00", invoice_id=invoice.invoice_id)
    assert evaluate(db, actor, day(1)).email_count == 1


def test_drafts_and_invoices_not_yet_due_are_left_alone(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    make_draft(db, actor, customer_id, issue_date=DUE - timedelta(days=9), due_date=DUE)
    an_invoice(db, actor, customer_id, due=day(40))
    assert evaluate(db, actor, day(10)).email_count == 0


def test_an_explicit_run_chases_what_the_sweep_has_not_marked_yet(
    db: Database, actor: Actor, clock: Clock, invoice: InvoiceView
) -> None:
    assert invoice.status == "sent"
    assert run(db, actor, run_evaluation).email_count == 1
    assert invoice_now(db, actor, invoice.invoice_id).status == "overdue"


def test_a_look_ahead_chases_without_calling_the_invoice_overdue(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    later = an_invoice(db, actor, customer_id, due=date(2026, 5, 1))
    assert evaluate(db, actor, date(2026, 5, 2)).email_count == 1
    assert invoice_now(db, actor, later.invoice_id).status == "sent"


@pytest.mark.parametrize(
    ("hold", "reason"),
    [
        (HoldInvoice(InvoiceHold.PAUSE, until=day(6)), "paused"),
        (HoldInvoice(InvoiceHold.DISPUTE, until=day(6), reason="Leaks"), "disputed"),
        (HoldInvoice(InvoiceHold.PROMISE, until=day(6)), "promised"),
    ],
)
def test_a_hold_stands_through_its_last_day_and_chasing_then_resumes(
    db: Database, actor: Actor, invoice: InvoiceView, hold: HoldInvoice, reason: str
) -> None:
    run(db, actor, hold_invoice, invoice.invoice_id, hold)
    assert evaluate(db, actor, day(6)).email_count == 0
    [passed] = read(db, actor, preview_run, day(6)).not_chased
    assert (passed.reason, passed.until) == (reason, day(6))
    assert evaluate(db, actor, day(7)).email_count == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(CustomerHold.PAUSE, "customer_paused"), (CustomerHold.EXCLUDE, "customer_excluded")],
)
def test_a_held_customer_is_not_chased_for_any_invoice(
    db: Database, actor: Actor, invoice: InvoiceView, kind: CustomerHold, reason: str
) -> None:
    run(db, actor, hold_customer, invoice.customer_id, HoldCustomer(kind))
    assert evaluate(db, actor, day(900)).email_count == 0
    [passed] = read(db, actor, preview_run, day(900)).not_chased
    assert (passed.reason, passed.until) == (reason, None)


def test_customers_who_cannot_be_reached_are_named_with_the_reason(
    db: Database, actor: Actor
) -> None:
    silent = make_customer(db, actor, "Silent").customer_id
    bounced = make_customer(db, actor, "Bounced", email="gone@example.com").customer_id
    an_invoice(db, actor, silent)
    an_invoice(db, actor, bounced)
    report = (None, "gone@example.com", ReturnKind.BOUNCED, "550 No such user", "mail server")
    run(db, actor, report_return, *report)
    assert evaluate(db, actor, day(1)).email_count == 0
    found = read(db, actor, preview_run, day(1)).not_chased
    assert {(one.customer_name, one.reason) for one in found} == {
        ("Silent", "no_email"),
        ("Bounced", "email_bounced"),
    }


def test_a_customers_own_plan_goes_before_the_default_one(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    own = run(db, actor, create_plan, CreatePlan("Late", [StepInput(10, "last_call")]))
    run(db, actor, update_customer, invoice.customer_id, {"dunning_plan_id": own.dunning_plan_id})
    [passed] = read(db, actor, preview_run, day(9)).not_chased
    assert (passed.reason, passed.next_step_on) == ("next_step_not_due", day(10))
    assert [evaluate(db, actor, day(number)).email_count for number in (9, 10, 11)] == [0, 1, 0]


def test_a_plan_switched_off_chases_nobody(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    own = run(db, actor, create_plan, CreatePlan("Late", [StepInput(0, "last_call")]))
    run(db, actor, update_customer, invoice.customer_id, {"dunning_plan_id": own.dunning_plan_id})
    run(db, actor, update_plan, own.dunning_plan_id, {"is_active": False})
    assert evaluate(db, actor, day(9)).email_count == 0
    [passed] = read(db, actor, preview_run, day(9)).not_chased
    assert passed.reason == "no_active_plan"


def test_steps_added_to_a_plan_wake_an_exhausted_invoice_and_none_is_sent_again(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    short = [StepInput(0, "friendly_reminder")]
    plan = run(db, actor, create_plan, CreatePlan("Short", short, is_default=True))
    for number in (1, 2, 3):
        evaluate(db, actor, day(number))
    longer = [*short, StepInput(2, "last_call")]
    run(db, actor, update_plan, plan.dunning_plan_id, {"steps": longer})
    for number in (4, 5):
        evaluate(db, actor, day(number))
    assert [step for step, _ in steps_of(db, invoice)] == [1, 2]


def test_the_scheduled_run_keeps_to_the_window_and_the_explicit_one_does_not(
    db: Database, actor: Actor, clock: Clock, invoice: InvoiceView
) -> None:
    clock.now = datetime(2026, 3, 7, 18, 0, tzinfo=UTC)  # a Saturday
    closed = run(db, actor, run_evaluation, scheduled=True)
    assert (closed.is_window_closed, closed.email_count) == (True, 0)
    assert raw_count(db, "dunning_runs") == 0
    assert run(db, actor, run_evaluation).email_count == 1


def test_a_long_run_goes_on_in_further_messages_and_splits_no_customer(
    db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "INVOICES_PER_STRETCH", 3)
    for number in range(4):
        payer = make_customer(db, actor, f"Customer {number}", email=f"c{number}@example.com")
        for _ in range(2):
            an_invoice(db, actor, payer.customer_id)
    first = evaluate(db, actor, day(1))
    assert (first.email_count, first.invoice_count) == (2, 4)
    assert first.goes_on is not None
    [(body,)] = raw_rows(db, "SELECT body FROM outbox WHERE message_type = 'dunning.evaluate'")
    assert f'"as_of":"{day(1)}"' in body
    assert f'"after_customer_id":"{first.goes_on.after_customer}"' in body
    assert read(db, actor, get_run, first.goes_on.run_id).finished_at is None
    second = run(db, actor, run_evaluation, as_of=day(1), go_on=first.goes_on)
    assert (second.email_count, second.goes_on) == (2, None)
    assert raw_count(db, "dunning_notices") == 8
    [done] = read(db, actor, list_runs).items
    assert (done.email_count, done.invoice_count, done.overdue_count) == (4, 8, 8)
    assert done.finished_at is not None
    [(told,)] = raw_rows(db, "SELECT data FROM audit_log WHERE action = 'dunning.evaluated'")
    assert '"email_count":4,"invoice_count":8' in told


def test_one_audit_row_for_each_e_mail_names_every_step(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    numbers = [an_invoice(db, actor, customer_id).invoice_number for _ in range(2)]
    evaluate(db, actor, day(1))
    [row] = raw_rows(db, "SELECT data FROM audit_log WHERE action = 'dunning.notice_queued'")
    for number in numbers:
        assert f'"{number}":1' in row[0]
    [run_row] = raw_rows(db, "SELECT data FROM audit_log WHERE action = 'dunning.evaluated'")
    assert '"email_count":1,"invoice_count":2' in run_row[0]


def test_tenants_do_not_chase_each_others_invoices(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    stranger = actor_in(make_tenant(db, "Cool Air"))
    run(db, stranger, create_default_plan)
    assert evaluate(db, stranger, day(5)).email_count == 0
    assert read(db, stranger, preview_run, day(5)).not_chased == ()
    assert read(db, actor, preview_run, day(5)).would_send != ()


def test_asking_for_a_run_queues_it_and_needs_the_role(db: Database, actor: Actor) -> None:
    run(db, actor, request_evaluation, as_of=day(3))
    [(body,)] = raw_rows(db, "SELECT body FROM outbox WHERE queue = 'dunning-evaluate'")
    assert '"as_of":"2026-02-23","scheduled":false' in body
    with pytest.raises(InvalidInput):
        run(db, actor, request_evaluation, as_of=date(1900, 1, 1))
    with pytest.raises(InvalidInput):
        read(db, actor, preview_run, date(1900, 1, 1))
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    with pytest.raises(NotAllowed):
        run(db, support, request_evaluation)
    with pytest.raises(NotAllowed):
        run(db, support, run_evaluation)
    read(db, support, preview_run)
