"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from functools import cache

import sqlalchemy as sa
import structlog
from alembic.script import ScriptDirectory
from starlette.requests import Request
from starlette.routing import Route

from backend.actor import platform_system
from backend.api.problems import NotReady
from backend.api.replies import Reply, ok
from backend.bootstrap import Services
from backend.db.statements import PlatformStatement
from backend.messaging.contracts import Queue
from backend.migrate import alembic_config
from backend.unit_of_work import Reader, read_async

log = structlog.get_logger(__name__)

# A probe that hangs is worse than one that says no.
CHECK_SECONDS_MAX = 5.0

_REVISION = PlatformStatement(
    sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
)


def health_routes(services: Services) -> list[Route]:
    """/healthz and /readyz for these services."""

    async def live(_request: Request) -> Reply:
        return ok({"status": "ok"})

    async def ready(_request: Request) -> Reply:
        at_head = await _check("database", _is_at_head(services))
        checks = {
            "database": "unreachable" if at_head is None else "ok",
            "migrations": "ok" if at_head else "not at head",
            "queues": "ok" if await _check("queues", _reach_queues(services)) else "unreachable",
        }
        if all(state == "ok" for state in checks.values()):
            return ok({"status": "ready", "checks": checks})
        raise NotReady("Something this process needs is not there.", checks=checks)

    return [Route("/healthz", live), Route("/readyz", ready)]


async def _check(name: str, asking: asyncio.Future[bool]) -> bool | None:
    """What a check found, or None when it failed or took too long."""
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return await asking
    except Exception as error:  # noqa: BLE001 (whatever it is, this process is not ready)
        log.warning("readiness.failed", check=name, reason=str(error) or type(error).__name__)
        return None


def _is_at_head(services: Services) -> asyncio.Future[bool]:
    def look(reader: Reader) -> bool:
        return bool(reader.scalar(_REVISION) == _head())

    caller = platform_system("probe")
    return asyncio.ensure_future(read_async(services.db, caller, look))


def _reach_queues(services: Services) -> asyncio.Future[bool]:
    def look() -> bool:
        services.transport.depth(Queue.PAYMENT_COMMANDS)
        return True

    return asyncio.ensure_future(asyncio.to_thread(look))


@cache
def _head() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()
