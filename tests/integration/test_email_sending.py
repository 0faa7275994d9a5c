"""E-mails from message to mailbox: sent once, checked again at the last moment, told apart."""

from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.communications.letters import Letter
from backend.communications.mailbox import MailboxMailer
from backend.communications.mailer import (
    AddressRefused,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
    ProviderReceipt,
)
from backend.communications.models import CommunicationStatus, CommunicationType
from backend.communications.queries import (
    CommunicationDetail,
    CommunicationFilter,
    CommunicationView,
    get_attachment,
    get_communication,
    list_communications,
)
from backend.communications.sending import LOOKS_MAX, Source, send_letter
from backend.communications.service import (
    HAND_OVER_SECONDS_MAX,
    mark_failed,
    mark_sent,
    send_again,
)
from backend.communications.smtp import SmtpMailer
from backend.config import SmtpServer
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerView, get_customer
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.errors import Busy, InvalidInput, NotAllowed, NotFound, StateConflict
from backend.invoices.letters import invoice_letter
from backend.invoices.service import cancel_invoice
from backend.payments.reversal import reverse_payment
from backend.unit_of_work import Reader, read, run
from tests.emails import (
    HOST,
    Inbox,
    RecordingMailer,
    envelopes,
    handle,
    handle_all,
    serving,
    text_of,
)
from tests.factories import Clock, actor_in, make_customer, make_invoice, pay, raw_count, raw_rows


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
def payer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor, "Harbor Dental Group", email="ap@harbor.example")


def communications(db: Database, actor: Actor, **narrowed: Any) -> list[CommunicationView]:
    return read(db, actor, list_communications, CommunicationFilter(**narrowed)).items


def only(db: Database, actor: Actor) -> CommunicationDetail:
    [view] = communications(db, actor)
    return read(db, actor, get_communication, view.communication_id)


def audited(db: Database, entity_id: UUID) -> list[str]:
    rows = raw_rows(
        db, "SELECT action FROM audit_log WHERE entity_id = ? ORDER BY sequence", entity_id.hex
    )
    return [row[0] for row in rows]


def test_a_sent_invoice_reaches_its_customer_with_its_pdf(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id, "1234.50")
    handle_all(db, mailer)
    [email] = mailer.taken
    assert email.to_address == "ap@harbor.example"
    assert email.from_name == "Ridge Roofing"
    assert str(invoice.invoice_number) in email.subject
    assert "$1,234.50" in email.text_body
    assert "$1,234.50" in email.html_body
    [attached] = email.attachments
    assert attached.filename == f"{invoice.invoice_number}.pdf"
    assert "$1,234.50" in text_of(attached.content)
    detail = only(db, actor)
    assert detail.head.type is CommunicationType.INVOICE
    assert detail.head.status is CommunicationStatus.SENT
    assert detail.head.invoice_ids == (invoice.invoice_id,)
    assert detail.head.correlation_id == actor.correlation_id
    assert detail.head.provider_id == "taken-1"
    assert detail.head.sent_at == db.clock()
    assert (detail.head.subject, detail.text_body) == (email.subject, email.text_body)
    assert detail.html_body == email.html_body
    assert detail.attachments[0].size == len(attached.content)
    assert not detail.attachments[0].is_kept
    assert audited(db, email.communication_id) == ["communication.queued", "communication.sent"]


def test_the_mailbox_keeps_the_very_file_that_was_attached(
    db: Database, actor: Actor, payer: CustomerView
) -> None:
    make_invoice(db, actor, payer.customer_id, "1234.50")
    handle_all(db, MailboxMailer())
    detail = only(db, actor)
    [attached] = detail.attachments
    assert attached.is_kept
    kept = read(db, actor, get_attachment, detail.head.communication_id, attached.attachment_id)
    assert len(kept.content) == attached.size
    assert "$1,234.50" in text_of(kept.content)
    assert kept.content_type == "application/pdf"


