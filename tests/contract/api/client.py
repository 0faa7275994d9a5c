"""An HTTP client for an application in this process, usable from any number of threads."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

import httpx
from starlette.types import ASGIApp


class Client:
    """Requests run on one event loop in a thread of its own, as in a server."""

    def __init__(self, app: ASGIApp) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-loop")
        transport = httpx.ASGITransport(app=app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://api.test", timeout=60)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        await self._http.aclose()
        # What the application does beside its answers: a server's loop would live on for it.
        own = asyncio.current_task()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not own))

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request and its whole answer."""
        asking = self._http.request(method, path, **more)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()

    def get(self, path: str, **more: Any) -> httpx.Response:
        """A GET."""
        return self.request("GET", path, **more)
