"""The queues in Azure Service Bus, for callers in ordinary threads. See Transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from azure.servicebus import ServiceBusReceivedMessage

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus import messages as wire
from backend.messaging.servicebus.broker import Broker
from backend.messaging.servicebus.counting import depth_of
from backend.messaging.servicebus.dead_letters import SCAN_SECONDS_MAX, HeldLetters
from backend.messaging.servicebus.loop import LoopThread
from backend.messaging.servicebus.namespace import Namespace
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.settling import each
from backend.messaging.transport import (
    DELIVERIES_MAX,
    DESCRIPTION_LENGTH_MAX,
    DeadLetter,
    DeadReason,
    Delivery,
    HeldDeadLetter,
    Outgoing,
    QueueDepth,
)

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ServiceBusDelivery:
    """A message under our lock."""

    queue: Queue
    message_id: str
    body: bytes
    delivery_count: int
    message: ServiceBusReceivedMessage
    transport: ServiceBusTransport

    def complete(self) -> None:
        """See Delivery."""
        self.transport.run(
            lambda broker: broker.incoming(self.queue).settling.complete(self.message)
        )

    def abandon(self, problem: str, *, delay_seconds: float) -> None:
        """See Delivery. Until the delay is over, the message stays under our lock."""
        if self.delivery_count >= DELIVERIES_MAX:
            self._set_aside(wire.MAX_DELIVERY_COUNT_EXCEEDED, problem)
        elif delay_seconds > 0:
            self.transport.run(
                lambda broker: broker.incoming(self.queue).holding.hold(
                    self.message, seconds=delay_seconds
                )
            )
        else:
            self.transport.run(
                lambda broker: broker.incoming(self.queue).settling.abandon(self.message)
            )

    def release(self) -> None:
        """See Delivery."""
        self.transport.run(
            lambda broker: broker.incoming(self.queue).settling.release(self.message)
        )

    def dead_letter(self, reason: DeadReason, description: str) -> None:
        """See Delivery."""
        self._set_aside(reason.value, description)

    def _set_aside(self, reason: str, description: str) -> None:
        self.transport.run(
            lambda broker: broker.incoming(self.queue).settling.dead_letter(
                self.message, reason, description[:DESCRIPTION_LENGTH_MAX]
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class ServiceBusHeldDeadLetter:
    """A dead letter under our lock."""

    letter: DeadLetter
    held: HeldLetters
    transport: ServiceBusTransport

    def remove(self) -> None:
        """See HeldDeadLetter."""
        self.transport.run(lambda _: self.held.remove(self.letter.sequence_number))


class ServiceBusTransport:
    """Queues of a Service Bus namespace. Nothing is connected before it is needed."""

    def __init__(
        self, namespace: Namespace, *, clock: Callable[[], datetime], pace: Pace | None = None
    ) -> None:
        """`clock` gives the UTC time by which a message is due later or not."""
        self._namespace = namespace
        self._clock = clock
        self._pace = pace or Pace()
        self._closed = False
        self._lock = threading.Lock()
        self._running: tuple[LoopThread, Broker] | None = None

    def send(self, messages: Sequence[Outgoing]) -> None:
        """See Transport."""
        if messages:
            self.run(lambda broker: broker.send(messages, now=self._clock()))

    def receive(
        self, queue: Queue, *, messages_max: int, wait_seconds: float
    ) -> Sequence[Delivery]:
        """See Transport. With a wait of 0 it takes as long as the broker needs to say "none"."""
        try:
            received = self.run(
                lambda broker: broker.incoming(queue).receiving.receive(messages_max, wait_seconds),
                seconds_more=wait_seconds,
            )
        except Busy:
            if self._closed:
                return []
            raise
        return [
            ServiceBusDelivery(
                queue=queue,
                message_id=wire.message_id_of(message),
                body=wire.body_of(message),
                delivery_count=wire.delivery_count_of(message),
                message=message,
                transport=self,
            )
            for message in received
        ]

    def complete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""

        async def work(broker: Broker) -> list[ServiceBusDelivery]:
            return await each(
                _ours(deliveries),
                lambda one: broker.incoming(one.queue).settling.complete(one.message),
            )

        return list(self.run(work)) if deliveries else []

    def release(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""

        async def work(broker: Broker) -> list[ServiceBusDelivery]:
            return await each(
                _ours(deliveries),
                lambda one: broker.incoming(one.queue).settling.release(one.message),
            )

        return list(self.run(work)) if deliveries else []

    def renew(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""

        async def work(broker: Broker) -> list[ServiceBusDelivery]:
            # A settled message has no lock any more: it was settled while this was on its way.
            locked = [one for one in _ours(deliveries) if one.message.lock_token is not None]
            return await each(
                locked, lambda one: broker.incoming(one.queue).settling.renew(one.message)
            )

        return list(self.run(work)) if deliveries else []

    def depth(self, queue: Queue, *, tenant_id: UUID | None = None) -> QueueDepth:
        """See Transport. At most 1,000 messages are counted."""
        return self.run(lambda broker: depth_of(broker.browsers, queue, tenant_id))

    def peek_dead_letters(
        self, queue: Queue, *, after: int, messages_max: int
    ) -> Sequence[DeadLetter]:
        """See Transport."""

        async def work(broker: Broker) -> list[ServiceBusReceivedMessage]:
            async with broker.browsers.of_dead_letters(queue) as browser:
                return await browser.look(after=after, messages_max=messages_max)

        return [wire.dead_letter_of(queue, message) for message in self.run(work)]

    @contextmanager
    def hold_dead_letters(
        self, queue: Queue, sequence_numbers: Collection[int]
    ) -> Iterator[Mapping[int, HeldDeadLetter]]:
        """See Transport. Raises Busy when they lie too deep among other dead letters."""

        async def begin(broker: Broker) -> HeldLetters:
            held = HeldLetters(broker.browsers, queue, broker.pace)
            await held.begin(sequence_numbers)
            return held

        held = self.run(begin, seconds_more=SCAN_SECONDS_MAX)
        try:
            yield {
                number: ServiceBusHeldDeadLetter(wire.dead_letter_of(queue, message), held, self)
                for number, message in held.messages.items()
            }
        finally:
            try:
                self.run(lambda _: held.end())
            except Busy as busy:
                log.warning("dead_letters.not_given_back", queue=queue.value, problem=busy.detail)

    def close(self) -> None:
        """See Transport. Takes a few seconds at most, whatever the broker does."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is None or not running[0].is_alive:
            return
        loop, broker = running
        try:
            loop.call(broker.close(), seconds_max=self._pace.close)
        except Busy:
            log.warning("servicebus.closed_hard", detail="locks run out by themselves")
        loop.stop()

    def run(
        self, work: Callable[[Broker], Coroutine[Any, Any, T]], *, seconds_more: float = 0.0
    ) -> T:
        """Do something on the event loop and wait for its outcome."""
        loop, broker = self._started()
        return loop.call(work(broker), seconds_max=3 * self._pace.attempt + seconds_more)

    def _started(self) -> tuple[LoopThread, Broker]:
        with self._lock:
            if self._closed:
                raise Busy("The connection to the queues is closed.")
            if self._running is None or not self._running[0].is_alive:
                # Also in the child after a fork: threads do not survive it.
                loop = LoopThread("service-bus")
                opening = self._namespace.open(self._pace)
                self._running = loop, loop.call(opening, seconds_max=self._pace.attempt)
            return self._running


def _ours(deliveries: Sequence[Delivery]) -> list[ServiceBusDelivery]:
    return [one for one in deliveries if isinstance(one, ServiceBusDelivery)]
