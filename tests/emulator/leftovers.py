"""What the SDK leaves behind when its connection is cut."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# azure-servicebus 7.15 forgets to close the socket of a connection that failed: its
# `Connection.close` sets the state to END when saying goodbye fails, and the `_disconnect` that
# should close the socket then returns at once. Python closes it with the last reference, and warns.
# For pytest's mark `filterwarnings`:
SOCKETS_LEFT = ("ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning")


@contextmanager
def sdk_may_leave_sockets() -> Iterator[None]:
    """Bear with such sockets; on leaving the block they are closed."""
    with warnings.catch_warnings():
        for rule in SOCKETS_LEFT:
            warnings.filterwarnings("ignore", rule.split(":")[1], ResourceWarning)
        try:
            yield
        finally:
            gc.collect()
