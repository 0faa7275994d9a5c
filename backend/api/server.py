"""Serving the API alone with granian: each worker process opens its own services.

The settings come from the environment in every worker, as in every other process.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from granian.constants import Interfaces, Loops
from granian.server import Server

from backend import logging
from backend.api.app import create_app
from backend.bootstrap import open_services
from backend.config import load_settings_or_exit
from backend.processes import end_with_parent

# Requests on their way when the process is asked to stop get this long to be answered.
GRACE_SECONDS = 10


def make_app() -> FastAPI:
    """The application of one worker process; it closes its services when the server stops."""
    settings = load_settings_or_exit()
    logging.configure(settings.log_format, settings.log_level)
    end_with_parent()
    services = open_services(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        services.close()

    return create_app(services, lifespan=lifespan)


def serve(host: str, port: int, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT. SQLite has one writer: one worker is fastest there."""
    Server(
        "backend.api.server:make_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=host,
        port=port,
        workers=workers,
        loop=Loops.asyncio,
        log_access=False,
        websockets=False,
        workers_kill_timeout=GRACE_SECONDS,
        respawn_failed_workers=True,
    ).serve()
