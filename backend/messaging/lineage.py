"""Ids of messages that are sent again: `ID:retry-1`, `ID:retry-2`, … of the same original.

A broker that remembers message ids drops a copy under the old one without a word, so each copy
gets an id of its own, from which the original can be read.
"""

from __future__ import annotations

import re

_RETRY = re.compile(r"(?P<original>.+):retry-(?P<number>[1-9][0-9]{0,8})", re.DOTALL)


def original_id(message_id: str) -> str:
    """The id under which the message was first queued."""
    match = _RETRY.fullmatch(message_id)
    return match["original"] if match else message_id


def resubmission_of(message_id: str) -> int:
    """How often the message had been sent again when it got this id; 0 for the original."""
    match = _RETRY.fullmatch(message_id)
    return int(match["number"]) if match else 0


def retry_id(message_id: str) -> str:
    """The id of the next copy of a message."""
    return copy_id(original_id(message_id), resubmission_of(message_id) + 1)


def copy_id(original: str, number: int) -> str:
    """The id of a message's copy with this number, the first being 1."""
    return f"{original}:retry-{number}"
