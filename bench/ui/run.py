"""The measurements: ours and the empty page take turns in one run, on the same two cores."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from playwright.sync_api import Browser
from reflex_base.utils.format import format_event_handler

from bench.bulk import LargeBooks
from bench.measure import Line, Target, duration, median, percentile
from bench.ui.apps import serve_empty, serve_ours, sign_in
from bench.ui.browser import READY, Screen, chromium, tab
from bench.ui.operators import Click, Work, clicking
from billerjacket_app.session import COOKIE

OPERATORS = 25
# A business that has just begun, and one that has not.
FEW, MANY = 200, 200_000

FIRST_PAGE_SECONDS_MAX = 2.0
NAVIGATION_SECONDS_MAX = 0.5
EVENT_SECONDS_MAX = 0.1
SCRIPT_BYTES_MAX = 600_000

_ON_PAGE_TWO = f"document.querySelector('h1').innerText === 'Two' && {READY}"
_ON_INVOICES = f"document.querySelector('h1').innerText === 'Invoices' && {READY}"
_ROWS = "document.querySelectorAll('[data-testid=invoice-row]').length"
_DIALOG = "document.querySelector('[role=dialog]')"

_LIST_STEPS = (
    ("The list opens", "nav a[href='/invoices']", f"{_ON_INVOICES} && {_ROWS}"),
    (
        "The list by balance",
        "th a[href*='sort=balance']",
        "document.querySelector('th[aria-sort=ascending]')?.innerText.startsWith('Balance')",
    ),
    (
        "The list of the overdue",
        "nav.tabs a[href*='status=overdue']",
        "document.querySelector('nav.tabs a[aria-current=page]').href.includes('overdue')",
    ),
)


@dataclass
class Seen:
    """What the rounds measured, in seconds and bytes."""

    first: list[float]
    navigation: list[float]
    script_bytes: int = 0


def run_ui(directory: Path, *, quick: bool) -> Iterator[Line]:
    """First page, navigation, events among 25 operators, script size, a long list."""
    rounds, clicks = (3, 40) if quick else (11, 200)
    path = directory / "ui.db"
    books = LargeBooks(path)
    books.add_tenants(1, invoices=FEW, customers=40)
    books.add_tenants(1, invoices=MANY // 10 if quick else MANY)
    books.close()
    few, many = books.tenants
    tokens = sign_in(path, few, OPERATORS)
    with serve_ours(path) as ours, serve_empty(directory) as empty, chromium() as browser:
        mine, bare = Seen([], []), Seen([], [])
        for _ in range(rounds):
            _visit_ours(browser, ours, tokens[0], mine)
            _visit_empty(browser, empty, bare)
        yield from _visits(mine, bare)
        yield from _events(browser, ours, empty, path, few, tokens, clicks)
        yield from _lists(browser, ours, tokens[0], sign_in(path, many, 1)[0], rounds)


def _visit_ours(browser: Browser, url: str, token: str, seen: Seen) -> None:
    with tab(browser, url, token) as screen:
        seen.first.append(screen.open("/", READY))
        seen.script_bytes = screen.script_bytes()
        seen.navigation.append(
            screen.click("nav a[href='/invoices']", f"{_ON_INVOICES} && {_ROWS}")
        )


def _visit_empty(browser: Browser, url: str, seen: Seen) -> None:
    with tab(browser, url) as screen:
        seen.first.append(screen.open("/", READY))
        seen.script_bytes = screen.script_bytes()
        seen.navigation.append(screen.click("#other", _ON_PAGE_TWO))


def _visits(mine: Seen, bare: Seen) -> Iterator[Line]:
    for name, ours, theirs, limit in (
        ("First page to data, nothing cached", mine.first, bare.first, FIRST_PAGE_SECONDS_MAX),
        # The empty page's other page brings neither code nor rows.
        ("Navigation to a list", mine.navigation, bare.navigation, NAVIGATION_SECONDS_MAX),
    ):
        ratio = median([one / other for one, other in zip(ours, theirs, strict=True)])
        yield _against_empty(name, median(ours), median(theirs), ratio, 6)
        yield _against_limit(name, median(ours), limit)
    yield Line(
        "JavaScript of the first page, compressed / 600 KB",
        "bytes",
        f"{mine.script_bytes:,} B",
        f"{SCRIPT_BYTES_MAX:,} B",
        mine.script_bytes / SCRIPT_BYTES_MAX,
        Target.AT_MOST,
        1,
        {"empty_page_bytes": bare.script_bytes},
    )


def _events(
    browser: Browser,
    ours: str,
    empty: str,
    path: Path,
    tenant_id: UUID,
    tokens: list[str],
    clicks: int,
) -> Iterator[Line]:
    """A dialog opens while 24 others open dialogs and lists; against a number that counts up."""
    name = f"Event to document, {OPERATORS} operators"
    address = f"/invoices/{_open_invoice(path, tenant_id)}"
    others = [f"{COOKIE}={token}" for token in tokens[1:OPERATORS]]
    with clicking(ours, others, _work_ours(address)), tab(browser, ours, tokens[0]) as screen:
        screen.open(address, READY)
        mine = [_open_and_close(screen) for _ in range(clicks)]
    handler = "reflex___state____state.empty_page___empty_page____empty_state"
    load, click = Click(f"{handler}.load", {}), Click(f"{handler}.click", {})
    with (
        clicking(empty, [""] * (OPERATORS - 1), Work("/", load, (click,))),
        tab(browser, empty) as screen,
    ):
        screen.open("/", READY)
        bare = [
            screen.click("#act", f"document.querySelector('#answer').innerText === '{n + 1}'")
            for n in range(clicks)
        ]
    for percent in (50, 95):
        one, other = percentile(mine, percent), percentile(bare, percent)
        yield _against_empty(f"{name}, p{percent}", one, other, one / other, 5)
    yield _against_limit(f"{name}, p95", percentile(mine, 95), EVENT_SECONDS_MAX)


def _work_ours(address: str) -> Work:
    from billerjacket_app.pages.invoice import InvoiceState

    def click(handler: str, **payload: object) -> Click:
        return Click(format_event_handler(InvoiceState.event_handlers[handler]), payload)

    opened, closed = click("open_dialog", name="pay"), click("close_dialog")
    return Work(address, click("load"), (opened, closed, click("load")))


def _open_and_close(screen: Screen) -> float:
    took = screen.click("[data-testid=record-payment]", _DIALOG)
    screen.page.keyboard.press("Escape")
    screen.page.wait_for_function(f"!{_DIALOG}")
    return took


def _open_invoice(path: Path, tenant_id: UUID) -> str:
    driver = sqlite3.connect(path)
    try:
        (found,) = driver.execute(
            "SELECT id FROM invoices WHERE tenant_id = ? AND balance_due > 0 LIMIT 1",
            (tenant_id.hex,),
        ).fetchone()
        return str(UUID(found))
    finally:
        driver.close()


def _lists(browser: Browser, url: str, few: str, many: str, rounds: int) -> Iterator[Line]:
    """The list of many invoices feels as that of few: opened, sorted, narrowed."""
    took: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for token in (few, many):
            with tab(browser, url, token) as screen:
                seen = took.setdefault(token, {})
                screen.open("/customers", READY)
                for what, clicked, expected in _LIST_STEPS:
                    seen.setdefault(what, []).append(screen.click(clicked, expected))
    for what, _, _ in _LIST_STEPS:
        one, other = median(took[many][what]), median(took[few][what])
        yield Line(
            f"{what}, {MANY:,} / {FEW} invoices",
            "time",
            duration(one),
            duration(other),
            one / other,
            Target.AT_MOST,
            1.5,
        )


def _against_empty(name: str, ours: float, empty: float, ratio: float, bound: float) -> Line:
    return Line(
        f"{name} / an empty Reflex page",
        "time", duration(ours), duration(empty), ratio, Target.AT_MOST, bound,
    )  # fmt: skip


def _against_limit(name: str, ours: float, limit: float) -> Line:
    return Line(
        f"{name} / its limit",
        "time", duration(ours), duration(limit), ours / limit, Target.AT_MOST, 1,
    )  # fmt: skip
