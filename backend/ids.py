"""Row and message ids: UUID version 7 (RFC 9562), so that ids made later sort later."""

from __future__ import annotations

import os
import random
import time
from uuid import UUID

# Ids must differ, not be unguessable. Asking the system for random bytes would let go of the
# interpreter lock a dozen times in each payment; a generator of our own, seeded by the system and
# anew in every forked process, does not.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | _random.getrandbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return UUID(int=value)
