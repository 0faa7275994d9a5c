"""The SDK connected to an emulator, once for all tests of this folder and each kind of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator import Emulator
from tests.emulator.leftovers import sdk_may_leave_sockets
from tests.integration.emulator.sdk import Sdk, Wired


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    # Once for a module, since it takes a while; its tests bear with them by their mark.
    yield
    with sdk_may_leave_sockets():
        pass


def _connected(*, is_aio: bool) -> Iterator[Wired]:
    with sdk_may_leave_sockets(), Emulator(duplicate_detection=True) as emulator:
        sdk = Sdk(emulator, is_aio=is_aio)
        yield Wired(emulator, sdk)
        sdk.close()


@pytest.fixture(scope="session")
def _wired_sync() -> Iterator[Wired]:
    yield from _connected(is_aio=False)


@pytest.fixture(scope="session")
def _wired_aio() -> Iterator[Wired]:
    yield from _connected(is_aio=True)


@pytest.fixture(params=["sync", "aio"])
def wired(request: pytest.FixtureRequest) -> Iterator[Wired]:
    """An emulator with empty queues, and the SDK connected to it."""
    wired: Wired = request.getfixturevalue(f"_wired_{request.param}")
    yield wired
    wired.emulator.faults.end_outage()
    wired.emulator.faults.clear()
    wired.emulator.clear()


@pytest.fixture
def emulator(wired: Wired) -> Emulator:
    return wired.emulator


@pytest.fixture
def sdk(wired: Wired) -> Sdk:
    return wired.sdk
