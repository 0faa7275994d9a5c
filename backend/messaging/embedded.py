"""The embedded queues: a Transport in our own database, with nothing else to install or lose.

Writes go through the doorway, so on SQLite settling shares its fsync with whatever else is being
committed. Looking for work is a read, so an idle consumer never takes the write lock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from backend.actor import platform_system
from backend.db.connection import Connection
from backend.db.engine import Database
from backend.errors import Busy
from backend.messaging import dead_letter_table, queue_table
from backend.messaging.contracts import Queue
from backend.messaging.transport import (
    DELIVERIES_MAX,
    DeadLetter,
    DeadReason,
    Delivery,
    HeldDeadLetter,
    LeaseLost,
    Outgoing,
    QueueDepth,
)
from backend.unit_of_work import Reader, UnitOfWork, read, run

# The writer is shared with everybody who waits for a commit: no batch may hold it for long.
_SEND_MAX = 250
# A step back of the clock that is more than the drift that time services correct.
_SET_BACK = timedelta(seconds=2)
# Another worker was quicker: look again, but do not run in circles while it commits.
_TAKEN_SECONDS = 0.05

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddedDelivery:
    """A row of the queue table under our lease."""

    queue: Queue
    message_id: str
    body: bytes
    delivery_count: int
    row_id: int
    token: UUID
    transport: EmbeddedTransport

    def complete(self) -> None:
        """See Delivery."""
        self.transport.settle(
            lambda work: queue_table.complete(
                work.connection, self.row_id, self.token, now=work.now
            )
        )

    def abandon(self, problem: str, *, delay_seconds: float) -> None:
        """See Delivery."""
        if self.delivery_count >= DELIVERIES_MAX:
            self.dead_letter(DeadReason.MAX_DELIVERY_COUNT_EXCEEDED, problem)
            return
        self.transport.settle(
            lambda work: queue_table.put_back(
                work.connection,
                self.row_id,
                self.token,
                at=work.now + timedelta(seconds=delay_seconds),
                problem=problem,
            )
        )

    def release(self) -> None:
        """See Delivery."""
        self.transport.settle(
            lambda work: queue_table.release(work.connection, self.row_id, self.token)
        )

    def dead_letter(self, reason: DeadReason, description: str) -> None:
        """See Delivery."""
        self.transport.settle(
            lambda work: queue_table.bury(
                work.connection,
                self.row_id,
                self.token,
                reason=reason,
                description=description,
                now=work.now,
            )
        )


@dataclass(frozen=True, slots=True)
class EmbeddedHeldDeadLetter:
    """A dead row of the queue table under our lease."""

    letter: DeadLetter
    token: UUID
    transport: EmbeddedTransport

    def remove(self) -> None:
        """See HeldDeadLetter."""
        self.transport.settle(
            lambda work: dead_letter_table.remove(
                work.connection, self.letter.sequence_number, self.token, now=work.now
            )
        )


class EmbeddedTransport:
    """Queues in the table queue_messages. See Transport."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._actor = platform_system("queue")
        self._closed = False
        # Per queue the latest time seen; None until the first look at it.
        self._latest: dict[Queue, datetime] = {}

    def send(self, messages: Sequence[Outgoing]) -> None:
        """See Transport."""
        for start in range(0, len(messages), _SEND_MAX):
            run(self._db, self._actor, _add, messages[start : start + _SEND_MAX])

    def receive(
        self, queue: Queue, *, messages_max: int, wait_seconds: float
    ) -> Sequence[Delivery]:
        """See Transport."""
        deadline = time.monotonic() + wait_seconds
        while not self._closed:
            seen = self._db.version_seen()
            self._notice_clock(queue)
            due_at = read(self._db, self._actor, _next_due, queue)
            until_due = math.inf
            if due_at is not None:
                until_due = (due_at - self._db.clock()).total_seconds()
                if until_due <= 0:
                    deliveries = self._claim(queue, messages_max)
                    if deliveries:
                        return deliveries
                    until_due = _TAKEN_SECONDS
            wait = min(deadline - time.monotonic(), until_due)
            if deadline <= time.monotonic():
                break
            self._db.wait_for_change(seen, timeout_seconds=wait)
        return []

    def complete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""
        return self._each(deliveries, queue_table.complete)

    def release(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""
        return self._each(deliveries, _release)

    def renew(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """See Transport."""
        return self._each(deliveries, queue_table.renew)

    def depth(self, queue: Queue, *, tenant_id: UUID | None = None) -> QueueDepth:
        """See Transport."""
        return read(self._db, self._actor, _depth, queue, tenant_id)

    def peek_dead_letters(
        self, queue: Queue, *, after: int, messages_max: int
    ) -> Sequence[DeadLetter]:
        """See Transport."""
        return read(self._db, self._actor, _peek, queue, after, messages_max)

    @contextmanager
    def hold_dead_letters(
        self, queue: Queue, sequence_numbers: Collection[int]
    ) -> Iterator[Mapping[int, HeldDeadLetter]]:
        """See Transport."""
        token, letters = run(self._db, self._actor, _hold, queue, sequence_numbers)
        held = {
            letter.sequence_number: EmbeddedHeldDeadLetter(letter, token, self)
            for letter in letters
        }
        try:
            yield held
        finally:
            self._give_back(held, token)

    def close(self) -> None:
        """See Transport. The database itself belongs to whoever opened it."""
        self._closed = True

    def settle(self, change: Callable[[UnitOfWork], bool]) -> None:
        """Run one change of a message under lease. Raises LeaseLost."""
        if not run(self._db, self._actor, change):
            raise LeaseLost

    def _give_back(self, row_ids: Collection[int], token: UUID) -> None:
        try:
            run(self._db, self._actor, _give_back, row_ids, token)
        except Busy as busy:
            # Their leases run out, and then anybody can have them.
            log.warning("dead_letters.not_given_back", count=len(row_ids), problem=busy.detail)

    def _claim(self, queue: Queue, messages_max: int) -> list[EmbeddedDelivery]:
        token, rows = run(self._db, self._actor, _claim, queue, messages_max)
        return [
            EmbeddedDelivery(
                queue=queue,
                message_id=row.message_id,
                body=row.body.encode(),
                delivery_count=row.delivery_count,
                row_id=row.row_id,
                token=token,
                transport=self,
            )
            for row in rows
        ]

    def _each(self, deliveries: Sequence[Delivery], change: Callable[..., bool]) -> list[Delivery]:
        if not deliveries:
            return []
        return run(self._db, self._actor, _change_each, deliveries, change)

    def _notice_clock(self, queue: Queue) -> None:
        """At the first look, and whenever the clock went back, free what waits for its old time."""
        now = self._db.clock()
        latest = self._latest.get(queue)
        if latest is None or now < latest - _SET_BACK:
            run(self._db, self._actor, _bring_forward, queue)
            self._latest[queue] = now
        elif now > latest:
            self._latest[queue] = now


def _add(work: UnitOfWork, messages: Sequence[Outgoing]) -> None:
    queue_table.add(work.connection, messages, now=work.now)


def _claim(work: UnitOfWork, queue: Queue, messages_max: int) -> tuple[UUID, list[Any]]:
    return queue_table.claim(work.connection, queue, messages_max=messages_max, now=work.now)


def _release(connection: Connection, row_id: int, token: UUID, *, now: datetime) -> bool:
    del now  # Nobody gets it later for having been held.
    return queue_table.release(connection, row_id, token)


def _change_each(
    work: UnitOfWork, deliveries: Sequence[Delivery], change: Callable[..., bool]
) -> list[Delivery]:
    return [
        delivery
        for delivery in deliveries
        if isinstance(delivery, EmbeddedDelivery)
        and not change(work.connection, delivery.row_id, delivery.token, now=work.now)
    ]


def _bring_forward(work: UnitOfWork, queue: Queue) -> int:
    return queue_table.bring_forward(work.connection, queue, now=work.now)


def _next_due(reader: Reader, queue: Queue) -> datetime | None:
    return queue_table.next_due(reader.connection, queue)


def _depth(reader: Reader, queue: Queue, tenant_id: UUID | None) -> QueueDepth:
    return queue_table.depth(reader.connection, queue, tenant_id=tenant_id, now=reader.now)


def _peek(reader: Reader, queue: Queue, after: int, messages_max: int) -> list[DeadLetter]:
    return dead_letter_table.peek(reader.connection, queue, after=after, rows_max=messages_max)


def _hold(
    work: UnitOfWork, queue: Queue, sequence_numbers: Collection[int]
) -> tuple[UUID, list[DeadLetter]]:
    return dead_letter_table.hold(work.connection, queue, sequence_numbers, now=work.now)


def _give_back(work: UnitOfWork, row_ids: Collection[int], token: UUID) -> None:
    dead_letter_table.give_back(work.connection, row_ids, token)
