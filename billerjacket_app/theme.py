"""The names the style sheet gives to sizes and tones, so that no page spells a colour.

The look itself is assets/app.css; statuses map to scales in status.py.
"""

from __future__ import annotations

from typing import Literal

BRAND = "BillerJacket"
STYLESHEETS = ["/app.css"]

ButtonKind = Literal["plain", "primary", "danger", "quiet"]
CalloutTone = Literal["plain", "bad", "warn", "info"]
IconSize = Literal[12, 14, 16]

# The scale of the aging bar, current to over 90 days.
AGING_CLASSES = ("age-0", "age-1", "age-2", "age-3", "age-4")


def button_class(kind: ButtonKind = "plain", extra: str = "") -> str:
    """The classes of a button or of a link that looks like one."""
    return " ".join(part for part in ("btn", "" if kind == "plain" else kind, extra) if part)
