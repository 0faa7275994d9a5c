"""One authenticated request, and the doors to the services it may use."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import Scope

from backend import idempotency
from backend.actor import Actor
from backend.api.bodies import given
from backend.api.problems import PROBLEM_JSON, problem_of
from backend.api.replies import JSON, Reply, json_bytes
from backend.bootstrap import Services
from backend.errors import Refused
from backend.idempotency import Answer
from backend.unit_of_work import (
    Reader,
    UnitOfWork,
    read_async,
    read_by_key_async,
    run_async,
)

P = ParamSpec("P")
T = TypeVar("T")

REPLAYED = ((b"idempotent-replayed", b"true"),)

_RESPOND_ASYNC = re.compile(rb"(?:^|[,\s])respond-async(?:$|[,;\s])", re.IGNORECASE)

NO_CONTENT = Answer(204, "")

Produce = Callable[[UnitOfWork], "Answer | Refused"]


class Call(HTTPConnection):
    """A request whose caller is known and allowed.

    `operation` names what is asked, its path's ids included; `idempotency_key` is None when the
    caller gave none.
    """

    def __init__(
        self,
        scope: Scope,
        services: Services,
        actor: Actor,
        *,
        operation: str,
        idempotency_key: str | None,
    ) -> None:
        super().__init__(scope)
        self.services = services
        self.actor = actor
        self.operation = operation
        self.idempotency_key = idempotency_key

    async def read(
        self,
        query: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What a query finds, over one snapshot, in a reading thread."""
        return await read_async(self.services.db, self.actor, query, *args, **kwargs)

    async def read_by_key(
        self,
        query: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """The same for a query that finds one thing by its key, without the way to a thread."""
        return await read_by_key_async(self.services.db, self.actor, query, *args, **kwargs)

    async def write(
        self, produce: Produce, *, body: BaseModel | None = None, undo_refused: bool = True
    ) -> Reply:
        """Run a use case once for its idempotency key, and answer when it is durable.

        `produce` answers from inside the transaction. It may raise Refused: its effect is undone,
        and with a key the refusal is what a repetition gets too. It may return Refused to have
        what it wrote about the refusal kept; one that never raises it says so with `undo_refused`.
        """
        answer = await run_async(
            self.services.db, self.actor, self._answered, produce, body, undo_refused
        )
        if answer is NO_CONTENT:
            return Reply(204, media_type=None)
        media_type = JSON if answer.status_code < 400 else PROBLEM_JSON
        headers = REPLAYED if answer.replayed else ()
        if answer.location is not None:
            headers = (*headers, (b"location", answer.location.encode()))
        return Reply(answer.status_code, answer.response.encode(), media_type, headers)

    def prefers_async(self) -> bool:
        """Whether the caller would rather be told that it is queued (RFC 7240)."""
        for name, value in self.scope["headers"]:
            if name == b"prefer" and _RESPOND_ASYNC.search(value):
                return True
        return False

    def queued(self) -> Answer:
        """202: a message will have it done."""
        told = {"status": "queued", "correlation_id": self.actor.correlation_id}
        return answered(told, status=202)

    def _answered(
        self, work: UnitOfWork, produce: Produce, body: BaseModel | None, undo_refused: bool
    ) -> Answer:
        if self.idempotency_key is None:
            answer = produce(work)
            return self._refusal(answer) if isinstance(answer, Refused) else answer
        return idempotency.once(
            work,
            operation=self.operation,
            key=self.idempotency_key,
            hash_of_request=idempotency.request_hash(given(body)),
            produce=lambda: self._decided(work, produce, undo_refused),
        )

    def _decided(self, work: UnitOfWork, produce: Produce, undo_refused: bool) -> Answer:
        try:
            with work.savepoint() if undo_refused else contextlib.nullcontext():
                answer = produce(work)
        except Refused as refusal:
            answer = refusal
        return self._refusal(answer) if isinstance(answer, Refused) else answer

    def _refusal(self, refusal: Refused) -> Answer:
        problem = problem_of(
            refusal,
            instance=self.scope["path"],
            correlation_id=self.actor.correlation_id,
        )
        return Answer(problem.status, problem.body.decode())


def answered(value: Any, *, status: int = 200, location: str | None = None) -> Answer:
    """The answer of a use case, as it is sent and kept."""
    return Answer(status, json_bytes(value).decode(), location)
