"""Reminders: what was true at the evaluation is looked at again just before the e-mail leaves."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.mailer import MailerUnavailable
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
from backend.dunning.plans import create_default_plan
from backend.errors import Busy
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.invoices.service import void_invoice
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer, handle_all, text_of
from tests.factories import Clock, actor_in, make_customer, make_invoice, pay, raw_rows


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
