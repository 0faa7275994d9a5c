"""A real browser's view of an app: how long until a person sees what they asked for.

All times are taken inside the page, by its own clock, from the click (or the start of the
navigation) to the frame in which the answer is in the document.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from billerjacket_app.session import COOKIE
from scripts.chromium import find_chromium

# Resolves with the milliseconds from now, or from a click on what is named, until what is expected
# is there: an expression over the document, looked at whenever it changes.
_UNTIL = """
([clicked, expected]) => new Promise((resolve, reject) => {
  const is_there = new Function("return " + expected);
  const began = clicked ? performance.now() : 0;
  const watch = new MutationObserver(look);
  const limit = setTimeout(() => {
    watch.disconnect();
    reject(new Error("never: " + expected));
  }, 30000);
  function look() {
    if (!is_there()) return;
    watch.disconnect();
    clearTimeout(limit);
    resolve(performance.now() - began);
  }
  watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  if (clicked) document.querySelector(clicked).click();
  look();
})
"""
_SCRIPT_BYTES = """
() => performance.getEntriesByType("resource")
  .filter((entry) => new URL(entry.name).pathname.endsWith(".js"))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)
"""
READY = """document.querySelector('#ready[data-hydrated="true"][data-view="ready"]')"""


@dataclass
class Screen:
    """One tab."""

    page: Page

    def open(self, path: str, expected: str) -> float:
        """Go there as a first visit does; seconds until what is expected is there."""
        self.page.goto(path, wait_until="commit")
        return self._seconds("", expected)

    def click(self, selector: str, expected: str) -> float:
        """Click on the first that the selector names; seconds until what is expected is there."""
        return self._seconds(selector, expected)

    def script_bytes(self) -> int:
        """How many bytes of JavaScript came over the wire so far."""
        return int(self.page.evaluate(_SCRIPT_BYTES))

    def _seconds(self, clicked: str, expected: str) -> float:
        return float(self.page.evaluate(_UNTIL, [clicked, expected])) / 1000


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright brings."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-quic"],
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def tab(browser: Browser, url: str, token: str = "") -> Iterator[Screen]:
    """A tab with an empty cache, signed in by a session's token if one is given."""
    context = browser.new_context(base_url=url, bypass_csp=True, reduced_motion="reduce")
    if token:
        host = urlsplit(url).hostname or ""
        context.add_cookies([{"name": COOKIE, "value": token, "domain": host, "path": "/"}])
    try:
        yield Screen(context.new_page())
    finally:
        context.close()
