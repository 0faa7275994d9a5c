"""payment.apply: record a payment that was accepted for later.

What was recorded answers every delivery of the message, and every copy that people send again: it
is claimed by the envelope's message id, which they share. A refusal answers only deliveries of the
same copy, for the next one is sent because what stood in the way has been mended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from backend.actor import Actor
from backend.bootstrap import Services
from backend.errors import Refused
from backend.idempotency import Answer, find_message_answer, keep_message_answer
from backend.messaging.contracts import ApplyPayment
from backend.messaging.envelope import BadEnvelope, Envelope
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import UnitOfWork, run

_COMMAND: TypeAdapter[RecordPayment] = TypeAdapter(RecordPayment)
_RECORDED = "message:payment.apply"
_REFUSALS = "message:payment.apply:refused"
_DONE, _REFUSED = 200, 409


def apply_payment(
    services: Services, actor: Actor, envelope: Envelope, message: ApplyPayment
) -> None:
    """Record the payment, once for this message however often it is delivered or sent again.

    Raises Refused when the rules decide against it; the attempt is kept, and a repeated delivery
    is refused in the same words without another attempt. Raises InvalidInput, BadEnvelope.
    """
    try:
        command = _COMMAND.validate_python(message.command)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BadEnvelope(f"payload of payment.apply: command.{where}: {problem['msg']}") from error
    answer = run(services.db, actor, _record_once, command, envelope)
    if answer.status_code == _REFUSED:
        code, _, detail = answer.response.partition(" ")
        raise Refused(detail, code=code)


def _record_once(work: UnitOfWork, command: RecordPayment, envelope: Envelope) -> Answer:
    message_id = str(envelope.message_id)
    of_this_copy = f"{message_id}:{envelope.resubmission}"
    known = find_message_answer(work, _RECORDED, message_id) or find_message_answer(
        work, _REFUSALS, of_this_copy
    )
    if known is not None:
        return known
    outcome = try_payment(work, _dated(work, command, envelope.occurred_at))
    if isinstance(outcome, Refused):
        answer = Answer(_REFUSED, f"{outcome.code} {outcome.detail}")
        keep_message_answer(work, _REFUSALS, of_this_copy, answer)
    else:
        answer = Answer(_DONE, str(outcome.payment_id))
        keep_message_answer(work, _RECORDED, message_id, answer)
    return answer


def _dated(work: UnitOfWork, command: RecordPayment, accepted_at: datetime) -> RecordPayment:
    """The day of a payment without a date is the day it was accepted, not the day we got to it."""
    if command.received_on is not None:
        return command
    accepted_on = accepted_at.astimezone(ZoneInfo(work.tenant.time_zone)).date()
    return replace(command, received_on=min(accepted_on, work.today))
