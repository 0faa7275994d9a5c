"""Changes in the database reach open pages without a reload.

One thread of the process waits for commits of anybody (API, worker, other tabs) while at least
one page is open, and wakes the pages. Each page then asks whether its own business changed, at
most once in `PAGE_SECONDS_MIN`, and only then loads again; what is typed into forms is not state
and stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator

import structlog

from billerjacket_app import bridge

log = structlog.get_logger(__name__)

# A page under steady change reloads once a second: live to a person, cheap for the process.
PAGE_SECONDS_MIN = 1.0
# A page looks by itself this often, so that a closed tab is noticed and nothing waits for ever.
PAGE_SECONDS_MAX = 20.0
# How long the thread waits in one call; it bounds how long the process takes to stop.
WAIT_SECONDS = 1.0


class Changes:
    """Tells waiting pages that something was committed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; called on the event loop that the pages run on."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, name="live-changes", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wanted.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, WAIT_SECONDS * 3)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for the next commit; False when the time is over first."""
        woken = asyncio.Event()
        self._waiting.add(woken)
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await woken.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(woken)

    def _watch(self) -> None:
        db = bridge.services().db
        seen = db.version_seen()
        while not self._stopped.is_set():
            self._wanted.clear()  # before the look: a page that joins after it sets it again
            if not self._waiting:
                self._wanted.wait()
                continue
            try:
                version = db.wait_for_change(seen, timeout_seconds=WAIT_SECONDS)
            except Exception:
                log.warning("live.database_away", exc_info=True)
                self._stopped.wait(WAIT_SECONDS)
                continue
            # Where commits cannot be seen, every look counts as a change.
            if version != seen or not db.is_sqlite:
                seen = version
                if self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._wake)
            if not db.is_sqlite:
                self._stopped.wait(PAGE_SECONDS_MIN)

    def _wake(self) -> None:
        for woken in self._waiting:
            woken.set()


changes = Changes()


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[None]:
    """For the app's lifespan: watch while the process serves, then let the database go."""
    changes.start()
    try:
        yield
    finally:
        await changes.stop()
        await asyncio.to_thread(bridge.close_services)


async def settle(last: float) -> None:
    """Let a page's loads be at least `PAGE_SECONDS_MIN` apart; `last` is monotonic seconds."""
    left = last + PAGE_SECONDS_MIN - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)
