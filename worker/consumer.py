"""One queue's consumer: takes a few messages, handles them in order, completes them together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog

from backend.bootstrap import Services
from backend.errors import Busy
from backend.messaging.contracts import Queue
from backend.messaging.transport import Delivery
from worker.dispatch import Handlers, dispatch
from worker.failures import describe
from worker.leases import LeaseKeeper

# Few where one message takes long: the others could be done by another worker meanwhile.
TAKEN_MAX = {
    Queue.EMAIL_SEND: 8,
    Queue.DUNNING_EVALUATE: 1,
    Queue.PAYMENT_COMMANDS: 100,
    Queue.WEBHOOK_INGEST: 100,
}
# How long a stop may have to wait for an idle consumer.
WAIT_SECONDS = 1.0
# Done messages are completed together, but a crash should not find many of them uncompleted.
COMPLETE_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Consumer:
    """Consumes one queue, one message at a time."""

    def __init__(
        self,
        services: Services,
        queue: Queue,
        handlers: Handlers,
        keeper: LeaseKeeper,
        stop: threading.Event,
    ) -> None:
        self.queue = queue
        self._services = services
        self._handlers = handlers
        self._keeper = keeper
        self._stop = stop

    def step(self) -> None:
        """Wait a while for messages and handle them."""
        self.consume(wait_seconds=WAIT_SECONDS)

    def consume(self, *, wait_seconds: float) -> int:
        """Handle what is due, at most TAKEN_MAX messages; how many were taken."""
        deliveries = self._services.transport.receive(
            self.queue, messages_max=TAKEN_MAX[self.queue], wait_seconds=wait_seconds
        )
        if deliveries:
            self._keeper.take(deliveries)
            self._handle_all(deliveries)
        return len(deliveries)

    def _handle_all(self, deliveries: Sequence[Delivery]) -> None:
        waiting = deque(deliveries)
        done: list[Delivery] = []
        completed_at = time.monotonic()
        try:
            while waiting and not self._stop.is_set():
                delivery = waiting.popleft()
                if dispatch(self._services, self._handlers, delivery):
                    done.append(delivery)
                else:
                    self._keeper.let_go(delivery)
                if time.monotonic() - completed_at > COMPLETE_SECONDS:
                    self._complete(done)
                    done = []
                    completed_at = time.monotonic()
        finally:
            self._complete(done)
            self._release(list(waiting))

    def _complete(self, done: Sequence[Delivery]) -> None:
        try:
            for delivery in self._services.transport.complete(done):
                log.warning("message.lease_lost", message_id=delivery.message_id)
        except Busy as busy:
            # They come again when their leases end; the handlers know that they are done.
            log.warning("message.not_settled", count=len(done), problem=describe(busy))
        for delivery in done:
            self._keeper.let_go(delivery)

    def _release(self, untouched: Sequence[Delivery]) -> None:
        for delivery in untouched:
            self._keeper.let_go(delivery)
        try:
            for delivery in self._services.transport.release(untouched):
                log.warning("message.lease_lost", message_id=delivery.message_id)
        except Busy as busy:
            # They come again when their leases end.
            log.warning("message.not_released", count=len(untouched), problem=describe(busy))
