"""Lists: filters, sorting and pages live in the address; what changes elsewhere shows by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from backend.payments.service import RecordPayment, record_payment
from backend.unit_of_work import run
from billerjacket_app.pages import invoices as invoices_page
from tests.browser.conftest import Opener, World, served, wait_until_ready
from tests.browser.screens import LIVE_MS_MAX, InvoiceForm
from tests.factories import make_customer, make_invoice

pytestmark = pytest.mark.browser


def numbers(page: Page) -> list[str]:
    return page.get_by_test_id("invoice-row").get_by_role("rowheader").all_inner_texts()


def test_a_search_lives_in_the_address_and_back_undoes_it(world: World, open_page: Opener):
    db, actor = world.db, world.actor
    wanted = make_customer(db, actor, "Quillfeather Masonry")
    for amount in ("10.00", "9.00", "100.00"):
        make_invoice(db, actor, wanted.customer_id, amount)
    make_invoice(db, actor, make_customer(db, actor, "Somebody Else").customer_id)
    page = open_page("/invoices")
    page.get_by_role("navigation", name="Invoices by status").get_by_role(
        "link", name=re.compile("^Open")
    ).click()
    expect(page).to_have_url(re.compile(r"status=sent"))
    page.get_by_label("Search invoices").press_sequentially("quillfeather", delay=20)
    expect(page).to_have_url(re.compile("q=quillfeather"))
    expect(page.get_by_test_id("invoice-row")).to_have_count(3)
    expect(page.get_by_test_id("foot-total")).to_have_text("$119.00")
    expect(page.get_by_label("Search invoices")).to_have_value("quillfeather")

    page.get_by_role("columnheader", name="Balance").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Balance")).to_have_attribute(
        "aria-sort", "ascending"
    )
    balances = page.get_by_test_id("invoice-row").get_by_test_id("cell-balance")
    expect(balances).to_have_text(["$9.00", "$10.00", "$100.00"])
    page.get_by_role("columnheader", name="Balance").get_by_role("link").click()
    expect(balances).to_have_text(["$100.00", "$10.00", "$9.00"])

    # A shared link shows the same; Back goes through the steps.
    shared = open_page(page.url)
    expect(shared.get_by_test_id("cell-balance")).to_have_text(["$100.00", "$10.00", "$9.00"])
    page.go_back()
    expect(balances).to_have_text(["$9.00", "$10.00", "$100.00"])


def test_filters_that_match_nothing_lead_back(open_page: Opener):
    page = open_page("/invoices?q=no-such-thing-anywhere")
    expect(page.get_by_test_id("no-match")).to_contain_text("No invoices match these filters")
    page.get_by_role("link", name="Clear filters").click()
    expect(page).to_have_url(re.compile(r"/invoices/?$"))
    expect(page.get_by_label("Search invoices")).to_have_value("")


def test_an_address_that_makes_no_sense_says_so(open_page: Opener):
    page = open_page("/invoices?status=sideways")
    expect(page.get_by_test_id("failed")).to_contain_text("Status")


def test_pages_follow_each_other_without_a_gap_while_invoices_arrive(
    world: World, open_page: Opener
):
    db, actor = world.db, world.actor
    customer = make_customer(db, actor, "Paging Partners")
    total = invoices_page.PAGE_SIZE + 3
    made = [make_invoice(db, actor, customer.customer_id).invoice_number for _ in range(total)]
    page = open_page(f"/invoices?customer_id={customer.customer_id}")
    first = numbers(page)
    make_invoice(db, actor, customer.customer_id)
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_test_id("invoice-row")).to_have_count(3)
    assert first[0] == made[-1]
    assert first[-invoices_page.PAGE_SIZE :] + numbers(page) == made[::-1]
    page.get_by_role("link", name="First page").click()
    expect(page.get_by_test_id("invoice-row")).to_have_count(invoices_page.PAGE_SIZE)


def test_a_payment_made_elsewhere_shows_and_typed_text_stays(world: World, open_page: Opener):
    db, actor = world.db, world.actor
    customer = make_customer(db, actor, "Live Wire Electric")
    invoice = make_invoice(db, actor, customer.customer_id, "80.00")
    page = open_page(f"/invoices/{invoice.invoice_id}")
    page.get_by_test_id("record-payment").click()
    note = page.get_by_test_id("dlg-pay").get_by_label("Note")
    note.fill("half a sentence")
    run(db, actor, record_payment, RecordPayment(Decimal("30.00"), invoice_id=invoice.invoice_id))
    balance = page.get_by_test_id("invoice-balance")
    expect(balance).to_have_text("$50.00", timeout=LIVE_MS_MAX)
    expect(note).to_have_value("half a sentence")


def test_a_form_half_filled_survives_leaving_the_page(world: World, open_page: Opener):
    make_customer(world.db, world.actor, "Patient Plumbing")
    page = open_page("/invoices/new")
    form = InvoiceForm(page)
    form.choose_customer("Patient Plumbing")
    form.fill_line(1, "Water heater, 50 gallons", "3", "450.00")
    form.expect_total("$1,350.00")
    page.get_by_role("link", name="Customers").click()
    expect(form.title).to_have_text("Customers")
    page.go_back()
    expect(form.title).to_have_text("New invoice")
    wait_until_ready(page)
    expect(page.get_by_label("Description")).to_have_value("Water heater, 50 gallons")
    form.expect_total("$1,350.00")


def test_a_crash_of_the_app_is_told_and_mended_without_losing_what_is_typed(
    world: World, open_page: Opener
):
    customer = make_customer(world.db, world.actor, "Storm Shelters")
    invoice = make_invoice(world.db, world.actor, customer.customer_id, "60.00")
    with served(world) as app:
        page = open_page(f"/invoices/{invoice.invoice_id}", at=app.url, allow=("WebSocket", "ERR_"))
        page.get_by_test_id("record-payment").click()
        note = page.get_by_test_id("dlg-pay").get_by_label("Note")
        note.fill("check 77")
        app.stop()
        banner = page.get_by_test_id("connection-lost")
        expect(banner).to_be_visible(timeout=LIVE_MS_MAX)
        expect(note).to_have_value("check 77")
        payment = RecordPayment("20.00", invoice_id=invoice.invoice_id)
        run(world.db, world.actor, record_payment, payment)
        app.start()
        expect(banner).to_have_count(0, timeout=LIVE_MS_MAX)
        expect(page.get_by_test_id("invoice-balance")).to_have_text("$40.00", timeout=LIVE_MS_MAX)


def test_what_a_form_gets_wrong_is_told_at_the_field(world: World, open_page: Opener):
    make_customer(world.db, world.actor, "Careful Concrete")
    page = open_page("/invoices/new")
    form = InvoiceForm(page)
    page.get_by_test_id("save-draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Please check what you entered")
    picker = page.get_by_test_id("customer-picker")
    expect(picker).to_have_attribute("aria-invalid", "true")
    form.choose_customer("Careful Concrete")
    form.fill_line(1, "Slab", "1", "12.345")
    today = world.today
    page.get_by_label("Issue date").fill(today.isoformat())
    page.get_by_label("Due date").fill((today - timedelta(days=9)).isoformat())
    page.get_by_test_id("save-draft").click()
    price = page.get_by_label("Unit price")
    expect(price).to_have_attribute("aria-invalid", "true")
    described = price.get_attribute("aria-describedby")
    expect(page.locator(f'[id="{described}"]')).to_contain_text("at most 2 decimals")
    expect(price).to_have_value("12.345")


def test_a_double_click_pays_once(world: World, open_page: Opener):
    db, actor = world.db, world.actor
    customer = make_customer(db, actor, "Impatient Interiors")
    invoice = make_invoice(db, actor, customer.customer_id, "80.00")
    page = open_page(f"/invoices/{invoice.invoice_id}", role="finance")
    page.get_by_test_id("record-payment").click()
    page.get_by_test_id("dlg-pay").get_by_label("Amount").fill("10.00")
    page.get_by_test_id("confirm-pay").dblclick()
    expect(page.get_by_test_id("invoice-balance")).to_have_text("$70.00")
    expect(page.get_by_test_id("payment-row")).to_have_count(1)


def test_too_much_is_refused_with_the_reason_and_can_be_kept_as_credit(
    world: World, open_page: Opener
):
    db, actor = world.db, world.actor
    customer = make_customer(db, actor, "Generous Gutters")
    invoice = make_invoice(db, actor, customer.customer_id, "80.00")
    page = open_page(f"/invoices/{invoice.invoice_id}", role="finance")
    page.get_by_test_id("record-payment").click()
    dialog = page.get_by_test_id("dlg-pay")
    dialog.get_by_label("Amount").fill("100.00")
    page.get_by_test_id("confirm-pay").click()
    expect(dialog.get_by_test_id("form-problem")).to_be_visible()
    expect(dialog.get_by_label("Amount")).to_have_value("100.00")
    dialog.get_by_label(re.compile("Keep what is above")).check()
    page.get_by_test_id("confirm-pay").click()
    expect(page.get_by_test_id("invoice-balance")).to_have_text("$0.00")
    page.get_by_test_id("payment-row").get_by_role("link").click()
    expect(page.get_by_test_id("payment-unapplied")).to_have_text("$20.00")
