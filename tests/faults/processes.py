"""The service as its operator runs it, one API and one worker, and ways to kill them suddenly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0  # on a machine that is busy with other tests


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A process group with a log; killed as a whole, as by the power supply."""

    def __init__(self, name: str, folder: Path, *arguments: str, **settings: str) -> None:
        """`settings` are more of the environment."""
        self.name = name
        self._folder = folder
        self._arguments = arguments
        self._settings = settings
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BILLERJACKET_")
        }
        environment |= {
            "BILLERJACKET_DATABASE_URL": f"sqlite:///{self._folder / 'test.db'}",
            "BILLERJACKET_SECRET_KEY": "only-for-this-test",
            "PYTHONPATH": str(ROOT),
            **self._settings,
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                cwd=self._folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to every process of the group at once: nobody gets to say goodbye."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """Let it end in peace; kill it if it will not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Service:
    """Both programs on one database."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.api = Program("api", folder, "backend", "api", "--port", str(port))
        self.worker = Program("worker", folder, "worker")

    def start(self) -> None:
        """Start what does not run, and wait until the API answers."""
        for program in (self.api, self.worker):
            if not program.is_running():
                program.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.api.is_running(), self.api.log.read_text()
            assert time.monotonic() < deadline, self.api.log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        for program in (self.api, self.worker):
            program.stop()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False
