"""One hand-over at a time, and a tenant's own wording that must never be in the way of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from backend.actor import Actor
from backend.communications.letters import Letter
from backend.communications.mailer import MailerUnavailable
from backend.communications.models import CommunicationStatus
from backend.communications.queries import (
    CommunicationDetail,
    get_communication,
    list_communications,
)
from backend.communications.sending import Source, send_letter
from backend.communications.service import HAND_OVER_SECONDS_MAX
from backend.communications.smtp import DELIVERY_SECONDS_MAX
from backend.communications.templates import TemplateSource
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import Busy
from backend.invoices.letters import invoice_letter
from backend.unit_of_work import Reader, read
from tests.emails import RecordingMailer, envelopes, handle, handle_all
from tests.factories import make_customer, make_invoice, raw_rows


@pytest.fixture
def payer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor, "Harbor Dental Group", email="ap@harbor.example")


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


def only(db: Database, actor: Actor) -> CommunicationDetail:
    [view] = read(db, actor, list_communications).items
    return read(db, actor, get_communication, view.communication_id)


def leases(db: Database) -> list[object]:
    return [row[0] for row in raw_rows(db, "SELECT sending_until FROM communications")]


def test_a_second_delivery_at_the_same_moment_waits(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    [envelope] = envelopes(db)
    is_taking, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        is_taking.set()
        assert may_go_on.wait(20)

    mailer.before_taking = wait
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(handle, db, mailer, envelope)
        try:
            assert is_taking.wait(20)
            with pytest.raises(Busy, match="at this moment"):
                handle(db, RecordingMailer(), envelope)
        finally:
            may_go_on.set()
        first.result(20)
    assert len(mailer.taken) == 1
    assert only(db, actor).head.status is CommunicationStatus.SENT
    assert leases(db) == [None]


def test_after_a_failed_try_the_next_one_need_not_wait(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    mailer.problems = [MailerUnavailable("away")]
    with pytest.raises(Busy, match="away"):
        handle_all(db, mailer)
    assert leases(db) == [None]
    handle_all(db, mailer)
    assert [email.is_repeat for email in mailer.taken] == [True]


def test_no_mailer_may_take_longer_than_the_lease() -> None:
    assert DELIVERY_SECONDS_MAX < HAND_OVER_SECONDS_MAX


def send_worded(
    db: Database, actor: Actor, invoice_id: UUID, mailer: RecordingMailer, source: TemplateSource
) -> CommunicationDetail:
    """Send an invoice in this wording, past the check that it would have failed."""

    def build(reader: Reader) -> Letter:
        return replace(invoice_letter(reader, invoice_id), source=source)

    [envelope] = envelopes(db)
    send_letter(db, mailer, actor, Source(message_id=envelope.message_id), build)
    return only(db, actor)


@pytest.mark.parametrize(
    ("source", "subject", "text"),
    [
        (TemplateSource("{{ gone }}", "Own", "<p>Own</p>"), "Invoice INV-", "Own"),
        (TemplateSource("Own", "{{ gone }}", "<p>Own</p>"), "Invoice INV-", "Here is invoice"),
        (TemplateSource("Own", "Own", "<script>"), "Invoice INV-", "Here is invoice"),
        (TemplateSource("Own", "{{ unclosed", "<p>Own</p>"), "Invoice INV-", "Here is invoice"),
        (TemplateSource("{{ gone }}", "{% x", "<p>"), "Invoice INV-", "Here is invoice"),
    ],
)
def test_a_wording_that_fails_is_passed_over_and_told(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    mailer: RecordingMailer,
    source: TemplateSource,
    subject: str,
    text: str,
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    detail = send_worded(db, actor, invoice.invoice_id, mailer, source)
    [email] = mailer.taken
    assert email.subject.startswith(subject)
    assert text in email.text_body
    assert detail.head.status is CommunicationStatus.SENT
    assert detail.template_problem


def test_the_tenants_own_wording_is_what_is_sent(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    source = TemplateSource("For {{ customer_name }}", "{{ total }}", "<p>{{ total }}</p>")
    detail = send_worded(db, actor, invoice.invoice_id, mailer, source)
    assert detail.head.subject == "For Harbor Dental Group"
    assert detail.template_problem is None
