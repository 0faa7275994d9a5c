"""Chasing by browser: what the next run does, run now, a run's own page, plans and their effect.

No worker works on this database: what is queued waits until the test does what a worker would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Browser, StorageState, expect

from backend.actor import Role
from backend.dunning.service import (
    CreatePlan,
    HoldInvoice,
    StepInput,
    create_plan,
    get_plan,
    hold_invoice,
    list_plans,
    update_plan,
)
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.unit_of_work import read, run
from tests.browser.appearance import look_at, violations
from tests.browser.chasing import ChasingScreen, do_queued_run, make_debtor, tab_to
from tests.browser.conftest import World, opening
from tests.browser.dead_letters import Quiet
from tests.browser.screens import LIVE_MS_MAX, wait_until_ready
from tests.factories import actor_in, make_customer

pytestmark = pytest.mark.browser

ChasingOpener = Callable[..., ChasingScreen]


@pytest.fixture(scope="module")
def business(quiet: Quiet) -> World:
    """A business with three customers to remind, one in dispute, and one without an address."""
    made = quiet.world
    for place in range(2):
        make_debtor(made, f"Alder Dental {place}", "1200.00", email=f"ap{place}@alder.example")
    make_debtor(made, "Birch Foods", *["80.00"] * 5, email="billing@birch.example")
    disputed = make_debtor(made, "Cedar Hall", "310.00", email="hall@cedar.example")
    make_debtor(made, "Dogwood Without Address", "45.00")
    invoice = read(made.db, made.actor, list_invoices, InvoiceFilter(customer_id=disputed)).items[0]
    command = HoldInvoice(InvoiceHold.DISPUTE, reason="The roof still leaks")
    run(made.db, made.actor, hold_invoice, invoice.invoice_id, command)
    return made


@pytest.fixture
def open_chasing(
    business: World, chromium: Browser, sign_in_quiet: Callable[[str], StorageState]
) -> Iterator[ChasingOpener]:
    """Open a page of chasing, by somebody of finance unless another role is named."""
    with opening(chromium, business, sign_in_quiet) as opened:

        def opened_chasing(path: str = "/dunning", *, role: str = "finance") -> ChasingScreen:
            return ChasingScreen(opened(path, role=role))

        yield opened_chasing


def test_a_run_is_seen_before_it_is_made_asked_for_by_keyboard_and_found_with_its_reasons(
    open_chasing: ChasingOpener, business: World
):
    screen = open_chasing("/dunning?show=now")
    page = screen.page
    expect(page.get_by_test_id("next-run")).to_be_visible()
    birch = screen.sends.filter(has_text="Birch Foods")
    expect(birch).to_contain_text("billing@birch.example")
    expect(birch.get_by_test_id("cell-amount")).to_have_text("$400.00")
    expect(birch.get_by_role("link", name=re.compile("INV-"))).to_have_count(3)
    birch.get_by_text("2 more").click()
    expect(birch.get_by_role("link", name=re.compile("INV-"))).to_have_count(5)
    expect(screen.passed.filter(has_text="Cedar Hall")).to_contain_text("Disputed")
    # A reason opens its invoices, and the address says so.
    page.get_by_role("navigation", name="Reasons").get_by_text("no e-mail address").click()
    expect(page).to_have_url(re.compile("show=now&reason=no_email"))
    expect(screen.passed).to_have_count(1)
    expect(screen.passed).to_contain_text("Dogwood Without Address")
    look_at(page, "dunning")

    tab_to(page, "Run now")
    page.keyboard.press("Enter")
    dialog = screen.dialog("run")
    expect(dialog.get_by_test_id("recipient")).to_have_count(3)
    expect(dialog).to_contain_text("ap0@alder.example")
    expect(dialog.get_by_test_id("no-worker")).to_be_visible()
    assert violations(page) == []
    tab_to(page, "Send 3 reminders")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    queued = page.get_by_test_id("queued")
    expect(queued).to_contain_text("Queued: 3 reminders")
    expect(screen.runs).to_have_count(0)

    do_queued_run(business, keep_gap=True)
    expect(queued).to_contain_text("The run is done: 3 reminders", timeout=LIVE_MS_MAX)
    expect(screen.runs.first.get_by_test_id("cell-emails")).to_have_text("3")
    expect(screen.runs.first).to_contain_text("Disputed 1")
    queued.get_by_role("link", name="Open the run").click()
    expect(page.get_by_test_id("run-emails")).to_have_text("3")
    expect(page.get_by_test_id("reminder-row")).to_have_count(3)
    expect(page.get_by_test_id("skip-row").filter(has_text="Disputed")).to_contain_text("1")
    expect(page.get_by_role("link", name="Trace", exact=True)).to_have_count(1)
    look_at(page, "dunning-run")


def test_what_changed_since_it_was_counted_is_shown_and_not_sent(
    open_chasing: ChasingOpener, business: World
):
    make_debtor(business, "Elm Studio", "70.00", email="elm@example.com")
    screen = open_chasing("/dunning?show=now")
    screen.page.get_by_test_id("run-now").click()
    dialog = screen.dialog("run")
    verb = dialog.get_by_test_id("confirm-run")
    expect(verb).to_have_text(re.compile(r"Send \d+ reminders?"))
    before = int(re.sub(r"\D", "", verb.inner_text()))
    make_debtor(business, "Fir Clinic", "90.00", email="fir@example.com")
    verb.click()
    expect(dialog.get_by_test_id("form-problem")).to_contain_text("Look again")
    expect(verb).to_have_text(f"Send {before + 1} reminders")
    expect(dialog).to_contain_text("Fir Clinic")
    runs = screen.runs.count()
    screen.page.keyboard.press("Escape")
    assert screen.runs.count() == runs


def test_a_plan_is_edited_by_keyboard_after_saying_what_that_does(
    open_chasing: ChasingOpener, business: World
):
    make_debtor(business, "Gum Works", "55.00", email="gum@example.com")
    plan = next(
        one for one in read(business.db, business.actor, list_plans).items if one.is_default
    )
    screen = open_chasing(f"/dunning/plans/{plan.dunning_plan_id}")
    page = screen.page
    assert screen.days() == ["0", "3", "7", "14"]
    look_at(page, "dunning-plan")
    # A step goes before another: its e-mail moves, the days stay.
    tab_to(page, "Move step 3 earlier")
    page.keyboard.press("Enter")
    expect(screen.step(2).get_by_label("E-mail")).to_have_value("final_warning")
    assert screen.days() == ["0", "3", "7", "14"]
    tab_to(page, "Add step")
    page.keyboard.press("Enter")
    expect(screen.steps).to_have_count(5)
    screen.step(5).get_by_label("Days after due").fill("2")
    tab_to(page, "Save plan")
    page.keyboard.press("Enter")
    expect(screen.step(5).get_by_test_id("step-error")).to_contain_text("more than")
    days = screen.step(5).get_by_label("Days after due")
    expect(days).to_have_attribute("aria-invalid", "true")
    days.fill("30")
    tab_to(page, "Save plan")
    page.keyboard.press("Enter")
    expect(
        screen.dialog("effect").get_by_test_id("effect").get_by_role("listitem")
    ).not_to_have_count(0)
    assert violations(page) == []
    tab_to(page, "Save plan")
    page.keyboard.press("Enter")
    screen.expect_toast("The plan was saved")
    saved = read(business.db, business.actor, get_plan, plan.dunning_plan_id)
    assert [step.days_after_due for step in saved.steps] == [0, 3, 7, 14, 30]
    assert [step.template_key for step in saved.steps[:3]] == [
        "friendly_reminder", "final_warning", "overdue_notice",
    ]  # fmt: skip


def test_a_plan_somebody_else_saved_is_not_overwritten(
    open_chasing: ChasingOpener, business: World
):
    plan = run(
        business.db, business.actor, create_plan, CreatePlan("Slow", [StepInput(9, "last_call")])
    )
    screen = open_chasing(f"/dunning/plans/{plan.dunning_plan_id}")
    page = screen.page
    page.get_by_label("Name", exact=True).fill("Slower")
    run(business.db, business.actor, update_plan, plan.dunning_plan_id, {"name": "Gentle"})
    expect(page.get_by_test_id("stale")).to_be_visible(timeout=LIVE_MS_MAX)
    page.get_by_test_id("save-plan").click()
    screen.confirm("effect")
    expect(page.get_by_test_id("form-problem")).to_contain_text("Somebody else saved this plan")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Slower")
    page.get_by_test_id("load-saved").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Gentle")
    expect(page.get_by_test_id("stale")).to_have_count(0)


def test_a_new_plan_is_made_and_given_to_a_customer(open_chasing: ChasingOpener, business: World):
    customer = make_customer(business.db, business.actor, "Hazel & Sons")
    screen = open_chasing("/dunning/plans/new")
    page = screen.page
    page.get_by_test_id("save-plan").click()
    expect(page.get_by_test_id("error-name")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Key accounts")
    page.get_by_test_id("save-plan").click()
    expect(screen.title).to_have_text("Key accounts")
    page.goto(f"/customers/{customer.customer_id}")
    wait_until_ready(page)
    page.get_by_test_id("choose-plan").click()
    screen.dialog("plan").get_by_label("Plan", exact=True).select_option(label="Key accounts")
    screen.confirm("plan")
    plan = page.get_by_test_id("plan")
    expect(plan).to_have_text("Key accounts")
    plan.click()
    expect(page.get_by_test_id("plan-customer")).to_have_text("Hazel & Sons")


def test_support_reads_and_is_told_why_it_cannot_act(open_chasing: ChasingOpener, business: World):
    screen = open_chasing(role="support")
    page = screen.page
    expect(page.get_by_test_id("run-now-locked")).to_be_disabled()
    expect(screen.main).to_contain_text("Only Finance and Admins send reminders.")
    assert violations(page) == []
    page.get_by_test_id("plan-row").get_by_role("link").first.click()
    expect(page.get_by_test_id("save-plan-locked")).to_be_disabled()
    expect(page.get_by_label("Name", exact=True)).to_be_disabled()
    assert violations(page) == []


def test_another_business_has_no_such_run_or_plan(open_chasing: ChasingOpener, business: World):
    stranger = actor_in(business.other_tenant_id, Role.ADMIN)
    theirs = read(business.db, stranger, list_plans).items[0]
    for path in (f"plans/{theirs.dunning_plan_id}", f"runs/{UUID(int=7)}", "plans/nonsense"):
        screen = open_chasing(f"/dunning/{path}")
        expect(screen.page.get_by_test_id("missing")).to_be_visible()
        assert theirs.name not in screen.main.inner_text() or path.startswith("runs")
