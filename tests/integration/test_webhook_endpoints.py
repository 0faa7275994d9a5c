"""A tenant's addresses for providers: shown once, kept encrypted, their secrets replaced."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest

from backend.actor import Actor, Role, platform_system
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, StateConflict
from backend.ids import new_id
from backend.tenants.service import deactivate_tenant
from backend.unit_of_work import read, run
from backend.webhooks.endpoints import (
    CreateEndpoint,
    EndpointView,
    FoundEndpoint,
    NewEndpoint,
    WhichSecret,
    activate_endpoint,
    add_secret,
    count_refused,
    create_endpoint,
    deactivate_endpoint,
    find_by_token,
    get_endpoint,
    get_tenant_of_endpoint,
    list_endpoints,
    retire_secret,
)
from backend.webhooks.secrets import SecretBox, SecretUnreadable, new_secret, token_digest
from tests.factories import Clock, actor_in, raw_rows
from tests.webhooks import STRIPE_SECRET

BOX = SecretBox("k" * 32)
PLATFORM = platform_system("test")


def make(db: Database, actor: Actor, provider: str = "stripe", secret: str | None = None):
    return run(db, actor, create_endpoint, BOX, CreateEndpoint(provider, secret))


def found(db: Database, endpoint: NewEndpoint) -> FoundEndpoint:
    there = read(db, PLATFORM, find_by_token, token_digest(endpoint.endpoint_token))
    assert there is not None
    return there


def secrets_of(db: Database, endpoint: NewEndpoint) -> list[str]:
    return found(db, endpoint).secrets(BOX)


def view(db: Database, actor: Actor, endpoint: NewEndpoint) -> EndpointView:
    return read(db, actor, get_endpoint, endpoint.webhook_endpoint_id)


def test_an_address_is_made_and_found_by_its_token(db: Database, actor: Actor):
    made = make(db, actor, "stripe", STRIPE_SECRET)
    assert made.secret == STRIPE_SECRET
    assert made.url("https://pay.example.com") == (
        f"https://pay.example.com/api/webhooks/stripe/{made.endpoint_token}"
    )
    there = found(db, made)
    assert (there.tenant_id, there.provider) == (actor.tenant_id, "stripe")
    assert there.takes_deliveries
    assert there.secrets(BOX) == [STRIPE_SECRET]
    assert read(db, PLATFORM, find_by_token, token_digest("x" * 43)) is None
    assert read(db, PLATFORM, get_tenant_of_endpoint, there.endpoint_id) == actor.tenant_id


def test_a_secret_is_made_up_when_none_is_given(db: Database, actor: Actor):
    first, second = make(db, actor, "standard"), make(db, actor, "standard")
    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    assert secrets_of(db, first) == [first.secret]


def test_neither_token_nor_secret_stands_in_the_database(
    db: Database, actor: Actor, database_file: Path
):
    made = make(db, actor, "stripe", STRIPE_SECRET)
    added = run(db, actor, add_secret, BOX, made.webhook_endpoint_id)
    with contextlib.closing(sqlite3.connect(database_file)) as connection:
        dump = "\n".join(connection.iterdump())
    for secret in (STRIPE_SECRET, added, made.endpoint_token):
        assert secret not in dump
        assert secret[6:] not in dump
    shown = repr((read(db, actor, list_endpoints), found(db, made)))
    assert STRIPE_SECRET not in shown
    assert made.endpoint_token not in shown
    with pytest.raises(SecretUnreadable):
        found(db, made).secrets(SecretBox("another key of the service"))


def test_a_wrong_secret_or_provider_makes_nothing(db: Database, actor: Actor):
    with pytest.raises(InvalidInput):
        make(db, actor, "standard", "whsec_short")
    with pytest.raises(NotFound) as unknown:
        make(db, actor, "paypal")
    assert unknown.value.code == "unknown_provider"
    nobody = actor_in(new_id())
    with pytest.raises(NotFound):
        make(db, nobody)
    assert read(db, actor, list_endpoints) == []


def test_a_secret_is_replaced_without_a_gap(db: Database, actor: Actor, clock: Clock):
    made = make(db, actor, "stripe", STRIPE_SECRET)
    set_at = clock.now
    clock.pass_time(days=30)
    added = run(db, actor, add_secret, BOX, made.webhook_endpoint_id, "whsec_the_next_one")
    assert added == "whsec_the_next_one"
    assert secrets_of(db, made) == ["whsec_the_next_one", STRIPE_SECRET]
    seen = view(db, actor, made)
    assert (seen.secret_set_at, seen.previous_secret_set_at) == (clock.now, set_at)
    with pytest.raises(StateConflict) as two:
        run(db, actor, add_secret, BOX, made.webhook_endpoint_id)
    assert two.value.code == "two_secrets"
    run(db, actor, retire_secret, made.webhook_endpoint_id)
    assert secrets_of(db, made) == ["whsec_the_next_one"]
    assert view(db, actor, made).previous_secret_set_at is None
    with pytest.raises(StateConflict) as one:
        run(db, actor, retire_secret, made.webhook_endpoint_id)
    assert one.value.code == "only_secret"


def test_a_secret_added_by_mistake_is_taken_back(db: Database, actor: Actor, clock: Clock):
    made = make(db, actor, "stripe", STRIPE_SECRET)
    set_at = clock.now
    clock.pass_time(days=1)
    run(db, actor, add_secret, BOX, made.webhook_endpoint_id)
    run(db, actor, retire_secret, made.webhook_endpoint_id, WhichSecret.NEWER)
    assert secrets_of(db, made) == [STRIPE_SECRET]
    assert view(db, actor, made).secret_set_at == set_at


def test_a_wrong_secret_is_not_added(db: Database, actor: Actor):
    made = make(db, actor, "standard")
    with pytest.raises(InvalidInput):
        run(db, actor, add_secret, BOX, made.webhook_endpoint_id, "whsec_short")
    assert secrets_of(db, made) == [made.secret]


def test_an_address_is_switched_off_and_on(db: Database, actor: Actor):
    made = make(db, actor)
    for _ in range(2):
        run(db, actor, deactivate_endpoint, made.webhook_endpoint_id)
        assert not found(db, made).takes_deliveries
        assert not view(db, actor, made).is_active
    run(db, actor, activate_endpoint, made.webhook_endpoint_id)
    assert found(db, made).takes_deliveries


def test_an_inactive_tenant_takes_nothing(db: Database, actor: Actor):
    made = make(db, actor)
    run(db, PLATFORM, deactivate_tenant, actor.tenant_id)
    assert not found(db, made).takes_deliveries


def test_refusals_are_counted_for_support_to_see(db: Database, actor: Actor, clock: Clock):
    made = make(db, actor)
    run(db, actor, count_refused, made.webhook_endpoint_id, 3, "there is no header")
    clock.pass_time(minutes=1)
    run(db, actor, count_refused, made.webhook_endpoint_id, 2, "x" * 1000)
    seen = read(db, actor_in(actor.tenant_id, Role.SUPPORT), get_endpoint, made.webhook_endpoint_id)
    assert (seen.refused_count, seen.last_refused_at) == (5, clock.now)
    assert seen.last_refused_reason == "x" * 200


@pytest.mark.parametrize("role", [Role.FINANCE, Role.SUPPORT])
def test_only_an_admin_may_touch_them(db: Database, actor: Actor, role: Role):
    made = make(db, actor)
    other = actor_in(actor.tenant_id, role)
    endpoint_id = made.webhook_endpoint_id
    for call in (
        lambda work: create_endpoint(work, BOX, CreateEndpoint("stripe")),
        lambda work: add_secret(work, BOX, endpoint_id),
        lambda work: retire_secret(work, endpoint_id),
        lambda work: deactivate_endpoint(work, endpoint_id),
        lambda work: activate_endpoint(work, endpoint_id),
    ):
        with pytest.raises(NotAllowed):
            run(db, other, call)
    if role is Role.FINANCE:
        with pytest.raises(NotAllowed):
            read(db, other, list_endpoints)
        with pytest.raises(NotAllowed):
            read(db, other, get_endpoint, endpoint_id)
    else:
        assert len(read(db, other, list_endpoints)) == 1


def test_who_did_what_stands_in_the_audit_log_without_secrets(db: Database, actor: Actor):
    made = make(db, actor, "stripe", STRIPE_SECRET)
    endpoint_id = made.webhook_endpoint_id
    added = run(db, actor, add_secret, BOX, endpoint_id)
    run(db, actor, retire_secret, endpoint_id)
    run(db, actor, deactivate_endpoint, endpoint_id)
    run(db, actor, deactivate_endpoint, endpoint_id)
    run(db, actor, activate_endpoint, endpoint_id)
    told = raw_rows(
        db,
        "SELECT action, data FROM audit_log WHERE entity_id = ? ORDER BY row_id",
        endpoint_id.hex,
    )
    assert [action for action, _ in told] == [
        f"webhook_endpoint.{verb}"
        for verb in ("created", "secret_added", "secret_retired", "deactivated", "activated")
    ]
    assert json.loads(told[0][1])["after"] == {
        "provider": "stripe",
        "token_hint": made.endpoint_token[:6],
    }
    text = repr(told)
    assert not any(secret in text for secret in (STRIPE_SECRET, added, made.endpoint_token))


def test_the_newest_is_listed_first_and_says_when_it_was_last_heard_of(db: Database, actor: Actor):
    first, second = make(db, actor, "stripe"), make(db, actor, "standard")
    listed = read(db, actor, list_endpoints)
    assert [one.webhook_endpoint_id for one in listed] == [
        second.webhook_endpoint_id,
        first.webhook_endpoint_id,
    ]
    assert [one.token_hint for one in listed] == [
        second.endpoint_token[:6],
        first.endpoint_token[:6],
    ]
    assert listed[0].last_event_at is None


def test_another_tenants_endpoint_is_like_none(db: Database, actor: Actor, stranger: Actor):
    theirs = make(db, stranger)
    secret = new_secret()

    def told(endpoint_id: UUID) -> list[str]:
        answers = []
        for call in (
            lambda work: add_secret(work, BOX, endpoint_id, secret),
            lambda work: retire_secret(work, endpoint_id),
            lambda work: deactivate_endpoint(work, endpoint_id),
            lambda work: activate_endpoint(work, endpoint_id),
            lambda work: get_endpoint(work, endpoint_id),
        ):
            with pytest.raises(NotFound) as refused:
                run(db, actor, call)
            answers.append(refused.value.detail)
        run(db, actor, count_refused, endpoint_id, 1, "x")
        return answers

    assert told(theirs.webhook_endpoint_id) == told(new_id())
    seen = view(db, stranger, theirs)
    assert (seen.is_active, seen.refused_count) == (True, 0)
    assert read(db, actor, list_endpoints) == []
    with pytest.raises(NotAllowed):
        read(db, actor, get_tenant_of_endpoint, theirs.webhook_endpoint_id)
    with pytest.raises(NotFound):
        read(db, PLATFORM, get_tenant_of_endpoint, new_id())
