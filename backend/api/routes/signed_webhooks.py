"""What providers deliver to a tenant's own address, and sign.

The token in the address says whose it is, the signature that it is genuine. Whatever is wrong
(no such token, switched off, another provider's, a signature that is missing, wrong, too old or
from the future) gets one and the same answer after the same work: a stand-in endpoint is verified
where there is none. So nothing can be learned by trying.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Scope

from backend import logging
from backend.actor import Actor, PlatformActor, platform_system
from backend.api.entrance import context_of
from backend.api.floods import SIGNED, UNSIGNED, Floodgate
from backend.api.replies import JSON, Reply
from backend.api.routes.webhooks import (
    EVENTS_PATH,
    kept_as_unreadable,
    plain_headers,
    taken,
)
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.errors import BillerJacketError, Busy, NotSignedIn
from backend.ids import new_id
from backend.unit_of_work import read_by_key_async, run_async
from backend.webhooks.endpoints import FoundEndpoint, count_refused, find_by_token
from backend.webhooks.ingest import read_delivery, store_delivery
from backend.webhooks.models import SignatureResult
from backend.webhooks.providers import PROVIDERS, provider_called
from backend.webhooks.providers.base import Headers, NotAuthentic, Provider
from backend.webhooks.secrets import SecretBox, SecretUnreadable, new_secret, token_digest

log = structlog.get_logger(__name__)

SIGNED_PATH = "/api/webhooks/{provider}/{endpoint_token}"


def signed_webhook_routes(services: Services) -> list[Route]:
    """The tenants' own addresses, for these services."""
    return [SignedRoute(SIGNED_PATH, SignedDeliveries(services).receive, methods=["POST"])]


class SignedRoute(Route):
    """A route that leaves the addresses of stored events to them."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route does, but for the events."""
        if scope["path"].startswith(f"{EVENTS_PATH}/"):
            return Match.NONE, {}
        return super().matches(scope)


class SignedDeliveries:
    """Takes what is delivered; belongs to one event loop."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._box = SecretBox(services.settings.secret_key.get_secret_value())
        self._caller: PlatformActor = platform_system("webhooks")
        self._signed = Floodgate(SIGNED)
        self._unsigned = Floodgate(UNSIGNED)
        self._refusals = Refusals(services.db)
        self._stand_ins = {name: _stand_in(name, self._box) for name in PROVIDERS}
        for provider in PROVIDERS.values():
            provider.prepare()

    async def receive(self, request: Request) -> Reply:
        """Store one delivery and answer; nothing is processed here."""
        provider = provider_called(request.path_params["provider"])
        context = context_of(request.scope)
        body = await context.body.read()
        headers = plain_headers(request.scope["headers"])
        provider.require_headers(headers)
        digest = token_digest(request.path_params["endpoint_token"])
        endpoint = await self._genuine(provider, digest, body, headers)
        self._signed.pass_one(digest)
        who = f"webhook:{provider.name}"
        actor = Actor.system(endpoint.tenant_id, context.correlation_id, who=who)
        logging.bind_more(tenant_id=str(actor.tenant_id), actor=who)
        delivery = read_delivery(
            provider, body, headers, SignatureResult.VERIFIED, endpoint.endpoint_id
        )
        if delivery.problem is not None:
            raise await kept_as_unreadable(self._db, actor, delivery)
        answer = taken(await run_async(self._db, actor, store_delivery, delivery))
        return Reply(answer.status_code, answer.response.encode(), JSON)

    async def _genuine(
        self, provider: Provider, digest: str, body: bytes, headers: Headers
    ) -> FoundEndpoint:
        """The endpoint whose secret signed this; raises NotSignedIn, TooManyRequests, Busy."""
        found = await read_by_key_async(self._db, self._caller, find_by_token, digest)
        if found is not None and found.provider != provider.name:
            found = None
        is_open = found is not None and found.takes_deliveries
        endpoint = found if found is not None and is_open else self._stand_ins[provider.name]
        try:
            provider.verify(body, headers, endpoint.secrets(self._box), self._db.clock())
        except NotAuthentic as problem:
            self._unsigned.pass_one(digest)
            # Counted for nobody where there is none: that takes as long.
            refusing = endpoint if found is None else found
            is_off = found is not None and not is_open
            why = "the endpoint or its tenant is switched off" if is_off else str(problem)
            self._refusals.note(refusing, why)
            raise NotSignedIn(
                "The address or the signature is unknown, or the signature is too old.",
                code="bad_signature",
            ) from None
        except SecretUnreadable as problem:
            log.error("webhook.secret_unreadable", webhook_endpoint_id=str(endpoint.endpoint_id))
            raise Busy("The signature cannot be checked just now.") from problem
        return endpoint


def _stand_in(provider: str, box: SecretBox) -> FoundEndpoint:
    """Nobody's endpoint, with a secret that nobody knows."""
    endpoint_id, tenant_id = new_id(), new_id()
    sealed = box.seal(new_secret(), tenant_id=tenant_id, endpoint_id=endpoint_id)
    return FoundEndpoint(endpoint_id, tenant_id, provider, (sealed,), takes_deliveries=False)


class Refusals:
    """Counts what was refused, beside the answers: a flood costs few writes, and none waits."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[UUID, tuple[FoundEndpoint, int, str]] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, endpoint: FoundEndpoint, reason: str) -> None:
        """Count one more for this endpoint."""
        _, count, _ = self._waiting.get(endpoint.endpoint_id, (endpoint, 0, ""))
        self._waiting[endpoint.endpoint_id] = (endpoint, count + 1, reason)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            _, (endpoint, count, reason) = self._waiting.popitem()
            log.info(
                "webhook.refused",
                webhook_endpoint_id=str(endpoint.endpoint_id),
                count=count,
                reason=reason,
            )
            actor = Actor.system(endpoint.tenant_id, new_id().hex, who="webhooks")
            try:
                await run_async(self._db, actor, count_refused, endpoint.endpoint_id, count, reason)
            except BillerJacketError as error:
                log.warning("webhook.refusal_not_counted", reason=error.code)
