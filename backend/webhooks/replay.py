"""Asking again for events to be processed: one, some, or all that a filter finds.

Safe for any event: what it says is applied once, however often it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.db.statements import TENANT, Statement
from backend.errors import NotFound, RuleRefused, StateConflict
from backend.messaging.contracts import WebhookReplayRequested
from backend.unit_of_work import Reader, UnitOfWork
from backend.webhooks.models import WEBHOOK_EVENTS, WebhookEventStatus
from backend.webhooks.queries import WebhookEventFilter, narrowed_to

# In one transaction, which others wait for: a quarter of a second, more on a busy machine.
REPLAYS_MAX = 1000

_W = WEBHOOK_EVENTS
_FIND = Statement(
    sa.select(_W.c.id, _W.c.status, _W.c.provider, _W.c.external_event_id).where(
        _W.c.tenant_id == TENANT, _W.c.id == sa.bindparam("event_id")
    )
)
_NOTE = Statement(
    sa.update(_W)
    .where(_W.c.tenant_id == TENANT, _W.c.id == sa.bindparam("event_id"))
    .values(replay_requested_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events were queued again, and how many of them had been processed before."""

    queued: int
    processed_before: int


def replay_event(work: UnitOfWork, event_id: UUID) -> None:
    """Have one event processed again. Raises NotAllowed, NotFound."""
    work.actor.require(Action.SUPPORT_TOOLS)
    _queue(work, [_found(work, event_id)])


def replay_events(work: UnitOfWork, event_ids: Sequence[UUID]) -> Replayed:
    """Have these processed again, each once. Raises NotAllowed, NotFound, RuleRefused."""
    work.actor.require(Action.SUPPORT_TOOLS)
    wanted = list(dict.fromkeys(event_ids))
    _require_few(len(wanted))
    return _queue(work, [_found(work, event_id) for event_id in wanted])


def count_matching(reader: Reader, narrowed: WebhookEventFilter) -> int:
    """How many events the filter finds. Raises NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    params = narrowed.parameters()
    count: int = reader.scalar(_count_statement(frozenset(params)), **params)
    return count


def replay_matching(
    work: UnitOfWork, narrowed: WebhookEventFilter, expected_count: int
) -> Replayed:
    """Have all that the filter finds processed again, the oldest first.

    Raises NotAllowed; StateConflict when it no longer finds `expected_count`, which is what the
    person agreed to; RuleRefused when they are too many for one go.
    """
    work.actor.require(Action.SUPPORT_TOOLS)
    found = count_matching(work, narrowed)
    if found != expected_count:
        raise StateConflict(
            f"{found} events match now, not {expected_count}: look again before you replay them.",
            code="count_changed",
            expected=expected_count,
            found=found,
        )
    _require_few(found)
    params = narrowed.parameters()
    return _queue(work, work.rows(_matching_statement(frozenset(params)), **params))


def _require_few(count: int) -> None:
    if count > REPLAYS_MAX:
        raise RuleRefused(
            f"{count} events are too many for one go: narrow it to {REPLAYS_MAX} at most.",
            code="too_many_events",
        )


def _found(work: UnitOfWork, event_id: UUID) -> Any:
    row = work.first(_FIND, event_id=event_id)
    if row is None:
        raise NotFound("There is no such webhook event.", code="webhook_event_not_found")
    return row


def _queue(work: UnitOfWork, events: Sequence[Any]) -> Replayed:
    work.execute_many(_NOTE, [{"event_id": event.id, "now": work.now} for event in events])
    for event in events:
        work.send(WebhookReplayRequested(webhook_event_id=event.id))
        work.record(
            "webhook_event.replay_requested",
            "webhook_event",
            event.id,
            before={"status": event.status},
            after={"provider": event.provider, "external_event_id": event.external_event_id},
        )
    processed = sum(event.status is WebhookEventStatus.PROCESSED for event in events)
    return Replayed(len(events), processed)


@functools.lru_cache(maxsize=256)
def _count_statement(given: frozenset[str]) -> Statement:
    query = sa.select(sa.func.count()).select_from(_W).where(_W.c.tenant_id == TENANT)
    return Statement(narrowed_to(query, given))


@functools.lru_cache(maxsize=256)
def _matching_statement(given: frozenset[str]) -> Statement:
    query = sa.select(_W.c.id, _W.c.status, _W.c.provider, _W.c.external_event_id)
    narrowed = narrowed_to(query.where(_W.c.tenant_id == TENANT), given)
    return Statement(narrowed.order_by(_W.c.row_id))
