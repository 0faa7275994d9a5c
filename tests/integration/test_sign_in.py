"""Registering, signing in, sessions and throttling, against a real database."""

from __future__ import annotations

import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from passlib.hash import argon2
from pydantic import SecretStr

from backend.actor import Actor, PlatformActor, Role, platform_system
from backend.db.engine import Database
from backend.errors import (
    InvalidInput,
    NotAllowed,
    NotSignedIn,
    StateConflict,
    TooManyRequests,
)
from backend.identity import passwords, service, sessions, teammates, throttle
from backend.identity.service import RegisterUser, SignIn
from backend.identity.sessions import NewSession, SignedIn
from backend.identity.users import CreateUser, create_user
from backend.tenants.service import activate_tenant, deactivate_tenant
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_tenant

OWNER = "owner@example.com"
PASSWORD = "correct horse battery"
HOME = "192.0.2.1"
SECRET = SecretStr("a secret key for tests")


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def owner(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    command = CreateUser(OWNER, Role.ADMIN, tenant_id, password_hash)
    return run(db, platform_system("test"), create_user, command)


def enter(db: Database, email: str = OWNER, password: str = PASSWORD, at: str = HOME) -> NewSession:
    session = service.sign_in(
        db, SignIn(email, password, address=at, user_agent="test"), correlation_id="c"
    )
    assert isinstance(session, NewSession)
    return session


def fail(db: Database, email: str = OWNER, at: str = HOME) -> None:
    """One wrong password, counted as sign_in counts it, without the cost of a hash."""
    actor = PlatformActor("anonymous", "c", role=Role.SUPPORT)
    run(db, actor, throttle.count_attempt, email=email, address=at)


def seen(db: Database, token: str | None) -> SignedIn | None:
    return read(db, platform_system("test"), sessions.find_session, token)


def test_signing_in_starts_a_session_that_says_who_it_is(
    db: Database, owner: UUID, tenant_id: UUID, clock: Clock
):
    session = enter(db, email="  Owner@Example.COM ")
    who = seen(db, session.token)
    assert who is not None
    assert (who.user_id, who.email, who.role) == (owner, OWNER, Role.ADMIN)
    assert (who.tenant_id, who.tenant_name) == (tenant_id, "Ridge Roofing")
    assert not who.needs_set_up
    assert who.expires_at == session.expires_at == clock.now + sessions.LIFETIME
    assert who.actor("c") == Actor(tenant_id, Role.ADMIN, OWNER, "c", owner)


def test_only_the_digest_of_a_token_is_kept(db: Database, owner: UUID, database_file: Path):
    token = enter(db).token
    with sqlite3.connect(database_file) as connection:
        (kept,) = connection.execute("SELECT token_digest FROM user_sessions").fetchone()
    connection.close()
    assert kept == hashlib.sha256(token.encode()).hexdigest()


def test_a_wrong_password_and_an_unknown_user_look_the_same(db: Database, owner: UUID):
    answers = []
    for email in (OWNER, "nobody@example.com", "not an address"):
        with pytest.raises(NotSignedIn) as refusal:
            enter(db, email=email, password="wrong")
        answers.append((refusal.value.code, refusal.value.detail))
    assert len(set(answers)) == 1


def test_a_session_ends_after_twelve_hours(db: Database, owner: UUID, clock: Clock):
    token = enter(db).token
    clock.pass_time(hours=11, minutes=59)
    assert seen(db, token) is not None
    clock.pass_time(minutes=1)
    assert seen(db, token) is None
    with pytest.raises(NotSignedIn):
        read(db, platform_system("test"), sessions.get_session, token)


def test_signing_out_ends_the_session_at_once_and_twice_is_no_error(db: Database, owner: UUID):
    token, other = enter(db).token, enter(db).token
    for _ in range(2):
        run(db, platform_system("test"), service.sign_out, token)
    assert seen(db, token) is None
    assert seen(db, other) is not None


def test_no_token_garbage_and_very_long_tokens_are_nobody(db: Database, owner: UUID):
    for token in (None, "", "garbage", "x" * 100_000, "\x00"):
        assert seen(db, token) is None


def test_a_deactivated_tenant_shuts_its_people_out_at_once(
    db: Database, owner: UUID, tenant_id: UUID
):
    token = enter(db).token
    run(db, platform_system("test"), deactivate_tenant, tenant_id)
    assert seen(db, token) is None
    with pytest.raises(NotAllowed) as refusal:
        enter(db)
    assert refusal.value.code == "tenant_inactive"
    run(db, platform_system("test"), activate_tenant, tenant_id)
    assert seen(db, token) is not None


def test_last_seen_is_written_now_and_then_only(db: Database, owner: UUID, clock: Clock):
    token = enter(db).token
    clock.pass_time(minutes=4)
    first = seen(db, token)
    clock.pass_time(minutes=1)
    second = seen(db, token)
    assert first is not None
    assert second is not None
    assert (first.should_note, second.should_note) == (False, True)
    run(db, platform_system("test"), sessions.note_session_seen, second.token_digest)
    third = seen(db, token)
    assert third is not None
    assert not third.should_note


def test_old_sessions_and_failures_are_forgotten(db: Database, owner: UUID, clock: Clock):
    enter(db)
    fail(db)
    system = platform_system("test")
    assert run(db, system, sessions.forget_expired_sessions) == 0
    assert run(db, system, throttle.forget_old_failures) == 0
    clock.pass_time(days=31)
    assert run(db, system, sessions.forget_expired_sessions) == 1
    assert run(db, system, throttle.forget_old_failures) == 1


def test_an_old_hash_is_renewed_at_sign_in(db: Database, tenant_id: UUID, database_file: Path):
    old = argon2.using(type="ID", memory_cost=8192, time_cost=1, parallelism=1).hash(PASSWORD)
    command = CreateUser(OWNER, Role.ADMIN, tenant_id, old)
    run(db, platform_system("test"), create_user, command)
    enter(db)
    connection = sqlite3.connect(database_file)
    (kept,) = connection.execute("SELECT password_hash FROM users").fetchone()
    connection.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    enter(db)


def test_five_failures_make_that_address_wait_and_no_other(db: Database, owner: UUID, clock: Clock):
    for _ in range(throttle.PAIR_MAX):
        with pytest.raises(NotSignedIn):
            enter(db, password="wrong")
        clock.pass_time(seconds=10)
    with pytest.raises(TooManyRequests) as refusal:
        enter(db)
    # The first failure was 50 seconds ago and leaves the five minutes in 250.
    assert refusal.value.retry_after_seconds == 250
    enter(db, at="192.0.2.2")


def test_waiting_as_told_is_enough_and_asking_meanwhile_costs_nothing(
    db: Database, owner: UUID, clock: Clock
):
    for _ in range(throttle.PAIR_MAX):
        fail(db)
    for _ in range(20):
        with pytest.raises(TooManyRequests) as refusal:
            enter(db)
    clock.pass_time(seconds=refusal.value.retry_after_seconds)
    enter(db)


def test_success_takes_the_failures_back(db: Database, owner: UUID):
    for _ in range(3):
        for _ in range(throttle.PAIR_MAX - 1):
            fail(db)
        enter(db)


def test_one_address_that_tries_many_people_has_to_wait(db: Database, owner: UUID):
    for number in range(throttle.ADDRESS_MAX):
        fail(db, email=f"{number}@example.com")
    with pytest.raises(TooManyRequests):
        enter(db)
    enter(db, at="192.0.2.2")


def test_an_attack_from_everywhere_does_not_lock_the_owner_out(db: Database, owner: UUID):
    enter(db)
    for number in range(throttle.EMAIL_MAX):
        fail(db, at=f"198.51.100.{number}")
    with pytest.raises(TooManyRequests):
        enter(db, at="203.0.113.7")
    enter(db, at=HOME)


def test_many_guesses_at_once_do_not_slip_through(db: Database, owner: UUID):
    def guess(_: int) -> str:
        try:
            enter(db, password="wrong")
        except (NotSignedIn, TooManyRequests) as refusal:
            return type(refusal).__name__
        return "in"

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, range(12)))
    assert answers.count("NotSignedIn") == throttle.PAIR_MAX
    assert answers.count("TooManyRequests") == 12 - throttle.PAIR_MAX


