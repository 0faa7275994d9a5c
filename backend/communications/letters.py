"""A letter: everything an e-mail is made of, read from one snapshot, before it is written down.

The rooms that know invoices, payments and dunning make letters; this room writes and sends them.
Letters are plain values that can be compared: one that was made again and came out equal is still
true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from backend.communications.mailer import Attachment
from backend.communications.models import CommunicationType
from backend.communications.templates import RenderedEmail, TemplateKey, Value, render
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerView


class Enclosure(Protocol):
    """A document that goes with a letter; made into bytes only when the letter is written."""

    def attachment(self) -> Attachment:
        """The document as a file. May take a while: never called inside a transaction."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """An invoice that was to be in the letter and no longer is, and why."""

    invoice_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail to a customer about invoices. With an `obstacle` it is not sent, only recorded."""

    type: CommunicationType
    template_key: TemplateKey
    customer_id: UUID
    to_address: str
    from_name: str
    invoice_ids: tuple[UUID, ...]
    context: dict[str, Value] = field(default_factory=dict)
    enclosures: tuple[Enclosure, ...] = ()
    payment_id: UUID | None = None
    step_number: int | None = None
    dropped: tuple[Dropped, ...] = ()
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenLetter:
    """A letter in the form in which it travels."""

    email: RenderedEmail
    attachments: tuple[Attachment, ...]


def write_letter(letter: Letter) -> WrittenLetter:
    """Render the template and make the enclosed documents; some 20 ms for each document."""
    return WrittenLetter(
        render(letter.template_key, letter.context),
        tuple(enclosure.attachment() for enclosure in letter.enclosures),
    )


def address_obstacle(customer: CustomerView) -> str | None:
    """Why nothing can be sent to this customer, or None."""
    if customer.email is None:
        return "The customer has no e-mail address."
    if customer.email_status is EmailStatus.BOUNCED:
        return "Mail to the customer's address came back; the address must be corrected first."
    return None
