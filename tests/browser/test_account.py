"""A person's own account in the browser: two-factor, resets, sessions, sign-in with Microsoft."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pyotp
import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, WebSocket, expect
from pydantic import SecretStr

from backend.actor import Role, platform_system
from backend.identity.resets import token_of
from backend.identity.users import CreateUser, create_user, hash_new_password
from backend.unit_of_work import run
from tests.browser.appearance import look_at, show_in, violations
from tests.browser.conftest import (
    PASSWORD,
    Opener,
    World,
    kept_sign_ins,
    opening,
    run_world,
    screenshot,
    wait_until_ready,
)
from tests.entra import Directory, directory
from tests.factories import raw_rows

pytestmark = pytest.mark.browser

KEY = SecretStr("only for the tests of the browser")
NEW = "a much longer passphrase"


@pytest.fixture(scope="module")
def someone(world: World) -> Callable[..., str]:
    """Makes a person of the first business who may sign in with PASSWORD; the e-mail."""
    password_hash = hash_new_password(PASSWORD, email="x@example.com")

    def made(name: str, role: Role = Role.FINANCE) -> str:
        email = f"{name}@people.example"
        command = CreateUser(email, role, world.tenant_id, password_hash, f"Kim {name.title()}")
        run(world.db, platform_system("test"), create_user, command)
        return email

    return made


def sign_in_as(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/login")
    wait_until_ready(page)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-submit")).to_have_count(0)
    wait_until_ready(page)


def set_up_two_factor(page: Page) -> tuple[str, list[str]]:
    """By the pages; the secret and the recovery codes."""
    page.goto("/account")
    wait_until_ready(page)
    page.get_by_test_id("two-factor-set-up").click()
    secret = page.get_by_test_id("secret").inner_text().replace(" ", "")
    page.get_by_label("Code from the app").fill(pyotp.TOTP(secret).now())
    page.get_by_test_id("confirm-two-factor").click()
    shown = page.get_by_test_id("recovery-codes").locator("code")
    expect(shown).to_have_count(10)
    codes = shown.all_inner_texts()
    page.get_by_test_id("codes-kept").click()
    wait_until_ready(page)
    return secret, codes


def frames_of(page: Page) -> list[str]:
    """What passes the page's sockets from now on, either way."""
    frames: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))
        socket.on("framesent", lambda frame: frames.append(str(frame)))

    page.on("websocket", listen)
    return frames


@pytest.mark.parametrize("role", ["finance", "superadmin"])
def test_the_page_looks_right_for_everybody(open_page: Opener, role: str):
    look_at(open_page("/account", role=role), f"account-{role}")


