"""What BillerJacket asks of whoever delivers its e-mails, and how a delivery can go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an e-mail."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class OutgoingEmail:
    """One e-mail, complete. `communication_id` names it for ever: a repeat has the same Message-ID.

    `written_at` is UTC. `from_name` stands before the service's own address; replies go to
    `reply_to`, or there when it is None. `is_repeat`: an earlier try may have come through.
    """

    communication_id: UUID
    to_address: str
    from_name: str
    subject: str
    text_body: str
    html_body: str
    written_at: datetime
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    is_reminder: bool = False
    is_repeat: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What every mailer adds to say: this comes from a machine, and how to have less of it.

        Only reminders can be done without; the wish goes to the people of the tenant, who decide.
        """
        headers = {
            # Keeps vacation replies and other robots from answering a bill.
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        }
        if self.is_reminder and self.reply_to is not None:
            address = quote(self.reply_to, safe="@")
            subject = quote(f"Unsubscribe {self.communication_id}")
            headers["List-Unsubscribe"] = f"<mailto:{address}?subject={subject}>"
        return headers


@dataclass(frozen=True, slots=True)
class ProviderReceipt:
    """Proof that an e-mail was taken over: the id under which the other side knows it."""

    provider_id: str


class DeliveryProblem(Exception):
    """Base of what `deliver` raises; the text is for the log and the operator."""


class MailerUnavailable(DeliveryProblem):
    """The mail server is away, slow, busy or wrongly set up; the same e-mail may go later."""


class AddressRefused(DeliveryProblem):
    """The mail server will never deliver to this address."""


class EmailRefused(DeliveryProblem):
    """The mail server will not take this e-mail (too large, spam, full); the address is fine."""


class Mailer(Protocol):
    """Delivers e-mails. Safe to use from several threads."""

    @property
    def keeps_contents(self) -> bool:
        """Whether attachments must be kept in the database, because they are shown from there."""

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Hand the e-mail over; when it returns, the other side answers for it.

        Raises MailerUnavailable, AddressRefused or EmailRefused.
        """
