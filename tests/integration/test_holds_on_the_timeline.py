"""What holds the chasing of an invoice is told on its timeline, whoever is held and however."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.models import ReturnKind
from backend.communications.returns import clear_return, report_return
from backend.customers.models import CustomerHold
from backend.db.engine import Database
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    release_customer,
    release_invoice,
)
from backend.dunning.models import ContactKind, ContactOutcome
from backend.dunning.plans import (
    CreatePlan,
    StepInput,
    create_default_plan,
    create_plan,
    update_plan,
)
from backend.invoices.models import InvoiceHold
from backend.reporting.history import TimelineItem
from backend.reporting.timeline import list_invoice_timeline
from backend.reporting.trace import list_trace
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_customer, make_draft, make_invoice, pay

FEBRUARY, MARCH = date(2026, 2, 1), date(2026, 3, 1)


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    actor = actor_in(tenant_id)
    run(db, actor, create_default_plan)
    return actor


@pytest.fixture
def customer_id(db: Database, actor: Actor) -> UUID:
    return make_customer(db, actor, email="office@harbor.example").customer_id


@pytest.fixture
def overdue(db: Database, actor: Actor, customer_id: UUID) -> UUID:
    return make_invoice(db, actor, customer_id, issue_date=FEBRUARY, due_date=MARCH).invoice_id


def timeline(db: Database, actor: Actor, invoice_id: UUID) -> list[TimelineItem]:
    return read(db, actor, list_invoice_timeline, invoice_id)


def hold_and_release(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID, hold: HoldCustomer
) -> None:
    clock.pass_time(minutes=1)
    run(db, actor, hold_customer, customer_id, hold)
    clock.pass_time(minutes=1)
    run(db, actor, release_customer, customer_id)
    clock.pass_time(minutes=1)


def test_a_hold_of_the_customer_is_told_on_its_open_invoices(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID, overdue: UUID
) -> None:
    of_other = make_customer(db, actor, email="b@harbor.example").customer_id
    others = make_invoice(db, actor, of_other).invoice_id
    pause = HoldCustomer(CustomerHold.PAUSE, until=date(2026, 3, 9), reason="On holiday")
    hold_and_release(db, actor, clock, customer_id, pause)
    hold_and_release(db, actor, clock, customer_id, HoldCustomer(CustomerHold.EXCLUDE))
    items = [one for one in timeline(db, actor, overdue) if one.type.startswith("customer")]
    assert [(item.type, item.title, item.detail) for item in items] == [
        (
            "customer.held",
            "Chasing of the customer paused until Mar 9, 2026",
            "On holiday",
        ),
        ("customer.released", "Pause ended", "Chasing may go on"),
        ("customer.held", "Customer excluded from chasing", None),
        ("customer.released", "Exclusion ended", "Chasing may go on"),
    ]
    assert [one.type for one in timeline(db, actor, others)] == ["invoice.created", "invoice.sent"]


def test_a_hold_of_the_customer_does_not_concern_drafts_and_paid_invoices(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID, overdue: UUID
) -> None:
    draft = make_draft(db, actor, customer_id).invoice_id
    pay(db, actor, "100.00", invoice_id=overdue)
    hold_and_release(db, actor, clock, customer_id, HoldCustomer(CustomerHold.PAUSE))
    for invoice_id in (draft, overdue):
        assert not any(one.type.startswith("customer") for one in timeline(db, actor, invoice_id))


@pytest.mark.parametrize("until", [date(2026, 3, 20), date(2026, 3, 3)])
def test_a_promise_found_broken_as_of_a_later_day_says_so_before_the_reminder(
    db: Database, actor: Actor, clock: Clock, overdue: UUID, until: date
) -> None:
    """Also a promise whose day was over when it was written down."""
    run(db, actor, hold_invoice, overdue, HoldInvoice(InvoiceHold.PROMISE, until))
    clock.pass_time(minutes=1)
    assert run(db, actor, run_evaluation, as_of=until).email_count == 0
    assert "promise.broken" not in [one.type for one in timeline(db, actor, overdue)]
    assert run(db, actor, run_evaluation, as_of=date(2026, 3, 21)).email_count == 1
    clock.pass_time(minutes=1)
    *_, broken, notice = timeline(db, actor, overdue)
    assert (broken.type, notice.type) == ("promise.broken", "dunning.notice_queued")
    assert (broken.at, broken.correlation_id) == (notice.at, notice.correlation_id)
    clock.pass_time(days=60)
    told = [one for one in timeline(db, actor, overdue) if one.type == "promise.broken"]
    assert [item.at for item in told] == [notice.at]


def test_a_reminder_after_a_promise_was_released_does_not_call_it_broken(
    db: Database, actor: Actor, clock: Clock, overdue: UUID
) -> None:
    promise = HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 20))
    run(db, actor, hold_invoice, overdue, promise)
    clock.pass_time(minutes=1)
    run(db, actor, release_invoice, overdue)
    clock.pass_time(minutes=1)
    assert run(db, actor, run_evaluation).email_count == 1
    assert "promise.broken" not in [one.type for one in timeline(db, actor, overdue)]


def test_calls_and_returned_mail_are_told_where_they_concern_the_invoice(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID, overdue: UUID
) -> None:
    other = make_invoice(db, actor, customer_id).invoice_id
    clock.pass_time(minutes=1)
    about_other = LogContact(ContactKind.NOTE, note="About the other", invoice_id=other)
    run(db, actor, log_contact, customer_id, about_other)
    call = LogContact(
        ContactKind.CALL, ContactOutcome.LEFT_MESSAGE, "Asked for Mr. Ames", date(2026, 3, 9)
    )
    run(db, actor, log_contact, customer_id, call)
    clock.pass_time(minutes=1)
    returned = ("office@harbor.example", ReturnKind.BOUNCED, "550 No such user", "mail server")
    run(db, actor, report_return, None, *returned)
    clock.pass_time(minutes=1)
    run(db, actor, clear_return, customer_id)
    *_, called, bounced, cleared = timeline(db, actor, overdue)
    assert [(item.title, item.detail) for item in (called, bounced, cleared)] == [
        ("Call: left message", "Asked for Mr. Ames; again on Mar 9, 2026"),
        ("E-mail came back", "office@harbor.example gets no more e-mail; 550 No such user"),
        ("E-mail address works again", None),
    ]
    assert "About the other" not in [item.detail for item in timeline(db, actor, overdue)]
    assert "About the other" in [item.detail for item in timeline(db, actor, other)]


def test_what_changes_in_a_plan_is_told_in_words(db: Database, actor: Actor) -> None:
    plan = run(db, actor, create_plan, CreatePlan("Gentle", [StepInput(5, "last_call")]))
    steps = [StepInput(0, "friendly_reminder"), StepInput(9, "last_call")]
    changes = {"name": "Firm", "is_active": False, "is_default": True, "steps": steps}
    run(db, actor, update_plan, plan.dunning_plan_id, changes)
    told = [
        (item.title, item.detail)
        for item in read(db, actor, list_trace, str(plan.dunning_plan_id))
        if item.type.startswith("dunning.plan")
    ]
    assert told == [
        ("Dunning plan Gentle created", "one reminder on day 5"),
        (
            "Dunning plan changed",
            "Called Firm, before Gentle; now the default; switched off; "
            "reminders on days 0 and 9; before one reminder on day 5",
        ),
    ]
