"""What providers tell us, in our own words: every provider's module makes these of its payloads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from backend.communications.models import ReturnKind


class EventKind(StrEnum):
    """The events that change the books."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_DISPUTED = "payment_disputed"
    DISPUTE_CLOSED = "dispute_closed"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event about one payment, named by the provider's id of the payment.

    `amount` is the payment's, or the disputed part. `refunded_total` is all that was refunded of
    the payment so far, not this step alone, so that events may come twice and in any order.
    `is_won` says whether a closed dispute ended in our favour. `occurred_at` (UTC) is the
    provider's own time.
    """

    kind: EventKind
    external_payment_id: str
    occurred_at: datetime
    currency_code: str | None = None
    amount: Decimal | None = None
    refunded_total: Decimal | None = None
    dispute_id: str | None = None
    is_won: bool | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    invoice_id: UUID | None = None
    invoice_number: str | None = None
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EmailReturned:
    """An e-mail that came back or was complained about, by our id of it or by its address."""

    kind: ReturnKind
    communication_id: UUID | None = None
    address: str | None = None
    reason: str | None = None
