"""Endpoints: FastAPI routes that know who may call them, and that answer without detours.

FastAPI finds the route, reads the signatures and writes the OpenAPI document. What a route does is
said here, in the order the API promises: authentication, role, headers, body, state. FastAPI's own
handler would read the body first and make floats of its numbers.

An endpoint function takes a `Call`, the ids of its path, a query model (`Annotated[M, Query()]`)
and a body model, or the body's very bytes (`RawBody`), and returns a `Reply`.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi.params import Body, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from backend import logging
from backend.actor import Action
from backend.api.authentication import Authenticator
from backend.api.bodies import (
    Incoming,
    RawHeaders,
    header,
    require_json,
    validated,
)
from backend.api.calls import Call
from backend.api.entrance import RequestContext, context_of
from backend.api.fields import is_uuid
from backend.api.replies import Reply
from backend.bootstrap import Services
from backend.checks import parse_json
from backend.errors import IdempotencyKeyMissing, MalformedHeader, NotFound

KEY_LENGTH_MAX = 255
KEY_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]{1,255}$"
_KEY = re.compile(KEY_PATTERN)

# The body as it came: whoever takes it reads it himself.
RawBody = Annotated[bytes, Body()]

Function = TypeVar("Function", bound=Callable[..., Awaitable[Reply]])


class Idempotency(Enum):
    """What an endpoint makes of an Idempotency-Key."""

    NONE = "none"
    HONOURED = "honoured"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Declaration:
    """An endpoint as its module declares it. `problems` are the refusals that it alone has.

    `not_at` is a path that looks like one of it, and is another endpoint's.
    """

    method: str
    path: str
    function: Callable[..., Awaitable[Reply]]
    action: Action
    status: int
    answer: Any
    idempotency: Idempotency
    description_of_answer: str
    problems: Mapping[int, str]
    accepts_async: bool
    media_type: str
    body_is_optional: bool
    not_at: str | None


@dataclass
class Endpoints:
    """The endpoints of one part of the API, gathered by decorators."""

    tag: str
    declared: list[Declaration] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        path: str,
        action: Action,
        *,
        answer: Any = None,
        answers: str = "Done.",
        status: int = 200,
        idempotency: Idempotency | None = None,
        problems: Mapping[int, str] | None = None,
        accepts_async: bool = False,
        media_type: str = "application/json",
        body_is_optional: bool = False,
        not_at: str | None = None,
    ) -> Callable[[Function], Function]:
        """Declare a function an endpoint. `answer` is the model of its body, for the document."""
        honoured = Idempotency.HONOURED if method == "POST" else Idempotency.NONE

        def declare(function: Function) -> Function:
            self.declared.append(
                Declaration(
                    method,
                    path,
                    function,
                    action,
                    status,
                    answer,
                    idempotency or honoured,
                    answers,
                    problems or {},
                    accepts_async,
                    media_type,
                    body_is_optional,
                    not_at,
                )
            )
            return function

        return declare


class Endpoint(APIRoute):
    """One endpoint, complete: whoever reaches it is authenticated first."""

    def __init__(
        self, declaration: Declaration, tag: str, services: Services, authenticator: Authenticator
    ) -> None:
        super().__init__(
            declaration.path,
            declaration.function,
            methods=[declaration.method],
            tags=[tag],
            status_code=declaration.status,
            response_model=declaration.answer,
            response_description=declaration.description_of_answer,
            operation_id=declaration.function.__name__,
            summary=inspect.cleandoc(declaration.function.__doc__ or "").partition("\n")[0],
        )
        self.declaration = declaration
        self.app = self._serve
        self._services = services
        self._authenticator = authenticator
        self._path_format = declaration.path
        self._method = declaration.method
        parameters = _parameters_of(declaration)
        self._call_name = parameters.call
        self._ids = parameters.ids
        self.query_model = parameters.query
        self.body_model = parameters.body
        self.takes_raw_body = parameters.takes_raw_body
        self._query_name = parameters.query_name
        self._body_name = parameters.body_name
        self._path_begins = declaration.path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route does; but the router asks one after the other, and most can tell at once."""
        if self._path_begins not in scope["path"] or scope["path"] == self.declaration.not_at:
            return Match.NONE, {}
        return super().matches(scope)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._answer(scope, context_of(scope))
        await reply(scope, receive, send)

    async def _answer(self, scope: Scope, context: RequestContext) -> Reply:
        headers: RawHeaders = scope["headers"]
        actor = await self._authenticator.actor(headers, context.correlation_id)
        logging.bind_more(tenant_id=str(actor.tenant_id), actor=actor.who)
        actor.require(self.declaration.action)
        key = self._idempotency_key(headers)
        arguments: dict[str, Any] = {}
        if self.body_model is not None:
            arguments[self._body_name] = await self._read(context.body, headers)
        elif self.takes_raw_body:
            arguments[self._body_name] = await context.body.read()
        if self.query_model is not None:
            given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            arguments[self._query_name] = validated(self.query_model, given)
        operation = self._path_format
        for name, is_id in self._ids:
            value = scope["path_params"][name]
            operation = operation.replace(f"{{{name}}}", value.lower() if is_id else value)
            if is_id and not is_uuid(value):
                raise NotFound("There is nothing of this id.")
            arguments[name] = UUID(value) if is_id else value
        call = Call(
            scope,
            self._services,
            actor,
            operation=f"{self._method} {operation}",
            idempotency_key=key,
        )
        arguments[self._call_name] = call
        return await self.declaration.function(**arguments)

    def _idempotency_key(self, headers: RawHeaders) -> str | None:
        kind = self.declaration.idempotency
        if kind is Idempotency.NONE:
            return None
        key = header(headers, b"idempotency-key")
        if key is None:
            if kind is Idempotency.REQUIRED:
                raise IdempotencyKeyMissing("This needs an Idempotency-Key header.")
            return None
        if not key.isascii():
            # Header values are bytes; what is not ASCII is UTF-8 by today's custom.
            with contextlib.suppress(UnicodeDecodeError):
                key = key.encode("latin-1").decode("utf-8")
        if not _KEY.fullmatch(key):
            raise MalformedHeader(
                f"The Idempotency-Key must be 1 to {KEY_LENGTH_MAX} printable characters.",
                code="malformed_idempotency_key",
            )
        return key

    async def _read(self, incoming: Incoming, headers: RawHeaders) -> BaseModel:
        assert self.body_model is not None
        body = await incoming.read()
        if not body and self.declaration.body_is_optional:
            return validated(self.body_model, {})
        require_json(headers)
        return validated(self.body_model, parse_json(body))


@dataclass(frozen=True, slots=True)
class _Parameters:
    call: str
    ids: tuple[tuple[str, bool], ...]
    query_name: str
    query: type[BaseModel] | None
    body_name: str
    body: type[BaseModel] | None
    takes_raw_body: bool


def _parameters_of(declaration: Declaration) -> _Parameters:
    """What the function wants, told from its signature."""
    hints = typing.get_type_hints(declaration.function, include_extras=True)
    call, ids = "", []
    query_name, query, body_name, body = "", None, "", None
    takes_raw_body = False
    for name in inspect.signature(declaration.function).parameters:
        kind = hints[name]
        if kind is Call:
            call = name
        elif f"{{{name}}}" in declaration.path:
            ids.append((name, kind is UUID))
        elif kind is RawBody:
            body_name, takes_raw_body = name, True
        elif typing.get_origin(kind) is typing.Annotated and isinstance(
            kind.__metadata__[0], Query
        ):
            query_name, query = name, kind.__origin__
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            body_name, body = name, kind
        else:
            raise TypeError(f"{declaration.function.__name__}: {name} is nothing an endpoint gets")
    return _Parameters(call, tuple(ids), query_name, query, body_name, body, takes_raw_body)
