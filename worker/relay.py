"""The outbox relay: hands committed messages to the queues, in the order they were written.

Sending and noting that it was sent are two steps. A crash between them sends again, and so may a
second worker that reads the same rows: the embedded queues know the message ids, and handlers are
idempotent wherever a queue does not. Nothing is marked that was not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from backend.actor import platform_system
from backend.bootstrap import Services
from backend.errors import Busy
from backend.messaging.unsent import list_unsent, mark_sent, outgoing
from backend.unit_of_work import Reader, UnitOfWork, read, run
from worker.failures import describe

ROWS_MAX = 200  # a batch that shares one commit, and that a crash may repeat
WAIT_SECONDS = 1.0  # how long a stop may have to wait for an idle relay

log = structlog.get_logger(__name__)


class NotRelayed(Exception):
    """The queues refuse some messages. They stay in the outbox; the others have gone on."""


class Relay:
    """Moves outbox rows to the transport."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._actor = platform_system("relay")

    def step(self) -> None:
        """Relay one batch, or wait a while for a commit."""
        db = self._services.db
        seen = db.version_seen()
        if not self.relay_batch():
            db.wait_for_change(seen, timeout_seconds=WAIT_SECONDS)

    def relay_batch(self) -> int:
        """Send the oldest unsent rows; how many. Raises Busy, NotRelayed."""
        rows = read(self._services.db, self._actor, _unsent)
        if not rows:
            return 0
        try:
            self._services.transport.send([outgoing(row) for row in rows])
        except Busy:
            self._tell_delay(rows)
            raise
        except Exception as error:  # noqa: BLE001 (one bad message must not hold up the others)
            log.warning("relay.batch_refused", problem=describe(error), count=len(rows))
            return self._relay_one_by_one(rows)
        self._mark(rows)
        return len(rows)

    def _relay_one_by_one(self, rows: Sequence[Any]) -> int:
        sent, refused = [], []
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
                refused.append(row)
        self._mark(sent)
        if refused:
            raise NotRelayed(f"the queues refuse {len(refused)} of {len(rows)} messages")
        return len(sent)

    def _mark(self, rows: Sequence[Any]) -> None:
        run(self._services.db, self._actor, _mark_sent, [row.row_id for row in rows])

    def _tell_delay(self, rows: Sequence[Any]) -> None:
        age = self._services.db.clock() - rows[0].created_at
        log.warning("relay.held_up", oldest_unsent_seconds=round(age.total_seconds()))


def _unsent(reader: Reader) -> list[Any]:
    return list_unsent(reader.connection, rows_max=ROWS_MAX)


def _mark_sent(work: UnitOfWork, row_ids: Sequence[int]) -> None:
    mark_sent(work.connection, row_ids, now=work.now)
