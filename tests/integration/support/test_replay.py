"""What failed is sent again after its cause was mended, and has its effect exactly once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.bootstrap import Services
from backend.communications.mailer import AddressRefused, MailerUnavailable
from backend.communications.queries import list_communications
from backend.customers.queries import CustomerView
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning.plans import create_default_plan
from backend.invoices.service import send_invoice
from backend.messaging.contracts import ApplyPayment, EvaluateDunning, Queue
from backend.messaging.transport import DELIVERIES_MAX, DeadReason, Outgoing
from backend.support.acting import act_now
from backend.support.models import ItemState, JobKind
from backend.tenants.service import activate_tenant, deactivate_tenant
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer
from tests.factories import (
    Clock,
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    raw_rows,
)
from tests.integration.support.letters import (
    DUNNING,
    EMAILS,
    PAYMENTS,
    Faulty,
    bury,
    dead,
    message_of,
    on_both,
    seen_by,
    take,
    work_off,
)
from worker.dispatch import dispatch
from worker.handlers.table import HANDLERS
from worker.process import Worker


def resubmit_all(services: Services, who: Any, queue: Queue) -> None:
    """Send every letter that somebody sees again, and let the worker have them."""
    for letter in seen_by(services.db, services.transport, who, queue=queue):
        item = act_now(services.db, services.transport, who, JobKind.RESUBMIT, letter.key)
        assert item.state is ItemState.DONE
    work_off(services, queue)


def payment(tenant_id: UUID, amount: str, invoice_id: UUID) -> Outgoing:
    command: dict[str, object] = {"amount": amount, "invoice_id": str(invoice_id)}
    return message_of(tenant_id, ApplyPayment(command=command))


def attempts(db: Database) -> list[tuple[Any, ...]]:
    return raw_rows(db, "SELECT outcome, failure_code FROM payment_attempts ORDER BY row_id")


def paid(db: Database, actor: Actor, invoice_id: UUID) -> str:
    return str(invoice_now(db, actor, invoice_id).paid_amount)


@on_both
def test_a_refused_payment_is_recorded_once_after_its_invoice_was_sent(
    db: Database, services: Services, actor: Actor, dana: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, "100.00")
    services.transport.send([payment(actor.tenant_id, "40.00", draft.invoice_id)])
    work_off(services, PAYMENTS)
    assert attempts(db) == [("failed", "invoice_not_open")]

    run(db, actor, send_invoice, draft.invoice_id)
    resubmit_all(services, dana, PAYMENTS)

    assert paid(db, actor, draft.invoice_id) == "40.00"
    assert attempts(db) == [("failed", "invoice_not_open"), ("succeeded", None)]
    assert dead(services.transport, PAYMENTS) == []


@on_both
def test_a_payment_refused_again_is_another_attempt_and_comes_back_as_the_next_copy(
    db: Database, services: Services, actor: Actor, dana: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, "100.00")
    message = payment(actor.tenant_id, "40.00", draft.invoice_id)
    services.transport.send([message])
    work_off(services, PAYMENTS)

    resubmit_all(services, dana, PAYMENTS)
    assert dead(services.transport, PAYMENTS) == [f"{message.message_id}:retry-1"]
    assert attempts(db) == [("failed", "invoice_not_open")] * 2

    run(db, actor, send_invoice, draft.invoice_id)
    resubmit_all(services, dana, PAYMENTS)
    assert paid(db, actor, draft.invoice_id) == "40.00"
    assert dead(services.transport, PAYMENTS) == []


@on_both
def test_a_payment_that_was_recorded_and_died_all_the_same_is_not_recorded_again(
    db: Database, services: Services, actor: Actor, dana: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    services.transport.send([payment(actor.tenant_id, "40.00", invoice.invoice_id)])
    (delivery,) = take(services.transport, queue=PAYMENTS)
    assert dispatch(services, HANDLERS, delivery), "recorded"
    delivery.dead_letter(DeadReason.PROCESSING_FAILED, "whatever happened then")

    resubmit_all(services, dana, PAYMENTS)

    assert paid(db, actor, invoice.invoice_id) == "40.00"
    assert attempts(db) == [("succeeded", None)]
    assert dead(services.transport, PAYMENTS) == []


@on_both
def test_that_a_payment_was_recorded_is_known_years_later(
    db: Database,
    services: Services,
    actor: Actor,
    dana: Actor,
    customer: CustomerView,
    clock: Clock,
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    services.transport.send([payment(actor.tenant_id, "40.00", invoice.invoice_id)])
    (delivery,) = take(services.transport, queue=PAYMENTS)
    assert dispatch(services, HANDLERS, delivery)
    delivery.dead_letter(DeadReason.PROCESSING_FAILED, "whatever happened then")

    clock.pass_time(days=400)
    worker = Worker(services, HANDLERS)
    worker._scheduler.clean_up()
    resubmit_all(services, dana, PAYMENTS)

    assert paid(db, actor, invoice.invoice_id) == "40.00"


@on_both
def test_the_same_copy_delivered_twice_makes_one_attempt(
    db: Database, services: Services, actor: Actor, dana: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, "100.00")
    services.transport.send([payment(actor.tenant_id, "40.00", draft.invoice_id)])
    work_off(services, PAYMENTS)
    (letter,) = seen_by(db, services.transport, dana, queue=PAYMENTS)
    act_now(db, services.transport, dana, JobKind.RESUBMIT, letter.key)
    (copy,) = take(services.transport, queue=PAYMENTS)
    twin = Outgoing(PAYMENTS, "the same under another id", copy.body, db.clock())
    copy.release()

    services.transport.send([twin])
    work_off(services, PAYMENTS)
    assert attempts(db) == [("failed", "invoice_not_open")] * 2, "the original's and the copy's"

    run(db, actor, send_invoice, draft.invoice_id)
    resubmit_all(services, dana, PAYMENTS)
    assert paid(db, actor, draft.invoice_id) == "40.00", "two letters, one payment"


@on_both
def test_a_late_copy_changes_nothing_once_a_later_one_was_recorded(
    db: Database, services: Services, actor: Actor, dana: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, "100.00")
    services.transport.send([payment(actor.tenant_id, "40.00", draft.invoice_id)])
    work_off(services, PAYMENTS)
    resubmit_all(services, dana, PAYMENTS)
    (letter,) = seen_by(db, services.transport, dana, queue=PAYMENTS)
    (first_copy,) = services.transport.peek_dead_letters(PAYMENTS, after=0, messages_max=1)
    run(db, actor, send_invoice, draft.invoice_id)
    resubmit_all(services, dana, PAYMENTS)

    late = Outgoing(PAYMENTS, "late", first_copy.body, db.clock())
    services.transport.send([late])
    work_off(services, PAYMENTS)

    assert letter.resubmission == 1
    assert paid(db, actor, draft.invoice_id) == "40.00"


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
def posting(services: Services, mailer: RecordingMailer) -> Services:
    """The services with a mailer that a test can break."""
    return replace(services, mailer=mailer)


def fail_to_the_end(services: Services, clock: Clock, queue: Queue) -> None:
    """Let a worker try until the last delivery is over."""
    for _ in range(DELIVERIES_MAX):
        work_off(services, queue)
        clock.pass_time(hours=2)
    assert len(dead(services.transport, queue)) == 1


def test_an_e_mail_that_a_dead_server_kept_back_goes_out_once(
    db: Database,
    posting: Services,
    mailer: RecordingMailer,
    actor: Actor,
    dana: Actor,
    clock: Clock,
):
    payer = make_customer(db, actor, "Harbor Dental", email="old@harbor.example")
    make_invoice(db, actor, payer.customer_id, "10.00")
    mailer.problems += [MailerUnavailable("away")] * DELIVERIES_MAX
    fail_to_the_end(posting, clock, EMAILS)

    run(db, actor, update_customer, payer.customer_id, {"email": "new@harbor.example"})
    resubmit_all(posting, dana, EMAILS)

    assert [email.to_address for email in mailer.taken] == ["new@harbor.example"]
    (sent,) = read(db, actor, list_communications).items
    assert sent.status == "sent"


@on_both
@pytest.mark.parametrize("kind", ["address refused", "no address"])
def test_an_e_mail_that_failed_is_made_anew_for_the_corrected_address(
    db: Database,
    posting: Services,
    mailer: RecordingMailer,
    actor: Actor,
    dana: Actor,
    kind: str,
):
    payer = make_customer(db, actor, "Harbor Dental", email="wrong@harbor.example")
    make_invoice(db, actor, payer.customer_id, "10.00")
    if kind == "no address":
        run(db, actor, update_customer, payer.customer_id, {"email": None})
    else:
        mailer.problems.append(AddressRefused("550 nobody here"))
    Worker(posting, HANDLERS)._relay.relay_batch()
    (delivery,) = take(posting.transport, queue=EMAILS)
    assert dispatch(posting, HANDLERS, delivery), "the failure is on record"
    delivery.dead_letter(DeadReason.PROCESSING_FAILED, "and then it died")
    assert mailer.taken == []

    run(db, actor, update_customer, payer.customer_id, {"email": "right@harbor.example"})
    resubmit_all(posting, dana, EMAILS)
    assert [email.to_address for email in mailer.taken] == ["right@harbor.example"]
    (sent,) = read(db, actor, list_communications).items
    assert sent.status == "sent"


@on_both
def test_an_e_mail_that_was_sent_and_died_all_the_same_is_not_sent_again(
    db: Database,
    posting: Services,
    mailer: RecordingMailer,
    actor: Actor,
    dana: Actor,
):
    payer = make_customer(db, actor, "Harbor Dental", email="ap@harbor.example")
    make_invoice(db, actor, payer.customer_id, "10.00")
    Worker(posting, HANDLERS)._relay.relay_batch()
    (delivery,) = take(posting.transport, queue=EMAILS)
    assert dispatch(posting, HANDLERS, delivery)
    delivery.dead_letter(DeadReason.PROCESSING_FAILED, "and then it died")

    resubmit_all(posting, dana, EMAILS)

    assert len(mailer.taken) == 1


@on_both
def test_a_dunning_run_that_an_inactive_tenant_stopped_runs_when_it_is_active_again(
    db: Database,
    posting: Services,
    mailer: RecordingMailer,
    actor: Actor,
    root: Any,
    clock: Clock,
):
    run(db, actor, create_default_plan)
    payer = make_customer(db, actor, "Harbor Dental", email="ap@harbor.example")
    make_invoice(db, actor, payer.customer_id, "10.00")
    work_off(posting, EMAILS)
    mailer.taken.clear()
    clock.pass_time(days=45)
    run(db, root, deactivate_tenant, actor.tenant_id)
    posting.transport.send([message_of(actor.tenant_id, EvaluateDunning())])
    work_off(posting, DUNNING)
    assert len(dead(posting.transport, DUNNING)) == 1

    run(db, root, activate_tenant, actor.tenant_id)
    resubmit_all(posting, root, DUNNING)
    work_off(posting, EMAILS)
    assert len(mailer.taken) == 1
    assert dead(posting.transport, DUNNING) == []

    again = Faulty(posting.transport)
    bury(again, message_of(actor.tenant_id, EvaluateDunning()))
    resubmit_all(replace(posting, transport=again), root, DUNNING)
    work_off(posting, EMAILS)
    assert len(mailer.taken) == 1, "one step a day"
