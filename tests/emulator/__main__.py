"""The emulator as a process of its own: `python -m tests.emulator --port 5672`.

Prints one line of JSON with its port and connection string once clients can connect, and ends on
SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys

from tests.emulator.server import DEFAULT_QUEUES, Emulator


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; a free one by default")
    parser.add_argument("--lock-seconds", type=float, default=30.0)
    parser.add_argument("--max-deliveries", type=int, default=10)
    parser.add_argument("--duplicate-detection", action="store_true")
    parser.add_argument("--queue", action="append", default=[], help="one more queue")
    given = parser.parse_args()
    stop = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the emulator's thread starts, so that they wait here and nowhere else.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    emulator = Emulator(
        (*DEFAULT_QUEUES, *given.queue),
        lock_seconds=given.lock_seconds,
        max_deliveries=given.max_deliveries,
        duplicate_detection=given.duplicate_detection,
        port=given.port,
    )
    with emulator:
        told = {"port": emulator.port, "connection_string": emulator.connection_string}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        signal.sigwait(stop)


if __name__ == "__main__":
    main()
