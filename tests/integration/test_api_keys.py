"""API keys: shown once, refused at once, and quick to check."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from backend.actor import Actor, Role, platform_system
from backend.db.connection import Connection
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from backend.identity import api_keys
from backend.identity.api_keys import ApiKeyIdentity, CreateApiKey, NewApiKey
from backend.ids import new_id
from backend.tenants.service import activate_tenant, deactivate_tenant
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_tenant

PLATFORM = platform_system("test")


def make_key(db: Database, tenant_id: UUID, role: Role = Role.ADMIN) -> NewApiKey:
    return run(db, actor_in(tenant_id), api_keys.create_api_key, CreateApiKey("ERP", role))


def check(db: Database, key: str | None) -> ApiKeyIdentity:
    return read(db, PLATFORM, api_keys.authenticate_api_key, key)


def test_a_key_acts_for_its_tenant_in_its_role(db: Database, tenant_id: UUID):
    key = make_key(db, tenant_id, Role.FINANCE)
    assert re.fullmatch(r"bj_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}", key.api_key)
    actor = check(db, key.api_key).actor(tenant_id, "c")
    assert actor == Actor(tenant_id, Role.FINANCE, "api-key:ERP", "c")


def test_only_prefix_and_digest_are_kept(db: Database, tenant_id: UUID, database_file: Path):
    key = make_key(db, tenant_id).api_key
    with closing(sqlite3.connect(database_file)) as connection:
        (prefix, digest) = connection.execute("SELECT prefix, digest FROM api_keys").fetchone()
        dump = "\n".join(connection.iterdump())
    assert key.split("_")[1] == prefix
    assert digest == hashlib.sha256(key.encode()).hexdigest()
    assert key.split("_")[2] not in dump


def test_a_missing_malformed_or_altered_key_is_nobodys(db: Database, tenant_id: UUID):
    key = make_key(db, tenant_id).api_key
    altered = key[:-1] + ("a" if key[-1] != "a" else "b")
    for wrong in (
        None,
        "",
        "bj_",
        key[:-1],
        key + "a",
        altered,
        key.swapcase(),
        "é" * 59,
        key + "\n",
    ):
        with pytest.raises(NotSignedIn):
            check(db, wrong)


def test_a_revoked_key_is_refused_at_once_and_revoking_twice_is_no_error(
    db: Database, tenant_id: UUID, actor: Actor
):
    key = make_key(db, tenant_id)
    for _ in range(2):
        run(db, actor, api_keys.revoke_api_key, key.id)
    with pytest.raises(NotAllowed) as refusal:
        check(db, key.api_key).actor(tenant_id, "c")
    assert refusal.value.code == "api_key_revoked"


def test_a_key_does_not_open_another_tenant_known_or_unknown(db: Database, tenant_id: UUID):
    identity = check(db, make_key(db, tenant_id).api_key)
    refusals = []
    for other in (make_tenant(db, "Other"), new_id()):
        with pytest.raises(NotAllowed) as refusal:
            identity.actor(other, "c")
        refusals.append((refusal.value.code, refusal.value.detail))
    assert len(set(refusals)) == 1


def test_an_inactive_tenants_keys_are_refused_until_it_is_active_again(
    db: Database, tenant_id: UUID
):
    key = make_key(db, tenant_id).api_key
    run(db, PLATFORM, deactivate_tenant, tenant_id)
    with pytest.raises(NotAllowed) as refusal:
        check(db, key).actor(tenant_id, "c")
    assert refusal.value.code == "tenant_inactive"
    run(db, PLATFORM, activate_tenant, tenant_id)
    check(db, key).actor(tenant_id, "c")


def test_last_use_is_kept_to_the_minute(db: Database, tenant_id: UUID, clock: Clock):
    key = make_key(db, tenant_id)

    def used() -> object:
        (row,) = read(db, actor_in(tenant_id), api_keys.list_api_keys)
        return row.last_used_at

    assert used() is None
    assert check(db, key.api_key).should_note
    run(db, PLATFORM, api_keys.note_api_key_used, key.id)
    first = clock.now
    assert used() == first
    clock.pass_time(seconds=59)
    assert not check(db, key.api_key).should_note
    run(db, PLATFORM, api_keys.note_api_key_used, key.id)
    assert used() == first
    clock.pass_time(seconds=1)
    assert check(db, key.api_key).should_note
    run(db, PLATFORM, api_keys.note_api_key_used, key.id)
    assert used() == clock.now


def test_a_check_is_one_statement_that_searches_by_index(
    db: Database, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    key = make_key(db, tenant_id).api_key
    statements: list[str] = []
    query = Connection.query

    def listen(self: Connection, statement, parameters):
        statements.append(statement.compiled_for(self.dialect).sql)
        return query(self, statement, parameters)

    monkeypatch.setattr(Connection, "query", listen)
    check(db, key)
    (sql,) = statements
    with db.snapshot() as connection:
        plan = connection.driver.execute(f"EXPLAIN QUERY PLAN {sql}", ["x"]).fetchall()
    assert all("USING INDEX" in step[-1] or "USING COVERING INDEX" in step[-1] for step in plan)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (CreateApiKey("  "), "name"),
        (CreateApiKey("x" * 101), "name"),
        (CreateApiKey("line\nbreak"), "name"),
        (CreateApiKey("ERP", Role.SUPERADMIN), "role"),
    ],
    ids=["no name", "long name", "control character", "superadmin"],
)
def test_refuses_a_key_that_cannot_be(
    db: Database, actor: Actor, command: CreateApiKey, field: str
):
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, api_keys.create_api_key, command)
    assert refusal.value.errors[0].field == field
    assert read(db, actor, api_keys.list_api_keys) == []


def test_a_key_needs_a_tenant_that_exists(db: Database):
    with pytest.raises(NotFound):
        run(db, actor_in(new_id()), api_keys.create_api_key, CreateApiKey("ERP"))


@pytest.mark.parametrize("role", [Role.FINANCE, Role.SUPPORT])
def test_only_an_admin_sees_makes_and_revokes_keys(db: Database, tenant_id: UUID, role: Role):
    key = make_key(db, tenant_id)
    other = actor_in(tenant_id, role)
    with pytest.raises(NotAllowed):
        read(db, other, api_keys.list_api_keys)
    with pytest.raises(NotAllowed):
        run(db, other, api_keys.create_api_key, CreateApiKey("ERP"))
    with pytest.raises(NotAllowed):
        run(db, other, api_keys.revoke_api_key, key.id)
    check(db, key.api_key).actor(tenant_id, "c")


def test_another_tenants_keys_are_not_there(db: Database, tenant_id: UUID):
    key = make_key(db, tenant_id)
    other = actor_in(make_tenant(db, "Other"))
    assert read(db, other, api_keys.list_api_keys) == []
    for missing in (key.id, new_id()):
        with pytest.raises(NotFound) as refusal:
            run(db, other, api_keys.revoke_api_key, missing)
        assert refusal.value.code == "api_key_not_found"
    check(db, key.api_key).actor(tenant_id, "c")


def test_the_platform_finds_the_tenant_of_a_key(db: Database, tenant_id: UUID, actor: Actor):
    key = make_key(db, tenant_id)
    assert read(db, PLATFORM, api_keys.get_tenant_of_api_key, key.id) == tenant_id
    with pytest.raises(NotFound):
        read(db, PLATFORM, api_keys.get_tenant_of_api_key, new_id())
    with pytest.raises(NotAllowed):
        read(db, actor, api_keys.get_tenant_of_api_key, key.id)
