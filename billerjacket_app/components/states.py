"""What a page or a table shows when there is nothing to show, and why.

    empty(icon, title, text, action)    first use: what this is, and the action that starts it
    no_match(clear_href)                filters leave nothing: the way back
    failure(problem, retry)             cause, a retry, the correlation id; never only a toast
    body(state, content)                a page's main part: content, or one of the states below

A page's State says which by `view`: "loading", "ready", "missing", "forbidden", "failed".
"""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic


def empty(symbol: str, title: str, text: str, action: rx.Component | None = None) -> rx.Component:
    """Nothing here yet."""
    return rx.el.div(
        basic.icon(symbol),
        rx.el.strong(title),
        rx.el.p(text),
        action or rx.fragment(),
        class_name="void-state",
        data_testid="empty",
    )


def no_match(clear_href: Any, *, noun: str) -> rx.Component:
    """The filters leave nothing."""
    return rx.el.div(
        basic.icon("search"),
        rx.el.strong(f"No {noun} match these filters"),
        basic.link_button("Clear filters", href=clear_href),
        class_name="void-state",
        data_testid="no-match",
    )


def failure(problem: Any, retry: Any) -> rx.Component:
    """Something went wrong on our side: what, what to do, and the id to quote."""
    return rx.el.div(
        basic.icon("octagon-alert"),
        rx.el.strong(problem.title),
        rx.el.p(problem.detail),
        rx.cond(
            problem.quotable,
            rx.el.p(
                "Correlation id ",
                basic.copy_id(problem.correlation_id, label="the correlation id"),
                class_name="small",
            ),
            rx.fragment(),
        ),
        basic.button(basic.icon("rotate-ccw", size=14), "Try again", on_click=retry),
        class_name="void-state",
        role="alert",
        data_testid="failed",
    )


def missing(noun: str, back_href: str, back_label: str) -> rx.Component:
    """No such thing in this business; another business's looks the same."""
    return rx.el.div(
        basic.icon("search"),
        rx.el.strong(f"There is no such {noun}"),
        rx.el.p("It may have another address, or it was never here."),
        basic.link_button(back_label, href=back_href),
        class_name="void-state card",
        data_testid="missing",
    )


def forbidden() -> rx.Component:
    """The role may not see this."""
    return rx.el.div(
        basic.icon("lock"),
        rx.el.strong("You are not allowed to see this page"),
        rx.el.p("Your role does not include it. An admin of your business can change your role."),
        basic.link_button("To the dashboard", href=routes.DASHBOARD),
        class_name="void-state card",
        data_testid="not-allowed",
    )


def skeleton(lines: int = 6) -> rx.Component:
    """Grey lines while a page loads; they appear only after 300 ms."""
    widths = ("60%", "85%", "40%", "70%")
    return rx.el.div(
        *(
            rx.el.span(class_name="skeleton", style={"width": widths[i % len(widths)]})
            for i in range(lines)
        ),
        class_name="stack card",
        aria_hidden="true",
    )


def body(
    state: Any,
    content: rx.Component,
    *,
    noun: str = "page",
    back: tuple[str, str] = (routes.DASHBOARD, "To the dashboard"),
) -> rx.Component:
    """The main part of a page whose State is a `PageState`."""
    return rx.match(
        state.view,
        ("ready", content),
        ("missing", missing(noun, *back)),
        ("forbidden", forbidden()),
        ("failed", rx.el.div(failure(state.problem, state.load), class_name="card")),
        skeleton(),
    )
