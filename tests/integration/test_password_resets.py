"""A new password by e-mail: from the request over the worker to the link, and nothing else."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from azure.core.credentials import AzureKeyCredential

from backend.actor import Role, platform_system
from backend.audit import PLATFORM_CHAIN
from backend.communications.acs import AcsMailer, client_of
from backend.communications.mailer import (
    AddressRefused,
    MailerUnavailable,
    OutgoingEmail,
    ProviderReceipt,
)
from backend.db.connection import Connection
from backend.db.engine import Database
from backend.errors import InvalidInput, NotSignedIn, TooManyRequests
from backend.identity import account_emails, passwords, resets, throttle
from backend.identity.accounts import anonymous
from backend.tenants.service import deactivate_tenant
from backend.unit_of_work import run
from tests.accounts import HOME, PASSWORD, Outbox, Post, begin, enter, make_user, seen, switch_on
from tests.acs import serving_acs
from tests.factories import Clock, raw_rows

OWNER = "owner@example.com"
NEW = "another long one"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def owner(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    return make_user(db, tenant_id, OWNER, password_hash)


@pytest.fixture
def post(db: Database) -> Post:
    return Post(db)


def ask(db: Database, email: str = OWNER, at: str = HOME) -> None:
    run(db, anonymous("ask-1"), resets.request_password_reset, email, address=at)


def redeem(db: Database, token: str, password: str = NEW, at: str = HOME) -> str:
    return resets.redeem_password_reset(
        db, token=token, password=password, address=at, correlation_id="c"
    )


def statuses(db: Database) -> list[tuple[str, str]]:
    return raw_rows(db, "SELECT status, to_address FROM account_emails ORDER BY row_id")


def test_a_link_comes_by_e_mail_and_sets_the_password_once(db: Database, owner: UUID, post: Post):
    token, other = enter(db, OWNER).token, enter(db, OWNER).token
    ask(db, "  Owner@Example.COM ")
    post.work()
    (letter,) = post.mail.letters
    assert letter.to_address == OWNER
    assert "new password" in letter.subject
    assert f"http://localhost:8000/reset-password#{post.newest_token()}" in letter.html_body
    assert redeem(db, post.newest_token()) == OWNER
    assert (seen(db, token), seen(db, other)) == (None, None)
    with pytest.raises(NotSignedIn):
        enter(db, OWNER)
    enter(db, OWNER, password=NEW)
    with pytest.raises(InvalidInput):
        redeem(db, post.newest_token(), "a third long one")
    post.work()
    assert post.mail.letters[-1].subject.startswith("Your password was changed")
    assert "#" not in post.mail.letters[-1].text_body


def test_only_the_digest_of_the_token_is_kept_anywhere(db: Database, owner: UUID, post: Post):
    ask(db)
    post.work()
    token = post.newest_token()
    ((digest,),) = raw_rows(db, "SELECT token_digest FROM password_resets")
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    for (table,) in raw_rows(db, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        assert token not in str(raw_rows(db, f"SELECT * FROM {table}")), table


def test_the_link_ends_after_thirty_minutes(db: Database, owner: UUID, post: Post, clock: Clock):
    ask(db)
    post.work()
    clock.pass_time(minutes=30)
    with pytest.raises(InvalidInput) as refusal:
        redeem(db, post.newest_token())
    assert refusal.value.errors[0].field == "token"
    clock.pass_time(seconds=-1)
    redeem(db, post.newest_token())


def test_a_weak_password_does_not_use_the_link_up(db: Database, owner: UUID, post: Post):
    ask(db)
    post.work()
    with pytest.raises(InvalidInput) as refusal:
        redeem(db, post.newest_token(), "short")
    assert refusal.value.errors[0].field == "password"
    redeem(db, post.newest_token())


def test_a_token_that_is_not_ours_opens_nothing(db: Database, owner: UUID, post: Post):
    ask(db)
    post.work()
    token = post.newest_token()
    flipped = ("A" if token[30] != "A" else "B").join((token[:30], token[31:]))
    for number, bad in enumerate(("", "garbage", "é", token[:-1], flipped, "A" * 5000)):
        with pytest.raises(InvalidInput):
            redeem(db, bad, at=f"192.0.2.{number + 10}")


def test_two_factor_stays_on_after_a_reset(db: Database, owner: UUID, post: Post):
    switch_on(db, enter(db, OWNER).token)
    step = begin(db, OWNER)
    ask(db)
    post.work()
    redeem(db, post.newest_token())
    assert begin(db, OWNER, password=NEW).token != step.token
    assert len(raw_rows(db, "SELECT row_id FROM sign_in_steps")) == 1


def test_every_older_link_is_void_once_one_is_used_or_the_password_changed(
    db: Database, owner: UUID, post: Post
):
    ask(db)
    post.work()
    first = post.newest_token()
    ask(db)
    post.work()
    redeem(db, post.newest_token())
    with pytest.raises(InvalidInput):
        redeem(db, first, "a third long one")


def test_a_request_does_the_same_for_everybody(
    db: Database, owner: UUID, monkeypatch: pytest.MonkeyPatch
):
    enter(db, OWNER)
    done: list[list[int]] = []
    for name in ("query", "execute", "execute_many"):
        plain = getattr(Connection, name)

        def noted(self, statement, *args, _plain=plain, **kwargs):
            done[-1].append(id(statement))
            return _plain(self, statement, *args, **kwargs)

        monkeypatch.setattr(Connection, name, noted)
    for email in (OWNER, "nobody@example.com", "not an address", ""):
        done.append([])
        ask(db, email)
    assert len(done[0]) > 3
    assert all(one == done[0] for one in done)


def test_nothing_is_sent_to_who_may_not_sign_in_and_nothing_kept_of_strangers(
    db: Database, owner: UUID, tenant_id: UUID, post: Post
):
    make_user(db, tenant_id, "invited@example.com", passwords.UNUSABLE)
    for email in ("nobody@example.com", "invited@example.com", "not an address", ""):
        ask(db, email)
    run(db, platform_system("test"), deactivate_tenant, tenant_id)
    ask(db)
    post.work()
    assert post.mail.letters == []
    assert statuses(db) == [("ignored", "")] * 5
    assert raw_rows(db, "SELECT row_id FROM password_resets") == []


def test_a_mailbox_cannot_be_filled(db: Database, owner: UUID, post: Post, clock: Clock):
    for number in range(5):
        ask(db, at=f"198.51.100.{number}")
    post.work()
    assert len(post.mail.letters) == resets.SENT_MAX
    clock.pass_time(hours=1)
    ask(db)
    post.work()
    assert len(post.mail.letters) == resets.SENT_MAX + 1


def test_asking_again_and_again_is_throttled(db: Database, owner: UUID):
    for email in (OWNER, "nobody@example.com"):
        for _ in range(throttle.PAIR_MAX):
            ask(db, email)
        with pytest.raises(TooManyRequests):
            ask(db, email)
    enter(db, OWNER)


def test_trying_tokens_is_throttled(db: Database, owner: UUID, post: Post):
    ask(db)
    post.work()
    for _ in range(throttle.PAIR_MAX):
        with pytest.raises(InvalidInput):
            redeem(db, "garbage")
    with pytest.raises(TooManyRequests):
        redeem(db, post.newest_token())
    redeem(db, post.newest_token(), at="192.0.2.9")


@pytest.mark.parametrize(
    "trouble", [MailerUnavailable("away"), RuntimeError("killed before it was noted")]
)
def test_a_mail_that_did_not_go_out_goes_later_with_the_same_link(
    db: Database, owner: UUID, post: Post, clock: Clock, trouble: Exception
):
    tried: list[OutgoingEmail] = []

    def fail(email: OutgoingEmail) -> None:
        tried.append(email)
        raise trouble

    post.mail.on_deliver = fail
    ask(db)
    post.work()
    assert statuses(db) == [("queued", OWNER)]
    clock.pass_time(hours=2)
    post.mail.on_deliver = lambda _email: None
    post.work()
    (letter,) = post.mail.letters
    assert letter.text_body == tried[0].text_body
    assert letter.communication_id == tried[0].communication_id
    assert statuses(db) == [("sent", OWNER)]
    redeem(db, post.newest_token())


def test_azure_is_asked_before_it_is_given_the_same_mail_again(
    db: Database, owner: UUID, clock: Clock
):
    with serving_acs() as acs:
        client = client_of(acs.endpoint, AzureKeyCredential("a2V5"))
        azure = AcsMailer(client, "BillerJacket <billing@ridge.example>")
        post = Post(db, Outbox(on_deliver=lambda email: killed_after(azure.deliver(email))))
        ask(db)
        post.work()
        assert statuses(db) == [("queued", OWNER)]
        clock.pass_time(hours=2)
        post.mail.on_deliver = azure.deliver
        post.work()
        assert statuses(db) == [("sent", OWNER)]
        assert len(acs.sent) == 1


def killed_after(_receipt: ProviderReceipt) -> None:
    raise RuntimeError("killed before it was noted")
    post.work()
    assert len(post.mail.letters) == 2


def test_a_refused_address_ends_it(db: Database, owner: UUID, post: Post):
    def refuse(_email: OutgoingEmail) -> None:
        raise AddressRefused("no such mailbox")

    post.mail.on_deliver = refuse
    ask(db)
    post.work()
    assert raw_rows(db, "SELECT status, problem FROM account_emails") == [
        ("failed", "no such mailbox")
    ]


def test_it_travels_under_the_platforms_name_and_under_no_tenants(
    db: Database, owner: UUID, tenant_id: UUID, post: Post
):
    ask(db)
    ((tenant, body),) = raw_rows(db, "SELECT tenant_id, body FROM outbox")
    assert UUID(tenant) == PLATFORM_CHAIN
    assert OWNER not in body
    with db.engine.begin() as connection:
        forged = body.replace(str(PLATFORM_CHAIN), str(tenant_id))
        connection.exec_driver_sql("UPDATE outbox SET body = ?", (forged,))
    post.work()
    assert post.mail.letters == []
    (reason,) = raw_rows(db, "SELECT dead_reason FROM queue_messages")[0]
    assert reason == "bad_envelope"


def test_it_is_in_the_users_chain_and_names_no_secret(
    db: Database, owner: UUID, tenant_id: UUID, post: Post, password_hash: str
):
    make_user(db, None, "root@example.com", password_hash, Role.SUPERADMIN)
    for email, chain in ((OWNER, tenant_id), ("root@example.com", PLATFORM_CHAIN)):
        ask(db, email)
        post.work()
        redeem(db, post.newest_token())
        told = raw_rows(
            db,
            "SELECT action, data FROM audit_log WHERE tenant_id = ? AND action LIKE '%reset%'",
            chain.hex,
        )
        assert [action for action, _ in told] == [
            "user.password_reset_requested",
            "user.password_reset",
        ]
        assert post.newest_token() not in str(told)


def test_old_e_mails_and_their_links_are_forgotten(
    db: Database, owner: UUID, post: Post, clock: Clock
):
    ask(db)
    post.work()
    system = platform_system("test")
    assert run(db, system, account_emails.forget_old_account_emails) == 0
    clock.pass_time(days=31)
    assert run(db, system, account_emails.forget_old_account_emails) == 1
    assert raw_rows(db, "SELECT row_id FROM password_resets") == []


def test_known_and_unknown_addresses_take_the_same_time(db: Database, owner: UUID):
    def seconds(email: Callable[[int], str]) -> float:
        taken = []
        for number in range(40):
            begun = time.perf_counter()
            ask(db, email(number), at=f"203.0.113.{number}")
            taken.append(time.perf_counter() - begun)
        return sorted(taken)[len(taken) // 2]

    known, unknown = seconds(lambda _: OWNER), seconds(lambda n: f"nobody{n}@example.com")
    assert max(known, unknown) < 3 * min(known, unknown)


def test_the_text_names_no_address_but_ours(db: Database, owner: UUID, post: Post):
    ask(db)
    post.work()
    links = re.findall(r'href="([^"]+)"', post.mail.letters[0].html_body)
    assert links
    assert all(link.startswith("http://localhost:8000/") for link in links)
