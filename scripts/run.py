"""What `make run`, `make app` and `make worker` start.

Everything runs in the foreground and in one process group, so Ctrl-C reaches all of it. Nothing
is restarted behind anybody's back: when one part ends, the others are stopped and that is said.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import NoReturn

from backend import migrate
from backend.actor import platform_system
from backend.bootstrap import open_services
from backend.cli.command import start as start_command
from backend.config import Settings, WrongSettings
from backend.demo.service import PASSWORD, DemoResult, seed_if_empty
from backend.demo.shop import Desk
from backend.demo.words import ROOFING
from backend.errors import BillerJacketError
from backend.identity.users import is_registered
from backend.unit_of_work import read
from billerjacket_app.build import (
    BuildFailed,
    build_if_changed,
    is_built,
    serve_command,
    serve_environment,
)

ROOT = Path(__file__).resolve().parent.parent
WORKER = [sys.executable, "-m", "worker"]

# The app imports Reflex and opens the database; on a busy two-core machine this takes a while.
START_SECONDS_MAX = 60.0
# A part that was asked to stop answers what it has begun first; then it is not asked any more.
STOP_SECONDS_MAX = 30.0
# Ctrl-C in a terminal reaches the parts by itself: a moment to act on it before they are told.
OWN_STOP_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.2

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class CannotRun(Exception):
    """What was asked cannot be started; the text is for the person who asked."""


class Stopped(Exception):
    """Somebody asked us to stop."""


def main() -> int:
    """Start the part that the first argument names; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.run", description=__doc__)
    parser.add_argument("part", choices=["all", "app", "worker"])
    part = parser.parse_args().part
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    if os.environ.get("PORT"):
        os.environ["BILLERJACKET_PORT"] = os.environ["PORT"]
    try:
        settings = start_command()
        {"all": run_all, "app": run_app, "worker": run_worker}[part](settings)
    except WrongSettings as wrong:
        return _fail(str(wrong), status=2)
    except (CannotRun, BillerJacketError, OSError) as problem:
        return _fail(f"error: {problem}")
    except BuildFailed as failure:
        return _fail(f"{failure}\nerror: the front end could not be built")
    except Stopped:
        return 0
    return 1


def run_all(settings: Settings) -> None:
    """Migrate, seed an empty database, build, start app and worker, and stay with them.

    Raises CannotRun when a part ends by itself.
    """
    _require_free_port(settings)
    if not is_built():
        _say("Building the front end; the first time this takes half a minute …")
    with ThreadPoolExecutor(1) as beside:
        building = beside.submit(build_if_changed)
        welcome = _prepare_demo(settings)
        building.result()
    with _parts() as start:
        start("app", serve_command(settings.host, settings.port), _app_environment(settings))
        start("worker", WORKER, {})
        start.wait_until_serving(settings)
        _say(_running(settings, welcome))
        start.stay()


def run_app(settings: Settings) -> NoReturn:
    """Migrate, build, and become the app."""
    _require_free_port(settings)
    build_if_changed()
    _migrate(settings)
    _become(serve_command(settings.host, settings.port), _app_environment(settings))


def run_worker(settings: Settings) -> NoReturn:
    """Migrate, and become the worker."""
    _migrate(settings)
    _become(WORKER, {})


class Parts:
    """The processes that were started; they live and end together."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __call__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a part."""
        self._running[name] = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, preexec_fn=_end_with_parent
        )

    def wait_until_serving(self, settings: Settings) -> None:
        """Return when the app answers. Raises CannotRun when it does not within a minute."""
        url = f"{_address(settings)}/healthz"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            self._check()
            try:
                with direct.open(url, timeout=2):
                    return
            except OSError:
                time.sleep(LOOK_EVERY_SECONDS)
        raise CannotRun(f"the app did not answer at {url} within {START_SECONDS_MAX:.0f} seconds")

    def stay(self) -> NoReturn:
        """Wait for as long as every part runs. Raises CannotRun when one ends."""
        while True:
            self._check()
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """Stop every part and wait for its end."""
        self._wait(OWN_STOP_SECONDS)
        for process in self._alive():
            process.terminate()
        self._wait(STOP_SECONDS_MAX)
        for process in self._alive():
            process.kill()
            process.wait()

    def _check(self) -> None:
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                raise CannotRun(f"the {name} ended with status {status}; everything is stopped")

    def _alive(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self._running.values() if process.poll() is None]

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.05)


@contextlib.contextmanager
def _parts() -> Iterator[Parts]:
    parts = Parts()
    try:
        yield parts
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        parts.stop()


def _migrate(settings: Settings) -> None:
    services = open_services(settings)
    try:
        migrate.upgrade(services.db)
    finally:
        services.close()


def _prepare_demo(settings: Settings) -> list[str]:
    """Bring the tables to head, and the demo into an empty database; the lines that say so."""
    services = open_services(settings)
    try:
        migrate.upgrade(services.db)
        made = seed_if_empty(services)
        admin = f"{Desk.ADMIN}@{ROOFING.domain}"
        there = made or read(services.db, platform_system("run"), is_registered, admin)
    finally:
        services.close()
    lines = []
    if there:
        lines += [f"  Sign in with    {admin}", f"  Password        {PASSWORD}", ""]
    if made:
        lines += _shown_once(made)
    return lines


def _shown_once(made: DemoResult) -> list[str]:
    return [
        f"  Demo API key    {made.api_key}",
        f"  Demo tenant id  {made.tenants[0].id}",
        "  The key is shown only this once.",
        "",
    ]


def _require_free_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server will: a port whose last connections are just closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise CannotRun(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                "choose another one with PORT=…"
            ) from error


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    os.chdir(ROOT)
    os.execve(command[0], command, os.environ | environment)  # noqa: S606


def _app_environment(settings: Settings) -> dict[str, str]:
    return serve_environment(settings.host, settings.port)


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def _running(settings: Settings, lines: list[str]) -> str:
    address = f"  BillerJacket is running at {_address(settings)}"
    return "\n".join(["", address, "", *lines, "  Ctrl-C stops everything.", ""])


def _end_with_parent() -> None:
    """In a child, before it becomes a part: end when the supervisor is killed outright (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(text: str, *, status: int = 1) -> int:
    sys.stderr.write(text + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
