"""/register and /setup: a person first, then the business; both are native forms."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import reflex as rx

from backend.money import CURRENCY_CODES
from billerjacket_app import bridge, flash, routes
from billerjacket_app.components import basic, forms, shell
from billerjacket_app.guard import public
from billerjacket_app.session import person_of

# Trades in the United States come first; every other zone follows by name.
_ZONES_FIRST = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu",
)  # fmt: skip
_CURRENCIES_FIRST = ("USD", "CAD", "EUR", "GBP", "AUD", "JPY")


class FormState(rx.State, mixin=True):
    """What a refused form says, field by field, and what had been typed."""

    problem: str = ""
    errors: dict[str, str] = {}
    typed: dict[str, str] = {}

    def show_flash(self, form: str) -> None:
        """Take what the last post of this form said."""
        said = flash.decode(self.router.headers.cookie, form)
        self.problem, self.errors, self.typed = said.problem, said.errors, said.typed


class RegisterState(FormState, rx.State):
    """The form for a new person."""

    @rx.event
    async def load(self) -> Any:
        """Somebody already signed in goes straight on."""
        if await person_of(bridge.services().db, self.router.headers.cookie) is not None:
            return rx.redirect(routes.DASHBOARD)
        self.show_flash("register")
        return None


class SetupState(FormState, rx.State):
    """The form for the business of somebody who has registered."""

    @rx.event
    async def load(self) -> Any:
        """Somebody who has a business goes straight on."""
        person = await person_of(bridge.services().db, self.router.headers.cookie)
        if person is None or not person.needs_set_up:
            return rx.redirect(routes.DASHBOARD if person else routes.LOGIN)
        self.show_flash("setup")
        return None


public(RegisterState, "load")


def register_page() -> rx.Component:
    """A new person."""
    state = RegisterState
    return shell.door(
        "Register",
        _problem(state.problem),
        forms.native_form(
            _field(state, "display_name", "Your name", auto_complete="name"),
            _field(state, "email", "E-mail", type="email", auto_complete="username"),
            _field(
                state,
                "password",
                "Password",
                hint="At least 8 characters. A few words are easier to keep in mind.",
                type="password",
                auto_complete="new-password",
            ),
            basic.button(
                "Register", kind="primary", type="submit", class_name="wide",
                data_testid="register-submit",
            ),
            action="/auth/register",
        ),
        rx.el.p(
            "Already registered? ", rx.el.a("Sign in", href=routes.LOGIN), class_name="small muted"
        ),
    )  # fmt: skip


def setup_page() -> rx.Component:
    """The business: its name, currency and time zone."""
    state = SetupState
    zones = (*_ZONES_FIRST, *sorted(z for z in available_timezones() if "/" in z))
    codes = (*_CURRENCIES_FIRST, *sorted(CURRENCY_CODES))
    return shell.door(
        "Set up your business",
        _problem(state.problem),
        forms.native_form(
            _field(state, "name", "Name of the business", auto_complete="organization"),
            _select(
                state, "currency_code", "Currency", codes,
                hint="Invoices are written in it unless one says otherwise.",
            ),
            _select(
                state, "time_zone", "Time zone", zones,
                hint="An invoice is overdue when its due day has ended here.",
            ),
            basic.button(
                "Set up", kind="primary", type="submit", class_name="wide",
                data_testid="setup-submit",
            ),
            action="/auth/setup",
        ),
    )  # fmt: skip


def _problem(problem: Any) -> rx.Component:
    return rx.cond(
        problem != "",
        basic.callout(
            problem, tone="bad", symbol="triangle-alert", role="alert", data_testid="form-problem"
        ),
        rx.fragment(),
    )


def _field(state: Any, name: str, label: str, *, hint: str = "", **props: Any) -> rx.Component:
    typed = state.typed[name]
    return forms.text_field(
        name,
        label,
        error=state.errors[name],
        hint=hint,
        required=True,
        default_value=typed,
        key=typed,
        **props,
    )


def _select(
    state: Any, name: str, label: str, values: tuple[str, ...], *, hint: str
) -> rx.Component:
    error = state.errors[name]
    options = [(value, value.replace("_", " ")) for value in dict.fromkeys(values)]
    control = forms.choice(
        name, options, error=error, hint=hint, default_value=state.typed[name],
        key=state.typed[name],
    )  # fmt: skip
    return forms.field(name, label, control, error=error, hint=hint)


def register(app: rx.App) -> None:
    """Add both pages."""
    app.add_page(
        register_page, route=routes.REGISTER, title="Register · BillerJacket",
        on_load=RegisterState.load,
    )  # fmt: skip
    app.add_page(
        setup_page, route=routes.SETUP, title="Set up your business · BillerJacket",
        on_load=SetupState.load,
    )  # fmt: skip
