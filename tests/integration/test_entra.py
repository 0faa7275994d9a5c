"""Sign-in with Microsoft Entra ID against an issuer of our own, and the attacks on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from backend.actor import Role
from backend.config import EntraDirectory
from backend.db.engine import Database
from backend.errors import BillerJacketError, Busy, NotAllowed, NotSignedIn, TooManyRequests
from backend.identity import entra_links, passwords, teammates, throttle
from backend.identity.accounts import anonymous
from backend.identity.sessions import NewSession
from backend.unit_of_work import run
from billerjacket_app.entra import EntraSignIn
from tests.accounts import HOME, KEY, PASSWORD, enter, make_user, person, switch_on
from tests.entra import CERTIFICATE, CLIENT, SECRET, TENANT, Bend, Directory, directory
from tests.factories import Clock, actor_in, raw_rows

OWNER = "owner@example.com"
OBJECT = "11111111-2222-4333-8444-555555555555"
REDIRECT = "http://localhost:8000/auth/entra/callback"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture(scope="module")
def served() -> Iterator[Directory]:
    with directory() as made:
        yield made


@pytest.fixture
def entra(served: Directory) -> Directory:
    """The issuer, as it is when nobody has bent it; the owner signs in next."""
    fresh = Directory()
    served.bend, served.published_key, served.is_away = fresh.bend, None, False
    served.claims = {"oid": OBJECT, "preferred_username": "Owner@Example.com"}
    served.key_id = "first"
    return served


@pytest.fixture
def owner(db: Database, tenant_id: UUID, password_hash: str) -> UUID:
    return make_user(db, tenant_id, OWNER, password_hash)


@dataclass
class Browser:
    """A browser on its way to Microsoft and back."""

    db: Database
    way: EntraSignIn
    token: str = ""
    sealed: str = ""
    address: str = ""

    def leave(self, at: str = HOME) -> None:
        nobody = anonymous("c")
        self.token = run(self.db, nobody, entra_links.begin_entra, leads_to="/invoices", address=at)
        flow = self.way.begin(self.token)
        self.sealed, self.address = flow.sealed, flow.address

    def come_back(self, answer: dict[str, str]) -> NewSession:
        run(self.db, anonymous("c"), entra_links.take_entra, self.token)
        found = self.way.finish(self.token, self.sealed, answer)
        return entra_links.sign_in_with_entra(
            self.db, found, self.token, address=HOME, user_agent="t", correlation_id="c"
        )


def way_to(entra: Directory, redirect_uri: str = REDIRECT) -> EntraSignIn:
    ours = EntraDirectory(entra.authority, TENANT, CLIENT, SecretStr(SECRET))
    return EntraSignIn(ours, KEY, redirect_uri=redirect_uri)


@pytest.fixture
def browser(db: Database, entra: Directory, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    return Browser(db, way_to(entra))


def go(browser: Browser, entra: Directory) -> NewSession:
    browser.leave()
    return browser.come_back(entra.authorize(browser.address))


def links(db: Database) -> list[tuple[str, str]]:
    return raw_rows(db, "SELECT directory, object_key FROM user_entra_links")


def test_an_existing_user_is_linked_at_the_first_sign_in(
    db: Database, entra: Directory, browser: Browser, owner: UUID, tenant_id: UUID
):
    assert person(db, go(browser, entra).token).user_id == owner
    assert links(db) == [(TENANT, OBJECT)]
    told = raw_rows(db, "SELECT action FROM audit_log WHERE tenant_id = ?", tenant_id.hex)
    assert [one for (one,) in told][-2:] == ["user.entra_linked", "user.signed_in"]


def test_from_then_on_the_object_id_decides_and_no_address(
    db: Database, entra: Directory, browser: Browser, owner: UUID, tenant_id: UUID,
    password_hash: str,
):  # fmt: skip
    make_user(db, tenant_id, "mate@example.com", password_hash, Role.FINANCE)
    go(browser, entra)
    entra.claims["preferred_username"] = "mate@example.com"
    assert person(db, go(browser, entra).token).user_id == owner
    entra.claims = {"oid": OBJECT.replace("1", "9"), "preferred_username": OWNER}
    with pytest.raises(NotAllowed) as refusal:
        go(browser, entra)
    assert refusal.value.code == "entra_other_account"
    assert links(db) == [(TENANT, OBJECT)]


def test_nobody_is_made_a_user_by_it(db: Database, entra: Directory, browser: Browser, owner: UUID):
    for name in ("nobody@example.com", "", "no address"):
        entra.claims["preferred_username"] = name
        with pytest.raises(NotAllowed) as refusal:
            go(browser, entra)
        assert refusal.value.code == "entra_unknown"
    assert len(raw_rows(db, "SELECT row_id FROM users")) == 1
    assert raw_rows(db, "SELECT row_id FROM user_sessions") == []


@pytest.mark.parametrize(
    ("verified", "comes_in"),
    [(None, False), (False, False), ("0", False), (True, True), ("1", True)],
)
def test_a_mail_counts_only_when_the_directory_has_verified_it(
    db: Database, entra: Directory, browser: Browser, owner: UUID, verified: object, comes_in: bool
):
    entra.claims |= {"preferred_username": "x@elsewhere.example", "email": OWNER}
    if verified is not None:
        entra.claims["xms_edov"] = verified
    if comes_in:
        go(browser, entra)
    else:
        with pytest.raises(NotAllowed):
            go(browser, entra)


def with_claims(**changed: object) -> Bend:
    return lambda claims: {name: v for name, v in (claims | changed).items() if v is not None}


def with_moment(claim: str, seconds_from_now: int) -> Bend:
    """The claim names a moment counted from when the token is made, not from when this is read."""
    return lambda claims: claims | {claim: int(time.time()) + seconds_from_now}


@pytest.mark.parametrize(
    "bend",
    [
        with_claims(nonce="another"),
        with_claims(nonce=None),
        with_claims(iss="https://login.microsoftonline.com/evil/v2.0"),
        with_claims(iss=None),
        with_claims(aud="another application"),
        with_claims(aud=None),
        with_moment("exp", -300),
        with_claims(exp=None),
        with_moment("nbf", 600),
        with_moment("iat", 600),
        with_claims(tid="5f3a0c52-0000-4000-8000-00000000cccc"),
        with_claims(tid=None),
        with_claims(oid=None),
    ],
    ids=[
        "wrong nonce", "no nonce", "wrong issuer", "no issuer", "wrong audience", "no audience",
        "expired", "no end", "not yet", "from the future", "another directory", "no directory",
        "nobody",
    ],
)  # fmt: skip
def test_an_id_token_that_is_not_for_us_opens_nothing(
    db: Database, entra: Directory, browser: Browser, owner: UUID, bend: Bend
):
    entra.bend = bend
    with pytest.raises(NotSignedIn):
        go(browser, entra)
    assert raw_rows(db, "SELECT row_id FROM user_sessions") == []
    assert links(db) == []


def test_a_signature_by_another_key_opens_nothing(
    db: Database, entra: Directory, browser: Browser, owner: UUID
):
    entra.published_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(NotSignedIn):
        go(browser, entra)
    assert raw_rows(db, "SELECT row_id FROM user_sessions") == []


def test_a_new_key_of_the_directory_is_found(entra: Directory, browser: Browser, owner: UUID):
    go(browser, entra)
    entra.key_id = "second"
    go(browser, entra)
    asked = [one for one in entra.requests if one.endswith("/keys")]
    go(browser, entra)
    assert [one for one in entra.requests if one.endswith("/keys")] == asked


def test_the_same_answer_sent_again_finds_nothing(
    db: Database, entra: Directory, browser: Browser, owner: UUID
):
    browser.leave()
    answer = entra.authorize(browser.address)
    browser.come_back(answer)
    before = len(entra.requests)
    with pytest.raises(NotSignedIn):
        browser.come_back(answer)
    assert len(entra.requests) == before, "Microsoft was asked, whose refusal was all we relied on"
    assert len(raw_rows(db, "SELECT row_id FROM user_sessions")) == 1


def test_another_browsers_answer_is_refused_before_anything_is_asked(
    db: Database, entra: Directory, browser: Browser, owner: UUID
):
    other = Browser(db, browser.way)
    other.leave()
    stolen = entra.authorize(other.address)
    browser.leave()
    before = len(entra.requests)
    with pytest.raises(NotSignedIn):
        browser.come_back(stolen)
    browser.leave()
    with pytest.raises(NotSignedIn):
        browser.come_back({"code": stolen["code"]})
    browser.leave()
    browser.sealed = other.sealed
    with pytest.raises(NotSignedIn):
        browser.come_back(stolen)
    assert len(entra.requests) == before


def test_a_way_that_took_too_long_is_over(
    entra: Directory, browser: Browser, owner: UUID, clock: Clock
):
    browser.leave()
    answer = entra.authorize(browser.address)
    clock.pass_time(minutes=10)
    with pytest.raises(NotSignedIn):
        browser.come_back(answer)


def test_a_refusal_at_microsoft_opens_nothing(entra: Directory, browser: Browser, owner: UUID):
    browser.leave()
    answer = entra.authorize(browser.address)
    with pytest.raises(NotSignedIn):
        browser.come_back({"error": "access_denied", "state": answer["state"]})
    browser.leave()
    with pytest.raises(NotSignedIn):
        browser.come_back({"code": "made up", "state": entra.authorize(browser.address)["state"]})


def test_who_was_shut_out_stays_out(
    db: Database, entra: Directory, browser: Browser, owner: UUID, tenant_id: UUID,
    password_hash: str,
):  # fmt: skip
    make_user(db, tenant_id, "mate@example.com", password_hash)
    go(browser, entra)
    run(db, actor_in(tenant_id), teammates.deactivate_teammate, owner)
    with pytest.raises(NotAllowed) as refusal:
        go(browser, entra)
    assert refusal.value.code == "user_inactive"


def test_two_factor_is_then_the_directorys_matter(
    db: Database, entra: Directory, browser: Browser, owner: UUID
):
    switch_on(db, enter(db, OWNER).token)
    assert person(db, go(browser, entra).token).user_id == owner


def test_microsoft_away_is_said_so(db: Database, entra: Directory, browser: Browser, owner: UUID):
    entra.is_away = True
    with pytest.raises(BillerJacketError) as refusal:
        Browser(db, way_to(entra)).leave()
    assert isinstance(refusal.value, Busy)
    entra.is_away = False
    browser.leave()
    answer = entra.authorize(browser.address)
    entra.is_away = True
    with pytest.raises(BillerJacketError):
        browser.come_back(answer)
    assert raw_rows(db, "SELECT row_id FROM user_sessions") == []


def test_setting_out_is_throttled_and_coming_in_takes_it_back(
    entra: Directory, browser: Browser, owner: UUID
):
    for _ in range(throttle.ADDRESS_MAX):
        browser.leave()
    with pytest.raises(TooManyRequests):
        browser.leave()
    browser.leave(at="192.0.2.77")
