"""Service Bus, over the tests' emulator: the whole way of a message, and a page of dead letters.

The baseline of the way is the SDK alone, as its documentation would have one write it: send in
batches, receive, complete together. Ours writes the same messages into the outbox first; then one
worker relays, receives, checks, handles and completes them. The emulator is a process of its own
for both, and what it takes is part of both.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from backend import migrate
from backend.actor import Actor, platform_system
from backend.bootstrap import Services, open_services
from backend.config import Environment, Settings
from backend.ids import new_id
from backend.messaging.contracts import Queue, WebhookReceived
from backend.messaging.outbox import Pending, envelope_of
from backend.support.letters import LetterFilter, list_letters
from backend.tenants.service import CreateTenant, add_tenant
from backend.unit_of_work import UnitOfWork, run
from bench.measure import Line, Target, duration, median, seconds_of, take_turns
from tests.emulator import Emulator
from worker.process import Worker

QUEUE = Queue.WEBHOOK_INGEST
MESSAGES, MESSAGES_QUICK = 3_000, 1_000
BATCH = 200
ROUNDS = 5
PAGE = 50
SHALLOW, DEEP = 100, 10_000
HANDLED_SECONDS_MAX = 120.0

_NOW = datetime(2026, 3, 4, 18, tzinfo=UTC)


def run_broker(folder: Path, *, quick: bool) -> Iterator[Line]:
    """Outbox to handled against the bare SDK; a page of many dead letters against one of few."""
    with _emulator_process() as connection_string:
        yield _whole_way(folder / "way", connection_string, MESSAGES_QUICK if quick else MESSAGES)
    yield _deep_page(folder, rounds=15 if quick else 40)


def _whole_way(folder: Path, connection_string: str, count: int) -> Line:
    mine, theirs, ratios = [], [], []
    for number in range(ROUNDS):
        turns: list[Callable[[], float]] = [
            partial(_seconds_of_worker, folder / str(number), connection_string, count),
            partial(_seconds_of_sdk, connection_string, count),
        ]
        took = {}
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            took[index] = turns[index]()
        mine.append(count / took[0])
        theirs.append(count / took[1])
        ratios.append(mine[-1] / theirs[-1])
    return Line(
        "Service Bus, outbox to handled",
        "messages/s in one worker, against the SDK alone",
        f"{median(mine):,.0f}/s",
        f"{median(theirs):,.0f}/s",
        median(ratios),
        Target.AT_LEAST,
        0.5,
        {"messages": count, "ratios": ratios},
    )


def _deep_page(folder: Path, *, rounds: int) -> Line:
    with Emulator() as shallow, Emulator() as deep:
        shallow.put_dead(QUEUE, count=SHALLOW)
        deep.put_dead(QUEUE, count=DEEP)
        few = _open(folder / "few", shallow.connection_string)
        many = _open(folder / "many", deep.connection_string)
        try:
            ours, baseline, ratio = take_turns(
                partial(_middle_page, many, DEEP),
                partial(_middle_page, few, SHALLOW),
                rounds=rounds,
            )
        finally:
            few.close()
            many.close()
    return Line(
        "Dead letters, deep",
        f"a page of {PAGE} in the middle of {DEEP:,}, against {SHALLOW}",
        duration(ours),
        duration(baseline),
        ratio,
        Target.AT_MOST,
        1.2,
    )


def _middle_page(services: Services, count: int) -> None:
    page = list_letters(
        services.db,
        services.transport,
        platform_system("bench"),
        LetterFilter(queue=QUEUE),
        limit=PAGE,
        cursor=None,
    )
    letters = services.transport.peek_dead_letters(QUEUE, after=count // 2, messages_max=PAGE)
    assert len(page.items) == len(letters) == PAGE


def _seconds_of_sdk(connection_string: str, count: int) -> float:
    bodies = [_body(new_id()) for _ in range(count)]
    return asyncio.run(_bare(connection_string, bodies))


async def _bare(connection_string: str, bodies: list[bytes]) -> float:
    """From connecting until the last one is completed; not what closing takes."""
    started = time.perf_counter()
    async with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(QUEUE) as sender,
        client.get_queue_receiver(QUEUE) as receiver,
    ):
        for start in range(0, len(bodies), BATCH):
            batch = await sender.create_message_batch()
            for body in bodies[start : start + BATCH]:
                batch.add_message(ServiceBusMessage(body, message_id=str(new_id())))
            await sender.send_messages(batch)
        done = 0
        while done < len(bodies):
            messages = await receiver.receive_messages(BATCH, max_wait_time=5)
            await asyncio.gather(*(receiver.complete_message(one) for one in messages))
            done += len(messages)
        return time.perf_counter() - started


def _seconds_of_worker(folder: Path, connection_string: str, count: int) -> float:
    """One worker, from its start until it has handled them all; not what stopping takes."""
    services = _open(folder, connection_string)
    tenant_id = run(services.db, platform_system("bench"), add_tenant, CreateTenant("Bench"))
    _fill_outbox(services, tenant_id, count)
    handled = threading.Semaphore(0)
    worker = Worker(services, {WebhookReceived: lambda *_given: handled.release()})
    running = threading.Thread(target=worker.run)

    def work() -> None:
        running.start()
        for _ in range(count):
            assert handled.acquire(timeout=HANDLED_SECONDS_MAX), "messages are missing"

    took = seconds_of(work)
    worker.stop.set()
    running.join()
    # Closed, so that it takes nothing from those who come after.
    services.close()
    return took


def _fill_outbox(services: Services, tenant_id: UUID, count: int) -> None:
    def fill(work: UnitOfWork) -> None:
        for _ in range(count):
            work.send(WebhookReceived(webhook_event_id=new_id()))

    run(services.db, Actor.system(tenant_id, "bench"), fill)


def _body(tenant_id: UUID) -> bytes:
    """As long as those that the worker gets."""
    pending = Pending(new_id(), WebhookReceived(webhook_event_id=new_id()), _NOW)
    return envelope_of(
        pending,
        tenant_id=tenant_id,
        correlation_id="bench",
        causation_id=None,
        user_id=None,
        occurred_at=_NOW,
    ).encode()


def _open(folder: Path, connection_string: str) -> Services:
    folder.mkdir(parents=True)
    services = open_services(
        Settings(
            _env_file=None,
            environment=Environment.TEST,
            database_url=f"sqlite:///{folder / 'bench.db'}",
            servicebus_connection_string=connection_string,
        )
    )
    migrate.upgrade(services.db)
    return services


@contextmanager
def _emulator_process() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.emulator"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["connection_string"]
    finally:
        process.terminate()
        process.wait(10)
