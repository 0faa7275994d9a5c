"""Mail that came back, and complaints: the address is marked, e-mail stops, it can be cleared."""

from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.communications.mailer import AddressRefused
from backend.communications.models import CommunicationStatus, ReturnKind
from backend.communications.queries import list_communications
from backend.communications.returns import Reported, clear_return, list_returns, report_return
from backend.communications.service import send_again
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerView, get_customer
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound
from backend.ids import new_id
from backend.unit_of_work import read, run
from backend.webhooks.effects import Outcome
from backend.webhooks.email_returns import apply_return
from backend.webhooks.events import EmailReturned
from backend.webhooks.providers import provider_called
from tests.emails import RecordingMailer, envelopes, handle, handle_all
from tests.factories import actor_in, make_customer, make_invoice, raw_count, raw_rows

ADDRESS = "ap@harbor.example"


@pytest.fixture
def payer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor, "Harbor Dental Group", email=ADDRESS)


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
def sent(db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer) -> UUID:
    """An e-mail that went to the payer."""
    make_invoice(db, actor, payer.customer_id)
    handle_all(db, mailer)
    [view] = read(db, actor, list_communications).items
    return view.communication_id


def report(
    db: Database,
    actor: Actor,
    communication_id: UUID | None,
    kind: ReturnKind = ReturnKind.BOUNCED,
    address: str | None = None,
) -> Reported:
    return run(
        db, actor, report_return, communication_id, address, kind, "550\nno such user", "api"
    )


def status(db: Database, actor: Actor, customer: CustomerView) -> EmailStatus:
    return read(db, actor, get_customer, customer.customer_id).email_status


def test_mail_that_came_back_marks_the_address_once(
    db: Database, actor: Actor, payer: CustomerView, sent: UUID
) -> None:
    first = report(db, actor, sent)
    assert (first.marked, first.is_new) == ((payer.customer_id,), True)
    assert status(db, actor, payer) is EmailStatus.BOUNCED
    again = report(db, actor, sent)
    assert (again.marked, again.is_new) == ((), False)
    [told] = read(db, actor, list_returns, payer.customer_id)
    assert (told.kind, told.address, told.source) == (ReturnKind.BOUNCED, ADDRESS, "api")
    assert told.detail == "550 no such user"
    assert told.communication_id == sent
    actions = raw_rows(db, "SELECT action FROM audit_log WHERE action LIKE 'customer.email%'")
    assert actions == [("customer.email_bounced",)]


@pytest.mark.parametrize("kind", ReturnKind)
def test_nothing_more_is_sent_to_a_marked_address(
    db: Database,
    actor: Actor,
    payer: CustomerView,
    sent: UUID,
    mailer: RecordingMailer,
    kind: ReturnKind,
) -> None:
    make_invoice(db, actor, payer.customer_id)  # its e-mail is queued before word comes
    report(db, actor, sent, kind)
    handle_all(db, mailer)
    assert len(mailer.taken) == 1
    newest = read(db, actor, list_communications).items[0]
    assert newest.status is CommunicationStatus.FAILED
    assert newest.error
    before = raw_count(db, "outbox")
    make_invoice(db, actor, payer.customer_id)
    assert raw_count(db, "outbox") == before


def test_a_complaint_weighs_more_than_a_bounce(
    db: Database, actor: Actor, payer: CustomerView, sent: UUID
) -> None:
    report(db, actor, sent, ReturnKind.COMPLAINED)
    report(db, actor, sent, ReturnKind.BOUNCED)
    assert status(db, actor, payer) is EmailStatus.COMPLAINED
    assert len(read(db, actor, list_returns, payer.customer_id)) == 2


