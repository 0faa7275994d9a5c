"""Response headers that keep a browser from being turned against the person who uses it.

The content security policy allows no inline script and no eval: the few inline scripts that the
build puts into its pages are named by their hash. Styles may be inline (React sets them), images
may be data:. A header that an inner app set itself is left alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

from billerjacket_app.build import BUILT

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=()",
}
# Names with a digest in them never change their content; everything else is asked for again.
_FOR_EVER = re.compile(r"^/assets/.+-[A-Za-z0-9_-]{8}\.(js|css)$")
_INLINE_SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


@cache
def content_security_policy() -> str:
    """The policy for the pages of the build on disk."""
    hashes = set()
    for page in BUILT.rglob("*.html"):
        for attributes, script in _INLINE_SCRIPT.findall(page.read_text(encoding="utf-8")):
            if "src=" not in attributes and script:
                digest = hashlib.sha256(script.encode()).digest()
                hashes.add(f"'sha256-{base64.b64encode(digest).decode()}'")
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *sorted(hashes))),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
        )
    )


def security_headers(app: ASGIApp, *, https: bool) -> ASGIApp:
    """Wrap an app; `https` adds the promise never to be reached without TLS."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        wanted = dict(_ALWAYS)
        if not path.startswith("/api/"):
            wanted[b"content-security-policy"] = content_security_policy().encode()
            wanted[b"cache-control"] = (
                b"public, max-age=31536000, immutable" if _FOR_EVER.match(path) else b"no-cache"
            )
        if https:
            wanted[b"strict-transport-security"] = b"max-age=31536000"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in wanted.items() if name not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
