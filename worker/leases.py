"""Renews the leases of what this process has in hand, so that slow work is not taken away.

A process that dies stops renewing, and its messages are due again within LEASE_SECONDS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from backend.messaging.transport import LEASE_SECONDS, Delivery, Transport

# Two renewals may fail before a lease ends.
RENEW_SECONDS = LEASE_SECONDS / 3
# A handler that takes longer than this hangs: let another worker have its message.
HOLD_SECONDS_MAX = 900.0

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Knows the deliveries in hand. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._held: dict[int, tuple[Delivery, float]] = {}
        self._lock = threading.Lock()

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Keep these leases alive from now on."""
        since = time.monotonic()
        with self._lock:
            self._held.update((id(delivery), (delivery, since)) for delivery in deliveries)

    def let_go(self, delivery: Delivery) -> None:
        """It is settled, or somebody else's: leave its lease alone."""
        with self._lock:
            self._held.pop(id(delivery), None)

    def renew(self) -> None:
        """Renew all leases once."""
        too_old = time.monotonic() - HOLD_SECONDS_MAX
        with self._lock:
            held = list(self._held.values())
        alive = [delivery for delivery, since in held if since > too_old]
        lost = self._transport.renew(alive)
        for delivery in lost:
            log.warning("message.lease_lost", message_id=delivery.message_id)
            self.let_go(delivery)
        for delivery, since in held:
            if since <= too_old:
                log.error("message.hangs", message_id=delivery.message_id)
                self.let_go(delivery)
