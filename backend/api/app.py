"""The service API: one FastAPI application over the services of the process."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from backend.api.authentication import Authenticator
from backend.api.endpoints import Endpoint
from backend.api.entrance import Entrance, context_of
from backend.api.openapi import DESCRIPTION, TAGS, TITLE, VERSION, complete
from backend.api.problems import MethodNotAllowed, PathNotFound, problem_of
from backend.api.routes import (
    communications,
    contacts,
    customers,
    dunning,
    email_templates,
    invoices,
    measures,
    payments,
    reports,
    webhooks,
)
from backend.api.routes.documentation import documentation_routes
from backend.api.routes.health import health_routes
from backend.api.routes.signed_webhooks import signed_webhook_routes
from backend.bootstrap import Services
from backend.errors import BillerJacketError

# The router asks them in this order: what is called most comes first.
_PARTS = tuple(
    part.endpoints
    for part in (
        invoices,
        payments,
        customers,
        webhooks,
        dunning,
        contacts,
        communications,
        email_templates,
        reports,
        measures,
    )
)


class Api(FastAPI):
    """FastAPI with our endpoints for routes, and with the document completed."""

    def __init__(self, services: Services, lifespan: Lifespan[Any] | None) -> None:
        super().__init__(
            title=TITLE,
            version=VERSION,
            description=DESCRIPTION,
            openapi_tags=TAGS,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            lifespan=lifespan,
        )
        authenticator = Authenticator(services.db)
        self.endpoints = [
            Endpoint(declaration, part.tag, services, authenticator)
            for part in _PARTS
            for declaration in part.declared
        ]
        self.router.routes.extend(
            [
                *self.endpoints,
                *signed_webhook_routes(services),
                *health_routes(services),
                *documentation_routes(self.openapi),
            ]
        )
        self.add_exception_handler(BillerJacketError, _tell)
        self.add_exception_handler(HTTPException, _tell_of_route)
        self._is_https = services.settings.public_url.startswith("https:")

    def build_middleware_stack(self) -> ASGIApp:
        """The entrance, what tells of our errors, and the routes.

        FastAPI's own layers catch what nobody expected and bound the body, which the entrance
        does, or serve its own handlers, which we do not use.
        """
        told = ExceptionMiddleware(self.router, handlers=self.exception_handlers)
        return Entrance(told, is_https=self._is_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, straight from the entrance, or the life of the process.

        FastAPI would look into the environment for telemetry first. Without that and its layers
        a tenth more reads are answered in a second.
        """
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, complete with errors, headers and security."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), self.endpoints)
        return self.openapi_schema


async def _tell(request: Request, error: Exception) -> Any:
    """Any of our errors, as a problem."""
    assert isinstance(error, BillerJacketError)
    correlation_id = context_of(request.scope).correlation_id
    problem = problem_of(error, instance=request.scope["path"], correlation_id=correlation_id)
    return problem.reply()


async def _tell_of_route(request: Request, error: Exception) -> Any:
    """What the router says when it finds no route: 404, or 405 with the methods there are."""
    assert isinstance(error, HTTPException)
    allowed = {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }
    if not allowed:
        return await _tell(request, PathNotFound("There is nothing at this address."))
    return await _tell(request, MethodNotAllowed(request.method[:20], sorted(allowed)))


def create_app(services: Services, *, lifespan: Lifespan[Any] | None = None) -> FastAPI:
    """The API over open services; who opened them closes them, or `lifespan` does."""
    return Api(services, lifespan)
