"""What a replay of many would be, and whether a page of events must look again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.db.engine import Database
from backend.errors import NotAllowed
from backend.ids import new_id
from backend.unit_of_work import read, run
from backend.webhooks.ingest import Delivery, store_delivery
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.plan import get_webhook_position, plan_matching, plan_selected
from backend.webhooks.processing import process_event
from backend.webhooks.providers.base import Identity
from backend.webhooks.queries import WebhookEventFilter, find_event, get_event
from tests.factories import Clock, actor_in, make_customer
from tests.webhooks import as_bytes, payment_intent, stripe_event


def store(db: Database, actor: Actor, event_id: str, **metadata: str) -> UUID:
    event = stripe_event(
        event_id, "payment_intent.succeeded", payment_intent(event_id, 100, **metadata)
    )
    delivery = Delivery(
        "stripe", SignatureResult.VERIFIED, as_bytes(event), {}, Identity(event_id, event["type"])
    )
    return run(db, actor, store_delivery, delivery).webhook_event_id


@pytest.fixture
def events(db: Database, actor: Actor, clock: Clock) -> list[UUID]:
    """Three events an hour apart; the first is processed."""
    customer = make_customer(db, actor)
    first = store(db, actor, "evt_1", customer_id=str(customer.customer_id))
    process_event(db, actor, first, new_id(), is_replay=False)
    clock.pass_time(hours=1)
    second = store(db, actor, "evt_2")
    clock.pass_time(hours=1)
    return [first, second, store(db, actor, "evt_3")]


def test_a_plan_tells_how_many_when_and_how_many_are_done(
    db: Database, actor: Actor, clock: Clock, events: list[UUID]
):
    plan = read(db, actor, plan_matching, WebhookEventFilter())
    assert (plan.count, plan.processed) == (3, 1)
    assert (plan.oldest_at, plan.newest_at) == (clock.now - timedelta(hours=2), clock.now)
    assert read(db, actor, plan_selected, events) == plan
    waiting = read(db, actor, plan_matching, WebhookEventFilter(status=WebhookEventStatus.RECEIVED))
    assert (waiting.count, waiting.processed) == (2, 0)
    assert read(db, actor, plan_selected, [events[2], events[2], events[1]]) == waiting


def test_a_plan_of_nothing_is_empty(db: Database, actor: Actor, events: list[UUID]):
    nothing = read(db, actor, plan_matching, WebhookEventFilter(external_event_id="evt_9"))
    assert (nothing.count, nothing.processed, nothing.oldest_at) == (0, 0, None)
    assert read(db, actor, plan_selected, [new_id()]) == nothing


def test_plans_are_for_those_who_support(db: Database, tenant_id: UUID, events: list[UUID]):
    finance = actor_in(tenant_id, Role.FINANCE)
    with pytest.raises(NotAllowed):
        read(db, finance, plan_matching, WebhookEventFilter())
    with pytest.raises(NotAllowed):
        read(db, finance, plan_selected, events)


def test_another_tenants_events_are_in_no_plan(db: Database, stranger: Actor, events: list[UUID]):
    assert read(db, stranger, plan_matching, WebhookEventFilter()).count == 0
    assert read(db, stranger, plan_selected, events).count == 0
    assert read(db, stranger, find_event, events[0]) is None


def test_an_event_is_found_as_lists_show_it(db: Database, actor: Actor, events: list[UUID]):
    assert read(db, actor, find_event, events[0]) == read(db, actor, get_event, events[0]).head
    assert read(db, actor, find_event, new_id()) is None


def test_the_position_moves_when_an_event_comes_and_when_it_is_processed(
    db: Database, actor: Actor, stranger: Actor, events: list[UUID]
):
    before = read(db, actor, get_webhook_position)
    theirs = read(db, stranger, get_webhook_position)
    fourth = store(db, actor, "evt_4")
    came = read(db, actor, get_webhook_position)
    assert came > before
    process_event(db, actor, fourth, new_id(), is_replay=False)
    assert read(db, actor, get_webhook_position) > came
    assert read(db, stranger, get_webhook_position) == theirs
