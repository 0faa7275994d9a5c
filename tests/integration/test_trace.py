"""The trace: every kind of id leads to what is known, once, in time order, inside one tenant."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.plans import create_default_plan
from backend.errors import NotFound
from backend.ids import new_id
from backend.invoices.queries import InvoiceView
from backend.messaging.attempts import note_failed_delivery
from backend.messaging.contracts import Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.models import DeliveryOutcome
from backend.messaging.transport import DeadReason
from backend.payments.queries import PaymentView
from backend.payments.service import RecordPayment, try_payment
from backend.reporting import sources
from backend.reporting.history import TimelineItem
from backend.reporting.trace import list_trace
from backend.unit_of_work import UnitOfWork, read, run
from backend.webhooks.ingest import read_delivery, store_delivery
from backend.webhooks.models import SignatureResult
from backend.webhooks.providers import PROVIDERS
from tests.emails import RecordingMailer, handle_all
from tests.factories import Clock, actor_in, make_customer, make_invoice, make_tenant, pay, raw_rows
from tests.queues import real_message


@pytest.fixture
def actor(db: Database, tenant_id: UUID) -> Actor:
    actor = actor_in(tenant_id, who="api-key:ERP")
    run(db, actor, create_default_plan)
    return actor


@pytest.fixture
def invoice(db: Database, actor: Actor, clock: Clock) -> InvoiceView:
    payer = make_customer(db, actor, email="office@harbor.example").customer_id
    clock.pass_time(minutes=1)
    made = make_invoice(db, under(actor, "send-1"), payer)
    clock.pass_time(minutes=1)
    return made


@pytest.fixture
def payment(db: Database, actor: Actor, clock: Clock, invoice: InvoiceView) -> PaymentView:
    run(
        db,
        under(actor, "pay-0"),
        try_payment,
        RecordPayment("900.00", invoice_id=invoice.invoice_id),
    )
    clock.pass_time(minutes=1)
    made = pay(db, under(actor, "pay-1"), "40.00", invoice_id=invoice.invoice_id)
    clock.pass_time(minutes=1)
    handle_all(db, RecordingMailer())
    return made


def under(actor: Actor, correlation_id: str) -> Actor:
    return replace(actor, correlation_id=correlation_id)


def trace(db: Database, actor: Actor, wanted: object) -> list[TimelineItem]:
    return read(db, actor, list_trace, str(wanted))


def kinds(items: list[TimelineItem]) -> list[str]:
    return [item.type for item in items]


def message_id_of(db: Database, message_type: str) -> UUID:
    [(found,)] = raw_rows(db, "SELECT message_id FROM outbox WHERE message_type = ?", message_type)
    return UUID(found)


def test_a_correlation_id_leads_from_the_request_to_the_e_mail(
    db: Database, actor: Actor, payment: PaymentView
) -> None:
    items = trace(db, actor, "pay-1")
    assert kinds(items)[:7] == [
        "payment.attempt_succeeded",
        "payment.recorded",
        "ledger.payment_received",
        "ledger.payment_received",
        "ledger.payment_applied",
        "ledger.payment_applied",
        "message.written",
    ]
    assert set(kinds(items)[7:]) >= {"communication.queued", "communication.sent"}
    assert {item.correlation_id for item in items} == {"pay-1"}
    assert [item.at for item in items] == sorted(item.at for item in items)
    receipt = next(item for item in items if item.type == "communication.sent")
    assert (receipt.title, receipt.detail) == ("Receipt e-mail sent", "To office@harbor.example")
    assert items[3].title == "Ledger, payment received: credit $40.00"


def test_a_refused_payment_is_traced_by_its_attempt(
    db: Database, actor: Actor, payment: PaymentView
) -> None:
    [attempt] = trace(db, actor, "pay-0")
    assert attempt.type == "payment.attempt_failed"
    assert "overpayment" in str(attempt.detail)


def test_an_invoice_leads_to_its_history_entries_payments_and_messages(
    db: Database, actor: Actor, clock: Clock, invoice: InvoiceView, payment: PaymentView
) -> None:
    clock.pass_time(days=60)
    run(db, under(actor, "dun-1"), run_evaluation)
    items = trace(db, actor, invoice.invoice_id)
    found = kinds(items)
    for once in (
        "invoice.created",
        "invoice.sent",
        "payment.recorded",
        "payment.attempt_failed",
        "payment.attempt_succeeded",
        "dunning.notice_queued",
    ):
        assert found.count(once) == 1, once
    assert found.count("ledger.invoice_issued") == 2
    written = sorted(item.title for item in items if item.type == "message.written")
    assert written == [
        "Message email.dunning_requested written",
        "Message email.invoice_requested written",
        "Message email.receipt_requested written",
    ]


def test_an_invoices_trace_names_no_other_customers_reminder(
    db: Database, actor: Actor, clock: Clock, invoice: InvoiceView
) -> None:
    other = make_customer(db, actor, "Other", email="other@example.com").customer_id
    make_invoice(db, actor, other)
    clock.pass_time(days=60)
    run(db, under(actor, "dun-1"), run_evaluation)
    items = trace(db, actor, invoice.invoice_id)
    assert len([item for item in items if "email.dunning_requested" in item.title]) == 1
    assert "other@example.com" not in str(items)


def test_a_payment_a_message_and_an_e_mail_lead_to_what_belongs_to_them(
    db: Database, actor: Actor, payment: PaymentView
) -> None:
    of_payment = kinds(trace(db, actor, payment.payment_id))
    assert {"payment.recorded", "ledger.payment_received", "payment.attempt_succeeded"} <= set(
        of_payment
    )
    assert {"communication.queued", "communication.sent"} <= set(of_payment)
    assert "invoice.created" not in of_payment
    of_message = trace(db, actor, message_id_of(db, "email.receipt_requested"))
    assert {item.correlation_id for item in of_message} == {"pay-1"}
    [(email_id,)] = raw_rows(db, "SELECT id FROM communications WHERE type = 'receipt'")
    of_email = kinds(trace(db, actor, UUID(email_id)))
    assert of_email == ["message.written", "communication.queued", "communication.sent"]


def test_a_dead_message_says_why(db: Database, actor: Actor) -> None:
    transport = EmbeddedTransport(db)
    message = real_message(actor.tenant_id, correlation_id="job-1")
    transport.send([message])
    [delivery] = transport.receive(message.queue, messages_max=1, wait_seconds=0)
    delivery.dead_letter(DeadReason.REFUSED, "There is no such plan")
    for wanted in (message.message_id, "job-1"):
        [dead] = trace(db, actor, wanted)
        assert dead.type == "message.dead_lettered"
        assert str(dead.detail).startswith("refused: There is no such plan; 1 delivery, queue")


def test_a_webhook_event_is_found_by_our_id_and_by_the_providers(
    db: Database, actor: Actor
) -> None:
    body = b'{"id": "evt_77", "type": "customer.created"}'
    delivery = read_delivery(PROVIDERS["stripe"], body, {}, SignatureResult.API_KEY)
    stored = run(db, under(actor, "hook-1"), store_delivery, delivery)
    told = None
    for wanted in (stored.webhook_event_id, "evt_77", "hook-1"):
        items = trace(db, actor, wanted)
        assert kinds(items) == ["webhook.received", "message.written"], wanted
        assert told in (None, items)
        told = items


def test_an_unknown_id_and_another_tenants_id_are_not_there(
    db: Database, actor: Actor, invoice: InvoiceView, payment: PaymentView
) -> None:
    stranger = actor_in(make_tenant(db, "Cool Air"))
    for wanted in (
        invoice.invoice_id,
        payment.payment_id,
        invoice.customer_id,
        message_id_of(db, "email.receipt_requested"),
        "pay-1",
    ):
        assert trace(db, actor, wanted)
        with pytest.raises(NotFound):
            trace(db, stranger, wanted)
    for wanted in (new_id(), "nothing", "", "x" * 500, "%"):
        with pytest.raises(NotFound):
            trace(db, actor, wanted)


def test_a_correlation_id_shared_by_two_tenants_shows_each_its_own(
    db: Database, actor: Actor, payment: PaymentView
) -> None:
    stranger = actor_in(make_tenant(db, "Cool Air"))
    make_customer(db, under(stranger, "pay-1"), "Theirs")
    assert kinds(trace(db, stranger, "pay-1")) == ["customer.created"]
    assert "customer.created" not in kinds(trace(db, actor, "pay-1"))


def _change_many(work: UnitOfWork) -> None:
    for _ in range(sources.ROWS_MAX + 1):
        work.record("customer.updated", "customer", new_id())


def test_a_trace_too_long_to_read_is_cut_and_says_so(db: Database, actor: Actor) -> None:
    run(db, under(actor, "many"), _change_many)
    items = trace(db, actor, "many")
    assert len(items) == sources.ROWS_MAX + 1
    assert items[-1].type == "trace.cut_off"


def test_support_may_trace(db: Database, actor: Actor, invoice: InvoiceView) -> None:
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    assert trace(db, support, invoice.invoice_id)


def test_failed_deliveries_of_a_message_and_its_copies_are_told(
    db: Database, actor: Actor, invoice: InvoiceView, clock: Clock
) -> None:
    wanted = message_id_of(db, "email.invoice_requested")
    stranger = make_tenant(db, "Cool Air")

    def note(work: UnitOfWork, message_id: str, problem: str, tenant_id: UUID) -> None:
        note_failed_delivery(
            work.connection,
            queue=Queue.EMAIL_SEND,
            message_id=message_id,
            tenant_id=tenant_id,
            delivery_count=2,
            outcome=DeliveryOutcome.PUT_BACK,
            problem=problem,
            now=work.now,
        )

    run(db, actor, note, str(wanted), "no route", actor.tenant_id)
    clock.pass_time(minutes=1)
    run(db, actor, note, f"{wanted}:retry-1", "no route again", actor.tenant_id)
    run(db, actor, note, str(wanted), "of somebody else", stranger)
    for known in ("send-1", str(wanted), str(invoice.invoice_id)):
        failed = [one for one in trace(db, actor, known) if one.type == "message.delivery_failed"]
        assert [one.title for one in failed] == ["Delivery 2 of a message failed"] * 2
        assert [(one.detail or "").split(";")[0] for one in failed] == [
            "no route",
            "no route again",
        ]
