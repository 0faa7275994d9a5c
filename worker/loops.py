"""How every part of the worker runs: step after step, through any trouble, until told to stop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import structlog

from worker.failures import EXPECTED_TROUBLE, describe

# After trouble a part pauses 0.5 s, then twice as long each time: quick to recover, cheap to fail.
_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 30.0

log = structlog.get_logger(__name__)


def repeat(name: str, step: Callable[[], None], stop: threading.Event) -> None:
    """Call `step` until `stop` is set. A step that raises is logged and followed by a pause."""
    failures = 0
    while not stop.is_set():
        try:
            step()
            failures = 0
        except Exception as error:
            failures += 1
            pause = pause_seconds(failures)
            log.error(
                "worker.part_failed",
                part=name,
                problem=describe(error),
                again_in_seconds=round(pause, 1),
                exc_info=None if isinstance(error, EXPECTED_TROUBLE) else error,
            )
            stop.wait(pause)


def pause_seconds(failures: int) -> float:
    """How long to pause after so many failures in a row, with jitter."""
    grown = min(_PAUSE_FIRST_SECONDS * 2.0 ** min(failures - 1, 16), _PAUSE_SECONDS_MAX)
    return grown * random.uniform(0.75, 1.25)  # noqa: S311 (not for secrets)
