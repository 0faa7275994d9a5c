"""The real app for a browser: built once, served with its worker on a database of its own.

One Chromium for all tests, one sign-in for each role; every test gets its own context, so nothing
leaks from one to the next. A console error, an exception in a page, or an answer of 500 and above
fails the test in which it happens.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from backend import migrate
from backend.actor import Actor, Role, platform_system
from backend.db.engine import Database
from backend.identity.users import CreateUser, create_user, hash_new_password
from backend.invoices.queries import InvoiceView
from backend.messaging.embedded import EmbeddedTransport
from backend.onboarding import create_tenant
from backend.tenants.service import CreateTenant
from backend.unit_of_work import run
from billerjacket_app.build import build_if_changed, serve_command, serve_environment
from scripts.chromium import find_chromium
from tests.browser.dead_letters import DeadLettersScreen, Quiet, fill
from tests.browser.screens import wait_until_ready
from tests.factories import actor_in

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(__file__).parent / "screenshots"
PASSWORD = "correct horse battery staple"
TIME_ZONE = "America/Chicago"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
# Long for a quiet machine; a busy one must not fail a test that is right.
ACTION_MS_MAX = 15_000


@dataclass
class World:
    """What the served app shows: two businesses, and somebody of every role in the first."""

    db: Database
    tenant_id: UUID
    other_tenant_id: UUID
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """An Admin of the first business, acting beside the browser."""
        return actor_in(self.tenant_id)

    @property
    def stranger(self) -> Actor:
        """An Admin of the other business."""
        return actor_in(self.other_tenant_id)

    @property
    def today(self) -> date:
        """The calendar day it is now for the first business."""
        return self.db.clock().astimezone(ZoneInfo(TIME_ZONE)).date()

    def email(self, role: str) -> str:
        """The sign-in of a role."""
        return f"{role}@example.com"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database with people in it, and the app and the worker serving it."""
    with run_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@contextmanager
