"""Settings: what is taken, what is refused, and what the refusal says."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.servicebus._base_handler import _parse_conn_str
from pydantic import SecretStr, ValidationError

from backend.config import (
    PREFIX,
    AcsAccount,
    Environment,
    LogFormat,
    LogLevel,
    SmtpServer,
    WrongSettings,
    load_settings,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from outside, and an empty working directory."""
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "APPLICATIONINSIGHTS_CONNECTION_STRING":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_published_ones():
    settings = load_settings()
    assert settings.database_url.get_secret_value() == "sqlite:///data/billerjacket.db"
    assert settings.email_url.get_secret_value() == "mailbox:"
    assert settings.smtp is None
    assert settings.email_from == "billing@localhost"
    assert settings.public_url == "http://localhost:8000"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.environment is Environment.DEVELOPMENT
    assert settings.log_format is LogFormat.CONSOLE
    assert settings.log_level is LogLevel.INFO
    assert settings.redis_url is None
    assert settings.applicationinsights_connection_string is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BILLERJACKET_DATABASE_URL", "postgresql://localhost/x"),
        ("BILLERJACKET_DATABASE_URL", "sqlite://"),
        ("BILLERJACKET_DATABASE_URL", "sqlite:///:memory:"),
        ("BILLERJACKET_DATABASE_URL", "billerjacket.db"),
        ("BILLERJACKET_SERVICEBUS_CONNECTION_STRING", "x.servicebus.windows.net"),
        ("BILLERJACKET_SERVICEBUS_CONNECTION_STRING", "Endpoint=sb://x/;SharedAccessKey=hunter2"),
        (
            "BILLERJACKET_SERVICEBUS_CONNECTION_STRING",
            "Endpoint=https://x/;SharedAccessKeyName=n;SharedAccessKey=hunter2",
        ),
        (
            "BILLERJACKET_SERVICEBUS_CONNECTION_STRING",
            "Endpoint=sb://x:port/;SharedAccessKeyName=n;SharedAccessKey=hunter2",
        ),
        (
            "BILLERJACKET_SERVICEBUS_CONNECTION_STRING",
            "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=",
        ),
        (
            "BILLERJACKET_SERVICEBUS_CONNECTION_STRING",
            "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=hunter2;EntityPath=email-send",
        ),
        ("BILLERJACKET_SERVICEBUS_NAMESPACE", "billing"),
        ("BILLERJACKET_SERVICEBUS_NAMESPACE", "sb://billing.servicebus.windows.net/"),
        ("BILLERJACKET_KEY_VAULT_URL", "https://x.vault.azure.net"),
        ("BILLERJACKET_EMAIL_URL", "acs://x"),
        ("BILLERJACKET_EMAIL_URL", "acs://communication.azure.com.evil.example"),
        ("BILLERJACKET_EMAIL_URL", "acs://x.communication.azure.com/?accesskey=hunter2!"),
        ("BILLERJACKET_EMAIL_URL", "acs://x.communication.azure.com/?accesskey="),
        ("BILLERJACKET_EMAIL_URL", "acs://x.communication.azure.com/?key=aGk="),
        ("BILLERJACKET_EMAIL_URL", "smtp://"),
        ("BILLERJACKET_EMAIL_URL", "smtp://host:mail"),
        ("BILLERJACKET_EMAIL_URL", "smtp://host:25?starttls=yes"),
        ("BILLERJACKET_EMAIL_URL", "smtp://host:25?tls=1"),
        ("BILLERJACKET_EMAIL_FROM", "billing"),
        ("BILLERJACKET_EMAIL_FROM", "a@b\nBcc: c@d"),
        ("BILLERJACKET_PUBLIC_URL", "billing.example.com"),
        ("BILLERJACKET_PUBLIC_URL", "https://billing.example.com?x=1"),
        ("BILLERJACKET_HOST", "not a host"),
        ("BILLERJACKET_PORT", "eighty"),
        ("BILLERJACKET_PORT", "0"),
        ("BILLERJACKET_PORT", "65536"),
        ("BILLERJACKET_ENVIRONMENT", "staging"),
        ("BILLERJACKET_LOG_FORMAT", "xml"),
        ("BILLERJACKET_LOG_LEVEL", "loud"),
        ("BILLERJACKET_REDIS_URL", "http://localhost"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "nonsense"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_expected(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings) as refusal:
        load_settings()
    (problem,) = refusal.value.problems
    assert problem.startswith(f"{name}: expected ")
    assert "\n" not in problem
    assert "hunter2" not in problem


KEY = "SharedAccessKeyName=Root;SharedAccessKey=a2V5Cg=="


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTION_STRING", f"Endpoint=sb://billing.servicebus.windows.net/;{KEY}"),
        ("CONNECTION_STRING", f" Endpoint=sb://billing.servicebus.windows.net/;{KEY}; "),
        ("CONNECTION_STRING", f"endpoint=sb://localhost;{KEY};UseDevelopmentEmulator=true;"),
        ("CONNECTION_STRING", "Endpoint=sb://x.example/;SharedAccessSignature=SharedAccess x&se=1"),
        ("NAMESPACE", "billing.servicebus.windows.net"),
        ("NAMESPACE", "billing-7.servicebus.usgovcloudapi.net"),
    ],
)
def test_the_queues_may_be_in_a_service_bus(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"BILLERJACKET_SERVICEBUS_{name}", value)
    settings = load_settings()
    assert (settings.servicebus_connection_string is None) is (name == "NAMESPACE")
    assert (settings.servicebus_namespace is None) is (name == "CONNECTION_STRING")
    if name == "CONNECTION_STRING":
        _parse_conn_str(value)
        assert "a2V5Cg" not in repr(settings)


