"""Acts on many dead letters by browser: chosen, planned, followed, cancelled, purged, taken out."""

from __future__ import annotations

import json
from contextlib import closing
from uuid import UUID

import pytest
from playwright.sync_api import expect

from backend.messaging.contracts import Queue, WebhookReceived
from backend.support.acting import act_now
from backend.support.executor import run_job
from backend.support.jobs import get_job
from backend.support.letters import LetterFilter, list_letters
from backend.support.models import JobKind, JobState
from backend.unit_of_work import read
from tests.browser.appearance import violations
from tests.browser.conftest import LettersOpener, screenshot, wait_until_ready
from tests.browser.dead_letters import Quiet, address
from tests.factories import raw_rows
from tests.queues import real_message

pytestmark = pytest.mark.browser


def test_chosen_messages_become_a_job_that_survives_a_reload_and_can_be_cancelled(
    open_dlq: LettersOpener, quiet: Quiet
):
    quiet.bury_some("test.cancelled", 62)
    screen = open_dlq("/support/dlq?type=test.cancelled")
    page = screen.page
    screen.expect_chosen("Nothing selected")
    screen.tick(0, 1)
    screen.expect_chosen("2 selected")
    page.get_by_test_id("select-page").click()
    screen.expect_chosen("This page (50) selected")
    page.get_by_test_id("select-all").click()
    screen.expect_chosen("All 62 matching selected")
    # One of them is left out: then it is no longer all of them.
    screen.messages.first.get_by_role("checkbox").click()
    screen.expect_chosen("49 selected")
    page.get_by_test_id("select-all").click()
    dialog = screen.plan("discard")
    expect(dialog.get_by_test_id("plan-count")).to_contain_text("62 messages")
    page.keyboard.press("Escape")
    dialog = screen.plan("resubmit")
    expect(page.get_by_test_id("confirm-plan")).to_have_text("Resubmit 62 messages")
    job_id = screen.start()

    expect(screen.title).to_have_text("Resubmit 62 messages")
    screen.expect_progress("0 of 62")
    expect(page.get_by_test_id("no-worker")).to_contain_text("none is running")

    # The worker does its first fifty, then somebody has second thoughts.
    def some_are_done() -> bool:
        return read(quiet.db, quiet.world.actor, get_job, job_id).finished_count > 0

    assert run_job(quiet.db, quiet.transport, job_id, stop=some_are_done)
    screen.expect_progress("50 of 62")
    page.reload()
    wait_until_ready(page)
    screen.expect_progress("50 of 62")
    other = open_dlq(role="admin")
    expect(other.page.get_by_test_id("jobs-running")).to_have_text("1 job running")
    page.get_by_test_id("cancel-job").click()
    expect(page.get_by_test_id("job-state")).to_have_text("Cancelled")
    expect(page.get_by_test_id("job-cancelled")).to_contain_text("Cancelled by support@example.com")
    expect(page.get_by_test_id("cancel-job")).to_have_count(0)
    page.get_by_role("navigation", name="Messages by result").get_by_text("Cancelled").click()
    expect(page.get_by_test_id("job-item")).to_have_count(12)
    quiet.do_jobs()
    assert len(quiet.letters(message_type="test.cancelled")) == 12
    copies = [one for one in quiet.waiting(Queue.DUNNING_EVALUATE) if one.endswith(":retry-1")]
    assert len(copies) == 50


def test_all_that_match_are_counted_again_when_it_is_confirmed(
    open_dlq: LettersOpener, quiet: Quiet
):
    quiet.bury_some("test.counted", 3)
    screen = open_dlq("/support/dlq?type=test.counted")
    screen.page.get_by_test_id("select-all").click()
    dialog = screen.plan("resubmit")
    expect(dialog.get_by_test_id("plan-count")).to_contain_text("3 messages")
    quiet.bury_some("test.counted", 1)
    screen.page.get_by_test_id("confirm-plan").click()
    expect(dialog.get_by_test_id("count-changed")).to_contain_text("It was 3")
    expect(dialog.get_by_test_id("count-changed")).to_contain_text("is 4 now")
    assert len(quiet.letters(message_type="test.counted")) == 4
    expect(screen.page.get_by_test_id("confirm-plan")).to_have_text("Resubmit 4 messages")
    job_id = screen.start()
    quiet.do_jobs()
    screen.expect_progress("4 of 4")
    expect(screen.page.get_by_test_id("job-state")).to_have_text("Done")
    assert read(quiet.db, quiet.world.actor, get_job, job_id).state is JobState.DONE


