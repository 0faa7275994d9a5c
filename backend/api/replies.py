"""What an endpoint answers: a status, the bytes of the body, and the headers of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

JSON = b"application/json"
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that sends itself; the entrance adds the headers that every answer has."""

    status: int
    body: bytes = b""
    media_type: bytes | None = JSON
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as any ASGI response does."""
        headers = [(b"content-length", str(len(self.body)).encode()), *self.headers]
        if self.media_type is not None:
            headers.append((b"content-type", self.media_type))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_bytes(value: Any) -> bytes:
    """JSON of plain values, ids, dates and instants (UTC, ending in Z). Money is text already."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def ok(value: Any, *, headers: Headers = ()) -> Reply:
    """200 with a JSON body."""
    return Reply(200, json_bytes(value), headers=headers)
