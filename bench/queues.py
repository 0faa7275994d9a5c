"""The embedded queue against huey's SqliteHuey: a message from being queued to being completed.

Both are durable to the same degree (WAL, synchronous=FULL). Ours works in batches, which is what
it is made for and what huey has no way of doing, and keeps every message as a record, which huey
does not. A second line has each message go through the worker's dispatch as well: its envelope
checked, its tenant looked up, a handler called.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

from huey import SqliteHuey

from backend import migrate
from backend.actor import platform_system
from backend.bootstrap import Services, open_services
from backend.config import Environment, Settings
from backend.ids import new_id
from backend.messaging.contracts import Queue, WebhookReceived
from backend.messaging.outbox import Pending, envelope_of
from backend.messaging.transport import Outgoing
from backend.tenants.service import CreateTenant, add_tenant
from backend.unit_of_work import run
from bench.measure import Line, Target, median, seconds_of
from worker.consumer import Consumer
from worker.dispatch import Handlers
from worker.leases import LeaseKeeper

QUEUE = Queue.WEBHOOK_INGEST
BATCH = 200  # as many as the relay sends at once
ROUNDS = 3
MESSAGES, MESSAGES_OF_HUEY = 4_000, 1_000
SHALLOW, DEEP = 1_000, 100_000


def run_queues(folder: Path, *, quick: bool) -> Iterator[Line]:
    """Against huey, without and with the worker around it; and a deep queue against a shallow."""
    services, tenant_id = _open(folder / "ours")
    try:
        huey = _open_huey(folder / "huey")
        yield _against_huey(
            "Embedded queue",
            lambda: _queue_alone(services, tenant_id),
            huey,
            bound=5.0,
        )
        yield _against_huey(
            "Embedded queue and worker",
            lambda: _with_worker(services, tenant_id),
            huey,
            bound=2.0,
        )
    finally:
        services.close()
    yield _flat_with_depth(folder, DEEP // 10 if quick else DEEP)


def _against_huey(
    name: str, ours: Callable[[], None], huey: Callable[[], None], *, bound: float
) -> Line:
    mine, theirs, ratios = [], [], []
    for number in range(ROUNDS):
        order = (ours, huey) if number % 2 == 0 else (huey, ours)
        took = {turn: seconds_of(turn) for turn in order}
        mine.append(MESSAGES / took[ours])
        theirs.append(MESSAGES_OF_HUEY / took[huey])
        ratios.append(mine[-1] / theirs[-1])
    return Line(
        name,
        "messages/s, queued to completed, against SqliteHuey",
        f"{median(mine):,.0f}/s",
        f"{median(theirs):,.0f}/s",
        median(ratios),
        Target.AT_LEAST,
        bound,
        {"batch": BATCH, "ratios": ratios},
    )


def _flat_with_depth(folder: Path, deep: int) -> Line:
    rates: dict[int, list[float]] = {SHALLOW: [], deep: []}
    opened = {depth: _open(folder / f"depth-{depth}") for depth in rates}
    try:
        for depth, (services, tenant_id) in opened.items():
            _send(services, tenant_id, depth)
        for number in range(ROUNDS):
            for depth in rates if number % 2 == 0 else reversed(rates):
                services, tenant_id = opened[depth]
                _send(services, tenant_id, SHALLOW)  # so that the depth stays what it is
                took = seconds_of(partial(_consume, _consumer(services), SHALLOW))
                rates[depth].append(SHALLOW / took)
    finally:
        for services, _ in opened.values():
            services.close()
    ratio = median([full / flat for full, flat in zip(rates[deep], rates[SHALLOW], strict=True)])
    return Line(
        "Embedded queue, deep",
        f"messages/s at {deep:,} waiting, against {SHALLOW:,}",
        f"{median(rates[deep]):,.0f}/s",
        f"{median(rates[SHALLOW]):,.0f}/s",
        ratio,
        Target.AT_LEAST,
        0.7,
    )


def _queue_alone(services: Services, tenant_id: UUID) -> None:
    _send(services, tenant_id, MESSAGES)
    done = 0
    while done < MESSAGES:
        taken = services.transport.receive(QUEUE, messages_max=BATCH, wait_seconds=0)
        assert services.transport.complete(taken) == []
        done += len(taken)


def _with_worker(services: Services, tenant_id: UUID) -> None:
    _send(services, tenant_id, MESSAGES)
    _consume(_consumer(services), MESSAGES)


def _send(services: Services, tenant_id: UUID, count: int) -> None:
    now = services.db.clock()
    for start in range(0, count, BATCH):
        batch = []
        for _ in range(min(BATCH, count - start)):
            pending = Pending(new_id(), WebhookReceived(webhook_event_id=new_id()), now)
            body = envelope_of(
                pending,
                tenant_id=tenant_id,
                correlation_id="bench",
                causation_id=None,
                user_id=None,
                occurred_at=now,
            )
            batch.append(
                Outgoing(
                    QUEUE,
                    str(pending.message_id),
                    body.encode(),
                    now,
                    "webhook.received",
                    tenant_id,
                    "bench",
                )
            )
        services.transport.send(batch)


def _consumer(services: Services) -> Consumer:
    handlers: Handlers = {WebhookReceived: lambda *_given: None}
    keeper = LeaseKeeper(services.transport)
    return Consumer(services, QUEUE, handlers, keeper, threading.Event())


def _consume(consumer: Consumer, count: int) -> None:
    consumed = 0
    while consumed < count:
        taken = consumer.consume(wait_seconds=0)
        assert taken, "the queue ran dry"
        consumed += taken


def _open(folder: Path) -> tuple[Services, UUID]:
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(
        _env_file=None,
        environment=Environment.TEST,
        database_url=f"sqlite:///{folder / 'queue.db'}",
    )
    services = open_services(settings)
    migrate.upgrade(services.db)
    tenant_id = run(services.db, platform_system("bench"), add_tenant, CreateTenant("Bench"))
    return services, tenant_id


def _open_huey(folder: Path) -> Callable[[], None]:
    """Enqueue, dequeue and execute MESSAGES_OF_HUEY tasks, each as huey's consumer does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    huey = SqliteHuey(filename=str(folder / "huey.db"), fsync=True, results=False)

    @huey.task()
    def nothing(_event_id: str) -> None:
        return None

    def turn() -> None:
        for _ in range(MESSAGES_OF_HUEY):
            nothing(str(new_id()))
        for _ in range(MESSAGES_OF_HUEY):
            huey.execute(huey.dequeue())

    return turn
