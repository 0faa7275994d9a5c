"""The copy of a dead letter that is sent again: the same message under an id of its own.

The envelope stays what it was, its message id too, so that what had its effect does not have it
twice; it only says which resubmission it is. What is no JSON object goes as the bytes it was.
"""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from backend.messaging.contracts import Queue
from backend.messaging.lineage import original_id, resubmission_of
from backend.messaging.transport import DeadLetter, Outgoing
from backend.support.access import as_uuid, json_object

RESUBMISSION = "resubmission"


def copy_of(
    letter: DeadLetter, copy_message_id: str, *, edited: str | None, now: datetime
) -> Outgoing:
    """The message to queue; `edited` is what its body was changed to."""
    if edited is None:
        return queued_again(
            letter.queue,
            copy_message_id,
            letter.body,
            message_type=letter.message_type,
            tenant_id=letter.tenant_id,
            correlation_id=letter.correlation_id,
            now=now,
        )
    body = edited.encode()
    contents = json_object(body) or {}
    return queued_again(
        letter.queue,
        copy_message_id,
        body,
        message_type=str(contents.get("message_type")),
        tenant_id=as_uuid(contents.get("tenant_id")),
        correlation_id=str(contents.get("correlation_id")),
        now=now,
    )


def queued_again(
    queue: Queue,
    copy_message_id: str,
    body: bytes,
    *,
    message_type: str | None,
    tenant_id: UUID | None,
    correlation_id: str | None,
    now: datetime,
) -> Outgoing:
    """A message with this body under the id of a copy."""
    contents = json_object(body)
    if contents is not None:
        marked = contents | {RESUBMISSION: resubmission_of(copy_message_id)}
        body = json.dumps(marked, ensure_ascii=False, separators=(",", ":")).encode()
    return Outgoing(
        queue=queue,
        message_id=copy_message_id,
        body=body,
        available_at=now,
        message_type=message_type,
        tenant_id=tenant_id,
        correlation_id=correlation_id,
        original_message_id=original_id(copy_message_id),
    )
