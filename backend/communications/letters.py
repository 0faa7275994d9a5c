"""A letter: everything an e-mail is made of, read from one snapshot, before it is written down.

The rooms that know invoices, payments and dunning make letters; this room writes and sends them.
Letters are plain values that can be compared: one that was made again and came out equal is still
true.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from backend.communications.mailer import Attachment
from backend.communications.models import CommunicationType
from backend.communications.queries import get_communication
from backend.communications.templates import (
    RenderedEmail,
    TemplateSource,
    Value,
    default_template,
    render,
)
from backend.communications.wording import single_line
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerView
from backend.errors import InvalidInput
from backend.unit_of_work import Reader

PROBLEM_CHARACTERS_MAX = 300


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
    """An e-mail to a customer about invoices. With an `obstacle` it is not sent, only recorded.

    `source` is the tenant's own wording, None for the one that comes with BillerJacket; `ready` is
    the whole e-mail, when it was written before. Answers go to `reply_to`.
    """

    type: CommunicationType
    template_key: str
    customer_id: UUID
    to_address: str
    from_name: str
    invoice_ids: tuple[UUID, ...]
    context: dict[str, Value] = field(default_factory=dict)
    source: TemplateSource | None = None
    ready: RenderedEmail | None = None
    reply_to: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    payment_id: UUID | None = None
    step_number: int | None = None
    dropped: tuple[Dropped, ...] = ()
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenLetter:
    """A letter in the form in which it travels.

    `template_problem` says why the tenant's own wording was passed over.
    """

    email: RenderedEmail
    attachments: tuple[Attachment, ...]
    template_problem: str | None = None


def write_letter(letter: Letter) -> WrittenLetter:
    """Render the template and make the enclosed documents; some 20 ms for each document.

    A tenant's wording that cannot be filled in is replaced by the default: a bill or a reminder is
    not held up by it.
    """
    email, problem = _rendered(letter)
    attachments = tuple(enclosure.attachment() for enclosure in letter.enclosures)
    return WrittenLetter(email, attachments, problem)


def _rendered(letter: Letter) -> tuple[RenderedEmail, str | None]:
    """The e-mail, and what was wrong with the tenant's own wording."""
    if letter.ready is not None:
        return letter.ready, None
    key, context = letter.template_key, letter.context
    if letter.source is None:
        return render(key, context), None
    try:
        return render(key, context, letter.source), None
    except InvalidInput as broken:
        problem = _problem_of(broken)
    # A subject alone may be a step's: then the bodies are still the tenant's.
    with_own_bodies = replace(letter.source, subject=default_template(key).subject)
    if with_own_bodies != letter.source:
        try:
            return render(key, context, with_own_bodies), problem
        except InvalidInput as broken:
            problem = _problem_of(broken)
    return render(key, context), problem


def _problem_of(broken: InvalidInput) -> str:
    return single_line(broken.detail, characters_max=PROBLEM_CHARACTERS_MAX)


def ready_letter(reader: Reader, communication_id: UUID) -> Letter:
    """A letter whose contents were written when it was queued. Raises NotFound."""
    found = get_communication(reader, communication_id)
    head = found.head
    return Letter(
        type=head.type,
        template_key=head.template_key,
        customer_id=head.customer_id,
        to_address=head.to_address,
        from_name=reader.tenant.name,
        invoice_ids=head.invoice_ids,
        ready=RenderedEmail(head.subject, found.text_body, found.html_body),
        reply_to=reader.tenant.reply_to_email,
    )


def address_obstacle(customer: CustomerView) -> str | None:
    """Why nothing can be sent to this customer, or None."""
    if customer.email is None:
        return "The customer has no e-mail address."
    if customer.email_status is EmailStatus.BOUNCED:
        return "Mail to the customer's address came back; the address must be corrected first."
    if customer.email_status is EmailStatus.COMPLAINED:
        return "The customer reported an e-mail as unwanted; nothing is sent to the address."
    return None
