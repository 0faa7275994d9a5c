"""The strip on the dashboard that tells whether messages move: worker, what waits, what is dead.

It has a State and a clock of its own. Heartbeats change no business data, so the page's watcher
stays quiet; this one looks every few seconds, at a row and at figures that are kept for a while,
and sends the few words that changed. The seconds since the last heartbeat are counted by the
browser (`data-age`), from what the server said, so they are right between two looks.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import reflex as rx

from backend.health.service import Health, QueueHealth, get_health
from billerjacket_app import bridge, routes
from billerjacket_app import format as fmt
from billerjacket_app.components import basic, table
from billerjacket_app.session import SessionState
from billerjacket_app.status import Badge
from billerjacket_app.watch import Watch

LOOK_SECONDS = 5.0
NONE_RUNS = "No worker is running: nothing is sent, matched or chased until one is started."
_RUNNING = Badge("Worker running", "circle-check", "green")
_NOT_RUNNING = Badge("No worker running", "octagon-alert", "red")


@dataclass
class QueueRow:
    """One queue as text."""

    name: str = ""
    waiting: str = ""
    oldest: str = ""
    later: str = ""
    dead: str = ""


@dataclass
class Strip:
    """What the strip says. The browser counts on from `age`, the seconds since `seen_at`."""

    known: bool = False
    running: bool = False
    badge: Badge = _NOT_RUNNING
    seen_at: str = ""
    age: str = ""
    waiting: str = ""
    waiting_note: str = ""
    dead: str = ""
    dead_note: str = ""
    problem: str = ""
    queues: list[QueueRow] = field(default_factory=list)


def strip_of(health: Health) -> Strip:
    """The strip as text. What a queue did not tell is not added up: the sum is then unknown."""
    depths = [queue.depth for queue in health.queues if queue.depth is not None]
    all_known = len(depths) == len(health.queues)
    is_exact = all(queue.is_exact for queue in health.queues)
    waiting = sum(queue.waiting or 0 for queue in health.queues)
    later = sum(depth.scheduled for depth in depths)
    dead = sum(depth.dead for depth in depths)
    oldest = _since(health.now, (queue.oldest_at for queue in health.queues))
    oldest_dead = _since(health.now, (depth.oldest_dead_at for depth in depths))
    notes = [f"oldest {oldest}"] if oldest else []
    notes += [f"{fmt.count(later)} to be tried later"] if later else []
    seen_at = health.last_seen_at
    return Strip(
        known=True,
        running=health.is_running,
        badge=_RUNNING if health.is_running else _NOT_RUNNING,
        seen_at=seen_at.isoformat() if seen_at else "",
        age=str(_seconds(health.now, seen_at)) if seen_at else "",
        waiting=_figure(waiting if all_known else None, is_exact),
        waiting_note=", ".join(notes),
        dead=_figure(dead if all_known else None, is_exact),
        dead_note=f"oldest {oldest_dead}" if oldest_dead else "",
        problem=next((queue.problem for queue in health.queues if queue.problem), "") or "",
        queues=[_row(health.now, queue) for queue in health.queues],
    )


def _row(now: datetime, queue: QueueHealth) -> QueueRow:
    depth = queue.depth
    is_exact = queue.is_exact
    return QueueRow(
        name=queue.queue.value,
        waiting=_figure(queue.waiting, is_exact),
        oldest=_since(now, [queue.oldest_at]) or fmt.NOTHING,
        later=_figure(depth.scheduled if depth else None, is_exact),
        dead=_figure(depth.dead if depth else None, is_exact),
    )


def _figure(number: int | None, is_exact: bool) -> str:
    if number is None:
        return "unknown"
    return fmt.count(number) + ("" if is_exact else "+")


def _since(now: datetime, instants: Iterable[datetime | None]) -> str:
    """How long ago the earliest of them was; empty when there is none."""
    known = [instant for instant in instants if instant is not None]
    return fmt.duration(_seconds(now, min(known))) if known else ""


def _seconds(now: datetime, instant: datetime) -> int:
    return max(0, int((now - instant).total_seconds()))


class HealthState(rx.State):
    """What the strip shows."""

    strip: Strip = Strip()

    _watcher: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Look at once, and then every few seconds while the page is the one shown."""
        async with self:
            watch = Watch.begin(self)
        while watch.is_tab_open():
            # Outside the lock: a broker may keep us waiting, and the page must not.
            outcome = await bridge.ask(self, get_health)
            async with self:
                if not watch.holds(self):
                    return
                if outcome.problem.kind == "signed_out":
                    return
                if not outcome.problem:
                    self._show(strip_of(outcome.must))
            await asyncio.sleep(LOOK_SECONDS)

    def _show(self, found: Strip) -> None:
        if found.seen_at == self.strip.seen_at:
            # Nothing was heard since: the browser counts on, and need not be told.
            found = dataclasses.replace(found, age=self.strip.age)
        if found != self.strip:
            self.strip = found


