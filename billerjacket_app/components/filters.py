"""Filters, tabs and paging: links in the address, so a view can be shared and Back works.

tabs("Invoices by status", State.tabs)          a list of Tab: label, count, href, current
chips(State.chips)                              active filters, each a link that removes it
search_box("q", "Search invoices", value=State.q, key=State.search_key, on_change=State.search)
pager(State.pager, noun="invoices")             a Pager: text, first_href, next_href
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from billerjacket_app.components import basic, forms

# Long enough to type a word, short enough to feel live.
SEARCH_DEBOUNCE_MS = 300


@dataclass
class Tab:
    """One tab: a link with its count."""

    label: str = ""
    count: str = ""
    href: str = ""
    current: bool = False


@dataclass
class Chip:
    """An active filter; its link leads to the same view without it."""

    label: str = ""
    href: str = ""


@dataclass
class Pager:
    """Where this page of a list stands; an empty address is a way that does not exist."""

    text: str = ""
    first_href: str = ""
    next_href: str = ""


def tabs(label: str, items: Any) -> rx.Component:
    """Links that choose one part of a list; the current one says so."""
    return rx.el.nav(
        rx.el.ul(
            rx.foreach(
                items,
                lambda tab: rx.el.li(
                    rx.el.a(
                        tab.label,
                        rx.el.span(tab.count, class_name="count"),
                        href=tab.href,
                        custom_attrs={
                            "aria-current": rx.cond(tab.current, "page", rx.Var("undefined"))
                        },
                    )
                ),
            )
        ),
        class_name="tabs",
        aria_label=label,
    )


def chips(items: Any) -> rx.Component:
    """Active filters, each removable."""
    return rx.cond(
        items.length() > 0,
        rx.el.ul(
            rx.foreach(
                items,
                lambda chip: rx.el.li(
                    rx.el.a(
                        chip.label,
                        basic.icon("x", size=12),
                        href=chip.href,
                        class_name="chip",
                        aria_label="Remove filter: " + chip.label,
                    )
                ),
            ),
            class_name="chips",
            aria_label="Active filters",
        ),
        rx.fragment(),
    )


def search_box(
    name: str, label: str, *, value: Any, key: Any, on_change: Any, placeholder: str = ""
) -> rx.Component:
    """A search field; the key `/` focuses it. `key` changes when the address clears it."""
    return forms.field(
        name,
        label,
        rx.el.input(
            type="search",
            id=f"f-{name}",
            name=name,
            default_value=value,
            key=key,
            placeholder=placeholder,
            auto_complete="off",
            max_length=100,
            on_change=on_change.debounce(SEARCH_DEBOUNCE_MS),
            custom_attrs={"data-hotkey": "/"},
        ),
        class_name="search",
    )


def pager(state: Any, label: str = "Pages") -> rx.Component:
    """How many rows there are, and the way on; announced when it changes.

    A page with several lists names each one's.
    """
    return rx.el.nav(
        rx.el.span(state.text, class_name="muted small", role="status", data_testid="pager-text"),
        rx.el.span(
            rx.cond(
                state.first_href != "",
                basic.link_button("First page", href=state.first_href),
                rx.fragment(),
            ),
            rx.cond(
                state.next_href != "",
                basic.link_button(
                    "Next page", basic.icon("chevron-right", size=14), href=state.next_href
                ),
                rx.fragment(),
            ),
            class_name="row",
        ),
        class_name="pager",
        aria_label=label,
    )
