"""dunning.evaluate: look at all overdue invoices of the tenant and queue what is to be sent."""

from __future__ import annotations

from uuid import UUID

import structlog

from backend.actor import Actor
from backend.bootstrap import Services
from backend.dunning.evaluation import Evaluation, answer_message
from backend.idempotency import claim_message
from backend.messaging.contracts import EvaluateDunning
from backend.messaging.envelope import Envelope
from backend.unit_of_work import UnitOfWork, run

log = structlog.get_logger(__name__)


def evaluate(
    services: Services, actor: Actor, envelope: Envelope, message: EvaluateDunning
) -> None:
    """Run the evaluation, once for this message however often it is delivered.

    One that serves a scheduled run does nothing when the sending window has closed meanwhile; the
    next day's run catches up.
    """
    result = run(services.db, actor, _evaluate_once, message, envelope.message_id)
    if result is not None:
        log.info(
            "dunning.evaluated",
            as_of=str(result.as_of),
            emails=result.email_count,
            invoices=result.invoice_count,
            overdue=result.overdue_count,
            window_closed=result.is_window_closed,
        )


def _evaluate_once(
    work: UnitOfWork, message: EvaluateDunning, message_id: UUID
) -> Evaluation | None:
    if not claim_message(work, message.message_type, str(message_id)):
        return None
    return answer_message(work, message)
