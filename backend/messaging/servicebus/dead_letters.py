"""Holding dead letters: locked for somebody's decision, then removed or given back.

A broker hands out dead letters in their order and not by number. Those on the way to the wanted
ones are locked too, and given back, uncounted, as soon as the wanted ones are found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog
from azure.servicebus import ServiceBusReceivedMessage

from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.servicebus import sdk
from backend.messaging.servicebus.browsing import Browser, Browsers
from backend.messaging.servicebus.messages import sequence_number_of
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.settling import Settling, quietly

# None of the locks on the way may end before they are given back.
PASSED_MAX = 5000
SCAN_SECONDS_MAX = 20.0
_RECEIVED_AT_ONCE = 100
# Who needs longer than this with the letters hangs.
_HOLD_SECONDS_MAX = 300.0

log = structlog.get_logger(__name__)


class HeldLetters:
    """The dead letters of one hold; `messages` by sequence number."""

    def __init__(self, browsers: Browsers, queue: Queue, pace: Pace) -> None:
        self.messages: dict[int, ServiceBusReceivedMessage] = {}
        self._browsers = browsers
        self._queue = queue
        self._pace = pace
        self._ended = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def begin(self, sequence_numbers: Collection[int]) -> None:
        """Lock those that are there and nobody holds. Raises Busy, and holds none then."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.ensure_future(self._hold(set(sequence_numbers), begun))
        try:
            await asyncio.wait({self._keeper, begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._ended.set()
            raise
        if not begun.done():
            await self._keeper

    async def remove(self, sequence_number: int) -> None:
        """Take one out for good. Raises LeaseLost, Busy."""
        async with self._browsers.of_dead_letters(self._queue) as browser:
            settling = Settling(browser.link, self._pace)
            await settling.complete(self.messages[sequence_number])

    async def end(self) -> None:
        """Give back what was not removed."""
        self._ended.set()
        if self._keeper is not None:
            await asyncio.wait({self._keeper})

    async def _hold(self, wanted: set[int], begun: asyncio.Future[None]) -> None:
        """Lock them, and keep the connection open and the locks alive until the end."""
        async with self._browsers.of_dead_letters(self._queue) as browser:
            settling = Settling(browser.link, self._pace)
            try:
                await self._lock(browser, settling, wanted)
                begun.set_result(None)
                async with asyncio.timeout(_HOLD_SECONDS_MAX):
                    while not await self._ends_within(self._pace.renew):
                        await quietly(self._unsettled(), settling.renew)
            except TimeoutError:
                log.error("dead_letters.held_too_long", queue=self._queue.value)
            finally:
                await quietly(self._unsettled(), settling.release)

    async def _lock(self, browser: Browser, settling: Settling, wanted: set[int]) -> None:
        async with browser.scanning:
            count = await _count_up_to(browser, wanted)
            if count:
                passed = await self._receive(browser, wanted, count)
                await quietly(passed, settling.release)

    async def _receive(
        self, browser: Browser, wanted: set[int], messages_max: int
    ) -> list[ServiceBusReceivedMessage]:
        """Receive so many, keep the wanted ones; the others.

        Those that do not come are waited for a moment: they may be on somebody else's way.
        """
        passed: list[ServiceBusReceivedMessage] = []
        received = 0
        until = asyncio.get_running_loop().time() + SCAN_SECONDS_MAX
        while received < messages_max and asyncio.get_running_loop().time() < until:
            count = min(_RECEIVED_AT_ONCE, messages_max - received)
            messages = await browser.link.use(
                lambda receiver, count=count: receiver.receive_messages(  # type: ignore[misc]
                    count, max_wait_time=self._pace.look
                )
            )
            if not messages:
                break
            received += len(messages)
            for message in messages:
                number = sequence_number_of(message)
                if number in wanted:
                    self.messages[number] = message
                else:
                    passed.append(message)
        await browser.link.use(sdk.take_back_credit)
        return passed

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _unsettled(self) -> list[ServiceBusReceivedMessage]:
        # A settled message has no lock any more.
        return [one for one in self.messages.values() if one.lock_token is not None]


async def _count_up_to(browser: Browser, wanted: set[int]) -> int:
    """How many letters come out before we have had the last wanted one; 0 when none is there.

    Raises Busy when they are too many.
    """
    last = max(wanted, default=0)
    count = after = 0
    is_there = False
    while after < last:
        page = await browser.look(after=after, messages_max=_RECEIVED_AT_ONCE)
        numbers = [number for one in page if (number := sequence_number_of(one)) <= last]
        count += len(numbers)
        is_there = is_there or not wanted.isdisjoint(numbers)
        if len(numbers) < _RECEIVED_AT_ONCE:
            break
        if count > PASSED_MAX:
            raise Busy(
                f"There are more than {PASSED_MAX} dead letters before this one: "
                "those must be dealt with first."
            )
        after = numbers[-1]
    return count if is_there else 0
