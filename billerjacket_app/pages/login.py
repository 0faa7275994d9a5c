"""/login: native forms, so that the answer can set the session's cookie.

After a right password of somebody with two-factor sign-in, the same page asks for a code.
"""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.actor import platform_system
from backend.identity.account_models import SignInKind
from backend.identity.sign_in_steps import find_step
from backend.unit_of_work import read_async
from billerjacket_app import bridge, flash, routes
from billerjacket_app.components import basic, forms, shell
from billerjacket_app.guard import public
from billerjacket_app.session import STEP_COOKIE, person_of, token_in


class LoginState(rx.State):
    """What the form says after a refusal, and where it leads."""

    problem: str = ""
    notice: str = ""
    code_error: str = ""
    email: str = ""
    then: str = ""
    needs_code: bool = False
    has_entra: bool = False
    entra_href: str = ""

    @rx.event
    async def load(self) -> Any:
        """Read what the last try said; somebody already signed in goes straight on."""
        cookies, services = self.router.headers.cookie, bridge.services()
        self.then = routes.safe_next(str(self.router.url.query_parameters.get("next", "/")))
        if await person_of(services.db, cookies) is not None:
            return rx.redirect(self.then)
        step = await read_async(
            services.db,
            platform_system("app"),
            find_step,
            SignInKind.CODE,
            token_in(cookies, STEP_COOKIE),
        )
        self.needs_code = step is not None
        said = flash.decode(cookies, "code" if step is not None else "login", "login-done")
        is_done = said.form == "login-done"
        self.problem = "" if is_done else said.problem
        self.notice = "Your new password is set. Sign in with it." if is_done else ""
        self.code_error = said.errors.get("code", "")
        self.email = said.typed.get("email", "")
        self.has_entra = services.settings.entra is not None
        self.entra_href = routes.entra(then=self.then)
        return None


public(LoginState, "load")


def page() -> rx.Component:
    """The sign-in page."""
    return shell.door(
        rx.cond(LoginState.needs_code, "Enter your code", "Sign in"),
        _said(),
        rx.cond(LoginState.needs_code, _second_step(), _first_step()),
    )


def _said() -> rx.Component:
    state = LoginState
    return rx.fragment(
        rx.cond(
            state.problem != "",
            basic.callout(
                state.problem, tone="bad", symbol="triangle-alert", role="alert",
                data_testid="login-problem",
            ),
            rx.fragment(),
        ),
        rx.cond(
            state.notice != "",
            basic.callout(
                state.notice, tone="info", symbol="circle-check", role="status",
                data_testid="login-notice",
            ),
            rx.fragment(),
        ),
    )  # fmt: skip


def _first_step() -> rx.Component:
    return rx.fragment(
        forms.native_form(
            _then(),
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
        rx.cond(
            LoginState.has_entra,
            rx.el.a(
                "Sign in with Microsoft",
                href=LoginState.entra_href,
                reload_document=True,
                class_name="btn wide",
                data_testid="login-entra",
            ),
            rx.fragment(),
        ),
        rx.el.p(
            rx.el.a("Forgot your password?", href=routes.FORGOT_PASSWORD), class_name="small muted"
        ),
        rx.el.p(
            "New here? ",
            rx.el.a("Register your business", href=routes.REGISTER),
            class_name="small muted",
        ),
    )


def _second_step() -> rx.Component:
    return rx.fragment(
        forms.native_form(
            _then(),
            forms.text_field(
                "code",
                "Code",
                error=LoginState.code_error,
                hint="Six figures from your authenticator app, or one of your recovery codes.",
                required=True,
                auto_complete="one-time-code",
                auto_focus=True,
                spell_check=False,
                max_length=40,
            ),
            basic.button(
                "Go on", kind="primary", type="submit", class_name="wide", data_testid="code-submit"
            ),
            action="/auth/code",
        ),
        forms.native_form(
            _then(),
            basic.button("Sign in as somebody else", kind="quiet", type="submit"),
            action="/auth/start-again",
        ),
        rx.el.p(
            "Lost your phone and your recovery codes? An Admin of your business can reset your "
            "two-factor sign-in.",
            class_name="small muted",
        ),
    )


def _then() -> rx.Component:
    return rx.el.input(type="hidden", name="then", value=LoginState.then, read_only=True)


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(page, route=routes.LOGIN, title="Sign in · BillerJacket", on_load=LoginState.load)
