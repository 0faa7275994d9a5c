"""The one doorway to the database: `run` for writes, `read` for reads.

`run` gives a use case a `UnitOfWork`, commits, and only then returns: the rows, the audit entry
and the outbox message become durable together or not at all. On SQLite it goes through the
group-commit writer; on SQL Server it is one transaction, retried a bounded number of times when
it lost a race. That is safe because a use case touches nothing outside its transaction.
`read` gives a `Reader` over one snapshot and never waits for a writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from backend import audit
from backend.actor import Actor, PlatformActor
from backend.db.connection import Connection
from backend.db.engine import Database
from backend.db.failures import is_lost_race, is_unavailable
from backend.db.statements import Statement
from backend.errors import Busy, NotFound, RuleRefused
from backend.ids import new_id
from backend.messaging import outbox
from backend.messaging.contracts import PAYLOAD_BYTES_MAX, Message
from backend.tenants.settings import TENANT_SETTINGS, TenantSettings

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS_MAX = 6  # of a transaction that lost a race; with back-off this is about two seconds
_BACKOFF_SECONDS = 0.03


class Reader:
    """Reads for one actor. Every statement gets `tenant_id` from the actor, never from a caller."""

    def __init__(self, connection: Connection, actor: Actor | PlatformActor, now: datetime) -> None:
        self.connection = connection
        self.actor = actor
        self.now = now
        self._scope = {"tenant_id": actor.tenant_id} if isinstance(actor, Actor) else {}

    @property
    def tenant_id(self) -> UUID:
        """The actor's tenant; a platform actor has none and raises TypeError."""
        if not isinstance(self.actor, Actor):
            raise TypeError("a platform actor has no tenant")
        return self.actor.tenant_id

    @functools.cached_property
    def tenant(self) -> TenantSettings:
        """The actor's tenant: currency, time zone, number prefix, sending window."""
        row = self.first(TENANT_SETTINGS)
        if row is None:
            raise NotFound("There is no such tenant.", code="tenant_not_found")
        return TenantSettings(**row._asdict())

    @functools.cached_property
    def today(self) -> date:
        """The calendar day it is now for the tenant."""
        return self.now.astimezone(ZoneInfo(self.tenant.time_zone)).date()

    def rows(self, statement: Statement, **params: Any) -> list[Any]:
        """All rows, as named tuples."""
        return self.connection.query(statement, self._scope | params if params else self._scope)

    def first(self, statement: Statement, **params: Any) -> Any | None:
        """The first row or None."""
        found = self.rows(statement, **params)
        return found[0] if found else None

    def one(self, statement: Statement, **params: Any) -> Any:
        """The only row; NotFound when there is none."""
        found = self.rows(statement, **params)
        if not found:
            raise NotFound("There is no such row.")
        return found[0]

    def scalar(self, statement: Statement, **params: Any) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(statement, **params)
        return found[0][0] if found else None


