"""/account: a person's own profile, password, two-factor sign-in and sessions, for every role.

All changes are native form posts (account_routes.py); this page shows how things stand and what
the last post said. Nothing secret comes through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import reflex as rx

from backend.identity import entra_links, security
from backend.identity.own_sessions import OwnSession
from backend.identity.security import AccountView
from backend.identity.sessions import SignedIn
from backend.ids import new_id
from backend.unit_of_work import Reader, read_async
from billerjacket_app import bridge, flash, routes
from billerjacket_app import format as fmt
from billerjacket_app.components import shell, states
from billerjacket_app.devices import device_text
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import rows
from billerjacket_app.pages.account_parts import account_sections
from billerjacket_app.session import person_of

FORMS = ("done", "confirm", "password", "two-factor", "sessions", "team")


@dataclass
class SessionRow:
    """A browser in which the person is signed in."""

    number: str = ""
    device: str = ""
    address: str = ""
    is_this_one: bool = False
    began: fmt.When = field(default_factory=fmt.When)
    seen: fmt.When = field(default_factory=fmt.When)


@dataclass
class MateRow:
    """A teammate who signs in with a code."""

    key: str = ""
    name: str = ""
    email: str = ""
    since: fmt.When = field(default_factory=fmt.When)


@dataclass
class Shown:
    """What the page shows of an account."""

    two_factor_on: bool = False
    since: fmt.When = field(default_factory=fmt.When)
    codes_left: str = ""
    codes_low: bool = False
    has_entra: bool = False
    is_confirmed: bool = False
    asks_for_code: bool = False
    has_others: bool = False


def load_account(reader: Reader, person: SignedIn) -> tuple[Shown, list[SessionRow], list[MateRow]]:
    """What the page shows of the person's own account."""
    found: AccountView = security.get_account(reader, person)
    zone = rows.zone_of(reader) if person.tenant_id is not None else ZoneInfo("UTC")
    shown = Shown(
        two_factor_on=found.two_factor.is_on,
        since=fmt.when_exactly(found.two_factor.since, zone),
        codes_left=fmt.count(found.two_factor.codes_left),
        codes_low=found.two_factor.codes_left < 3,
        has_entra=entra_links.is_linked(reader, person.user_id),
        is_confirmed=found.is_confirmed,
        asks_for_code=found.two_factor.is_on,
        has_others=len(found.sessions) > 1,
    )
    mates = [
        MateRow(str(mate.id), mate.display_name, mate.email, fmt.when_exactly(mate.since, zone))
        for mate in found.teammates
    ]
    return shown, [_row(one, zone) for one in found.sessions], mates


def _row(one: OwnSession, zone: ZoneInfo) -> SessionRow:
    return SessionRow(
        number=str(one.number),
        device=device_text(one.user_agent),
        address=one.address or "unknown",
        is_this_one=one.is_this_one,
        began=fmt.when_exactly(one.created_at, zone),
        seen=fmt.when_exactly(one.last_seen_at, zone),
    )


class AccountState(PageState, rx.State):
    """The person's own account."""

    shown: Shown = Shown()
    sessions: list[SessionRow] = []
    mates: list[MateRow] = []
    # What the last post said: of which form, its problem, and its fields' errors.
    form: str = ""
    said: str = ""
    wrong: dict[str, str] = {}

    @rx.event
    async def load(self) -> Any:
        """Load the page; whatever business the person has, or none."""
        cookies, db = self.router.headers.cookie, bridge.services().db
        person = await person_of(db, cookies)
        if person is None:
            return rx.redirect(routes.login(then=routes.ACCOUNT))
        self._path = self.router.url.path
        try:
            shown, sessions, mates = await read_async(
                db, person.actor(new_id().hex), load_account, person
            )
        except Exception as error:  # noqa: BLE001  (this is the entrance: nothing passes it)
            self.fail(bridge.problem_of(error, new_id().hex))
            return None
        said = flash.decode(cookies, *(f"account-{form}" for form in FORMS))
        self.assign(
            shown=shown,
            sessions=sessions,
            mates=mates,
            form=said.form.removeprefix("account-"),
            said=said.problem,
            wrong=said.errors,
            view="ready",
        )
        return None


def page() -> rx.Component:
    """The account."""
    state = AccountState
    content = rx.el.div(*account_sections(state), class_name="stack wide-gap account")
    return shell.page(state, "Your account", states.body(state, content), section="account")


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.ACCOUNT, title="Your account · BillerJacket", on_load=AccountState.load
    )
