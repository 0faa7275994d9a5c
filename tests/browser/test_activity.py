"""The audit log by browser: found, narrowed, read, exported, its chain checked."""

from __future__ import annotations

import csv
import io
import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import expect

from backend.actor import Actor
from backend.customers.service import update_customer
from backend.reporting.activity import ActivityFilter, export_activity
from backend.unit_of_work import read, run
from billerjacket_app.format import MINUS
from tests.browser.appearance import look_at, violations
from tests.browser.conftest import Opener, World, screenshot, wait_until_ready
from tests.browser.provider import ActivityScreen
from tests.browser.screens import LIVE_MS_MAX
from tests.browser.test_access import STATE, send_crafted
from tests.factories import actor_in, make_customer, make_invoice

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dana(world: World) -> Actor:
    """Somebody who did a few things, under one correlation id."""
    actor = actor_in(world.tenant_id, who="dana@ridge.example")
    customer = make_customer(world.db, actor, "Activity Awnings", phone="555-0100")
    make_invoice(world.db, actor, customer.customer_id, "41.50")
    changed = {"phone": "555-0199", "email": "ap@awnings.example"}
    run(world.db, actor, update_customer, customer.customer_id, changed)
    return actor


def mine(dana: Actor) -> str:
    return f"/activity?correlation_id={dana.correlation_id}"


def test_an_entry_says_who_did_what_to_which_and_what_it_was_before(open_page: Opener, dana: Actor):
    page = open_page(mine(dana), role="support")
    screen = ActivityScreen(page)
    titles = screen.rows.locator(".fact .medium").all_inner_texts()
    assert titles[0] == "Customer updated"
    assert titles[1].startswith("Invoice sent as INV-")
    assert titles[2:] == ["Invoice created", "Customer created"]
    updated = screen.row("customer.updated")
    lines = updated.get_by_test_id("cell-changes").locator(".diff div").all_inner_texts()
    assert lines == [f"{MINUS} phone: 555-0100", "+ phone: 555-0199", "+ email: ap@awnings.example"]
    expect(updated.get_by_test_id("actor")).to_have_text("dana@ridge.example")
    expect(updated.get_by_role("link", name="Activity Awnings")).to_have_attribute(
        "href", re.compile("^/customers/")
    )
    correlation = updated.get_by_test_id("correlation")
    correlation.click()
    expect(page).to_have_url(re.compile(rf"/support/trace/?\?id={dana.correlation_id}"))
    expect(page.get_by_test_id("timeline-entry").first).to_be_visible()


