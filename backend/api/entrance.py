"""The entrance of the API: what happens to every request, whatever becomes of it.

A middleware around the routes. It gives each request its correlation id, adds the headers every
answer has, turns what nobody expected into a problem, and writes one line to the log.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend import logging
from backend.actor import correlation_id_from
from backend.api.bodies import ClientGone, Incoming, RawHeaders, header
from backend.api.problems import Unexpected, problem_of
from backend.api.replies import Headers

log = structlog.get_logger(__name__)

# An answer of this API is data for a program: nothing in it is to be run, framed or kept.
DATA_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
# Machines ask these all the time; the log need not show it.
_PROBES = frozenset({"/healthz", "/readyz"})
_CONTEXT = "billerjacket.request"
# The address of a provider's deliveries holds a token that is as good as a key.
_TOKEN_IN_PATH = re.compile(r"(?<=^/api/webhooks/)([^/]*/)(?!replay$)([^/]{0,6})[^/]*")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the entrance knows of a request before its endpoint is found."""

    correlation_id: str
    body: Incoming


def path_for_log(path: str) -> str:
    """The path, and of a webhook endpoint's token only the beginning that people know it by."""
    if not path.startswith("/api/webhooks/") or path.startswith("/api/webhooks/events/"):
        return path
    return _TOKEN_IN_PATH.sub(r"\1\2…", path, count=1)


def context_of(scope: Scope) -> RequestContext:
    """The context that the entrance gave to this request."""
    context: RequestContext = scope[_CONTEXT]
    return context


class Entrance:
    """The middleware around the API's routes."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = (*DATA_HEADERS, _STRICT_TRANSPORT) if is_https else DATA_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one HTTP request in, and its answer out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers: RawHeaders = scope["headers"]
        correlation_id = correlation_id_from(header(headers, b"x-correlation-id"))
        logging.bind_afresh(correlation_id=correlation_id)
        context = RequestContext(correlation_id, Incoming(receive, headers))
        scope[_CONTEXT] = context
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._all_headers(message["headers"], correlation_id)
                # A client that is still sending must get our answer, not a reset connection.
                await context.body.discard()
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientGone:
            log.info("http.client_gone", method=scope["method"], path=path_for_log(scope["path"]))
            return
        except Exception:
            log.exception("http.failed", method=scope["method"], path=path_for_log(scope["path"]))
            if status:
                raise
            problem = problem_of(
                Unexpected(
                    "Something went wrong on our side. The correlation id leads us to it in the "
                    "log."
                ),
                instance=scope["path"],
                correlation_id=correlation_id,
            )
            await problem.reply()(scope, receive, answer)
        write = log.debug if scope["path"] in _PROBES and status < 400 else log.info
        write(
            "http.request",
            method=scope["method"],
            path=path_for_log(scope["path"]),
            status=status,
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
        )

    def _all_headers(self, own: RawHeaders, correlation_id: str) -> RawHeaders:
        names = {name for name, _ in own}
        general = [one for one in self._headers if one[0] not in names]
        return [(b"x-correlation-id", correlation_id.encode()), *general, *own]
