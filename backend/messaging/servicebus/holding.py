"""Messages that wait for their next try, locked by us.

The broker has no way to say "again in a while". Sending a copy that is due later would give the
message a second id and a new count; so it is kept under its lock until the time has come, and
abandoned then: it stays one message, and the broker counts its deliveries.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from azure.servicebus import ServiceBusReceivedMessage

from backend.errors import Busy
from backend.messaging.servicebus.messages import message_id_of
from backend.messaging.servicebus.pace import Pace
from backend.messaging.servicebus.settling import Settling, quietly
from backend.messaging.transport import LeaseLost

# Each costs a renewal now and then. More of them mean that everything fails: then it is better to
# take no more of this queue's messages until the first ones are back.
HELD_MAX = 200

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    """Times by the pace's clock."""

    message: ServiceBusReceivedMessage
    due_at: float
    renew_at: float


class Holding:
    """What one queue's messages wait for."""

    def __init__(self, settling: Settling, pace: Pace) -> None:
        self._settling = settling
        self._pace = pace
        self._held: dict[int, _Held] = {}
        self._watch: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._held)

    @property
    def has_room(self) -> bool:
        """Whether more may be taken from the queue."""
        return len(self._held) < HELD_MAX

    async def hold(self, message: ServiceBusReceivedMessage, *, seconds: float) -> None:
        """Keep it, and abandon it after that time. Raises LeaseLost."""
        now = self._pace.clock()
        held = _Held(message, now + seconds, now)
        await self._renew(held)
        self._held[id(message)] = held
        if self._watch is None or self._watch.done():
            self._watch = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """Abandon everything now: all of it has been tried."""
        if self._watch is not None:
            self._watch.cancel()
        messages = [held.message for held in self._held.values()]
        self._held.clear()
        await quietly(messages, self._settling.abandon)

    async def _keep(self) -> None:
        while self._held:
            now = self._pace.clock()
            held = list(self._held.values())
            await asyncio.gather(
                *(self._abandon(one) for one in held if one.due_at <= now),
                *(self._renew(one) for one in held if one.renew_at <= now < one.due_at),
                return_exceptions=True,
            )
            await asyncio.sleep(self._pace.tick)

    async def _abandon(self, held: _Held) -> None:
        try:
            await self._settling.abandon(held.message)
        except LeaseLost:
            self._tell_lost(held)
        except Busy:
            return  # At the next tick again, as long as it is ours.
        self._held.pop(id(held.message), None)

    async def _renew(self, held: _Held) -> None:
        """Raises LeaseLost, and holds it no longer then."""
        try:
            await self._settling.renew(held.message)
        except Busy:
            return
        except LeaseLost:
            if self._held.pop(id(held.message), None) is not None:
                self._tell_lost(held)
            raise
        held.renew_at = self._pace.clock() + self._pace.renew

    def _tell_lost(self, held: _Held) -> None:
        log.warning("message.back_too_early", message_id=message_id_of(held.message))
