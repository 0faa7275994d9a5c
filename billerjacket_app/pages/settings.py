"""/settings, for an Admin: chasing, and the addresses at which payment providers reach you.

An address and a secret are shown once, when they are made: the State forgets them when the page
is loaded again or they are put away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.actor import Action
from backend.unit_of_work import Reader
from backend.webhooks.endpoints import (
    CreateEndpoint,
    EndpointView,
    WhichSecret,
    activate_endpoint,
    add_secret,
    create_endpoint,
    deactivate_endpoint,
    list_endpoints,
    retire_secret,
)
from backend.webhooks.secrets import SecretBox
from billerjacket_app import bridge, routes
from billerjacket_app import format as fmt
from billerjacket_app.components import basic, shell, states
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.pages.settings_chasing import ChasingState, chasing_section
from billerjacket_app.pages.settings_endpoints import endpoint_card, endpoint_dialogs, shown_once
from billerjacket_app.pages.webhooks_rows import endpoint_badge, provider_text, sentence
from billerjacket_app.status import Badge


@dataclass
class EndpointCard:
    """An address as its owner sees it."""

    key: str = ""
    provider: str = ""
    address: str = ""
    badge: Badge = field(default_factory=Badge)
    is_active: bool = False
    created: fmt.When = field(default_factory=fmt.When)
    last: fmt.When = field(default_factory=fmt.When)
    refused: str = ""
    refused_last: str = ""
    secret: str = ""
    has_two: bool = False
    events_href: str = ""


@dataclass
class Made:
    """What is shown once."""

    title: str = ""
    address: str = ""
    secret: str = ""
    note: str = ""


def load_endpoints(reader: Reader) -> list[EndpointCard]:
    """The tenant's addresses, newest first. Raises NotAllowed."""
    reader.actor.require(Action.TENANT_ADMIN)
    return [_card(reader, endpoint) for endpoint in list_endpoints(reader)]


def _card(reader: Reader, endpoint: EndpointView) -> EndpointCard:
    zone = rows.zone_of(reader)
    older = endpoint.previous_secret_set_at
    newest = fmt.when_exactly(endpoint.secret_set_at, zone).text
    secret = f"Set {newest}"
    if older is not None:
        secret = (
            f"Two are good: the older set {fmt.when_exactly(older, zone).text}, the newer {newest}"
        )
    at = fmt.when_exactly(endpoint.last_refused_at, zone).text
    return EndpointCard(
        key=str(endpoint.webhook_endpoint_id),
        provider=provider_text(endpoint.provider),
        address=f"/api/webhooks/{endpoint.provider}/{endpoint.token_hint}…",
        badge=endpoint_badge(endpoint),
        is_active=endpoint.is_active,
        created=fmt.when_exactly(endpoint.created_at, zone),
        last=fmt.when_exactly(endpoint.last_event_at, zone),
        refused=fmt.count(endpoint.refused_count),
        refused_last=f"{at}: {sentence(endpoint.last_refused_reason)}"
        if endpoint.last_refused_at
        else "",
        secret=secret,
        has_two=older is not None,
        events_href=routes.webhooks(endpoint=endpoint.webhook_endpoint_id),
    )


