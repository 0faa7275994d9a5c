"""The envelope around every message: read and checked here, written by the outbox."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
)

from backend.messaging.contracts import MESSAGE, MESSAGE_TYPES, AnyMessage

_PROBLEMS_SHOWN_MAX = 5

CorrelationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class BadEnvelope(Exception):
    """The bytes are not an envelope, or its payload is not what its type promises."""


class UnknownMessageType(Exception):
    """The envelope is fine, but nobody here knows this type of message."""


class Envelope(BaseModel):
    """Who asked for what, when, and on whose behalf; fields we do not know are ignored.

    `resubmission` counts how often people have sent the message again; its id stays the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_id: UUID
    message_type: Name
    tenant_id: UUID
    correlation_id: CorrelationId
    causation_id: str | None = None
    external_source: str | None = None
    external_reference_id: str | None = None
    requested_by_user_id: UUID | None = None
    occurred_at: AwareDatetime
    resubmission: NonNegativeInt = 0
    payload: dict[str, object]


class _Addressed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    tenant_id: UUID


def read_envelope(body: bytes) -> Envelope:
    """The envelope in a message's bytes. Raises BadEnvelope."""
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        raise BadEnvelope(_summary(error)) from error


def find_tenant(body: bytes) -> UUID | None:
    """The tenant that a message's bytes name; also where the rest is no envelope."""
    try:
        return _Addressed.model_validate_json(body).tenant_id
    except ValidationError:
        return None


def read_message(envelope: Envelope) -> AnyMessage:
    """The message in an envelope. Raises UnknownMessageType, BadEnvelope."""
    if envelope.message_type not in MESSAGE_TYPES:
        raise UnknownMessageType(f"nobody knows messages of type {envelope.message_type!r}")
    try:
        return MESSAGE.validate_python(envelope.payload | {"message_type": envelope.message_type})
    except ValidationError as error:
        raise BadEnvelope(f"payload of {envelope.message_type}: {_summary(error)}") from error


def _summary(error: ValidationError) -> str:
    """Field by field what is wrong, without the values: they may be anything."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
        for problem in problems[:_PROBLEMS_SHOWN_MAX]
    ]
    if len(problems) > _PROBLEMS_SHOWN_MAX:
        shown.append(f"and {len(problems) - _PROBLEMS_SHOWN_MAX} more")
    return "; ".join(shown)
