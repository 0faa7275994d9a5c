"""Ready-made dead letters, and queues that fail where a test says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import pytest

from backend.bootstrap import Services
from backend.db.engine import Database
from backend.messaging.contracts import EvaluateDunning, Message, Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import (
    DeadLetter,
    DeadReason,
    Delivery,
    HeldDeadLetter,
    Outgoing,
    Transport,
)
from backend.support.letters import LetterFilter, LetterSummary, list_letters
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.factories import raw_rows
from tests.queues import plain_message, real_message
from worker.dispatch import dispatch
from worker.handlers.table import HANDLERS
from worker.relay import Relay

DUNNING, PAYMENTS, EMAILS = Queue.DUNNING_EVALUATE, Queue.PAYMENT_COMMANDS, Queue.EMAIL_SEND
# For tests that hold for every broker.
_BOTH = [
    "embedded",
    pytest.param("servicebus", marks=pytest.mark.filterwarnings(*SOCKETS_LEFT)),
]
on_both = pytest.mark.parametrize("broker", _BOTH, indirect=True)
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
            # Whoever is killed gives nothing back. Locks in the database run out by its clock; a
            # broker's run out by its own, for which no test waits.
            if not isinstance(self.inner, EmbeddedTransport):
                holding.__exit__(None, None, None)
            raise
        except BaseException as error:
            holding.__exit__(type(error), error, error.__traceback__)
            raise
        else:
            holding.__exit__(None, None, None)
        self.come_by("given_back")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what no test breaks


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


def take(transport: Transport, count: int = 1, queue: Queue = DUNNING) -> list[Delivery]:
    """What a worker gets from a queue, which must be so many."""
    taken: list[Delivery] = []
    while len(taken) < count:
        found = transport.receive(queue, messages_max=count - len(taken), wait_seconds=5)
        assert found, f"only {len(taken)} of {count} came"
        taken += found
    return taken


def waiting(transport: Transport, queue: Queue = DUNNING) -> int:
    """How many messages a queue holds for workers."""
    return transport.depth(queue).active


def work_off(services: Services, *queues: Queue) -> None:
    """Handle all that is due in these queues, as a worker does, but without waiting for more."""
    transport = services.transport
    assert isinstance(transport, Faulty)
    patience = 0 if isinstance(transport.inner, EmbeddedTransport) else 5
    moved = True
    while moved:
        moved = bool(Relay(services).relay_batch())
        for queue in queues:
            if not waiting(transport, queue):
                continue
            for delivery in transport.receive(queue, messages_max=100, wait_seconds=patience):
                moved = True
                if dispatch(services, HANDLERS, delivery):
                    delivery.complete()


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
