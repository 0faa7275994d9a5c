"""Service Bus: the end of a process; credentials, and what is logged."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from backend.errors import Busy
from backend.messaging.servicebus import sdk_logs
from backend.messaging.servicebus.namespace import Namespace
from backend.messaging.servicebus.transport import ServiceBusTransport
from tests.contract.servicebus.helpers import (
    DEAD,
    PAYMENTS,
    fill,
    ids,
    take,
)
from tests.contract.transports import (
    brisk,
    wait_for,
)
from tests.emulator import Counts, Emulator
from tests.emulator.leftovers import SOCKETS_LEFT
from tests.queues import plain_message

pytestmark = pytest.mark.filterwarnings(*SOCKETS_LEFT)


def test_what_arrived_and_was_not_fetched_is_given_back_uncounted_at_the_end(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport]
):
    mine = hasty_broker(unclaimed=60.0)
    assert not mine.receive(PAYMENTS, messages_max=50, wait_seconds=0), "its wish stands"
    emulator.put(PAYMENTS, count=50)
    wait_for(lambda: emulator.counts(PAYMENTS).locked == 50)

    mine.close()

    assert emulator.counts(PAYMENTS) == Counts(ready=50)
    assert {one.delivery_count for one in emulator.messages(PAYMENTS)} == {0}


def test_closing_ends_everything_and_may_be_done_twice(
    emulator: Emulator, mine: ServiceBusTransport
):
    fill(mine, 1)
    take(mine)
    mine.depth(PAYMENTS)
    threads = set(threading.enumerate())

    mine.close()
    mine.close()

    assert mine.receive(PAYMENTS, messages_max=1, wait_seconds=60) == []
    with pytest.raises(Busy):
        fill(mine, 1)
    wait_for(lambda: emulator.connections() == 0)
    assert "service-bus" not in {thread.name for thread in threading.enumerate()} - {
        thread.name for thread in threads if thread.name != "service-bus"
    }


def test_closing_does_not_wait_for_a_broker_that_is_away_or_silent(
    emulator: Emulator, hasty_broker: Callable[..., ServiceBusTransport]
):
    away, silent = hasty_broker(close=1.0), hasty_broker(close=1.0)
    for transport in (away, silent):
        emulator.put(PAYMENTS)
        take(transport)[0].abandon("away", delay_seconds=600)

    started = time.monotonic()
    emulator.faults.fail_settle(how="silence", times=None)
    silent.close()
    emulator.faults.outage()
    away.close()

    assert time.monotonic() - started < 8


def test_a_thread_that_died_is_started_again(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 1)
    assert mine._running is not None
    mine._running[0].stop()

    assert ids(take(mine)) == ["m-0"]


def test_a_forked_child_has_connections_of_its_own(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 1)
    child = os.fork()
    if child == 0:
        try:
            mine.send([plain_message("child's")])
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert sorted(ids(take(mine))) == ["child's", "m-0"]


class Credential:
    """Stands for a managed identity."""

    made: list[Credential]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.is_closed = False
        self.made.append(self)

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("is_production", [True, False])
def test_a_managed_identity_is_used_and_let_go(
    monkeypatch: pytest.MonkeyPatch, emulator: Emulator, is_production: bool
):
    monkeypatch.setattr(Credential, "made", [], raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID", "worker")
    used = "ManagedIdentityCredential" if is_production else "DefaultAzureCredential"
    monkeypatch.setattr(f"azure.identity.aio.{used}", Credential)
    namespace = Namespace(host="billing.servicebus.windows.net", is_production=is_production)
    transport = ServiceBusTransport(namespace, clock=emulator.now, pace=brisk(emulator))

    assert transport.run(_has_browsers)
    (credential,) = Credential.made
    assert credential.options == ({"client_id": "worker"} if is_production else {})
    transport.close()
    assert credential.is_closed


async def _has_browsers(broker: Any) -> bool:
    return broker.browsers is not None


def test_the_secret_is_in_no_text_of_the_transport(emulator: Emulator):
    namespace = Namespace(SecretStr(emulator.connection_string))

    assert "SharedAccessKey=" not in repr(namespace)


def test_the_sdks_noise_is_one_line_of_ours():
    sdk_logs.route()
    sdk_logs.route()
    noisy = logging.getLogger("azure.servicebus.aio.somewhere")
    with capture_logs() as lines:
        for attempt in range(50):
            try:
                raise OSError(f"attempt {attempt}")
            except OSError as error:
                noisy.exception("Unexpected error occurred (%r). Handler shutting down.", error)
        noisy.info("Link state changed")

    assert len(lines) == 1
    assert (lines[0]["event"], lines[0]["log_level"]) == ("servicebus.sdk", "warning")
    assert "exc_info" not in lines[0]
    assert lines[0]["detail"].startswith("Unexpected error occurred (OSError('attempt 0'))")


def test_sequence_numbers_grow(emulator: Emulator, mine: ServiceBusTransport):
    fill(mine, 5)
    for delivery in take(mine):
        delivery.dead_letter(DEAD, "no")

    found = mine.peek_dead_letters(PAYMENTS, after=0, messages_max=10)
    assert all(a.sequence_number < b.sequence_number for a, b in pairwise(found))