def test_filters_stand_in_the_address_and_back_undoes_them(open_page: Opener, dana: Actor):
    page = open_page("/activity")
    screen = ActivityScreen(page)
    page.get_by_role("combobox", name="Who").select_option("dana@ridge.example")
    expect(page).to_have_url(re.compile(r"actor=dana%40ridge.example"))
    expect(screen.rows).to_have_count(4)
    page.get_by_role("combobox", name="About").select_option(label="Customer")
    expect(screen.rows).to_have_count(2)
    page.get_by_role("combobox", name="Action").select_option("customer.updated")
    expect(screen.rows).to_have_count(1)
    page.go_back()
    expect(screen.rows).to_have_count(2)
    page.go_forward()
    expect(screen.rows).to_have_count(1)

    shared = ActivityScreen(open_page(page.url, role="finance"))
    expect(shared.rows).to_have_count(1)
    expect(shared.page.get_by_role("combobox", name="Who")).to_have_value("dana@ridge.example")
    shared.page.get_by_role("link", name="Remove filter: Action is customer.updated").click()
    expect(shared.rows).to_have_count(2)
    shared.page.go_back()
    expect(shared.rows).to_have_count(1)

    page.goto("/activity?actor=nobody")
    wait_until_ready(page)
    expect(page.get_by_test_id("no-match")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect(screen.rows.first).to_be_visible()
    page.get_by_role("searchbox", name="Correlation id").fill(dana.correlation_id)
    expect(screen.rows).to_have_count(4)
    expect(page.get_by_role("searchbox", name="Correlation id")).to_be_focused()


def test_days_that_make_no_sense_say_so_and_the_filters_stay(open_page: Opener):
    page = open_page("/activity?since=2026-03-09&until=2026-03-08")
    expect(page.get_by_test_id("failed")).to_contain_text("Until must not be before the first day")
    expect(page.get_by_label("From", exact=True)).to_be_visible()


def test_finance_reads_it_and_gets_no_support_tools(open_page: Opener, dana: Actor):
    page = open_page(mine(dana), role="finance")
    screen = ActivityScreen(page)
    expect(screen.rows).to_have_count(4)
    expect(page.get_by_test_id("check-chain")).to_have_count(0)
    expect(page.get_by_role("heading", name="Support")).to_have_count(0)
    link = screen.rows.first.get_by_test_id("correlation")
    expect(link).to_have_attribute("href", mine(dana))
    # The button is not there; the event behind it is sent all the same.
    answer = send_crafted(page, f"{STATE}activity____activity_state.check_chain", {}, "/activity")
    assert "does not allow this" in answer
    assert "is whole" not in answer


def test_new_entries_are_told_and_no_row_moves(world: World, open_page: Opener, dana: Actor):
    page = open_page("/activity")
    screen = ActivityScreen(page)
    before = screen.rows.first.inner_text()
    place = screen.rows.first.bounding_box()
    make_customer(world.db, world.actor, "Brand New Boilers")
    newer = page.get_by_test_id("newer")
    expect(newer).to_have_text("1 new, click to load", timeout=LIVE_MS_MAX)
    assert screen.rows.first.inner_text() == before
    assert screen.rows.first.bounding_box() == place
    newer.click()
    expect(screen.rows.first).to_contain_text("Brand New Boilers")
    expect(newer).to_have_count(0)


def test_an_admin_checks_the_chain(world: World, open_page: Opener, dana: Actor):
    page = open_page("/activity")
    screen = ActivityScreen(page)
    expect(screen.chain).to_contain_text("Every entry carries the hash")
    page.get_by_test_id("check-chain").click()
    expect(screen.chain).to_have_text(
        re.compile(r"^The chain of [\d,]+ entries is whole, checked \d\d:\d\d:\d\d$")
    )
    page.get_by_test_id("check-chain").click()
    expect(screen.chain).to_contain_text("is whole")
    assert violations(page) == []
    screenshot(page, "activity-checked")


def test_the_filtered_log_is_exported(world: World, open_page: Opener, dana: Actor):
    page = open_page(mine(dana), role="finance")
    with page.expect_download() as waiting:
        page.get_by_test_id("export-activity").click()
    assert waiting.value.suggested_filename == f"activity-{world.today.isoformat()}.csv"
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    head, *lines = list(csv.reader(io.StringIO(text)))
    assert head[:3] == ["sequence", "at (UTC)", "at (America/Chicago)"]
    narrowed = ActivityFilter(correlation_id=dana.correlation_id)
    kept = read(world.db, dana, export_activity, narrowed)
    assert [line[0] for line in lines] == [str(row["sequence"]) for row in kept]
    assert {line[6] for line in lines} == {"dana@ridge.example"}
    assert page.request.get("/files/activity.csv?since=sideways").status == 422


def test_another_business_sees_nothing_of_it(open_page: Opener, dana: Actor):
    page = open_page(mine(dana), role="stranger")
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    page.goto("/activity")
    wait_until_ready(page)
    expect(page.get_by_test_id("activity-row").filter(has_text="dana@ridge")).to_have_count(0)
    page.goto(mine(dana))
    wait_until_ready(page)
    expect(page.get_by_test_id("activity-row")).to_have_count(0)
    received = "\n".join(frames)
    assert "delta" in received
    assert "Activity Awnings" not in received
    assert "dana@ridge.example" not in received
    answer = page.request.get(f"/files/activity.csv?correlation_id={dana.correlation_id}")
    assert "Activity Awnings" not in answer.text()


@pytest.mark.parametrize(
    "address",
    ["/activity", "/activity?actor=nobody", "/activity?since=sideways", "/activity?cursor=5"],
)
def test_the_page_has_no_violations_and_fits_small_screens(
    open_page: Opener, dana: Actor, address: str
):
    page = open_page(address)
    name = "activity" + re.sub(r"\W+", "-", address.removeprefix("/activity"))
    assert page.title() == "Activity · BillerJacket"
    look_at(page, name)


def test_the_filters_work_with_the_keyboard_alone(open_page: Opener, dana: Actor):
    page = open_page("/activity")
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Correlation id")
    expect(field).to_be_focused()
    page.keyboard.type(dana.correlation_id)
    screen = ActivityScreen(page)
    expect(screen.rows).to_have_count(4)
    expect(field).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Activity Awnings":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity Awnings")


def test_the_platforms_owner_has_no_business_to_look_into(open_page: Opener):
    page = open_page("/activity", role="superadmin")
    for address in ("/activity", "/support/webhooks", "/settings"):
        page.goto(address)
        wait_until_ready(page)
        expect(page.get_by_test_id("not-allowed")).to_be_visible()
    assert page.request.get("/files/activity.csv").status == 403


def test_an_id_of_nothing_finds_nothing(open_page: Opener):
    page = open_page(f"/activity?entity_id={uuid.uuid4()}")
    expect(page.get_by_test_id("no-match")).to_be_visible()