def strip() -> rx.Component:
    """The strip; nothing until the first look."""
    state = HealthState.strip
    return rx.cond(
        state.known,
        rx.el.section(
            rx.el.div(
                rx.cond(
                    state.running,
                    rx.fragment(),
                    basic.callout(
                        rx.el.strong(NONE_RUNS), tone="bad", symbol="octagon-alert",
                        data_testid="no-worker",
                    ),
                ),
                role="status",
            ),
            basic.card(
                rx.el.dl(
                    _part("Worker", basic.badge(state.badge), _last_seen(), testid="worker"),
                    _part("Waiting", _number(state.waiting), state.waiting_note, testid="waiting"),
                    _part("Dead letters", _dead(), state.dead_note, testid="dead"),
                    class_name="health",
                ),
                rx.cond(
                    state.problem != "",
                    rx.el.p(state.problem, class_name="small", data_testid="health-problem"),
                    rx.fragment(),
                ),
                _by_queue(),
                class_name="health-card",
            ),
            aria_label="Worker and queues",
            class_name="sec",
            data_testid="health",
        ),
        rx.fragment(),
    )  # fmt: skip


def _part(label: str, value: rx.Component, note: object, *, testid: str) -> rx.Component:
    return rx.el.div(
        rx.el.dt(label),
        rx.el.dd(value, rx.el.span(note, class_name="small muted")),
        data_testid=f"health-{testid}",
    )


def _number(text: object) -> rx.Component:
    return rx.el.span(text, class_name="num strong")


def _last_seen() -> rx.Component:
    state = HealthState.strip
    return rx.cond(
        state.seen_at != "",
        rx.fragment(
            "last seen ",
            # Its text is the browser's: see data-age in hotkeys.js.
            rx.el.time(
                date_time=state.seen_at,
                custom_attrs={"data-age": state.age},
                data_testid="last-seen",
            ),
        ),
        "never seen",
    )


def _dead() -> rx.Component:
    number = _number(HealthState.strip.dead)
    return rx.cond(
        SessionState.is_support,
        basic.link(
            number, href=routes.dead_letters(), aria_label="Dead letters: " + HealthState.strip.dead
        ),
        number,
    )


def _by_queue() -> rx.Component:
    state = HealthState.strip
    return rx.el.details(
        rx.el.summary("By queue"),
        table.plain_table(
            "Queues",
            [
                table.Column("queue", "Queue"),
                table.Column("waiting", "Waiting", True),
                table.Column("oldest", "Oldest", True),
                table.Column("later", "Later", True),
                table.Column("dead", "Dead", True),
            ],
            rx.foreach(
                state.queues,
                lambda row: rx.el.tr(
                    table.row_header(row.name, class_name="mono"),
                    table.number(row.waiting),
                    table.number(row.oldest),
                    table.number(row.later),
                    table.number(row.dead),
                    data_testid="queue-row",
                ),
            ),
            testid="table-queues",
        ),
        class_name="twin",
    )
