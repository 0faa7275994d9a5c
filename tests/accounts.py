"""What tests of accounts ask for: people with sessions, codes as a phone shows them, sent links."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pyotp
from pydantic import SecretStr

from backend.actor import Role, platform_system
from backend.bootstrap import Services
from backend.communications.mailer import OutgoingEmail, ProviderReceipt
from backend.config import Settings
from backend.db.engine import Database
from backend.identity import security, service, sessions
from backend.identity.service import SignIn
from backend.identity.sessions import NewSession, SignedIn
from backend.identity.sign_in_steps import SecondStep
from backend.identity.users import CreateUser, create_user
from backend.messaging.embedded import EmbeddedTransport
from backend.unit_of_work import read, run
from worker.handlers.table import HANDLERS
from worker.process import Worker

PASSWORD = "correct horse battery"
HOME = "192.0.2.1"
KEY = SecretStr("a secret key for tests")
_LINK = re.compile(r"http://\S+#(\S+)")


@dataclass
class Outbox:
    """A mailer that keeps what it was given; `on_deliver` may raise."""

    letters: list[OutgoingEmail] = field(default_factory=list)
    on_deliver: Callable[[OutgoingEmail], object] = lambda _email: None
    keeps_contents: bool = False

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Keep it."""
        self.on_deliver(email)
        self.letters.append(email)
        return ProviderReceipt(f"kept:{len(self.letters)}")


@dataclass
class Post:
    """The worker and the mail of a database."""

    db: Database
    mail: Outbox = field(default_factory=Outbox)

    def settings(self) -> Settings:
        """What the worker runs with."""
        return Settings(secret_key=KEY, public_url="http://localhost:8000", _env_file=None)

    def work(self) -> None:
        """Do what a worker would do now."""
        transport = EmbeddedTransport(self.db)
        try:
            services = Services(self.db, transport, self.mail, self.settings())
            Worker(services, HANDLERS).run_once()
        finally:
            transport.close()

    def newest_token(self) -> str:
        """The token in the newest e-mail."""
        found = _LINK.search(self.mail.letters[-1].text_body)
        assert found is not None, self.mail.letters[-1].text_body
        return found.group(1)


def make_user(
    db: Database, tenant_id: UUID | None, email: str, password_hash: str, role: Role = Role.ADMIN
) -> UUID:
    """Somebody who may sign in."""
    command = CreateUser(email, role, tenant_id, password_hash)
    return run(db, platform_system("test"), create_user, command)


def begin(db: Database, email: str, at: str = HOME, password: str = PASSWORD) -> SecondStep:
    """The first step of somebody with two-factor."""
    found = service.sign_in(db, SignIn(email, password, at, "test"), correlation_id="c")
    assert isinstance(found, SecondStep)
    return found


def enter(db: Database, email: str, at: str = HOME, password: str = PASSWORD) -> NewSession:
    """The session of somebody without two-factor."""
    found = service.sign_in(db, SignIn(email, password, at, "test"), correlation_id="c")
    assert isinstance(found, NewSession)
    return found


def finish(db: Database, step: SecondStep, code: str, at: str = HOME) -> NewSession:
    """The second step."""
    return service.finish_sign_in(
        db, step.token, code, secret_key=KEY, address=at, user_agent="test", correlation_id="c"
    )


def seen(db: Database, token: str) -> SignedIn | None:
    """Who a token belongs to now."""
    return read(db, platform_system("test"), sessions.find_session, token)


def person(db: Database, token: str) -> SignedIn:
    """Who a token belongs to now, and somebody it is."""
    found = seen(db, token)
    assert found is not None
    return found


@dataclass
class Phone:
    """An authenticator app that was shown a secret."""

    secret: str
    db: Database

    def code(self, steps: int = 0) -> str:
        """The code it shows now, or some steps of 30 seconds on."""
        return pyotp.TOTP(self.secret).at(int(self.db.clock().timestamp()) + 30 * steps)


def switch_on(db: Database, token: str) -> tuple[Phone, list[str]]:
    """Two-factor for this session's user: the phone, and the recovery codes."""
    who = person(db, token)
    run(db, who.actor("c"), security.begin_two_factor, who, secret_key=KEY)
    enrolment = read(db, who.actor("c"), security.get_enrolment, who, secret_key=KEY)
    phone = Phone(enrolment.secret, db)
    codes = security.confirm_two_factor(
        db, who, phone.code(), secret_key=KEY, address=HOME, correlation_id="c"
    )
    return phone, codes
