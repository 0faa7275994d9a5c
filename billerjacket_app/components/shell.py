"""The frame of every page behind sign-in: skip link, navigation, heading, toasts, live region.

    page(
        State, "Invoices", content, section="invoices",
        crumbs=[("Invoices", routes.INVOICES)], actions=[…buttons…], beside=badge(…),
    )

`title` may be a Var (a record's number). `<span id="ready">` tells tests and scripts when the
page has loaded. Pages before sign-in use `door`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx
from reflex.style import set_color_mode
from reflex_components_core.core.banner import has_connection_errors

from billerjacket_app import routes, theme
from billerjacket_app.components import basic
from billerjacket_app.page_state import ToastState
from billerjacket_app.session import SessionState

_NAVIGATION = (
    ("dashboard", "Dashboard", "layout-dashboard", routes.DASHBOARD),
    ("customers", "Customers", "users", routes.CUSTOMERS),
    ("invoices", "Invoices", "file-text", routes.INVOICES),
    ("payments", "Payments", "banknote", routes.PAYMENTS),
    ("dunning", "Chasing", "bell-ring", routes.DUNNING),
    ("worklist", "Worklist", "flag", routes.WORKLIST),
    ("reports", "Reports", "chart-column", routes.REPORTS),
    ("mailbox", "Mailbox", "mail", routes.MAILBOX),
    ("activity", "Activity", "activity", routes.ACTIVITY),
)
# For those who may use the support tools.
_DEAD_LETTERS = ("dead-letters", "Dead letters", "octagon-alert", routes.DEAD_LETTERS)
# For those of them who have a business.
_SUPPORT = (
    _DEAD_LETTERS,
    ("webhooks", "Webhooks", "webhook", routes.WEBHOOKS),
    ("trace", "Trace", "route", routes.TRACE),
)
# For an Admin of the business.
_ADMIN = (("settings", "Settings", "settings", routes.SETTINGS),)


def page(
    state: Any,
    title: Any,
    *content: rx.Component,
    section: str,
    crumbs: Sequence[tuple[str, str]] = (),
    actions: Sequence[rx.Component] = (),
    beside: rx.Component | None = None,
) -> rx.Component:
    """A page: `beside` stands next to the heading (a badge), `actions` at the right."""
    head = rx.el.div(
        rx.el.div(
            _crumbs(crumbs, title) if crumbs else rx.fragment(),
            rx.el.div(rx.el.h1(title, id="title"), beside or rx.fragment(), class_name="title"),
        ),
        rx.el.div(*actions, class_name="row actions") if actions else rx.fragment(),
        class_name="head",
    )
    return rx.fragment(
        rx.el.a("Skip to content", href="#main", class_name="skip", reload_document=True),
        rx.el.div(
            _side(section),
            rx.el.main(
                rx.el.div(head, *content, class_name="page"),
                id="main",
                tab_index=-1,
            ),
            class_name="app",
        ),
        _toasts(),
        _browser_status(),
        _ready(state),
        connection_lost(),
    )


def door(title: str, *content: Any, wide: bool = False) -> rx.Component:
    """A page before sign-in: one card in the middle."""
    return rx.fragment(
        rx.el.main(
            rx.el.div(
                rx.el.div(rx.el.img(src="/favicon.svg", alt=""), theme.BRAND, class_name="brand"),
                rx.el.h1(title),
                *content,
                class_name="card",
            ),
            class_name="door",
            id="main",
        ),
        _ready(None),
        connection_lost(),
    )


def connection_lost() -> rx.Component:
    """Says that the server cannot be reached; it goes away by itself."""
    return rx.cond(
        has_connection_errors,
        rx.el.div(
            basic.icon("wifi-off"),
            "Connection lost. What you see may be old; trying again…",
            class_name="banner",
            role="alert",
            data_testid="connection-lost",
        ),
        rx.fragment(),
    )


def theme_menu() -> rx.Component:
    """Light, dark, or as the system says; kept by the browser."""
    return rx.el.select(
        rx.el.option("System theme", value="system"),
        rx.el.option("Light theme", value="light"),
        rx.el.option("Dark theme", value="dark"),
        value=rx.color_mode,
        on_change=lambda mode: set_color_mode(mode),
        aria_label="Theme",
        data_testid="theme",
    )


def _side(section: str) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.a(
                rx.el.img(src="/favicon.svg", alt=""),
                theme.BRAND,
                href=routes.DASHBOARD,
                class_name="brand",
            ),
            rx.el.button(
                basic.icon("menu"),
                "Menu",
                type="button",
                class_name="btn menu-toggle",
                aria_expanded="false",
                aria_controls="menu",
                custom_attrs={"data-toggle": "menu"},
            ),
            class_name="bar-top",
        ),
        rx.el.div(
            rx.el.nav(
                # The platform's own people have no business whose pages they could open.
                rx.cond(
                    SessionState.is_platform,
                    rx.fragment(),
                    rx.el.ul(*(_nav_item(item, section) for item in _NAVIGATION)),
                ),
                rx.cond(
                    SessionState.is_platform,
                    _nav_group(SessionState.is_support, "Support", (_DEAD_LETTERS,), section),
                    _nav_group(SessionState.is_support, "Support", _SUPPORT, section),
                ),
                _nav_group(SessionState.is_admin, "Admin", _ADMIN, section),
                aria_label="Main",
            ),
            _who(),
            class_name="menu",
            id="menu",
        ),
        class_name="side",
    )


def _nav_group(
    is_shown: Any, title: str, items: Sequence[tuple[str, str, str, str]], section: str
) -> rx.Component:
    name = f"nav-{title.lower()}"
    return rx.cond(
        is_shown,
        rx.fragment(
            rx.el.h2(title, id=name),
            rx.el.ul(*(_nav_item(item, section) for item in items), aria_labelledby=name),
        ),
        rx.fragment(),
    )


def _nav_item(item: tuple[str, str, str, str], section: str) -> rx.Component:
    key, label, symbol, href = item
    current = {"aria-current": "page"} if key == section else {}
    return rx.el.li(rx.el.a(basic.icon(symbol), label, href=href, custom_attrs=current))


def _who() -> rx.Component:
    return rx.el.div(
        rx.cond(
            SessionState.signed_in,
            rx.el.div(
                rx.el.div(SessionState.tenant_name, class_name="name strong"),
                rx.el.div(SessionState.email, class_name="name small muted"),
                rx.el.div(SessionState.role_label, class_name="small muted"),
                data_testid="who",
            ),
            rx.fragment(),
        ),
        rx.el.a(basic.icon("user", size=14), "Your account", href=routes.ACCOUNT),
        theme_menu(),
        rx.el.form(
            basic.button(
                basic.icon("log-out", size=14), "Sign out", type="submit", class_name="wide-btn"
            ),
            action="/auth/logout",
            method="post",
            on_submit=None,
        ),
        class_name="who",
    )


def _crumbs(crumbs: Sequence[tuple[str, str]], title: Any) -> rx.Component:
    return rx.el.nav(
        rx.el.ol(
            *(rx.el.li(rx.el.a(label, href=href)) for label, href in crumbs),
            rx.el.li(title, custom_attrs={"aria-current": "page"}),
        ),
        class_name="crumbs",
        aria_label="Breadcrumb",
    )


def _toasts() -> rx.Component:
    return rx.el.div(
        rx.foreach(
            ToastState.toasts,
            lambda toast: rx.el.div(
                basic.icon(rx.cond(toast.tone == "bad", "triangle-alert", "circle-check")),
                rx.el.div(toast.text),
                basic.button(
                    basic.icon("x", size=14),
                    kind="quiet",
                    class_name="icon-only",
                    aria_label="Dismiss",
                    on_click=ToastState.dismiss(toast.key),
                ),
                class_name="toast " + toast.tone,
                key=toast.key,
                data_testid="toast",
            ),
        ),
        class_name="toasts",
        role="status",
        aria_live="polite",
    )


def _browser_status() -> rx.Component:
    return rx.el.div(id="browser-status", class_name="vh", role="status")


def _ready(state: Any) -> rx.Component:
    view: Any = "ready" if state is None else state.view
    return rx.el.span(
        id="ready",
        hidden=True,
        data_testid="ready",
        data_hydrated=rx.cond(rx.State.is_hydrated, "true", "false"),
        data_view=view,
    )
