"""The reports: every measure with its formula, its period in the address, and its rows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from backend.dunning.holds import HoldInvoice, hold_invoice
from backend.dunning.promises import settle_promises
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.unit_of_work import run
from tests.browser.appearance import look_at
from tests.browser.conftest import Opener, World
from tests.factories import make_customer, make_invoice, pay

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def paid(world: World) -> InvoiceView:
    """A promise that was kept: the invoice was paid before any reminder."""
    db, actor = world.db, world.stranger
    customer = make_customer(db, actor, "Prompt Plumbing")
    due = world.today - timedelta(days=10)
    invoice = make_invoice(
        db, actor, customer.customer_id, "250.00", issue_date=due - timedelta(days=5), due_date=due
    )
    promise = HoldInvoice(InvoiceHold.PROMISE, until=world.today + timedelta(days=2))
    run(db, actor, hold_invoice, invoice.invoice_id, promise)
    pay(db, actor, "250.00", invoice_id=invoice.invoice_id)
    run(db, actor, settle_promises)
    make_invoice(db, actor, customer.customer_id, "100.00")
    return invoice


def test_each_measure_leads_to_its_rows_and_back(open_page: Opener, paid: InvoiceView):
    page = open_page("/reports", role="stranger")
    expect(page.get_by_test_id("measure-recovery")).to_contain_text("counts for the last reminder")
    row = page.get_by_test_id("recovery-row")
    expect(row.get_by_test_id("cell-recovered")).to_have_text("$250.00")
    expect(page.get_by_test_id("promise-rate")).to_have_text("100.0%")
    expect(page.get_by_test_id("dso-row").get_by_test_id("cell-receivable")).to_have_text("$100.00")

    row.get_by_role("link", name="Before any reminder").click()
    expect(page).to_have_url(re.compile("measure=recovery&step=none&currency=USD"))
    detail = page.get_by_test_id("detail-row")
    expect(detail).to_contain_text("Prompt Plumbing")
    expect(detail).to_contain_text("USD 250.00")
    assert detail.locator(f"a[href='/invoices/{paid.invoice_id}']").count() == 1
    page.get_by_role("link", name="All measures").click()
    page.get_by_role("link", name="The promises").click()
    expect(page.get_by_test_id("detail-row")).to_contain_text("Kept")

    # Another period: the link is shared, the rows are not in it.
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("To").fill("2020-01-31")
    page.get_by_test_id("show-period").click()
    expect(page).to_have_url(re.compile("since=2020-01-01&until=2020-01-31"))
    expect(page.get_by_test_id("empty")).to_be_visible()
    page.get_by_label("To").fill("2019-01-31")
    page.get_by_test_id("show-period").click()
    expect(page.get_by_test_id("error-until")).to_be_visible()


def test_an_address_that_makes_no_sense_says_so(open_page: Opener):
    page = open_page("/reports?measure=luck")
    expect(page.get_by_test_id("failed")).to_contain_text("Measure")


@pytest.mark.parametrize(
    ("address", "name"),
    [("/reports", "reports"), ("/reports?measure=recovery", "reports-recovery")],
)
def test_they_have_no_violations_and_fit_small_screens(
    open_page: Opener, paid: InvoiceView, address: str, name: str
):
    page = open_page(address, role="stranger")
    expect(page.get_by_role("main").get_by_role("table").first).to_be_visible()
    look_at(page, name)
