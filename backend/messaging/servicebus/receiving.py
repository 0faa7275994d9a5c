"""Receiving from one queue.

A wish for messages stands at the broker until it is fulfilled, also between two calls: to cancel a
receive half way could strand messages that are just arriving. Only as many are asked for as the
caller takes; what comes when nobody wants it any more is given back uncounted.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from backend.errors import Busy
from backend.messaging.servicebus import sdk
from backend.messaging.servicebus.holding import Holding
from backend.messaging.servicebus.links import Link
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.settling import Settling, quietly

Messages = list[ServiceBusReceivedMessage]

log = structlog.get_logger(__name__)


class _Wish:
    """A receive that is under way."""

    def __init__(self, link: Link[ServiceBusReceiver], messages_max: int, pace: Pace) -> None:
        self.messages_max = messages_max
        # Since when the broker has known of it, by the loop's time; None while connecting.
        self.known_since: float | None = None
        self._pace = pace
        self.outcome = asyncio.ensure_future(
            link.use(self._receive, seconds_max=pace.standing + pace.attempt)
        )

    @property
    def is_well_known(self) -> bool:
        """Whether the broker has had the time to hand out all it has."""
        if self.known_since is None:
            return False
        return asyncio.get_running_loop().time() - self.known_since > self._pace.look

    async def _receive(self, receiver: ServiceBusReceiver) -> Messages:
        self.known_since = asyncio.get_running_loop().time()
        try:
            messages = await receiver.receive_messages(
                self.messages_max, max_wait_time=self._pace.standing
            )
        finally:
            self.known_since = None
        if 0 < len(messages) < self.messages_max:
            await self._want_no_more(receiver)
        return messages

    async def _want_no_more(self, receiver: ServiceBusReceiver) -> None:
        try:
            await sdk.take_back_credit(receiver)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            # What has been received counts more; a broken connection will show soon enough.
            log.info("servicebus.credit_kept", problem=type(error).__name__)


class Receiving:
    """Takes messages from one queue, for one caller at a time."""

    def __init__(
        self,
        link: Link[ServiceBusReceiver],
        settling: Settling,
        holding: Holding,
        pace: Pace,
    ) -> None:
        self._link = link
        self._settling = settling
        self._holding = holding
        self._pace = pace
        self._turn = asyncio.Lock()
        self._wish: _Wish | None = None
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._returns: set[asyncio.Task[None]] = set()

    async def receive(self, messages_max: int, wait_seconds: float) -> Messages:
        """Up to `messages_max`, waiting a while for the first one. Raises Busy.

        An empty answer to a `wait_seconds` of 0 means that the broker was asked and had nothing:
        it takes as long as that takes.
        """
        patience = max(wait_seconds, self._pace.look)
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            return []  # Somebody else is waiting for the same.
        try:
            return await self._receive(messages_max, patience, is_thorough=wait_seconds <= 0)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Let those who wait go, and give back what nobody has fetched."""
        if not self._closing.done():
            self._closing.set_result(None)
        wish, self._wish = self._wish, None
        if wish is not None:
            wish.outcome.cancel()
            # What the SDK had received by then it gives back itself.
            with contextlib.suppress(Busy, asyncio.CancelledError):
                await self._give_back(await wish.outcome)
        if self._returns:
            await asyncio.wait(self._returns)

    async def _receive(self, messages_max: int, patience: float, *, is_thorough: bool) -> Messages:
        now = asyncio.get_running_loop().time
        if is_thorough and self._wish is not None and self._wish.is_well_known:
            patience = self._pace.glance
        until = now() + patience
        while not self._closing.done():
            wish = self._standing_wish(messages_max) if self._holding.has_room else None
            left = until - now()
            if wish is None:
                if left <= 0:
                    break
                await asyncio.wait({self._closing}, timeout=min(left, self._pace.tick))
                continue
            if is_thorough and wish.known_since is None and not wish.outcome.done():
                # Connecting; the broker will be given the time to answer all the same.
                left = self._pace.pause
                until = now() + self._pace.look
            events: set[asyncio.Future[Any]] = {wish.outcome, self._closing}
            await asyncio.wait(
                events,
                timeout=max(left, 0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if wish.outcome.done():
                self._wish = None
                if messages := await wish.outcome:
                    return self._at_most(messages_max, messages)
            elif now() >= until:
                break
        return []

    def _standing_wish(self, messages_max: int) -> _Wish:
        if self._wish is None:
            self._link.renew_if_worn()
            wish = self._wish = _Wish(self._link, messages_max, self._pace)
            loop = asyncio.get_running_loop()
            wish.outcome.add_done_callback(
                lambda _: loop.call_later(self._pace.unclaimed, self._expire, wish)
            )
        return self._wish

    def _at_most(self, messages_max: int, messages: Messages) -> Messages:
        """Somebody asked for more and went away before they came."""
        if messages[messages_max:]:
            self._give_back_soon(messages[messages_max:])
        return messages[:messages_max]

    def _expire(self, wish: _Wish) -> None:
        """Nobody has fetched what came: others may have it. Old trouble is forgotten."""
        if self._wish is wish:
            self._wish = None
            if wish.outcome.exception() is None:
                self._give_back_soon(wish.outcome.result())

    def _give_back_soon(self, messages: Messages) -> None:
        task = asyncio.ensure_future(self._give_back(messages))
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)

    async def _give_back(self, messages: Messages) -> None:
        await quietly(messages, self._settling.release)
