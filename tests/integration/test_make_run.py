"""What `make run` starts: everything at once, in one piece, and nothing left afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from backend.db.engine import Database
from tests.factories import make_tenant

ROOT = Path(__file__).parents[2]
# The front end may have to be built first, on a machine that is busy with other tests.
START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60


@dataclass
class Run:
    """A started `python -m scripts.run`, and what it has written so far."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    def answers(self, path: str = "/healthz") -> bool:
        try:
            return self.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, **headers: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, headers=headers, trust_env=False, follow_redirects=True)

    def parts(self) -> list[int]:
        """The processes it has started, by id, in order."""
        mine = str(self.process.pid)
        if Path("/proc").is_dir():
            found = []
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError):  # It has just ended.
                    # After the name in parentheses: the state, then the parent.
                    text = stat.read_text()
                    if text.rpartition(")")[2].split()[1] == mine:
                        found.append(text.split()[0])
        else:
            listed = subprocess.run(
                ["pgrep", "-P", mine],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
            )
            found = listed.stdout.split()
        return sorted(int(pid) for pid in found)

    def is_welcoming(self) -> bool:
        assert self.process.poll() is None, self.text()
        return "Ctrl-C stops everything." in self.text()


@contextlib.contextmanager
def running(part: str, folder: Path, **settings: str) -> Iterator[Run]:
    port = free_port()
    output = folder / f"{part}-{port}.txt"
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("BILLERJACKET_")}
    surroundings |= {
        "PORT": str(port),
        "BILLERJACKET_DATABASE_URL": f"sqlite:///{folder}/run.db",
    }
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.run", part],
            cwd=ROOT,
            env=surroundings | settings,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Run(process, port, output)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(is_so: Callable[[], bool], seconds_max: float) -> bool:
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.1)
    return False


def test_the_first_start_seeds_and_shows_the_key_and_the_second_keeps_it_to_itself(
    tmp_path: Path,
):
    with running("all", tmp_path) as first:
        assert wait_until(first.is_welcoming, START_SECONDS_MAX), first.text()
        assert f"http://127.0.0.1:{first.port}" in first.text()
        key = re.search(r"bj_\w+", first.text())
        tenant = re.search(r"Demo tenant id +([0-9a-f-]{36})", first.text())
        assert key, first.text()
        assert tenant, first.text()
        headers = {"X-Api-Key": key[0], "X-Tenant-Id": tenant[1]}
        assert first.get("/api/invoices", **headers).json()["items"]
        assert "BillerJacket" in first.get("/login").text
        parts = first.parts()
        assert len(parts) == 2, "app and worker"
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(STOP_SECONDS_MAX) == 0
        assert not first.answers()

    with running("all", tmp_path) as second:
        assert wait_until(second.is_welcoming, START_SECONDS_MAX), second.text()
        assert "bj_" not in second.text()
        assert second.get("/api/invoices", **headers).json()["items"]
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(STOP_SECONDS_MAX) == 0


def test_when_one_part_dies_the_others_are_stopped_and_it_is_said(
    db: Database, database_file: Path, tmp_path: Path
):
    make_tenant(db)  # no demo is made for who has a business
    database_file.rename(tmp_path / "run.db")
    with running("all", tmp_path) as run:
        assert wait_until(run.is_welcoming, START_SECONDS_MAX), run.text()
        _, worker = run.parts()
        os.kill(worker, signal.SIGKILL)
        assert run.process.wait(STOP_SECONDS_MAX) == 1
        assert "the worker ended with status -9" in run.text()
        assert not run.answers()


def test_a_port_in_use_is_one_clear_line(tmp_path: Path):
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with running("all", tmp_path, PORT=str(port)) as run:
            assert run.process.wait(STOP_SECONDS_MAX) == 1
            (line,) = run.text().splitlines()
            assert f"cannot listen on 127.0.0.1:{port}" in line


def test_the_app_alone_has_no_demo_data(tmp_path: Path):
    with running("app", tmp_path) as app:
        assert wait_until(app.answers, START_SECONDS_MAX), app.text()
        assert app.answers("/readyz")
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(STOP_SECONDS_MAX)
    assert not app.answers()


def test_a_wrong_setting_stops_it_at_once(tmp_path: Path):
    with running("worker", tmp_path, BILLERJACKET_EMAIL_URL="acs://x") as run:
        assert run.process.wait(STOP_SECONDS_MAX) == 2
        assert run.text().startswith("BILLERJACKET_EMAIL_URL: expected ")
