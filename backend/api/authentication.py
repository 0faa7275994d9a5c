"""Who is calling: the API key and the tenant it acts for, checked before anything is read.

The check is one prepared statement, so on SQLite it runs on the event loop itself: a hop to a
thread would cost several times more. Nothing is cached: a revoked key is refused at once.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import structlog

from backend.actor import Actor, PlatformActor, platform_system
from backend.api.bodies import RawHeaders, header
from backend.api.fields import is_uuid
from backend.db.engine import Database
from backend.db.failures import is_unavailable
from backend.errors import BillerJacketError, Busy, MalformedHeader
from backend.identity.api_keys import ApiKeyIdentity, authenticate_api_key, note_api_key_used
from backend.unit_of_work import Reader, read_async, run_async

log = structlog.get_logger(__name__)

NOTE_EVERY_SECONDS = 60.0


class Authenticator:
    """Turns the headers of a request into an Actor."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._caller: PlatformActor = platform_system("api")
        self._noted_at: dict[UUID, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def actor(self, headers: RawHeaders, correlation_id: str) -> Actor:
        """The actor; raises NotSignedIn, MalformedHeader, NotAllowed, Busy, in this order."""
        presented = header(headers, b"x-api-key")
        identity = await self._identity(presented)
        tenant = header(headers, b"x-tenant-id")
        if tenant is None or not is_uuid(tenant):
            problem = "missing" if tenant is None else "not a UUID"
            raise MalformedHeader(f"The X-Tenant-Id header is {problem}.", code="malformed_tenant")
        actor = identity.actor(UUID(tenant), correlation_id)
        if identity.should_note:
            self._note_used(identity.id)
        return actor

    async def _identity(self, presented: str | None) -> ApiKeyIdentity:
        if not self._db.is_sqlite:
            return await read_async(self._db, self._caller, authenticate_api_key, presented)
        try:
            # One statement needs no transaction of its own to see one state.
            connection = self._db.thread_connection()
            reader = Reader(connection, self._caller, self._db.clock())
            return authenticate_api_key(reader, presented)
        except Exception as error:
            if is_unavailable(error):
                raise Busy("The database cannot be read just now.") from error
            raise

    def _note_used(self, key_id: UUID) -> None:
        """Keep that the key is in use, without letting its caller wait for it."""
        now = time.monotonic()
        if now - self._noted_at.get(key_id, -NOTE_EVERY_SECONDS) < NOTE_EVERY_SECONDS:
            return
        self._noted_at[key_id] = now
        task = asyncio.get_running_loop().create_task(self._write_used(key_id))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _write_used(self, key_id: UUID) -> None:
        try:
            await run_async(self._db, self._caller, note_api_key_used, key_id)
        except BillerJacketError as error:
            log.warning("api_key.use_not_noted", api_key_id=key_id, reason=error.code)
