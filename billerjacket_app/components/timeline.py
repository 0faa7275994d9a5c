"""Everything that happened, newest first, by day: an ordered list under day headings.

    timeline(State.days)

`days` is a list of `TimelineDay`; `group_by_day` makes it. That an e-mail was queued is folded
away once it was sent, and shown on demand (`count_folded`); a failure never is. Each entry: mark,
fact in the past tense, who and which channel, a link to what it mentions, the exact time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import reflex as rx

from billerjacket_app import format as fmt
from billerjacket_app import status
from billerjacket_app.components import basic

# Steps on the way to a fact; once the fact is there they are noise.
_STEPS = frozenset({"communication.queued", "dunning.notice_queued"})
_FACTS = frozenset({"communication.sent"})


@dataclass
class Change:
    """One changed value, before and after."""

    name: str = ""
    before: str = ""
    after: str = ""


@dataclass
class TimelineItem:
    """One entry as shown."""

    title: str = ""
    detail: str = ""
    actor: str = ""
    href: str = ""
    link_text: str = ""
    correlation_id: str = ""
    correlation_short: str = ""
    time: fmt.When = field(default_factory=fmt.When)
    icon: str = "circle"
    tone: str = ""
    key: str = ""
    changes: list[Change] = field(default_factory=list)


@dataclass
class TimelineDay:
    """The entries of one calendar day of the tenant."""

    heading: str = ""
    events: list[TimelineItem] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """What a page knows of one event, oldest first, before it is laid out."""

    at: datetime
    type: str
    title: str
    detail: str = ""
    actor: str = ""
    correlation_id: str = ""
    about: str = ""  # the id of what it happened to
    href: str = ""
    link_text: str = ""
    changes: tuple[Change, ...] = ()


def count_folded(entries: Iterable[Entry]) -> int:
    """How many entries are shown only on demand."""
    entries = list(entries)
    return len(entries) - len(_without_steps(entries))


def group_by_day(
    entries: Iterable[Entry], *, zone: ZoneInfo, today: date, unfolded: bool = False
) -> list[TimelineDay]:
    """Lay entries out by the tenant's day, newest first; `unfolded` shows every single one."""
    entries = list(entries)
    days: list[tuple[date, list[Entry]]] = []
    for entry in reversed(entries if unfolded else _without_steps(entries)):
        day = entry.at.astimezone(zone).date()
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(entry)
    return [
        TimelineDay(
            fmt.day_heading(day, today),
            [_item(entry, zone, f"{day}-{number}") for number, entry in enumerate(found)],
        )
        for day, found in days
    ]


def _without_steps(entries: list[Entry]) -> list[Entry]:
    done = {entry.about for entry in entries if entry.type in _FACTS and entry.about}
    return [entry for entry in entries if entry.type not in _STEPS or entry.about not in done]


def _item(entry: Entry, zone: ZoneInfo, key: str) -> TimelineItem:
    node = status.timeline(entry.type)
    return TimelineItem(
        title=entry.title,
        detail=entry.detail,
        actor=entry.actor,
        href=entry.href,
        link_text=entry.link_text,
        correlation_id=entry.correlation_id,
        correlation_short=fmt.short_id(entry.correlation_id),
        time=fmt.clock(entry.at, zone),
        icon=node.icon,
        tone=node.tone,
        key=f"{key}-{entry.title}",
        changes=list(entry.changes),
    )


def timeline(days: Any) -> rx.Component:
    """The list."""
    return rx.el.div(
        rx.foreach(
            days,
            lambda day: rx.el.div(
                rx.el.h3(day.heading),
                rx.el.ol(rx.foreach(day.events, _entry), class_name="tl"),
            ),
        ),
        class_name="timeline",
        data_testid="timeline",
    )


def _entry(item: Any) -> rx.Component:
    return rx.el.li(
        rx.el.span(basic.icon(item.icon), class_name="node " + item.tone),
        rx.el.div(
            rx.el.div(item.title, class_name="t"),
            rx.el.div(
                rx.cond(item.detail != "", rx.fragment(item.detail, " · "), rx.fragment()),
                item.actor,
                rx.cond(
                    item.href != "",
                    rx.fragment(" · ", basic.link(item.link_text, href=item.href)),
                    rx.fragment(),
                ),
                rx.cond(
                    item.correlation_id != "",
                    rx.fragment(
                        " · ",
                        basic.copy_id(
                            item.correlation_id,
                            label="the correlation id",
                            shown=item.correlation_short,
                        ),
                    ),
                    rx.fragment(),
                ),
                class_name="sub",
            ),
            rx.cond(
                item.changes.length() > 0,
                rx.el.div(rx.foreach(item.changes, _change), class_name="diff"),
                rx.fragment(),
            ),
        ),
        basic.when(item.time),
        key=item.key,
        data_testid="timeline-entry",
    )


def _change(change: Any) -> rx.Component:
    return rx.fragment(
        rx.el.div("\u2212 ", change.name, ": ", change.before, class_name="rem"),
        rx.el.div("+ ", change.name, ": ", change.after, class_name="add"),
    )
