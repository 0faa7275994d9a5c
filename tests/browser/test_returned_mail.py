"""Mail that came back, on the page of a customer: marked, explained, and cleared."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from backend.communications.models import ReturnKind
from backend.communications.returns import report_return
from backend.unit_of_work import run
from tests.browser.appearance import look_at, violations
from tests.browser.conftest import Opener, World
from tests.browser.screens import LIVE_MS_MAX, Screen
from tests.factories import make_customer

pytestmark = pytest.mark.browser


def test_an_address_is_marked_and_works_again(world: World, open_page: Opener):
    payer = make_customer(world.db, world.actor, "Hazel Inn", email="desk@hazel.example")
    page = open_page(f"/customers/{payer.customer_id}", role="finance")
    note = page.get_by_test_id("returned-note")
    expect(note).to_have_count(0)
    page.get_by_test_id("mark-returned").click()
    dialog = Screen(page).dialog("returned")
    dialog.get_by_label("What happened").select_option("complained")
    dialog.get_by_label("What the notice said").fill("Not wanted here")
    assert violations(page) == []
    page.get_by_test_id("confirm-returned").click()
    expect(note).to_contain_text("complained about")
    expect(note).to_contain_text("“Not wanted here”, told by operator")
    expect(page.get_by_test_id("mark-returned")).to_have_count(0)
    look_at(page, "customer-returned")
    page.get_by_test_id("clear-returned").click()
    expect(note).to_have_count(0)


def test_who_only_reads_sees_what_came_back_and_changes_nothing(world: World, open_page: Opener):
    payer = make_customer(world.db, world.actor, "Ivy Court", email="desk@ivy.example")
    page = open_page(f"/customers/{payer.customer_id}", role="support")
    expect(page.get_by_test_id("mark-returned")).to_have_count(0)
    run(
        world.db,
        world.actor,
        report_return,
        None,
        "desk@ivy.example",
        ReturnKind.BOUNCED,
        "550 no such user",
        "mail server",
    )
    note = page.get_by_test_id("returned-note")
    expect(note).to_contain_text("came back", timeout=LIVE_MS_MAX)
    expect(note).to_contain_text("550 no such user")
    expect(page.get_by_test_id("clear-returned")).to_have_count(0)
