"""Where the demo is played: one transaction, a clock that is set by hand, and the post.

Every use case of the story runs through the doorway as always, each in a savepoint of the one
transaction. So the demo is there as a whole or not at all, whatever interrupts it, and some two
thousand use cases share one fsync.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backend.db.connection import Connection
from backend.db.engine import Database
from backend.unit_of_work import UnitOfWork


class Interrupted(Exception):
    """Whoever asked for the demo no longer waits for it."""


@dataclass(slots=True)
class StoryClock:
    """The time in the story, UTC. It only moves on."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def move_to(self, instant: datetime) -> None:
        """Make it so late, unless it is later already."""
        self.now = max(self.now, instant)


class OneTransaction(Database):
    """A database whose every transaction is a savepoint in one that is going on.

    It opens nothing of its own: only `run` and `read` work on it, and it is not closed.
    """

    def __init__(self, work: UnitOfWork, clock: Callable[[], datetime]) -> None:
        # Without Database's own: that would open a second way into the file.
        self.clock = clock
        self.writer = None
        self._work = work

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A step that is undone alone when it fails."""
        with self._work.savepoint():
            yield self._work.connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """What has happened so far."""
        yield self._work.connection


@dataclass(frozen=True, order=True, slots=True)
class Event:
    """Something that happens at an instant (UTC); `order` decides between two of one instant."""

    at: datetime
    order: int
    do: Callable[[], object] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """The database as the story sees it, and its clock."""

    db: OneTransaction
    clock: StoryClock

    def play(
        self, events: Sequence[Event], *, after_each: Callable[[], None], stop: threading.Event
    ) -> None:
        """Let everything happen in the order of time. Raises Interrupted when `stop` is set."""
        for event in sorted(events):
            if stop.is_set():
                raise Interrupted
            self.clock.move_to(event.at)
            event.do()
            after_each()
