"""Serving the API alone with granian: each worker process opens its own services.

The settings come from the environment in every worker, as in every other process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
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
        # Not on the event loop: who still waits for the writer is told before the loop ends.
        await asyncio.to_thread(services.close)

    return create_app(services, lifespan=lifespan)


# The server's own lines pass through our logs, in their format, and not beside them.
_SERVERS_LOGS = {
    "loggers": {name: {"propagate": True} for name in ("_granian", "granian.access")},
}


def serve(host: str, port: int, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT. SQLite has one writer: one worker is fastest there.

    Raises OSError when the address is not to be had.
    """
    _require_free(host, port)
    settings = load_settings_or_exit()
    logging.configure(settings.log_format, settings.log_level)
    Server(
        "backend.api.server:make_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=host,
        port=port,
        workers=workers,
        loop=Loops.asyncio,
        log_access=False,
        log_dictconfig=_SERVERS_LOGS,
        websockets=False,
        workers_kill_timeout=GRACE_SECONDS,
        respawn_failed_workers=True,
    ).serve()


def _require_free(host: str, port: int) -> None:
    """The workers share a port, so the system would let two servers share one too."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
