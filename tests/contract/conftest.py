"""The queues under test, in every implementation."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.transports import (
    REAL_BROKER,
    Queues,
    embedded_queues,
    emulated_queues,
    make_sdk_hasty,
    real_queues,
)


@pytest.fixture(params=["embedded", "servicebus", *(["real"] if REAL_BROKER in os.environ else [])])
def queues(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    match request.param:
        case "embedded":
            yield from embedded_queues(
                request.getfixturevalue("db"), request.getfixturevalue("clock")
            )
        case "servicebus":
            make_sdk_hasty(monkeypatch)
            yield from emulated_queues()
        case _:
            yield from real_queues()
