"""Which handler serves which message. What is not listed here is dead-lettered as unknown."""

from __future__ import annotations

from backend.messaging.contracts import (
    AccountEmailRequested,
    ApplyPayment,
    DunningEmailRequested,
    EmailSendRequested,
    EvaluateDunning,
    InvoiceEmailRequested,
    ReceiptEmailRequested,
    WebhookReceived,
    WebhookReplayRequested,
)
from worker.dispatch import Handlers
from worker.handlers.accounts import send_account_email
from worker.handlers.dunning import evaluate
from worker.handlers.email import send_again, send_dunning, send_invoice, send_receipt
from worker.handlers.payments import apply_payment
from worker.handlers.webhooks import receive, replay

HANDLERS: Handlers = {
    InvoiceEmailRequested: send_invoice,
    ReceiptEmailRequested: send_receipt,
    DunningEmailRequested: send_dunning,
    EmailSendRequested: send_again,
    AccountEmailRequested: send_account_email,
    EvaluateDunning: evaluate,
    ApplyPayment: apply_payment,
    WebhookReceived: receive,
    WebhookReplayRequested: replay,
}
