"""From bytes to handler, and from the handler's outcome to a settlement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import structlog

from backend import errors
from backend.actor import Actor, Role, platform_system
from backend.bootstrap import Services
from backend.communications.mailer import AddressRefused, EmailRefused, MailerUnavailable
from backend.db.engine import Database
from backend.ids import new_id
from backend.messaging.contracts import EvaluateDunning, Queue, WebhookReceived
from backend.messaging.envelope import BadEnvelope, Envelope, UnknownMessageType
from backend.messaging.transport import DeadReason, Outgoing
from backend.tenants.service import deactivate_tenant
from backend.unit_of_work import run
from tests.factories import Clock, raw_rows
from tests.queues import EPOCH, real_message, services_on
from worker.dispatch import Handlers, dispatch
from worker.failures import ProcessingFailed, dead_reason, describe
from worker.handlers.table import HANDLERS

QUEUE = Queue.DUNNING_EVALUATE


@dataclass
class Recorder:
    """A handler that notes its calls, then does what it was told."""

    act: Callable[[], None] = lambda: None
    calls: list[tuple[Actor, Envelope, Any]] = field(default_factory=list)
    log_fields: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, _services: Services, actor: Actor, envelope: Envelope, message: Any) -> None:
        self.calls.append((actor, envelope, message))
        self.log_fields.append(structlog.contextvars.get_contextvars())
        self.act()


@pytest.fixture
def services(db: Database) -> Services:
    return services_on(db)


def raising(error: Exception) -> Recorder:
    def act() -> None:
        raise error

    return Recorder(act)


def deliver(
    services: Services, message: Outgoing, handlers: Handlers, *, queue: Queue = QUEUE
) -> bool:
    """Queue a message, dispatch it once, and complete it when it is done."""
    services.transport.send([message])
    (delivery,) = services.transport.receive(queue, messages_max=10, wait_seconds=0)
    done = dispatch(services, handlers, delivery)
    if done:
        delivery.complete()
    return done


def standing(db: Database) -> tuple[Any, ...]:
    (row,) = raw_rows(db, "SELECT state, dead_reason, dead_description FROM queue_messages")
    return row


def test_a_handler_gets_the_message_and_an_actor_rebuilt_from_the_envelope(
    db: Database, services: Services, tenant_id: UUID
):
    recorder, user_id = Recorder(), new_id()
    message = real_message(tenant_id, EvaluateDunning(scheduled=True), user_id=user_id)

    assert deliver(services, message, {EvaluateDunning: recorder})

    ((actor, envelope, received),) = recorder.calls
    assert received == EvaluateDunning(scheduled=True)
    assert str(envelope.message_id) == message.message_id
    assert actor == Actor(
        tenant_id, Role.ADMIN, "worker", "job-4711", user_id, causation_id=message.message_id
    )
    assert standing(db) == ("done", None, None)


def test_every_line_logged_while_a_message_is_handled_names_it_and_none_after(
    services: Services, tenant_id: UUID
):
    recorder = Recorder()
    structlog.contextvars.bind_contextvars(left_over="from the message before")
    message = real_message(tenant_id)

    deliver(services, message, {EvaluateDunning: recorder})

    assert recorder.log_fields == [
        {
            "queue": "dunning-evaluate",
            "message_id": message.message_id,
            "delivery_count": 1,
            "message_type": "dunning.evaluate",
            "tenant_id": str(tenant_id),
            "correlation_id": "job-4711",
        }
    ]
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("body", "reason", "description"),
    [
        (b"not json", "bad_envelope", "body: Invalid JSON"),
        (b"{}", "bad_envelope", "message_id: Field required"),
    ],
)
def test_what_is_no_envelope_is_set_aside_at_once(
    db: Database, services: Services, body: bytes, reason: str, description: str
):
    message = Outgoing(QUEUE, "m-1", body, EPOCH)

    assert not deliver(services, message, HANDLERS)

    state, found_reason, found_description = standing(db)
    assert (state, found_reason) == ("dead", reason)
    assert found_description.startswith(description)


def test_a_type_nobody_knows_is_set_aside_at_once(
    db: Database, services: Services, tenant_id: UUID
):
    message = real_message(tenant_id)
    body = message.body.replace(b"dunning.evaluate", b"dunning.dance")

    deliver(services, Outgoing(QUEUE, "m-1", body, EPOCH), HANDLERS)

    assert standing(db) == (
        "dead",
        "unknown_message_type",
        "nobody knows messages of type 'dunning.dance'",
    )


def test_a_message_that_this_worker_has_no_handler_for_is_set_aside(
    db: Database, services: Services, tenant_id: UUID
):
    message = real_message(tenant_id, WebhookReceived(webhook_event_id=new_id()))
    others: Handlers = {EvaluateDunning: Recorder()}

    deliver(services, message, others, queue=Queue.WEBHOOK_INGEST)

    assert standing(db) == (
        "dead",
        "unknown_message_type",
        "nobody handles messages of type webhook.received",
    )


def test_a_message_in_the_wrong_queue_is_set_aside(
    db: Database, services: Services, tenant_id: UUID
):
    message = real_message(tenant_id)
    astray = Outgoing(Queue.EMAIL_SEND, "m-1", message.body, EPOCH)
    recorder = Recorder()

    deliver(services, astray, {EvaluateDunning: recorder}, queue=Queue.EMAIL_SEND)

    assert standing(db)[1] == "bad_envelope"
    assert recorder.calls == []


def test_a_message_of_an_inactive_tenant_is_refused_and_not_handled(
    db: Database, services: Services, tenant_id: UUID
):
    run(db, platform_system(), deactivate_tenant, tenant_id)
    recorder = Recorder()

    deliver(services, real_message(tenant_id), {EvaluateDunning: recorder})

    assert recorder.calls == []
    assert standing(db) == ("dead", "refused", "tenant_inactive: The tenant is inactive.")


def test_a_message_of_an_unknown_tenant_is_refused(db: Database, services: Services):
    deliver(services, real_message(new_id()), {EvaluateDunning: Recorder()})

    assert standing(db)[:2] == ("dead", "refused")


def test_a_refusal_by_the_rules_is_set_aside_with_its_code_and_words(
    db: Database, services: Services, tenant_id: UUID
):
    refusal = errors.StateConflict("The invoice is void.", code="invoice_not_open")

    assert not deliver(services, real_message(tenant_id), {EvaluateDunning: raising(refusal)})

    assert standing(db) == ("dead", "refused", "invoice_not_open: The invoice is void.")


def test_what_can_never_work_is_set_aside_as_failed(
    db: Database, services: Services, tenant_id: UUID
):
    handler = raising(ProcessingFailed("the stored template is gone"))

    deliver(services, real_message(tenant_id), {EvaluateDunning: handler})

    assert standing(db) == ("dead", "processing_failed", "the stored template is gone")


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (
            errors.Busy("The database is locked."),
            "temporarily_unavailable: The database is locked.",
        ),
        (MailerUnavailable("no route"), "MailerUnavailable: no route"),
        (KeyError("surprise"), "KeyError: 'surprise'"),
        (RuntimeError(), "RuntimeError:"),
    ],
)
def test_what_may_go_better_next_time_is_put_back_with_a_delay(
    db: Database,
    services: Services,
    tenant_id: UUID,
    clock: Clock,
    error: Exception,
    description: str,
):
    deliver(services, real_message(tenant_id), {EvaluateDunning: raising(error)})

    assert standing(db) == ("ready", None, description)
    assert services.transport.receive(QUEUE, messages_max=1, wait_seconds=0) == []
    clock.pass_time(seconds=3)
    (again,) = services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)
    assert again.delivery_count == 2


def test_who_asks_to_wait_longer_is_given_the_time(
    services: Services, tenant_id: UUID, clock: Clock
):
    error = errors.TooManyRequests("Slow down.", retry_after_seconds=600)
    deliver(services, real_message(tenant_id), {EvaluateDunning: raising(error)})

    clock.pass_time(seconds=599)
    assert services.transport.receive(QUEUE, messages_max=1, wait_seconds=0) == []
    clock.pass_time(seconds=1)
    assert len(services.transport.receive(QUEUE, messages_max=1, wait_seconds=0)) == 1


def _instances(kind: type[errors.BillerJacketError]) -> errors.BillerJacketError:
    if issubclass(kind, errors.InvalidInput):
        return kind.of("amount", "must be positive")
    if issubclass(kind, errors.TooManyRequests):
        return kind("Slow down.", retry_after_seconds=1)
    return kind("Said.")


def _all_kinds(
    kind: type[errors.BillerJacketError],
) -> list[type[errors.BillerJacketError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in _all_kinds(sub))]


def test_every_error_of_ours_is_either_tried_again_or_refused():
    # The entrances' own errors (a path that is not there) reach no handler.
    kinds = [
        kind for kind in _all_kinds(errors.BillerJacketError) if kind.__module__ == errors.__name__
    ]
    verdicts = {kind.__name__: dead_reason(_instances(kind)) for kind in kinds}

    tried_again = {name for name, reason in verdicts.items() if reason is None}
    assert tried_again == {"Busy", "TooManyRequests"}
    assert {reason for reason in verdicts.values() if reason} == {DeadReason.REFUSED}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadEnvelope("body: Invalid JSON"), DeadReason.BAD_ENVELOPE),
        (UnknownMessageType("nobody"), DeadReason.UNKNOWN_MESSAGE_TYPE),
        (ProcessingFailed("never"), DeadReason.PROCESSING_FAILED),
        (AddressRefused("no such user"), DeadReason.PROCESSING_FAILED),
        (EmailRefused("spam"), DeadReason.PROCESSING_FAILED),
        (MailerUnavailable("away"), None),
        (ValueError("a bug"), None),
    ],
)
def test_every_other_failure_has_its_verdict(error: Exception, reason: DeadReason | None):
    assert dead_reason(error) is reason


def test_a_description_is_one_line_without_secrets():
    error = ConnectionError("smtp://bob:hunter2@mail.example said no\nand more")

    assert describe(error) == "ConnectionError: smtp://bob:[redacted]@mail.example said no"
