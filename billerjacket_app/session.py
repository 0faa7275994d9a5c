"""Who is signed in: from the HttpOnly cookie to a person, and what the pages may show of it.

The cookie's token is looked up in the database at every event, so revoking a session, changing a
role or deactivating a business takes hold at once, in every open tab.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

import reflex as rx

from backend.actor import PERMISSIONS, Action, platform_system
from backend.identity import sessions
from backend.identity.sessions import SignedIn
from backend.unit_of_work import read_async, run_async
from billerjacket_app import status

COOKIE = "billerjacket_session"
# Of a sign-in that waits for its second step; it opens nothing by itself.
STEP_COOKIE = "billerjacket_step"


def token_in(cookie_header: str | None, name: str = COOKIE) -> str | None:
    """The session's token in a Cookie header; None when it is not there or makes no sense.

    `name` asks for the token of another of our cookies.
    """
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookie_header or "")
    except CookieError:
        return None
    return jar[name].value if name in jar else None


async def person_of(db: Any, cookie_header: str | None) -> SignedIn | None:
    """The person whose session the cookie names; None when it is unknown, over or revoked."""
    token = token_in(cookie_header)
    if not token:
        return None
    person = await read_async(db, platform_system("app"), sessions.find_session, token)
    if person is not None and person.should_note:
        await run_async(db, platform_system("app"), sessions.note_session_seen, person.token_digest)
    return person


class SessionState(rx.State):
    """The person as the pages show them. For display only: every handler asks the database."""

    signed_in: bool = False
    name: str = ""
    email: str = ""
    role: str = ""
    role_label: str = ""
    tenant_name: str = ""
    is_platform: bool = False
    needs_set_up: bool = False
    may_write: bool = False  # customers, invoices, payments
    may_chase: bool = False  # plans, holds, runs
    may_void: bool = False  # invoices that were sent
    is_support: bool = False  # the support tools, of a business or of the platform
    is_admin: bool = False  # of the business

    _owner: str = ""

    def show(self, person: SignedIn | None) -> None:
        """Set what is shown; only what differs is sent to the browser."""
        allowed = PERMISSIONS[person.role] if person and person.tenant_id else frozenset()
        shown: dict[str, Any] = {
            "signed_in": person is not None,
            "name": person.display_name if person else "",
            "email": person.email if person else "",
            "role": str(person.role) if person else "",
            "role_label": status.ROLES[person.role] if person else "",
            "tenant_name": (person.tenant_name or "") if person else "",
            "is_platform": person is not None and not person.tenant_id and not person.needs_set_up,
            "needs_set_up": person is not None and person.needs_set_up,
            "may_write": Action.INVOICES_WRITE in allowed,
            "may_chase": Action.DUNNING_WRITE in allowed,
            "may_void": Action.INVOICES_VOID in allowed,
            "is_support": person is not None
            and not person.needs_set_up
            and Action.SUPPORT_TOOLS in PERMISSIONS[person.role],
            "is_admin": Action.TENANT_ADMIN in allowed,
        }
        for key, value in shown.items():
            if getattr(self, key) != value:
                setattr(self, key, value)