def test_a_file_that_was_sent_and_not_kept_is_said_to_be_so(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    handle_all(db, mailer)
    detail = only(db, actor)
    with pytest.raises(NotFound) as missing:
        read(
            db,
            actor,
            get_attachment,
            detail.head.communication_id,
            detail.attachments[0].attachment_id,
        )
    assert missing.value.code == "attachment_not_kept"


def test_the_same_message_delivered_again_sends_nothing_again(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    for _ in range(3):
        handle_all(db, mailer)
    assert len(mailer.taken) == 1
    assert raw_count(db, "communications") == 1


def test_after_a_crash_before_the_outcome_was_written_the_repeat_is_recognisable(
    db: Database, clock: Clock, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)

    class Crash(BaseException):
        pass

    class Dies(RecordingMailer):
        def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
            super().deliver(email)
            raise Crash

    dies = Dies()
    with pytest.raises(Crash):
        handle_all(db, dies)
    assert only(db, actor).head.status is CommunicationStatus.QUEUED
    with pytest.raises(Busy):
        handle_all(db, mailer)
    clock.pass_time(seconds=HAND_OVER_SECONDS_MAX)
    handle_all(db, mailer)
    assert [mail.is_repeat for mail in (*dies.taken, *mailer.taken)] == [False, True]
    assert dies.taken[0].communication_id == mailer.taken[0].communication_id
    assert only(db, actor).head.status is CommunicationStatus.SENT
    assert raw_count(db, "communication_attachments") == 1


def test_a_server_in_trouble_leaves_the_e_mail_queued_and_says_why(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    mailer.problems = [MailerUnavailable("mail.example:25: Connection refused")]
    with pytest.raises(Busy, match="Connection refused"):
        handle_all(db, mailer)
    waiting = only(db, actor).head
    assert waiting.status is CommunicationStatus.QUEUED
    assert waiting.error == "mail.example:25: Connection refused"
    handle_all(db, mailer)
    sent = only(db, actor).head
    assert (sent.status, sent.error) == (CommunicationStatus.SENT, None)


def test_a_refused_address_is_marked_until_it_is_corrected(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    mailer.problems = [AddressRefused("550 5.1.1 No such user")]
    handle_all(db, mailer)
    failed = only(db, actor).head
    assert failed.status is CommunicationStatus.FAILED
    assert failed.error == "550 5.1.1 No such user"
    assert "customer.email_bounced" in audited(db, payer.customer_id)
    assert read(db, actor, get_customer, payer.customer_id).email_status is EmailStatus.BOUNCED

    pay(db, actor, "10.00", invoice_id=invoice.invoice_id)
    handle_all(db, mailer)
    assert mailer.taken == []

    run(db, actor, update_customer, payer.customer_id, {"email": "billing@harbor.example"})
    run(db, actor, send_again, failed.communication_id)
    handle_all(db, mailer)
    assert [email.to_address for email in mailer.taken] == ["billing@harbor.example"]
    again = read(db, actor, get_communication, failed.communication_id).head
    assert again.status is CommunicationStatus.SENT
    assert again.to_address == "billing@harbor.example"


def test_an_address_corrected_meanwhile_is_not_marked(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    mailer.problems = [AddressRefused("550 gone")]
    mailer.before_taking = lambda: run(
        db, actor, update_customer, payer.customer_id, {"email": "new@harbor.example"}
    )
    handle_all(db, mailer)
    assert read(db, actor, get_customer, payer.customer_id).email_status is EmailStatus.OK


def test_a_refused_message_fails_without_blaming_the_address(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    mailer.problems = [EmailRefused("554 5.7.1 Looks like spam")]
    handle_all(db, mailer)
    assert only(db, actor).head.status is CommunicationStatus.FAILED
    assert read(db, actor, get_customer, payer.customer_id).email_status is EmailStatus.OK


def test_an_invoice_called_off_before_its_e_mail_left_is_not_sent(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    run(db, actor, cancel_invoice, invoice.invoice_id, "wrong customer")
    handle_all(db, mailer)
    assert mailer.taken == []
    head = only(db, actor).head
    assert (head.status, head.error) == (CommunicationStatus.FAILED, "The invoice is cancelled.")


def test_an_address_removed_before_the_e_mail_left_is_recorded_as_the_reason(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    run(db, actor, update_customer, payer.customer_id, {"email": None})
    handle_all(db, mailer)
    head = only(db, actor).head
    assert head.status is CommunicationStatus.FAILED
    assert head.error == "The customer has no e-mail address."


def test_a_receipt_tells_where_the_money_went(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    first = make_invoice(db, actor, payer.customer_id, "100.00")
    second = make_invoice(db, actor, payer.customer_id, "200.00")
    handle_all(db, mailer)
    payment = pay(db, actor, "150.00", customer_id=payer.customer_id)
    handle_all(db, mailer)
    email = mailer.taken[-1]
    assert email.subject == "Thank you: we received $150.00"
    assert f"{first.invoice_number}: $100.00 (paid in full)" in email.text_body
    assert f"{second.invoice_number}: $50.00 ($150.00 remains open)" in email.text_body
    [view] = communications(db, actor, type=CommunicationType.RECEIPT)
    assert view.payment_id == payment.payment_id
    assert set(view.invoice_ids) == {first.invoice_id, second.invoice_id}


def test_a_payment_reversed_before_its_receipt_left_is_not_thanked_for(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    payment = pay(db, actor, "150.00", customer_id=payer.customer_id)
    run(db, actor, reverse_payment, payment.payment_id, "check bounced")
    handle_all(db, mailer)
    assert mailer.taken == []
    assert only(db, actor).head.error == "The payment is reversed."


def test_a_letter_that_is_no_longer_true_is_written_anew(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id, "100.00")
    looks = 0

    def build(reader: Reader) -> Letter:
        nonlocal looks
        looks += 1
        letter = invoice_letter(reader, invoice.invoice_id)
        if looks == 1:
            pay_later.append(True)
        return letter

    pay_later: list[bool] = []

    def build_and_pay(reader: Reader) -> Letter:
        letter = build(reader)
        if pay_later:
            pay_later.clear()
            pay(db, actor, "40.00", invoice_id=invoice.invoice_id)
        return letter

    [envelope, *_] = envelopes(db)
    source = Source(message_id=envelope.message_id)
    send_letter(db, mailer, actor, source, build_and_pay)
    assert "Balance due: $60.00" in mailer.taken[0].text_body
    assert looks == 4


def test_a_letter_that_never_stays_true_is_left_for_later(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    looks = 0

    def build(reader: Reader) -> Letter:
        nonlocal looks
        looks += 1
        letter = invoice_letter(reader, invoice.invoice_id)
        letter.context["total"] = str(looks)
        return letter

    [envelope] = envelopes(db)
    with pytest.raises(Busy):
        send_letter(db, mailer, actor, Source(message_id=envelope.message_id), build)
    assert looks == 2 * LOOKS_MAX
    assert mailer.taken == []
    assert raw_count(db, "communications") == 0


def test_only_a_failed_e_mail_can_be_sent_again_and_not_by_support(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    handle_all(db, mailer)
    communication_id = only(db, actor).head.communication_id
    with pytest.raises(StateConflict, match="sent"):
        run(db, actor, send_again, communication_id)
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    with pytest.raises(NotAllowed):
        run(db, support, send_again, communication_id)
    assert read(db, support, get_communication, communication_id)


def test_an_outcome_is_written_once(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    handle_all(db, mailer)
    communication_id = only(db, actor).head.communication_id
    run(db, actor, mark_failed, communication_id, "too late")
    run(db, actor, mark_sent, communication_id, "twice")
    head = only(db, actor).head
    assert (head.status, head.provider_id) == (CommunicationStatus.SENT, "taken-1")
    assert audited(db, communication_id) == ["communication.queued", "communication.sent"]


def test_lists_are_narrowed_and_paged_newest_first(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    other = make_customer(db, actor, "Elm Street Bakery", email="elm@bakery.example")
    invoices = [make_invoice(db, actor, payer.customer_id) for _ in range(3)]
    make_invoice(db, actor, other.customer_id)
    pay(db, actor, "100.00", invoice_id=invoices[0].invoice_id)
    handle_all(db, mailer)
    everything = communications(db, actor)
    assert [view.type.value for view in everything] == ["receipt", *["invoice"] * 4]
    assert everything[1].customer_name == "Elm Street Bakery"
    assert len(communications(db, actor, customer_id=payer.customer_id)) == 4
    assert len(communications(db, actor, invoice_id=invoices[0].invoice_id)) == 2
    assert len(communications(db, actor, type=CommunicationType.RECEIPT)) == 1
    assert len(communications(db, actor, status=CommunicationStatus.FAILED)) == 0
    pages, cursor = [], None
    for _ in range(3):
        page = read(db, actor, list_communications, limit=2, cursor=cursor)
        pages.append([view.communication_id for view in page.items])
        cursor = page.next_cursor
    assert cursor is None
    assert sum(pages, []) == [view.communication_id for view in everything]  # noqa: RUF017
    with pytest.raises(InvalidInput):
        read(db, actor, list_communications, limit=101)
    with pytest.raises(InvalidInput):
        read(db, actor, list_communications, cursor="garbage")


def test_another_tenant_sees_nothing_and_can_do_nothing(
    db: Database, actor: Actor, stranger: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id)
    handle_all(db, MailboxMailer())
    detail = only(db, actor)
    communication_id = detail.head.communication_id
    attachment_id = detail.attachments[0].attachment_id
    assert communications(db, stranger) == []
    assert communications(db, stranger, invoice_id=invoice.invoice_id) == []
    for attempt in (
        lambda: read(db, stranger, get_communication, communication_id),
        lambda: read(db, stranger, get_attachment, communication_id, attachment_id),
        lambda: run(db, stranger, send_again, communication_id),
    ):
        with pytest.raises(NotFound):
            attempt()
    cursor = read(db, actor, list_communications, limit=1).next_cursor
    assert cursor is None
    [envelope] = envelopes(db)
    forged = envelope.model_copy(update={"tenant_id": stranger.tenant_id})
    with pytest.raises(NotFound):
        handle(db, mailer, forged)
    assert mailer.taken == []


def test_one_refused_address_among_many_stops_nobody_else(
    db: Database, actor: Actor, payer: CustomerView
) -> None:
    class RefusesOne(Inbox):
        async def handle_RCPT(  # noqa: N802
            self, server: object, session: object, envelope: Any, address: str, options: object
        ) -> str:
            self.rcpt = "550 5.1.1 No such user" if "gone" in address else "250 OK"
            return await super().handle_RCPT(server, session, envelope, address, options)

    gone = make_customer(db, actor, "Gone LLC", email="gone@harbor.example")
    for customer in (gone, payer, gone, payer):
        make_invoice(db, actor, customer.customer_id)
    inbox = RefusesOne()
    with serving(inbox) as port:
        server = SmtpServer(HOST, port, username=None, password=None, starttls=False)
        handle_all(db, SmtpMailer(server, "billing@ridge.example"))
    assert [view.status.value for view in reversed(communications(db, actor))] == [
        "failed",
        "sent",
        "failed",
        "sent",
    ]
    assert len(inbox.envelopes) == 2
    assert read(db, actor, get_customer, gone.customer_id).email_status is EmailStatus.BOUNCED
    assert read(db, actor, get_customer, payer.customer_id).email_status is EmailStatus.OK
    assert "came back" in str(communications(db, actor)[1].error)
