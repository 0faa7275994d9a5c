"""The service as its operator runs it, for the tests that kill it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Service


@pytest.fixture
def service(database_file: Path) -> Iterator[Service]:
    service = Service(database_file.parent)
    yield service
    service.stop()
