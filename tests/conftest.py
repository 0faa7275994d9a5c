"""What every test may ask for: a clock it can move, a migrated database of its own, a tenant."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import hypothesis
import pytest
import structlog

from backend import migrate
from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from tests.factories import Clock, actor_in, make_customer, make_tenant
from tests.watched import WatchedDatabase

SERVED = Path(__file__).parent / "browser"

# The same stories every time: a failure is then the change's, not the day's. New stories are
# looked for with `make test PYTEST_ARGS="--hypothesis-profile=default tests/property"`.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: many tests mostly wait for something.

    Each of them serves the app for its own share of the browser tests.
    """
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Let a test start a loop of its own although a browser is open in the same process.

    Playwright keeps its loop running in the main thread from the first browser test to the last;
    while a test of another kind runs, that loop is put out of sight.
    """
    running = asyncio._get_running_loop()
    if running is None or SERVED in item.path.parents:
        return (yield)
    asyncio._set_running_loop(None)
    try:
        return (yield)
    finally:
        asyncio._set_running_loop(running)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at head; tests copy it, which is quicker than migrating."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    assert not path.with_name("empty.db-wal").exists(), "the copy would miss what the log holds"
    return path


@pytest.fixture
def database_file(migrated_file: Path, tmp_path: Path) -> Path:
    """This test's own migrated and empty database."""
    return Path(shutil.copy(migrated_file, tmp_path / "test.db"))


@pytest.fixture
def db(database_file: Path, clock: Clock) -> Iterator[Database]:
    database = Database(f"sqlite:///{database_file}", clock=clock)
    yield database
    database.close()


@pytest.fixture
def real_db(database_file: Path) -> Iterator[Database]:
    """The same database with the real clock, as other processes and commands see it."""
    database = Database(f"sqlite:///{database_file}")
    yield database
    database.close()


@pytest.fixture
def tenant_id(db: Database) -> UUID:
    return make_tenant(db)


@pytest.fixture
def actor(tenant_id: UUID) -> Actor:
    """An Admin of the tenant."""
    return actor_in(tenant_id)


@pytest.fixture
def stranger(db: Database) -> Actor:
    """An Admin of another tenant in the same database."""
    return actor_in(make_tenant(db, "Northwind Heating"), who="stranger")


@pytest.fixture
def customer(db: Database, actor: Actor) -> CustomerView:
    """A customer of the tenant, without an e-mail address."""
    return make_customer(db, actor)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """For tests in which the process's logs are set up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def watched(database_file: Path, clock: Clock) -> Iterator[WatchedDatabase]:
    """A database whose transactions a test can watch and break."""
    database = WatchedDatabase(database_file, clock)
    yield database
    database.close()


@pytest.fixture
def mine(watched: WatchedDatabase) -> Actor:
    """An Admin of a tenant in the watched database."""
    return actor_in(make_tenant(watched))
