"""The API in process, over a migrated database of the test's own, with two tenants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.api.app import create_app
from backend.bootstrap import Services, open_services
from backend.config import Settings
from tests.contract.api.client import Client
from tests.contract.api.house import House
from tests.factories import Clock


@pytest.fixture
def services(database_file: Path, clock: Clock) -> Iterator[Services]:
    settings = Settings(
        database_url=SecretStr(f"sqlite:///{database_file}"), secret_key=SecretStr("s" * 32)
    )
    opened = open_services(settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> Iterator[Client]:
    with Client(create_app(services)) as opened:
        yield opened


@pytest.fixture
def house(client: Client, services: Services) -> House:
    """A tenant in Chicago that bills in dollars."""
    return House.build(client, services, "Ridge Roofing", time_zone="America/Chicago")


@pytest.fixture
def stranger(client: Client, services: Services) -> House:
    """Another tenant in the same database."""
    return House.build(client, services, "Northwind Heating")
