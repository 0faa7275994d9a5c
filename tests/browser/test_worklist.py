"""The worklist: whom to call, worked through with the keyboard; what is logged leads on."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect

from backend.actor import Actor
from backend.customers.queries import CustomerView
from backend.dunning.contacts import list_contacts
from backend.dunning.holds import list_holds
from backend.dunning.models import ContactKind, ContactOutcome
from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.unit_of_work import read
from tests.browser.appearance import look_at, violations
from tests.browser.conftest import Opener, World
from tests.factories import make_customer, make_invoice

pytestmark = pytest.mark.browser

NAMES = ("Zephyr Zoo", "Zenith Zinc", "Zinnia Yards")


@pytest.fixture(scope="module")
def called(world: World) -> dict[str, CustomerView]:
    """Three customers whom no e-mail reaches, the first with the most overdue."""
    made = {}
    for place, name in enumerate(NAMES):
        customer = make_customer(world.db, world.actor, name, phone="+1 (312) 555-0100")
        overdue(world, customer, f"{900 - 100 * place}.00", days=70 - place)
        made[name] = customer
    return made


def overdue(world: World, customer: CustomerView, amount: str, *, days: int) -> None:
    due = world.today - timedelta(days=days)
    make_invoice(
        world.db, world.actor, customer.customer_id, amount,
        issue_date=due - timedelta(days=30), due_date=due,
    )  # fmt: skip


def row(page: Page, name: str) -> Locator:
    return page.get_by_test_id("worklist-row").filter(has_text=name)


def names(page: Page) -> list[str]:
    return (
        page.get_by_test_id("worklist-row")
        .get_by_role("rowheader")
        .get_by_role("link", name=re.compile("^Z"))
        .all_inner_texts()
    )


def test_a_row_says_whom_to_call_about_how_much_and_why(
    open_page: Opener, called: dict[str, CustomerView]
):
    page = open_page("/dunning/worklist?q=Z")
    first = row(page, NAMES[0])
    expect(first.get_by_test_id("cell-overdue")).to_contain_text("$900.00")
    expect(first.get_by_test_id("cell-days")).to_have_text("70 days")
    expect(first.get_by_test_id("badge-status")).to_have_text(["No e-mail address", "Long overdue"])
    expect(first.get_by_test_id("cell-contact")).to_contain_text("Never")
    assert first.locator("a[href='tel:+13125550100']").count() == 1

    # The reasons with their counts narrow the list; sort and filter are in the address.
    page.get_by_role("navigation", name="Customers by reason").get_by_role(
        "link", name=re.compile("Long overdue")
    ).click()
    expect(page).to_have_url(re.compile("reason=long_overdue"))
    page.get_by_role("columnheader", name="Overdue").get_by_role("link").click()
    expect(page).to_have_url(re.compile("sort=amount"))
    expect(page.get_by_role("columnheader", name="Overdue")).to_have_attribute(
        "aria-sort", "ascending"
    )
    page.goto("/dunning/worklist?q=nobody-like-this")
    expect(page.get_by_test_id("no-match")).to_be_visible()


def test_the_list_is_worked_through_with_the_keyboard_alone(
    world: World, open_page: Opener, called: dict[str, CustomerView]
):
    db, actor = world.db, world.actor
    page = open_page("/dunning/worklist?q=Z&sort=-amount")
    press, row_name = page.keyboard.press, "[data-row]:focus"
    focused = page.locator(row_name)
    press("j")
    expect(focused).to_contain_text(NAMES[0])
    press("j")
    expect(focused).to_contain_text(NAMES[1])
    press("k")
    expect(focused).to_contain_text(NAMES[0])

    # A call with a promise: both are kept, and the focus goes on to the next row.
    press("c")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What came of it")).to_be_focused()
    page.keyboard.type("Promised")
    expect(dialog.get_by_test_id("promise-form")).to_be_visible()
    # What is typed in a field is no shortcut.
    dialog.get_by_label("What was said").focus()
    page.keyboard.type("jchn: will pay")
    press("Enter")
    assert page.get_by_role("dialog").count() == 1
    page.get_by_test_id("confirm-call").focus()
    press("Enter")
    expect(dialog.get_by_test_id("error-until")).to_be_visible()
    expect(dialog.get_by_label("What was said")).to_have_value("jchn: will pay\n")
    friday = (world.today + timedelta(days=3)).isoformat()
    dialog.get_by_label("Pays by").fill(friday)
    dialog.get_by_label("Pays by").press("Enter")
    expect(dialog).to_have_count(0)
    expect(focused).to_contain_text(NAMES[1])
    [contact] = read(db, actor, list_contacts, called[NAMES[0]].customer_id).items
    assert (contact.kind, contact.outcome) == (ContactKind.CALL, ContactOutcome.PROMISED)
    [invoice] = invoices_of(world, actor, called[NAMES[0]])
    [promise] = read(db, actor, list_holds, invoice)
    assert str(promise.until) == friday

    # A note with a day to come back takes the row away.
    press("n")
    dialog.get_by_label("Note").fill("On holiday")
    dialog.get_by_label("Come back on").fill(friday)
    dialog.get_by_label("Come back on").press("Enter")
    expect(row(page, NAMES[1])).to_have_count(0)
    expect(focused).to_contain_text(NAMES[2])
    expect(page.get_by_test_id("put-off")).to_contain_text("put off")

    # A hold; Escape gives the focus back to its row.
    press("h")
    expect(dialog.get_by_role("radio", name="Pause")).to_be_visible()
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(focused).to_contain_text(NAMES[2])
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[2])


def test_shortcuts_can_be_turned_off(open_page: Opener, called: dict[str, CustomerView]):
    page = open_page("/dunning/worklist?q=Zinnia")
    switch = page.get_by_test_id("hotkeys-switch")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("j")
    expect(page.locator("[data-row]:focus")).to_have_count(0)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")


def test_support_reads_and_may_not_log(open_page: Opener, called: dict[str, CustomerView]):
    page = open_page("/dunning/worklist?q=Zinnia", role="support")
    expect(row(page, NAMES[2])).to_be_visible()
    expect(page.get_by_test_id("row-call")).to_have_count(0)


def test_it_has_no_violations_and_fits_small_screens(
    open_page: Opener, called: dict[str, CustomerView]
):
    page = open_page("/dunning/worklist?q=Zinnia")
    look_at(page, "worklist")
    page.get_by_test_id("row-call").click()
    page.get_by_label("What came of it").select_option("promised")
    expect(page.get_by_test_id("promise-form")).to_be_visible()
    assert violations(page) == []


def invoices_of(world: World, actor: Actor, customer: CustomerView) -> list[UUID]:
    found = read(world.db, actor, list_invoices, InvoiceFilter(customer_id=customer.customer_id))
    return [invoice.invoice_id for invoice in found.items]