class UnitOfWork(Reader):
    """Reads and writes of one use case; what it records and sends commits with its rows."""

    def __init__(self, connection: Connection, actor: Actor | PlatformActor, now: datetime) -> None:
        super().__init__(connection, actor, now)
        self._changes: list[audit.Change] = []
        self._messages: list[outbox.Pending] = []

    def execute(self, statement: Statement, **params: Any) -> int:
        """Write; the number of rows touched."""
        return self.connection.execute(statement, self._scope | params)

    def execute_many(self, statement: Statement, rows: Sequence[dict[str, Any]]) -> None:
        """Write once for each set of parameters."""
        scope = self._scope
        self.connection.execute_many(statement, [scope | row for row in rows] if scope else rows)

    def record(
        self,
        action: str,
        entity_type: str,
        entity_id: UUID,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """Put a state change into the audit log, as "invoice.sent" on an "invoice"."""
        self._changes.append(
            audit.Change(action, entity_type, entity_id, audit.data_of(before, after))
        )

    def send(
        self, message: Message, *, at: datetime | None = None, message_id: UUID | None = None
    ) -> UUID:
        """Queue a message, not before `at` (UTC) when given; the message's id.

        Raises RuleRefused when it is larger than a queue can be relied on to take.
        """
        size = len(message.model_dump_json().encode())
        if size > PAYLOAD_BYTES_MAX:
            raise RuleRefused(
                f"What is asked for takes {size} bytes to say; {PAYLOAD_BYTES_MAX} are possible.",
                code="message_too_large",
            )
        pending = outbox.Pending(message_id or new_id(), message, at or self.now)
        self._messages.append(pending)
        return pending.message_id

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happens inside when it raises, rows, records and messages alike."""
        changes, messages = len(self._changes), len(self._messages)
        on_mssql = self.connection.dialect.name == "mssql"
        self.connection.control("SAVE TRANSACTION step" if on_mssql else "SAVEPOINT step")
        try:
            yield
        except BaseException:
            del self._changes[changes:], self._messages[messages:]
            self.connection.control("ROLLBACK TRANSACTION step" if on_mssql else "ROLLBACK TO step")
            raise
        finally:
            if not on_mssql:
                self.connection.control("RELEASE step")

    def finish(self) -> None:
        """Write what was recorded and sent. The doorway calls this once, before the commit."""
        actor = self.actor
        tenant_id = actor.tenant_id if isinstance(actor, Actor) else audit.PLATFORM_CHAIN
        if self._changes:
            audit.append(
                self.connection,
                tenant_id,
                self._changes,
                who=actor.who,
                user_id=actor.user_id,
                at=self.now,
                correlation_id=actor.correlation_id,
            )
        for is_platform in (False, True):
            pending = [one for one in self._messages if one.message.is_platform is is_platform]
            if not pending:
                continue
            outbox.add(
                self.connection,
                pending,
                tenant_id=audit.PLATFORM_CHAIN if is_platform else self.tenant_id,
                correlation_id=actor.correlation_id,
                causation_id=actor.causation_id if isinstance(actor, Actor) else None,
                user_id=actor.user_id,
                now=self.now,
            )


def run(
    db: Database,
    actor: Actor | PlatformActor,
    use_case: Callable[Concatenate[UnitOfWork, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a use case in a transaction; returns after the commit is durable.

    Raises what the use case raises (nothing is changed then), or Busy.
    """
    work = _bound(db, actor, use_case, *args, **kwargs)
    if db.writer is not None:
        result: T = db.writer.run(work)
        return result
    return _run_with_retries(db, work)


async def run_async(
    db: Database,
    actor: Actor | PlatformActor,
    use_case: Callable[Concatenate[UnitOfWork, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`run` for an event loop: on SQLite no thread waits, elsewhere one of the pool does."""
    work = _bound(db, actor, use_case, *args, **kwargs)
    if db.writer is not None:
        result: T = await db.writer.run_async(work)
        return result
    return await asyncio.to_thread(_run_with_retries, db, work)


def read(
    db: Database,
    actor: Actor | PlatformActor,
    query: Callable[Concatenate[Reader, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a query over one snapshot. Raises what the query raises, or Busy."""
    try:
        with db.snapshot() as connection:
            return query(Reader(connection, actor, db.clock()), *args, **kwargs)
    except Exception as error:
        if is_unavailable(error):
            raise Busy("The database cannot be read just now.") from error
        raise


async def read_async(
    db: Database,
    actor: Actor | PlatformActor,
    query: Callable[Concatenate[Reader, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`read` for an event loop, in the database's small pool of reading threads."""
    call = functools.partial(read, db, actor, query, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(db.reading_pool, call)


async def read_by_key_async(
    db: Database,
    actor: Actor | PlatformActor,
    query: Callable[Concatenate[Reader, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`read_async` for a query that finds one thing by its key, in microseconds.

    On SQLite it runs on the event loop itself: to hand it to a thread and to take turns with that
    thread for the interpreter would cost several times as much as the query.
    """
    if db.is_sqlite:
        return read(db, actor, query, *args, **kwargs)
    return await read_async(db, actor, query, *args, **kwargs)


def _bound(
    db: Database,
    actor: Actor | PlatformActor,
    use_case: Callable[Concatenate[UnitOfWork, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Callable[[Connection], T]:
    def work(connection: Connection) -> T:
        unit = UnitOfWork(connection, actor, db.clock())
        result = use_case(unit, *args, **kwargs)
        unit.finish()
        return result

    return work


def _run_with_retries(db: Database, work: Callable[[Connection], T]) -> T:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            with db.transaction() as connection:
                return work(connection)
        except Exception as error:
            if is_unavailable(error):
                raise Busy("The database cannot be written just now.") from error
            if not is_lost_race(error) or attempt == ATTEMPTS_MAX:
                raise
        time.sleep(_BACKOFF_SECONDS * 2**attempt * (0.5 + random.random()))  # noqa: S311
    raise AssertionError("unreachable")
