"""Everything that lives on the event loop: the client, and what is open for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus.browsing import Browsers
from backend.messaging.servicebus.holding import Holding
from backend.messaging.servicebus.links import Link
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.receiving import Receiving
from backend.messaging.servicebus.sending import Sender
from backend.messaging.servicebus.settling import Settling
from backend.messaging.transport import Outgoing

_SWEEP_SECONDS = 5.0


class Incoming:
    """One queue's connection for receiving, opened when somebody receives from it."""

    def __init__(self, client: ServiceBusClient, queue: Queue, pace: Pace) -> None:
        self.link: Link[ServiceBusReceiver] = Link(
            queue.value,
            lambda: client.get_queue_receiver(
                queue.value, timeout=pace.attempt, socket_timeout=pace.read
            ),
            pace,
        )
        self.settling = Settling(self.link, pace)
        self.holding = Holding(self.settling, pace)
        self.receiving = Receiving(self.link, self.settling, self.holding, pace)

    async def close(self) -> None:
        """Give everything back, and close the connection."""
        await asyncio.gather(self.receiving.close(), self.holding.close())
        await self.link.close()


class Closeable(Protocol):
    """What has to be closed after the client: its credential."""

    async def close(self) -> None:
        """Let go of its connections."""


class Broker:
    """Made and used on the event loop."""

    def __init__(
        self,
        client: ServiceBusClient,
        credential: Closeable | None,
        pace: Pace,
        *,
        browsers_max: int,
    ) -> None:
        self.browsers = Browsers(client, pace, open_max=browsers_max)
        self.pace = pace
        self._client = client
        self._credential = credential
        self._incoming = {queue: Incoming(client, queue, pace) for queue in Queue}
        self._senders = {queue: Sender(client, queue, pace) for queue in Queue}
        self._sweeper = asyncio.ensure_future(self._sweep())

    def incoming(self, queue: Queue) -> Incoming:
        """What receives from the queue."""
        return self._incoming[queue]

    async def send(self, messages: Sequence[Outgoing], *, now: datetime) -> None:
        """Send to all queues at once, in order within each. Raises Busy, MessageTooLarge."""
        by_queue: dict[Queue, list[Outgoing]] = {}
        for message in messages:
            by_queue.setdefault(message.queue, []).append(message)
        outcomes = await asyncio.gather(
            *(self._senders[queue].send(some, now=now) for queue, some in by_queue.items()),
            return_exceptions=True,
        )
        failures = [one for one in outcomes if isinstance(one, BaseException)]
        # Busy says "later", which is wrong for a message that will never do.
        for failure in sorted(failures, key=lambda one: isinstance(one, Busy)):
            raise failure

    async def close(self) -> None:
        """Stop receiving, give back what was not tried, settle what was, and close everything."""
        self._sweeper.cancel()
        await asyncio.gather(
            *(incoming.close() for incoming in self._incoming.values()),
            *(sender.link.close() for sender in self._senders.values()),
            self.browsers.close(),
            return_exceptions=True,
        )
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()

    async def _sweep(self) -> None:
        """Close what has been idle for long."""
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.pace.browser_idle / 2))
            await self.browsers.close_idle()
            for sender in self._senders.values():
                if sender.is_idle:
                    await sender.link.close()
