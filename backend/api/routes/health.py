"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

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
from backend.health.depths import are_reachable, depths_of
from backend.health.service import Health, get_health
from backend.migrate import alembic_config
from backend.unit_of_work import Reader, read_async

T = TypeVar("T")

log = structlog.get_logger(__name__)

# A probe that hangs is worse than one that says no.
CHECK_SECONDS_MAX = 5.0

_REVISION = PlatformStatement(
    sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
)
_CALLER = platform_system("probe")


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
        # No worker is no fault of this process: it is told, and the process is ready all the same.
        health = await _check("health", _look_at_health(services))
        detail = {} if health is None else _detail(health)
        if all(state == "ok" for state in checks.values()):
            return ok({"status": "ready", "checks": checks} | detail)
        raise NotReady("Something this process needs is not there.", checks=checks, **detail)

    return [Route("/healthz", live), Route("/readyz", ready)]


async def _check(name: str, asking: asyncio.Future[T]) -> T | None:
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

    return asyncio.ensure_future(read_async(services.db, _CALLER, look))


def _reach_queues(services: Services) -> asyncio.Future[bool]:
    def look() -> bool:
        transport = services.transport
        return are_reachable(depths_of(transport).find(transport, None).values())

    return asyncio.ensure_future(asyncio.to_thread(look))


def _look_at_health(services: Services) -> asyncio.Future[Health]:
    return asyncio.ensure_future(
        asyncio.to_thread(get_health, services.db, services.transport, _CALLER)
    )


def _detail(health: Health) -> dict[str, Any]:
    def seconds_since(instant: datetime | None) -> int | None:
        if instant is None:
            return None
        return max(0, round((health.now - instant).total_seconds()))

    return {
        "worker": {
            "running": health.is_running,
            "last_seen_seconds": seconds_since(health.last_seen_at),
        },
        "queues": {
            found.queue.value: {
                "unsent": found.unsent,
                "active": found.depth.active if found.depth else None,
                "scheduled": found.depth.scheduled if found.depth else None,
                "dead": found.depth.dead if found.depth else None,
                "oldest_seconds": seconds_since(found.oldest_at),
            }
            for found in health.queues
        },
    }


@cache
def _head() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()
