"""Reminders: what was true at the evaluation is looked at again just before the e-mail leaves."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.mailer import AddressRefused, MailerUnavailable
from backend.communications.models import CommunicationStatus, CommunicationType
from backend.communications.queries import (
    CommunicationFilter,
    CommunicationView,
    list_communications,
)
from backend.communications.service import send_again
from backend.customers.models import CustomerHold
from backend.customers.queries import CustomerView
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning.evaluation import Evaluation, run_evaluation
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    release_customer,
    release_invoice,
)
from backend.dunning.letters import ENCLOSURES_MAX
from backend.dunning.plans import CreatePlan, StepInput, create_default_plan, create_plan
from backend.errors import Busy
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.invoices.service import void_invoice
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer, envelopes, handle, handle_all, text_of
from tests.factories import Clock, actor_in, make_customer, make_invoice, pay, raw_count, raw_rows


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    """An Admin of a tenant with the default plan: day 0, 3, 7, 14."""
    admin = actor_in(tenant_id)
    run(db, admin, create_default_plan)
    return admin


@pytest.fixture
def payer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor, "Harbor Dental Group", email="ap@harbor.example")


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
def today(clock: Clock) -> date:
    return clock.now.date()


def an_overdue(
    db: Database, actor: Actor, payer: CustomerView, today: date, days: int = 1, amount: str = "100"
) -> InvoiceView:
    due = today - timedelta(days=days)
    return make_invoice(
        db, actor, payer.customer_id, amount, issue_date=due - timedelta(days=30), due_date=due
    )


def evaluate(db: Database, actor: Actor, as_of: date | None = None) -> Evaluation:
    return run(db, actor, run_evaluation, as_of=as_of)


def reminders(db: Database, actor: Actor) -> list[CommunicationView]:
    narrowed = CommunicationFilter(type=CommunicationType.DUNNING)
    return read(db, actor, list_communications, narrowed).items


def test_one_e_mail_for_all_overdue_invoices_of_a_customer_with_their_pdfs(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    first = an_overdue(db, actor, payer, today, days=2, amount="100.00")
    second = an_overdue(db, actor, payer, today, days=1, amount="250.50")
    handle_all(db, mailer)
    mailer.taken.clear()
    evaluate(db, actor)
    handle_all(db, mailer)
    [email] = mailer.taken
    assert email.subject == "A reminder from Ridge Roofing: 2 invoices are due"
    assert f"- {first.invoice_number}: $100.00" in email.text_body
    assert "(2 days ago)" in email.text_body
    assert "Total due: $350.50" in email.text_body
    assert [attached.filename for attached in email.attachments] == [
        f"{first.invoice_number}.pdf",
        f"{second.invoice_number}.pdf",
    ]
    assert "$250.50" in text_of(email.attachments[1].content)
    [view] = reminders(db, actor)
    assert view.status is CommunicationStatus.SENT
    assert view.step_number == 1
    assert set(view.invoice_ids) == {first.invoice_id, second.invoice_id}


def test_an_invoice_paid_after_the_evaluation_is_left_out(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    paid = an_overdue(db, actor, payer, today, days=2)
    still_open = an_overdue(db, actor, payer, today, days=1)
    evaluate(db, actor)
    pay(db, actor, "100.00", invoice_id=paid.invoice_id)
    handle_all(db, mailer)
    [email] = [e for e in mailer.taken if e.subject.startswith("A reminder")]
    assert str(paid.invoice_number) not in email.text_body
    assert len(email.attachments) == 1
    [view] = reminders(db, actor)
    assert view.invoice_ids == (still_open.invoice_id,)


def test_a_part_payment_after_the_evaluation_lowers_what_is_asked(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    invoice = an_overdue(db, actor, payer, today)
    evaluate(db, actor)
    pay(db, actor, "40.00", invoice_id=invoice.invoice_id)
    handle_all(db, mailer)
    [email] = [e for e in mailer.taken if e.subject.startswith("A reminder")]
    assert "Total due: $60.00" in email.text_body


Change = Callable[[Database, Actor, InvoiceView], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "paid": (
        lambda db, actor, invoice: pay(db, actor, "100.00", invoice_id=invoice.invoice_id),
        "it is paid",
    ),
    "void": (
        lambda db, actor, invoice: run(db, actor, void_invoice, invoice.invoice_id, "twice"),
        "it is void",
    ),
    "paused": (
        lambda db, actor, invoice: run(
            db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE)
        ),
        "chasing it is paused",
    ),
    "disputed": (
        lambda db, actor, invoice: run(
            db,
            actor,
            hold_invoice,
            invoice.invoice_id,
            HoldInvoice(InvoiceHold.DISPUTE, reason="leaks"),
        ),
        "it is disputed",
    ),
    "promised until today": (
        lambda db, actor, invoice: run(
            db,
            actor,
            hold_invoice,
            invoice.invoice_id,
            HoldInvoice(InvoiceHold.PROMISE, until=db.clock().date()),
        ),
        "it is promised",
    ),
    "customer paused": (
        lambda db, actor, invoice: run(
            db, actor, hold_customer, invoice.customer_id, HoldCustomer(CustomerHold.PAUSE)
        ),
        "chasing the customer is paused",
    ),
    "customer excluded": (
        lambda db, actor, invoice: run(
            db, actor, hold_customer, invoice.customer_id, HoldCustomer(CustomerHold.EXCLUDE)
        ),
        "the customer is excluded from chasing",
    ),
    "no address": (
        lambda db, actor, invoice: run(
            db, actor, update_customer, invoice.customer_id, {"email": None}
        ),
        "The customer has no e-mail address.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_reminder_that_is_no_longer_wanted_is_not_sent_and_says_why(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    today: date,
    change: str,
) -> None:
    invoice = an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    evaluate(db, actor)
    mailer.taken.clear()
    happens, reason = CHANGES[change]
    happens(db, actor, invoice)
    handle_all(db, mailer)
    assert [e for e in mailer.taken if "reminder" in e.subject] == []
    [view] = reminders(db, actor)
    assert view.status is CommunicationStatus.FAILED
    assert reason in str(view.error)


def test_a_promise_that_ended_before_today_holds_nothing_and_is_named(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    invoice = an_overdue(db, actor, payer, today, days=5)
    yesterday = today - timedelta(days=1)
    promise = HoldInvoice(InvoiceHold.PROMISE, until=yesterday)
    run(db, actor, hold_invoice, invoice.invoice_id, promise)
    evaluate(db, actor)
    handle_all(db, mailer)
    [email] = [e for e in mailer.taken if e.subject.startswith("A reminder")]
    assert "promised for Mar 3, 2026" in email.text_body


def test_a_step_that_was_held_back_is_taken_when_chasing_resumes(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
) -> None:
    invoice = an_overdue(db, actor, payer, today, days=1)
    evaluate(db, actor)
    run(db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    handle_all(db, mailer)
    run(db, actor, release_invoice, invoice.invoice_id)
    assert evaluate(db, actor).invoice_count == 1
    handle_all(db, mailer)
    assert [view.step_number for view in reminders(db, actor)] == [1, 1]
    assert [view.status.value for view in reminders(db, actor)] == ["sent", "failed"]
    assert evaluate(db, actor).invoice_count == 0

    clock.pass_time(days=3)
    evaluate(db, actor)
    run(db, actor, hold_customer, payer.customer_id, HoldCustomer(CustomerHold.PAUSE))
    handle_all(db, mailer)
    rows = raw_rows(db, "SELECT last_step_number, last_step_on FROM invoice_dunning_states")
    assert rows == [(1, "2026-03-04")]
    run(db, actor, release_customer, payer.customer_id)
    evaluate(db, actor)
    handle_all(db, mailer)
    sent = [view.step_number for view in reminders(db, actor) if view.sent_at is not None]
    assert sent == [2, 1]
    actions = raw_rows(
        db, "SELECT count(*) FROM audit_log WHERE action = 'dunning.step_taken_back'"
    )
    assert actions == [(2,)]


def test_an_address_that_is_refused_was_reminded_of_nothing(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today, days=1)
    handle_all(db, mailer)
    evaluate(db, actor)
    mailer.problems.append(AddressRefused("550 no such user"))
    handle_all(db, mailer)
    [failed] = reminders(db, actor)
    assert (failed.status.value, failed.error) == ("failed", "550 no such user")
    assert raw_count(db, "dunning_notices") == raw_count(db, "invoice_dunning_states") == 0
    assert evaluate(db, actor).skipped == (("email_bounced", 1),)
    # The address is corrected: the customer gets the first step, not the second.
    corrected = {"email": "accounts@harbor.example"}
    run(db, actor, update_customer, payer.customer_id, corrected)
    evaluate(db, actor)
    handle_all(db, mailer)
    assert [view.step_number for view in reminders(db, actor) if view.sent_at] == [1]


def test_a_reminder_is_sent_once_however_often_its_message_comes(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    an_overdue(db, actor, payer, today)
    evaluate(db, actor)
    for _ in range(3):
        handle_all(db, mailer)
    assert len([e for e in mailer.taken if "reminder" in e.subject]) == 1


def test_a_reminder_waits_for_a_server_in_trouble_and_looks_again(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    invoice = an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    mailer.taken.clear()
    evaluate(db, actor)
    mailer.problems = [MailerUnavailable("down")]
    with pytest.raises(Busy):
        handle_all(db, mailer)
    pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    handle_all(db, mailer)
    assert [email.subject for email in mailer.taken] == ["Thank you: we received $100.00"]


def test_a_failed_reminder_sent_again_is_made_anew(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    an_overdue(db, actor, payer, today)
    evaluate(db, actor)
    run(db, actor, update_customer, payer.customer_id, {"email": None})
    handle_all(db, mailer)
    [view] = reminders(db, actor)
    assert view.status is CommunicationStatus.FAILED
    run(db, actor, update_customer, payer.customer_id, {"email": "new@harbor.example"})
    run(db, actor, send_again, view.communication_id)
    handle_all(db, mailer)
    [again] = reminders(db, actor)
    assert again.status is CommunicationStatus.SENT
    assert again.to_address == "new@harbor.example"


def test_very_many_invoices_make_one_e_mail_of_bearable_size(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    for _ in range(ENCLOSURES_MAX + 5):
        an_overdue(db, actor, payer, today)
    evaluate(db, actor)
    handle_all(db, mailer)
    [email] = [e for e in mailer.taken if "reminder" in e.subject]
    assert len(email.attachments) == ENCLOSURES_MAX
    assert "and 5 more" in email.text_body
    assert "Total due: $5,500.00" in email.text_body


def run_by_schedule(db: Database, actor: Actor) -> Evaluation:
    return run(db, actor, run_evaluation, scheduled=True)


def steps_taken(db: Database) -> int:
    [(count,)] = raw_rows(db, "SELECT count(*) FROM dunning_notices")
    return int(count)


@pytest.mark.parametrize("hours", [6, 24], ids=["after hours", "on the next day"])
def test_a_reminder_of_the_schedule_that_comes_late_is_taken_back_and_the_next_run_looks_anew(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
    hours: int,
) -> None:
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    mailer.taken.clear()
    assert run_by_schedule(db, actor).email_count == 1
    clock.pass_time(hours=hours)
    handle_all(db, mailer)
    [view] = reminders(db, actor)
    assert view.status is CommunicationStatus.FAILED
    assert "sending hours of 2026-03-04 were over" in str(view.error)
    assert (mailer.taken, steps_taken(db)) == ([], 0)
    assert raw_rows(db, "SELECT count(*) FROM invoice_dunning_states") == [(0,)]
    clock.pass_time(hours=24 - hours)
    assert run_by_schedule(db, actor).email_count == 1
    handle_all(db, mailer)
    assert len(mailer.taken) == 1


def test_an_explicit_reminder_goes_out_late_and_counts_for_the_day_on_which_it_does(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    evaluate(db, actor)
    clock.pass_time(days=3, hours=9)  # A Sunday, by now.
    handle_all(db, mailer)
    assert [view.status for view in reminders(db, actor)] == [CommunicationStatus.SENT]
    assert raw_rows(db, "SELECT reminded_on FROM communications WHERE type = 'dunning'") == [
        ("2026-03-07",)
    ]


def test_a_reminder_that_keeps_the_gap_yields_to_another_one_at_the_moment_of_sending(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    mailer.taken.clear()
    run_by_schedule(db, actor)
    an_overdue(db, actor, payer, today)
    run(db, actor, run_evaluation)
    handle_all(db, mailer)
    asked_for, by_schedule = reminders(db, actor)
    assert asked_for.status is CommunicationStatus.SENT
    assert by_schedule.status is CommunicationStatus.FAILED
    assert "another reminder, of 2026-03-04" in str(by_schedule.error)
    assert len([email for email in mailer.taken if "reminder" in email.subject]) == 1
    assert steps_taken(db) == 1


def test_a_reminder_taken_back_and_sent_again_takes_its_step_so_that_no_run_repeats_it(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    run_by_schedule(db, actor)
    clock.pass_time(hours=9)
    handle_all(db, mailer)
    [late] = reminders(db, actor)
    assert steps_taken(db) == 0
    run(db, actor, send_again, late.communication_id)
    handle(db, mailer, envelopes(db)[-1])
    [again] = reminders(db, actor)
    assert again.status is CommunicationStatus.SENT
    assert steps_taken(db) == 1
    assert evaluate(db, actor).email_count == 0
    [(step, days)] = raw_rows(
        db, "SELECT last_step_number, last_days_after_due FROM invoice_dunning_states"
    )
    assert (step, days) == (1, 0)


def test_a_reminder_taken_back_is_not_sent_again_once_a_later_one_told_the_same(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    run_by_schedule(db, actor)
    clock.pass_time(days=1)
    handle_all(db, mailer)
    [late] = reminders(db, actor)
    assert run_by_schedule(db, actor).email_count == 1
    handle_all(db, mailer)
    clock.pass_time(days=1)
    run(db, actor, send_again, late.communication_id)
    handle(db, mailer, envelopes(db)[-1])
    newer, older = reminders(db, actor)
    assert newer.status is CommunicationStatus.SENT
    assert older.status is CommunicationStatus.FAILED
    assert "it was reminded of since" in str(older.error)
    assert steps_taken(db) == 1


def test_a_step_of_another_plan_with_the_same_number_is_not_moved_by_taking_back(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    clock: Clock,
    today: date,
) -> None:
    an_overdue(db, actor, payer, today, days=9)
    handle_all(db, mailer)
    evaluate(db, actor)
    handle_all(db, mailer)
    own = run(db, actor, create_plan, CreatePlan("Own", [StepInput(5, "last_call")]))
    run(db, actor, update_customer, payer.customer_id, {"dunning_plan_id": own.dunning_plan_id})
    clock.pass_time(days=1)
    assert evaluate(db, actor).email_count == 1
    run(db, actor, hold_customer, payer.customer_id, HoldCustomer(CustomerHold.PAUSE))
    handle_all(db, mailer)
    state = "SELECT last_step_number, last_days_after_due, last_step_on FROM invoice_dunning_states"
    assert raw_rows(db, state) == [(1, 0, "2026-03-04")]


def test_the_subject_of_the_step_stands_in_place_of_the_templates(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer, today: date
) -> None:
    step = StepInput(0, "friendly_reminder", subject="Did our invoice reach you?")
    own = run(db, actor, create_plan, CreatePlan("Own", [step]))
    run(db, actor, update_customer, payer.customer_id, {"dunning_plan_id": own.dunning_plan_id})
    an_overdue(db, actor, payer, today)
    handle_all(db, mailer)
    evaluate(db, actor)
    handle_all(db, mailer)
    assert mailer.taken[-1].subject == "Did our invoice reach you?"
