"""Reading bodies: never more than is needed, and never for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.api import bodies
from backend.api.bodies import BODY_BYTES_MAX, ClientGone, Incoming
from backend.api.problems import BodyTooLarge

PART = b" " * 65_536


class Sender:
    """A client that sends the same part again and again, and counts how often it was asked."""

    def __init__(self, last: dict[str, Any] | None = None, parts: int = 1_000_000) -> None:
        self.asked = 0
        self._parts = parts
        self._last = last or {"type": "http.request", "body": b"", "more_body": False}

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self.asked > self._parts:
            return self._last
        return {"type": "http.request", "body": PART, "more_body": True}


def test_a_body_without_end_is_read_only_to_its_bound():
    sender = Sender()
    incoming = Incoming(sender.receive, [(b"transfer-encoding", b"chunked")])
    with pytest.raises(BodyTooLarge):
        asyncio.run(incoming.read())
    assert sender.asked == BODY_BYTES_MAX // len(PART) + 1


def test_a_body_without_end_is_thrown_away_only_to_its_bound():
    sender = Sender()
    asyncio.run(Incoming(sender.receive, [(b"transfer-encoding", b"chunked")]).discard())
    assert sender.asked == bodies.DRAIN_BYTES_MAX // len(PART) + 1


def test_a_client_that_dawdles_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "DRAIN_SECONDS_MAX", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    asyncio.run(Incoming(never, [(b"content-length", b"10")]).discard())


def test_what_was_read_is_not_asked_for_again():
    sender = Sender(parts=1)

    async def read_and_discard() -> bytes:
        incoming = Incoming(sender.receive, [(b"content-length", str(len(PART)).encode())])
        body = await incoming.read()
        await incoming.discard()
        return body

    assert asyncio.run(read_and_discard()) == PART
    assert sender.asked == 2


def test_a_client_that_leaves_in_the_middle_is_noticed():
    sender = Sender({"type": "http.disconnect"}, parts=2)
    with pytest.raises(ClientGone):
        asyncio.run(Incoming(sender.receive, [(b"transfer-encoding", b"chunked")]).read())


def test_without_a_body_nothing_is_asked_for():
    sender = Sender()
    asyncio.run(Incoming(sender.receive, []).discard())
    assert sender.asked == 0
