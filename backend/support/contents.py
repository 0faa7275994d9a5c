"""What is in a dead letter: its text, why no worker can read it, what it is about."""

from __future__ import annotations

import json
from typing import Any

from backend.messaging.envelope import (
    BadEnvelope,
    UnknownMessageType,
    read_envelope,
    read_message,
)
from backend.messaging.transport import DeadLetter
from backend.support.access import as_uuid

_LINKED = ("invoice_id", "payment_id", "customer_id", "communication_id", "webhook_event_id")


def body_text(body: bytes) -> str:
    """The bytes as text; what is no UTF-8 of them as escapes."""
    return body.decode("utf-8", "backslashreplace")


def pretty_json(contents: dict[str, Any]) -> str:
    """A JSON object as people read and edit it: two spaces, one field a line, any script."""
    return json.dumps(contents, indent=2, ensure_ascii=False)


def problem_of(letter: DeadLetter) -> str | None:
    """Why no worker can handle the message as it is; None when one can read it."""
    try:
        message = read_message(read_envelope(letter.body))
    except (BadEnvelope, UnknownMessageType) as error:
        return str(error)
    if message.queue is not letter.queue:
        return f"{message.message_type} belongs into the queue {message.queue}"
    return None


def links_of(contents: dict[str, Any] | None, correlation_id: str | None) -> list[tuple[str, str]]:
    """What a letter is about: kinds and ids in its payload, and its correlation id."""
    found: dict[tuple[str, str], None] = {}
    payload = (contents or {}).get("payload")
    parts: list[Any] = [payload]
    if isinstance(payload, dict):
        command = payload.get("command")
        parts.append(command)
        if isinstance(command, dict) and isinstance(command.get("allocations"), list):
            parts += command["allocations"]
    for part in parts:
        if isinstance(part, dict):
            for name in _LINKED:
                value = as_uuid(part.get(name))
                if value is not None:
                    found[name.removesuffix("_id"), str(value)] = None
    if correlation_id:
        found["correlation", correlation_id] = None
    return list(found)
