"""The SDK as a test drives it: both of its faces behind one set of plain calls."""

from __future__ import annotations

import asyncio
import inspect
import selectors
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient as AsyncServiceBusClient

from tests.emulator import Emulator

QUEUE = "email-send"
DEAD = "deadletter"
# How many times faster the asynchronous SDK's sleeps pass.
_HURRY = 10
# How long to wait for what is there already, in seconds that may be as short as that.
PATIENCE = 60
# Against an emulator on this machine nothing is worth waiting for.
_QUICK: dict[str, Any] = {"retry_total": 1, "retry_backoff_factor": 0.01, "retry_mode": "fixed"}


class _HurriedSelector(selectors.DefaultSelector):
    """Waits a fraction of what it is told to."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / _HURRY if timeout else timeout)


class _HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose seconds are short: the SDK sleeps through most of an opening and a closing."""

    def __init__(self) -> None:
        super().__init__(_HurriedSelector())

    def time(self) -> float:
        return super().time() * _HURRY


class Sdk:
    """Clients of an emulator, of the one kind or the other.

    Opening and closing a sender or receiver takes the SDK half a second each: they are kept from
    test to test, so a receiver must never ask for more messages than there are.
    """

    def __init__(self, emulator: Emulator, *, is_aio: bool) -> None:
        self.is_aio = is_aio
        self._loop = _HurriedLoop()
        kind = AsyncServiceBusClient if is_aio else ServiceBusClient
        self._client: Any = kind.from_connection_string(emulator.connection_string, **_QUICK)
        self._handlers: dict[Any, Any] = {}

    def do(self, result: Any) -> Any:
        """What a call of the SDK gives, awaited where it has to be."""
        return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def do_all(self, results: list[Any]) -> list[Any]:
        """Several calls, all at once where the SDK can."""
        if not self.is_aio:
            return results

        async def together() -> list[Any]:
            return await asyncio.gather(*results, return_exceptions=True)

        return self._loop.run_until_complete(together())

    def sender(self, queue: str = QUEUE) -> Any:
        """The sender to a queue, opened."""
        return self._kept(("to", queue), lambda: self._client.get_queue_sender(queue))

    def receiver(self, queue: str = QUEUE, **options: Any) -> Any:
        """The receiver of a queue with these options, opened."""
        key = (queue, *sorted(options.items()))
        return self._kept(key, lambda: self._client.get_queue_receiver(queue, **options))

    def new_receiver(self, queue: str = QUEUE, **options: Any) -> Any:
        """A receiver of this test's own, not opened."""
        return self._client.get_queue_receiver(queue, **options)

    def _kept(self, key: Any, make: Any) -> Any:
        if key not in self._handlers:
            handler = make()
            self.do(handler._open_with_retry())
            self._handlers[key] = handler
        return self._handlers[key]

    def send(self, *messages: ServiceBusMessage, queue: str = QUEUE) -> None:
        """Send messages: one as it is, several as a batch."""
        what = messages[0] if len(messages) == 1 else list(messages)
        self.do(self.sender(queue).send_messages(what))

    def receive(self, count: int = 1, **where: Any) -> list[Any]:
        """Receive messages that are there, in as many calls as the SDK takes for it."""
        messages: list[Any] = []
        while len(messages) < count:
            wanted = count - len(messages)
            call = self.receiver(**where).receive_messages(wanted, max_wait_time=PATIENCE)
            some = self.do(call)
            assert some, f"{wanted} did not come"
            messages += some
        return messages

    def receive_one(self, **where: Any) -> Any:
        """Receive the one message that is there."""
        return self.receive(1, **where)[0]

    def close(self) -> None:
        """Close everything, at the same time because the SDK takes its time over each."""
        handlers = list(self._handlers.values())
        # In other threads, since pytest's own may have a browser's loop running.
        with ThreadPoolExecutor(len(handlers) + 1) as pool:
            if self.is_aio:
                pool.submit(self._close_aio, handlers).result()
            else:
                list(pool.map(lambda handler: handler.close(), handlers))
                self._client.close()
        self._loop.close()

    def _close_aio(self, handlers: list[Any]) -> None:
        self.do_all([handler.close() for handler in handlers])
        self.do(self._client.close())


@dataclass
class Wired:
    """An emulator and the SDK connected to it."""

    emulator: Emulator
    sdk: Sdk


def message(message_id: str, body: bytes = b"{}", **more: Any) -> ServiceBusMessage:
    """A message as our senders write them."""
    return ServiceBusMessage(body, message_id=message_id, **more)