def run_world(folder: Path, **settings: str) -> Iterator[World]:
    """A world of its own in a folder; `settings` are more of its environment."""
    build_if_changed()
    url = f"sqlite:///{folder / 'world.db'}"
    db = Database(url)
    migrate.upgrade(db)
    made = populate(db)
    port = _free_port()
    made.url = f"http://localhost:{port}"
    made.environment = {
        **os.environ,
        **serve_environment("127.0.0.1", port),
        "BILLERJACKET_DATABASE_URL": url,
        "BILLERJACKET_SECRET_KEY": "only for the tests of the browser",
        "BILLERJACKET_PUBLIC_URL": made.url,
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    log = (folder / "server.log").open("w")
    app = _start(serve_command("127.0.0.1", port), made.environment, log)
    worker = _start([sys.executable, "-m", "worker"], made.environment, log)
    try:
        _wait_until_served(made.url, app, folder / "server.log")
        yield made
    finally:
        for process in (worker, app):
            process.terminate()
        for process in (worker, app):
            process.wait(STOP_SECONDS_MAX)
        log.close()
        db.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run."""
    expect.set_options(timeout=ACTION_MS_MAX)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sign_in(world: World, chromium: Browser) -> Callable[[str], StorageState]:
    """The stored sign-in of a role, made by the real form once."""
    return kept_sign_ins(chromium, world)


def kept_sign_ins(chromium: Browser, world: World) -> Callable[[str], StorageState]:
    """Gives the stored sign-in of a role in this world."""
    kept: dict[str, StorageState] = {}

    def stored(role: str) -> StorageState:
        if role not in kept:
            with closing(chromium.new_context(base_url=world.url)) as context:
                page = context.new_page()
                page.goto("/login")
                page.get_by_label("E-mail").fill(world.email(role))
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_test_id("login-submit").click()
                page.wait_for_url(lambda url: "/login" not in url)
                kept[role] = context.storage_state()
        return kept[role]

    return stored


Opener = Callable[..., Page]
LettersOpener = Callable[..., DeadLettersScreen]


@pytest.fixture
def open_page(
    world: World, chromium: Browser, sign_in: Callable[[str], StorageState]
) -> Iterator[Opener]:
    """Open an address as a role (or as nobody) in a fresh context, and wait until it is ready.

    `open_page("/invoices", role="finance", dark=True, width=390)`; `at` is the address of another
    process of the app. What goes wrong in any of the
    pages fails the test at its end; `allow` names texts of console errors that are expected.
    """
    with opening(chromium, world, sign_in) as opened:
        yield opened


@contextmanager
def opening(
    chromium: Browser, world: World, sign_in: Callable[[str], StorageState]
) -> Iterator[Opener]:
    """What `open_page` does, in this world."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []
    allowed: list[str] = []

    def opened(
        path: str,
        *,
        at: str = "",
        role: str | None = "admin",
        dark: bool = False,
        width: int = 1440,
        height: int = 900,
        allow: tuple[str, ...] = (),
    ) -> Page:
        allowed.extend(allow)
        context = chromium.new_context(
            base_url=at or world.url,
            storage_state=sign_in(role) if role else None,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_default_timeout(ACTION_MS_MAX)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status > 499 else None
        )
        page.goto(path)
        wait_until_ready(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    unexpected = [text for text in wrong if not any(part in text for part in allowed)]
    assert not unexpected, unexpected


@pytest.fixture(scope="session")
def quiet(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """The app on a database that no worker works on: a test does what a worker would."""
    url = f"sqlite:///{tmp_path_factory.mktemp('quiet') / 'quiet.db'}"
    with closing(Database(url)) as db:
        migrate.upgrade(db)
        made = populate(db)
        made.environment = world.environment | {"BILLERJACKET_DATABASE_URL": url}
        with served(made) as app, closing(EmbeddedTransport(db)) as transport:
            made.url = app.url
            yield Quiet(made, transport)


@pytest.fixture(scope="session")
def gallery(quiet: Quiet) -> InvoiceView:
    """Dead letters of every kind; the invoice that its payments are for."""
    return fill(quiet)


@pytest.fixture(scope="session")
def sign_in_quiet(quiet: Quiet, chromium: Browser) -> Callable[[str], StorageState]:
    """As `sign_in`, on the quiet database."""
    return kept_sign_ins(chromium, quiet.world)


@pytest.fixture
def open_dlq(
    quiet: Quiet, chromium: Browser, sign_in_quiet: Callable[[str], StorageState]
) -> Iterator[LettersOpener]:
    """As `open_page`, on the quiet database; the dead letters, by somebody of support."""
    with opening(chromium, quiet.world, sign_in_quiet) as opened:

        def opened_letters(
            path: str = "/support/dlq", *, role: str = "support"
        ) -> DeadLettersScreen:
            return DeadLettersScreen(opened(path, role=role))

        yield opened_letters


def screenshot(page: Page, name: str) -> Path:
    """Keep a picture of the page for a person to look at; the folder is not in git."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def populate(db: Database) -> World:
    """Two businesses, and people of every role who may sign in with PASSWORD."""
    system = platform_system("test")
    tenant = run(db, system, create_tenant, CreateTenant("Ridge Roofing", time_zone=TIME_ZONE))
    other = run(db, system, create_tenant, CreateTenant("Northwind Heating"))
    password_hash = hash_new_password(PASSWORD, email="somebody@example.com")
    people: list[tuple[str, Role, UUID | None]] = [
        ("admin", Role.ADMIN, tenant),
        ("finance", Role.FINANCE, tenant),
        ("support", Role.SUPPORT, tenant),
        ("stranger", Role.ADMIN, other),
        ("superadmin", Role.SUPERADMIN, None),
    ]
    for name, role, home in people:
        user = CreateUser(f"{name}@example.com", role, home, password_hash, f"Dana {name}")
        run(db, system, create_user, user)
    return World(db, tenant, other)


@contextmanager
def served(world: World) -> Iterator[AppProcess]:
    """Another process of the app on the same database, which a test may stop and start."""
    port = _free_port()
    url = f"http://localhost:{port}"
    environment = {
        **world.environment,
        **serve_environment("127.0.0.1", port),
        "BILLERJACKET_PUBLIC_URL": url,
    }
    app = AppProcess(url, serve_command("127.0.0.1", port), environment)
    app.start()
    try:
        yield app
    finally:
        app.stop()


@dataclass
class AppProcess:
    """The app on one port."""

    url: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = _start(self.command, self.environment, subprocess.DEVNULL)
        _wait_until_served(self.url, self.process)

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS_MAX)


def _start(command: list[str], environment: dict[str, str], log: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
    )


def _wait_until_served(url: str, app: subprocess.Popen[bytes], log: Path | None = None) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if app.poll() is not None:
            pytest.exit(f"the app did not start:\n{log.read_text()[-4000:] if log else ''}")
        try:
            if httpx.get(f"{url}/ping", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.exit(f"the app was not ready in time:\n{log.read_text()[-4000:] if log else ''}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
