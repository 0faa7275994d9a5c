"""Logs: facts with fields, in UTC, without secrets, on stderr.

Our own events and those of every library (through the standard library's logging) pass the same
steps, so they look the same and carry the same fields. The fields of a request or a message are
bound once, at the entrance, and cleared before the next.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor

from backend.config import LogFormat, LogLevel

REDACTED = "[redacted]"

# Field names whose values are never written, whatever they hold.
_SECRET_NAMES = re.compile(
    r"passw|secret|token|cookie|authorization|api[_-]?key$|private[_-]?key"
    r"|connection[_-]?string|database[_-]?url|redis[_-]?url|email[_-]?url|signature",
    re.IGNORECASE,
)
# An identifier of a secret is not a secret: api_key_id, token_count, password_changed_at.
_HARMLESS_NAMES = re.compile(r"_(id|at|count|prefix|name)$", re.IGNORECASE)

# Secrets that hide inside a text: the password in an address, our own API keys, the secrets of
# webhooks, the parts of a connection string, a header that was pasted.
_SECRET_TEXTS = (
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"), rf"\1{REDACTED}"),
    (re.compile(r"\b(bj_[0-9A-Za-z]+_)[0-9A-Za-z_-]+"), rf"\1{REDACTED}"),
    (
        re.compile(r"((?:SharedAccessKey|AccountKey|Password|PWD)=)[^;\s'\"]+", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(\bwhsec_)[0-9A-Za-z+/=_-]+"), rf"\1{REDACTED}"),
    (re.compile(r"(\bBearer\s+)[^\s'\"]+", re.IGNORECASE), rf"\1{REDACTED}"),
)
# A text without any of these, whatever the case, has nothing to hide: true of nearly all, and
# found out in a tenth of the time that the expressions take.
_SIGNS_OF_A_SECRET = (
    "://",
    "bj_",
    "whsec_",
    "accesskey=",
    "accountkey=",
    "password=",
    "pwd=",
    "bearer",
)

# Libraries that tell more than anybody wants to know at our own level.
_QUIET_LIBRARIES = (
    "alembic",
    "asyncio",
    "httpcore",
    "httpx",
    "multipart",
    "python_multipart",
    "watchfiles",
)


def configure(
    log_format: LogFormat = LogFormat.CONSOLE,
    log_level: LogLevel = LogLevel.INFO,
    *,
    stream: TextIO | None = None,
) -> None:
    """Set up the process's logs; called once by its entry, before anything is logged."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    output = stream or sys.stderr
    renderer = _renderer(log_format, is_terminal=output.isatty())
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    # Our own events go straight to the stream: by way of the standard library each line would
    # cost five times as much, and there is one for every request.
    structlog.configure(
        processors=[*common, redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LinesTo(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.ExtraAdder(), redact],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def bind_afresh(**fields: object) -> None:
    """Forget the fields of the request or message before, and carry these on every line."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)


def bind_more(**fields: object) -> None:
    """Carry these fields too, once they are known (the tenant, the user)."""
    structlog.contextvars.bind_contextvars(**fields)


def clear() -> None:
    """Forget all fields: what was being done is done."""
    structlog.contextvars.clear_contextvars()


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank out secrets, by the name of the field and inside texts, at any depth."""
    for name, value in event.items():
        event[name] = _without_secrets(name, value)
    return event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAMES.search(name)) and not _HARMLESS_NAMES.search(name)


def _without_secrets(name: str, value: object) -> object:
    if _is_secret(name):
        return REDACTED
    match value:
        case str():
            return _text_without_secrets(value)
        case dict():
            return {key: _without_secrets(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_without_secrets("", item) for item in value]
        case bytes():
            return _text_without_secrets(value.decode("utf-8", "replace"))
        case None | bool() | int() | float():
            return value
        case _ if name.startswith("_"):
            return value  # structlog's own, removed before anything is written.
        case _:
            return _text_without_secrets(str(value))


def _text_without_secrets(text: str) -> str:
    folded = text.casefold()
    for sign in _SIGNS_OF_A_SECRET:
        if sign in folded:
            for pattern, replacement in _SECRET_TEXTS:
                text = pattern.sub(replacement, text)
            break
    return text


def _renderer(log_format: LogFormat, *, is_terminal: bool) -> Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(serializer=_as_json)
    # The plain formatter: the pretty one prints local variables, and they hold secrets.
    return structlog.dev.ConsoleRenderer(
        colors=is_terminal, exception_formatter=structlog.dev.plain_traceback
    )


def _as_json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _LinesTo:
    """Makes the loggers that write finished lines to one stream, whole, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, name: str = "billerjacket", *_: object) -> _LineLogger:
        return _LineLogger(name, self._write)

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class _LineLogger:
    """A named logger; whatever the level, a finished line is written."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = write
