"""Any address that is none of ours."""

from __future__ import annotations

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, shell


def page() -> rx.Component:
    """Says so, and leads back."""
    return shell.door(
        "There is no such page",
        rx.el.p("The address may be mistyped, or it was never here.", class_name="muted"),
        basic.link_button("To the dashboard", href=routes.DASHBOARD, kind="primary"),
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(page, route="404", title="No such page · BillerJacket")
