"""What a trace is made of: the queries over each log, and how their rows are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backend.audit import AUDIT_LOG
from backend.communications.wording import money_text
from backend.db.statements import TENANT
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS
from backend.messaging.models import (
    DELIVERY_FAILURES,
    OUTBOX,
    QUEUE_MESSAGES,
    DeliveryOutcome,
    QueueMessageState,
)
from backend.payments.models import PAYMENT_ATTEMPTS, AttemptOutcome
from backend.reporting.history import Context, TimelineItem, tell
from backend.webhooks.models import WEBHOOK_EVENTS, WebhookEventStatus

# Of each log. A dunning run can say the same thing to ten thousand customers.
ROWS_MAX = 500

_L, _E, _P, _A = AUDIT_LOG, LEDGER_ENTRIES, LEDGER_POSTINGS, PAYMENT_ATTEMPTS
_O, _Q, _F, _W = OUTBOX, QUEUE_MESSAGES, DELIVERY_FAILURES, WEBHOOK_EVENTS
# At one instant: what was asked for, what it did, what followed.
_WEBHOOK, _ATTEMPT, _AUDIT, _LEDGER, _MESSAGE, _FAILURE = range(6)


@dataclass(frozen=True)
class Source:
    """A log of the service: its rows by row number, and what each of them tells."""

    rank: int
    table: sa.Table
    query: sa.Select[Any]
    tell: Callable[[Any, Context], Iterator[TimelineItem]]

    def where(self, *conditions: Any) -> sa.Select[Any]:
        """The tenant's rows that meet the conditions, oldest first, one more than ROWS_MAX."""
        limit: sa.ColumnClause[int] = sa.literal_column(str(ROWS_MAX + 1))
        return (
            self.query.where(self.table.c.tenant_id == TENANT, *conditions)
            .order_by(self.table.c.row_id)
            .limit(limit)
        )


def _tell_audit(row: Any, context: Context) -> Iterator[TimelineItem]:
    yield tell(row, context)


def _tell_entry(row: Any, _: Context) -> Iterator[TimelineItem]:
    name = row.kind.replace("_", " ")
    account = row.account.replace("_", " ").capitalize()
    side = "debit" if row.amount > 0 else "credit"
    yield TimelineItem(
        at=row.created_at,
        type=f"ledger.{row.kind}",
        title=f"Ledger, {name}: {side} {money_text(abs(row.amount), row.currency_code)}",
        detail=f"{account}, on {row.entry_day}",
        actor=None,
        correlation_id=row.correlation_id,
        entity_type="ledger_entry",
        entity_id=row.id,
    )


def _tell_attempt(row: Any, _: Context) -> Iterator[TimelineItem]:
    why = None
    if row.outcome is AttemptOutcome.FAILED:
        why = f"{row.failure_message} ({row.failure_code})"
    yield TimelineItem(
        at=row.at,
        type=f"payment.attempt_{row.outcome}",
        title=f"Attempt to pay {money_text(row.amount, row.currency_code)} {row.outcome}",
        detail=why,
        actor=None,
        correlation_id=row.correlation_id,
        entity_type="payment_attempt",
        entity_id=row.id,
    )


def _tell_outbox(row: Any, _: Context) -> Iterator[TimelineItem]:
    def said(verb: str, at: Any) -> TimelineItem:
        return TimelineItem(
            at=at,
            type=f"message.{verb}",
            title=f"Message {row.message_type} {verb}",
            detail=f"Queue {row.queue}, message {row.message_id}",
            actor=None,
            correlation_id=row.correlation_id,
            entity_type="message",
            entity_id=row.message_id,
        )

    yield said("written", row.created_at)
    if row.sent_at is not None:
        yield said("queued", row.sent_at)


def _tell_queued(row: Any, _: Context) -> Iterator[TimelineItem]:
    if row.completed_at is None:
        return
    is_dead = row.state is QueueMessageState.DEAD
    verb = "dead_lettered" if is_dead else "removed" if row.dead_reason else "handled"
    tries = "1 delivery" if row.delivery_count == 1 else f"{row.delivery_count} deliveries"
    why = f"{row.dead_reason}: {row.dead_description}; " if is_dead else ""
    yield TimelineItem(
        at=row.completed_at,
        type=f"message.{verb}",
        title=f"Message {row.message_type or 'of unknown type'} {verb.replace('_', '-')}",
        detail=f"{why}{tries}, queue {row.queue}, message {row.message_id}",
        actor=None,
        correlation_id=row.correlation_id,
        entity_type="message",
    )


