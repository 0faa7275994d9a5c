"""The load generator: a process of its own that sends prepared requests over a few connections.

It reads a specification as JSON from standard input and answers with the latencies. Each of the
`clients` keeps one connection open and sends its next request when it has the answer to the last,
so there are never more requests under way than clients. The requests are made beforehand: on a
machine with two cores the generator must cost little.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LOAD_SECONDS_MAX = 120.0


@dataclass(frozen=True)
class Request:
    """One HTTP request, ready to be written."""

    text: str

    @classmethod
    def of(cls, method: str, path: str, headers: dict[str, str], body: Any = None) -> Request:
        """A request with a JSON body, or none."""
        content = "" if body is None else json.dumps(body)
        head = [f"{method} {path} HTTP/1.1", "host: bench"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            head += ["content-type: application/json", f"content-length: {len(content.encode())}"]
        return cls("\r\n".join(head) + "\r\n\r\n" + content)


@dataclass(frozen=True)
class Load:
    """What came of a load: answers per second and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def put_load(port: int, requests: Sequence[Request], *, clients: int, status: int) -> Load:
    """Send all requests from a process of their own; every answer must have this status."""
    specification = {
        "port": port,
        "clients": clients,
        "status": status,
        "requests": [request.text for request in requests],
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(specification),
        capture_output=True,
        text=True,
        check=False,
        timeout=LOAD_SECONDS_MAX,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load failed: {done.stderr.strip()[-2000:]}")
    return Load(**json.loads(done.stdout))


class _Client(asyncio.Protocol):
    """One connection. Answers have a content-length: both servers always give it."""

    def __init__(self, requests: Iterator[bytes], status: bytes, latencies: list[float]) -> None:
        self.finished = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._status = status
        self._latencies = latencies
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else end])
        if len(self._buffer) < end + 4 + length:
            return
        self._latencies.append((time.perf_counter() - self._sent_at) * 1000)
        if head[9:12] != self._status:
            self.finished.set_exception(RuntimeError(self._buffer.decode("utf-8", "replace")))
            self._transport.close()
            return
        self._buffer = b""
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or RuntimeError("the server closed the connection"))

    def _send_next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.finished.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def _run(specification: dict[str, Any]) -> dict[str, float]:
    requests = [text.encode() for text in specification["requests"]]
    latencies: list[float] = []
    following = iter(requests)
    status = str(specification["status"]).encode()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clients = []
    for _ in range(specification["clients"]):
        _, client = await loop.create_connection(
            lambda: _Client(following, status, latencies), "127.0.0.1", specification["port"]
        )
        clients.append(client)
    await asyncio.gather(*(client.finished for client in clients))
    took = time.perf_counter() - started
    assert len(latencies) == len(requests)
    latencies.sort()
    return {
        "per_second": len(requests) / took,
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
    }


if __name__ == "__main__":
    json.dump(asyncio.run(_run(json.load(sys.stdin))), sys.stdout)