def test_two_factor_is_set_up_and_asked_for_and_passes_no_socket(
    open_page: Opener, someone: Callable[..., str]
):
    email = someone("ada")
    page = open_page("/login", role=None)
    frames = frames_of(page)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    sign_in_as(page, email)
    page.goto("/account")
    wait_until_ready(page)
    page.get_by_test_id("two-factor-set-up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up two-factor sign-in")
    expect(page.locator(".qr svg")).to_be_visible()
    look_at(page, "account-enrol")
    page.get_by_label("Code from the app").fill("000000")
    page.get_by_test_id("confirm-two-factor").click()
    expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    secret, codes = set_up_two_factor(page)
    expect(page.get_by_test_id("two-factor-on")).to_contain_text("Recovery codes left: 10")
    page.get_by_role("button", name="Sign out", exact=True).click()
    wait_until_ready(page)
    sign_in_as(page, email)
    expect(page.get_by_role("heading", level=1)).to_have_text("Enter your code")
    look_at(page, "login-code")
    page.get_by_label("Code").fill("000000")
    page.get_by_test_id("code-submit").click()
    expect(page.get_by_test_id("error-code")).to_contain_text("wrong, or was used already")
    wait_until_ready(page)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_test_id("code-submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    passed = "\n".join(frames + addresses)
    assert "delta" in passed
    for hidden in (secret, *codes, codes[0].replace("-", "")):
        assert hidden not in passed


def test_signing_in_with_a_code_by_the_keyboard_alone(
    open_page: Opener, someone: Callable[..., str]
):
    email = someone("bob")
    page = open_page("/login", role=None)
    sign_in_as(page, email)
    secret, _ = set_up_two_factor(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    wait_until_ready(page)
    press = page.keyboard.press
    page.get_by_label("E-mail").focus()
    page.keyboard.type(email)
    press("Tab")
    page.keyboard.type(PASSWORD)
    press("Enter")
    code = page.get_by_label("Code")
    expect(code).to_be_focused()
    # The code that switched it on is spent: the one of the next step is good already.
    page.keyboard.type(pyotp.TOTP(secret).at(int(time.time()) + 30))
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")


def test_the_second_step_can_be_left(open_page: Opener, someone: Callable[..., str]):
    email = someone("cid")
    page = open_page("/login", role=None)
    sign_in_as(page, email)
    set_up_two_factor(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    wait_until_ready(page)
    sign_in_as(page, email)
    page.get_by_role("button", name="Sign in as somebody else").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/invoices")
    expect(page).to_have_url(re.compile("/login"))


def test_a_forgotten_password_is_set_anew_by_the_link(
    world: World, open_page: Opener, someone: Callable[..., str]
):
    email = someone("eve")
    page = open_page("/login", role=None)
    frames = frames_of(page)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.get_by_role("link", name="Forgot your password?").click()
    # The page before has such a field, too.
    expect(page.get_by_test_id("forgot-submit")).to_be_visible()
    page.get_by_label("E-mail").fill(email)
    page.get_by_test_id("forgot-submit").click()
    expect(page.get_by_test_id("forgot-sent")).to_contain_text("a link is on its way")
    token = token_of(KEY, sent_to(world, email))
    page.goto("about:blank")
    page.goto(f"/reset-password#{token}")
    wait_until_ready(page)
    assert "#" not in page.url
    page.get_by_label("New password").fill("short")
    page.get_by_test_id("reset-submit").click()
    expect(page.get_by_test_id("error-password")).to_contain_text("at least 8 characters")
    wait_until_ready(page)
    assert violations(page) == []
    page.get_by_label("New password").fill(NEW)
    page.get_by_test_id("reset-submit").click()
    expect(page.get_by_test_id("login-notice")).to_contain_text("new password is set")
    wait_until_ready(page)
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    assert token not in "\n".join(frames + addresses)
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto(f"/reset-password#{token}")
    wait_until_ready(page)
    page.get_by_label("New password").fill(NEW)
    page.get_by_test_id("reset-submit").click()
    expect(page.get_by_test_id("form-problem")).to_contain_text("not valid, or no longer")


def sent_to(world: World, email: str) -> UUID:
    """The reset that the worker has sent to this address."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = raw_rows(
            world.db,
            "SELECT id FROM account_emails WHERE to_address = ? AND status = 'sent'",
            email,
        )
        if found:
            return UUID(found[0][0])
        time.sleep(0.2)
    pytest.fail("the worker has not sent it")


def test_a_stranger_is_told_the_same(open_page: Opener):
    page = open_page("/forgot-password", role=None)
    page.get_by_label("E-mail").fill("nobody@nowhere.example")
    page.get_by_test_id("forgot-submit").click()
    expect(page.get_by_test_id("forgot-sent")).to_contain_text("a link is on its way")
    look_at(page, "forgot-sent")


def test_sessions_are_listed_and_ended(
    world: World, chromium: Browser, open_page: Opener, someone: Callable[..., str]
):
    email = someone("fay")
    page, other = open_page("/login", role=None), open_page("/login", role=None)
    for one in (page, other):
        sign_in_as(one, email)
    page.goto("/account")
    wait_until_ready(page)
    expect(page.get_by_test_id("session")).to_have_count(2)
    expect(page.get_by_test_id("session").first).to_contain_text("Chrome on Linux")
    look_at(page, "account-sessions")
    page.get_by_test_id("end-others").click()
    expect(page.get_by_test_id("account-done")).to_contain_text("signed out everywhere else")
    wait_until_ready(page)
    expect(page.get_by_test_id("session")).to_have_count(1)
    other.goto("/account")
    expect(other).to_have_url(re.compile("/login"))


def test_the_password_is_changed_with_the_present_one_only(
    open_page: Opener, someone: Callable[..., str]
):
    email = someone("gus")
    page = open_page("/login", role=None)
    sign_in_as(page, email)
    page.goto("/account")
    wait_until_ready(page)
    page.get_by_label("Present password").fill("wrong")
    page.get_by_label("New password").fill(NEW)
    page.get_by_test_id("change-password").click()
    expect(page.get_by_test_id("error-current_password")).to_contain_text("wrong")
    wait_until_ready(page)
    assert violations(page) == []
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW)
    page.get_by_test_id("change-password").click()
    expect(page.get_by_test_id("account-done")).to_contain_text("Your password is changed")


def test_an_old_session_is_asked_again_who_it_is(
    world: World, open_page: Opener, someone: Callable[..., str]
):
    email = someone("hal")
    page = open_page("/login", role=None)
    sign_in_as(page, email)
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE user_sessions SET verified_at = NULL WHERE user_id = "
            "(SELECT id FROM users WHERE email = ?)",
            (email,),
        )
    page.goto("/account")
    wait_until_ready(page)
    expect(page.get_by_test_id("two-factor-set-up")).to_have_count(0)
    for theme in ("light", "dark"):
        show_in(page, theme)
        assert violations(page) == []
        screenshot(page, f"account-confirm-{theme}")
    answer = page.request.post("/auth/account/two-factor", max_redirects=0)
    assert answer.headers["location"] == "/account"
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_test_id("confirm-identity").click()
    wait_until_ready(page)
    expect(page.get_by_test_id("two-factor-set-up")).to_be_visible()


def test_an_admin_resets_a_teammates_two_factor(open_page: Opener, someone: Callable[..., str]):
    email, boss = someone("ivy"), someone("boss", Role.ADMIN)
    mate, admin = open_page("/login", role=None), open_page("/login", role=None)
    sign_in_as(mate, email)
    set_up_two_factor(mate)
    sign_in_as(admin, boss)
    admin.goto("/account")
    wait_until_ready(admin)
    look_at(admin, "account-team")
    admin.get_by_role("button", name="Reset two-factor of Kim Ivy").click()
    expect(admin.get_by_test_id("account-done")).to_contain_text("of this teammate is off")
    sign_in_as(mate, email)
    expect(mate.get_by_role("heading", level=1)).to_have_text("Dashboard")


POSTS = (
    "/auth/account/confirm",
    "/auth/account/password",
    "/auth/account/sessions/end",
    "/auth/account/sessions/end-others",
    "/auth/account/two-factor",
    "/auth/account/two-factor/confirm",
    "/auth/account/two-factor/off",
    "/auth/account/recovery-codes",
    "/auth/account/teammates/reset-two-factor",
    "/auth/code",
    "/auth/start-again",
    "/auth/forgot-password",
    "/auth/reset-password",
)


@pytest.mark.parametrize("address", POSTS)
def test_a_form_from_another_site_and_one_of_nobody_change_nothing(open_page: Opener, address: str):
    page = open_page("/account", role="finance")
    answer = page.request.post(address, headers={"Origin": "https://evil.example"}, max_redirects=0)
    assert answer.status == 403
    if address.startswith("/auth/account/"):
        nobody = open_page("/login", role=None)
        answer = nobody.request.post(address, max_redirects=0)
        assert (answer.status, answer.headers["location"]) == (303, "/login?next=%2Faccount")


@pytest.fixture(scope="module")
def entra() -> Iterator[Directory]:
    with directory() as made:
        yield made


@pytest.fixture(scope="module")
def entra_world(entra: Directory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with run_world(tmp_path_factory.mktemp("entra"), **entra.environment) as made:
        yield made


@pytest.fixture
def open_entra(entra_world: World, chromium: Browser) -> Iterator[Opener]:
    stored: Callable[[str], StorageState] = kept_sign_ins(chromium, entra_world)
    with opening(chromium, entra_world, stored) as opened:
        yield opened


def test_nobody_is_offered_microsoft_where_it_is_not_set_up(open_page: Opener):
    page = open_page("/login", role=None)
    expect(page.get_by_test_id("login-entra")).to_have_count(0)
    answer = page.request.get("/auth/entra", max_redirects=0)
    assert answer.headers["location"] == "/login"


def test_somebody_signs_in_with_microsoft_and_is_led_on(
    entra: Directory, entra_world: World, open_entra: Opener
):
    page = open_entra("/login", role=None)

    # No browser knows the certificate of the test's issuer: its page is spoken for here.
    def through_microsoft(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        _, there = entra.answer_to("GET", answer.headers["location"], "")
        route.fulfill(status=303, headers={**answer.headers, "location": there})

    page.route("**/auth/entra?*", through_microsoft)
    entra.claims = {"oid": "o-1", "preferred_username": "nobody@example.com"}
    page.goto("/invoices?status=overdue")
    wait_until_ready(page)
    look_at(page, "login-entra")
    page.get_by_test_id("login-entra").click()
    expect(page.get_by_test_id("login-problem")).to_contain_text("belongs to no user here")
    wait_until_ready(page)
    entra.claims = {"oid": "o-1", "preferred_username": entra_world.email("finance")}
    page.get_by_test_id("login-entra").click()
    expect(page).to_have_url(re.compile(r"/invoices/?\?status=overdue"))
    wait_until_ready(page)
    page.goto("/account")
    wait_until_ready(page)
    expect(page.get_by_text("Linked", exact=True)).to_be_visible()
    assert Path(entra_world.environment["SSL_CERT_FILE"]).exists()
