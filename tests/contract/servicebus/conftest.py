"""A Service Bus of our own, and processes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from backend.messaging.servicebus.transport import ServiceBusTransport
from tests.contract.transports import (
    brisk,
    make_sdk_hasty,
    transport_of,
)
from tests.emulator import Emulator
from tests.emulator.leftovers import sdk_may_leave_sockets


@pytest.fixture(scope="module", autouse=True)
def _sockets_collected() -> Iterator[None]:
    yield
    with sdk_may_leave_sockets():
        pass


@pytest.fixture(autouse=True)
def hasty_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    make_sdk_hasty(monkeypatch)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(duplicate_detection=True) as emulator:
        yield emulator


@pytest.fixture
def mine(emulator: Emulator) -> Iterator[ServiceBusTransport]:
    transport = transport_of(emulator)
    yield transport
    transport.close()


@pytest.fixture
def others(emulator: Emulator) -> Iterator[ServiceBusTransport]:
    transport = transport_of(emulator)
    yield transport
    transport.close()


@pytest.fixture
def hasty_broker(emulator: Emulator) -> Iterator[Callable[..., ServiceBusTransport]]:
    """Makes transports with another pace."""
    made = []

    def make(**pace: Any) -> ServiceBusTransport:
        made.append(transport_of(emulator, replace(brisk(emulator), **pace)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
