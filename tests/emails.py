"""Ready-made things for tests of e-mails: mailers and servers in all moods, and the way there."""

from __future__ import annotations

import email
import email.policy
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from pypdf import PdfReader

from backend.actor import Actor
from backend.bootstrap import Services
from backend.communications.mailer import Mailer, OutgoingEmail, ProviderReceipt
from backend.config import Settings
from backend.db.engine import Database
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.envelope import Envelope, read_envelope, read_message
from tests.factories import raw_rows
from worker.handlers.table import HANDLERS

HOST = "127.0.0.1"


@dataclass
class RecordingMailer:
    """Takes e-mails, or fails with what it was told, in order."""

    problems: list[Exception] = field(default_factory=list)
    taken: list[OutgoingEmail] = field(default_factory=list)
    before_taking: Callable[[], object] = lambda: None
    keeps_contents: bool = False

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        self.before_taking()
        if self.problems:
            raise self.problems.pop(0)
        self.taken.append(email)
        return ProviderReceipt(f"taken-{len(self.taken)}")


class Inbox:
    """A handler that accepts e-mails, or answers as it is told."""

    def __init__(self, *, rcpt: str = "250 OK", data: str = "250 OK") -> None:
        self.rcpt, self.data = rcpt, data
        self.envelopes: list[SmtpEnvelope] = []

    async def handle_RCPT(  # noqa: N802 (the name that aiosmtpd calls)
        self, _server: object, _session: object, to: SmtpEnvelope, address: str, _options: object
    ) -> str:
        if self.rcpt.startswith("250"):
            to.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(  # noqa: N802
        self, _server: object, _session: object, envelope: SmtpEnvelope
    ) -> str:
        self.envelopes.append(envelope)
        return self.data

    def message(self) -> EmailMessage:
        """The only e-mail, parsed."""
        [envelope] = self.envelopes
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(inbox: Inbox, **options: object) -> Iterator[int]:
    controller = Controller(inbox, hostname=HOST, port=free_port(), **options)  # type: ignore[arg-type]
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def services_with(db: Database, mailer: Mailer) -> Services:
    return Services(db, EmbeddedTransport(db), mailer, Settings())


def envelopes(db: Database) -> list[Envelope]:
    rows = raw_rows(db, "SELECT body FROM outbox WHERE queue = 'email-send' ORDER BY row_id")
    return [read_envelope(row[0].encode()) for row in rows]


def handle(db: Database, mailer: Mailer, envelope: Envelope) -> None:
    actor = Actor.system(envelope.tenant_id, envelope.correlation_id)
    message = read_message(envelope)
    HANDLERS[type(message)](services_with(db, mailer), actor, envelope, message)


def handle_all(db: Database, mailer: Mailer) -> None:
    for envelope in envelopes(db):
        handle(db, mailer, envelope)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