def test_what_a_colleague_has_in_hand_is_left_out_of_a_plan(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.in_hand", 3)
    first = quiet.letters(message_type="test.in_hand")[0]
    screen = open_dlq("/support/dlq?type=test.in_hand", role="admin")
    with quiet.transport.hold_dead_letters(first.queue, [first.sequence_number]):
        act_now(quiet.db, quiet.transport, quiet.world.actor, JobKind.RESUBMIT, first.key)
    screen.page.get_by_test_id("select-page").click()
    dialog = screen.plan("resubmit")
    expect(dialog.get_by_test_id("plan-count")).to_contain_text("2 messages")
    expect(dialog.get_by_test_id("plan-skipped")).to_contain_text("1 in the hands of test since")
    screen.page.keyboard.press("Escape")
    screen.go(address(first))
    expect(screen.page.get_by_test_id("handled")).to_contain_text("Resubmit by test since")
    expect(screen.page.get_by_test_id("resubmit")).to_be_disabled()
    quiet.do_jobs()
    expect(screen.answer).to_contain_text("Already handled by test")


def test_a_purge_wants_the_queues_name_and_an_admin(open_dlq: LettersOpener, quiet: Quiet):
    home, queue = quiet.world.tenant_id, Queue.WEBHOOK_INGEST
    hook = WebhookReceived(webhook_event_id=UUID(int=7))
    quiet.bury(*(real_message(home, hook) for _ in range(4)))
    quiet.bury(real_message(quiet.world.other_tenant_id, hook))
    support = open_dlq(f"/support/dlq?queue={queue.value}")
    button = support.page.get_by_test_id("purge")
    expect(button).to_be_disabled()
    expect(support.page.locator("#purge-why")).to_contain_text("Only an admin may purge")
    assert button.get_attribute("aria-describedby") == "purge-why"

    admin = open_dlq(f"/support/dlq?queue={queue.value}", role="admin")
    page = admin.page
    page.get_by_test_id("purge").click()
    dialog, confirm = admin.dialog("purge"), page.get_by_test_id("confirm-purge")
    expect(dialog).to_contain_text("Purge 4 messages from webhook-ingest?")
    expect(confirm).to_be_disabled()
    name = dialog.get_by_label("Type the queue's name")
    for typed, is_right in (
        ("webhook-ingest", True), ("webhook-inges", False), ("webhook-ingest", True),
    ):  # fmt: skip
        name.fill(typed)
        expect(confirm).to_be_enabled(enabled=is_right)
    screenshot(page, "dlq-purge")
    assert violations(page) == []
    admin.start("purge")
    quiet.do_jobs()
    admin.expect_progress("4 of 4")
    assert not quiet.letters(queue=queue)
    archived = raw_rows(
        quiet.db, "SELECT count(*) FROM dead_letter_archive WHERE queue = ?", queue.value
    )
    assert archived == [(4,)]
    left = list_letters(quiet.db, quiet.transport, quiet.world.stranger, LetterFilter(queue))
    assert len(left.items) == 1


def test_the_view_is_exported_as_lines_of_json(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.exported", 3)
    screen = open_dlq("/support/dlq?type=test.exported")
    lines = [json.loads(line) for line in screen.download().read_text().splitlines()]
    assert [line["message_type"] for line in lines] == ["test.exported"] * 3
    assert json.loads(lines[0]["body"])["message_type"] == "test.exported"
    signed_out = screen.page.context.browser
    assert signed_out is not None
    with closing(signed_out.new_context(base_url=quiet.world.url)) as nobody:
        answer = nobody.request.get("/files/dead-letters.jsonl", max_redirects=0)
        assert answer.status == 303
