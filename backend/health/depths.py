"""How full the queues are, asked seldom and waited for only a while.

A broker answers over a network, by reading messages, or not at all. So what was found is kept for
some seconds; whoever asks meanwhile, or while an answer is under way, gets the same one; and who
has waited long enough is told that nothing is known. An answer that comes later is kept for the
next one who asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog

from backend.messaging.contracts import Queue
from backend.messaging.transport import QueueDepth, Transport

# A page that is open all day asks this often at most.
FRESH_SECONDS = 10.0
# A page without figures is better than one that does not come.
WAIT_SECONDS_MAX = 3.0
NO_ANSWER = "The queue did not answer in time."
UNREACHABLE = "The queue cannot be reached just now."

_Key = tuple[Queue, UUID | None]

log = structlog.get_logger(__name__)
# As many as there are queues: those that hang are asked by nobody else, and hold up nobody else.
_asking = ThreadPoolExecutor(len(Queue), thread_name_prefix="queue-depth")


@dataclass(frozen=True, slots=True)
class Found:
    """What a queue holds, or in words why nobody knows."""

    depth: QueueDepth | None
    problem: str | None


def are_reachable(found: Iterable[Found]) -> bool:
    """Whether the broker answers: for one queue at least, and for none that it cannot be had.

    One that is still being asked, of a broker that answers, is slow and no more.
    """
    problems = [queue.problem for queue in found]
    return None in problems and UNREACHABLE not in problems


class Depths:
    """What was asked of one transport. Thread-safe; `clock` is in monotonic seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[_Key, tuple[float, Future[Found]]] = {}

    def find(self, transport: Transport, tenant_id: UUID | None) -> dict[Queue, Found]:
        """Every queue's depth, of one tenant's messages when it is named. Raises nothing."""
        with self._lock:
            self._forget_old()
            answers = {queue: self._answer(transport, queue, tenant_id) for queue in Queue}
        wait(answers.values(), timeout=WAIT_SECONDS_MAX)
        unknown = Found(None, NO_ANSWER)
        return {
            queue: answer.result() if answer.done() else unknown
            for queue, answer in answers.items()
        }

    def _forget_old(self) -> None:
        fresh_since = self._clock() - FRESH_SECONDS
        self._asked = {
            key: (asked_at, answer)
            for key, (asked_at, answer) in self._asked.items()
            if asked_at > fresh_since or not answer.done()
        }

    def _answer(self, transport: Transport, queue: Queue, tenant_id: UUID | None) -> Future[Found]:
        key = (queue, tenant_id)
        if key not in self._asked:
            answer = _asking.submit(_ask, transport, queue, tenant_id)
            self._asked[key] = (self._clock(), answer)
        return self._asked[key][1]


def _ask(transport: Transport, queue: Queue, tenant_id: UUID | None) -> Found:
    try:
        return Found(transport.depth(queue, tenant_id=tenant_id), None)
    except Exception as error:  # noqa: BLE001 (whatever it is, the figures are unknown)
        reason = str(error) or type(error).__name__
        log.warning("queue.depth_unknown", queue=queue.value, reason=reason)
        return Found(None, UNREACHABLE)


# Held weakly: what was asked of a transport goes with it.
_of_transport: WeakKeyDictionary[Transport, Depths] = WeakKeyDictionary()
_making = threading.Lock()


def depths_of(transport: Transport) -> Depths:
    """The process's own of this transport."""
    with _making:
        found = _of_transport.get(transport)
        if found is None:
            found = _of_transport[transport] = Depths()
        return found
