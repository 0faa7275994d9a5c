"""How long things may take, and how often they are done; tests run faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.messaging.transport import LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, all of them."""

    # One attempt: connecting, or a question and its answer. Three still fit into a lease.
    attempt: float = 10.0
    # Before another attempt; four times as long before the next.
    pause: float = 0.2
    # From the moment the broker knows that we want messages until "there are none" may be said.
    look: float = 1.0
    # The same where the broker has known for longer than that: time for what is on its way.
    glance: float = 0.3
    # How long one wish for messages stands; a new one costs a frame.
    standing: float = 30.0
    # Received but not fetched by anybody: given back, so that others can have them.
    unclaimed: float = 5.0
    # Two renewals may fail before a lock ends.
    renew: float = LEASE_SECONDS / 3
    # How exactly a back-off is kept.
    tick: float = 1.0
    # A connection that nobody uses is closed; some brokers allow only ten of them.
    browser_idle: float = 30.0
    sender_idle: float = 120.0
    # How long a read waits for the next frame. Nothing can be written meanwhile.
    read: float = 0.2
    # All of a stop.
    close: float = 3.0
    # Measures back-offs and renewals.
    clock: Callable[[], float] = time.monotonic
