"""How a page looks to everybody: axe, both themes, small screens, and pictures for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import screenshot

AXE = Axe.from_file(Path(axe_playwright_python.__file__).parent / "axe.min.js")
# target-size (WCAG 2.2) is off unless its tag is named.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# The invisible stops that keep the focus inside a dialog are no content.
CONTEXT = {"exclude": [["[data-radix-focus-guard]"]]}


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    options: dict[str, Any] = {
        "runOnly": {"type": "tag", "values": list(RULES)},
        "resultTypes": ["violations"],
    }
    found = AXE.run(page, context=CONTEXT, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


def look_at(page: Page, name: str) -> None:
    """Nothing is wrong with it in light and dark, nothing wider than a phone; pictures are kept."""
    page.set_viewport_size({"width": 1440, "height": 900})
    for theme in ("light", "dark"):
        show_in(page, theme)
        assert violations(page) == []
        screenshot(page, f"{name}-{theme}")
    for width in (320, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    screenshot(page, f"{name}-dark-390")
    show_in(page, "light")
    screenshot(page, f"{name}-light-390")
    page.set_viewport_size({"width": 1440, "height": 900})


def show_in(page: Page, theme: str) -> None:
    """Show it as somebody sees it whose system is light, or dark."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    wanted = "html.dark" if theme == "dark" else "html:not(.dark)"
    expect(page.locator(wanted)).to_be_attached()
