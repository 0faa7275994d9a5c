"""Which Chromium the browser tests and the bench drive."""

from __future__ import annotations

import shutil

# The shell draws the same pages without a desktop's browser around them: a page costs a third.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The path of the first one on the PATH; None leaves it to Playwright's own."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
