"""The way from an event handler to the services, and from their errors to what a page shows.

    outcome = await bridge.call(self, payments.record_payment, command)
    if outcome.problem: …

Who acts is found again at every call, from the HttpOnly cookie the browser sent with its
websocket, never from a variable a client could set. Errors become a `Problem` with the
correlation id that the logs and the audit rows carry; nothing is raised into Reflex.

`call` and `read` are for the people of a business. `ask` is for the services that reach into the
queues as well, and for the platform's own people too: such a service decides itself who may.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import structlog

from backend import errors
from backend.actor import Actor, PlatformActor
from backend.bootstrap import Services, open_services
from backend.config import load_settings_or_exit
from backend.ids import new_id
from backend.unit_of_work import Reader, UnitOfWork, read_async, run_async
from billerjacket_app import session

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

_services: Services | None = None
_opening = threading.Lock()


def services() -> Services:
    """The process's services, opened at the first use: building the front end needs none."""
    global _services
    with _opening:
        if _services is None:
            _services = open_services(load_settings_or_exit())
        return _services


def close_services() -> None:
    """Let go of the database; the last act of the process."""
    global _services
    with _opening:
        if _services is not None:
            _services.close()
            _services = None


@dataclass
class Problem:
    """What a page says when something was refused or failed. Without a title there is none.

    `errors` has one sentence a field. `quotable` tells whether the correlation id helps: it does
    when the fault may be ours.
    """

    kind: str = ""
    title: str = ""
    detail: str = ""
    code: str = ""
    correlation_id: str = ""
    quotable: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.kind != ""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """A value, or the problem that stands in its place."""

    value: T | None = None
    problem: Problem = field(default_factory=Problem)

    @property
    def must(self) -> T:
        """The value of an outcome without a problem."""
        assert not self.problem, self.problem
        return self.value  # type: ignore[return-value]


async def call(
    state: Any,
    use_case: Callable[Concatenate[UnitOfWork, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Outcome[T]:
    """Run one use case as the person signed in; returns after it is durable."""
    correlation_id = new_id().hex
    try:
        actor = await _actor(state, correlation_id)
        value = await run_async(services().db, actor, use_case, *args, **kwargs)
        if isinstance(value, errors.Refused):
            # Returned, not raised: the attempt was recorded with its refusal.
            return Outcome(problem=problem_of(value, correlation_id))
    except Exception as error:  # noqa: BLE001  (this is the entrance: nothing passes it)
        return Outcome(problem=problem_of(error, correlation_id))
    return Outcome(value)


async def read(
    state: Any, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
) -> Outcome[T]:
    """Run one query as the person signed in, over one snapshot."""
    correlation_id = new_id().hex
    try:
        actor = await _actor(state, correlation_id)
        value = await read_async(services().db, actor, query, *args, **kwargs)
    except Exception as error:  # noqa: BLE001  (this is the entrance: nothing passes it)
        return Outcome(problem=problem_of(error, correlation_id))
    return Outcome(value)


async def ask(
    state: Any,
    use_case: Callable[Concatenate[Any, Any, Any, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Outcome[T]:
    """Run `use_case(db, transport, actor, …)` in a thread: it may wait for a broker."""
    correlation_id = new_id().hex
    try:
        actor = await _anybody(state, correlation_id)
        known = services()
        value = await asyncio.to_thread(use_case, known.db, known.transport, actor, *args, **kwargs)
    except Exception as error:  # noqa: BLE001  (this is the entrance: nothing passes it)
        return Outcome(problem=problem_of(error, correlation_id))
    return Outcome(value)


async def _anybody(state: Any, correlation_id: str) -> Actor | PlatformActor:
    person = await session.person_of(services().db, state.router.headers.cookie)
    if person is None:
        raise errors.NotSignedIn("Sign in to go on.")
    return person.actor(correlation_id)


async def _actor(state: Any, correlation_id: str) -> Actor:
    actor = await _anybody(state, correlation_id)
    if not isinstance(actor, Actor):
        raise errors.NotAllowed("You are signed in for the platform, not for a business.")
    return actor


_SAID = {
    errors.NotSignedIn: ("signed_out", "You are signed out"),
    errors.NotAllowed: ("forbidden", "Your role does not allow this"),
    errors.NotFound: ("missing", "It is not here"),
    errors.StateConflict: ("refused", "Not possible any more"),
    errors.RuleRefused: ("refused", "Not possible"),
    errors.TooManyRequests: ("busy", "Too many tries"),
    errors.Busy: ("busy", "The database is busy"),
}


def problem_of(error: BaseException, correlation_id: str) -> Problem:
    """The problem an error is shown as; one that we did not expect is logged, not shown."""
    if isinstance(error, errors.InvalidInput):
        return Problem(
            kind="invalid",
            title="Please check what you entered.",
            detail=" ".join(
                sentence(f"{_spoken(item.field)} {item.message}") for item in error.errors
            ),
            code=error.code,
            correlation_id=correlation_id,
            errors={item.field: sentence(item.message) for item in error.errors},
        )
    if isinstance(error, errors.BillerJacketError):
        kind, title = next(
            (said for known, said in _SAID.items() if isinstance(error, known)),
            ("failed", "It did not work"),
        )
        return Problem(
            kind=kind,
            title=title + ".",
            detail=sentence(error.detail),
            code=error.code,
            correlation_id=correlation_id,
            quotable=kind in ("busy", "failed"),
        )
    log.error("app.event_failed", correlation_id=correlation_id, exc_info=error)
    return Problem(
        kind="failed",
        title="Something went wrong on our side.",
        detail="Nothing was changed. Try again; if it stays, quote the id below.",
        code="unexpected",
        correlation_id=correlation_id,
        quotable=True,
    )


def _spoken(field: str) -> str:
    """A field's name as words: `line_items.0.unit_price` → `line 1 unit price`."""
    parts = field.replace("line_items.", "line ").split(".")
    words = [f"{part[5:]}" if part.startswith("line ") else part for part in parts]
    if parts[0].startswith("line ") and words[0].isdecimal():
        words[0] = f"line {int(words[0]) + 1}"
    return " ".join(words).replace("_", " ")


def sentence(text: str) -> str:
    """Text as a sentence: a capital at its start (not of an address), a full stop at its end."""
    text = text.strip()
    if not text:
        return ""
    first = text[0] if "@" in text.split()[0] else text[0].upper()
    return first + text[1:] + ("" if text[-1] in ".!?" else ".")
