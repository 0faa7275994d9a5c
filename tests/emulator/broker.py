"""The queues themselves: who may have which message next, and what becomes of it.

Nothing here knows of sockets or threads; all of it is called from one thread. Instants are seconds
since 1970 on the broker's own clock (see `Clock`).
"""

from __future__ import annotations

import heapq
import itertools
import os
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.emulator.content import Content
from tests.emulator.stored import Clock, State, Stored

DEAD_LETTERS = "/$DeadLetterQueue"
MAX_DELIVERIES_REASON = "MaxDeliveryCountExceeded"


class LockLost(Exception):
    """The message is no longer locked under this token."""


class NotThere(Exception):
    """There is no such message, or not in the state asked for."""


@dataclass(frozen=True)
class Rules:
    """What all queues have in common."""

    lock_seconds: float = 30.0
    max_deliveries: int = 10
    duplicate_detection: bool = False
    duplicate_window_seconds: float = 600.0


class Queue:
    """One queue, or the dead letters of one (then `dead_letters` is None).

    `on_ready` is called when there is something to hand out, `on_due` with the instant at which
    `tick` should next be called.
    """

    def __init__(
        self, name: str, clock: Clock, rules: Rules, dead_letters: Queue | None = None
    ) -> None:
        self.name = name
        self.clock = clock
        self.rules = rules
        self.dead_letters = dead_letters
        self.on_ready: Callable[[Queue], None] = lambda queue: None
        self.on_due: Callable[[float], None] = lambda instant: None
        self._numbers = itertools.count(1)
        self._messages: dict[int, Stored] = {}
        self._order: list[int] = []
        self._ready: list[int] = []
        self._locked: dict[bytes, Stored] = {}
        self._lock_ends: list[tuple[float, int, bytes]] = []
        self._starts: list[tuple[float, int]] = []
        self._seen: OrderedDict[str, float] = OrderedDict()

    def clear(self) -> None:
        """Forget all messages, also those that would make others duplicates."""
        for known in (self._messages, self._order, self._ready, self._locked, self._lock_ends):
            known.clear()
        self._starts.clear()
        self._seen.clear()

    # Coming in.

    def put(self, content: Content) -> int:
        """Accept a message, now or for later. Gives its sequence number; of a duplicate, 0."""
        now = self.clock()
        if self._is_duplicate(content.message_id, now):
            return 0
        message = Stored(content, next(self._numbers), now)
        if content.scheduled_for is not None and content.scheduled_for > now:
            message.state = State.SCHEDULED
            message.enqueued_at = content.scheduled_for
            entry = (content.scheduled_for, message.sequence_number)
            heapq.heappush(self._starts, entry)
            if self._starts[0] is entry:
                self.on_due(content.scheduled_for)
            self._messages[message.sequence_number] = message
            self._order.append(message.sequence_number)
        else:
            self._append(message)
        return message.sequence_number

    def bury(self, message: Stored) -> None:
        """Take in a dead letter; it keeps its number and its count."""
        message.state = State.ACTIVE
        message.token = None
        self._messages[message.sequence_number] = message
        insort(self._order, message.sequence_number)
        self._make_ready(message)

    def next_number(self) -> int:
        """A sequence number for a message that did not come in through `put`."""
        return next(self._numbers)

    def _append(self, message: Stored) -> None:
        self._messages[message.sequence_number] = message
        self._order.append(message.sequence_number)
        self._make_ready(message)

    def _make_ready(self, message: Stored) -> None:
        heapq.heappush(self._ready, message.sequence_number)
        self.on_ready(self)

    def _is_duplicate(self, message_id: str | None, now: float) -> bool:
        if not self.rules.duplicate_detection or message_id is None:
            return False
        oldest = now - self.rules.duplicate_window_seconds
        while self._seen and next(iter(self._seen.values())) <= oldest:
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        return False

    # Going out.

    def claim(self) -> Stored | None:
        """Lock the next message for a receiver."""
        message = self._next()
        if message is not None:
            self._lock(message)
        return message

    def take(self) -> Stored | None:
        """Hand out the next message for good."""
        message = self._next()
        if message is not None:
            self._forget(message)
        return message

    def _next(self) -> Stored | None:
        while self._ready:
            message = self._messages.get(heapq.heappop(self._ready))
            if message is not None and message.state == State.ACTIVE and message.token is None:
                return message
        return None

    def deferred(self, sequence_numbers: list[int], *, lock: bool) -> list[Stored]:
        """Deferred messages by their numbers, locked or for good. Raises NotThere."""
        found = [self._messages.get(number) for number in sequence_numbers]
        messages = [
            message
            for message in found
            if message is not None and message.state == State.DEFERRED and message.token is None
        ]
        if len(messages) < len(found):
            raise NotThere(f"not all of {sequence_numbers} are deferred")
        for message in messages:
            if lock:
                self._lock(message)
            else:
                self._forget(message)
        return messages

    def _lock(self, message: Stored) -> None:
        message.token = token = os.urandom(16)
        self._locked[token] = message
        self._lock_until(message, self.clock() + self.rules.lock_seconds)

    def _lock_until(self, message: Stored, instant: float) -> None:
        message.locked_until = instant
        assert message.token is not None
        entry = (instant, message.sequence_number, message.token)
        heapq.heappush(self._lock_ends, entry)
        if self._lock_ends[0] is entry:
            self.on_due(instant)

    # What its receiver says of it.

    def held(self, token: bytes) -> Stored:
        """The message locked under a token. Raises LockLost."""
        message = self._locked.get(token)
        if message is None or message.locked_until <= self.clock():
            raise LockLost
        return message

    def renew(self, tokens: list[bytes]) -> list[float]:
        """Lock messages anew, all or none; gives when the locks end. Raises LockLost."""
        messages = [self.held(token) for token in tokens]
        until = self.clock() + self.rules.lock_seconds
        for message in messages:
            self._lock_until(message, until)
        return [until] * len(messages)

    def complete(self, token: bytes) -> None:
        """The message is done. Raises LockLost, as the three below do."""
        self._forget(self.held(token))

    def abandon(self, token: bytes) -> None:
        """It was tried in vain, which counts."""
        self._count_failure(self.held(token))

    def release(self, token: bytes) -> None:
        """It was not tried."""
        self._unlock(self.held(token))

    def defer(self, token: bytes) -> None:
        """It stays until somebody asks for its number."""
        message = self.held(token)
        message.state = State.DEFERRED
        self._unlock(message)

    def reject(self, token: bytes, reason: str | None, description: str | None) -> None:
        """It goes to the dead letters; that it was rejected counts as a delivery."""
        message = self.held(token)
        message.delivery_count += 1
        self._move_to_dead_letters(message, reason, description)

    def _count_failure(self, message: Stored) -> None:
        message.delivery_count += 1
        limit = self.rules.max_deliveries
        if self.dead_letters is not None and message.delivery_count >= limit:
            description = f"Message could not be consumed after {limit} delivery attempts."
            self._move_to_dead_letters(message, MAX_DELIVERIES_REASON, description)
        else:
            self._unlock(message)

    def _move_to_dead_letters(
        self, message: Stored, reason: str | None, description: str | None
    ) -> None:
        assert self.dead_letters is not None
        self._forget(message)
        message.content.set_application_property("DeadLetterReason", reason)
        message.content.set_application_property("DeadLetterErrorDescription", description)
        self.dead_letters.bury(message)

    def _unlock(self, message: Stored) -> None:
        if message.token is not None:
            del self._locked[message.token]
            message.token = None
        if message.state == State.ACTIVE:
            self._make_ready(message)

    def _forget(self, message: Stored) -> None:
        number = message.sequence_number
        del self._messages[number]
        del self._order[bisect_left(self._order, number)]
        if message.token is not None:
            del self._locked[message.token]
            message.token = None

    # Looking at them.

    def __len__(self) -> int:
        return len(self._messages)

    def peek(self, from_number: int = 0, messages_max: int | None = None) -> Iterator[Stored]:
        """Messages in the order of their numbers, whatever their state."""
        start = bisect_left(self._order, from_number)
        end = None if messages_max is None else start + messages_max
        return (self._messages[number] for number in self._order[start:end])

    def cancel(self, sequence_numbers: list[int]) -> None:
        """Take scheduled messages back, all or none. Raises NotThere."""
        found = [self._messages.get(number) for number in sequence_numbers]
        messages = [one for one in found if one is not None and one.state == State.SCHEDULED]
        if len(messages) < len(found):
            raise NotThere(f"not all of {sequence_numbers} are scheduled")
        for message in messages:
            self._forget(message)

    # Time.

    def tick(self) -> float | None:
        """Do what has become due; gives when the next thing will be."""
        now = self.clock()
        while self._starts and self._starts[0][0] <= now:
            at, number = heapq.heappop(self._starts)
            message = self._messages.get(number)
            if message is not None and message.state == State.SCHEDULED:
                self._start(message, at)
        while self._lock_ends and self._lock_ends[0][0] <= now:
            until, number, token = heapq.heappop(self._lock_ends)
            message = self._messages.get(number)
            if message is not None and message.token == token and message.locked_until == until:
                self._count_failure(message)
        heads = [heap[0][0] for heap in (self._starts, self._lock_ends) if heap]
        return min(heads, default=None)

    def _start(self, message: Stored, at: float) -> None:
        # As the service does it: a scheduled message is queued anew, at the end, when it is due.
        self._forget(message)
        message.state = State.ACTIVE
        message.enqueued_at = at
        message.sequence_number = next(self._numbers)
        self._append(message)


class Broker:
    """The queues by their names, which are told apart whatever their case."""

    def __init__(self, names: tuple[str, ...], clock: Clock, rules: Rules) -> None:
        self.clock = clock
        self._queues: dict[str, Queue] = {}
        for name in names:
            dead = Queue(name + DEAD_LETTERS, clock, rules)
            for queue in (Queue(name, clock, rules, dead), dead):
                self._queues[queue.name.lower()] = queue

    def __iter__(self) -> Iterator[Queue]:
        return iter(self._queues.values())

    def find(self, path: str) -> Queue | None:
        """The queue, or the dead letters of one, of that name."""
        return self._queues.get(path.lower())

    def tick(self) -> float | None:
        """Do what has become due everywhere; gives when the next thing will be."""
        instants = [due for queue in self if (due := queue.tick()) is not None]
        return min(instants, default=None)
