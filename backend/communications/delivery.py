"""The mailer that the settings ask for."""

from __future__ import annotations

from backend.communications.mailbox import MailboxMailer
from backend.communications.mailer import Mailer
from backend.communications.smtp import SmtpMailer
from backend.config import SmtpServer


def build_mailer(smtp: SmtpServer | None, email_from: str) -> Mailer:
    """By SMTP when a server is set, else into the built-in mailbox."""
    return SmtpMailer(smtp, email_from) if smtp else MailboxMailer()
