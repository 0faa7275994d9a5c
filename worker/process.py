"""The parts of a worker put together: run until told to stop, or until nothing is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from backend.bootstrap import Services
from backend.messaging.contracts import Queue
from worker.consumer import Consumer
from worker.dispatch import Handlers
from worker.leases import RENEW_SECONDS, LeaseKeeper
from worker.loops import repeat
from worker.relay import Relay
from worker.scheduler import Scheduler
from worker.support import Support

# For all parts together. Within ten seconds the process has to be gone, queues and database closed.
# A handler may be waiting for a slow mail server: what is not done by then comes again.
STOP_SECONDS = 5.0
_LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Worker:
    """Relay, one consumer per queue, scheduler, support and lease keeper of one process."""

    def __init__(self, services: Services, handlers: Handlers) -> None:
        self.stop = threading.Event()
        self._relay = Relay(services)
        self._scheduler = Scheduler(services, self.stop)
        self._support = Support(services, self.stop)
        self._keeper = LeaseKeeper(services.transport)
        self._consumers = [
            Consumer(services, queue, handlers, self._keeper, self.stop) for queue in Queue
        ]

    def run(self) -> bool:
        """Work until `stop` is set; then finish what is in hand and give the rest back.

        False when a part died or did not end in time: the process should end and be restarted.
        """
        threads = [
            _start("relay", self._relay.step, self.stop),
            _start("scheduler", self._scheduler.step, self.stop),
            _start("support", self._support.step, self.stop),
            *(
                _start(consumer.queue.value, consumer.step, self.stop)
                for consumer in self._consumers
            ),
        ]
        # The leases are kept until the last message in hand is settled.
        settled = threading.Event()
        keeper = _start("leases", lambda: self._keep_leases(settled), settled)
        log.info("worker.started", queues=[queue.value for queue in Queue])
        healthy = True
        while healthy and not self.stop.wait(_LOOK_SECONDS):
            healthy = all(thread.is_alive() for thread in [*threads, keeper])
        self.stop.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        settled.set()
        # It is only renewing, if anything; there is nothing left to wait for in it.
        keeper.join(1)
        stuck = [thread.name for thread in [*threads, keeper] if thread.is_alive()]
        log.info("worker.stopped", healthy=healthy, stuck=stuck)
        return healthy and not stuck

    def run_once(self) -> int:
        """The overdue sweep, then everything that is due now; how many messages were taken."""
        settled = threading.Event()
        keeper = _start("leases", lambda: self._keep_leases(settled), settled)
        taken = 0
        try:
            self._scheduler.sweep()
            self._scheduler.settle()
            while not self.stop.is_set():
                moved = self._relay.relay_batch() + self._support.run_due()
                for consumer in self._consumers:
                    count = consumer.consume(wait_seconds=0)
                    taken += count
                    moved += count
                if not moved:
                    break
        finally:
            settled.set()
            keeper.join(STOP_SECONDS)
        log.info("worker.drained", messages=taken)
        return taken

    def _keep_leases(self, settled: threading.Event) -> None:
        if not settled.wait(RENEW_SECONDS):
            self._keeper.renew()


def _start(name: str, step: Callable[[], None], stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=repeat, args=(name, step, stop), name=name, daemon=True)
    thread.start()
    return thread
