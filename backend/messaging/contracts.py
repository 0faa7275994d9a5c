"""The messages that cross the queues: one frozen model per type, carrying ids and not snapshots.

Readers ignore fields they do not know; a new field needs a default; a change that breaks old
messages needs a new type.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

# A message may weigh 192 KiB with its envelope. Service Bus takes 256 in its standard tier, all
# properties included: its own, and those that it adds to a dead letter.
PAYLOAD_BYTES_MAX = 190 * 1024


class Queue(StrEnum):
    """The four queues."""

    EMAIL_SEND = "email-send"
    DUNNING_EVALUATE = "dunning-evaluate"
    PAYMENT_COMMANDS = "payment-commands"
    WEBHOOK_INGEST = "webhook-ingest"


class Message(BaseModel):
    """Base of all messages; `queue` says where its kind travels.

    `is_platform`: it belongs to no tenant, whoever asks for it, and travels under the platform's
    own name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    queue: ClassVar[Queue]
    is_platform: ClassVar[bool] = False


class InvoiceEmailRequested(Message):
    """Send an invoice to its customer."""

    queue = Queue.EMAIL_SEND
    message_type: Literal["email.invoice_requested"] = "email.invoice_requested"
    invoice_id: UUID


class ReceiptEmailRequested(Message):
    """Thank a customer for a payment."""

    queue = Queue.EMAIL_SEND
    message_type: Literal["email.receipt_requested"] = "email.receipt_requested"
    payment_id: UUID


class DunningEmailRequested(Message):
    """Send one dunning e-mail that an evaluation has queued."""

    queue = Queue.EMAIL_SEND
    message_type: Literal["email.dunning_requested"] = "email.dunning_requested"
    communication_id: UUID


class EmailSendRequested(Message):
    """Send (again) a communication that is already written."""

    queue = Queue.EMAIL_SEND
    message_type: Literal["email.send_requested"] = "email.send_requested"
    communication_id: UUID


class AccountEmailRequested(Message):
    """Send an e-mail of the platform to somebody who signs in."""

    queue = Queue.EMAIL_SEND
    is_platform = True
    message_type: Literal["email.account_requested"] = "email.account_requested"
    account_email_id: UUID


class EvaluateDunning(Message):
    """Evaluate all overdue invoices of the tenant. `scheduled` runs keep to the sending window.

    With `run_id` a run goes on that has begun, with the customers after `after_customer_id`.
    """

    queue = Queue.DUNNING_EVALUATE
    message_type: Literal["dunning.evaluate"] = "dunning.evaluate"
    as_of: date | None = None
    scheduled: bool = False
    keep_gap: bool = False
    run_id: UUID | None = None
    after_customer_id: UUID | None = None


class ApplyPayment(Message):
    """Record a payment that was accepted for later; `command` is the request as it came."""

    queue = Queue.PAYMENT_COMMANDS
    message_type: Literal["payment.apply"] = "payment.apply"
    command: dict[str, object]


class WebhookReceived(Message):
    """Process a stored webhook event."""

    queue = Queue.WEBHOOK_INGEST
    message_type: Literal["webhook.received"] = "webhook.received"
    webhook_event_id: UUID


class WebhookReplayRequested(Message):
    """Process a stored webhook event again."""

    queue = Queue.WEBHOOK_INGEST
    message_type: Literal["webhook.replay_requested"] = "webhook.replay_requested"
    webhook_event_id: UUID


AnyMessage = Annotated[
    InvoiceEmailRequested
    | ReceiptEmailRequested
    | DunningEmailRequested
    | EmailSendRequested
    | AccountEmailRequested
    | EvaluateDunning
    | ApplyPayment
    | WebhookReceived
    | WebhookReplayRequested,
    Field(discriminator="message_type"),
]
MESSAGE: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)
MESSAGE_TYPES = frozenset(
    kind.model_fields["message_type"].default
    for kind in (
        InvoiceEmailRequested,
        ReceiptEmailRequested,
        DunningEmailRequested,
        EmailSendRequested,
        AccountEmailRequested,
        EvaluateDunning,
        ApplyPayment,
        WebhookReceived,
        WebhookReplayRequested,
    )
)