def test_registering_makes_a_user_who_has_yet_to_set_up_a_tenant(db: Database):
    command = RegisterUser(" New@Example.com ", PASSWORD, "New Owner")
    user_id = service.register_user(db, command, address=HOME, correlation_id="c")
    who = seen(db, enter(db, email="new@example.com").token)
    assert who is not None
    assert (who.user_id, who.display_name, who.tenant_id) == (user_id, "New Owner", None)
    assert who.needs_set_up
    actor = who.actor("c")
    assert isinstance(actor, PlatformActor)
    assert actor.role is Role.ADMIN, "a newcomer is no SuperAdmin"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (RegisterUser("nobody", PASSWORD, "N"), "email"),
        (RegisterUser("", PASSWORD, "N"), "email"),
        (RegisterUser("n@example.com", "short", "N"), "password"),
        (RegisterUser("n@example.com", PASSWORD, "  "), "display_name"),
        (RegisterUser("n@example.com", PASSWORD, "N" * 201), "display_name"),
        (RegisterUser(OWNER.upper(), PASSWORD, "N"), "email"),
    ],
    ids=["no address", "no e-mail", "short password", "no name", "long name", "taken"],
)
def test_registering_refuses_what_cannot_be(
    db: Database, owner: UUID, command: RegisterUser, field: str
):
    with pytest.raises(InvalidInput) as refusal:
        service.register_user(db, command, address=HOME, correlation_id="c")
    assert [error.field for error in refusal.value.errors] == [field]


