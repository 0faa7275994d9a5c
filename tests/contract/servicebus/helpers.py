"""What the tests of the Service Bus do again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus.transport import ServiceBusTransport
from backend.messaging.transport import (
    DeadReason,
    Delivery,
)
from tests.contract.transports import (
    PATIENCE_SECONDS,
)
from tests.queues import plain_message

PAYMENTS, EMAILS = Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND
DEAD = DeadReason.REFUSED


def take(
    transport: ServiceBusTransport, messages_max: int = 10, *, queue: Queue = PAYMENTS
) -> list[Delivery]:
    """What must be there or come soon."""
    return list(transport.receive(queue, messages_max=messages_max, wait_seconds=PATIENCE_SECONDS))


def nothing(transport: ServiceBusTransport, queue: Queue = PAYMENTS) -> bool:
    return not transport.receive(queue, messages_max=10, wait_seconds=0)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [one.message_id for one in deliveries]


def fill(transport: ServiceBusTransport, count: int) -> list[str]:
    names = [f"m-{number}" for number in range(count)]
    transport.send([plain_message(name) for name in names])
    return names


@contextmanager
def waiting(transport: ServiceBusTransport) -> Iterator[list[Delivery]]:
    """Somebody who waits in `receive` from before the block to its end; what he got by then."""
    got: list[Delivery] = []

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not got and time.monotonic() < deadline:
            try:
                got.extend(transport.receive(PAYMENTS, messages_max=10, wait_seconds=1))
            except Busy:
                time.sleep(0.05)  # as every part of the worker does

    thread = threading.Thread(target=wait)
    assert nothing(transport), "the broker knows of the wish"
    thread.start()
    yield got
    thread.join(2 * PATIENCE_SECONDS)
    assert not thread.is_alive()