class SettingsState(PageState, rx.State):
    """The settings."""

    endpoints: list[EndpointCard] = []
    made: Made = Made()
    about: EndpointCard = EndpointCard()  # the one that a dialog is about

    async def fetch(self) -> None:
        """Load the settings."""
        outcome = await self.read(load_endpoints)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        self.assign(endpoints=outcome.must)

    @rx.event
    async def load(self) -> Any:
        """Load the page anew: what was shown once is gone."""
        self.assign(made=Made())
        self.view = "loading"
        self.close_dialog_now()
        self._path = self.router.url.path
        yield
        await self._fetch_shown()
        if self.view == "ready":
            yield SettingsState.watch

    @rx.event
    def put_away(self) -> None:
        """Forget what was shown once."""
        self.made = Made()

    @rx.event
    def open_about(self, name: str, key: str) -> None:
        """Open a dialog about one of the endpoints."""
        found = next((one for one in self.endpoints if one.key == key), None)
        if found is not None:
            self.close_dialog_now()
            self.about = found
            self.dialog = name

    @rx.event
    async def create(self, form: dict[str, Any]) -> Any:
        """Make an endpoint."""
        self.busy = True
        yield
        secret = str(form.get("secret", "")).strip() or None
        command = CreateEndpoint(str(form.get("provider", "")), secret)
        outcome = await self.call(create_endpoint, _box(), command)
        if outcome.problem:
            return
        found = outcome.must
        self.made = Made(
            title=f"The {provider_text(found.provider)} endpoint is made",
            address=found.url(bridge.services().settings.public_url),
            secret="" if secret else found.secret,
            note="Give the address to your provider. It holds a token that nobody can guess: "
            "treat it like a password.",
        )
        self.close_dialog_now()
        await self.fetch()

    @rx.event
    async def rotate(self, form: dict[str, Any]) -> Any:
        """Add a secret beside the one there is."""
        self.busy = True
        yield
        secret = str(form.get("secret", "")).strip() or None
        endpoint_id = rows.record_id(self.about.key, "webhook endpoint")
        outcome = await self.call(add_secret, _box(), endpoint_id, secret)
        if outcome.problem:
            return
        self.made = Made(
            title=f"The {self.about.provider} endpoint takes a second secret",
            secret="" if secret else outcome.must,
            note="Both secrets are good now. When your provider signs with the new one, retire "
            "the older.",
        )
        self.close_dialog_now()
        await self.fetch()

    @rx.event
    async def retire(self, form: dict[str, Any]) -> Any:
        """Refuse one of two secrets from now on."""
        self.busy = True
        yield
        which = WhichSecret.NEWER if form.get("which") == "newer" else WhichSecret.OLDER
        endpoint_id = rows.record_id(self.about.key, "webhook endpoint")
        if not (await self.call(retire_secret, endpoint_id, which)).problem:
            self.close_dialog_now()
            await self.fetch()
            yield say(f"The {which} secret is retired.")

    @rx.event
    async def switch_off(self, _form: dict[str, Any]) -> Any:
        """Refuse an endpoint's deliveries from now on."""
        self.busy = True
        yield
        endpoint_id = rows.record_id(self.about.key, "webhook endpoint")
        if not (await self.call(deactivate_endpoint, endpoint_id)).problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("Switched off: its deliveries are refused.")

    @rx.event
    async def switch_on(self, key: str) -> Any:
        """Take an endpoint's deliveries again."""
        outcome = await self.call(activate_endpoint, rows.record_id(key, "webhook endpoint"))
        if outcome.problem:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
            return
        await self.fetch()
        yield say("Switched on.")


def _box() -> SecretBox:
    return SecretBox(bridge.services().settings.secret_key.get_secret_value())


def page() -> rx.Component:
    """The settings."""
    state = SettingsState
    content = rx.el.div(
        chasing_section(),
        basic.section(
            "Webhook endpoints",
            rx.el.p(
                "Payment providers tell here of payments, failures, refunds and disputes. Every "
                "delivery must be signed with the endpoint's secret, which is kept encrypted.",
                class_name="muted",
            ),
            shown_once(state),
            rx.cond(
                state.endpoints.length() > 0,
                rx.el.ul(
                    rx.foreach(state.endpoints, lambda card: endpoint_card(state, card)),
                    class_name="stack",
                ),
                basic.card(
                    states.empty(
                        "webhook",
                        "No endpoint yet",
                        "Make one for each provider that collects your money.",
                        basic.button(
                            "New endpoint", kind="primary", on_click=state.open_dialog("create")
                        ),
                    )
                ),
            ),
            aside=basic.button(
                basic.icon("plus", size=14),
                "New endpoint",
                on_click=state.open_dialog("create"),
                data_testid="new-endpoint",
            ),
        ),
        endpoint_dialogs(state),
        class_name="stack wide-gap",
    )
    return shell.page(state, "Settings", states.body(state, content), section="settings")


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.SETTINGS,
        title="Settings · BillerJacket",
        on_load=[SettingsState.load, ChasingState.load],
    )
