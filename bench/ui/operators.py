"""Operators who click: each a socket of its own, as the app's own script would open it.

They send what a browser sends and read what comes back; what they do not do is draw. So one
machine can play 24 of them while a real browser, the 25th, is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import aiohttp

# Somebody who works quickly clicks about once a second.
CLICK_SECONDS = 1.0
NAMESPACE = "/_event"


@dataclass(frozen=True)
class Click:
    """An event: its handler's name in the protocol, its arguments."""

    handler: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What an operator does: opens a page, then clicks these in turn."""

    path: str
    opens: Click
    clicks: tuple[Click, ...]


@contextlib.contextmanager
def clicking(url: str, cookies: Sequence[str], work: Work) -> Iterator[None]:
    """Let one operator for each header of cookies ("": none) click until the block ends.

    Raises RuntimeError when one of them was not answered.
    """
    ended = threading.Event()
    problems: list[Exception] = []
    opened = threading.Barrier(2)

    def play() -> None:
        try:
            asyncio.run(_play(url, cookies, work, opened, ended))
        except Exception as problem:  # noqa: BLE001 (told to the thread that measures)
            problems.append(problem)
            opened.abort()

    thread = threading.Thread(target=play, name="operators")
    thread.start()
    try:
        with contextlib.suppress(threading.BrokenBarrierError):
            opened.wait(60)
        if problems:
            raise RuntimeError("the operators could not open their pages") from problems[0]
        yield
    finally:
        ended.set()
        thread.join(30)
    if problems:
        raise RuntimeError("an operator was not answered") from problems[0]


async def _play(
    url: str,
    cookies: Sequence[str],
    work: Work,
    opened: threading.Barrier,
    ended: threading.Event,
) -> None:
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        ready = [asyncio.Event() for _ in cookies]
        for number, (cookie, is_open) in enumerate(zip(cookies, ready, strict=True)):
            delay = CLICK_SECONDS * number / len(cookies)
            group.create_task(_operator(http, url, cookie, work, delay, is_open, ended))
        for is_open in ready:
            await is_open.wait()
        await asyncio.to_thread(opened.wait, 60)


async def _operator(
    http: aiohttp.ClientSession,
    url: str,
    cookie: str,
    work: Work,
    delay: float,
    is_open: asyncio.Event,
    ended: threading.Event,
) -> None:
    address = f"{url.replace('http', 'ws', 1)}/_event/?token={uuid.uuid4()}"
    headers = {"Origin": url} | ({"Cookie": cookie} if cookie else {})
    await asyncio.sleep(delay)
    async with http.ws_connect(
        address + "&EIO=4&transport=websocket",
        headers=headers,
        protocols=[version("reflex")],
        max_msg_size=0,
    ) as socket:
        await _until(socket, "0")
        await socket.send_str(f"40{NAMESPACE},{{}}")
        await _until(socket, "40")
        await _click(socket, work, work.opens)
        is_open.set()
        number = 0
        while not ended.is_set():
            await asyncio.sleep(CLICK_SECONDS)
            await _click(socket, work, work.clicks[number % len(work.clicks)])
            number += 1


async def _click(socket: aiohttp.ClientWebSocketResponse, work: Work, click: Click) -> None:
    """Send an event and wait for its answer."""
    where = {"pathname": work.path, "asPath": work.path, "query": {}}
    event = {"name": click.handler, "payload": click.payload, "router_data": where}
    await socket.send_str(f"42{NAMESPACE}," + json.dumps(["event", event]))
    await _until(socket, f"42{NAMESPACE}")


async def _until(socket: aiohttp.ClientWebSocketResponse, begins: str) -> None:
    """Read frames until one begins so; the server's pings are answered."""
    async with asyncio.timeout(30):
        while True:
            frame = await socket.receive_str()
            if frame == "2":
                await socket.send_str("3")
            elif frame.startswith(begins):
                return
