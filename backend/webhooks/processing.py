"""Processing a stored event: from the provider's words to ours, and from there to the books.

Two transactions. The first says that it has begun, so that a person sees an event that a dead
worker left in the middle. The second brings the effect and the event's status together; what the
rules refuse is undone and the refusal kept, for a person to act on and replay. What is only busy
leaves as an error, and the message comes again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Actor
from backend.db.engine import Database
from backend.db.statements import TENANT, Statement
from backend.errors import BillerJacketError, Busy, NotFound, TooManyRequests
from backend.unit_of_work import UnitOfWork, run
from backend.webhooks.effects import Effect, apply_event
from backend.webhooks.email_returns import apply_return
from backend.webhooks.events import EmailReturned
from backend.webhooks.ingest import told
from backend.webhooks.models import WEBHOOK_EVENTS, WebhookEventStatus
from backend.webhooks.payloads import parse_object
from backend.webhooks.providers import provider_called
from backend.webhooks.providers.base import Ignored

_W = WEBHOOK_EVENTS
_DETAIL_LENGTH, _CODES_LENGTH = 1000, 200
_DONE = (WebhookEventStatus.PROCESSED, WebhookEventStatus.IGNORED)
# UPDLOCK: on SQL Server two deliveries of one event must not both find it undone.
_GET = Statement(
    sa.select(
        _W.c.id,
        _W.c.provider,
        _W.c.event_type,
        _W.c.status,
        _W.c.error,
        _W.c.payload,
        _W.c.received_at,
        _W.c.processed_at,
        _W.c.effect,
        _W.c.settled_message_id,
        _W.c.correlation_id,
    )
    .where(_W.c.tenant_id == TENANT, _W.c.id == sa.bindparam("event_id"))
    .with_hint(_W, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
)
_ONE = (_W.c.tenant_id == TENANT, _W.c.id == sa.bindparam("event_id"))
_BEGIN = Statement(
    sa.update(_W)
    .where(*_ONE)
    .values(
        status=sa.bindparam("new_status", type_=_W.c.status.type),
        attempts=_W.c.attempts + 1,
        last_attempt_at=sa.bindparam("now"),
    )
)
_SETTLE = Statement(
    sa.update(_W)
    .where(*_ONE)
    .values(
        status=sa.bindparam("new_status", type_=_W.c.status.type),
        processed_at=sa.bindparam("at"),
        error=sa.bindparam("problem"),
        effect=sa.bindparam("outcome"),
        codes=sa.bindparam("words"),
        detail=sa.bindparam("sentence"),
        payment_id=sa.bindparam("payment"),
        replay_requested_at=None,
        settled_message_id=sa.bindparam("message_id"),
    )
)
_SAY = Statement(
    sa.update(_W)
    .where(*_ONE)
    .values(
        detail=sa.bindparam("sentence"),
        replay_requested_at=None,
        settled_message_id=sa.bindparam("message_id"),
    )
)
_TROUBLE = Statement(
    sa.update(_W)
    .where(*_ONE)
    .values(
        status=sa.bindparam("new_status", type_=_W.c.status.type),
        error=sa.bindparam("problem"),
    )
)


@dataclass(frozen=True, slots=True)
class _Begun:
    provider: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class _Settled:
    """How an event ends; `effect` when the books were asked."""

    status: WebhookEventStatus
    detail: str | None = None
    error: str | None = None
    effect: Effect | None = None


def process_event(
    db: Database, actor: Actor, event_id: UUID, message_id: UUID, *, is_replay: bool
) -> WebhookEventStatus | None:
    """Process a stored event, once for this message; the status it ends in, None if it was done.

    Without `is_replay` an event that is done is left alone. Effects are written under the event's
    own correlation id, whoever asks. Raises NotFound, Busy, and whatever nobody foresaw: then the
    event says so, and may be tried again.
    """
    begun = run(db, actor, _begin, event_id, message_id, is_replay)
    if begun is None:
        return None
    acting = replace(actor, who=f"webhook:{begun.provider}", correlation_id=begun.correlation_id)
    try:
        return run(db, acting, _settle, event_id, message_id, is_replay)
    except Busy:
        raise
    except Exception as error:
        with contextlib.suppress(BillerJacketError):
            run(db, acting, _note_trouble, event_id, type(error).__name__)
        raise


def _begin(work: UnitOfWork, event_id: UUID, message_id: UUID, is_replay: bool) -> _Begun | None:
    row = _get(work, event_id)
    if _is_settled(row, message_id, is_replay):
        return None
    # What was processed stays so, also while somebody asks again.
    is_processed = row.status is WebhookEventStatus.PROCESSED
    status = row.status if is_processed else WebhookEventStatus.PROCESSING
    work.execute(_BEGIN, event_id=event_id, new_status=status, now=work.now)
    return _Begun(row.provider, row.correlation_id)


def _settle(
    work: UnitOfWork, event_id: UUID, message_id: UUID, is_replay: bool
) -> WebhookEventStatus | None:
    row = _get(work, event_id)
    if _is_settled(row, message_id, is_replay):
        return None
    if row.event_type is None:
        # It could not be read as an event when it came, and its bytes are the same.
        settled = _Settled(WebhookEventStatus.FAILED, error=row.error)
    else:
        settled = _outcome(work, row.provider, bytes(row.payload), row.received_at)
    if row.status is WebhookEventStatus.PROCESSED:
        _say_of_replay(work, row, message_id, settled)
        return WebhookEventStatus.PROCESSED
    _write(work, event_id, message_id, settled)
    return settled.status


def _outcome(work: UnitOfWork, provider: str, payload: bytes, received_at: datetime) -> _Settled:
    """Bring the event to the books; what the rules refuse is undone, and told."""
    try:
        with work.savepoint():
            event = provider_called(provider).normalise(parse_object(payload), received_at)
            if isinstance(event, Ignored):
                return _Settled(WebhookEventStatus.IGNORED, detail=event.reason)
            if isinstance(event, EmailReturned):
                effect = apply_return(work, provider, event)
            else:
                effect = apply_event(work, provider, event)
    except (Busy, TooManyRequests):
        raise
    except BillerJacketError as refusal:
        return _Settled(WebhookEventStatus.FAILED, error=told(refusal))
    return _Settled(WebhookEventStatus.PROCESSED, detail=effect.detail, effect=effect)


def _write(work: UnitOfWork, event_id: UUID, message_id: UUID, settled: _Settled) -> None:
    effect = settled.effect
    detail = settled.detail and settled.detail[:_DETAIL_LENGTH]
    work.execute(
        _SETTLE,
        event_id=event_id,
        message_id=message_id,
        new_status=settled.status,
        at=work.now,
        problem=settled.error,
        outcome=effect.outcome.value if effect else None,
        words=" ".join(effect.codes)[:_CODES_LENGTH] or None if effect else None,
        sentence=detail,
        payment=effect.payment_id if effect else None,
    )
    facts: dict[str, Any] = {"detail": detail} if detail else {}
    if settled.error:
        facts["error"] = settled.error
    if effect:
        facts |= {"effect": effect.outcome.value, "payment_id": effect.payment_id}
    work.record(f"webhook_event.{settled.status}", "webhook_event", event_id, after=facts)


def _say_of_replay(work: UnitOfWork, row: Any, message_id: UUID, settled: _Settled) -> None:
    """Of an event that was processed before: what it did stands, and what asking again did."""
    again = settled.error or settled.detail or ""
    sentence = f"Replayed: {again}"[:_DETAIL_LENGTH]
    work.execute(_SAY, event_id=row.id, message_id=message_id, sentence=sentence)
    work.record("webhook_event.replayed", "webhook_event", row.id, after={"detail": sentence})


def _note_trouble(work: UnitOfWork, event_id: UUID, problem: str) -> None:
    row = _get(work, event_id)
    if row.status in _DONE:
        return
    sentence = f"unexpected: {problem}. It is tried again; the log has the details."
    work.execute(
        _TROUBLE, event_id=event_id, new_status=WebhookEventStatus.FAILED, problem=sentence
    )


def _is_settled(row: Any, message_id: UUID, is_replay: bool) -> bool:
    if row.settled_message_id == message_id:
        return True
    return row.status in _DONE and not is_replay


def _get(work: UnitOfWork, event_id: UUID) -> Any:
    row = work.first(_GET, event_id=event_id)
    if row is None:
        raise NotFound("There is no such webhook event.", code="webhook_event_not_found")
    return row
