"""Two-factor sign-in, recovery codes and proofs of who it is, against a real database."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from backend.actor import Role, platform_system
from backend.audit import PLATFORM_CHAIN
from backend.db.engine import Database
from backend.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    StateConflict,
    TooManyRequests,
)
from backend.identity import passwords, security, service, step_up, throttle
from backend.identity.sessions import SignedIn
from backend.tenants.service import deactivate_tenant
from backend.unit_of_work import read, run
from tests.accounts import (
    HOME,
    KEY,
    PASSWORD,
    Phone,
    begin,
    enter,
    finish,
    make_user,
    person,
    seen,
    switch_on,
)
from tests.factories import Clock, make_tenant, raw_rows

OWNER = "owner@example.com"
MATE = "mate@example.com"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def owner(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    return make_user(db, tenant_id, OWNER, password_hash)


@pytest.fixture
def mate(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    return make_user(db, tenant_id, MATE, password_hash, Role.FINANCE)


def actions(db: Database, chain: UUID) -> list[str]:
    rows = raw_rows(
        db, "SELECT action FROM audit_log WHERE tenant_id = ? ORDER BY row_id", chain.hex
    )
    return [row[0] for row in rows]


def prove(db: Database, token: str, proof: str) -> None:
    step_up.confirm_identity(
        db, person(db, token), proof=proof, secret_key=KEY, address=HOME, correlation_id="c"
    )


def test_a_password_alone_opens_nothing_any_more(db: Database, owner: UUID, clock: Clock):
    mine = enter(db, OWNER).token
    other = enter(db, OWNER).token
    phone, _ = switch_on(db, mine)
    assert seen(db, mine) is not None
    assert seen(db, other) is None, "a browser that gave no code stays in"
    step = begin(db, OWNER)
    assert seen(db, step.token) is None
    clock.pass_time(seconds=30)
    session = finish(db, step, phone.code())
    assert person(db, session.token).user_id == owner


def test_the_secret_is_kept_encrypted_and_recovery_codes_as_digests(db: Database, owner: UUID):
    phone, codes = switch_on(db, enter(db, OWNER).token)
    ((sealed,),) = raw_rows(db, "SELECT sealed_secret FROM user_two_factors")
    assert sealed.startswith("v1.")
    kept = str(raw_rows(db, "SELECT * FROM user_two_factors, user_recovery_codes, audit_log"))
    for secret in (phone.secret, *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in kept
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([A-Z2-9]{4}-){3}[A-Z2-9]{4}", code) for code in codes)


def test_a_code_is_taken_once_also_by_two_at_the_same_moment(
    db: Database, owner: UUID, clock: Clock
):
    phone, _ = switch_on(db, enter(db, OWNER).token)
    with pytest.raises(InvalidInput):
        finish(db, begin(db, OWNER), phone.code())  # the one that switched it on
    clock.pass_time(seconds=30)
    steps = [begin(db, OWNER) for _ in range(4)]

    def go(step) -> bool:
        try:
            finish(db, step, phone.code())
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(go, steps)) == [False, False, False, True]


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_phone_may_be_one_step_ahead_or_behind(
    db: Database, owner: UUID, clock: Clock, steps: int, is_taken: bool
):
    phone, _ = switch_on(db, enter(db, OWNER).token)
    clock.pass_time(minutes=5)
    step = begin(db, OWNER)
    if is_taken:
        finish(db, step, phone.code(steps))
        clock.pass_time(seconds=-30)
        with pytest.raises(InvalidInput):
            finish(db, begin(db, OWNER), phone.code(steps))
    else:
        with pytest.raises(InvalidInput):
            finish(db, step, phone.code(steps))


def test_a_recovery_code_serves_once_however_it_is_typed(db: Database, owner: UUID):
    _, codes = switch_on(db, enter(db, OWNER).token)
    finish(db, begin(db, OWNER), f"  {codes[3].lower().replace('-', ' ')} ")
    with pytest.raises(InvalidInput):
        finish(db, begin(db, OWNER), codes[3])
    session = finish(db, begin(db, OWNER), codes[4])
    who = person(db, session.token)
    view = read(db, who.actor("c"), security.get_account, who)
    assert view.two_factor.codes_left == 8


def test_new_recovery_codes_void_the_old(db: Database, owner: UUID):
    token = enter(db, OWNER).token
    _, codes = switch_on(db, token)
    who = person(db, token)
    fresh = run(db, who.actor("c"), security.renew_recovery_codes, who)
    with pytest.raises(InvalidInput):
        finish(db, begin(db, OWNER), codes[0])
    finish(db, begin(db, OWNER), fresh[0])


def test_somebody_elses_code_opens_nothing(db: Database, owner: UUID, mate: UUID, clock: Clock):
    _, codes = switch_on(db, enter(db, MATE).token)
    theirs, _ = switch_on(db, enter(db, OWNER).token)
    clock.pass_time(seconds=60)
    step = begin(db, MATE)
    for code in (
        theirs.code(),
        "",
        "000",
        "abcdef",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "0" * 5000,
    ):
        with pytest.raises(InvalidInput):
            finish(db, step, code)
    finish(db, step, codes[0])


def test_guessing_codes_is_stopped_from_wherever_it_comes(db: Database, owner: UUID, clock: Clock):
    phone, _ = switch_on(db, enter(db, OWNER).token)
    clock.pass_time(minutes=1)
    step = begin(db, OWNER)
    for number in range(throttle.CODES_MAX):
        with pytest.raises(InvalidInput):
            finish(db, step, "000000", at=f"198.51.100.{number}")
    with pytest.raises(TooManyRequests) as refusal:
        finish(db, begin(db, OWNER), phone.code())
    assert refusal.value.retry_after_seconds == 15 * 60
    clock.pass_time(minutes=15)
    finish(db, begin(db, OWNER), phone.code())


def test_a_second_step_is_over_after_ten_minutes_and_after_its_use(
    db: Database, owner: UUID, clock: Clock
):
    phone, codes = switch_on(db, enter(db, OWNER).token)
    late = begin(db, OWNER)
    clock.pass_time(minutes=10)
    with pytest.raises(NotSignedIn):
        finish(db, late, phone.code())
    step = begin(db, OWNER)
    finish(db, step, phone.code())
    with pytest.raises(NotSignedIn):
        finish(db, step, codes[0])
    for token in ("", "garbage", "x" * 5000, late.token):
        with pytest.raises(NotSignedIn):
            service.finish_sign_in(
                db, token, codes[0], secret_key=KEY, address=HOME, user_agent="", correlation_id="c"
            )


def test_a_changed_password_ends_the_steps_that_were_begun_with_the_old(db: Database, owner: UUID):
    token = enter(db, OWNER).token
    _, codes = switch_on(db, token)
    step = begin(db, OWNER)
    service.change_password(
        db, person(db, token), current=PASSWORD, new="another long one", address=HOME,
        correlation_id="c",
    )  # fmt: skip
    with pytest.raises(NotSignedIn):
        finish(db, step, codes[0])


def test_shut_out_between_the_steps(db: Database, owner: UUID, tenant_id: UUID):
    _, codes = switch_on(db, enter(db, OWNER).token)
    step = begin(db, OWNER)
    run(db, platform_system("test"), deactivate_tenant, tenant_id)
    with pytest.raises(NotAllowed):
        finish(db, step, codes[0])


def test_everything_that_weakens_an_account_asks_again_who_it_is(
    db: Database, owner: UUID, mate: UUID, clock: Clock
):
    token = enter(db, OWNER).token
    switch_on(db, enter(db, MATE).token)
    clock.pass_time(minutes=10)
    who = person(db, token)
    actor = who.actor("c")
    for attempt in (
        lambda: run(db, actor, security.begin_two_factor, who, secret_key=KEY),
        lambda: read(db, actor, security.get_enrolment, who, secret_key=KEY),
        lambda: run(db, actor, security.renew_recovery_codes, who),
        lambda: run(db, actor, security.switch_off_two_factor, who),
        lambda: run(db, actor, security.reset_two_factor_of, who, mate),
        lambda: security.confirm_two_factor(
            db, who, "000000", secret_key=KEY, address=HOME, correlation_id="c"
        ),
    ):
        with pytest.raises(NotAllowed) as refusal:
            attempt()
        assert refusal.value.code == "step_up_needed"
    with pytest.raises(InvalidInput):
        prove(db, token, "wrong")
    prove(db, token, PASSWORD)
    switch_on(db, token)


def test_with_two_factor_a_password_is_no_proof_and_a_code_is(
    db: Database, owner: UUID, clock: Clock
):
    token = enter(db, OWNER).token
    phone, codes = switch_on(db, token)
    clock.pass_time(minutes=11)
    with pytest.raises(InvalidInput):
        prove(db, token, PASSWORD)
    prove(db, token, phone.code())
    clock.pass_time(minutes=11)
    prove(db, token, codes[0])
    who = person(db, token)
    run(db, who.actor("c"), security.switch_off_two_factor, who)
    enter(db, OWNER)


def test_a_proof_holds_in_its_own_browser_only(db: Database, owner: UUID, clock: Clock):
    token, other = enter(db, OWNER).token, enter(db, OWNER).token
    clock.pass_time(minutes=11)
    prove(db, token, PASSWORD)
    assert step_up.is_recent(person(db, token), clock.now)
    assert not step_up.is_recent(person(db, other), clock.now)


def test_guessing_the_proof_is_throttled(db: Database, owner: UUID):
    token = enter(db, OWNER).token
    for _ in range(throttle.PAIR_MAX):
        with pytest.raises(InvalidInput):
            prove(db, token, "wrong")
    with pytest.raises(TooManyRequests):
        prove(db, token, PASSWORD)


def test_a_wrong_first_code_switches_nothing_on(db: Database, owner: UUID):
    token = enter(db, OWNER).token
    who = person(db, token)
    actor = who.actor("c")
    with pytest.raises(StateConflict):
        read(db, actor, security.get_enrolment, who, secret_key=KEY)
    run(db, actor, security.begin_two_factor, who, secret_key=KEY)
    first = read(db, actor, security.get_enrolment, who, secret_key=KEY).secret
    with pytest.raises(InvalidInput):
        security.confirm_two_factor(
            db, who, "000000", secret_key=KEY, address=HOME, correlation_id="c"
        )
    enter(db, OWNER)
    run(db, actor, security.begin_two_factor, who, secret_key=KEY)
    again = read(db, actor, security.get_enrolment, who, secret_key=KEY)
    assert again.secret != first
    assert (
        again.uri == "otpauth://totp/BillerJacket:owner%40example.com"
        f"?secret={again.secret}&issuer=BillerJacket"
    )
    security.confirm_two_factor(
        db, who, Phone(again.secret, db).code(), secret_key=KEY, address=HOME, correlation_id="c"
    )
    with pytest.raises(StateConflict):
        run(db, actor, security.begin_two_factor, who, secret_key=KEY)
    with pytest.raises(StateConflict):
        read(db, actor, security.get_enrolment, who, secret_key=KEY)


def reset_by(db: Database, who: SignedIn, user_id: UUID) -> None:
    run(db, who.actor("c"), security.reset_two_factor_of, who, user_id)


def test_an_admin_resets_a_teammates_two_factor(
    db: Database, owner: UUID, mate: UUID, tenant_id: UUID
):
    theirs = enter(db, MATE).token
    switch_on(db, theirs)
    step = begin(db, MATE)
    admin = person(db, enter(db, OWNER).token)
    view = read(db, admin.actor("c"), security.get_account, admin)
    assert [one.email for one in view.teammates] == [MATE]
    reset_by(db, admin, mate)
    assert seen(db, theirs) is None
    with pytest.raises(NotSignedIn):
        finish(db, step, "000000")
    enter(db, MATE)
    assert "user.two_factor_reset" in actions(db, tenant_id)
    with pytest.raises(StateConflict):
        reset_by(db, admin, mate)


def test_nobody_else_resets_it(db: Database, owner: UUID, mate: UUID, password_hash: str):
    make_user(db, make_tenant(db, "Other"), "stranger@example.com", password_hash)
    switch_on(db, enter(db, OWNER).token)
    finance = person(db, enter(db, MATE).token)
    stranger = person(db, enter(db, "stranger@example.com").token)
    with pytest.raises(NotAllowed):
        reset_by(db, finance, owner)
    with pytest.raises(NotFound):
        reset_by(db, stranger, owner)
    assert read(db, finance.actor("c"), security.get_account, finance).teammates == []
    begin(db, OWNER)


def test_an_admin_does_not_reset_its_own(db: Database, owner: UUID):
    token = enter(db, OWNER).token
    switch_on(db, token)
    with pytest.raises(StateConflict):
        reset_by(db, person(db, token), owner)


def test_each_step_is_in_the_users_own_chain(
    db: Database, owner: UUID, tenant_id: UUID, password_hash: str, clock: Clock
):
    make_user(db, None, "root@example.com", password_hash, Role.SUPERADMIN)
    for email, chain in ((OWNER, tenant_id), ("root@example.com", PLATFORM_CHAIN)):
        token = enter(db, email).token
        _, codes = switch_on(db, token)
        finish(db, begin(db, email), codes[0])
        clock.pass_time(minutes=11)
        prove(db, token, codes[1])
        who = person(db, token)
        run(db, who.actor("c"), security.renew_recovery_codes, who)
        run(db, who.actor("c"), security.switch_off_two_factor, who)
        told = [action for action in actions(db, chain) if action.startswith("user.")]
        assert told[-7:] == [
            "user.signed_in", "user.two_factor_begun", "user.two_factor_enabled", "user.signed_in",
            "user.identity_confirmed", "user.recovery_codes_renewed", "user.two_factor_disabled",
        ]  # fmt: skip
