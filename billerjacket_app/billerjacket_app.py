"""The app: its pages, the guard before every event, and the one port they share with the API.

Requests for /api, /healthz and /readyz go to the HTTP API, /auth and /files to small routes that
need cookies, everything else to Reflex (pages, assets, websocket). Services open when the process
begins to serve, so building the front end needs no database.
"""

from __future__ import annotations

from functools import cache

import reflex as rx
from reflex_base.event import EventSpec

from backend import logging
from backend.api.app import create_app
from backend.ids import new_id
from backend.processes import end_with_parent
from billerjacket_app import bridge, live, page_state, theme
from billerjacket_app.auth_routes import auth
from billerjacket_app.file_routes import files
from billerjacket_app.guard import SessionGuard
from billerjacket_app.pages import ALL
from billerjacket_app.security import ASGIApp, Receive, Scope, Send, security_headers


@cache
def _api() -> ASGIApp:
    return create_app(bridge.services())


def _beside(screens: ASGIApp) -> ASGIApp:
    """Put the API and the cookie routes beside Reflex's own app."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http":
            if path.startswith(("/api/", "/healthz", "/readyz")) or path == "/api":
                return await _api()(scope, receive, send)
            if path.startswith("/auth/"):
                return await auth(scope, receive, send)
            if path.startswith("/files/"):
                return await files(scope, receive, send)
        return await screens(scope, receive, send)

    return app


def _guarded(inner: ASGIApp) -> ASGIApp:
    wrapped: ASGIApp | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal wrapped
        if wrapped is None:
            https = bridge.services().settings.public_url.startswith("https:")
            wrapped = security_headers(inner, https=https)
        await wrapped(scope, receive, send)

    return app


def on_event_error(exception: Exception) -> EventSpec:
    """An error that a handler let through: said in words; ours are logged with their id."""
    problem = bridge.problem_of(exception, new_id().hex)
    quoted = f" (correlation id {problem.correlation_id})" if problem.quotable else ""
    said: EventSpec = page_state.say(f"{problem.title} {problem.detail}{quoted}", bad=True)
    return said


def _begin() -> None:
    """The first thing in a process that serves, and not in one that only builds."""
    settings = bridge.services().settings
    logging.configure(settings.log_format, settings.log_level)
    end_with_parent()


app = rx.App(
    api_transformer=[_beside, _guarded],
    backend_exception_handler=on_event_error,
    stylesheets=theme.STYLESHEETS,
    reset_style=False,
    toaster=None,
    app_wraps={},
    html_lang="en",
    head_components=[
        # First of all, and at once: it takes a secret out of the address.
        rx.el.script(src="/reset-link.js"),
        rx.el.script(src="/hotkeys.js", defer=True),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
    ],
)
app.add_middleware(SessionGuard())
app.register_lifespan_task(_begin)
app.register_lifespan_task(live.watching)
for page in ALL:
    page.register(app)
