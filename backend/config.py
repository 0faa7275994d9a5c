"""The settings of a process: read once at its start, frozen, and passed on; never a global.

Names, defaults and meanings are public (environment variables with the prefix BILLERJACKET_, or
the file .env). A wrong setting stops the process with one line that names it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from uuid import UUID

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "BILLERJACKET_"

# Relative to the working directory, like the default database beside it.
SECRET_KEY_FILE = Path("data/secret_key")
# 256 random bits, the length of the digests it is used with.
SECRET_KEY_BYTES = 32
# Short enough for a person's own choice, long enough not to be guessed.
SECRET_KEY_LENGTH_MIN = 16

# Where mail servers listen when the address does not say.
SMTP_PORT = 25
SMTP_PORT_STARTTLS = 587

# Azure has more than one cloud: .windows.net, .usgovcloudapi.net, .chinacloudapi.cn.
_SERVICEBUS_HOST = r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]\.servicebus(\.[a-z0-9-]+){2,3}"

_ACS_HOST = r"[A-Za-z0-9-]+(\.[a-z0-9-]+)*\.communication\.azure\.(com|us|cn)"


class Environment(StrEnum):
    """Where the process runs; production is strict about secrets."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """For a person's terminal, or one JSON object a line."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe event that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class WrongSettings(Exception):
    """One or more settings are wrong; `problems` holds one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over; without a user it is sent without signing in."""

    host: str
    port: int
    username: str | None
    password: SecretStr | None
    starttls: bool

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """Read `smtp://[user:password@]host[:port][?starttls=0|1]`; ValueError when it is not."""
        parts = urlsplit(url)
        if parts.scheme != "smtp" or not parts.hostname:
            raise ValueError("not an smtp:// address with a host")
        if parts.path not in ("", "/") or parts.fragment:
            raise ValueError("an smtp:// address has no path")
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        starttls = options.pop("starttls", ["0"])
        if options or starttls not in (["0"], ["1"]):
            raise ValueError("the only option is starttls, 0 or 1")
        return cls(
            host=parts.hostname,
            port=parts.port or (SMTP_PORT_STARTTLS if starttls == ["1"] else SMTP_PORT),
            username=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
            starttls=starttls == ["1"],
        )


@dataclass(frozen=True, slots=True)
class EntraDirectory:
    """A directory of Microsoft Entra ID, and our registration there."""

    authority: str
    tenant_id: str
    client_id: str
    client_secret: SecretStr

    @property
    def issuer(self) -> str:
        """Who must have issued an id token, exactly."""
        return f"{self.authority}/{self.tenant_id}/v2.0"


@dataclass(frozen=True, slots=True)
class AcsAccount:
    """A resource of Azure Communication Services; without a key a managed identity signs in."""

    host: str
    access_key: SecretStr | None

    @classmethod
    def from_url(cls, url: str) -> AcsAccount:
        """Read `acs://HOST[?accesskey=KEY]`, the key as Azure shows it; ValueError when it is not.

        The key may be percent-encoded and need not be: "+" and "/" are themselves.
        """
        parts = urlsplit(url)
        host = parts.netloc
        if parts.scheme != "acs" or not re.fullmatch(_ACS_HOST, host):
            raise ValueError("not an acs:// address with the host of a resource")
        if parts.path not in ("", "/") or parts.fragment:
            raise ValueError("an acs:// address has no path")
        if not parts.query:
            return cls(host, None)
        name, _, key = parts.query.partition("=")
        key = unquote(key)
        if name.lower() != "accesskey" or not key:
            raise ValueError("the only option is accesskey")
        base64.b64decode(key, validate=True)  # raises ValueError
        return cls(host, SecretStr(key))


