"""The implementations of the queues as the tests have them: made, moved on in time, emptied."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus._pyamqp.aio import _client_async
from azure.servicebus.aio import _servicebus_receiver_async, _servicebus_sender_async
from pydantic import SecretStr

from backend.db.engine import Database, utc_now
from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.servicebus.broker import Broker
from backend.messaging.servicebus.namespace import Namespace
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.transport import (
    ServiceBusDelivery,
    ServiceBusHeldDeadLetter,
    ServiceBusTransport,
)
from backend.messaging.transport import (
    DeadLetter,
    Delivery,
    HeldDeadLetter,
    Outgoing,
    Transport,
)
from tests.emulator import Emulator
from tests.factories import Clock
from tests.queues import another_process

# A Service Bus namespace with the four queues, or its official emulator. They are emptied.
REAL_BROKER = "BILLERJACKET_TEST_SERVICEBUS_CONNECTION_STRING"
# How long to wait for what must come. Only failing tests take so long.
PATIENCE_SECONDS = 60.0
# Held messages are to be renewed on the way.
_STEP_SECONDS = 8.0


@dataclass
class Queues:
    """An implementation under test: two processes' transports, and a way to let time pass."""

    mine: Transport
    others: Transport
    clock: Callable[[], datetime]
    let_pass: Callable[[float], None]
    patience_seconds: float = 0.0

    def take(
        self,
        transport: Transport | None = None,
        *,
        queue: Queue = Queue.PAYMENT_COMMANDS,
        messages_max: int = 10,
    ) -> list[Delivery]:
        """What must be there by now."""
        taker = transport or self.mine
        return list(
            taker.receive(queue, messages_max=messages_max, wait_seconds=self.patience_seconds)
        )

    def take_one(self, *, queue: Queue = Queue.PAYMENT_COMMANDS) -> Delivery:
        (delivery,) = self.take(queue=queue)
        return delivery

    def is_empty(
        self, transport: Transport | None = None, *, queue: Queue = Queue.PAYMENT_COMMANDS
    ) -> bool:
        """Whether nothing is due."""
        return not (transport or self.mine).receive(queue, messages_max=10, wait_seconds=0)

    def counted(self) -> tuple[int, int, int]:
        """Active, scheduled and dead messages of the one queue."""
        depth = self.mine.depth(Queue.PAYMENT_COMMANDS)
        assert depth.is_exact
        assert (depth.oldest_active_at is None, depth.oldest_dead_at is None) == (
            depth.active == 0,
            depth.dead == 0,
        )
        return depth.active, depth.scheduled, depth.dead


def embedded_queues(db: Database, clock: Clock) -> Iterator[Queues]:
    """Of two processes on one database."""
    with another_process(db) as second:
        yield Queues(
            EmbeddedTransport(db),
            second.transport,
            clock,
            lambda seconds: clock.pass_time(seconds=seconds),
        )


class _HastyAsyncio:
    """asyncio, for the SDK: it looks every 50 ms whether its link is open, and closes in 1 s."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


def make_sdk_hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the tests the SDK's pauses while it opens and closes connections."""
    for module in (_client_async, _servicebus_receiver_async, _servicebus_sender_async):
        monkeypatch.setattr(module, "asyncio", _HastyAsyncio())


def brisk(emulator: Emulator) -> Pace:
    """The production's pace, where it would make tests wait; back-offs by the emulator's clock."""
    return Pace(
        look=0.3,
        glance=0.2,
        pause=0.02,
        unclaimed=0.5,
        tick=0.02,
        read=0.02,
        clock=lambda: emulator.now().timestamp(),
    )


def transport_of(emulator: Emulator, pace: Pace | None = None) -> ServiceBusTransport:
    """A process's transport."""
    namespace = Namespace(SecretStr(emulator.connection_string))
    return ServiceBusTransport(namespace, clock=emulator.now, pace=pace or brisk(emulator))


def emulated_queues() -> Iterator[Queues]:
    """Of two processes on a Service Bus of our own."""
    with Emulator(duplicate_detection=True) as emulator:
        mine, others = transport_of(emulator), transport_of(emulator)

        def let_pass(seconds: float) -> None:
            while seconds > 0:
                emulator.pass_time(min(seconds, _STEP_SECONDS))
                seconds -= _STEP_SECONDS
                wait_for(lambda: mine.run(_renewed) and others.run(_renewed))

        yield Queues(mine, others, emulator.now, let_pass, PATIENCE_SECONDS)
        mine.close()
        others.close()


async def _renewed(broker: Broker) -> bool:
    """Whether all that is held has been renewed or given back, as time demands."""
    now = broker.pace.clock()
    return all(
        min(held.renew_at, held.due_at) > now
        for queue in Queue
        for held in broker.incoming(queue).holding._held.values()
    )


def wait_for(has_happened: Callable[[], object]) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not has_happened():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.01)


def real_queues() -> Iterator[Queues]:
    """Of two processes on the broker that the environment names; skips what moves the clock."""
    connection_string = os.environ[REAL_BROKER]
    _empty_all(connection_string)
    namespace = Namespace(SecretStr(connection_string))
    prefix = f"{new_id().hex}/"
    mine, others = (_Renaming(prefix, namespace, clock=utc_now) for _ in range(2))

    def let_pass(seconds: float) -> None:
        pytest.skip(f"a real broker's clock cannot be moved {seconds} seconds")

    yield Queues(mine, others, utc_now, let_pass, PATIENCE_SECONDS)
    mine.close()
    others.close()


class _Renaming(ServiceBusTransport):
    """Ids of this test alone: a broker remembers those of the test before."""

    def __init__(self, prefix: str, namespace: Namespace, *, clock: Callable[[], datetime]) -> None:
        super().__init__(namespace, clock=clock)
        self._prefix = prefix

    def send(self, messages: Sequence[Outgoing]) -> None:
        super().send(
            [replace(one, message_id=f"{self._prefix}{one.message_id}") for one in messages]
        )

    def receive(
        self, queue: Queue, *, messages_max: int, wait_seconds: float
    ) -> Sequence[Delivery]:
        found = super().receive(queue, messages_max=messages_max, wait_seconds=wait_seconds)
        return [
            replace(one, message_id=one.message_id.removeprefix(self._prefix))
            for one in found
            if isinstance(one, ServiceBusDelivery)
        ]

    def peek_dead_letters(
        self, queue: Queue, *, after: int, messages_max: int
    ) -> Sequence[DeadLetter]:
        found = super().peek_dead_letters(queue, after=after, messages_max=messages_max)
        return [self._renamed(letter) for letter in found]

    @contextmanager
    def hold_dead_letters(
        self, queue: Queue, sequence_numbers: Collection[int]
    ) -> Iterator[Mapping[int, HeldDeadLetter]]:
        with super().hold_dead_letters(queue, sequence_numbers) as held:
            yield {
                number: replace(one, letter=self._renamed(one.letter))
                for number, one in held.items()
                if isinstance(one, ServiceBusHeldDeadLetter)
            }

    def _renamed(self, letter: DeadLetter) -> DeadLetter:
        return replace(letter, message_id=letter.message_id.removeprefix(self._prefix))


def _empty_all(connection_string: str) -> None:
    with ServiceBusClient.from_connection_string(connection_string) as client:
        for queue in Queue:
            for sub_queue in (None, ServiceBusSubQueue.DEAD_LETTER):
                with client.get_queue_receiver(
                    queue.value,
                    sub_queue=sub_queue,
                    receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE,
                ) as receiver:
                    while receiver.receive_messages(200, max_wait_time=2):
                        pass
