"""Ready-made messages, and a worker whose handlers a test writes itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import orjson

from backend.actor import Actor
from backend.bootstrap import Services
from backend.communications.mailbox import MailboxMailer
from backend.config import Environment, Settings
from backend.db.engine import Database
from backend.ids import new_id
from backend.messaging.contracts import ApplyPayment, EvaluateDunning, Message, Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.outbox import Pending, envelope_of
from backend.messaging.transport import Outgoing
from backend.unit_of_work import UnitOfWork, run

SOON = 20.0  # seconds; how long a test waits for what takes a fraction of one
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain_message(
    message_id: str | None = None,
    *,
    queue: Queue = Queue.PAYMENT_COMMANDS,
    body: bytes = b"{}",
    at: datetime = EPOCH,
) -> Outgoing:
    """A message for tests of the queue alone; nobody reads its body."""
    return Outgoing(queue, message_id or str(new_id()), body, at)


def real_message(
    tenant_id: UUID,
    message: Message | None = None,
    *,
    message_id: UUID | None = None,
    occurred_at: datetime = datetime(2026, 3, 4, 18, tzinfo=UTC),
    correlation_id: str = "job-4711",
    user_id: UUID | None = None,
) -> Outgoing:
    """A message as the relay would hand it over."""
    wanted = message or EvaluateDunning()
    pending = Pending(message_id or new_id(), wanted, EPOCH)
    body = envelope_of(
        pending,
        tenant_id=tenant_id,
        correlation_id=correlation_id,
        causation_id=None,
        user_id=user_id,
        occurred_at=occurred_at,
    )
    message_type = orjson.loads(body)["message_type"]
    return Outgoing(
        wanted.queue,
        str(pending.message_id),
        body.encode(),
        EPOCH,
        message_type,
        tenant_id,
        correlation_id,
    )


def services_on(db: Database) -> Services:
    """A process's services on a test's database, with embedded queues and mailbox."""
    settings = Settings(_env_file=None, environment=Environment.TEST)
    return Services(db, EmbeddedTransport(db), MailboxMailer(), settings)


@contextmanager
def another_process(db: Database) -> Iterator[Services]:
    """The services of a second process on the same database: its own writer and connections."""
    second = Database(f"sqlite:///{db.path}", clock=db.clock)
    services = services_on(second)
    yield services
    services.close()


@contextmanager
def in_background(run: object, stop: threading.Event) -> Iterator[threading.Thread]:
    """Run something in a thread until the block ends, then stop it and wait for its end."""
    assert callable(run)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within SOON."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def queue_payments(db: Database, actor: Actor, customer_id: UUID, count: int) -> None:
    """Payments of 1.00, 2.00, … for the worker to record, as if they had been asked for."""

    def use_case(work: UnitOfWork) -> None:
        for number in range(count):
            command: dict[str, object] = {
                "amount": f"{number + 1}.00",
                "customer_id": str(customer_id),
            }
            work.send(ApplyPayment(command=command))

    run(db, actor, use_case)