class Settings(BaseSettings):
    """Every setting of BillerJacket. A field's description says what is expected of it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///data/billerjacket.db"),
        description="sqlite:///path/to/file.db or mssql+pyodbc://…",
    )
    servicebus_connection_string: SecretStr | None = Field(
        None,
        description="Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=…;"
        "SharedAccessKey=… of the namespace, not of one queue",
    )
    servicebus_namespace: str | None = Field(
        None,
        description="NAME.servicebus.windows.net, for a managed identity; unset when there is a "
        "BILLERJACKET_SERVICEBUS_CONNECTION_STRING",
    )
    key_vault_url: str | None = Field(
        None,
        description="to be unset: Azure Key Vault is not available in this version, secrets are "
        "given as settings",
    )
    email_url: SecretStr = Field(
        SecretStr("mailbox:"),
        description="mailbox:, smtp://[user:password@]host[:port][?starttls=1] or "
        "acs://NAME.communication.azure.com[?accesskey=KEY] (without a key: a managed identity)",
    )
    email_from: str = Field(
        "billing@localhost",
        description="an e-mail address, such as billing@example.com",
    )
    host: str = Field("127.0.0.1", description="a host name or IP address to listen on")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        8000, description="a port number from 1 to 65535"
    )
    public_url: str = Field(
        default_factory=lambda valid: f"http://localhost:{valid.get('port', 8000)}",
        description="an address such as https://billing.example.com",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description=f"at least {SECRET_KEY_LENGTH_MIN} characters when "
        "BILLERJACKET_ENVIRONMENT=production",
    )
    environment: Environment = Field(
        Environment.DEVELOPMENT, description="development, test or production"
    )
    log_format: LogFormat = Field(
        default_factory=lambda valid: _log_format_in(valid.get("environment")),
        description="console or json",
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error")
    redis_url: SecretStr | None = Field(None, description="redis://… or rediss://…")
    entra_tenant_id: str | None = Field(
        None,
        description="the id of a Microsoft Entra directory (a UUID); with it go "
        "BILLERJACKET_ENTRA_CLIENT_ID and BILLERJACKET_ENTRA_CLIENT_SECRET",
    )
    entra_client_id: str | None = Field(
        None,
        description="the application (client) id of the registration at Microsoft Entra, a UUID",
    )
    entra_client_secret: SecretStr | None = Field(
        None, description="the client secret of the registration at Microsoft Entra"
    )
    entra_authority: str = Field(
        "https://login.microsoftonline.com",
        description="where Microsoft Entra answers: https://login.microsoftonline.com, or the "
        "address of a national cloud",
    )
    applicationinsights_connection_string: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("APPLICATIONINSIGHTS_CONNECTION_STRING"),
        description="a connection string that begins with InstrumentationKey=",
    )

    @field_validator("environment", "log_format", "log_level", mode="before")
    @classmethod
    def _ignore_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _database_is_a_file_or_sql_server(cls, value: SecretStr) -> SecretStr:
        try:
            url = make_url(value.get_secret_value())
        except ArgumentError as error:
            raise ValueError("not a database address") from error
        is_file = url.drivername == "sqlite" and url.database not in (None, "", ":memory:")
        if not is_file and url.drivername != "mssql+pyodbc":
            raise ValueError("neither an SQLite file nor SQL Server")
        return value

    @field_validator("servicebus_connection_string")
    @classmethod
    def _namespace_with_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_servicebus_connection(value.get_secret_value()):
            raise ValueError("not a connection string of a namespace")
        return value

    @field_validator("servicebus_namespace")
    @classmethod
    def _host_alone(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if not re.fullmatch(_SERVICEBUS_HOST, value):
            raise ValueError("not the host name of a namespace")
        if info.data.get("servicebus_connection_string") is not None:
            raise ValueError("two ways to the queues")
        return value

    @field_validator("key_vault_url")
    @classmethod
    def _not_available(cls, value: object) -> object:
        if value is not None:
            raise ValueError("not available")
        return value

    @field_validator("email_url")
    @classmethod
    def _mailbox_smtp_or_acs(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url.startswith("acs:"):
            AcsAccount.from_url(url)
        elif url != "mailbox:":
            SmtpServer.from_url(url)
        return value

    @field_validator("email_from")
    @classmethod
    def _one_address(cls, value: str) -> str:
        _, address = parseaddr(value)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or not value.isprintable():
            raise ValueError("not an e-mail address")
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # Raises ValueError when it is not a number.
        if parts.scheme not in ("http", "https") or not parts.hostname or _has_extras(parts):
            raise ValueError("not a web address")
        return value.rstrip("/")

    @field_validator("host")
    @classmethod
    def _host_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", value):
            raise ValueError("not a host")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("redis", "rediss") or not parts.hostname:
                raise ValueError("not a Redis address")
        return value

    @field_validator("entra_tenant_id", "entra_client_id")
    @classmethod
    def _uuid(cls, value: str | None) -> str | None:
        # Spelled one way: an id token is compared with it as text.
        return None if value is None else str(UUID(value))

    @field_validator("entra_authority")
    @classmethod
    def _https_host(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # Raises ValueError when it is not a number.
        is_alone = parts.path in ("", "/") and not _has_extras(parts)
        if parts.scheme != "https" or not parts.hostname or not is_alone:
            raise ValueError("not an https address of a host")
        return value.rstrip("/")

    @field_validator("applicationinsights_connection_string")
    @classmethod
    def _instrumentation_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and "InstrumentationKey=" not in value.get_secret_value():
            raise ValueError("no InstrumentationKey")
        return value

    @model_validator(mode="after")
    def _production_has_its_own_secret(self) -> Self:
        if self.is_production and len(self.secret_key.get_secret_value()) < SECRET_KEY_LENGTH_MIN:
            raise ValueError("secret_key")
        return self

    @model_validator(mode="after")
    def _entra_is_whole_or_absent(self) -> Self:
        given = (self.entra_tenant_id, self.entra_client_id, self.entra_client_secret)
        if any(one is not None for one in given) and None in given:
            raise ValueError("entra_tenant_id")
        return self

    @property
    def entra(self) -> EntraDirectory | None:
        """The directory whose people may sign in, or None when nobody does by Microsoft."""
        tenant, client, secret = (
            self.entra_tenant_id,
            self.entra_client_id,
            self.entra_client_secret,
        )
        if tenant is None or client is None or secret is None:
            return None
        return EntraDirectory(self.entra_authority, tenant, client, secret)

    @property
    def is_production(self) -> bool:
        """Whether the strict rules of production hold."""
        return self.environment is Environment.PRODUCTION

    @property
    def smtp(self) -> SmtpServer | None:
        """The SMTP server, or None when e-mails go another way."""
        url = self.email_url.get_secret_value()
        return SmtpServer.from_url(url) if url.startswith("smtp:") else None

    @property
    def acs(self) -> AcsAccount | None:
        """The resource of Azure Communication Services, or None when e-mails go another way."""
        url = self.email_url.get_secret_value()
        return AcsAccount.from_url(url) if url.startswith("acs:") else None


def load_settings() -> Settings:
    """Read the environment and .env; raises WrongSettings.

    Outside production a missing SECRET_KEY is made once and kept in data/secret_key.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise WrongSettings(_problems_of(error)) from None
    if settings.secret_key.get_secret_value():
        return settings
    key = SecretStr(_secret_key_kept_in(SECRET_KEY_FILE))
    return settings.model_copy(update={"secret_key": key})


