"""The API as a process of its own, as `python -m backend api` serves it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS_MAX = 60.0


@dataclass
class Server:
    """A running server: where it is, and its process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """Ask it to end, and wait; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def environment(database_file: Path) -> dict[str, str]:
    """The settings of every process that works on this database."""
    return os.environ | {
        "BILLERJACKET_DATABASE_URL": f"sqlite:///{database_file}",
        "BILLERJACKET_SECRET_KEY": "s" * 32,
        "BILLERJACKET_LOG_FORMAT": "json",
    }


@contextmanager
def serving(database_file: Path, folder: Path, *, workers: int = 1) -> Iterator[Server]:
    """Serve this database until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "backend", "api", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(workers)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(database_file), stdout=log, stderr=log)
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_live(server, folder)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _wait_until_live(server: Server, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()}")
