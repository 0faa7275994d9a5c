"""Every page for everyone: axe in light and dark, small screens, the keyboard alone."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from backend.customers.queries import CustomerView
from backend.invoices.queries import InvoiceView
from backend.invoices.service import void_invoice
from backend.payments.queries import PaymentView
from backend.payments.service import RecordPayment, record_payment
from backend.unit_of_work import run
from billerjacket_app.routes import PUBLIC
from tests.browser.appearance import look_at, violations
from tests.browser.conftest import Opener, World, wait_until_ready
from tests.browser.screens import InvoiceScreen
from tests.factories import make_customer, make_draft, make_invoice

pytestmark = pytest.mark.browser

ADDRESSES = (
    "/login",
    "/register",
    "/forgot-password",
    "/reset-password",
    "/",
    "/customers",
    "/customers/{customer}",
    "/invoices",
    "/invoices?q=nothing-like-this",
    "/invoices?status=sideways",
    "/invoices/new",
    "/invoices/{draft}",
    "/invoices/{overdue}",
    "/invoices/00000000-0000-4000-8000-000000000000",
    "/payments",
    "/payments/{payment}",
    "/mailbox",
    "/account",
    "/support/trace",
    "/support/trace?id={overdue}",
    "/support/trace?id=no-such-id",
)
# Address, the button that opens something, and the role of what opens.
OPENED = (
    ("/customers", "new-customer"),
    ("/customers/{customer}", "edit"),
    ("/invoices/{draft}", "send"),
    ("/invoices/{overdue}", "record-payment"),
    ("/payments/{payment}", "reverse"),
)


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, UUID]:
    """A business with something of everything in it."""
    db, actor = world.db, world.actor
    customer: CustomerView = make_customer(
        db, actor, "Accessible Awnings of Greater Minneapolis and Saint Paul, Incorporated",
        email="ap@awnings.example", billing_address="1 Main St\nMinneapolis, MN",
    )  # fmt: skip
    draft: InvoiceView = make_draft(db, actor, customer.customer_id, "12.00")
    overdue = make_invoice(db, actor, customer.customer_id, "123456789.00")
    paid = make_invoice(db, actor, customer.customer_id, "80.00")
    void = make_invoice(db, actor, customer.customer_id, "30.00")
    run(db, actor, void_invoice, void.invoice_id, "Wrong customer")
    payment: PaymentView = run(
        db, actor, record_payment, RecordPayment("80.00", invoice_id=paid.invoice_id)
    )
    run(db, actor, record_payment, RecordPayment("20.00", customer_id=customer.customer_id))
    return {
        "customer": customer.customer_id,
        "draft": draft.invoice_id,
        "overdue": overdue.invoice_id,
        "payment": payment.payment_id,
    }


def has_focus(page: Page) -> bool:
    """Whether the focus is inside the open dialog (a date's own parts match no :focus)."""
    return bool(page.evaluate("document.activeElement.closest('[role=dialog]') !== null"))


def role_for(address: str) -> str | None:
    return None if address in PUBLIC else "admin"


def name_of(address: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in address).strip("-") or "dashboard"


@pytest.mark.parametrize("address", ADDRESSES, ids=name_of)
def test_a_page_has_no_violations_and_fits_small_screens(
    open_page: Opener, ids: dict[str, UUID], address: str
):
    page = open_page(address.format(**ids), role=role_for(address))
    assert page.title().endswith("BillerJacket")
    look_at(page, name_of(address))


@pytest.mark.parametrize(("address", "button"), OPENED, ids=[button for _, button in OPENED])
def test_a_dialog_has_no_violations_holds_the_focus_and_gives_it_back(
    open_page: Opener, ids: dict[str, UUID], address: str, button: str
):
    page = open_page(address.format(**ids))
    trigger = page.get_by_test_id(button)
    trigger.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert has_focus(page)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    for _ in range(25):
        page.keyboard.press("Tab")
        assert has_focus(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(trigger).to_be_focused()


def test_the_menu_opens_on_a_small_screen(open_page: Opener, ids: dict[str, UUID]):
    page = open_page("/invoices", width=390)
    menu = page.get_by_role("button", name="Menu")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    assert violations(page) == []
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Payments").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payments")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()


def test_a_payment_is_recorded_with_the_keyboard_alone(
    world: World, open_page: Opener, ids: dict[str, UUID]
):
    invoice = make_invoice(world.db, world.actor, ids["customer"], "75.00")
    page = open_page(f"/invoices?q={invoice.invoice_number}")
    press = page.keyboard.press

    def tab_to(text: str) -> None:
        for _ in range(60):
            press("Tab")
            label = page.evaluate(
                """() => {
                  const it = document.activeElement;
                  return it.matches("a, button") ? it.ariaLabel || it.innerText : "";
                }"""
            )
            if text in label:
                return
        pytest.fail(f"the Tab key does not reach {text!r}")

    press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    tab_to(str(invoice.invoice_number))
    press("Enter")
    screen = InvoiceScreen(page)
    expect(screen.title).to_have_text(str(invoice.invoice_number))
    expect(page.get_by_role("main")).to_be_focused()
    tab_to("Record payment")
    press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Amount")).to_be_focused()
    press("Control+a")
    page.keyboard.type("25.00")
    press("Enter")
    expect(screen.balance).to_have_text("$50.00")
    expect(screen.badge).to_have_text("Partly paid")


def test_what_has_the_focus_is_seen_and_not_covered(open_page: Opener, ids: dict[str, UUID]):
    page = open_page("/invoices")
    seen = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => {
              const it = document.activeElement, box = it.getBoundingClientRect();
              if (it === document.body || it.matches(".twrap, main")) return null;
              const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
              const style = getComputedStyle(it);
              return {text: it.innerText || it.id, outline: style.outlineStyle,
                      covered: !(at && (it.contains(at) || at.contains(it)))};
            }"""
        )
        if state is None:
            continue
        seen += 1
        assert state["outline"] != "none", state
        assert not state["covered"], state
    assert seen > 15


def test_wider_text_spacing_clips_nothing(open_page: Opener, ids: dict[str, UUID]):
    page = open_page(f"/invoices/{ids['overdue']}")
    page.add_style_tag(
        content="""* { line-height: 1.5 !important; letter-spacing: .12em !important;
                       word-spacing: .16em !important; } p { margin-bottom: 2em !important; }"""
    )
    clipped = page.evaluate(
        """() => [...document.querySelectorAll("td, th, .badge, .btn, dd, h1, h2")]
          .filter((it) => it.scrollHeight > it.clientHeight + 1 && it.clientHeight > 0)
          .filter((it) => getComputedStyle(it).overflowY !== "visible")
          .map((it) => it.outerHTML.slice(0, 120))"""
    )
    assert clipped == []


def test_shortcuts_work_and_can_be_turned_off(open_page: Opener, ids: dict[str, UUID]):
    page = open_page("/invoices")
    search = page.get_by_label("Search invoices")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("n/")
    expect(search).to_have_value("n/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Invoices")
    page.evaluate("localStorage.setItem('hotkeys', 'off')")
    page.goto("/invoices")
    wait_until_ready(page)
    page.keyboard.press("n")
    page.keyboard.press("/")
    expect(search).not_to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Invoices")


def test_the_theme_is_chosen_and_kept(open_page: Opener):
    page = open_page("/customers")
    page.get_by_test_id("theme").select_option("dark")
    expect(page.locator("html.dark")).to_be_attached()
    page.reload()
    wait_until_ready(page)
    expect(page.locator("html.dark")).to_be_attached()
    expect(page.get_by_test_id("theme")).to_have_value("dark")
