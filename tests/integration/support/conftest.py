"""Dead letters of two tenants, and the people who deal with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.actor import Actor, PlatformActor, Role
from backend.bootstrap import Services
from backend.communications.mailbox import MailboxMailer
from backend.config import Environment, Settings
from backend.db.engine import Database
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import Transport
from tests.contract.transports import make_sdk_hasty, transport_of
from tests.emulator import Emulator
from tests.factories import actor_in
from tests.integration.support.letters import Faulty


@pytest.fixture(scope="module")
def service_bus() -> Iterator[tuple[Emulator, Transport]]:
    """A Service Bus of our own and a process's transport to it, shared by a module's tests."""
    with pytest.MonkeyPatch.context() as patch, Emulator(duplicate_detection=True) as emulator:
        make_sdk_hasty(patch)
        transport = transport_of(emulator)
        yield emulator, transport
        transport.close()


@pytest.fixture
def broker(request: pytest.FixtureRequest, db: Database) -> Transport:
    """The queues themselves: embedded, unless a test is for both."""
    if getattr(request, "param", "embedded") == "embedded":
        return EmbeddedTransport(db)
    emulator, transport = request.getfixturevalue("service_bus")
    emulator.clear()
    return transport


@pytest.fixture
def transport(broker: Transport) -> Faulty:
    """The queues, failing where a test says so."""
    return Faulty(broker)


@pytest.fixture
def services(db: Database, transport: Transport) -> Services:
    """A worker's services."""
    settings = Settings(_env_file=None, environment=Environment.TEST)
    return Services(db, transport, MailboxMailer(), settings)


@pytest.fixture
def root() -> PlatformActor:
    """A SuperAdmin."""
    return PlatformActor("root@platform.example", "root-1")


@pytest.fixture
def dana(actor: Actor) -> Actor:
    """Somebody of the tenant's support."""
    return actor_in(actor.tenant_id, Role.SUPPORT, "dana@ridge.example")


@pytest.fixture
def sam(actor: Actor) -> Actor:
    """Somebody else of the tenant's support."""
    return actor_in(actor.tenant_id, Role.SUPPORT, "sam@ridge.example")


@pytest.fixture
def finance(actor: Actor) -> Actor:
    return actor_in(actor.tenant_id, Role.FINANCE, "finn@ridge.example")
