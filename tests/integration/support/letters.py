"""Ready-made dead letters, and queues that fail where a test says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from backend.db.engine import Database
from backend.messaging.contracts import EvaluateDunning, Message, Queue
from backend.messaging.transport import (
    DeadLetter,
    DeadReason,
    Delivery,
    HeldDeadLetter,
    Outgoing,
    QueueDepth,
    Transport,
)
from backend.support.letters import LetterFilter, LetterSummary, list_letters
from tests.factories import raw_rows
from tests.queues import plain_message, real_message

DUNNING, PAYMENTS, EMAILS = Queue.DUNNING_EVALUATE, Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND
# Where a run can break, in the order in which it comes by.
POINTS = ("hold", "held", "send", "sent", "remove", "removed", "given_back")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even a clean-up."""


@dataclass(frozen=True)
class FaultyHeld:
    inner: HeldDeadLetter
    transport: Faulty

    @property
    def letter(self) -> DeadLetter:
        return self.inner.letter

    def remove(self) -> None:
        self.transport.come_by("remove")
        self.inner.remove()
        self.transport.come_by("removed")


class Faulty:
    """Queues that raise what they are told to, at a point of POINTS, once each."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.faults: dict[str, list[BaseException]] = defaultdict(list)
        self.sent: list[Outgoing] = []
        self.peeks = 0

    def come_by(self, point: str) -> None:
        if self.faults[point]:
            raise self.faults[point].pop(0)

    def send(self, messages: Sequence[Outgoing]) -> None:
        self.come_by("send")
        self.inner.send(messages)
        self.sent += messages
        self.come_by("sent")

    def receive(
        self, queue: Queue, *, messages_max: int, wait_seconds: float
    ) -> Sequence[Delivery]:
        return self.inner.receive(queue, messages_max=messages_max, wait_seconds=wait_seconds)

    def complete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return self.inner.complete(deliveries)

    def renew(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return self.inner.renew(deliveries)

    def depth(self, queue: Queue, *, tenant_id: UUID | None = None) -> QueueDepth:
        return self.inner.depth(queue, tenant_id=tenant_id)

    def peek_dead_letters(
        self, queue: Queue, *, after: int, messages_max: int
    ) -> Sequence[DeadLetter]:
        self.peeks += 1
        return self.inner.peek_dead_letters(queue, after=after, messages_max=messages_max)

    @contextmanager
    def hold_dead_letters(
        self, queue: Queue, sequence_numbers: Collection[int]
    ) -> Iterator[Mapping[int, HeldDeadLetter]]:
        self.come_by("hold")
        holding = self.inner.hold_dead_letters(queue, sequence_numbers)
        held = holding.__enter__()
        try:
            self.come_by("held")
            yield {number: FaultyHeld(one, self) for number, one in held.items()}
        except Killed:
            # Whoever is killed gives nothing back: the locks run out.
            raise
        except BaseException as error:
            holding.__exit__(type(error), error, error.__traceback__)
            raise
        else:
            holding.__exit__(None, None, None)
        self.come_by("given_back")

    def close(self) -> None:
        self.inner.close()


def bury(
    transport: Transport,
    *messages: Outgoing,
    reason: DeadReason = DeadReason.REFUSED,
    description: str = "invoice_not_open: The invoice is a draft.",
) -> None:
    """Queue messages and have them set aside as a worker would."""
    transport.send(messages)
    for queue in {one.queue for one in messages}:
        left = sum(one.queue is queue for one in messages)
        while left:
            taken = transport.receive(queue, messages_max=100, wait_seconds=5)
            assert taken, "they were sent"
            for delivery in taken:
                delivery.dead_letter(reason, description)
            left -= len(taken)
    if isinstance(transport, Faulty):
        transport.sent.clear()


def dunning(tenant_id: UUID, **fields: Any) -> Outgoing:
    return real_message(tenant_id, EvaluateDunning(), **fields)


def nobodys(message_id: str = "m-1", body: bytes = b"not json", queue: Queue = DUNNING) -> Outgoing:
    """A message of which nobody can tell whose it is."""
    return plain_message(message_id, queue=queue, body=body)


def message_of(tenant_id: UUID, message: Message, **fields: Any) -> Outgoing:
    return real_message(tenant_id, message, **fields)


def seen_by(db: Database, transport: Transport, actor: Any, **narrowed: Any) -> list[LetterSummary]:
    """All letters that somebody sees."""
    found: list[LetterSummary] = []
    cursor = None
    while True:
        page = list_letters(
            db, transport, actor, LetterFilter(**narrowed), limit=100, cursor=cursor
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def waiting(transport: Transport, queue: Queue = DUNNING) -> list[Delivery]:
    """What a worker would get from a queue now."""
    return list(transport.receive(queue, messages_max=100, wait_seconds=0))


def dead(transport: Transport, queue: Queue = DUNNING) -> list[str]:
    """The ids among a queue's dead letters, whoever's they are."""
    letters = transport.peek_dead_letters(queue, after=0, messages_max=250)
    return [one.message_id for one in letters]


def audited(db: Database, tenant_id: UUID | None = None) -> list[tuple[str, str, str]]:
    """(action, who, correlation id) of the audit entries about dead letters, in order."""
    rows = raw_rows(
        db,
        "SELECT action, actor, correlation_id, tenant_id FROM audit_log "
        "WHERE entity_type LIKE 'dead_letter%' ORDER BY row_id",
    )
    wanted = None if tenant_id is None else tenant_id.hex
    return [row[:3] for row in rows if wanted in (None, row[3])]


def body_of(delivery: Delivery) -> dict[str, Any]:
    contents: dict[str, Any] = orjson.loads(delivery.body)
    return contents
