"""The people of a tenant: invited, given roles, shut out; never the last Admin, never others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from pydantic import SecretStr

from backend.actor import Actor, Role, platform_system
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, StateConflict
from backend.identity import sessions, teammates
from backend.identity.teammates import InviteTeammate
from backend.identity.users import CreateUser, create_user, has_users
from backend.ids import new_id
from backend.unit_of_work import Reader, UnitOfWork, read, run
from tests.factories import actor_in, make_tenant

SECRET = SecretStr("a secret key for tests")
PLATFORM = platform_system("test")


def make_user(db: Database, tenant_id: UUID | None, email: str, role: Role) -> UUID:
    return run(db, PLATFORM, create_user, CreateUser(email, role, tenant_id, "a hash"))


@pytest.fixture
def boss(db: Database, tenant_id: UUID) -> UUID:
    return make_user(db, tenant_id, "boss@example.com", Role.ADMIN)


@pytest.fixture
def mate(db: Database, tenant_id: UUID) -> UUID:
    return make_user(db, tenant_id, "mate@example.com", Role.FINANCE)


def people(db: Database, tenant_id: UUID) -> dict[str, tuple[Role, bool, bool]]:
    listed = read(db, actor_in(tenant_id), teammates.list_teammates)
    return {mate.email: (mate.role, mate.is_active, mate.has_joined) for mate in listed}


def test_an_invited_teammate_is_listed_as_not_yet_joined(
    db: Database, tenant_id: UUID, boss: UUID, actor: Actor
):
    command = InviteTeammate(" New@Example.com", Role.SUPPORT)
    run(db, actor, teammates.invite_teammate, command, secret_key=SECRET)
    assert people(db, tenant_id) == {
        "boss@example.com": (Role.ADMIN, True, True),
        "new@example.com": (Role.SUPPORT, True, False),
    }


def test_a_new_role_holds_from_the_next_look_on(
    db: Database, tenant_id: UUID, boss: UUID, mate: UUID, actor: Actor
):
    token = run(
        db, PLATFORM, sessions.start_session, mate, address="192.0.2.1", user_agent="test"
    ).token
    run(db, actor, teammates.change_role, mate, Role.SUPPORT)
    who = read(db, PLATFORM, sessions.get_session, token)
    assert who.role is Role.SUPPORT


def test_a_teammate_who_is_shut_out_loses_the_sessions_and_can_return(
    db: Database, tenant_id: UUID, boss: UUID, mate: UUID, actor: Actor
):
    token = run(
        db, PLATFORM, sessions.start_session, mate, address="192.0.2.1", user_agent="test"
    ).token
    for _ in range(2):
        run(db, actor, teammates.deactivate_teammate, mate)
    assert read(db, PLATFORM, sessions.find_session, token) is None
    assert people(db, tenant_id)["mate@example.com"] == (Role.FINANCE, False, True)
    for _ in range(2):
        run(db, actor, teammates.activate_teammate, mate)
    assert people(db, tenant_id)["mate@example.com"] == (Role.FINANCE, True, True)
    assert read(db, PLATFORM, sessions.find_session, token) is None, "the session stays ended"


def test_the_last_admin_stays_an_admin(db: Database, tenant_id: UUID, boss: UUID, actor: Actor):
    second = make_user(db, tenant_id, "second@example.com", Role.ADMIN)
    run(db, actor, teammates.deactivate_teammate, second)
    for attempt in (
        lambda: run(db, actor, teammates.change_role, boss, Role.FINANCE),
        lambda: run(db, actor, teammates.deactivate_teammate, boss),
    ):
        with pytest.raises(StateConflict) as refusal:
            attempt()
        assert refusal.value.code == "last_admin"
    run(db, actor, teammates.activate_teammate, second)
    run(db, actor, teammates.change_role, boss, Role.FINANCE)


def test_two_admins_who_demote_each_other_leave_one(db: Database, tenant_id: UUID, boss: UUID):
    second = make_user(db, tenant_id, "second@example.com", Role.ADMIN)

    def demote(user_id: UUID) -> bool:
        try:
            run(db, actor_in(tenant_id), teammates.change_role, user_id, Role.FINANCE)
        except StateConflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, (boss, second))) == [False, True]


@pytest.mark.parametrize("email", ["", "nobody", "mate@example.com", "elsewhere@example.com"])
def test_refuses_an_invitation_to_no_address_or_a_known_one(
    db: Database, actor: Actor, mate: UUID, email: str
):
    make_user(db, make_tenant(db, "Other"), "elsewhere@example.com", Role.ADMIN)
    command = InviteTeammate(email, Role.FINANCE)
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, teammates.invite_teammate, command, secret_key=SECRET)
    assert refusal.value.errors[0].field == "email"


def test_a_tenant_cannot_make_a_superadmin(db: Database, actor: Actor, boss: UUID, mate: UUID):
    command = InviteTeammate("new@example.com", Role.SUPERADMIN)
    with pytest.raises(InvalidInput):
        run(db, actor, teammates.invite_teammate, command, secret_key=SECRET)
    with pytest.raises(InvalidInput):
        run(db, actor, teammates.change_role, mate, Role.SUPERADMIN)


def invite(work: UnitOfWork, _user_id: UUID) -> object:
    command = InviteTeammate("new@example.com", Role.FINANCE)
    return teammates.invite_teammate(work, command, secret_key=SECRET)


def change_role(work: UnitOfWork, user_id: UUID) -> object:
    teammates.change_role(work, user_id, Role.SUPPORT)
    return None


def renew(reader: Reader, user_id: UUID) -> object:
    return teammates.renew_invitation(reader, user_id, secret_key=SECRET)


EVERY_USE_CASE = [
    invite,
    renew,
    change_role,
    teammates.deactivate_teammate,
    teammates.activate_teammate,
]


@pytest.mark.parametrize("use_case", EVERY_USE_CASE)
@pytest.mark.parametrize("role", [Role.FINANCE, Role.SUPPORT])
def test_only_an_admin_manages_people(
    db: Database,
    tenant_id: UUID,
    boss: UUID,
    mate: UUID,
    role: Role,
    use_case: Callable[[UnitOfWork, UUID], object],
):
    before = people(db, tenant_id)
    with pytest.raises(NotAllowed):
        run(db, actor_in(tenant_id, role), use_case, mate)
    with pytest.raises(NotAllowed):
        read(db, actor_in(tenant_id, role), teammates.list_teammates)
    assert people(db, tenant_id) == before


@pytest.mark.parametrize("use_case", EVERY_USE_CASE[1:])
def test_another_tenants_people_are_not_there(
    db: Database,
    tenant_id: UUID,
    boss: UUID,
    mate: UUID,
    use_case: Callable[[UnitOfWork, UUID], object],
):
    stranger = actor_in(make_tenant(db, "Other"))
    refusals = []
    for user_id in (mate, new_id()):
        with pytest.raises(NotFound) as refusal:
            run(db, stranger, use_case, user_id)
        refusals.append((refusal.value.code, refusal.value.detail))
    assert len(set(refusals)) == 1
    assert people(db, tenant_id)["mate@example.com"] == (Role.FINANCE, True, True)
    assert read(db, stranger, teammates.list_teammates) == []


def test_the_platform_makes_users_and_superadmins_belong_to_no_tenant(
    db: Database, tenant_id: UUID
):
    assert not read(db, PLATFORM, has_users)
    make_user(db, None, "root@example.com", Role.SUPERADMIN)
    assert read(db, PLATFORM, has_users)
    for role, tenant in ((Role.SUPERADMIN, tenant_id), (Role.ADMIN, None)):
        with pytest.raises(InvalidInput):
            make_user(db, tenant, "x@example.com", role)
    with pytest.raises(NotFound):
        make_user(db, new_id(), "x@example.com", Role.ADMIN)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_no_tenant_makes_users_of_the_platform(db: Database, tenant_id: UUID, role: Role):
    command = CreateUser("x@example.com", Role.ADMIN, tenant_id, "a hash")
    with pytest.raises(NotAllowed):
        run(db, actor_in(tenant_id, role), create_user, command)
