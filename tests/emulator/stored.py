"""A message in a queue, the clock it lives by, and the token of its lock."""

from __future__ import annotations

import time
from enum import IntEnum
from uuid import UUID

from tests.emulator.content import Content


class Clock:
    """The broker's time: the real one, plus what a test has let pass.

    Everything the broker decides and most of what it tells is on this clock: when a message was
    queued, when a scheduled one is due, the window of duplicates. Only when a lock ends is told in
    real time (`in_real_time`), because clients compare it with their own clock.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def in_real_time(self, instant: float) -> float:
        """What a clock that nobody has moved shows at an instant."""
        return instant - self.ahead


class State(IntEnum):
    """As the service numbers them in `x-opt-message-state`."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


class Stored:
    """A message in a queue. Locked while it has a token."""

    __slots__ = (
        "content",
        "delivery_count",
        "enqueued_at",
        "locked_until",
        "sequence_number",
        "state",
        "token",
    )

    def __init__(self, content: Content, sequence_number: int, enqueued_at: float) -> None:
        self.content = content
        self.sequence_number = sequence_number
        self.enqueued_at = enqueued_at
        self.delivery_count = 0
        self.state = State.ACTIVE
        self.token: bytes | None = None
        self.locked_until = 0.0

    def as_seen(self) -> bytes:
        """The message as a peek shows it."""
        return self.content.deliver(
            delivery_count=self.delivery_count,
            sequence_number=self.sequence_number,
            enqueued_at=self.enqueued_at,
            state=self.state,
        )

    def as_delivered(self, clock: Clock) -> bytes:
        """The message as its receiver gets it."""
        return self.content.deliver(
            delivery_count=self.delivery_count,
            sequence_number=self.sequence_number,
            enqueued_at=self.enqueued_at,
            locked_until=clock.in_real_time(self.locked_until) if self.token else None,
        )


def token_of(lock_token: UUID) -> bytes:
    """The delivery tag of a lock token: the service writes its tokens in .NET's order of bytes."""
    return lock_token.bytes_le


def lock_token_of(token: bytes) -> UUID:
    """The lock token that a delivery tag stands for."""
    return UUID(bytes_le=token)
