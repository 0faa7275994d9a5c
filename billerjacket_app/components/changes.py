"""What a change took away and what it put there: lines with a sign, so that colour is not needed.

    changes(row.lines, row.more, row.more_text)

`lines_of` makes the lines. The first few are shown, the others on demand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.reporting.activity import ValueChange
from billerjacket_app import format as fmt

# Lines that a row of a table shows at once.
SHOWN = 3
VALUE_LENGTH_MAX = 140
TITLE_LENGTH_MAX = 2000


@dataclass
class Line:
    """One value: `rem` was there before, `add` is there now. One that was cut has a `title`."""

    text: str = ""
    look: str = ""
    title: str = ""


def lines_of(changes: Iterable[ValueChange]) -> list[Line]:
    """A line for each value that was there, and one for each that is there now."""
    lines = []
    for change in changes:
        name = change.name.replace("_", " ")
        for sign, value, look in ((fmt.MINUS, change.before, "rem"), ("+", change.after, "add")):
            if value is not None:
                lines.append(_line(f"{sign} {name}: ", " ".join(value.split()), look))
    return lines


def _line(sign: str, value: str, look: str) -> Line:
    if len(value) <= VALUE_LENGTH_MAX:
        return Line(sign + value, look)
    return Line(f"{sign}{value[:VALUE_LENGTH_MAX]}…", look, value[:TITLE_LENGTH_MAX])


def changes(lines: Any, more: Any, more_text: Any) -> rx.Component:
    """The lines, and behind a heading those that are folded away."""
    return rx.el.div(
        rx.cond(lines.length() > 0, _diff(lines), rx.fragment()),
        rx.cond(
            more.length() > 0,
            rx.el.details(rx.el.summary(more_text), _diff(more), class_name="twin"),
            rx.fragment(),
        ),
        class_name="changes",
    )


def _diff(lines: Any) -> rx.Component:
    return rx.el.div(
        rx.foreach(
            lines, lambda line: rx.el.div(line.text, class_name=line.look, title=line.title)
        ),
        class_name="diff",
    )
