"""E-mail templates: the wording and its preview, nothing typed is lost; settings of chasing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from backend.communications.template_store import get_template, save_template
from backend.communications.templates import TemplateKey, TemplateSource, default_template
from backend.tenants.settings import TENANT_SETTINGS
from backend.unit_of_work import Reader, read, run
from tests.browser.appearance import look_at
from tests.browser.conftest import Opener, World
from tests.browser.test_access import STATE, send_crafted
from tests.factories import make_customer, make_invoice

pytestmark = pytest.mark.browser

NOTICE = "/dunning/templates/overdue_notice"


def frame(page: Page) -> Locator:
    return page.frame_locator('[data-testid="preview-html"]').locator("body")


def saved(world: World, key: str = TemplateKey.OVERDUE_NOTICE) -> TemplateSource:
    return read(world.db, world.actor, get_template, key).source


def test_the_preview_follows_what_is_typed_on_a_real_invoice(world: World, open_page: Opener):
    customer = make_customer(world.db, world.actor, "<b>Bold & Sons</b>", email="bold@example.com")
    invoice = make_invoice(world.db, world.actor, customer.customer_id, "123.45")
    page = open_page(NOTICE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overdue notice")
    expect(frame(page)).to_contain_text("Harbor Dental Group")
    page.get_by_label("About the invoice").fill(invoice.invoice_number or "")
    expect(frame(page)).to_contain_text("$123.45")
    expect(page).to_have_url(re.compile(f"invoice={invoice.invoice_number}"))
    # A name that looks like markup stays a name.
    expect(frame(page)).to_contain_text("<b>Bold & Sons</b>")
    page.get_by_label("Subject", exact=True).fill("Hello {{ customer_name }}")
    expect(page.get_by_test_id("preview-subject")).to_have_text("Hello <b>Bold & Sons</b>")
    expect(page.get_by_test_id("unsaved")).to_have_text("Unsaved changes")

    # Light, dark, narrow and as text; what is typed stays.
    expect(frame(page)).to_have_css("background-color", "rgb(244, 245, 248)")
    shown = page.get_by_role("navigation", name="How it is shown")
    shown.get_by_role("link", name="HTML, dark").click()
    expect(page).to_have_url(re.compile("show=dark"))
    expect(frame(page)).to_have_css("background-color", "rgb(17, 17, 19)")
    shown.get_by_role("link", name="Phone, 380 px").click()
    expect(page.locator(".mailframe.narrow")).to_have_css("width", "380px")
    shown.get_by_role("link", name="Plain text").click()
    expect(page.get_by_test_id("preview-text")).to_contain_text("$123.45")
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Hello {{ customer_name }}")

    page.get_by_label("About the invoice").fill("INV-999999")
    expect(page.get_by_test_id("error-invoice")).to_contain_text("INV-999999")
    # Nothing was saved; leaving asks first.
    assert saved(world) == default_template(TemplateKey.OVERDUE_NOTICE)
    page.once("dialog", lambda asked: asked.dismiss())
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Customers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overdue notice")


def test_a_broken_wording_is_told_at_its_part_and_never_lost(world: World, open_page: Opener):
    page = open_page("/dunning/templates/last_call")
    text = page.get_by_label("Plain text")
    text.fill("Dear {{ nobody_knows_this }}")
    expect(page.get_by_test_id("error-text")).to_contain_text("nobody_knows_this")
    expect(text).to_have_attribute("aria-invalid", "true")
    page.get_by_label("HTML", exact=True).fill("<p>{{ customer_name }}</p><script>x</script>")
    page.get_by_test_id("save-template").click()
    expect(page.get_by_test_id("form-problem")).to_be_visible()
    expect(text).to_have_value("Dear {{ nobody_knows_this }}")
    assert saved(world, TemplateKey.LAST_CALL) == default_template(TemplateKey.LAST_CALL)

    page.get_by_label("HTML", exact=True).fill("<p>Dear {{ customer_name }}</p>")
    text.fill("Dear {{ customer_name }}")
    expect(page.get_by_test_id("error-text")).to_have_count(0)
    page.get_by_test_id("save-template").click()
    expect(page.get_by_test_id("toast").filter(has_text="The wording is saved")).to_be_visible()
    expect(page.get_by_test_id("unsaved")).to_have_text("")
    assert saved(world, TemplateKey.LAST_CALL).text == "Dear {{ customer_name }}\n"

    page.get_by_test_id("reset").click()
    page.get_by_test_id("confirm-reset").click()
    expect(page.get_by_label("Plain text")).to_have_value(re.compile("Hello"))
    assert saved(world, TemplateKey.LAST_CALL) == default_template(TemplateKey.LAST_CALL)


def test_who_saves_over_somebody_else_is_asked_first(world: World, open_page: Opener):
    key = TemplateKey.FRIENDLY_REMINDER
    mine, theirs = "Mine: {{ customer_name }}", "Theirs: {{ customer_name }}"
    page = open_page(f"/dunning/templates/{key}")
    page.get_by_label("Subject", exact=True).fill(mine)
    expect(page.get_by_test_id("preview-subject")).to_contain_text("Mine")
    default = default_template(key)
    run(
        world.db, world.actor, save_template, key, None,
        TemplateSource(theirs, default.text, default.html),
    )  # fmt: skip
    page.get_by_test_id("save-template").click()
    expect(page.get_by_test_id("toast").filter(has_text="Not saved")).to_be_visible()
    expect(page.get_by_test_id("conflict")).to_contain_text("Somebody else saved")
    expect(page.get_by_label("Subject", exact=True)).to_have_value(mine)
    assert saved(world, key).subject == theirs
    page.get_by_test_id("save-mine").click()
    expect(page.get_by_test_id("conflict")).to_have_count(0)
    assert saved(world, key).subject == mine


def test_a_new_reminder_is_made_tested_and_listed(world: World, open_page: Opener):
    page = open_page("/dunning/templates")
    page.get_by_test_id("new-template").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Before the crew comes")
    dialog.get_by_label("Begin with the wording of").select_option("final_warning")
    page.get_by_test_id("confirm-new").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Before the crew comes")
    expect(frame(page)).to_contain_text("Harbor Dental Group")
    page.get_by_test_id("test").click()
    expect(page.get_by_test_id("test-to")).to_have_text("admin@example.com")
    page.get_by_test_id("confirm-test").click()
    expect(page.get_by_test_id("toast").filter(has_text="admin@example.com")).to_be_visible()
    page.goto("/dunning/templates")
    made = page.get_by_test_id("template-row").filter(has_text="Before the crew comes")
    expect(made.get_by_test_id("cell-used")).to_have_text("By no step")
    used = page.get_by_test_id("template-row").filter(has_text="Final warning")
    expect(used.get_by_test_id("cell-used")).to_contain_text("Standard: step 3 (7 days)")


def test_support_reads_the_wording_only(open_page: Opener):
    page = open_page(NOTICE, role="support")
    expect(page.get_by_test_id("read-only")).to_be_visible()
    expect(page.get_by_label("Subject", exact=True)).not_to_be_editable()
    expect(page.get_by_test_id("save-template")).to_have_count(0)
    # The button is not there; the event behind it is sent all the same.
    form = {"name": "Mine", "subject": "Mine", "text": "Mine", "html": "<p>Mine</p>"}
    answer = send_crafted(
        page, f"{STATE}template____template_state.save", {"form": form}, NOTICE,
        template_key="overdue_notice",
    )  # fmt: skip
    assert "does not allow this" in answer


@pytest.mark.parametrize(
    ("address", "name"),
    [("/dunning/templates", "templates"), (NOTICE, "template"), ("/settings", "settings-chasing")],
)
def test_they_have_no_violations_and_fit_small_screens(open_page: Opener, address: str, name: str):
    page = open_page(address)
    expect(page.get_by_role("main").get_by_role("table").or_(page.get_by_role("form")).or_(
        page.get_by_test_id("next-holidays")
    ).first).to_be_visible()  # fmt: skip
    look_at(page, name)


def settings(reader: Reader) -> tuple[str, int, str | None]:
    row = reader.one(TENANT_SETTINGS)
    return row.holiday_calendar, row.reminder_gap_days, row.postal_address


def test_the_settings_of_chasing_are_kept(world: World, open_page: Opener):
    page = open_page("/settings", role="stranger")
    form = page.get_by_test_id("chasing-settings")
    expect(form.get_by_test_id("time-zone")).to_contain_text("America/Chicago")
    expect(form.get_by_test_id("next-holidays").get_by_role("listitem")).to_have_count(5)
    form.get_by_label("No reminders on").select_option("DE")
    form.get_by_label("And of its part").select_option(label="Bayern")
    expect(form.get_by_test_id("next-holidays")).to_contain_text("Epiphany")
    form.get_by_label("Days between").fill("99")
    form.get_by_test_id("save-chasing").click()
    expect(form.get_by_test_id("error-reminder_gap_days")).to_be_visible()
    form.get_by_label("Days between").fill("5")
    form.get_by_label("Postal address").fill("1 Main St\nSpringfield")
    form.get_by_test_id("save-chasing").click()
    expect(page.get_by_test_id("toast").filter(has_text="saved")).to_be_visible()
    assert read(world.db, world.stranger, settings) == ("DE-BY", 5, "1 Main St\nSpringfield")
