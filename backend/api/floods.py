"""How many deliveries an endpoint takes, and how long one too many has to wait.

Token buckets in this process: with several server processes each has its own. An endpoint that is
flooded slows down no other. What is signed and what is not are counted apart, so that whoever
knows an address but no secret cannot keep the provider out.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from backend.errors import TooManyRequests

KEYS_MAX = 10_000  # addresses remembered; those not heard of for longest are forgotten


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, and so many a second in the long run."""

    at_once: int
    per_second: int


# A provider that was away for an hour catches up; a large shop has a few events a second.
SIGNED = Allowance(at_once=1500, per_second=100)
# A provider that signs with an old secret sends as many, but learns nothing by being answered.
UNSIGNED = Allowance(at_once=200, per_second=5)


class Floodgate:
    """Counts what comes for each key. Not thread-safe: it belongs to one event loop."""

    def __init__(
        self, allowance: Allowance, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowance = allowance
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def pass_one(self, key: str) -> None:
        """Let one through for this key; raises TooManyRequests with the wait when it is over."""
        now = self._clock()
        most = float(self._allowance.at_once)
        left, since = self._levels.pop(key, (most, now))
        left = min(most, left + (now - since) * self._allowance.per_second)
        allowed = left >= 1
        self._levels[key] = (left - 1 if allowed else left, now)
        if len(self._levels) > KEYS_MAX:
            self._levels.popitem(last=False)
        if not allowed:
            raise TooManyRequests(
                "This endpoint gets more deliveries than it takes. Please send them later.",
                retry_after_seconds=max(1, math.ceil((1 - left) / self._allowance.per_second)),
            )
