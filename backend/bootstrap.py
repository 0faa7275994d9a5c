"""The one place where things are wired: from settings to database, queues and mailer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from backend.communications.mailbox import MailboxMailer
from backend.communications.mailer import Mailer
from backend.communications.smtp import SmtpMailer
from backend.config import Settings
from backend.db.engine import Database, utc_now
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import Transport

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What a process works with. Opened once by its entry, closed at its end."""

    db: Database
    transport: Transport
    mailer: Mailer
    settings: Settings

    def close(self) -> None:
        """Let go of the queues, then of the database after what it still holds."""
        self.transport.close()
        self.db.close()


def open_services(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Services:
    """Wire a process. Opens no connection yet; raises OSError when the data folder cannot be made.

    `clock` gives the UTC time to everything; tests pass their own.
    """
    if settings.applicationinsights_connection_string is not None:
        log.warning(
            "telemetry.not_exported",
            setting="APPLICATIONINSIGHTS_CONNECTION_STRING",
            detail="this version writes logs only",
        )
    db = Database(settings.database_url.get_secret_value(), clock=clock)
    return Services(db, _transport(settings, db), _mailer(settings), settings)


def _mailer(settings: Settings) -> Mailer:
    """Who delivers e-mails, by the settings. Opens no connection."""
    if settings.smtp is not None:
        return SmtpMailer(settings.smtp, settings.email_from)
    if settings.acs is None:
        return MailboxMailer()
    # Imported by those who use it, like the SDK of the queues.
    from backend.communications.acs import AcsMailer, open_client

    client = open_client(settings.acs, is_production=settings.is_production)
    return AcsMailer(client, settings.email_from)


def _transport(settings: Settings, db: Database) -> Transport:
    """The queues the settings name. Opens no connection."""
    if settings.servicebus_connection_string is None and settings.servicebus_namespace is None:
        return EmbeddedTransport(db)
    # Imported by those who use it: the SDK doubles the time a process takes to start.
    from backend.messaging.servicebus.namespace import Namespace
    from backend.messaging.servicebus.transport import ServiceBusTransport

    namespace = Namespace(
        connection_string=settings.servicebus_connection_string,
        host=settings.servicebus_namespace,
        is_production=settings.is_production,
    )
    return ServiceBusTransport(namespace, clock=db.clock)
