"""What a replay of many events would be, before anybody agrees to it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_HEADS
from backend.db.statements import TENANT, Statement, constant
from backend.unit_of_work import Reader
from backend.webhooks.models import WEBHOOK_EVENTS, WebhookEventStatus
from backend.webhooks.queries import WebhookEventFilter, find_event, narrowed_to

_W, _H = WEBHOOK_EVENTS, AUDIT_HEADS
_NEWEST = Statement(sa.select(sa.func.max(_W.c.row_id)).where(_W.c.tenant_id == TENANT))
_AUDITED = Statement(sa.select(_H.c.sequence).where(_H.c.tenant_id == TENANT))


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """How many events, how many of them are processed already, and when they came."""

    count: int
    processed: int
    oldest_at: datetime | None
    newest_at: datetime | None


def plan_matching(reader: Reader, narrowed: WebhookEventFilter) -> ReplayPlan:
    """The plan for all that a filter finds. Raises NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    params = narrowed.parameters()
    row = reader.one(_plan_statement(frozenset(params)), **params)
    return ReplayPlan(row.count, row.processed or 0, row.oldest_at, row.newest_at)


def plan_selected(reader: Reader, event_ids: Sequence[UUID]) -> ReplayPlan:
    """The plan for these, as far as they are there. Raises NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    events = [event for one in dict.fromkeys(event_ids) if (event := find_event(reader, one))]
    came = [event.received_at for event in events]
    return ReplayPlan(
        len(events),
        sum(event.status is WebhookEventStatus.PROCESSED for event in events),
        min(came, default=None),
        max(came, default=None),
    )


def get_webhook_position(reader: Reader) -> int:
    """A number that grows when an event comes, and with every recorded change.

    That an event came is no change of the books, so the audit log does not tell.
    """
    reader.actor.require(Action.READ)
    return (reader.scalar(_NEWEST) or 0) + (reader.scalar(_AUDITED) or 0)


@functools.lru_cache(maxsize=256)
def _plan_statement(given: frozenset[str]) -> Statement:
    is_processed = _W.c.status == constant(WebhookEventStatus.PROCESSED.value)
    query: Any = sa.select(
        sa.func.count().label("count"),
        sa.func.sum(sa.case((is_processed, constant(1)), else_=constant(0))).label("processed"),
        sa.func.min(_W.c.received_at).label("oldest_at"),
        sa.func.max(_W.c.received_at).label("newest_at"),
    ).where(_W.c.tenant_id == TENANT)
    return Statement(narrowed_to(query, given))
