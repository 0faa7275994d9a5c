"""/login: a native form, so that the answer can set the session's cookie."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import bridge, flash, routes
from billerjacket_app.components import basic, forms, shell
from billerjacket_app.guard import public
from billerjacket_app.session import person_of


class LoginState(rx.State):
    """What the form says after a refusal, and where it leads."""

    problem: str = ""
    email: str = ""
    then: str = ""

    @rx.event
    async def load(self) -> Any:
        """Read what the last try said; somebody already signed in goes straight on."""
        cookies = self.router.headers.cookie
        self.then = routes.safe_next(str(self.router.url.query_parameters.get("next", "/")))
        if await person_of(bridge.services().db, cookies) is not None:
            return rx.redirect(self.then)
        said = flash.decode(cookies, "login")
        self.problem = said.problem
        self.email = said.typed.get("email", "")
        return None


public(LoginState, "load")


def page() -> rx.Component:
    """The sign-in page."""
    return shell.door(
        "Sign in",
        rx.cond(
            LoginState.problem != "",
            basic.callout(
                LoginState.problem,
                tone="bad",
                symbol="triangle-alert",
                role="alert",
                data_testid="login-problem",
            ),
            rx.fragment(),
        ),
        forms.native_form(
            rx.el.input(type="hidden", name="then", value=LoginState.then, read_only=True),
            forms.text_field(
                "email",
                "E-mail",
                type="email",
                required=True,
                auto_complete="username",
                default_value=LoginState.email,
                key=LoginState.email,
            ),
            forms.text_field(
                "password",
                "Password",
                type="password",
                required=True,
                auto_complete="current-password",
                auto_focus=LoginState.problem != "",
                key=LoginState.problem,
            ),
            basic.button(
                "Sign in",
                kind="primary",
                type="submit",
                class_name="wide",
                data_testid="login-submit",
            ),
            action="/auth/login",
        ),
        rx.el.p(
            "New here? ",
            rx.el.a("Register your business", href=routes.REGISTER),
            class_name="small muted",
        ),
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(page, route=routes.LOGIN, title="Sign in · BillerJacket", on_load=LoginState.load)
