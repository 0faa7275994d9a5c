"""payment.apply: record a payment that was accepted for later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from backend.actor import Actor
from backend.bootstrap import Services
from backend.errors import Refused
from backend.idempotency import Answer, once, request_hash
from backend.messaging.contracts import ApplyPayment
from backend.messaging.envelope import BadEnvelope, Envelope
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import UnitOfWork, run

_COMMAND: TypeAdapter[RecordPayment] = TypeAdapter(RecordPayment)
_OPERATION = "message:payment.apply"
_DONE, _REFUSED = 200, 409


def apply_payment(
    services: Services, actor: Actor, envelope: Envelope, message: ApplyPayment
) -> None:
    """Record the payment, once for this message however often it is delivered.

    Raises Refused when the rules decide against it; the attempt is kept, and a repeated delivery
    is refused in the same words without another attempt. Raises InvalidInput, BadEnvelope.
    """
    try:
        command = _COMMAND.validate_python(message.command)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BadEnvelope(f"payload of payment.apply: command.{where}: {problem['msg']}") from error
    answer = run(
        services.db, actor, _record_once, command, envelope.message_id, envelope.occurred_at
    )
    if answer.status_code == _REFUSED:
        code, _, detail = answer.response.partition(" ")
        raise Refused(detail, code=code)


def _record_once(
    work: UnitOfWork, command: RecordPayment, message_id: UUID, accepted_at: datetime
) -> Answer:
    def produce() -> Answer:
        outcome = try_payment(work, _dated(work, command, accepted_at))
        if isinstance(outcome, Refused):
            return Answer(_REFUSED, f"{outcome.code} {outcome.detail}")
        return Answer(_DONE, str(outcome.payment_id))

    return once(
        work,
        operation=_OPERATION,
        key=str(message_id),
        hash_of_request=request_hash(str(message_id)),
        produce=produce,
    )


def _dated(work: UnitOfWork, command: RecordPayment, accepted_at: datetime) -> RecordPayment:
    """The day of a payment without a date is the day it was accepted, not the day we got to it."""
    if command.received_on is not None:
        return command
    accepted_on = accepted_at.astimezone(ZoneInfo(work.tenant.time_zone)).date()
    return replace(command, received_on=min(accepted_on, work.today))
