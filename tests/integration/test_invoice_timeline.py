"""The timeline of an invoice: everything, in order, each thing once, and nothing of others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.mailer import EmailRefused
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import HoldInvoice, hold_invoice, release_invoice
from backend.dunning.plans import create_default_plan
from backend.errors import NotFound
from backend.invoices.models import InvoiceHold
from backend.invoices.overdue import sweep_overdue
from backend.invoices.service import send_invoice, update_invoice, void_invoice
from backend.payments.credit import allocate_credit
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, try_payment
from backend.reporting.history import TimelineItem
from backend.reporting.timeline import list_invoice_timeline
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer, handle_all
from tests.factories import (
    Clock,
    actor_in,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
)

DUE = date(2026, 3, 5)


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    actor = actor_in(tenant_id, who="api-key:ERP")
    run(db, actor, create_default_plan)
    return actor


@pytest.fixture
def customer_id(db: Database, actor: Actor) -> UUID:
    return make_customer(db, actor, email="office@harbor.example").customer_id


def timeline(db: Database, actor: Actor, invoice_id: UUID) -> list[TimelineItem]:
    return read(db, actor, list_invoice_timeline, invoice_id)


def types(items: list[TimelineItem]) -> list[str]:
    return [item.type for item in items]


def test_the_whole_life_of_an_invoice_in_order_each_thing_once(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    mailer = RecordingMailer()
    invoice_id = make_draft(db, actor, customer_id, due_date=DUE).invoice_id
    clock.pass_time(minutes=1)
    run(db, actor, update_invoice, invoice_id, {"notes": "North side"})
    clock.pass_time(minutes=1)
    run(db, actor, send_invoice, invoice_id)
    clock.pass_time(minutes=1)
    handle_all(db, mailer)
    clock.pass_time(days=2)
    run(db, actor, sweep_overdue)
    run(db, actor, run_evaluation)
    clock.pass_time(minutes=1)
    handle_all(db, mailer)
    clock.pass_time(minutes=1)
    run(db, actor, try_payment, RecordPayment("500.00", invoice_id=invoice_id))
    clock.pass_time(minutes=1)
    payment = pay(db, actor, "100.00", invoice_id=invoice_id)
    clock.pass_time(minutes=1)
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    clock.pass_time(minutes=1)
    run(db, actor, void_invoice, invoice_id, "Wrong customer")

    items = timeline(db, actor, invoice_id)
    assert types(items) == [
        "invoice.created",
        "invoice.updated",
        "invoice.sent",
        "communication.queued",
        "communication.sent",
        "invoice.fell_overdue",
        "dunning.notice_queued",
        "communication.sent",
        "payment.failed",
        "payment.recorded",
        "invoice.paid",
        "payment.reversed",
        "invoice.reopened",
        "invoice.voided",
    ]
    assert [item.at for item in items] == sorted(item.at for item in items)
    told = [(item.title, item.detail) for item in items]
    assert told == [
        ("Invoice created", "Total $100.00, due Mar 5, 2026"),
        ("Draft changed", "notes: — → North side"),
        ("Invoice sent as INV-000001", "Balance due $100.00"),
        ("Invoice e-mail queued", "To office@harbor.example"),
        ("Invoice e-mail sent", "To office@harbor.example"),
        ("Invoice fell overdue", None),
        ("Reminder step 1 queued", "Friendly reminder to office@harbor.example"),
        ("Friendly reminder e-mail sent", "To office@harbor.example"),
        ("Payment of $500.00 failed", told[8][1]),
        ("Payment of $100.00 applied", "Of $100.00 received Mar 6, 2026"),
        ("Paid in full", None),
        ("Payment reversed", "Bounced"),
        ("Invoice reopened", "$100.00 is due again"),
        ("Invoice voided", "Wrong customer"),
    ]
    assert "overpayment" in str(told[8][1])
    assert items[1].changes == (("notes", "—", "North side"),)
    assert items[0].actor == "api-key:ERP"
    assert items[0].correlation_id == actor.correlation_id
    assert items[4].actor == "worker"


def test_a_failed_e_mail_says_why(db: Database, actor: Actor, customer_id: UUID) -> None:
    mailer = RecordingMailer(problems=[EmailRefused("Mailbox does not exist")])
    invoice_id = make_invoice(db, actor, customer_id).invoice_id
    handle_all(db, mailer)
    last = timeline(db, actor, invoice_id)[-1]
    assert (last.type, last.title) == ("communication.failed", "Invoice e-mail failed")
    assert "Mailbox does not exist" in str(last.detail)


def test_only_what_went_to_this_invoice_is_told(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    first = make_invoice(db, actor, customer_id, "60.00").invoice_id
    second = make_invoice(db, actor, customer_id, "70.00").invoice_id
    clock.pass_time(minutes=1)
    payment = pay(db, actor, "80.00", invoice_id=first, keep_excess_as_credit=True)
    clock.pass_time(minutes=1)
    run(db, actor, allocate_credit, payment.payment_id, None)
    of_first = [item for item in timeline(db, actor, first) if item.type.startswith("payment")]
    of_second = [item for item in timeline(db, actor, second) if item.type.startswith("payment")]
    assert [item.title for item in of_first] == ["Payment of $60.00 applied"]
    assert [item.title for item in of_second] == ["Credit of $20.00 applied"]


def test_holds_are_told_with_their_reason(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    invoice_id = make_invoice(db, actor, customer_id).invoice_id
    for hold in (
        HoldInvoice(InvoiceHold.PAUSE, date(2026, 3, 9)),
        HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks again"),
        HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 9), "40.00", "Called"),
    ):
        clock.pass_time(minutes=1)
        run(db, actor, hold_invoice, invoice_id, hold)
    clock.pass_time(minutes=1)
    run(db, actor, release_invoice, invoice_id)
    told = [(item.title, item.detail) for item in timeline(db, actor, invoice_id)[-4:]]
    assert told == [
        ("Chasing paused until Mar 9, 2026", None),
        ("Invoice disputed", "Leaks again; instead of the pause until Mar 9, 2026"),
        ("Payment of $40.00 promised by Mar 9, 2026", "Called; instead of the dispute"),
        ("Promise to pay ended", "Chasing may go on"),
    ]


def test_a_broken_promise_is_told_at_the_tenants_midnight_and_chasing_resumes(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID
) -> None:
    invoice = make_invoice(
        db, actor, customer_id, issue_date=date(2026, 2, 1), due_date=date(2026, 3, 1)
    )
    promise = HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 7))
    run(db, actor, hold_invoice, invoice.invoice_id, promise)
    clock.now = datetime(2026, 3, 8, 5, 59, tzinfo=UTC)  # the 7th, 23:59 in Chicago
    assert run(db, actor, run_evaluation).email_count == 0
    assert "promise.broken" not in types(timeline(db, actor, invoice.invoice_id))
    clock.pass_time(minutes=1)
    assert run(db, actor, run_evaluation).email_count == 1
    found = timeline(db, actor, invoice.invoice_id)
    [told] = [item for item in found if item.type == "promise.broken"]
    assert told.at == datetime(2026, 3, 8, 6, 0, tzinfo=UTC)
    assert told.detail == "Payment was promised by Mar 7, 2026; chasing resumes"


@pytest.mark.parametrize("how", ["paid", "released", "replaced"])
def test_a_promise_that_was_kept_or_ended_is_not_broken(
    db: Database, actor: Actor, clock: Clock, customer_id: UUID, how: str
) -> None:
    invoice_id = make_invoice(db, actor, customer_id, due_date=DUE).invoice_id
    run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 7)))
    clock.pass_time(days=1)
    if how == "paid":
        pay(db, actor, "100.00", invoice_id=invoice_id)
    elif how == "released":
        run(db, actor, release_invoice, invoice_id)
    else:
        run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    clock.pass_time(days=30)
    assert "promise.broken" not in types(timeline(db, actor, invoice_id))


def test_another_tenants_invoice_has_no_timeline(
    db: Database, actor: Actor, customer_id: UUID
) -> None:
    invoice_id = make_invoice(db, actor, customer_id).invoice_id
    with pytest.raises(NotFound):
        timeline(db, actor_in(make_tenant(db, "Cool Air")), invoice_id)
