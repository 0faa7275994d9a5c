"""Everything that happened, newest first, by day: an ordered list under day headings.

    timeline(State.days, State.toggle_fold)

`days` is a list of `TimelineDay`; `group_by_day` makes it. Failures are always shown; runs of
minor entries fold into one line that opens. Each entry: mark, fact in the past tense, who and
which channel, a link to what it mentions, the exact time.
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

# A run of this many minor entries is worth a fold; fewer are shown.
FOLD_FROM = 3
MINOR_TYPES = frozenset({"communication.queued", "dunning.notice_queued"})


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
    folded: int = 0  # how many minor entries this line stands for
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
    href: str = ""
    link_text: str = ""
    changes: tuple[Change, ...] = ()


def group_by_day(
    entries: Iterable[Entry], *, zone: ZoneInfo, today: date, unfolded: bool = False
) -> list[TimelineDay]:
    """Lay entries out by the tenant's day, newest first; `unfolded` shows the minor ones too."""
    days: list[tuple[date, list[Entry]]] = []
    for entry in reversed(list(entries)):
        day = entry.at.astimezone(zone).date()
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(entry)
    return [
        TimelineDay(fmt.day_heading(day, today), _fold(found, zone, unfolded))
        for day, found in days
    ]


def _fold(entries: list[Entry], zone: ZoneInfo, unfolded: bool) -> list[TimelineItem]:
    items: list[TimelineItem] = []
    run: list[Entry] = []

    def close_run() -> None:
        if len(run) >= FOLD_FROM and not unfolded:
            title = f"Show {len(run)} delivery events"
            items.append(TimelineItem(title=title, icon="chevron-down", folded=len(run)))
        else:
            items.extend(_item(entry, zone) for entry in run)
        run.clear()

    for entry in entries:
        if entry.type in MINOR_TYPES:
            run.append(entry)
            continue
        close_run()
        items.append(_item(entry, zone))
    close_run()
    for number, item in enumerate(items):
        item.key = f"{number}-{item.time.iso}-{item.title}"
    return items


def _item(entry: Entry, zone: ZoneInfo) -> TimelineItem:
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
        changes=list(entry.changes),
    )


def timeline(days: Any, unfold: Any) -> rx.Component:
    """The list; `unfold` is the event that shows what is folded."""
    return rx.el.div(
        rx.foreach(days, lambda day: _day(day, unfold)),
        class_name="timeline",
        data_testid="timeline",
    )


def _day(day: Any, unfold: Any) -> rx.Component:
    return rx.el.div(
        rx.el.h3(day.heading),
        rx.el.ol(
            rx.foreach(
                day.events,
                lambda item: rx.cond(item.folded > 0, _folded(item, unfold), _entry(item)),
            ),
            class_name="tl",
        ),
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


def _folded(item: Any, unfold: Any) -> rx.Component:
    return rx.el.li(
        rx.el.span(basic.icon("chevron-down"), class_name="node"),
        rx.el.button(item.title, type="button", class_name="fold", on_click=unfold),
        key=item.key,
    )


def _change(change: Any) -> rx.Component:
    return rx.fragment(
        rx.el.div("\u2212 ", change.name, ": ", change.before, class_name="rem"),
        rx.el.div("+ ", change.name, ": ", change.after, class_name="add"),
    )
