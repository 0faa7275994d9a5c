"""What the SDK leaves behind when its connection is cut."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sdk_may_leave_sockets() -> Iterator[None]:
    """Bear with sockets that are closed only when nobody holds them any more.

    azure-servicebus 7.15 forgets to close the socket of a connection that failed: its
    `Connection.close` sets the state to END when saying goodbye fails, and the `_disconnect` that
    should close the socket then returns at once. Python closes it with the last reference, and
    warns; on leaving the block that has happened.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        warnings.filterwarnings("ignore", "loop is closed", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()
