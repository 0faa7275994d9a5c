"""Dead letters by browser: found, understood, sent again, mended, discarded, by one or by two."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backend.errors import Busy
from backend.invoices.queries import InvoiceView
from backend.messaging.contracts import Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.support.acting import act_now
from backend.support.models import JobKind
from tests.browser.conftest import LettersOpener, Opener, World
from tests.browser.dead_letters import DeadLettersScreen, Quiet, address, of_unknown_type
from tests.browser.screens import LIVE_MS_MAX
from tests.factories import raw_rows
from tests.integration.support.letters import Faulty

pytestmark = pytest.mark.browser


def test_groups_lead_to_messages_and_looking_at_one_counts_nothing(
    open_dlq: LettersOpener, quiet: Quiet, gallery: InvoiceView
):
    letter = quiet.letters(queue=Queue.PAYMENT_COMMANDS)[0]
    screen = open_dlq()
    expect(screen.card(Queue.EMAIL_SEND).get_by_test_id("queue-count")).to_have_text("14")
    group = screen.groups.filter(has_text="payment.apply")
    expect(group).to_contain_text("Refused by the rules")
    expect(group.get_by_test_id("cell-count")).to_have_text("3")
    group.get_by_role("link").first.click()
    expect(screen.messages).to_have_count(3)
    expect(screen.page).to_have_url(re.compile(r"queue=payment-commands&reason=refused"))
    # A view can be shared: the address says it all.
    screen.page.reload()
    expect(screen.messages).to_have_count(3)
    invoice_id = str(gallery.invoice_id)
    assert invoice_id not in screen.page.content()
    screen.open("payment.apply")
    body = json.loads(screen.page.get_by_test_id("letter-body").inner_text())
    assert body["payload"]["command"]["invoice_id"] == invoice_id
    expect(screen.page.get_by_test_id("description")).to_contain_text("The invoice is a draft")
    expect(screen.page.get_by_test_id("deliveries")).to_have_text("1")
    screen.page.get_by_test_id("letter-link").get_by_role("link").click()
    expect(screen.title).to_have_text("INV-000001")
    assert letter in quiet.letters(queue=Queue.PAYMENT_COMMANDS)


def test_a_note_tells_the_others_what_is_known_of_a_group(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.noted", 1)
    # Who asks for this type sees one that the groups of some seconds ago lack: they are made anew.
    screen = open_dlq("/support/dlq?type=test.noted")
    screen.page.goto("/support/dlq")
    group = screen.groups.filter(has_text="test.noted")
    group.get_by_test_id("edit-note").click()
    screen.dialog("note").get_by_label("Note").fill("Wait for release 12")
    screen.confirm("note")
    expect(group).to_contain_text("Wait for release 12")
    other = open_dlq(role="admin")
    expect(other.groups.filter(has_text="test.noted")).to_contain_text("Wait for release 12")


def test_what_is_new_is_told_and_moves_nothing(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.arriving", 2)
    screen = open_dlq("/support/dlq?type=test.arriving")
    expect(screen.messages).to_have_count(2)
    quiet.bury_some("test.arriving", 3)
    fresh = screen.page.get_by_test_id("fresh")
    expect(fresh).to_have_text("3 new, click to load", timeout=LIVE_MS_MAX)
    expect(screen.messages).to_have_count(2)
    fresh.click()
    expect(screen.messages).to_have_count(5)
    expect(fresh).to_have_count(0)


def test_an_edited_message_is_checked_compared_sent_and_handled_by_the_worker(
    world: World, open_page: Opener
):
    home = world.tenant_id
    with closing(EmbeddedTransport(world.db)) as transport:
        sent = of_unknown_type(home, "dunning.evaluation")
        transport.send([sent])
    page = open_page("/support/dlq?type=dunning.evaluation", role="support")
    screen = DeadLettersScreen(page)
    expect(screen.messages.or_(page.get_by_test_id("no-match"))).to_be_visible()
    while not screen.messages.count():  # the worker has yet to set it aside
        screen.go(page.url)
    screen.open("dunning.evaluation")
    expect(page.get_by_test_id("attempt")).to_have_count(1)
    page.get_by_test_id("edit").click()
    send = page.get_by_test_id("confirm-edit")
    expect(send).to_be_disabled()
    body = screen.editor.input_value()

    screen.type_body(body.replace('"message_type": "dunning.evaluation",', '"message_type": ,'))
    problems = page.get_by_test_id("edit-problems")
    expect(problems).to_contain_text("Line 3: ")
    expect(screen.editor).to_have_attribute("aria-invalid", "true")
    described = screen.editor.get_attribute("aria-describedby") or ""
    assert problems.get_attribute("id") in described.split()
    expect(send).to_be_disabled()

    screen.type_body(body.replace(str(home), str(world.other_tenant_id)))
    expect(problems).to_contain_text(re.compile(r"Line \d+: Tenant_id must stay"))
    expect(send).to_be_disabled()

    screen.type_body(body.replace("dunning.evaluation", "dunning.evaluate"))
    expect(problems).to_be_empty()
    changes = page.get_by_test_id("diff")
    expect(changes).to_contain_text('"message_type": "dunning.evaluation"')
    expect(changes).to_contain_text('"message_type": "dunning.evaluate"')
    send.click()
    expect(screen.answer).to_contain_text(f"Resubmitted as {sent.message_id}:retry-1.")
    screen.go("/support/dlq?type=dunning.evaluation")
    expect(page.get_by_test_id("no-match")).to_be_visible()

    def state_of_copy() -> list[tuple[Any, ...]]:
        return raw_rows(
            world.db,
            "SELECT state FROM queue_messages WHERE message_id = ?",
            f"{sent.message_id}:retry-1",
        )

    while state_of_copy() != [("done",)]:
        assert state_of_copy() == [("ready",)]
        page.wait_for_timeout(50)


def test_who_may_not_record_payments_sends_one_again_only_as_it_is(
    open_dlq: LettersOpener, quiet: Quiet, gallery: InvoiceView
):
    letter = quiet.letters(queue=Queue.PAYMENT_COMMANDS)[0]
    screen = open_dlq(address(letter))
    expect(screen.page.get_by_test_id("edit")).to_be_disabled()
    expect(screen.page.get_by_test_id("edit-why")).to_contain_text("allowed to record payments")
    screen.page.get_by_test_id("resubmit").click()
    expect(screen.page.get_by_test_id("money")).to_contain_text("a payment of USD 120.00")
    screen.page.keyboard.press("Escape")
    admin = open_dlq(address(letter), role="admin")
    expect(admin.page.get_by_test_id("edit")).to_be_enabled()


def test_a_letter_whose_copy_is_sent_but_that_could_not_be_removed_says_so(
    open_dlq: LettersOpener, quiet: Quiet
):
    quiet.bury_some("test.both", 1)
    letter = quiet.letter("test.both")
    faulty = Faulty(quiet.transport)
    faulty.faults["remove"] = [Busy("The queue cannot be reached just now.")]
    act_now(quiet.db, faulty, quiet.world.actor, JobKind.RESUBMIT, letter.key)
    screen = open_dlq(address(letter))
    expect(screen.page.get_by_test_id("handled")).to_contain_text(
        "the original is still among the dead letters"
    )
    assert quiet.waiting(letter.queue).count(f"{letter.message_id}:retry-1") == 1
    quiet.do_jobs()
    expect(screen.answer).to_contain_text("Already handled by test")
    assert quiet.waiting(letter.queue).count(f"{letter.message_id}:retry-1") == 1


def test_what_is_discarded_is_kept_and_can_be_sent_again(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.discarded", 1)
    letter = quiet.letter("test.discarded")
    screen = open_dlq(address(letter))
    page = screen.page
    page.get_by_test_id("discard").click()
    expect(screen.answer).to_contain_text("Discarded.")
    expect(page.get_by_test_id("resubmit")).to_have_count(0)
    assert not quiet.letters(message_type="test.discarded")
    screen.answer.get_by_role("link", name="Open it in the archive").click()
    expect(page.get_by_test_id("archive-state")).to_have_text("In the archive")
    expect(page.get_by_role("region", name="Body of the message")).to_contain_text("test.discarded")
    page.get_by_test_id("restore").click()
    screen.confirm("restore")
    expect(page.get_by_test_id("restored")).to_contain_text(f"{letter.message_id}:retry-1")
    expect(page.get_by_test_id("restore")).to_have_count(0)
    assert f"{letter.message_id}:retry-1" in quiet.waiting(letter.queue)
    screen.go("/support/dlq/archive")
    row = page.get_by_test_id("archive-row").filter(has_text="test.discarded")
    expect(row.get_by_test_id("archive-state")).to_have_text("Restored")
    # An old link tells what became of it.
    screen.go(address(letter))
    expect(page.get_by_test_id("handled-before")).to_contain_text("support@example.com")


def test_of_two_operators_one_sends_and_the_other_is_told_who(
    open_dlq: LettersOpener, quiet: Quiet
):
    quiet.bury_some("test.contested", 1)
    letter = quiet.letter("test.contested")
    first, second = open_dlq(address(letter)), open_dlq(address(letter), role="admin")
    for screen in (first, second):
        screen.page.get_by_test_id("resubmit").click()
        expect(screen.dialog("resubmit")).to_be_visible()
    for screen in (first, second):
        screen.page.get_by_test_id("confirm-resubmit").click()
    for screen in (first, second):
        expect(screen.answer).to_contain_text(re.compile("Resubmitted as|Already handled by"))
        expect(screen.page.get_by_test_id("resubmit")).to_have_count(0)
    sent, told = sorted((first, second), key=lambda one: "Already" in one.answer.inner_text())
    who = "support" if sent is first else "admin"
    expect(sent.answer).to_contain_text(f"Resubmitted as {letter.message_id}:retry-1.")
    expect(told.answer).to_contain_text(
        re.compile(rf"Already handled by {who}@example\.com at \d\d:\d\d:\d\d")
    )
    copies = [one for one in quiet.waiting(letter.queue) if one.startswith(letter.message_id)]
    assert copies == [f"{letter.message_id}:retry-1"]


def test_a_message_is_sent_again_with_the_keyboard_alone(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.typed", 1)
    letter = quiet.letter("test.typed")
    screen = open_dlq("/support/dlq?type=test.typed")
    page, press = screen.page, screen.page.keyboard.press
    tab_to(page, "Select message")
    press("Space")
    screen.expect_chosen("This page (1) selected")
    tab_to(page, letter.message_id[:8])
    press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_test_id("letter-body")).to_be_visible()
    tab_to(page, "Resubmit")
    press("Enter")
    expect(screen.dialog("resubmit")).to_be_visible()
    tab_to(page, "Resubmit")
    press("Enter")
    expect(screen.answer).to_contain_text(f"Resubmitted as {letter.message_id}:retry-1.")


def tab_to(page: Page, text: str) -> None:
    """Press Tab until what has the focus is named so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
              const it = document.activeElement;
              const label = it.closest("label");
              return it.ariaLabel || (label ? label.innerText : it.innerText) || "";
            }"""
        )
        if str(name).strip().startswith(text):
            return
    pytest.fail(f"the Tab key does not reach {text!r}")
