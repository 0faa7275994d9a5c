"""From the bytes of a message to its handler, and from the handler's outcome to a settlement."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from backend import logging
from backend.actor import Actor, platform_system
from backend.audit import PLATFORM_CHAIN
from backend.bootstrap import Services
from backend.errors import Busy, NotAllowed, TooManyRequests
from backend.messaging.attempts import note_failed_delivery
from backend.messaging.contracts import Message
from backend.messaging.envelope import (
    BadEnvelope,
    Envelope,
    UnknownMessageType,
    find_tenant,
    read_envelope,
    read_message,
)
from backend.messaging.models import DeliveryOutcome
from backend.messaging.transport import DELIVERIES_MAX, Delivery, LeaseLost, backoff_seconds
from backend.tenants.models import TenantStatus
from backend.unit_of_work import Reader, UnitOfWork, read, run
from worker.failures import EXPECTED_TROUBLE, dead_reason, describe

# A handler may be called again with the same message: what it does, it does once.
Handler = Callable[[Services, Actor, Envelope, Any], None]
Handlers = Mapping[type[Message], Handler]

log = structlog.get_logger(__name__)


def dispatch(services: Services, handlers: Handlers, delivery: Delivery) -> bool:
    """Handle one message. True: it is done, and the caller completes it.

    Otherwise it has been settled here: put back with a growing delay, or set aside as a dead
    letter. Raises nothing of what the handler raised.
    """
    logging.bind_afresh(
        queue=delivery.queue.value,
        message_id=delivery.message_id,
        delivery_count=delivery.delivery_count,
    )
    started = time.monotonic()
    try:
        _handle(services, handlers, delivery)
    except Exception as error:  # noqa: BLE001 (whatever it is, the message is settled by it)
        _settle(delivery, error)
        _note_failure(services, delivery, error)
        return False
    else:
        log.info("message.handled", seconds=round(time.monotonic() - started, 4))
        return True
    finally:
        logging.clear()


def _handle(services: Services, handlers: Handlers, delivery: Delivery) -> None:
    envelope = read_envelope(delivery.body)
    logging.bind_more(
        message_type=envelope.message_type,
        tenant_id=str(envelope.tenant_id),
        correlation_id=envelope.correlation_id,
    )
    message = read_message(envelope)
    handler = handlers.get(type(message))
    if handler is None:
        raise UnknownMessageType(f"nobody handles messages of type {envelope.message_type}")
    if message.queue is not delivery.queue:
        raise BadEnvelope(f"{envelope.message_type} belongs into the queue {message.queue}")
    is_platform = envelope.tenant_id == PLATFORM_CHAIN
    if message.is_platform is not is_platform:
        raise BadEnvelope(f"{envelope.message_type} does not belong to this tenant")
    actor = Actor.system(
        envelope.tenant_id,
        envelope.correlation_id,
        user_id=envelope.requested_by_user_id,
        causation_id=str(envelope.message_id),
    )
    if not is_platform:
        read(services.db, actor, _require_active_tenant)
    handler(services, actor, envelope, message)


def _require_active_tenant(reader: Reader) -> None:
    # Set aside rather than put back: it may stay inactive for long, and its messages stay visible.
    if reader.tenant.status is not TenantStatus.ACTIVE:
        raise NotAllowed("The tenant is inactive.", code="tenant_inactive")


def _settle(delivery: Delivery, error: Exception) -> None:
    reason, description = dead_reason(error), describe(error)
    try:
        if reason is not None:
            log.warning("message.dead_lettered", reason=reason.value, description=description)
            delivery.dead_letter(reason, description)
            return
        delay = backoff_seconds(delivery.delivery_count)
        if isinstance(error, TooManyRequests):
            delay = max(delay, error.retry_after_seconds)
        log.warning(
            "message.put_back",
            problem=description,
            again_in_seconds=round(delay, 1),
            exc_info=None if isinstance(error, EXPECTED_TROUBLE) else error,
        )
        delivery.abandon(description, delay_seconds=delay)
    except LeaseLost:
        log.warning("message.lease_lost")
    except Busy as busy:
        # Its lease runs out, and it comes again.
        log.warning("message.not_settled", problem=describe(busy))


def _note_failure(services: Services, delivery: Delivery, error: Exception) -> None:
    """Write down how the delivery failed; the message is settled, whether or not this succeeds."""
    is_dead = dead_reason(error) is not None or delivery.delivery_count >= DELIVERIES_MAX
    try:
        run(
            services.db,
            platform_system("worker"),
            _add_failure,
            delivery,
            DeliveryOutcome.DEAD_LETTERED if is_dead else DeliveryOutcome.PUT_BACK,
            describe(error),
        )
    except Exception as trouble:  # noqa: BLE001 (a note for people, worth no message)
        log.warning("message.failure_not_noted", problem=describe(trouble))


def _add_failure(
    work: UnitOfWork, delivery: Delivery, outcome: DeliveryOutcome, problem: str
) -> None:
    note_failed_delivery(
        work.connection,
        queue=delivery.queue,
        message_id=delivery.message_id,
        tenant_id=find_tenant(delivery.body),
        delivery_count=delivery.delivery_count,
        outcome=outcome,
        problem=problem,
        now=work.now,
    )
