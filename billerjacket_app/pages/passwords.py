"""/forgot-password and /reset-password: a new password by a link that is sent by e-mail.

The link's token never comes here: assets/reset-link.js takes it out of the address and puts it
into the form when that is sent.
"""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import flash, routes
from billerjacket_app.components import basic, forms, shell
from billerjacket_app.guard import public


class ForgotState(rx.State):
    """The form that asks for a link."""

    problem: str = ""
    email: str = ""
    is_sent: bool = False

    @rx.event
    def load(self) -> None:
        """Read what the last post said."""
        said = flash.decode(self.router.headers.cookie, "forgot", "forgot-done")
        self.is_sent = said.form == "forgot-done"
        self.problem = "" if self.is_sent else said.problem
        self.email = said.typed.get("email", "")


class ResetState(rx.State):
    """The form for the new password."""

    problem: str = ""
    error: str = ""

    @rx.event
    def load(self) -> None:
        """Read what the last post said."""
        said = flash.decode(self.router.headers.cookie, "reset")
        self.problem = said.problem
        self.error = said.errors.get("password", "")


public(ForgotState, "load")
public(ResetState, "load")


def forgot_page() -> rx.Component:
    """Ask for a link."""
    return shell.door(
        "Forgot your password?",
        _problem(ForgotState.problem),
        rx.cond(
            ForgotState.is_sent,
            basic.callout(
                "If this address belongs to somebody here, a link is on its way. It works once, "
                "within 30 minutes. Look into your spam folder, too.",
                tone="info",
                symbol="mail",
                role="status",
                data_testid="forgot-sent",
            ),
            forms.native_form(
                forms.text_field(
                    "email",
                    "E-mail",
                    hint="We send a link to it with which you choose a new password.",
                    type="email",
                    required=True,
                    auto_complete="username",
                    default_value=ForgotState.email,
                    key=ForgotState.email,
                ),
                basic.button(
                    "Send the link",
                    kind="primary",
                    type="submit",
                    class_name="wide",
                    data_testid="forgot-submit",
                ),
                action="/auth/forgot-password",
            ),
        ),
        _to_sign_in(),
    )


def reset_page() -> rx.Component:
    """Choose a new password."""
    return shell.door(
        "Choose a new password",
        _problem(ResetState.problem),
        forms.native_form(
            rx.el.input(type="hidden", name="token"),
            forms.text_field(
                "password",
                "New password",
                error=ResetState.error,
                hint="At least 8 characters. A few words are easier to keep in mind.",
                type="password",
                required=True,
                auto_complete="new-password",
            ),
            basic.button(
                "Set the password",
                kind="primary",
                type="submit",
                class_name="wide",
                data_testid="reset-submit",
            ),
            action="/auth/reset-password",
        ),
        rx.el.p(
            "You will be signed out everywhere. ",
            rx.el.a("Ask for a new link", href=routes.FORGOT_PASSWORD),
            class_name="small muted",
        ),
        _to_sign_in(),
    )


def _problem(problem: Any) -> rx.Component:
    return rx.cond(
        problem != "",
        basic.callout(
            problem, tone="bad", symbol="triangle-alert", role="alert", data_testid="form-problem"
        ),
        rx.fragment(),
    )


def _to_sign_in() -> rx.Component:
    return rx.el.p(rx.el.a("Back to sign in", href=routes.LOGIN), class_name="small muted")


def register(app: rx.App) -> None:
    """Add both pages."""
    app.add_page(
        forgot_page, route=routes.FORGOT_PASSWORD, title="Forgot your password? · BillerJacket",
        on_load=ForgotState.load,
    )  # fmt: skip
    app.add_page(
        reset_page, route=routes.RESET_PASSWORD, title="Choose a new password · BillerJacket",
        on_load=ResetState.load,
    )  # fmt: skip
