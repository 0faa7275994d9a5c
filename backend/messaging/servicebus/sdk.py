"""What we need of the Azure SDK and it does not offer in public. Its version is pinned.

Each function is held by a test of its own in tests/contract/servicebus.
"""

from __future__ import annotations

import logging

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus._pyamqp.error import (
    AMQPException,
    ErrorCondition,
    MessageSettlementUnconfirmed,
)
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender
from azure.servicebus.aio._transport._pyamqp_transport_async import PyamqpTransportAsync
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    ServiceBusConnectionError,
)

_SDK_LOG = logging.getLogger("azure.servicebus")


def keep_to_one_connection(handler: ServiceBusReceiver | ServiceBusSender) -> None:
    """After the handler was opened: never let it connect again by itself.

    It reconnects inside whatever happens to be running, several times at once when several things
    are, and forgets all of these connections but one.
    """

    async def refuse(*_: object) -> None:
        if not handler._running:
            raise ServiceBusConnectionError(message="The connection was lost.")

    handler._open = refuse  # type: ignore[method-assign, assignment]


async def take_back_credit(receiver: ServiceBusReceiver) -> None:
    """Tell the broker that no more messages are wanted for now.

    What a receive asked for and did not get still counts as wanted: messages would come, be locked
    and lie unread.
    """
    handler = receiver._handler
    if handler is not None:
        await PyamqpTransportAsync.reset_link_credit_async(handler, 0)


async def release(
    receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, *, seconds_max: float
) -> bool:
    """Give a message back as untouched: unlike an abandoned one it is not counted as delivered.

    False when it came over another connection: the broker takes this outcome only over the one on
    which it delivered the message.
    """
    if message._settled:
        raise MessageAlreadySettled(action="release")
    if not receiver._running:
        raise ServiceBusConnectionError(message="The connection was lost.")
    if message._lock_expired:
        raise MessageLockLostError
    try:
        await receiver._handler.settle_messages_async(
            message._delivery_id,
            message._delivery_tag,
            "released",
            await_outcome=True,
            outcome_timeout=seconds_max,
        )
    except MessageSettlementUnconfirmed as error:
        if error.condition == ErrorCondition.LinkDetachForced:
            raise ServiceBusConnectionError(message="The connection was lost.") from error
        # It was sent; and if it got lost, the lock runs out.
    except AMQPException as error:
        if error.condition == ErrorCondition.IllegalState:
            return False
        raise PyamqpTransportAsync.create_servicebus_exception(_SDK_LOG, error) from error
    message._settled = True
    return True
