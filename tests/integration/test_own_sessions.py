"""A person's own sessions, and the notices that follow a change of an account."""

from __future__ import annotations

from uuid import UUID

import pytest

from backend.db.engine import Database
from backend.errors import NotFound
from backend.identity import own_sessions, passwords, security, service
from backend.unit_of_work import read, run
from tests.accounts import HOME, PASSWORD, Post, enter, make_user, person, seen, switch_on
from tests.factories import Clock, raw_rows

OWNER = "owner@example.com"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def owner(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    return make_user(db, tenant_id, OWNER, password_hash)


def listed(db: Database, token: str) -> list[own_sessions.OwnSession]:
    who = person(db, token)
    return read(db, who.actor("c"), own_sessions.list_own_sessions, who)


def test_the_list_has_live_sessions_only_and_knows_this_one(
    db: Database, owner: UUID, clock: Clock
):
    enter(db, OWNER, at="198.51.100.1")
    clock.pass_time(hours=11)
    gone, mine = enter(db, OWNER).token, enter(db, OWNER, at="198.51.100.2").token
    run(db, person(db, gone).actor("c"), service.sign_out, gone)
    assert [(one.address, one.is_this_one) for one in listed(db, mine)] == [
        ("198.51.100.2", True),
        ("198.51.100.1", False),
    ]
    clock.pass_time(hours=1)
    assert [one.address for one in listed(db, mine)] == ["198.51.100.2"]


def test_one_session_is_ended_and_no_other(db: Database, owner: UUID):
    mine, other, third = (enter(db, OWNER).token for _ in range(3))
    number = min(one.number for one in listed(db, mine) if not one.is_this_one)
    who = person(db, mine)
    run(db, who.actor("c"), own_sessions.end_own_session, who, number)
    assert seen(db, other) is None
    assert seen(db, third) is not None
    with pytest.raises(NotFound):
        run(db, who.actor("c"), own_sessions.end_own_session, who, number)


def test_somebody_elses_session_is_not_there(
    db: Database, owner: UUID, tenant_id: UUID, password_hash: str
):
    make_user(db, tenant_id, "mate@example.com", password_hash)
    theirs = enter(db, "mate@example.com").token
    number = listed(db, theirs)[0].number
    mine = enter(db, OWNER).token
    who = person(db, mine)
    for wanted in (number, 0, -1, 10**18):
        with pytest.raises(NotFound):
            run(db, who.actor("c"), own_sessions.end_own_session, who, wanted)
    run(db, who.actor("c"), own_sessions.end_other_sessions, who)
    assert seen(db, theirs) is not None


def test_signing_out_everywhere_else_keeps_this_one_and_is_audited(
    db: Database, owner: UUID, tenant_id: UUID
):
    mine, other, third = (enter(db, OWNER).token for _ in range(3))
    who = person(db, mine)
    assert run(db, who.actor("c"), own_sessions.end_other_sessions, who) == 2
    assert run(db, who.actor("c"), own_sessions.end_other_sessions, who) == 0
    assert seen(db, mine) is not None
    assert (seen(db, other), seen(db, third)) == (None, None)
    told = raw_rows(
        db,
        "SELECT data FROM audit_log WHERE tenant_id = ? AND action = 'user.sessions_ended'",
        tenant_id.hex,
    )
    assert told == [('{"before":null,"after":{"count":2}}',)]


def test_a_person_is_told_of_every_change(db: Database, owner: UUID, clock: Clock):
    post = Post(db)
    token = enter(db, OWNER).token
    switch_on(db, token)
    who = person(db, token)
    run(db, who.actor("c"), security.switch_off_two_factor, who)
    run(db, who.actor("c"), security.switch_off_two_factor, who)
    service.change_password(
        db, who, current=PASSWORD, new="another long one", address=HOME, correlation_id="c"
    )
    post.work()
    assert [(one.to_address, one.subject.partition(" ·")[0]) for one in post.mail.letters] == [
        (OWNER, "Two-factor sign-in is on"),
        (OWNER, "Two-factor sign-in is off"),
        (OWNER, "Your password was changed"),
    ]
