"""What becomes of a message whose handler failed: a dead letter at once, or another delivery."""

from __future__ import annotations

from backend import logging
from backend.communications.mailer import AddressRefused, EmailRefused, MailerUnavailable
from backend.errors import BillerJacketError, Busy, TooManyRequests
from backend.messaging.envelope import BadEnvelope, UnknownMessageType
from backend.messaging.transport import DeadReason


class ProcessingFailed(Exception):
    """A handler's word that this message can never be processed, however often it is tried."""


# Being away is no fault of the message, and nothing a developer needs a traceback for.
EXPECTED_TROUBLE = (Busy, TooManyRequests, MailerUnavailable)


def dead_reason(error: Exception) -> DeadReason | None:
    """Why to set the message aside at once; None when the next delivery may go better.

    What nobody foresaw is tried again: it may be a bug that the next release mends.
    """
    match error:
        case BadEnvelope():
            return DeadReason.BAD_ENVELOPE
        case UnknownMessageType():
            return DeadReason.UNKNOWN_MESSAGE_TYPE
        case Busy() | TooManyRequests():
            return None
        case BillerJacketError():
            return DeadReason.REFUSED
        case ProcessingFailed() | AddressRefused() | EmailRefused():
            return DeadReason.PROCESSING_FAILED
        case _:
            return None


def describe(error: Exception) -> str:
    """One line for the dead letter: the code and detail of our own errors, the type of others."""
    match error:
        case BillerJacketError():
            text = f"{error.code}: {error.detail}"
        case BadEnvelope() | UnknownMessageType() | ProcessingFailed():
            text = str(error)
        case _:
            text = f"{type(error).__name__}: {error}"
    first_line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return str(logging.redact(None, "", {"text": first_line})["text"])
