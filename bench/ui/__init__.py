"""How fast the operator app feels, side by side with an empty Reflex page."""

from __future__ import annotations

from bench.ui.run import run_ui

__all__ = ["run_ui"]
