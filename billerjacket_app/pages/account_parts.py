"""The sections of /account: profile, proof, password, two-factor, sessions, teammates."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app.components import basic, forms
from billerjacket_app.session import SessionState


def account_sections(state: Any) -> list[rx.Component]:
    """All of them, in order."""
    return [
        _done(state),
        _profile(state),
        _password(state),
        _two_factor(state),
        _sessions(state),
        _team(state),
    ]


def _done(state: Any) -> rx.Component:
    return rx.cond(
        state.form == "done",
        basic.callout(
            state.said, tone="info", symbol="circle-check", role="status",
            data_testid="account-done",
        ),
        rx.fragment(),
    )  # fmt: skip


def _refusal(state: Any, form: str) -> rx.Component:
    return rx.cond(
        state.form == form,
        basic.callout(
            state.said,
            tone="bad",
            symbol="triangle-alert",
            role="alert",
            data_testid=f"refused-{form}",
        ),
        rx.fragment(),
    )


def _profile(state: Any) -> rx.Component:
    return basic.section(
        "Profile",
        basic.card(
            basic.facts(
                basic.fact("Name", SessionState.name),
                basic.fact("E-mail", SessionState.email),
                basic.fact("Role", SessionState.role_label),
                basic.fact(
                    "Microsoft account", rx.cond(state.shown.has_entra, "Linked", "Not linked")
                ),
            )
        ),
    )


def _password(state: Any) -> rx.Component:
    return basic.section(
        "Password",
        basic.card(
            _refusal(state, "password"),
            forms.native_form(
                # For password managers: whose password it is.
                rx.el.input(
                    type="email", name="username", value=SessionState.email, read_only=True,
                    auto_complete="username", hidden=True,
                ),
                forms.text_field(
                    "current_password",
                    "Present password",
                    error=state.wrong["current_password"],
                    type="password",
                    required=True,
                    auto_complete="current-password",
                ),
                forms.text_field(
                    "new_password",
                    "New password",
                    error=state.wrong["new_password"],
                    hint="At least 8 characters. Other browsers will be signed out.",
                    type="password",
                    required=True,
                    auto_complete="new-password",
                ),
                rx.el.div(
                    basic.button("Change password", type="submit", data_testid="change-password")
                ),
                action="/auth/account/password",
            ),
        ),
    )  # fmt: skip


def _two_factor(state: Any) -> rx.Component:
    shown = state.shown
    return basic.section(
        "Two-factor sign-in",
        basic.card(
            rx.el.div(
                _refusal(state, "two-factor"),
                rx.cond(
                    shown.two_factor_on,
                    rx.el.p(
                        "On since ", basic.when(shown.since), ". Recovery codes left: ",
                        rx.el.strong(shown.codes_left), ".", data_testid="two-factor-on",
                    ),
                    rx.el.p(
                        "Off. With it, a stolen password alone opens nothing: signing in asks for "
                        "a code from an app on your phone as well.",
                        data_testid="two-factor-off",
                    ),
                ),
                rx.cond(
                    shown.two_factor_on & shown.codes_low,
                    basic.callout(
                        "Few recovery codes are left. Make new ones.",
                        tone="warn", symbol="triangle-alert",
                    ),
                    rx.fragment(),
                ),
                rx.cond(shown.is_confirmed, _two_factor_acts(shown), _confirm(state)),
                class_name="stack",
            )
        ),
    )  # fmt: skip


def _two_factor_acts(shown: Any) -> rx.Component:
    return rx.cond(
        shown.two_factor_on,
        rx.el.div(
            _one_button(
                "New recovery codes", "/auth/account/recovery-codes", testid="renew-codes"
            ),
            _one_button(
                "Switch off", "/auth/account/two-factor/off", testid="two-factor-switch-off",
                kind="danger",
            ),
            class_name="row",
        ),
        _one_button(
            "Set up", "/auth/account/two-factor", testid="two-factor-set-up", kind="primary"
        ),
    )  # fmt: skip


def _confirm(state: Any) -> rx.Component:
    """Asks again who it is; the buttons come after."""
    code = state.shown.asks_for_code
    return rx.el.div(
        _refusal(state, "confirm"),
        forms.native_form(
            rx.cond(
                code,
                forms.text_field(
                    "proof", "Code from your app, or a recovery code",
                    error=state.wrong["proof"],
                    hint="To change how you sign in, confirm that it is you.",
                    required=True, auto_complete="one-time-code", max_length=40,
                ),
                forms.text_field(
                    "proof", "Your password",
                    error=state.wrong["proof"],
                    hint="To change how you sign in, confirm that it is you.",
                    type="password", required=True, auto_complete="current-password",
                ),
            ),
            rx.el.div(basic.button("Confirm", type="submit", data_testid="confirm-identity")),
            action="/auth/account/confirm",
        ),
        class_name="stack",
    )  # fmt: skip


def _sessions(state: Any) -> rx.Component:
    return basic.section(
        "Where you are signed in",
        basic.card(
            rx.el.div(
                _refusal(state, "sessions"),
                rx.el.ul(rx.foreach(state.sessions, _session), class_name="stack"),
                class_name="stack",
            )
        ),
        aside=rx.cond(
            state.shown.has_others,
            _one_button(
                "Sign out everywhere else",
                "/auth/account/sessions/end-others",
                testid="end-others",
            ),
            rx.fragment(),
        ),
    )


def _session(one: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(one.device, class_name="strong"),
            rx.el.div(
                one.address, " · signed in ", basic.when(one.began), " · last seen ",
                basic.when(one.seen), class_name="small muted",
            ),
        ),
        rx.cond(
            one.is_this_one,
            rx.el.span("This browser", class_name="small muted"),
            rx.el.form(
                rx.el.input(type="hidden", name="number", value=one.number, read_only=True),
                basic.button("Sign out", type="submit", aria_label="Sign out " + one.device),
                action="/auth/account/sessions/end", method="post", on_submit=None,
            ),
        ),
        class_name="split", key=one.number, data_testid="session",
    )  # fmt: skip


def _team(state: Any) -> rx.Component:
    """For an Admin: teammates who may have lost what they sign in with."""
    return rx.cond(
        (state.mates.length() > 0) | (state.form == "team"),
        basic.section(
            "Two-factor of your team",
            basic.card(
                rx.el.div(
                    _refusal(state, "team"),
                    rx.el.p(
                        "Somebody who lost phone and recovery codes comes in again with the "
                        "password alone after a reset. Be sure of whom you talk to.",
                        class_name="muted",
                    ),
                    rx.el.ul(
                        rx.foreach(state.mates, lambda mate: _mate(state, mate)),
                        class_name="stack",
                    ),
                    class_name="stack",
                )
            ),
        ),
        rx.fragment(),
    )


def _mate(state: Any, mate: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(mate.name, class_name="strong"),
            rx.el.div(
                mate.email, " · on since ", basic.when(mate.since), class_name="small muted"
            ),
        ),
        rx.cond(
            state.shown.is_confirmed,
            rx.el.form(
                rx.el.input(type="hidden", name="user_id", value=mate.key, read_only=True),
                basic.button("Reset", type="submit", aria_label="Reset two-factor of " + mate.name),
                action="/auth/account/teammates/reset-two-factor", method="post", on_submit=None,
            ),
            rx.el.span("Confirm above that it is you first", class_name="small muted"),
        ),
        class_name="split", key=mate.key, data_testid="mate",
    )  # fmt: skip


def _one_button(label: str, action: str, *, testid: str, kind: Any = "plain") -> rx.Component:
    return rx.el.form(
        basic.button(label, type="submit", kind=kind, data_testid=testid),
        action=action, method="post", on_submit=None,
    )  # fmt: skip
