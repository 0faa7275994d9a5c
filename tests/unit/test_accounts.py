"""The small pieces of accounts: device names, sealed texts, the settings of Microsoft Entra."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from backend.communications.account_letters import write_account_email
from backend.config import WrongSettings, load_settings
from backend.identity.account_models import AccountEmailKind
from backend.identity.sealing import ENTRA_FLOW, TWO_FACTOR, Box, Unreadable
from billerjacket_app import flash, routes
from billerjacket_app.devices import device_text
from billerjacket_app.flash import Flash

KEY = SecretStr("a secret key for tests")
UUID_ONE = "5F3A0C52-0000-4000-8000-00000000AAAA"
ENTRA = {"TENANT_ID": UUID_ONE, "CLIENT_ID": UUID_ONE, "CLIENT_SECRET": "s"}


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit Chrome/140 Safari/537", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; rv:140) Gecko Firefox/140", "Firefox on Mac"),
        ("curl/8.5", "curl/8.5"),
        ("", "Unknown browser"),
        ("x" * 300, "x" * 40),
    ],
)  # fmt: skip
def test_a_device_is_named_in_a_few_words(agent: str, said: str):
    assert device_text(agent) == said


def test_a_sealed_text_opens_for_its_owner_key_and_purpose_only():
    box = Box(KEY, TWO_FACTOR)
    kept = box.seal("secret", bound_to=b"one")
    assert box.open(kept, bound_to=b"one") == "secret"
    assert "secret" not in kept
    for other, owner in (
        (box, b"two"),
        (Box(KEY, ENTRA_FLOW), b"one"),
        (Box(SecretStr("another key altogether"), TWO_FACTOR), b"one"),
    ):
        with pytest.raises(Unreadable):
            other.open(kept, bound_to=owner)
    for bad in ("", "v1.", "v1.é", kept[:-2], kept + "AAAA"):
        with pytest.raises(Unreadable):
            box.open(bad, bound_to=b"one")


def test_a_notice_has_no_token_and_escapes_what_it_names():
    for kind in AccountEmailKind:
        token = "T" if kind is AccountEmailKind.PASSWORD_RESET else ""
        written = write_account_email(
            kind, email="<b>@x.example", public_url="https://b.example", token=token
        )
        assert ("#T" in written.text) is bool(token)
        assert "<b>@" not in written.html
        assert written.subject.endswith("· BillerJacket")


def test_a_flash_is_for_the_forms_it_names():
    header = f"{flash.COOKIE}={flash.encode(Flash('code', 'wrong'))}"
    assert flash.decode(header, "login", "code").problem == "wrong"
    assert flash.decode(header, "login") == Flash()


def test_nobody_is_led_back_to_a_page_before_sign_in():
    for path in routes.PUBLIC:
        assert routes.safe_next(path) == routes.DASHBOARD


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def given(**values: str):
        for name, value in values.items():
            monkeypatch.setenv(f"BILLERJACKET_ENTRA_{name}", value)
        return load_settings()

    return given


def test_the_directory_is_whole_or_not_there(settings):
    assert settings().entra is None
    found = settings(**ENTRA).entra
    assert found.issuer == f"https://login.microsoftonline.com/{UUID_ONE.lower()}/v2.0"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"TENANT_ID": UUID_ONE}, "BILLERJACKET_ENTRA_TENANT_ID"),
        (ENTRA | {"TENANT_ID": "common"}, "BILLERJACKET_ENTRA_TENANT_ID"),
        (ENTRA | {"CLIENT_ID": "x"}, "BILLERJACKET_ENTRA_CLIENT_ID"),
        (ENTRA | {"AUTHORITY": "http://login.example"}, "BILLERJACKET_ENTRA_AUTHORITY"),
        (ENTRA | {"AUTHORITY": "https://login.example/common"}, "BILLERJACKET_ENTRA_AUTHORITY"),
    ],
)
def test_a_wrong_setting_is_named(settings, values: dict[str, str], named: str):
    with pytest.raises(WrongSettings) as wrong:
        settings(**values)
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [named]
