"""The SDK connected to an emulator, once for all tests of this folder and each kind of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator import Emulator
from tests.integration.emulator.sdk import Sdk, Wired


@pytest.fixture(scope="session", params=["sync", "aio"])
def _wired(request: pytest.FixtureRequest) -> Iterator[Wired]:
    with Emulator(duplicate_detection=True) as emulator:
        sdk = Sdk(emulator, is_aio=request.param == "aio")
        yield Wired(emulator, sdk)
        sdk.close()


@pytest.fixture
def wired(_wired: Wired) -> Iterator[Wired]:
    """An emulator with empty queues, and the SDK."""
    yield _wired
    _wired.emulator.faults.end_outage()
    _wired.emulator.faults.clear()
    _wired.emulator.clear()


@pytest.fixture
def emulator(wired: Wired) -> Emulator:
    return wired.emulator


@pytest.fixture
def sdk(wired: Wired) -> Sdk:
    return wired.sdk
