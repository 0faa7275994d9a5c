"""One sender or receiver of the SDK, over one connection at a time.

The SDK connects again by itself, but not when several things are under way, and its handlers are
not made for that. So each SDK handler here has one connection in its life. When it is lost, the
handler is dropped, and the next who needs one opens a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender

from backend.messaging.servicebus import failures, sdk
from backend.messaging.servicebus.pace import Pace

H = TypeVar("H", ServiceBusReceiver, ServiceBusSender)
T = TypeVar("T")

# A management link takes 10,000 answers in its life.
REQUESTS_MAX = 5000

log = structlog.get_logger(__name__)


class Link(Generic[H]):
    """To one queue, or to its dead letters; `name` is for people."""

    def __init__(self, name: str, make: Callable[[], H], pace: Pace) -> None:
        self.name = name
        self._make: Callable[[], H] = make
        self._pace = pace
        self._current: H | None = None
        self._requests = 0
        self._opening: asyncio.Task[H] | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether it has a connection, as far as is known."""
        return self._current is not None

    async def use(
        self,
        work: Callable[[H], Awaitable[T]],
        *,
        attempts_max: int = 2,
        seconds_max: float | None = None,
        is_request: bool = False,
    ) -> T:
        """Do something over the connection, again over a new one when it was lost meanwhile.

        `seconds_max` is for one attempt; a request is one that goes over the management link.
        Raises Busy, LeaseLost, MessageTooLarge.
        """
        for attempt in range(1, attempts_max + 1):
            handler: H | None = None
            try:
                handler = await self._opened()
                self._requests += is_request
                async with asyncio.timeout(seconds_max or self._pace.attempt):
                    return await work(handler)
            except asyncio.CancelledError:
                self._drop(handler)
                raise
            except Exception as error:
                if failures.breaks_connection(error):
                    self._drop(handler)
                if attempt == attempts_max or failures.is_lasting(error):
                    if not failures.is_foreseen(error):
                        log.warning("servicebus.unforeseen", queue=self.name, exc_info=error)
                    raise failures.translated(error, self.name) from error
                log.info("servicebus.again", queue=self.name, problem=type(error).__name__)
            await asyncio.sleep(self._pace.pause * 4 ** (attempt - 1))
        raise AssertionError("unreachable")

    def renew_if_worn(self) -> None:
        """Let the next use open a new connection when the management link has had its share.

        Only when nothing that takes long is under way.
        """
        if self._requests >= REQUESTS_MAX:
            self._drop(self._current, after_seconds=self._pace.attempt)

    async def close(self) -> None:
        """Close the connection and wait for those that are being closed; usable again after."""
        if self._opening is not None:
            self._opening.cancel()
        self._drop(self._current)
        if self._goodbyes:
            self._hurry.set()
            await asyncio.wait(self._goodbyes)
            self._hurry.clear()

    async def _opened(self) -> H:
        """The open handler. Whoever asks while it is being opened shares the outcome."""
        if self._current is not None:
            return self._current
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._opening_ended)
        opened: H = await asyncio.shield(self._opening)
        return opened

    async def _open(self) -> H:
        handler = self._make()
        try:
            async with asyncio.timeout(self._pace.attempt):
                await handler.__aenter__()
        except BaseException:
            self._say_goodbye(handler)
            raise
        sdk.keep_to_one_connection(handler)
        self._requests = 0
        self._current = handler
        return handler

    def _opening_ended(self, opening: asyncio.Task[H]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # Seen, also when those who waited for it have gone.

    def _drop(self, handler: H | None, *, after_seconds: float = 0.0) -> None:
        if handler is not None and handler is self._current:
            self._current = None
            self._say_goodbye(handler, after_seconds)

    def _say_goodbye(self, handler: H, after_seconds: float = 0.0) -> None:
        task = asyncio.ensure_future(self._close(handler, after_seconds))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def _close(self, handler: H, after_seconds: float) -> None:
        if after_seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), after_seconds)
        try:
            async with asyncio.timeout(self._pace.attempt):
                await handler.close()
        except Exception as error:  # noqa: BLE001 (there is nothing left to save)
            log.debug("servicebus.close_failed", queue=self.name, problem=type(error).__name__)
