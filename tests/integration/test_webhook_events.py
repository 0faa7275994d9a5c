"""From a delivery to the books: stored once, processed by the worker, replayed at any time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.bootstrap import Services
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import Busy, InvalidInput, NotAllowed, NotFound, RuleRefused, StateConflict
from backend.ids import new_id
from backend.messaging.contracts import Queue, WebhookReceived, WebhookReplayRequested
from backend.messaging.envelope import read_envelope
from backend.payments.reversal import reverse_payment
from backend.reporting.trace import list_trace
from backend.unit_of_work import UnitOfWork, read, run
from backend.webhooks import processing, replay
from backend.webhooks.endpoints import CreateEndpoint, create_endpoint, get_endpoint
from backend.webhooks.ingest import Stored, read_delivery, store_delivery
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.providers import PROVIDERS
from backend.webhooks.queries import (
    WebhookEventDetail,
    WebhookEventFilter,
    WebhookEventView,
    get_event,
    list_events,
)
from backend.webhooks.replay import (
    count_matching,
    replay_event,
    replay_events,
    replay_matching,
)
from backend.webhooks.secrets import SecretBox
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_invoice,
    raw_count,
    raw_rows,
)
from tests.queues import another_process, real_message, services_on
from tests.webhooks import as_bytes, charge, payment_intent, standard_event, stripe_event
from worker.handlers.table import HANDLERS
from worker.process import Worker

STATUS = WebhookEventStatus


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


@pytest.fixture
def customer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor)


def deliver(
    db: Database,
    actor: Actor,
    body: bytes | dict[str, Any],
    *,
    provider: str = "stripe",
    headers: dict[str, str] | None = None,
    endpoint_id: UUID | None = None,
) -> Stored:
    raw = body if isinstance(body, bytes) else as_bytes(body)
    signature = SignatureResult.API_KEY if endpoint_id is None else SignatureResult.VERIFIED
    delivery = read_delivery(PROVIDERS[provider], raw, headers or {}, signature, endpoint_id)
    return run(db, actor, store_delivery, delivery)


def drain(services: Services) -> None:
    Worker(services, HANDLERS).run_once()


def event(db: Database, actor: Actor, event_id: UUID) -> WebhookEventView:
    return read(db, actor, get_event, event_id).head


def paid(intent: str, amount: int, **metadata: str) -> dict[str, Any]:
    return stripe_event(
        f"evt_{intent}", "payment_intent.succeeded", payment_intent(intent, amount, **metadata)
    )


def dead_letters(db: Database) -> list[tuple[Any, ...]]:
    return raw_rows(
        db, "SELECT dead_reason, dead_description FROM queue_messages WHERE state = 'dead'"
    )


def test_the_bytes_are_kept_as_they_came(db: Database, actor: Actor):
    body = b'\n{ "id": "evt_1",\t"type": "x" , "note":"\xc3\xa9", "n": 1.10 }\r\n'
    stored = deliver(db, actor, body, headers={"stripe-signature": "t=1,v1=abc", "cookie": "c"})
    detail = read(db, actor, get_event, stored.webhook_event_id)
    assert detail.payload == body
    assert detail.payload_text.encode() == body
    assert detail.headers == {"stripe-signature": "t=1,v1=[redacted]"}
    assert detail.head == WebhookEventView(
        webhook_event_id=stored.webhook_event_id,
        webhook_endpoint_id=None,
        provider="stripe",
        external_event_id="evt_1",
        event_type="x",
        status=STATUS.RECEIVED,
        signature=SignatureResult.API_KEY,
        received_at=db.clock(),
        deliveries=1,
        last_delivered_at=db.clock(),
        attempts=0,
        last_attempt_at=None,
        processed_at=None,
        error=None,
        effect=None,
        codes=(),
        detail=None,
        payment_id=None,
        replay_requested_at=None,
        correlation_id=actor.correlation_id,
    )


def test_an_event_delivered_again_is_counted_and_nothing_more(
    db: Database, actor: Actor, clock: Clock
):
    first = deliver(db, actor, paid("pi_1", 5000))
    clock.pass_time(days=400)
    again = deliver(db, actor, paid("pi_1", 9900))
    assert again == Stored(first.webhook_event_id, is_new=False)
    assert raw_count(db, "outbox") == 1
    seen = event(db, actor, first.webhook_event_id)
    assert (seen.deliveries, seen.last_delivered_at) == (2, clock.now)
    assert b"9900" not in read(db, actor, get_event, first.webhook_event_id).payload


def test_two_processes_that_get_one_event_at_once_store_it_once(db: Database, actor: Actor):
    barrier = threading.Barrier(2)
    stored: list[Stored] = []

    def take(own: Database) -> None:
        for number in range(25):
            barrier.wait(30)
            stored.append(deliver(own, actor, paid(f"pi_{number}", 5000)))

    with another_process(db) as other:
        threads = [threading.Thread(target=take, args=(one,)) for one in (db, other.db)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stored) == 50
    assert sum(one.is_new for one in stored) == 25
    assert raw_rows(db, "SELECT deliveries, count(*) FROM webhook_events GROUP BY 1") == [(2, 25)]
    assert raw_count(db, "outbox") == 25


def test_the_same_id_is_another_event_for_another_provider_or_tenant(
    db: Database, actor: Actor, stranger: Actor
):
    body = stripe_event("evt_1", "x", {})
    headers = {"webhook-id": "evt_1"}
    stored = {
        deliver(db, actor, body),
        deliver(db, actor, body, provider="standard", headers=headers),
        deliver(db, stranger, body),
    }
    assert len(stored) == 3
    assert all(one.is_new for one in stored)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"id": NaN}', b'{"type": "x"}', b"[" * 100_000]
)
def test_what_is_no_event_is_kept_and_processed_by_nobody(
    db: Database, actor: Actor, services: Services, body: bytes
):
    stored = deliver(db, actor, body)
    assert not deliver(db, actor, body).is_new
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.event_type, seen.deliveries) == (STATUS.FAILED, None, 2)
    assert seen.error is not None
    assert seen.error.startswith(("malformed_json: ", "invalid_input: "))
    assert raw_count(db, "outbox") == 0
    assert read(db, actor, get_event, stored.webhook_event_id).payload == body
    run(db, actor, replay_event, stored.webhook_event_id)
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts) == (STATUS.FAILED, 1)
    assert dead_letters(db) == []


def test_a_malformed_delivery_does_not_stand_in_the_way_of_the_event_proper(
    db: Database, actor: Actor
):
    headers = {"webhook-id": "msg_1"}
    broken = deliver(db, actor, b"{", provider="standard", headers=headers)
    proper = deliver(
        db, actor, standard_event("payment.succeeded"), provider="standard", headers=headers
    )
    assert proper.is_new
    assert proper.webhook_event_id != broken.webhook_event_id


def test_a_payment_comes_into_the_books(
    db: Database, actor: Actor, services: Services, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    coming = actor_in(actor.tenant_id, who="webhook:stripe")
    stored = deliver(db, coming, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    clock.pass_time(seconds=2)
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.effect, seen.error) == (STATUS.PROCESSED, "applied", None)
    assert (seen.attempts, seen.last_attempt_at, seen.processed_at) == (1, clock.now, clock.now)
    assert seen.latency_ms == 2000
    assert seen.detail
    assert invoice_now(db, actor, invoice.invoice_id).status == "paid"
    [payment] = raw_rows(db, "SELECT id, external_payment_id, correlation_id FROM payments")
    assert seen.payment_id is not None
    assert payment == (seen.payment_id.hex, "pi_1", coming.correlation_id)
    who = raw_rows(db, "SELECT actor FROM audit_log WHERE action = 'payment.recorded'")
    assert who == [("webhook:stripe",)]


def test_an_event_that_is_not_used_is_ignored(db: Database, actor: Actor, services: Services):
    stored = deliver(db, actor, stripe_event("evt_1", "customer.created", {"id": "cus_1"}))
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.error, seen.effect) == (STATUS.IGNORED, None, None)
    assert seen.detail == "Events of type customer.created are not used."


def test_what_the_rules_refuse_is_told_and_is_no_dead_letter(
    db: Database, actor: Actor, services: Services
):
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_number="INV-000404"))
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts, seen.effect) == (STATUS.FAILED, 1, None)
    assert seen.error is not None
    assert ": " in seen.error
    assert seen.processed_at == db.clock()
    assert raw_count(db, "payments") == 0
    assert dead_letters(db) == []
    assert raw_rows(db, "SELECT action FROM audit_log WHERE entity_type = 'webhook_event'") == [
        ("webhook_event.failed",)
    ]


def test_a_failed_event_is_replayed_when_its_cause_is_mended(
    db: Database, actor: Actor, services: Services, customer: CustomerView
):
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_number="INV-000001"))
    drain(services)
    assert event(db, actor, stored.webhook_event_id).status is STATUS.FAILED
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    assert invoice.invoice_number == "INV-000001"
    support = actor_in(actor.tenant_id, Role.SUPPORT, who="dana")
    run(db, support, replay_event, stored.webhook_event_id)
    assert event(db, actor, stored.webhook_event_id).replay_requested_at == db.clock()
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts, seen.error) == (STATUS.PROCESSED, 2, None)
    assert seen.replay_requested_at is None
    assert invoice_now(db, actor, invoice.invoice_id).status == "paid"
    # Under the event's own correlation, whoever asked.
    assert raw_rows(db, "SELECT correlation_id FROM payments") == [(seen.correlation_id,)]


def test_a_processed_event_says_that_asking_again_changed_nothing(
    db: Database, actor: Actor, services: Services, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    drain(services)
    before = event(db, actor, stored.webhook_event_id)
    clock.pass_time(hours=1)
    assert run(db, actor, replay_events, [stored.webhook_event_id]).processed_before == 1
    drain(services)
    after = event(db, actor, stored.webhook_event_id)
    assert after.status is STATUS.PROCESSED
    assert (after.effect, after.payment_id) == (before.effect, before.payment_id)
    assert (after.processed_at, after.attempts) == (before.processed_at, 2)
    assert after.detail is not None
    assert after.detail.startswith("Replayed: ")
    assert "nothing changed" in after.detail
    assert raw_count(db, "payments") == 1


def test_a_replay_of_a_processed_event_that_is_refused_leaves_it_processed(
    db: Database,
    actor: Actor,
    services: Services,
    customer: CustomerView,
    monkeypatch: pytest.MonkeyPatch,
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    drain(services)
    monkeypatch.setattr(processing, "apply_event", refusing)
    run(db, actor, replay_event, stored.webhook_event_id)
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.error) == (STATUS.PROCESSED, None)
    assert seen.detail == "Replayed: state_conflict: Not now."


def refusing(work: UnitOfWork, *_: object) -> Any:
    work.record("customer.updated", "customer", new_id())
    raise StateConflict("Not now.")


def test_a_refusal_undoes_what_was_done_before_it(
    db: Database, actor: Actor, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processing, "apply_event", refusing)
    stored = deliver(db, actor, paid("pi_1", 5000))
    drain(services)
    assert event(db, actor, stored.webhook_event_id).error == "state_conflict: Not now."
    assert raw_rows(db, "SELECT action FROM audit_log") == [("webhook_event.failed",)]


def raising(error: BaseException) -> Callable[..., Any]:
    def apply(*_: object) -> Any:
        raise error

    return apply


def test_trouble_that_nobody_foresaw_is_told_and_tried_again(
    db: Database,
    actor: Actor,
    services: Services,
    customer: CustomerView,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    with monkeypatch.context() as patch:
        patch.setattr(processing, "apply_event", raising(ZeroDivisionError("secret figures")))
        drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts) == (STATUS.FAILED, 1)
    assert seen.error is not None
    assert seen.error.startswith("unexpected: ZeroDivisionError.")
    assert "secret figures" not in seen.error
    clock.pass_time(hours=1)
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts, seen.error) == (STATUS.PROCESSED, 2, None)


def test_a_busy_database_is_no_failure_of_the_event(
    db: Database,
    actor: Actor,
    services: Services,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
):
    stored = deliver(db, actor, stripe_event("evt_1", "x", {}))
    with monkeypatch.context() as patch:
        patch.setattr(processing, "parse_object", raising(Busy("full")))
        drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.error) == (STATUS.PROCESSING, None)
    clock.pass_time(hours=1)
    drain(services)
    assert event(db, actor, stored.webhook_event_id).status is STATUS.IGNORED


def test_a_message_delivered_again_does_nothing_more(
    db: Database, actor: Actor, services: Services, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    failed = deliver(db, actor, paid("pi_2", 100, invoice_number="INV-000404"))
    drain(services)
    for one in (stored, failed):
        body = WebhookReceived(webhook_event_id=one.webhook_event_id)
        [(message_id,)] = raw_rows(
            db,
            "SELECT settled_message_id FROM webhook_events WHERE id = ?",
            one.webhook_event_id.hex,
        )
        # The queue forgets in time that it had the message.
        raw = real_message(actor.tenant_id, body, message_id=UUID(message_id))
        HANDLERS[WebhookReceived](services, actor, read_envelope(raw.body), body)
        assert event(db, actor, one.webhook_event_id).attempts == 1
    assert raw_count(db, "payments") == 1


def test_an_event_that_is_done_is_not_done_by_another_message_unless_it_is_a_replay(
    db: Database, actor: Actor, services: Services
):
    stored = deliver(db, actor, stripe_event("evt_1", "x", {}))
    drain(services)
    services.transport.send(
        [real_message(actor.tenant_id, WebhookReceived(webhook_event_id=stored.webhook_event_id))]
    )
    drain(services)
    assert event(db, actor, stored.webhook_event_id).attempts == 1
    services.transport.send(
        [
            real_message(
                actor.tenant_id, WebhookReplayRequested(webhook_event_id=stored.webhook_event_id)
            )
        ]
    )
    drain(services)
    assert event(db, actor, stored.webhook_event_id).attempts == 2


def test_a_message_about_an_event_that_is_not_there_is_a_dead_letter(
    db: Database, actor: Actor, stranger: Actor, services: Services
):
    theirs = deliver(db, stranger, stripe_event("evt_1", "x", {}))
    for event_id in (new_id(), theirs.webhook_event_id):
        message = WebhookReplayRequested(webhook_event_id=event_id)
        services.transport.send([real_message(actor.tenant_id, message)])
    drain(services)
    told = ("refused", "webhook_event_not_found: There is no such webhook event.")
    assert dead_letters(db) == [told, told]
    assert event(db, stranger, theirs.webhook_event_id).attempts == 1


def test_an_event_left_by_a_dead_worker_is_taken_up(
    db: Database, actor: Actor, services: Services, monkeypatch: pytest.MonkeyPatch, clock: Clock
):
    stored = deliver(db, actor, stripe_event("evt_1", "x", {}))

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(processing, "_settle", raising(Killed()))
        with pytest.raises(Killed):
            drain(services)
    assert event(db, actor, stored.webhook_event_id).status is STATUS.PROCESSING
    clock.pass_time(minutes=2)
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.status, seen.attempts) == (STATUS.IGNORED, 2)


@pytest.fixture
def many(db: Database, actor: Actor, services: Services) -> list[UUID]:
    """Six events: two of Stripe that failed, two ignored, two of the other provider ignored."""
    ids = []
    for number in range(2):
        ids.append(deliver(db, actor, paid(f"pi_{number}", 100, invoice_number="INV-9")))
        ids.append(deliver(db, actor, stripe_event(f"evt_{number}", "customer.created", {})))
        headers = {"webhook-id": f"msg_{number}"}
        ids.append(deliver(db, actor, {"type": "ping"}, provider="standard", headers=headers))
    drain(services)
    return [one.webhook_event_id for one in ids]


@pytest.mark.parametrize(
    ("narrowed", "wanted"),
    [
        (WebhookEventFilter(), [5, 4, 3, 2, 1, 0]),
        (WebhookEventFilter(provider="standard"), [5, 2]),
        (WebhookEventFilter(status=STATUS.FAILED), [3, 0]),
        (WebhookEventFilter(provider="standard", status=STATUS.FAILED), []),
        (WebhookEventFilter(event_type="customer.created"), [4, 1]),
        (WebhookEventFilter(external_event_id="msg_1"), [5]),
        (WebhookEventFilter(signature=SignatureResult.VERIFIED), []),
        (WebhookEventFilter(endpoint_id=UUID(int=1)), []),
    ],
)
def test_events_are_narrowed_listed_and_counted_alike(
    db: Database, actor: Actor, many: list[UUID], narrowed: WebhookEventFilter, wanted: list[int]
):
    listed = read(db, actor, list_events, narrowed).items
    assert [many.index(one.webhook_event_id) for one in listed] == wanted
    assert read(db, actor, count_matching, narrowed) == len(wanted)


def test_events_are_narrowed_by_when_they_came(db: Database, actor: Actor, many: list[UUID]):
    now = db.clock()
    assert read(db, actor, count_matching, WebhookEventFilter(received_from=now)) == 6
    assert read(db, actor, count_matching, WebhookEventFilter(received_before=now)) == 0


def test_events_are_paged_by_key(db: Database, actor: Actor, many: list[UUID]):
    seen, cursor = [], None
    while True:
        page = read(db, actor, list_events, limit=4, cursor=cursor)
        seen += [one.webhook_event_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == many[::-1]
    with pytest.raises(InvalidInput):
        read(db, actor, list_events, cursor="x")


def test_all_that_match_are_replayed_when_they_are_as_many_as_was_agreed(
    db: Database, actor: Actor, services: Services, many: list[UUID]
):
    failed = WebhookEventFilter(status=STATUS.FAILED)
    with pytest.raises(StateConflict) as changed:
        run(db, actor, replay_matching, failed, 3)
    assert changed.value.facts == {"expected": 3, "found": 2}
    assert raw_rows(db, "SELECT count(*) FROM webhook_events WHERE replay_requested_at > 0") == [
        (0,)
    ]
    assert run(db, actor, replay_matching, failed, 2).queued == 2
    drain(services)
    attempts = {one.webhook_event_id: one.attempts for one in read(db, actor, list_events).items}
    assert [attempts[one] for one in many] == [2, 1, 1, 2, 1, 1]


def test_selected_events_are_replayed_once_each(
    db: Database, actor: Actor, services: Services, many: list[UUID]
):
    assert run(db, actor, replay_events, [many[0], many[1], many[0]]).queued == 2
    with pytest.raises(NotFound):
        run(db, actor, replay_events, [many[2], new_id()])
    drain(services)
    attempts = {one.webhook_event_id: one.attempts for one in read(db, actor, list_events).items}
    assert [attempts[one] for one in many] == [2, 2, 1, 1, 1, 1]
    assert raw_rows(
        db, "SELECT count(*) FROM audit_log WHERE action = 'webhook_event.replay_requested'"
    ) == [(2,)]


def test_too_many_for_one_go_are_refused(
    db: Database, actor: Actor, many: list[UUID], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(replay, "REPLAYS_MAX", 5)
    with pytest.raises(RuleRefused):
        run(db, actor, replay_matching, WebhookEventFilter(), 6)
    with pytest.raises(RuleRefused):
        run(db, actor, replay_events, many)
    assert run(db, actor, replay_events, many[:5]).queued == 5


def test_finance_reads_events_and_replays_none(db: Database, actor: Actor, many: list[UUID]):
    finance = actor_in(actor.tenant_id, Role.FINANCE)
    assert len(read(db, finance, list_events).items) == 6
    assert isinstance(read(db, finance, get_event, many[0]), WebhookEventDetail)
    for call in (
        lambda work: replay_event(work, many[0]),
        lambda work: replay_events(work, many),
        lambda work: replay_matching(work, WebhookEventFilter(), 6),
        lambda work: count_matching(work, WebhookEventFilter()),
    ):
        with pytest.raises(NotAllowed):
            run(db, finance, call)


def test_the_endpoint_says_when_it_was_last_heard_of(db: Database, actor: Actor, clock: Clock):
    box = SecretBox("k" * 32)
    made = run(db, actor, create_endpoint, box, CreateEndpoint("stripe"))
    endpoint_id = made.webhook_endpoint_id
    stored = deliver(db, actor, stripe_event("evt_1", "x", {}), endpoint_id=endpoint_id)
    clock.pass_time(hours=1)
    deliver(db, actor, stripe_event("evt_1", "x", {}), endpoint_id=endpoint_id)
    assert read(db, actor, get_endpoint, endpoint_id).last_event_at == clock.now
    seen = event(db, actor, stored.webhook_event_id)
    assert (seen.webhook_endpoint_id, seen.signature) == (endpoint_id, SignatureResult.VERIFIED)


def test_a_refund_is_applied_through_the_same_way(
    db: Database, actor: Actor, services: Services, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    refund = stripe_event("evt_r", "charge.refunded", charge("pi_1", 5000, 2000))
    early = deliver(db, actor, refund)
    drain(services)
    assert event(db, actor, early.webhook_event_id).effect == "waiting"
    deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    drain(services)
    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "20.00"


@pytest.mark.parametrize("way", ["correlation", "event", "provider's", "message", "payment"])
def test_the_trace_shows_the_whole_way_from_any_end(
    db: Database, actor: Actor, services: Services, way: str
):
    customer = make_customer(db, actor, email="ap@example.com")
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    drain(services)
    coming = actor_in(actor.tenant_id, who="webhook:stripe")
    stored = deliver(db, coming, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    drain(services)
    seen = event(db, actor, stored.webhook_event_id)
    [(message_id,)] = raw_rows(
        db, "SELECT message_id FROM outbox WHERE message_type = 'webhook.received'"
    )
    wanted = {
        "correlation": coming.correlation_id,
        "event": str(stored.webhook_event_id),
        "provider's": "evt_pi_1",
        "message": str(UUID(message_id)),
        "payment": str(seen.payment_id),
    }
    told = read(db, actor, list_trace, wanted[way])
    kinds = [one.type for one in told]
    assert {
        "webhook.received",
        "webhook.processed",
        "message.written",
        "message.handled",
        "payment.recorded",
        "ledger.payment_received",
    } <= set(kinds), kinds
    assert "communication.sent" in kinds or "email" in " ".join(kinds), kinds
    received = next(one for one in told if one.type == "webhook.received")
    assert received.detail is not None
    assert "evt_pi_1" in received.detail
    assert kinds.index("webhook.received") < kinds.index("payment.recorded")
    again = next(one for one in told if one.type == "webhook.delivered_again")
    assert again.title == "Webhook payment_intent.succeeded delivered again"


def test_the_trace_of_a_replay_leads_to_the_event_and_what_came_of_it(
    db: Database, actor: Actor, services: Services, customer: CustomerView
):
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_number="INV-000001"))
    drain(services)
    make_invoice(db, actor, customer.customer_id, "50.00")
    dana = actor_in(actor.tenant_id, Role.SUPPORT, who="dana")
    run(db, dana, replay_event, stored.webhook_event_id)
    drain(services)
    for wanted in (dana.correlation_id, str(stored.webhook_event_id)):
        kinds = {one.type for one in read(db, actor, list_trace, wanted)}
        assert {
            "webhook_event.replay_requested",
            "webhook_event.failed",
            "webhook.processed",
            "payment.recorded",
        } <= kinds, (wanted, kinds)


def test_a_payment_reversed_by_hand_stays_so_when_its_event_is_replayed(
    db: Database, actor: Actor, services: Services, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "50.00")
    stored = deliver(db, actor, paid("pi_1", 5000, invoice_id=str(invoice.invoice_id)))
    drain(services)
    payment_id = event(db, actor, stored.webhook_event_id).payment_id
    assert payment_id is not None
    run(db, actor, reverse_payment, payment_id, "bounced")
    run(db, actor, replay_event, stored.webhook_event_id)
    drain(services)
    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "50.00"
    assert json.loads(raw_rows(db, "SELECT headers FROM webhook_events")[0][0]) == {}


def test_every_queue_is_empty_in_the_end(db: Database, services: Services, many: list[UUID]):
    depth = services.transport.depth(Queue.WEBHOOK_INGEST)
    assert (depth.active, depth.scheduled, depth.dead) == (0, 0, 0)
