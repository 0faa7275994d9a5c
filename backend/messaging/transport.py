"""What BillerJacket asks of its queues, whichever they are.

A message is handed over at least once and settled exactly once by whoever holds its lease. One
that is neither settled nor renewed within the lease goes to somebody else, and after the last
delivery it is set aside as a dead letter. Handlers are idempotent, so twice is never wrong.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from backend.messaging.contracts import Queue

# A killed worker's messages must be taken up within a minute; a live one renews long before.
LEASE_SECONDS = 30.0
# Enough, with the back-off below, to outlast a mail server's hour; then a person must look.
DELIVERIES_MAX = 10
# Dead-letter descriptions are for reading, and the column ends here.
DESCRIPTION_LENGTH_MAX = 2000

# 2 s, 5 s, 12 s … 50 min: nine waits of together about 85 minutes.
_BACKOFF_FIRST_SECONDS = 2.0
_BACKOFF_FACTOR = 2.5
BACKOFF_SECONDS_MAX = 3600.0


class DeadReason(StrEnum):
    """Why a message was set aside."""

    BAD_ENVELOPE = "bad_envelope"
    UNKNOWN_MESSAGE_TYPE = "unknown_message_type"
    REFUSED = "refused"
    PROCESSING_FAILED = "processing_failed"
    MAX_DELIVERY_COUNT_EXCEEDED = "max_delivery_count_exceeded"


class LeaseLost(Exception):
    """Somebody else holds the message now, or has settled it: this delivery has no say in it."""


class MessageTooLarge(Exception):
    """The queue does not take a message of this size."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be queued. `body` is its envelope; the other fields are copies for filters.

    It is delivered from `available_at` (UTC) on.
    """

    queue: Queue
    message_id: str
    body: bytes
    available_at: datetime
    message_type: str | None = None
    tenant_id: UUID | None = None
    correlation_id: str | None = None
    # Of a copy that is sent again: the id under which the message was first queued.
    original_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What a queue holds: waiting or in somebody's hands, to come later, dead.

    The instants (UTC) are those at which the oldest were queued. A broker cannot always count all
    of many messages: then `is_exact` is False, and there are at least as many.
    """

    active: int
    scheduled: int
    dead: int
    oldest_active_at: datetime | None = None
    oldest_dead_at: datetime | None = None
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was set aside, as it lies there.

    `sequence_number` names it within its queue's dead letters, in the queue's order; instants are
    UTC. Not every broker tells when it died. `properties` are what its sender added.
    """

    queue: Queue
    sequence_number: int
    message_id: str
    body: bytes
    delivery_count: int
    enqueued_at: datetime
    dead_at: datetime | None
    reason: str | None
    description: str | None
    message_type: str | None = None
    tenant_id: UUID | None = None
    correlation_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


class HeldDeadLetter(Protocol):
    """A dead letter that nobody else can touch until it is removed or given back."""

    @property
    def letter(self) -> DeadLetter:
        """The message."""

    def remove(self) -> None:
        """Take it out for good. Raises LeaseLost, and Busy: then it may or may not be there."""


class Delivery(Protocol):
    """A message in this consumer's hands until it is settled or its lease ends.

    Every method raises LeaseLost when the lease is no longer ours, and Busy when the queue cannot
    be reached; then the lease runs out and the message comes again.
    """

    @property
    def queue(self) -> Queue:
        """Where it came from."""

    @property
    def message_id(self) -> str:
        """The id under which it was queued."""

    @property
    def body(self) -> bytes:
        """The envelope as it was sent."""

    @property
    def delivery_count(self) -> int:
        """Which delivery this is; the first is 1."""

    def complete(self) -> None:
        """It is done."""

    def abandon(self, problem: str, *, delay_seconds: float) -> None:
        """Try again after a delay; at the last delivery it is dead-lettered with `problem`."""

    def release(self) -> None:
        """Give it back untouched, as if it had not been delivered."""

    def dead_letter(self, reason: DeadReason, description: str) -> None:
        """Set it aside for a person; it is not tried again."""


class Transport(Protocol):
    """The queues. Safe to use from several threads. Every method may raise Busy."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Queue the messages; when it returns they are durable. Raises MessageTooLarge.

        A message id that a queue already knows is not queued again, as far as the queue remembers.
        """

    def receive(
        self, queue: Queue, *, messages_max: int, wait_seconds: float
    ) -> Sequence[Delivery]:
        """Up to `messages_max` messages that are due, waiting a while for the first one."""

    def complete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Complete many at once; returns those whose lease was lost."""

    def release(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Give many back untouched; returns those whose lease was lost."""

    def renew(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Hold the leases for another LEASE_SECONDS; returns those whose lease was lost."""

    def depth(self, queue: Queue, *, tenant_id: UUID | None = None) -> QueueDepth:
        """How full a queue is, of one tenant's messages when it is named."""

    def peek_dead_letters(
        self, queue: Queue, *, after: int, messages_max: int
    ) -> Sequence[DeadLetter]:
        """Dead letters with sequence numbers above `after`, in order; nothing is changed."""

    def hold_dead_letters(
        self, queue: Queue, sequence_numbers: Collection[int]
    ) -> AbstractContextManager[Mapping[int, HeldDeadLetter]]:
        """Lock these dead letters for the block; those that are gone or held by others are missing.

        What was not removed at the end of the block is given back as it was, not counted as a
        delivery.
        """

    def close(self) -> None:
        """Let go of everything; who waits in `receive` gets an empty answer soon."""


def backoff_seconds(delivery_count: int) -> float:
    """How long to wait before the next delivery: growing, with a quarter of jitter either way."""
    grown = _BACKOFF_FIRST_SECONDS * _BACKOFF_FACTOR ** (delivery_count - 1)
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 (not for secrets)
    return min(grown, BACKOFF_SECONDS_MAX) * jitter
