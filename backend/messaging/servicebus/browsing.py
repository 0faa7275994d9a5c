"""The connections by which queues and their dead letters are looked into.

Each needs one of its own, and it takes a while to open: they stay open as long as somebody looks
now and then. Where a broker allows few connections, no more than two are open at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.servicebus import ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus.links import Link
from backend.messaging.servicebus.messages import sequence_number_of
from backend.messaging.servicebus.pace import Pace

# One for each queue, and one for its dead letters.
OPEN_MAX = 2 * len(Queue)
OPEN_MAX_OF_FEW = 2
# The broker gives no more at once.
_PAGE = 250


class Browser:
    """Of one queue, or of its dead letters."""

    def __init__(
        self, client: ServiceBusClient, queue: Queue, pace: Pace, *, is_of_dead_letters: bool
    ) -> None:
        sub_queue = ServiceBusSubQueue.DEAD_LETTER if is_of_dead_letters else None
        self.name = f"{queue} (dead letters)" if is_of_dead_letters else queue.value
        self.link: Link[ServiceBusReceiver] = Link(
            self.name,
            lambda: client.get_queue_receiver(
                queue.value,
                sub_queue=sub_queue,
                timeout=pace.attempt,
                socket_timeout=pace.read,
            ),
            pace,
        )
        # Whoever receives here is alone in it.
        self.scanning = asyncio.Lock()
        self._pace = pace

    async def look(self, *, after: int, messages_max: int) -> list[ServiceBusReceivedMessage]:
        """Messages with sequence numbers above `after`, in order, however often it must be asked.

        Locked ones are seen like the others, and nothing is changed.
        """
        found: list[ServiceBusReceivedMessage] = []
        while (wanted := messages_max - len(found)) > 0:
            # Without a number the SDK goes on where its last look ended.
            start = (sequence_number_of(found[-1]) if found else max(after, 0)) + 1
            page = await self.link.use(
                lambda receiver, start=start, wanted=wanted: receiver.peek_messages(  # type: ignore[misc]
                    min(_PAGE, wanted),
                    sequence_number=start,
                    timeout=self._pace.attempt,
                ),
                is_request=True,
            )
            # A page may be short of what there is; only an empty one is the end.
            if not page:
                break
            found += page
        return found


class Browsers:
    """Those that are open, and those that could be."""

    def __init__(self, client: ServiceBusClient, pace: Pace, *, open_max: int) -> None:
        self._open_max = open_max
        self._of_queues = {
            queue: Browser(client, queue, pace, is_of_dead_letters=False) for queue in Queue
        }
        self._of_dead_letters = {
            queue: Browser(client, queue, pace, is_of_dead_letters=True) for queue in Queue
        }
        self._pace = pace
        self._users: Counter[Browser] = Counter()
        # In the order of their last use.
        self._used_at: dict[Browser, float] = {}
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, queue: Queue) -> AsyncIterator[Browser]:
        """A browser of the queue; it stays open for the block. Raises Busy."""
        async with self._using(self._of_queues[queue]) as browser:
            yield browser

    @asynccontextmanager
    async def of_dead_letters(self, queue: Queue) -> AsyncIterator[Browser]:
        """A browser of the queue's dead letters; it stays open for the block. Raises Busy."""
        async with self._using(self._of_dead_letters[queue]) as browser:
            yield browser

    async def close_idle(self) -> None:
        """Close what nobody has used for a while."""
        before = asyncio.get_running_loop().time() - self._pace.browser_idle
        for browser in self._unused():
            if self._used_at[browser] < before:
                await self._close(browser)

    async def close(self) -> None:
        """Close everything."""
        await asyncio.gather(*(browser.link.close() for browser in list(self._used_at)))

    @asynccontextmanager
    async def _using(self, browser: Browser) -> AsyncIterator[Browser]:
        await self._make_room(browser)
        try:
            yield browser
        finally:
            self._users[browser] -= 1
            self._note_use(browser)
            async with self._freed:
                self._freed.notify_all()

    async def _make_room(self, browser: Browser) -> None:
        try:
            async with asyncio.timeout(self._pace.attempt), self._freed:
                while browser not in self._used_at and len(self._used_at) >= self._open_max:
                    unused = self._unused()
                    if unused:
                        await self._close(unused[0])
                    else:
                        await self._freed.wait()
                if not self._users[browser]:
                    browser.link.renew_if_worn()
                self._users[browser] += 1
                self._note_use(browser)
        except TimeoutError as error:
            raise Busy("Too many are looking into the queues at once.") from error

    def _unused(self) -> list[Browser]:
        return [browser for browser in self._used_at if not self._users[browser]]

    def _note_use(self, browser: Browser) -> None:
        self._used_at.pop(browser, None)
        self._used_at[browser] = asyncio.get_running_loop().time()

    async def _close(self, browser: Browser) -> None:
        del self._used_at[browser]
        await browser.link.close()
