"""Lists that people read while they grow: no row moves, what came since is counted.

A page's State inherits `NewerState`, keeps with `know` which rows there were at its last load, and
in its `follow` tells with `tell_newer` which there are now. The rows themselves come when they
are asked for, by `newer_button` or a `newer_bar` with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

from billerjacket_app import format as fmt
from billerjacket_app.components import basic
from billerjacket_app.page_state import ListState

# As many as a list gives at once: how far a page looks for what is new.
LOOK_MAX = 100


class NewerState(ListState, mixin=True):
    """See the top of this file."""

    newer: str = ""

    _known: tuple[str, ...] = ()

    def know(self, keys: Sequence[str]) -> None:
        """These are the newest rows there are; nothing is new."""
        self._known = tuple(keys)
        self.assign(newer="")

    def tell_newer(self, keys: Sequence[str]) -> None:
        """These are the newest rows now."""
        count = count_newer(keys, self._known)
        more = "+" if count >= LOOK_MAX else ""
        self.assign(newer=f"{fmt.count(count)}{more} new, click to load" if count else "")

    @rx.event
    async def show_newer(self) -> None:
        """Load the list as it is now."""
        await self.fetch()


def count_newer(now: Sequence[str], known: Sequence[str]) -> int:
    """How many rows came in front of those that were there: newest first, both.

    Rows behind the last known one are older ones that moved up, as others left the list.
    """
    there = frozenset(known)
    places = [place for place, key in enumerate(now) if key in there]
    if not places:
        return len(now)
    return sum(key not in there for key in now[: places[-1]])


def newer_bar(state: Any, text: Any) -> rx.Component:
    """A line that always has its height, so that no row moves: a text, and what is new."""
    return rx.el.div(
        rx.el.span(text, class_name="muted small"), newer_button(state), class_name="newer"
    )


def newer_button(state: Any) -> rx.Component:
    """What is new, read out when it changes; a click shows it."""
    return rx.el.div(
        rx.cond(
            state.newer != "",
            basic.button(
                basic.icon("arrow-up", size=14),
                state.newer,
                on_click=state.show_newer,
                data_testid="newer",
            ),
            rx.fragment(),
        ),
        role="status",
        class_name="newer-one",
    )
