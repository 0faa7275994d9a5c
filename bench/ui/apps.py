"""The two apps that are compared, each built for production and served by a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from backend.actor import Role, platform_system
from backend.db.engine import Database
from backend.identity.sessions import start_session
from backend.identity.users import CreateUser, create_user, hash_new_password
from backend.unit_of_work import run
from bench.servers import SECRET_KEY, free_port, running
from billerjacket_app.build import ROOT, build_if_changed, serve_command, serve_environment

EMPTY = Path(__file__).resolve().parents[1] / "baseline" / "empty_page"


@contextlib.contextmanager
def serve_empty(directory: Path) -> Iterator[str]:
    """The empty app, built in a directory; its address."""
    home = directory / "empty"
    shutil.copytree(EMPTY, home, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("bunfig.toml", ".npmrc"):
        shutil.copy(ROOT / name, home / name)
    port = free_port()
    environment = os.environ | {
        "PORT": str(port),
        "PYTHONPATH": str(home),
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }
    subprocess.run(
        [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"],
        cwd=home, env=environment, check=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    command = [*serve_command("127.0.0.1", port)[:-1], "empty_page.empty_page:app"]
    given = environment | {
        name: value
        for name, value in serve_environment("127.0.0.1", port).items()
        if not name.startswith("BILLERJACKET_")
    }
    with running(command, given, port, cwd=home):
        yield f"http://localhost:{port}"


@contextlib.contextmanager
def serve_ours(path: Path) -> Iterator[str]:
    """The operator app on a database; its address."""
    build_if_changed()
    port = free_port()
    environment = os.environ | {
        **serve_environment("127.0.0.1", port),
        "BILLERJACKET_DATABASE_URL": f"sqlite:///{path}",
        "BILLERJACKET_SECRET_KEY": SECRET_KEY,
        "BILLERJACKET_PUBLIC_URL": f"http://localhost:{port}",
        "BILLERJACKET_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    with running(serve_command("127.0.0.1", port), environment, port, cwd=ROOT):
        yield f"http://localhost:{port}"


def sign_in(path: Path, tenant_id: UUID, count: int) -> list[str]:
    """As many new Admins of a business, each with a session; the values of their cookies."""
    system = platform_system("bench")
    password = hash_new_password("correct horse battery staple", email="nobody@example.com")
    tokens = []
    # The clock of the books stands still; sessions end by the real one.
    with contextlib.closing(Database(f"sqlite:///{path}")) as db:
        for number in range(count):
            email = f"o{number}@{tenant_id.hex}.example"
            user = CreateUser(email, Role.ADMIN, tenant_id, password)
            user_id = run(db, system, create_user, user)
            session = run(
                db, system, start_session, user_id, address="127.0.0.1", user_agent="bench"
            )
            tokens.append(session.token)
    return tokens