def _tell_failed_delivery(row: Any, _: Context) -> Iterator[TimelineItem]:
    is_dead = row.outcome is DeliveryOutcome.DEAD_LETTERED
    yield TimelineItem(
        at=row.at,
        type="message.delivery_failed",
        title=f"Delivery {row.delivery_count} of a message failed",
        detail=f"{row.problem}; {'set aside' if is_dead else 'it is tried again'}, "
        f"queue {row.queue}, message {row.message_id}",
        actor="worker",
        correlation_id=None,
        entity_type="message",
    )


def _tell_webhook(row: Any, _: Context) -> Iterator[TimelineItem]:
    def said(verb: str, at: Any, detail: str | None) -> TimelineItem:
        return TimelineItem(
            at=at,
            type=f"webhook.{verb}",
            title=f"Webhook {row.event_type or 'event'} {verb.replace('_', ' ')}",
            detail=detail,
            actor=f"webhook:{row.provider}",
            correlation_id=row.correlation_id,
            entity_type="webhook_event",
            entity_id=row.id,
        )

    yield said("received", row.received_at, f"{row.provider} {row.external_event_id}")
    if row.deliveries > 1:
        times = f"{row.deliveries} times in all, the last time then"
        yield said("delivered_again", row.last_delivered_at, times)
    if row.processed_at is not None and row.status is not WebhookEventStatus.RECEIVED:
        yield said(row.status, row.processed_at, row.error or row.detail)


def of_entries(condition: Any) -> Any:
    """For LEDGER: the postings of the entries that meet a condition on ENTRIES.

    As a list of ids, for a join would make SQLite walk all postings of the tenant.
    """
    wanted = sa.select(ENTRIES.c.id).where(ENTRIES.c.tenant_id == TENANT, condition)
    return _P.c.entry_id.in_(wanted)


AUDIT = Source(
    _AUDIT,
    _L,
    sa.select(
        _L.c.row_id,
        _L.c.entity_type,
        _L.c.entity_id,
        _L.c.action,
        _L.c.actor,
        _L.c.at,
        _L.c.correlation_id,
        _L.c.data,
    ),
    _tell_audit,
)
LEDGER = Source(
    _LEDGER,
    _P,
    sa.select(
        _P.c.row_id,
        _E.c.id,
        _E.c.kind,
        _E.c.entry_day,
        _E.c.currency_code,
        _E.c.created_at,
        _E.c.correlation_id,
        _P.c.account,
        _P.c.amount,
    ).join(_E, sa.and_(_E.c.tenant_id == _P.c.tenant_id, _E.c.id == _P.c.entry_id)),
    _tell_entry,
)
ENTRIES = LEDGER_ENTRIES.alias("wanted_entries")
ATTEMPTS = Source(
    _ATTEMPT,
    _A,
    sa.select(
        _A.c.row_id,
        _A.c.id,
        _A.c.at,
        _A.c.amount,
        _A.c.currency_code,
        _A.c.outcome,
        _A.c.failure_code,
        _A.c.failure_message,
        _A.c.correlation_id,
    ),
    _tell_attempt,
)
MESSAGES = Source(
    _MESSAGE,
    _O,
    sa.select(
        _O.c.row_id,
        _O.c.message_id,
        _O.c.message_type,
        _O.c.queue,
        _O.c.correlation_id,
        _O.c.created_at,
        _O.c.sent_at,
    ),
    _tell_outbox,
)
QUEUES = Source(
    _MESSAGE,
    _Q,
    sa.select(
        _Q.c.row_id,
        _Q.c.message_id,
        _Q.c.message_type,
        _Q.c.queue,
        _Q.c.correlation_id,
        _Q.c.state,
        _Q.c.delivery_count,
        _Q.c.completed_at,
        _Q.c.dead_reason,
        _Q.c.dead_description,
    ),
    _tell_queued,
)
FAILURES = Source(
    _FAILURE,
    _F,
    sa.select(
        _F.c.row_id,
        _F.c.queue,
        _F.c.message_id,
        _F.c.delivery_count,
        _F.c.at,
        _F.c.outcome,
        _F.c.problem,
    ),
    _tell_failed_delivery,
)
WEBHOOKS = Source(
    _WEBHOOK,
    _W,
    sa.select(
        _W.c.row_id,
        _W.c.id,
        _W.c.provider,
        _W.c.external_event_id,
        _W.c.event_type,
        _W.c.status,
        _W.c.received_at,
        _W.c.deliveries,
        _W.c.last_delivered_at,
        _W.c.processed_at,
        _W.c.error,
        _W.c.detail,
        _W.c.correlation_id,
    ),
    _tell_webhook,
)
