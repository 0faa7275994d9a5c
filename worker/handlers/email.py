"""Messages of the e-mail queue: each makes one letter and sends it.

The message's id names the communication it makes, so that a second delivery finds the first one's
work. What can be tried again later leaves as Busy, what never can as NotFound.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from backend.actor import Actor
from backend.bootstrap import Services
from backend.communications.letters import ready_letter
from backend.communications.models import CommunicationType
from backend.communications.queries import get_communication
from backend.communications.sending import BuildLetter, OnClaim, Source, send_letter
from backend.dunning.letters import dunning_letter
from backend.dunning.taken_back import settle_steps
from backend.errors import StateConflict
from backend.invoices.letters import invoice_letter
from backend.messaging.contracts import (
    DunningEmailRequested,
    EmailSendRequested,
    InvoiceEmailRequested,
    ReceiptEmailRequested,
)
from backend.messaging.envelope import Envelope
from backend.payments.letters import receipt_letter
from backend.unit_of_work import read


def send_invoice(
    services: Services, actor: Actor, envelope: Envelope, message: InvoiceEmailRequested
) -> None:
    """Send an invoice to its customer, the PDF attached."""
    build = partial(invoice_letter, invoice_id=message.invoice_id)
    _send(services, actor, _source_of(envelope), build)


def send_receipt(
    services: Services, actor: Actor, envelope: Envelope, message: ReceiptEmailRequested
) -> None:
    """Thank a customer for a payment."""
    build = partial(receipt_letter, payment_id=message.payment_id)
    _send(services, actor, _source_of(envelope), build)


def send_dunning(
    services: Services, actor: Actor, envelope: Envelope, message: DunningEmailRequested
) -> None:
    """Send a reminder that an evaluation has queued, as far as it is still called for."""
    _send_dunning(services, actor, envelope, message.communication_id)


def send_again(
    services: Services, actor: Actor, envelope: Envelope, message: EmailSendRequested
) -> None:
    """Send a communication that is on record, made anew from what is true now."""
    head = read(services.db, actor, get_communication, message.communication_id).head
    source = _source_of(envelope, head.communication_id)
    match head.type:
        case CommunicationType.DUNNING:
            _send_dunning(services, actor, envelope, head.communication_id, is_asked_for=True)
        case CommunicationType.INVOICE:
            build = partial(invoice_letter, invoice_id=head.invoice_ids[0])
            _send(services, actor, source, build)
        case CommunicationType.RECEIPT if head.payment_id is not None:
            build = partial(receipt_letter, payment_id=head.payment_id)
            _send(services, actor, source, build)
        case CommunicationType.OTHER:
            build = partial(ready_letter, communication_id=head.communication_id)
            _send(services, actor, source, build)
        case _:
            raise StateConflict("Nothing is known from which this e-mail could be made.")


def _source_of(envelope: Envelope, communication_id: UUID | None = None) -> Source:
    return Source(
        message_id=envelope.message_id if communication_id is None else None,
        communication_id=communication_id,
        is_sent_again=envelope.resubmission > 0,
    )


def _send_dunning(
    services: Services,
    actor: Actor,
    envelope: Envelope,
    communication_id: UUID,
    *,
    is_asked_for: bool = False,
) -> None:
    build = partial(dunning_letter, communication_id=communication_id, is_asked_for=is_asked_for)
    source = _source_of(envelope, communication_id)
    _send(services, actor, source, build, on_claim=settle_steps)


def _send(
    services: Services,
    actor: Actor,
    source: Source,
    build: BuildLetter,
    *,
    on_claim: OnClaim | None = None,
) -> None:
    send_letter(services.db, services.mailer, actor, source, build, on_claim=on_claim)
