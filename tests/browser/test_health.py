"""The strip that tells whether messages move, and the trace of an id, as people use them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backend import migrate
from backend.actor import platform_system
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.health.heartbeats import WorkerProcess, beat
from backend.invoices.queries import InvoiceView
from backend.messaging.contracts import EmailSendRequested
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.transport import DeadReason
from backend.unit_of_work import run
from billerjacket_app.pages import support_trace
from tests.browser.appearance import violations
from tests.browser.conftest import (
    PASSWORD,
    Opener,
    World,
    populate,
    screenshot,
    served,
    wait_until_ready,
)
from tests.browser.screens import LIVE_MS_MAX
from tests.factories import make_customer, make_invoice, pay
from tests.queues import real_message

pytestmark = pytest.mark.browser

NONE_RUNS = "No worker is running: nothing is sent, matched or chased until one is started."
# The figures of the queues are kept for ten seconds, and looked at every five.
FIGURES_MS_MAX = 40_000


@pytest.fixture
def still(world: World, tmp_path: Path) -> Iterator[World]:
    """The app on a database of its own that no worker works on."""
    url = f"sqlite:///{tmp_path / 'still.db'}"
    with closing(Database(url)) as db:
        migrate.upgrade(db)
        quiet = populate(db)
        quiet.environment = world.environment | {"BILLERJACKET_DATABASE_URL": url}
        with served(quiet) as app:
            quiet.url = app.url
            yield quiet


Signer = Callable[..., Page]


@pytest.fixture
def open_still(still: World, chromium: Browser) -> Iterator[Signer]:
    """Sign in there as a role, and come to the dashboard."""
    contexts = []

    def opened(role: str = "admin", *, dark: bool = False, width: int = 1440) -> Page:
        context = chromium.new_context(
            base_url=still.url,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 900},
        )
        contexts.append(context)
        page = context.new_page()
        page.goto("/login")
        wait_until_ready(page)
        page.get_by_label("E-mail").fill(still.email(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_test_id("login-submit").click()
        page.wait_for_url(lambda address: "/login" not in address)
        wait_until_ready(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def test_a_worker_that_runs_is_told_with_when_it_was_last_seen(open_page: Opener):
    page = open_page("/", role="finance")
    strip = page.get_by_test_id("health")
    expect(strip.get_by_test_id("health-worker")).to_contain_text("Worker running")
    expect(page.get_by_test_id("last-seen")).to_have_text(re.compile(r"^\d s ago$"))
    expect(page.get_by_test_id("no-worker")).to_have_count(0)
    strip.get_by_text("By queue").click()
    expect(strip.get_by_test_id("queue-row")).to_have_count(4)
    # Finance has no business with dead letters.
    expect(strip.get_by_test_id("health-dead").get_by_role("link")).to_have_count(0)


def test_that_no_worker_runs_is_said_plainly_and_all_changes_show_by_themselves(
    still: World, open_still: Signer
):
    db, actor = still.db, still.actor
    page = open_still()
    strip = page.get_by_test_id("health")
    expect(page.get_by_test_id("no-worker")).to_have_text(NONE_RUNS)
    expect(strip.get_by_test_id("health-worker")).to_contain_text("never seen")
    expect(strip.get_by_test_id("health-waiting")).to_contain_text("0")
    assert violations(page) == []

    # What is committed and goes nowhere is seen to wait.
    run(db, actor, lambda work: work.send(EmailSendRequested(communication_id=still.tenant_id)))
    expect(strip.get_by_test_id("health-waiting")).to_contain_text(
        re.compile(r"1.*oldest \d+ s", re.DOTALL), timeout=FIGURES_MS_MAX
    )
    for dark in (False, True):
        for width in (1440, 390):
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.set_viewport_size({"width": width, "height": 900})
            screenshot(page, f"health-none-{'dark' if dark else 'light'}-{width}")
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320

    # A worker starts, and ends again.
    worker = WorkerProcess.this(db.clock())
    run(db, platform_system("test"), beat, worker)
    expect(page.get_by_test_id("no-worker")).to_have_count(0, timeout=LIVE_MS_MAX)
    expect(strip.get_by_test_id("health-worker")).to_contain_text("Worker running")
    run(db, platform_system("test"), beat, worker, is_last=True)
    expect(page.get_by_test_id("no-worker")).to_be_visible(timeout=LIVE_MS_MAX)
    expect(page.get_by_test_id("last-seen")).to_have_text(re.compile(r"^\d+ s ago$"))


def test_the_seconds_are_counted_by_the_browser_and_nothing_is_sent_for_them(
    still: World, open_still: Signer
):
    worker = WorkerProcess.this(still.db.clock())
    run(still.db, platform_system("test"), beat, worker)
    frames: list[str] = []
    page = open_still()
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    page.reload()
    wait_until_ready(page)
    seen = page.get_by_test_id("last-seen")
    expect(seen).to_have_text(re.compile(r"^\d+ s ago$"))
    began = int(seen.inner_text().split()[0])
    said = len([frame for frame in frames if "last seen" in frame or "seen_at" in frame])
    assert said >= 1

    # Two looks of the server later:
    expect(seen).to_have_text(f"{began + 11} s ago")

    assert len([frame for frame in frames if "seen_at" in frame]) == said


def test_queues_that_cannot_be_reached_leave_the_dashboard_standing(
    still: World, open_still: Signer
):
    page = open_still("support")
    strip = page.get_by_test_id("health")
    expect(strip.get_by_test_id("health-dead")).to_contain_text("0")
    with closing(sqlite3.connect(str(still.db.path))) as connection:
        connection.execute("ALTER TABLE queue_messages RENAME TO elsewhere")
        connection.commit()
    expect(page.get_by_test_id("health-problem")).to_have_text(
        "The queue cannot be reached just now.", timeout=FIGURES_MS_MAX
    )
    expect(strip.get_by_test_id("health-waiting")).to_contain_text("unknown")
    expect(page.get_by_test_id("stat-outstanding")).to_have_text("$0.00")
    assert violations(page) == []
    screenshot(page, "health-unknown-light")


def test_dead_letters_are_counted_and_lead_those_who_may_to_them(still: World, open_still: Signer):
    transport = EmbeddedTransport(still.db)
    for owner in (still.tenant_id, still.other_tenant_id, still.other_tenant_id):
        message = EmailSendRequested(communication_id=owner)
        transport.send([real_message(owner, message)])
        (delivery,) = transport.receive(message.queue, messages_max=1, wait_seconds=0)
        delivery.dead_letter(DeadReason.REFUSED, "no")

    page = open_still("support")

    dead = page.get_by_test_id("health-dead").get_by_role("link", name="Dead letters: 1")
    expect(dead).to_have_text("1")
    expect(dead).to_have_attribute("href", "/support/dlq")


# The trace.


@pytest.fixture(scope="module")
def customer(world: World) -> CustomerView:
    return make_customer(world.db, world.actor, "Traceable Tiles", email="ap@tiles.example")


@pytest.fixture(scope="module")
def invoice(world: World, customer: CustomerView) -> InvoiceView:
    made = make_invoice(world.db, world.actor, customer.customer_id, "80.00")
    pay(world.db, world.actor, "30.00", invoice_id=made.invoice_id)
    return made


def test_support_pastes_an_id_and_sees_what_happened(open_page: Opener, invoice: InvoiceView):
    page = open_page("/", role="support")
    navigation = page.get_by_role("navigation", name="Main")
    navigation.get_by_role("link", name="Trace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Trace")
    expect(page).to_have_title("Trace · BillerJacket")
    expect(page.get_by_test_id("empty")).to_contain_text("Paste an id")
    page.get_by_label("Id", exact=True).fill(f"  {invoice.invoice_id} ")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/support/trace\?id={invoice.invoice_id}$"))
    entries = page.get_by_test_id("timeline-entry")
    expect(entries.filter(has_text="Invoice sent as")).to_have_count(1)
    expect(entries.filter(has_text="Ledger, payment")).not_to_have_count(0)
    # What the worker does shows by itself.
    expect(entries.filter(has_text="handled").first).to_be_visible(timeout=LIVE_MS_MAX)
    screenshot(page, "trace-light-1440")
    about = page.get_by_test_id("trace-about")
    expect(about.get_by_role("link")).to_have_text(
        [f"Invoice {invoice.invoice_number}", "Traceable Tiles", "Payment of $30.00"]
    )

    # The address holds it; the correlation id of an entry leads on.
    page.reload()
    wait_until_ready(page)
    expect(page.get_by_label("Id", exact=True)).to_have_value(str(invoice.invoice_id))
    entries.filter(has_text="Message").first.get_by_role("link", name="its request").click()
    expect(page).not_to_have_url(re.compile(str(invoice.invoice_id)))
    expect(entries.first).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Id", exact=True)).to_have_value(str(invoice.invoice_id))
    about.get_by_role("link", name="Invoice").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(str(invoice.invoice_number))


def test_an_unknown_id_is_explained_and_leads_on(
    world: World, open_page: Opener, invoice: InvoiceView
):
    page = open_page("/support/trace?id=no-such-id", role="support")
    unknown = page.get_by_test_id("unknown-id")
    expect(unknown).to_contain_text("Nothing is known about this id")
    expect(unknown).to_contain_text("no-such-id")
    page.get_by_label("Id", exact=True).fill(str(invoice.invoice_number))
    page.get_by_role("button", name="Trace").click()
    expect(unknown).to_contain_text(str(invoice.invoice_number))
    unknown.get_by_role("link", name="Search invoices for it").click()
    expect(page.get_by_test_id("invoice-row")).to_have_count(1)

    # Another business's id is as unknown as any.
    stranger = open_page(f"/support/trace?id={invoice.invoice_id}", role="stranger")
    expect(stranger.get_by_test_id("unknown-id")).to_be_visible()


def test_who_may_not_trace_is_told_so_and_gets_nothing(open_page: Opener, invoice: InvoiceView):
    frames: list[str] = []
    page = open_page("/", role="finance")
    expect(page.get_by_role("navigation", name="Main").get_by_text("Support")).to_have_count(0)
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    page.goto(f"/support/trace?id={invoice.invoice_id}")
    wait_until_ready(page)
    expect(page.get_by_test_id("not-allowed")).to_be_visible()
    assert "delta" in "\n".join(frames)
    assert "Ledger, " not in "\n".join(frames)
    platform = open_page("/support/trace", role="superadmin")
    expect(platform.get_by_test_id("not-allowed")).to_be_visible()


def test_a_long_trace_comes_in_pages(world: World, open_page: Opener, customer: CustomerView):
    def change_often(work: object) -> None:
        for number in range(support_trace.PAGE_SIZE + 5):
            work.record(  # type: ignore[attr-defined]
                "customer.updated",
                "customer",
                customer.customer_id,
                before={"phone": str(number)},
                after={"phone": str(number + 1)},
            )

    run(world.db, world.actor, change_often)
    page = open_page(f"/support/trace?id={customer.customer_id}", role="support")
    entries = page.get_by_test_id("timeline-entry")
    expect(entries).to_have_count(support_trace.PAGE_SIZE)
    expect(page.get_by_test_id("pager-text")).to_contain_text("page 1 of 2")
    page.get_by_role("link", name="Next page").click()
    expect(entries.filter(has_text="Customer created")).to_have_count(1)
    page.get_by_role("link", name="First page").click()
    expect(entries).to_have_count(support_trace.PAGE_SIZE)
    page.goto(f"/support/trace?id={customer.customer_id}&page=zero")
    wait_until_ready(page)
    expect(page.get_by_test_id("failed")).to_contain_text("This address makes no sense")
