"""Messages as the broker carries them, from and to ours."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from backend.messaging.contracts import Queue
from backend.messaging.transport import DeadLetter, Outgoing

# Service Bus's own spelling: one name for the messages that it sets aside and those that we do.
MAX_DELIVERY_COUNT_EXCEEDED = "MaxDeliveryCountExceeded"

# The broker's answer in the properties of a dead letter; not its sender's.
_BROKERS_PROPERTIES = frozenset({"DeadLetterReason", "DeadLetterErrorDescription"})
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def to_be_sent(message: Outgoing) -> ServiceBusMessage:
    """As the contract has it: everything a filter needs is outside of the body, as text."""
    properties = {
        "tenant_id": None if message.tenant_id is None else str(message.tenant_id),
        "message_type": message.message_type,
        "original_message_id": message.original_message_id,
    }
    return ServiceBusMessage(
        message.body,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        subject=message.message_type,
        content_type="application/json",
        application_properties={
            key: value for key, value in properties.items() if value is not None
        },
    )


def sequence_number_of(message: ServiceBusReceivedMessage) -> int:
    """Its place in the queue; every message that a broker hands out has one."""
    return message.sequence_number or 0


def message_id_of(message: ServiceBusReceivedMessage) -> str:
    """The id; senders other than this service may have left it out."""
    return _text(message.message_id) or f"sequence-{sequence_number_of(message)}"


def delivery_count_of(message: ServiceBusReceivedMessage) -> int:
    """Which delivery this is; the broker counts only those that have failed."""
    return (message.delivery_count or 0) + 1


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The bytes; for the kinds of body that this service never sends, something readable."""
    if message.body_type == AmqpMessageBodyType.DATA:
        return b"".join(bytes(part) for part in message.body)
    return str(message).encode()


def enqueued_at_of(message: ServiceBusReceivedMessage) -> datetime:
    """When it was queued (UTC)."""
    return message.enqueued_time_utc or _UNKNOWN_TIME


def properties_of(message: ServiceBusReceivedMessage) -> dict[str, str]:
    """What its sender added, as text; keys and values arrive as bytes."""
    found = (message.application_properties or {}).items()
    properties = {_text(key) or "": _text(value) or "" for key, value in found}
    return {key: value for key, value in properties.items() if key not in _BROKERS_PROPERTIES}


def tenant_id_of(message: ServiceBusReceivedMessage) -> UUID | None:
    """The tenant it says it belongs to."""
    try:
        return UUID(properties_of(message).get("tenant_id"))
    except (ValueError, TypeError):
        return None


def dead_letter_of(queue: Queue, message: ServiceBusReceivedMessage) -> DeadLetter:
    """As it lies there; the broker does not tell when it came there."""
    properties = properties_of(message)
    return DeadLetter(
        queue=queue,
        sequence_number=sequence_number_of(message),
        message_id=message_id_of(message),
        body=body_of(message),
        delivery_count=message.delivery_count or 0,
        enqueued_at=enqueued_at_of(message),
        dead_at=None,
        reason=message.dead_letter_reason,
        description=message.dead_letter_error_description,
        message_type=properties.get("message_type") or _text(message.subject),
        tenant_id=tenant_id_of(message),
        correlation_id=_text(message.correlation_id),
        properties=properties,
    )


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)
