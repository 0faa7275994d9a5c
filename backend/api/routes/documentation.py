"""The OpenAPI document, and the page that shows it; nothing is fetched from elsewhere."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from backend.api.replies import JSON, Headers, Reply, json_bytes

_ASSETS = Path(__file__).resolve().parent.parent / "docs_assets"
_MEDIA_TYPES = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "start.js": b"text/javascript; charset=utf-8",
}
# The page's library sets styles on elements; scripts come from this origin only.
_PAGE_HEADERS: Headers = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        b"form-action 'self'",
    ),
    (b"cache-control", b"no-cache"),
)
_ASSET_HEADERS: Headers = ((b"cache-control", b"public, max-age=3600"),)
_COMPRESSED: Headers = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))


def documentation_routes(document: Callable[[], dict[str, Any]]) -> list[Route]:
    """/api/openapi.json, /api/docs and what it loads."""

    @cache
    def rendered() -> bytes:
        return json_bytes(document())

    async def openapi(_request: Request) -> Reply:
        # Made once, and not while everybody else waits for the event loop.
        body = await asyncio.to_thread(rendered)
        return Reply(200, body, JSON, ((b"cache-control", b"no-cache"),))

    async def page(_request: Request) -> Reply:
        return Reply(200, _read("index.html"), b"text/html; charset=utf-8", _PAGE_HEADERS)

    return [
        Route("/api/openapi.json", openapi),
        Route("/api/docs", page),
        *(_asset(name) for name in _MEDIA_TYPES),
    ]


def _asset(name: str) -> Route:
    async def asset(request: Request) -> Reply:
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = await asyncio.to_thread(_squeezed, name)
            return Reply(200, body, _MEDIA_TYPES[name], (*_ASSET_HEADERS, *_COMPRESSED))
        return Reply(200, _read(name), _MEDIA_TYPES[name], _ASSET_HEADERS)

    return Route(f"/api/docs/assets/{name}", asset)


@cache
def _read(name: str) -> bytes:
    return (_ASSETS / name).read_bytes()


@cache
def _squeezed(name: str) -> bytes:
    return gzip.compress(_read(name))
