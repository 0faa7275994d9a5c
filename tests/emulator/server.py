"""The emulator as tests use it: in a thread of its own, with a look inside and faults at hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeVar

from tests.emulator.broker import DEAD_LETTERS, Broker, Queue, Rules
from tests.emulator.content import Content, write_message
from tests.emulator.faults import Faults
from tests.emulator.host import HOST, Host
from tests.emulator.stored import Clock, State, Stored

DEFAULT_QUEUES = ("email-send", "dunning-evaluate", "payment-commands", "webhook-ingest")
# As the service has it: an idle connection is closed after four minutes.
IDLE_SECONDS = 240.0
_WAIT_SECONDS = 30.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Seen:
    """A message as it lies in a queue. Instants are UTC on the emulator's clock."""

    sequence_number: int
    message_id: str | None
    body: bytes
    delivery_count: int
    state: State
    is_locked: bool
    enqueued_at: datetime
    subject: str | None = None
    correlation_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why it is a dead letter."""
        return self.properties.get("DeadLetterReason")

    @property
    def description(self) -> str | None:
        """What was said about that."""
        return self.properties.get("DeadLetterErrorDescription")


@dataclass(frozen=True)
class Counts:
    """How many messages a queue holds, by what is the matter with them."""

    ready: int = 0
    locked: int = 0
    scheduled: int = 0
    deferred: int = 0
    dead: int = 0


class Emulator:
    """A Service Bus namespace of this machine, for as long as the block lasts.

    Clients connect with `connection_string`. Whatever is asked of it here happens in its own
    thread, between two frames, and is done when the call returns.

    Time: `now()` is the emulator's clock, which `pass_time` moves ahead of the real one. On it are
    `enqueued_at`, the instants at which scheduled messages are due, and the window of duplicates;
    a client that schedules messages should live by `now()`. Only when a lock ends is told in real
    time, since the SDK compares that with the real clock before it settles anything.
    """

    def __init__(
        self,
        queues: Sequence[str] = DEFAULT_QUEUES,
        *,
        lock_seconds: float = 30.0,
        max_deliveries: int = 10,
        duplicate_detection: bool = False,
        duplicate_window_seconds: float = 600.0,
        port: int = 0,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._clock = Clock()
        rules = Rules(lock_seconds, max_deliveries, duplicate_detection, duplicate_window_seconds)
        self._loop = asyncio.new_event_loop()
        self._broker = Broker(tuple(queues), self._clock, rules)
        self.faults = Faults(
            cut=lambda: self.run(self._host.abort_all),
            detach=lambda entity: self.run(lambda: self._host.detach_all(entity)),
            shut=lambda seconds: self._wait_for(self._host.shut(seconds)),
            reopen=lambda: self._wait_for(self._host.reopen()),
        )
        self._host = Host(self._loop, self._broker, self.faults, idle_seconds)
        self._wanted_port = port
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="service bus emulator", daemon=True
        )

    # Life.

    def start(self) -> None:
        """Listen; `connection_string` is valid from here on."""
        self._thread.start()
        self._wait_for(self._host.listen(self._wanted_port))

    def close(self) -> None:
        """Cut all connections and end the thread."""
        self._wait_for(self._host.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_SECONDS)
        self._loop.close()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._host.port

    @property
    def connection_string(self) -> str:
        """What a client needs to know; the key protects nothing."""
        return (
            f"Endpoint=sb://{HOST}:{self.port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=emulator;UseDevelopmentEmulator=true;"
        )

    def run(self, what: Callable[[], Result]) -> Result:
        """Do something in the emulator's thread, and wait for it."""

        async def do() -> Result:
            return what()

        return self._wait_for(do())

    def _wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_SECONDS)

    # Time.

    def now(self) -> datetime:
        """The emulator's time (UTC)."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def pass_time(self, seconds: float) -> None:
        """Move the emulator's clock ahead; what became due thereby has happened on return."""

        def move() -> None:
            self._clock.ahead += seconds
            self._host.tick()

        self.run(move)

    # A look inside.

    def messages(self, queue: str) -> list[Seen]:
        """All messages of a queue, in the order of their numbers."""
        return self.run(lambda: [_seen(one) for one in self._queue(queue).peek()])

    def dead_letters(self, queue: str) -> list[Seen]:
        """The dead letters of a queue."""
        return self.messages(queue + DEAD_LETTERS)

    def counts(self, queue: str) -> Counts:
        """How many messages a queue holds."""
        return self.run(lambda: self._count(self._queue(queue)))

    def _count(self, queue: Queue) -> Counts:
        found = {"ready": 0, "locked": 0, "scheduled": 0, "deferred": 0}
        for message in queue.peek():
            if message.token is not None:
                found["locked"] += 1
            else:
                found[_STATES[message.state]] += 1
        return Counts(**found, dead=len(queue.dead_letters or ()))

    def connections(self) -> int:
        """How many clients are connected; each sender and receiver of the SDK is one."""
        return self.run(lambda: len(self._host.connections))

    def most_connections(self) -> int:
        """How many have been connected at the same time, so far."""
        return self.run(lambda: self._host.most_connections)

    # A hand in it.

    def put(
        self,
        queue: str,
        body: bytes = b"{}",
        *,
        message_id: str | None = None,
        subject: str | None = None,
        correlation_id: str | None = None,
        properties: dict[str, Any] | None = None,
        count: int = 1,
    ) -> list[int]:
        """Queue messages without a client; gives their sequence numbers.

        Where there are several and a message id is given, each gets its number added: id-0, id-1 …
        """

        def put_all() -> list[int]:
            written = _written(count, body, message_id, subject, correlation_id, properties)
            return [self._queue(queue).put(content) for content in written]

        return self.run(put_all)

    def put_dead(
        self,
        queue: str,
        body: bytes = b"{}",
        *,
        reason: str | None = "refused",
        description: str | None = "Put here by a test.",
        message_id: str | None = None,
        subject: str | None = None,
        correlation_id: str | None = None,
        properties: dict[str, Any] | None = None,
        delivery_count: int = 1,
        count: int = 1,
    ) -> list[int]:
        """Put messages among the dead letters of a queue; gives their sequence numbers.

        Ids are numbered as by `put`.
        """

        def bury_all() -> list[int]:
            alive = self._queue(queue)
            assert alive.dead_letters is not None
            numbers = []
            for content in _written(count, body, message_id, subject, correlation_id, properties):
                content.set_application_property("DeadLetterReason", reason)
                content.set_application_property("DeadLetterErrorDescription", description)
                message = Stored(content, alive.next_number(), self._clock())
                message.delivery_count = delivery_count
                alive.dead_letters.bury(message)
                numbers.append(message.sequence_number)
            return numbers

        return self.run(bury_all)

    def clear(self) -> None:
        """Empty all queues. Clients stay connected; what they hold, they hold no more."""

        def empty() -> None:
            for queue in self._broker:
                queue.clear()

        self.run(empty)

    def _queue(self, name: str) -> Queue:
        queue = self._broker.find(name)
        assert queue is not None, f"there is no queue {name}"
        return queue


_STATES = {State.ACTIVE: "ready", State.DEFERRED: "deferred", State.SCHEDULED: "scheduled"}


def _written(
    count: int,
    body: bytes,
    message_id: str | None,
    subject: str | None,
    correlation_id: str | None,
    properties: dict[str, Any] | None,
) -> Iterator[Content]:
    for index in range(count):
        yield Content(
            write_message(
                body,
                message_id=f"{message_id}-{index}" if message_id and count > 1 else message_id,
                subject=subject,
                correlation_id=correlation_id,
                application_properties=properties,
            )
        )


def _seen(message: Stored) -> Seen:
    content = message.content
    header = [*content.readable_header(), *[None] * 6]
    return Seen(
        sequence_number=message.sequence_number,
        message_id=content.message_id,
        body=content.data(),
        delivery_count=message.delivery_count,
        state=message.state,
        is_locked=message.token is not None,
        enqueued_at=datetime.fromtimestamp(message.enqueued_at, UTC),
        subject=header[3],
        correlation_id=header[5],
        properties=content.readable_properties(),
    )
