"""/settings, for an Admin: the addresses at which payment providers reach the business.

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
from billerjacket_app import bridge, routes, status
from billerjacket_app import format as fmt
from billerjacket_app.components import basic, dialog, forms, shell, states
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.pages.webhooks_rows import endpoint_badge, provider_text, sentence
from billerjacket_app.status import Badge

_HINT = (
    "Leave it empty and one is made up. Stripe gives you its own: make the endpoint, give Stripe "
    "its address, then put Stripe's signing secret here with “Replace secret”."
)


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


def _once(label: str, value: Any, testid: str) -> rx.Component:
    return rx.cond(
        value != "",
        rx.el.div(
            rx.el.span(label, class_name="small muted"),
            rx.el.div(
                rx.el.code(value, class_name="mono", data_testid=testid),
                basic.button(
                    basic.icon("copy", size=14),
                    "Copy",
                    aria_label=f"Copy the {label.lower()}",
                    custom_attrs={"data-copy": value},
                ),
                class_name="once",
            ),
        ),
        rx.fragment(),
    )


def _made() -> rx.Component:
    state = SettingsState
    made = state.made
    return rx.cond(
        made.title != "",
        basic.callout(
            rx.el.div(
                rx.el.strong(made.title),
                rx.el.span(
                    rx.cond(
                        (made.secret != "") | (made.address != ""),
                        " What stands here is shown only now.",
                        "",
                    )
                ),
                _once("Address", made.address, "made-address"),
                _once("Secret", made.secret, "made-secret"),
                rx.el.p(made.note),
                rx.el.div(
                    basic.button("I have kept it", on_click=state.put_away, data_testid="put-away")
                ),
                class_name="stack tight",
            ),
            tone="info",
            symbol="key-round",
            role="status",
            data_testid="made",
        ),
        rx.fragment(),
    )


def _endpoint(card: Any) -> rx.Component:
    state = SettingsState
    return rx.el.li(
        rx.el.div(
            rx.el.h3(card.provider, class_name="name"),
            basic.badge(card.badge),
            rx.el.code(card.address, class_name="mono muted"),
            class_name="row",
        ),
        basic.facts(
            basic.fact("Made", basic.when(card.created, class_name="mono")),
            basic.fact(
                "Last event",
                rx.el.a(
                    basic.when(card.last, class_name="mono"),
                    href=card.events_href,
                    class_name="link",
                    aria_label="Events of this endpoint, the last " + card.last.text,
                ),
            ),
            basic.fact(
                "Refused deliveries",
                rx.el.div(card.refused, class_name="num", data_testid="refused"),
                rx.cond(
                    card.refused_last != "",
                    rx.el.div("Last ", card.refused_last, class_name="small muted"),
                    rx.fragment(),
                ),
            ),
            basic.fact("Secret", card.secret, data_testid="secret-state"),
        ),
        rx.el.div(
            rx.cond(
                card.has_two,
                basic.button(
                    "Retire a secret…",
                    on_click=state.open_about("retire", card.key),
                    data_testid="retire",
                ),
                basic.button(
                    "Replace secret…",
                    on_click=state.open_about("rotate", card.key),
                    data_testid="rotate",
                ),
            ),
            rx.cond(
                card.is_active,
                basic.button(
                    "Switch off…",
                    on_click=state.open_about("off", card.key),
                    data_testid="switch-off",
                ),
                basic.button(
                    "Switch on", on_click=state.switch_on(card.key), data_testid="switch-on"
                ),
            ),
            class_name="row",
        ),
        class_name="card stack",
        key=card.key,
        data_testid="endpoint",
    )


def _secret_field(hint: str) -> rx.Component:
    state = SettingsState
    return forms.text_field(
        "secret",
        "Signing secret",
        error=state.errors["secret"],
        hint=hint,
        type="password",
        auto_complete="off",
        spell_check=False,
        max_length=500,
    )


def _dialogs() -> rx.Component:
    state = SettingsState
    return rx.fragment(
        dialog.form_dialog(
            state,
            "create",
            "New webhook endpoint",
            forms.field(
                "provider", "Provider", forms.choice("provider", list(status.PROVIDERS.items()))
            ),
            _secret_field(_HINT),
            submit=state.create,
            verb="Make endpoint",
            lead="An address of your own, at which the provider tells what happened to payments.",
        ),
        dialog.form_dialog(
            state,
            "rotate",
            "Replace the secret",
            _secret_field("Leave it empty and one is made up."),
            submit=state.rotate,
            verb="Add secret",
            lead="The new secret is added, and the one before stays good until you retire it. So "
            "no delivery is refused meanwhile.",
        ),
        dialog.form_dialog(
            state,
            "retire",
            "Retire a secret",
            forms.field(
                "which",
                "Which",
                forms.choice(
                    "which",
                    [
                        ("older", "The older: the provider signs with the newer"),
                        ("newer", "The newer: it was added by mistake"),
                    ],
                ),
            ),
            rx.el.p(state.about.secret, ".", class_name="small muted"),
            submit=state.retire,
            verb="Retire secret",
            kind="danger",
            lead="What is signed with it is refused from now on.",
        ),
        dialog.form_dialog(
            state,
            "off",
            "Switch the endpoint off",
            rx.el.p(rx.el.code(state.about.address)),
            submit=state.switch_off,
            verb="Switch off endpoint",
            kind="danger",
            lead="Its deliveries are refused at once, and counted. It can be switched on again.",
        ),
    )


def page() -> rx.Component:
    """The settings."""
    state = SettingsState
    content = rx.el.div(
        basic.section(
            "Webhook endpoints",
            rx.el.p(
                "Payment providers tell here of payments, failures, refunds and disputes. Every "
                "delivery must be signed with the endpoint's secret, which is kept encrypted.",
                class_name="muted",
            ),
            _made(),
            rx.cond(
                state.endpoints.length() > 0,
                rx.el.ul(rx.foreach(state.endpoints, _endpoint), class_name="stack"),
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
        _dialogs(),
        class_name="stack",
    )
    return shell.page(state, "Settings", states.body(state, content), section="settings")


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.SETTINGS, title="Settings · BillerJacket", on_load=SettingsState.load
    )
