"""What went wrong at the broker, in our own words: LeaseLost, MessageTooLarge, or Busy."""

from __future__ import annotations

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from backend import logging
from backend.errors import Busy
from backend.messaging.transport import LeaseLost, MessageTooLarge

_TEXT_LENGTH_MAX = 300

_REFUSED = (ServiceBusAuthenticationError, ServiceBusAuthorizationError, ClientAuthenticationError)
# The broker has answered, and the connection is as good as before.
_ANSWERS = (
    LeaseLost,
    MessageTooLarge,
    MessageLockLostError,
    MessageAlreadySettled,
    MessageSizeExceededError,
    ServiceBusServerBusyError,
)
# Whoever asks again at once gets the same answer.
_LASTING = (
    *_REFUSED,
    LeaseLost,
    MessageTooLarge,
    MessageLockLostError,
    MessageAlreadySettled,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    MessagingEntityDisabledError,
    ServiceBusQuotaExceededError,
)


def breaks_connection(error: BaseException) -> bool:
    """Whether the connection should not be used again."""
    return not isinstance(error, _ANSWERS)


def is_lasting(error: Exception) -> bool:
    """Whether there is no point in another attempt right now."""
    return isinstance(error, _LASTING)


def is_foreseen(error: Exception) -> bool:
    """Whether this is a broker's or a network's trouble, and not a fault of the code."""
    return isinstance(error, (*_ANSWERS, ServiceBusError, ClientAuthenticationError, OSError))


def translated(error: Exception, name: str) -> Exception:
    """The error to raise in its place; `name` is the queue's."""
    match error:
        case Busy() | LeaseLost() | MessageTooLarge():
            return error
        case MessageLockLostError() | MessageAlreadySettled():
            return LeaseLost()
        case MessageSizeExceededError():
            return MessageTooLarge(f"larger than the queue {name} takes")
        case _:
            return Busy(f"The queue {name} cannot be used: {_why(error)}")


def _why(error: Exception) -> str:
    match error:
        case MessagingEntityNotFoundError():
            return "there is no queue of this name in the namespace."
        case MessagingEntityDisabledError():
            return "it is disabled in the namespace."
        case ServiceBusQuotaExceededError():
            return f"the broker's limit is reached ({_text(error)})"
        case ClientAuthenticationError():
            return f"no credentials for the namespace could be had ({_text(error)})"
        case _ if isinstance(error, _REFUSED):
            return f"the broker refuses the credentials ({_text(error)})"
        case TimeoutError():
            return "the broker does not answer in time."
        case _:
            return f"{type(error).__name__}: {_text(error)}"


def _text(error: Exception) -> str:
    """One line of what it says, without secrets."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return str(logging.redact(None, "", {"text": lines[0][:_TEXT_LENGTH_MAX]})["text"])
