"""The outbox relay: hands committed messages to the queues, in the order they were written.

Sending and noting that it was sent are two steps. A crash between them sends again, and so may a
second worker that reads the same rows: the embedded queues know the message ids, and handlers are
idempotent wherever a queue does not. Nothing is marked that was not sent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from backend.actor import platform_system
from backend.bootstrap import Services
from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.unsent import list_unsent, mark_sent, outgoing
from backend.unit_of_work import Reader, UnitOfWork, read, run
from worker.failures import describe
from worker.loops import pause_seconds

ROWS_MAX = 200  # a batch that shares one commit, and that a crash may repeat
WAIT_SECONDS = 1.0  # how long a stop may have to wait for an idle relay

log = structlog.get_logger(__name__)


class NotRelayed(Exception):
    """The queues refuse some messages. They stay in the outbox; the others have gone on."""


class Relay:
    """Moves outbox rows to the transport. A queue that takes nothing holds up no other."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._actor = platform_system("relay")
        self._failures: Counter[Queue] = Counter()
        # When to try those again that took nothing, on a clock that nobody can set.
        self._again_at: dict[Queue, float] = {}

    def step(self) -> None:
        """Relay one batch, or wait a while for a commit. Raises Busy for the database alone."""
        db = self._services.db
        seen = db.version_seen()
        resting = {queue for queue, at in self._again_at.items() if at > time.monotonic()}
        sent, troubles = self._relay(resting)
        for queue, trouble in troubles.items():
            self._let_rest(queue, trouble)
        # Behind the rows of a queue that makes trouble there may be those of others.
        if not sent and not troubles:
            db.wait_for_change(seen, timeout_seconds=WAIT_SECONDS)

    def relay_batch(self) -> int:
        """Send the oldest unsent rows; how many. Raises Busy, NotRelayed."""
        sent, troubles = self._relay(set())
        for trouble in troubles.values():
            raise trouble
        return sent

    def _relay(self, resting: set[Queue]) -> tuple[int, dict[Queue, Exception]]:
        """Send to each queue what is next; how many were sent, and which queues made trouble."""
        sent: list[Any] = []
        troubles: dict[Queue, Exception] = {}
        for queue, rows in self._next_rows(resting).items():
            try:
                self._send(rows, sent)
                self._failures.pop(queue, None)
            except (Busy, NotRelayed) as error:
                self._tell_delay(queue, rows)
                troubles[queue] = error
        if sent:
            run(self._services.db, self._actor, _mark_sent, [row.row_id for row in sent])
        return len(sent), troubles

    def _next_rows(self, resting: set[Queue]) -> dict[Queue, list[Any]]:
        if len(resting) == len(Queue):
            return {}
        found: dict[Queue, list[Any]] = {}
        for row in read(self._services.db, self._actor, _unsent, resting):
            found.setdefault(Queue(row.queue), []).append(row)
        return found

    def _send(self, rows: Sequence[Any], sent: list[Any]) -> None:
        """Send rows of one queue, and add those that were sent to `sent`."""
        try:
            self._services.transport.send([outgoing(row) for row in rows])
        except Busy:
            raise
        except Exception as error:  # noqa: BLE001 (one bad message must not hold up the others)
            log.warning("relay.batch_refused", problem=describe(error), count=len(rows))
            self._send_one_by_one(rows, sent)
        else:
            sent += rows

    def _send_one_by_one(self, rows: Sequence[Any], sent: list[Any]) -> None:
        refused = 0
        for row in rows:
            try:
                self._services.transport.send([outgoing(row)])
                sent.append(row)
            except Busy:
                break
            except Exception as error:
                log.exception(
                    "relay.message_refused",
                    message_id=str(row.message_id),
                    message_type=row.message_type,
                    problem=describe(error),
                )
                refused += 1
        if refused:
            raise NotRelayed(f"the queues refuse {refused} of {len(rows)} messages")

    def _let_rest(self, queue: Queue, trouble: Exception) -> None:
        self._failures[queue] += 1
        pause = pause_seconds(self._failures[queue])
        self._again_at[queue] = time.monotonic() + pause
        log.error(
            "relay.queue_failed",
            queue=queue.value,
            problem=describe(trouble),
            again_in_seconds=round(pause, 1),
        )

    def _tell_delay(self, queue: Queue, rows: Sequence[Any]) -> None:
        age = self._services.db.clock() - rows[0].created_at
        log.warning(
            "relay.held_up", queue=queue.value, oldest_unsent_seconds=round(age.total_seconds())
        )


def _unsent(reader: Reader, resting: set[Queue]) -> list[Any]:
    return list_unsent(reader.connection, rows_max=ROWS_MAX, without=resting)


def _mark_sent(work: UnitOfWork, row_ids: Sequence[int]) -> None:
    mark_sent(work.connection, row_ids, now=work.now)