def load_settings_or_exit() -> Settings:
    """For the start of a process: a wrong setting is one line on stderr and exit status 2."""
    try:
        return load_settings()
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        raise SystemExit(2) from None


def _problems_of(error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        if item["type"] == "default_factory_not_called":
            continue  # It follows from another setting, which is the wrong one.
        # A rule that spans several settings says itself which of them is wrong.
        where = str(item["loc"][0]) if item["loc"] else item["msg"].rpartition(" ")[2]
        name = next(n for n in Settings.model_fields if n == where.lower())
        problems.append(f"{_environment_name(name)}: expected {_expected(name)}")
    return problems


def _environment_name(field: str) -> str:
    own_name = Settings.model_fields[field].validation_alias is not None
    return field.upper() if own_name else PREFIX + field.upper()


def _expected(field: str) -> str:
    description = Settings.model_fields[field].description
    assert description, f"the setting {field} does not say what it expects"
    return description


def _log_format_in(environment: Environment | None) -> LogFormat:
    return LogFormat.JSON if environment is Environment.PRODUCTION else LogFormat.CONSOLE


def _is_servicebus_connection(text: str) -> bool:
    """Whether it names an endpoint and a key or signature; a queue's own string does not do."""
    pairs = [part.split("=", 1) for part in text.strip().rstrip(";").split(";")]
    if any(len(pair) != 2 or not pair[1].strip() for pair in pairs):
        return False
    parts = {name.strip().lower(): value.strip() for name, value in pairs}
    try:
        endpoint = urlsplit(parts.get("endpoint", ""))
        _ = endpoint.port  # Raises ValueError when it is not a number.
    except ValueError:
        return False
    has_key = {"sharedaccesskeyname", "sharedaccesskey"} <= parts.keys()
    has_signature = "sharedaccesssignature" in parts and "sharedaccesskey" not in parts
    return (
        endpoint.scheme == "sb"
        and bool(endpoint.hostname)
        and "entitypath" not in parts
        and (has_key or has_signature)
    )


def _has_extras(parts: SplitResult) -> bool:
    return bool(parts.query or parts.fragment or parts.username)


def _secret_key_kept_in(path: Path) -> str:
    """The key in the file, which is made if need be, by exactly one of several processes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(SECRET_KEY_BYTES))
            try:
                os.link(draft, path)  # Never replaces a file, and never shows half of one.
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise WrongSettings(
            [f"{PREFIX}SECRET_KEY: unset, and {path} cannot be used: {error.strerror}"]
        ) from error
    if len(key) < SECRET_KEY_LENGTH_MIN:
        raise WrongSettings([f"{PREFIX}SECRET_KEY: unset, and {path} holds no key: remove it"])
    return key
