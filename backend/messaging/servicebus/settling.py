"""Settling and renewing what one queue has given us, also over another connection than it came by.

Locks belong to the messages, not to the connection: what was received over a lost one is settled
over the management link of the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from backend.errors import Busy
from backend.messaging.servicebus import sdk
from backend.messaging.servicebus.links import Link
from backend.messaging.servicebus.pace import Pace
from backend.messaging.transport import LeaseLost

# A settlement is worth more trouble than a question: without it the work is done again.
_ATTEMPTS_MAX = 3

T = TypeVar("T")


class Settling:
    """Of the messages that came over one link. Every method raises LeaseLost and Busy."""

    def __init__(self, link: Link[ServiceBusReceiver], pace: Pace) -> None:
        self._link = link
        self._pace = pace

    async def complete(self, message: ServiceBusReceivedMessage) -> None:
        """It is done: the broker forgets it."""
        await self._link.use(
            lambda receiver: receiver.complete_message(message), attempts_max=_ATTEMPTS_MAX
        )

    async def abandon(self, message: ServiceBusReceivedMessage) -> None:
        """Give it back at once; the broker counts a delivery."""
        await self._link.use(
            lambda receiver: receiver.abandon_message(message), attempts_max=_ATTEMPTS_MAX
        )

    async def dead_letter(
        self, message: ServiceBusReceivedMessage, reason: str, description: str
    ) -> None:
        """Move it to the dead letters."""
        await self._link.use(
            lambda receiver: receiver.dead_letter_message(message, reason, description),
            attempts_max=_ATTEMPTS_MAX,
        )

    async def release(self, message: ServiceBusReceivedMessage) -> None:
        """Give it back uncounted, as long as its connection lives; otherwise abandon it."""

        async def give_back(receiver: ServiceBusReceiver) -> None:
            if not await sdk.release(receiver, message, seconds_max=self._pace.attempt / 2):
                await receiver.abandon_message(message)

        await self._link.use(give_back, attempts_max=_ATTEMPTS_MAX)

    async def renew(self, message: ServiceBusReceivedMessage) -> None:
        """Begin its lock anew."""
        await self._link.use(lambda receiver: receiver.renew_message_lock(message), is_request=True)


async def each(items: Sequence[T], settle: Callable[[T], Awaitable[None]]) -> list[T]:
    """Settle all of them at once; those whose lock was lost. Raises Busy after all have ended."""
    outcomes = await asyncio.gather(*(settle(item) for item in items), return_exceptions=True)
    lost = []
    for item, outcome in zip(items, outcomes, strict=True):
        if isinstance(outcome, LeaseLost):
            lost.append(item)
        elif isinstance(outcome, BaseException):
            raise outcome
    return lost


async def quietly(items: Sequence[T], settle: Callable[[T], Awaitable[None]]) -> None:
    """Settle all of them as far as possible: otherwise their locks run out."""
    outcomes = await asyncio.gather(*(settle(item) for item in items), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, LeaseLost | Busy):
            raise outcome