def test_trying_which_addresses_are_registered_is_throttled(db: Database, owner: UUID):
    command = RegisterUser(OWNER, PASSWORD, "N")
    for _ in range(throttle.PAIR_MAX):
        with pytest.raises(InvalidInput):
            service.register_user(db, command, address=HOME, correlation_id="c")
    with pytest.raises(TooManyRequests):
        service.register_user(db, command, address=HOME, correlation_id="c")


def test_changing_the_password_ends_the_other_sessions(db: Database, owner: UUID):
    mine, other = enter(db).token, enter(db).token
    session = seen(db, mine)
    assert session is not None
    service.change_password(
        db, session, current=PASSWORD, new="another long one", address=HOME, correlation_id="c"
    )
    assert seen(db, mine) is not None
    assert seen(db, other) is None
    with pytest.raises(NotSignedIn):
        enter(db)
    enter(db, password="another long one")


def test_changing_the_password_asks_for_the_present_one(db: Database, owner: UUID):
    session = seen(db, enter(db).token)
    assert session is not None
    for current, new, field in (
        ("wrong", "another long one", "current_password"),
        (PASSWORD, "short", "new_password"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            service.change_password(
                db, session, current=current, new=new, address=HOME, correlation_id="c"
            )
        assert refusal.value.errors[0].field == field
    enter(db)


def invited(db: Database, tenant_id: UUID) -> teammates.Invitation:
    command = teammates.InviteTeammate("mate@example.com", Role.FINANCE)
    return run(db, actor_in(tenant_id), teammates.invite_teammate, command, secret_key=SECRET)


def accept(db: Database, token: str, secret: SecretStr = SECRET) -> str:
    return service.accept_invitation(
        db, secret_key=secret, token=token, password=PASSWORD, correlation_id="c"
    )


def test_an_invited_teammate_chooses_a_password_and_comes_in(db: Database, tenant_id: UUID):
    invitation = invited(db, tenant_id)
    with pytest.raises(NotSignedIn):
        enter(db, email="mate@example.com", password="!")
    assert accept(db, invitation.token) == "mate@example.com"
    who = seen(db, enter(db, email="mate@example.com").token)
    assert who is not None
    assert (who.tenant_id, who.role) == (tenant_id, Role.FINANCE)


def test_an_invitation_serves_once_for_seven_days_with_our_signature(
    db: Database, tenant_id: UUID, clock: Clock
):
    token = invited(db, tenant_id).token
    flipped = ("A" if token[30] != "A" else "B").join((token[:30], token[31:]))
    for bad in ("", "garbage", "é", token[:-4], flipped, "A" * len(token)):
        with pytest.raises(InvalidInput):
            accept(db, bad)
    with pytest.raises(InvalidInput):
        accept(db, token, secret=SecretStr("another key"))
    clock.pass_time(days=7)
    with pytest.raises(InvalidInput):
        accept(db, token)
    clock.pass_time(seconds=-1)
    accept(db, token)
    with pytest.raises(InvalidInput):
        accept(db, token)


def test_an_invitation_is_renewed_until_it_is_accepted(db: Database, tenant_id: UUID, clock: Clock):
    invitation = invited(db, tenant_id)
    clock.pass_time(days=8)
    admin = actor_in(tenant_id)
    again = read(db, admin, teammates.renew_invitation, invitation.user_id, secret_key=SECRET)
    accept(db, again.token)
    with pytest.raises(StateConflict):
        read(db, admin, teammates.renew_invitation, invitation.user_id, secret_key=SECRET)


def test_a_newcomer_joins_one_tenant_only(db: Database):
    command = RegisterUser("new@example.com", PASSWORD, "New Owner")
    user_id = service.register_user(db, command, address=HOME, correlation_id="c")
    newcomer = PlatformActor("new@example.com", "c", user_id, Role.ADMIN)
    run(db, newcomer, service.join_tenant, make_tenant(db))
    for actor in (newcomer, platform_system("test")):
        with pytest.raises(StateConflict):
            run(db, actor, service.join_tenant, make_tenant(db))
