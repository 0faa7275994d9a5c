"""Holds by browser: an invoice and a customer held and released, seen as badges and in time."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import expect

from backend.dunning.promises import settle_promises
from backend.dunning.service import HoldInvoice, hold_invoice
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.unit_of_work import read, run
from tests.browser.appearance import look_at, violations
from tests.browser.chasing import make_debtor, tab_to
from tests.browser.conftest import Opener, World
from tests.browser.screens import LIVE_MS_MAX, InvoiceScreen, Screen

pytestmark = pytest.mark.browser


def invoice_of(world: World, customer_id: UUID) -> str:
    """The customer's only invoice."""
    wanted = InvoiceFilter(customer_id=customer_id)
    return str(read(world.db, world.actor, list_invoices, wanted).items[0].invoice_id)


def test_an_invoice_is_held_by_keyboard_and_released_and_its_timeline_tells(
    world: World, open_page: Opener
):
    invoice_id = invoice_of(world, make_debtor(world, "Aspen Hotel", "640.00"))
    page = open_page(f"/invoices/{invoice_id}", role="finance")
    screen, press = InvoiceScreen(page), page.keyboard.press
    tab_to(page, "Hold…")
    press("Enter")
    dialog = screen.dialog("hold")
    expect(dialog.get_by_label("Pause", exact=True)).to_be_focused()
    expect(dialog.get_by_label("Amount promised")).to_be_hidden()
    press("ArrowDown")
    expect(dialog.get_by_label("Dispute", exact=True)).to_be_checked()
    # A dispute needs a reason: the field says so.
    tab_to(page, "Hold invoice")
    press("Enter")
    expect(dialog.get_by_test_id("error-reason")).to_be_visible()
    reason = dialog.get_by_label("Reason")
    expect(reason).to_have_attribute("aria-invalid", "true")
    assert violations(page) == []
    reason.focus()
    page.keyboard.type("The gutter was not part of it")
    tab_to(page, "Hold invoice")
    press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("badge-hold")).to_have_text("Disputed")
    expect(page.get_by_test_id("hold-note")).to_contain_text("The gutter was not part of it")
    look_at(page, "invoice-held")
    tab_to(page, "Release hold")
    press("Enter")
    expect(page.get_by_test_id("badge-hold")).to_have_count(0)
    expect(screen.events.first).to_contain_text("chas", ignore_case=True)


def test_a_promise_has_its_day_and_amount_and_is_flagged_when_it_is_broken(
    world: World, open_page: Opener
):
    invoice_id = invoice_of(world, make_debtor(world, "Beech Garage", "900.00"))
    page = open_page(f"/invoices/{invoice_id}", role="finance")
    screen = InvoiceScreen(page)
    day = world.today + timedelta(days=2)

    def promise(when: str, amount: str) -> None:
        dialog = screen.dialog("hold")
        dialog.get_by_label("Promise to pay", exact=True).check()
        dialog.get_by_label("Promised for").fill(when)
        dialog.get_by_label("Amount promised").fill(amount)
        page.get_by_test_id("confirm-hold").click()

    page.get_by_test_id("hold").click()
    promise((world.today - timedelta(days=1)).isoformat(), "300.00")
    expect(screen.dialog("hold").get_by_test_id("error-until")).to_contain_text("past")
    promise(day.isoformat(), "300.00")
    expect(page.get_by_test_id("badge-hold")).to_have_text(f"Promised for {day}")
    expect(page.get_by_test_id("hold-note")).to_contain_text("$300.00")
    expect(screen.event("promised").first).to_be_visible()
    # A day that has passed without the money.
    over = HoldInvoice(InvoiceHold.PROMISE, world.today - timedelta(days=1), "300.00")
    run(world.db, world.actor, hold_invoice, UUID(invoice_id), over)
    run(world.db, world.actor, settle_promises)
    expect(page.get_by_test_id("badge-hold")).to_have_text("Promise broken", timeout=LIVE_MS_MAX)
    expect(page.get_by_test_id("hold-note")).to_contain_text("It is chased again")
    assert violations(page) == []


def test_a_customer_is_paused_excluded_and_released_and_promises_for_all(
    world: World, open_page: Opener
):
    customer_id = make_debtor(world, "Chestnut Farm", "10.00", "20.00")
    page = open_page(f"/customers/{customer_id}", role="finance")
    screen = Screen(page)
    day = (world.today + timedelta(days=9)).isoformat()
    page.get_by_test_id("hold").click()
    dialog = screen.dialog("hold")
    dialog.get_by_label("Pause until").fill(day)
    screen.confirm("hold")
    badge = page.get_by_test_id("badge-hold")
    expect(badge).to_have_text(f"Paused until {day}")
    page.get_by_test_id("hold").click()
    expect(dialog.get_by_label("Pause until")).to_have_value(day)
    dialog.get_by_label("Never chase", exact=True).check()
    expect(dialog.get_by_label("Pause until")).to_be_hidden()
    screen.confirm("hold")
    expect(badge).to_have_text("Not chased")
    page.get_by_test_id("release").click()
    expect(badge).to_have_count(0)
    page.get_by_test_id("hold").click()
    dialog.get_by_label("Promise to pay", exact=True).check()
    dialog.get_by_label("Promised for").fill(day)
    dialog.get_by_label("Amount promised").fill("30.00")
    page.get_by_test_id("confirm-hold").click()
    expect(dialog.get_by_test_id("error-amount")).to_contain_text("2 invoices are overdue")
    dialog.get_by_label("Amount promised").fill("")
    screen.confirm("hold")
    screen.expect_toast("2 invoices are promised")


def test_support_sees_a_hold_and_cannot_place_one(world: World, open_page: Opener):
    invoice_id = invoice_of(world, make_debtor(world, "Damson Bakery", "15.00"))
    page = open_page(f"/invoices/{invoice_id}", role="support")
    expect(page.get_by_test_id("hold-locked")).to_be_disabled()
    expect(page.get_by_role("main")).to_contain_text("Only Finance and Admins hold back reminders.")
    assert violations(page) == []
