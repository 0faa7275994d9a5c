"""The service API: one FastAPI application over the services of the process."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import Lifespan, Receive, Scope, Send

from backend.api.authentication import Authenticator
from backend.api.endpoints import Endpoint
from backend.api.entrance import Answering, Entrance
from backend.api.openapi import DESCRIPTION, TAGS, TITLE, VERSION, complete
from backend.api.public import PublicPage
from backend.api.routes import (
    communications,
    customers,
    dunning,
    health,
    invoices,
    payments,
    reports,
)
from backend.api.routes.documentation import documentation_pages
from backend.api.table import Table
from backend.bootstrap import Services

_PARTS = tuple(
    part.endpoints for part in (customers, invoices, payments, dunning, communications, reports)
)


class Api(FastAPI):
    """FastAPI holds the routes and the document; every request goes through our own entrance."""

    def __init__(self, services: Services, lifespan: Lifespan[Any] | None) -> None:
        super().__init__(
            title=TITLE,
            version=VERSION,
            description=DESCRIPTION,
            openapi_tags=TAGS,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            lifespan=lifespan,
        )
        authenticator = Authenticator(services.db)
        self.endpoints = [
            Endpoint(declaration, part.tag, services, authenticator)
            for part in _PARTS
            for declaration in part.declared
        ]
        self.router.routes.extend(self.endpoints)
        pages: list[PublicPage] = [
            *health.health_pages(services),
            *documentation_pages(self.openapi),
        ]
        entries: list[tuple[str, str, Answering]] = [
            *((one.declaration.method, one.declaration.path, one) for one in self.endpoints),
            *(("GET", page.path, page) for page in pages),
        ]
        is_https = services.settings.public_url.startswith("https:")
        self._entrance = Entrance(Table(entries), is_https=is_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the life of the process."""
        if scope["type"] == "http":
            await self._entrance(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, complete with errors, headers and security."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), self.endpoints)
        return self.openapi_schema


def create_app(services: Services, *, lifespan: Lifespan[Any] | None = None) -> FastAPI:
    """The API over open services; who opened them closes them, or `lifespan` does."""
    return Api(services, lifespan)
