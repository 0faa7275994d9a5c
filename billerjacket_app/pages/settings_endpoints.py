"""How webhook endpoints look in the settings: what is shown once, cards, dialogs."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import status
from billerjacket_app.components import basic, dialog, forms

_HINT = (
    "Leave it empty and one is made up. Stripe gives you its own: make the endpoint, give Stripe "
    "its address, then put Stripe's signing secret here with “Replace secret”."
)


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


def shown_once(state: Any) -> rx.Component:
    """The address and the secret that were just made, with buttons to copy them."""
    made = state.made
    has_any = (made.secret != "") | (made.address != "")
    return rx.cond(
        made.title != "",
        basic.callout(
            rx.el.div(
                rx.el.strong(made.title),
                rx.cond(has_any, rx.el.p("What stands here is shown only now."), rx.fragment()),
                _once("Address", made.address, "made-address"),
                _once("Secret", made.secret, "made-secret"),
                rx.el.p(made.note),
                rx.el.div(
                    basic.button(
                        rx.cond(has_any, "I have kept it", "Close"),
                        on_click=state.put_away,
                        data_testid="put-away",
                    )
                ),
                class_name="stack snug",
            ),
            tone="info",
            symbol="key-round",
            role="status",
            data_testid="made",
        ),
        rx.fragment(),
    )


def endpoint_card(state: Any, card: Any) -> rx.Component:
    """One endpoint: how it does, and what may be done with it."""
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


def _secret_field(state: Any, hint: str) -> rx.Component:
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


def endpoint_dialogs(state: Any) -> rx.Component:
    """To make one, to replace or retire its secret, to switch it off."""
    return rx.fragment(
        dialog.form_dialog(
            state,
            "create",
            "New webhook endpoint",
            forms.field(
                "provider", "Provider", forms.choice("provider", list(status.PROVIDERS.items()))
            ),
            _secret_field(state, _HINT),
            submit=state.create,
            verb="Make endpoint",
            lead="An address of your own, at which the provider tells what happened to payments.",
        ),
        dialog.form_dialog(
            state,
            "rotate",
            "Replace the secret",
            _secret_field(state, "Leave it empty and one is made up."),
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
