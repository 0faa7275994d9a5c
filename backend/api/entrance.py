"""The entrance of the API: what happens to every request, whatever becomes of it.

One ASGI layer gives each request its correlation id, finds its endpoint, turns errors into
problems, adds the headers every answer has, and writes one line to the log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

import structlog
from starlette.types import Receive, Scope, Send

from backend import logging
from backend.actor import correlation_id_from
from backend.api.bodies import ClientGone, Incoming, RawHeaders, header
from backend.api.problems import PROBLEM_JSON, Unexpected, problem_of
from backend.api.replies import Headers, Reply
from backend.api.table import Table
from backend.errors import BillerJacketError

log = structlog.get_logger(__name__)

# An answer of this API is data for a program: nothing in it is to be run, framed or kept.
DATA_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_NAMES = frozenset(name for name, _ in DATA_HEADERS)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


class Answering(Protocol):
    """Something that answers a request, or raises one of our errors."""

    @property
    def is_probe(self) -> bool:
        """Whether machines ask this all the time, so that the log need not show it."""

    async def answer(
        self,
        scope: Scope,
        body: Incoming,
        path_values: Mapping[str, str],
        correlation_id: str,
    ) -> Reply:
        """The answer to one request."""


class Entrance:
    """The API as an ASGI application."""

    def __init__(self, table: Table[Answering], *, is_https: bool) -> None:
        self._table = table
        self._headers = (*DATA_HEADERS, _STRICT_TRANSPORT) if is_https else DATA_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        started = time.perf_counter()
        headers: RawHeaders = scope["headers"]
        correlation_id = correlation_id_from(header(headers, b"x-correlation-id"))
        logging.bind_afresh(correlation_id=correlation_id)
        body = Incoming(receive, headers)
        is_probe = False
        try:
            endpoint, values = self._table.find(scope["method"], scope["path"])
            is_probe = endpoint.is_probe
            reply = await endpoint.answer(scope, body, values, correlation_id)
        except ClientGone:
            log.info("http.client_gone", method=scope["method"], path=scope["path"])
            return
        except BillerJacketError as error:
            reply = _problem(error, scope, correlation_id)
        except Exception as error:
            log.exception("http.failed", method=scope["method"], path=scope["path"])
            reply = _problem(_unexpected(error), scope, correlation_id)
        # A client that is still sending must get our answer, not a reset connection.
        await body.discard()
        await self._send(reply, correlation_id, send)
        write = log.debug if is_probe and reply.status < 400 else log.info
        write(
            "http.request",
            method=scope["method"],
            path=scope["path"],
            status=reply.status,
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
        )

    async def _send(self, reply: Reply, correlation_id: str, send: Send) -> None:
        headers = [
            (b"x-correlation-id", correlation_id.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            *self._headers,
        ]
        if reply.media_type is not None:
            headers.append((b"content-type", reply.media_type))
        for one in reply.headers:
            if one[0] in _NAMES:
                headers = [other for other in headers if other[0] != one[0]]
            headers.append(one)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


def _problem(error: BillerJacketError, scope: Scope, correlation_id: str) -> Reply:
    problem = problem_of(error, instance=scope["path"], correlation_id=correlation_id)
    return Reply(problem.status, problem.body, PROBLEM_JSON, problem.headers)


def _unexpected(_error: Exception) -> Unexpected:
    return Unexpected(
        "Something went wrong on our side. The correlation id leads us to it in the log."
    )
