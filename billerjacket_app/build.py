"""Build the front end when its sources changed, and say how a built app is started.

`build_if_changed()` compares a digest of everything that reaches the browser with the one kept
beside the last build, so an unchanged tree starts in about two seconds. One build serves any
host and port. Nothing here imports Reflex: it is cheap to ask whether there is work.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / ".web" / "build" / "client"
STAMP = ROOT / ".web" / "billerjacket-sources"
LOCK = ROOT / ".reflex" / "build.lock"

# The backend's modules that pages read while they are compiled (currencies, roles, queues, jobs).
SOURCES = (
    "billerjacket_app", "assets", "rxconfig.py", "bunfig.toml", ".npmrc",
    "backend/money.py", "backend/actor.py", "backend/messaging/contracts.py",
    "backend/support/models.py", "backend/tenants/service.py",
)  # fmt: skip
# Pins the npm packages. A build brings it up to date when the sources ask for another package.
PACKAGES = ("reflex.lock",)
PACKAGE_LIST = ROOT / "reflex.lock" / "package.json"

# Installing the packages of a first build takes most of it; a rebuild needs some seconds.
BUILD_SECONDS_MAX = 600


class BuildFailed(Exception):
    """The front end could not be built; the text is the tool's own output."""


def digest_of(names: tuple[str, ...]) -> str:
    """SHA-256 over the names and bytes of these files and folders, and Reflex's version."""
    digest = hashlib.sha256(version("reflex").encode())
    for name in names:
        top = ROOT / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        for file in files:
            # The server side of a page compiles into it as well, so .py files count.
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_built() -> bool:
    """Whether the build on disk is the build of these sources."""
    if not (BUILT / "index.html").exists() or not STAMP.exists():
        return False
    return STAMP.read_text() == _stamp(digest_of(SOURCES))


def build_if_changed() -> bool:
    """Build unless nothing changed; returns whether it built. Raises BuildFailed.

    Processes that ask at the same moment wait for one build.
    """
    if is_built():
        return False
    with _one_at_a_time():
        if is_built():
            return False
        STAMP.unlink(missing_ok=True)
        digest = digest_of(SOURCES)  # before: what changes meanwhile is not in the build
        listed = PACKAGE_LIST.read_bytes() if PACKAGE_LIST.exists() else b""
        done = subprocess.run(
            [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"],
            cwd=ROOT,
            env=os.environ | {"REFLEX_TELEMETRY_ENABLED": "false", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0 or not (BUILT / "index.html").exists():
            raise BuildFailed(done.stdout)
        _keep_form_of(listed)
        STAMP.write_text(_stamp(digest))
        return True


def serve_command(host: str, port: int) -> list[str]:
    """The command that serves the built app; run it in the repository with `serve_environment`."""
    return [
        sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--host", host,
        "--port", str(port), "--no-access-log", "--log-level", "warning",
        "billerjacket_app.billerjacket_app:app",
    ]  # fmt: skip


def serve_environment(host: str, port: int) -> dict[str, str]:
    """What the served app must find in its environment, beside what it inherits.

    The names with two underscores are Reflex's own, for a prebuilt front end: its version is
    pinned exactly, and the browser tests start the app this way.
    """
    return {
        "BILLERJACKET_HOST": host,
        "BILLERJACKET_PORT": str(port),
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }


def _keep_form_of(listed: bytes) -> None:
    """Put the package list back as it was written when the build only set it out differently."""
    if listed and json.loads(listed) == json.loads(PACKAGE_LIST.read_bytes()):
        PACKAGE_LIST.write_bytes(listed)


def _stamp(sources: str) -> str:
    return f"{sources} {digest_of(PACKAGES)}"


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes, also by a crash
        yield


if __name__ == "__main__":
    try:
        built = build_if_changed()
    except BuildFailed as failure:
        sys.exit(f"The front end could not be built:\n{failure}")
    sys.stdout.write("built\n" if built else "unchanged\n")