def test_a_corrected_address_is_clean_and_old_mail_cannot_mark_it(
    db: Database, actor: Actor, payer: CustomerView, sent: UUID
) -> None:
    changes = {"email": "new@harbor.example"}
    run(db, actor, update_customer, payer.customer_id, changes)
    told = report(db, actor, sent)
    assert (told.marked, told.is_new) == ((), True)
    assert status(db, actor, payer) is EmailStatus.OK
    report(db, actor, None, address="new@harbor.example")
    assert status(db, actor, payer) is EmailStatus.BOUNCED
    run(db, actor, update_customer, payer.customer_id, {"email": ADDRESS})
    assert status(db, actor, payer) is EmailStatus.OK


def test_an_address_that_works_again_is_cleared_and_old_word_cannot_mark_it(
    db: Database, actor: Actor, payer: CustomerView, sent: UUID
) -> None:
    report(db, actor, sent)
    assert run(db, actor, clear_return, payer.customer_id).email_status is EmailStatus.OK
    version = run(db, actor, clear_return, payer.customer_id).version
    assert run(db, actor, clear_return, payer.customer_id).version == version
    report(db, actor, sent)
    assert status(db, actor, payer) is EmailStatus.OK


def test_a_mail_server_that_refuses_again_marks_again(
    db: Database, actor: Actor, payer: CustomerView, mailer: RecordingMailer
) -> None:
    make_invoice(db, actor, payer.customer_id)
    for _ in range(2):
        mailer.problems = [AddressRefused("550 5.1.1 no such user")]
        handle(db, mailer, envelopes(db)[-1])
        assert status(db, actor, payer) is EmailStatus.BOUNCED
        run(db, actor, clear_return, payer.customer_id)
        [view] = read(db, actor, list_communications).items
        run(db, actor, send_again, view.communication_id)
    told = read(db, actor, list_returns, payer.customer_id)
    assert [one.source for one in told] == ["mail server"] * 2


def test_everybody_with_the_address_is_marked_whatever_its_case(
    db: Database, actor: Actor, payer: CustomerView
) -> None:
    second = make_customer(db, actor, "Harbor Dental West", email="AP@Harbor.example")
    other = make_customer(db, actor, "Else", email="x@harbor.example")
    told = report(db, actor, None, address=" ap@HARBOR.example ")
    assert told.marked == (payer.customer_id, second.customer_id)
    assert status(db, actor, other) is EmailStatus.OK
    assert report(db, actor, None, address=ADDRESS).marked == ()
    assert raw_count(db, "email_returns") == 2


def test_what_cannot_be_told_is_refused(db: Database, actor: Actor, payer: CustomerView) -> None:
    with pytest.raises(NotFound):
        report(db, actor, new_id())
    with pytest.raises(InvalidInput):
        report(db, actor, None)
    assert report(db, actor, None, address="nobody@x.example").customer_ids == ()
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    for act in (
        lambda: report(db, support, None, address=ADDRESS),
        lambda: run(db, support, clear_return, payer.customer_id),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_word_of_a_provider_marks_the_address_once(
    db: Database, actor: Actor, payer: CustomerView, sent: UUID
) -> None:
    standard = provider_called("standard")

    def event(event_type: str, **data: str) -> EmailReturned:
        found = standard.normalise({"type": event_type, "data": data}, db.clock())
        assert isinstance(found, EmailReturned)
        return found

    complaint = event("email.complained", communication_id=str(sent), reason="spam")
    assert run(db, actor, apply_return, "standard", complaint).outcome is Outcome.APPLIED
    assert run(db, actor, apply_return, "standard", complaint).outcome is Outcome.UNCHANGED
    assert status(db, actor, payer) is EmailStatus.COMPLAINED
    unknown = event("email.bounced", address="nobody@x.example")
    assert run(db, actor, apply_return, "standard", unknown).outcome is Outcome.UNCHANGED
    [told] = read(db, actor, list_returns, payer.customer_id)
    assert (told.detail, told.source) == ("spam", "webhook:standard")
    for data in ({}, {"communication_id": "x"}):
        with pytest.raises(InvalidInput):
            event("email.bounced", **data)
