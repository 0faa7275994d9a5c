"""Processes that were started by others, and must not outlive them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

# A process that was only just starting does not hear the first signal; one that hangs, none.
SIGNALS_MAX = 15
BETWEEN_SIGNALS_SECONDS = 1.0


def end_with_parent() -> None:
    """Stop this process when the one that started it dies, however it dies.

    For the workers of a server: one that is left behind would go on answering on the port of a
    service that was killed. Without a parent of that kind there is nothing to do.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        for _ in range(SIGNALS_MAX):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(BETWEEN_SIGNALS_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
