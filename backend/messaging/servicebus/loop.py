"""An event loop in a thread of its own, and the way into it from other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from backend.errors import Busy

T = TypeVar("T")

# For what was cancelled to come to its end.
_WIND_UP_SECONDS = 1.0

log = structlog.get_logger(__name__)


class LoopThread:
    """Runs coroutines for callers that have no event loop. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it can still run anything; after a fork the child's copy cannot."""
        return self._thread.is_alive()

    def call(self, work: Coroutine[Any, Any, T], *, seconds_max: float) -> T:
        """Run a coroutine and wait for its outcome. Raises what it raises; Busy when it is late."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise Busy("The connection to the queues is closed.") from error
        try:
            return future.result(seconds_max)
        except (TimeoutError, concurrent.futures.CancelledError) as error:
            future.cancel()
            raise Busy("The queues do not answer in time.") from error

    def stop(self) -> None:
        """Cancel whatever still runs and end the thread."""
        if self.is_alive:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2 * _WIND_UP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=_WIND_UP_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
