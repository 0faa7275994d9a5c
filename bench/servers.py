"""Starting and stopping the servers that are measured: each a process of its own.

They log as in production, ours a line for each request; the lines go nowhere, for a file on the
disk that is measured would take turns with the database.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 20.0
SECRET_KEY = "only-for-this-benchmark-" + "0" * 32


@contextlib.contextmanager
def serving(module: str, *arguments: str, database: Path) -> Iterator[int]:
    """Run `python -m module … --port N` on a database until the block ends; its port."""
    port = free_port()
    command = [sys.executable, "-m", module, *arguments, "--port", str(port)]
    environment = os.environ | {
        "BILLERJACKET_DATABASE_URL": f"sqlite:///{database}",
        "BILLERJACKET_ENVIRONMENT": "test",
        "BILLERJACKET_LOG_FORMAT": "json",
        "BILLERJACKET_SECRET_KEY": SECRET_KEY,
    }
    with running(command, environment, port):
        yield port


@contextlib.contextmanager
def running(
    command: list[str], environment: dict[str, str], port: int, *, cwd: Path | None = None
) -> Iterator[None]:
    """Run a command that listens on a port until the block ends."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=nowhere, stderr=nowhere)
    try:
        _wait_until_listening(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {process.args!r}")
