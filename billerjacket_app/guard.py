"""Deny by default: this runs before every event, background ones too, whatever page sent it.

A client can call any handler by name. So: cookie → session in the database; when the session is
another than the one this tab's state belongs to, the state is emptied first (nothing of the
person before is ever sent); without a session only Reflex's own events pass, and the browser is
led to the sign-in page. Roles are checked by the services each handler calls.
"""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.state import OnLoadInternalState, State, StateUpdate, UpdateVarsInternalState
from reflex_base.event import Event
from reflex_base.utils.format import format_event_handler

from billerjacket_app import bridge, routes, session
from billerjacket_app.session import SessionState

_INTERNAL = frozenset(
    format_event_handler(handler)
    for handler in (
        *(State.event_handlers[n] for n in ("hydrate", "hydrate_and_load", "set_is_hydrated")),
        *OnLoadInternalState.event_handlers.values(),
        *UpdateVarsInternalState.event_handlers.values(),
    )
)
# Handlers that work without a session; their pages are public.
_public: set[str] = set()


def public(state: type[rx.State], *handlers: str) -> None:
    """Let these handlers of a public page run without a session."""
    _public.update(format_event_handler(state.event_handlers[name]) for name in handlers)


class SessionGuard(rx.Middleware):
    """Looks up the session before each event; see the top of this file."""

    async def preprocess(self, app: Any, state: Any, event: Any) -> StateUpdate | None:
        """None lets the event through; an update answers in its place."""
        root = state._get_root_state()
        person = await session.person_of(bridge.services().db, root.router.headers.cookie)
        owner = person.token_digest if person else ""
        shown = await root.get_state(SessionState)
        if shown._owner != owner:
            root.reset()
            shown = await root.get_state(SessionState)
            shown._owner = owner
        shown.show(person)
        if event.name in _INTERNAL or event.name in _public:
            return None
        if person is None:
            return await _answer(root, routes.login(then=_address(root)))
        if person.needs_set_up and root.router.url.path.rstrip("/") != routes.SETUP:
            return await _answer(root, routes.SETUP)
        return None


async def _answer(root: Any, href: str) -> StateUpdate:
    delta = await root._get_resolved_delta()
    root._clean()
    return StateUpdate(delta=delta, events=Event.from_event_type([rx.redirect(href)]))


def _address(root: Any) -> str:
    url = root.router.url
    return routes.safe_next(url.path + (f"?{url.query}" if url.query else ""))