def test_there_is_one_way_to_the_queues(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_SERVICEBUS_CONNECTION_STRING", f"Endpoint=sb://x.y/;{KEY}")
    monkeypatch.setenv("BILLERJACKET_SERVICEBUS_NAMESPACE", "billing.servicebus.windows.net")
    with pytest.raises(WrongSettings) as refusal:
        load_settings()
    (problem,) = refusal.value.problems
    assert problem.startswith("BILLERJACKET_SERVICEBUS_NAMESPACE: expected ")
    assert "unset when there is a BILLERJACKET_SERVICEBUS_CONNECTION_STRING" in problem


def test_a_process_with_embedded_queues_does_not_load_the_sdk():
    script = (
        "import sys; from backend.bootstrap import open_services;"
        " from backend.config import load_settings; open_services(load_settings()).close();"
        " print([name for name in sys.modules if name.split('.')[0] == 'azure'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_refusal_never_repeats_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_DATABASE_URL", "postgresql://u:hunter2@h/x")
    monkeypatch.setenv("BILLERJACKET_EMAIL_URL", "smtps://u:hunter2@h")
    with pytest.raises(WrongSettings) as refusal:
        load_settings()
    assert len(refusal.value.problems) == 2
    assert "hunter2" not in str(refusal.value)


def test_values_are_taken_in_any_case_and_from_the_env_file(monkeypatch: pytest.MonkeyPatch):
    Path(".env").write_text("BILLERJACKET_PORT=8123\nBILLERJACKET_LOG_LEVEL=WARNING\nOTHER=1\n")
    monkeypatch.setenv("BILLERJACKET_LOG_LEVEL", "Debug")
    settings = load_settings()
    assert settings.port == 8123
    assert settings.log_level is LogLevel.DEBUG, "the environment goes before the file"


def test_an_empty_value_is_an_unset_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_SERVICEBUS_CONNECTION_STRING", "")
    monkeypatch.setenv("BILLERJACKET_PORT", "")
    assert load_settings().port == 8000


def test_links_follow_the_port_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_PORT", "8123")
    assert load_settings().public_url == "http://localhost:8123"
    monkeypatch.setenv("BILLERJACKET_PUBLIC_URL", "https://billing.example.com/")
    assert load_settings().public_url == "https://billing.example.com"


def test_production_demands_its_own_secret_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_ENVIRONMENT", "production")
    for key in (None, "short"):
        if key:
            monkeypatch.setenv("BILLERJACKET_SECRET_KEY", key)
        with pytest.raises(WrongSettings, match="BILLERJACKET_SECRET_KEY: expected at least"):
            load_settings()
    monkeypatch.setenv("BILLERJACKET_SECRET_KEY", "0123456789abcdef")
    settings = load_settings()
    assert settings.log_format is LogFormat.JSON
    assert not Path("data").exists()


def test_development_makes_a_secret_key_once_and_keeps_it_private():
    first = load_settings().secret_key
    assert len(first.get_secret_value()) >= 32
    file = Path("data/secret_key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_settings().secret_key == first
    assert [path.name for path in file.parent.iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path: Path):
    read = "from backend.config import load_settings as l; print(l().secret_key.get_secret_value())"

    def start(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", read],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1


def test_an_unusable_secret_key_file_is_one_clear_line():
    Path("data").mkdir()
    Path("data/secret_key").write_text("")
    with pytest.raises(WrongSettings, match="BILLERJACKET_SECRET_KEY: unset, and data/secret_key"):
        load_settings()


def test_settings_cannot_be_changed_and_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLERJACKET_SECRET_KEY", "hunter2-hunter2-hunter2")
    settings = load_settings()
    with pytest.raises(ValidationError):
        setattr(settings, "port", 1)  # noqa: B010 - mypy would refuse the plain assignment.
    assert "hunter2" not in repr(settings)


def test_reads_every_part_of_an_smtp_address():
    assert SmtpServer.from_url("smtp://mail.example.com") == SmtpServer(
        "mail.example.com", 25, None, None, starttls=False
    )
    assert SmtpServer.from_url("smtp://me%40x:p%2Fw@mail.example.com?starttls=1") == SmtpServer(
        "mail.example.com", 587, "me@x", SecretStr("p/w"), starttls=True
    )


def test_reads_every_part_of_an_acs_address():
    host = "ridge.europe.communication.azure.com"
    assert AcsAccount.from_url(f"acs://{host}") == AcsAccount(host, None)
    for key in ("a+b/cQ==", "a%2Bb%2FcQ%3D%3D"):
        account = AcsAccount.from_url(f"acs://{host}/?accesskey={key}")
        assert account == AcsAccount(host, SecretStr("a+b/cQ=="))
        assert "a+b" not in repr(account)


def test_a_process_with_a_wrong_setting_ends_with_status_2_and_one_line(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "import backend.config as c; c.load_settings_or_exit()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BILLERJACKET_PORT": "eighty"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "BILLERJACKET_PORT: expected a port number from 1 to 65535\n"
