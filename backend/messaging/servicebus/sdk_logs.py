"""What the Azure SDK logs, in our own logs: once, on one line, without its tracebacks.

Each failed attempt makes it write a traceback or several; what matters of them is in our own
events.
"""

from __future__ import annotations

import logging
import time

import structlog

# The same thing said again within this time is not said.
_AGAIN_SECONDS = 60.0
# Beyond this something else repeats itself, with other words each time.
_REMEMBERED_MAX = 200

log = structlog.get_logger(__name__)


class _OneLine(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on, unless it was just said."""
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(key, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return
        if len(self._said) >= _REMEMBERED_MAX:
            self._said.clear()
        self._said[key] = now
        lines = record.getMessage().splitlines() or [""]
        log.warning("servicebus.sdk", source=record.name, detail=lines[0][:500])


def route() -> None:
    """From now on, the SDK's warnings and errors go to our logs. Doing it twice changes nothing."""
    sdk = logging.getLogger("azure")
    if not any(isinstance(handler, _OneLine) for handler in sdk.handlers):
        sdk.addHandler(_OneLine())
        sdk.setLevel(logging.WARNING)
        sdk.propagate = False
