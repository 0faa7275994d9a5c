"""Dead letters: who sees which, what a crafted event gets, and that everybody can use the pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from backend.invoices.queries import InvoiceView
from backend.messaging.contracts import Queue
from backend.support.acting import Matching, act_now, start_job
from backend.support.jobs import get_job
from backend.support.letters import LetterFilter
from backend.support.models import ItemState, JobKind, JobState
from backend.unit_of_work import read
from tests.browser.appearance import look_at
from tests.browser.conftest import LettersOpener, Opener
from tests.browser.dead_letters import Quiet, address
from tests.browser.test_access import STATE, send_crafted

pytestmark = pytest.mark.browser


def test_another_business_sees_none_of_it(
    open_dlq: LettersOpener, quiet: Quiet, gallery: InvoiceView
):
    quiet.bury_some("test.secret", 2)
    letter, other = quiet.letters(message_type="test.secret")
    quiet.bury_some("test.gone", 1)
    gone = act_now(
        quiet.db, quiet.transport, quiet.world.actor, JobKind.DISCARD, quiet.letter("test.gone").key
    )
    screen = open_dlq(role="stranger")
    page = screen.page
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    expect(screen.card(Queue.EMAIL_SEND)).to_contain_text("none")
    expect(screen.groups.filter(has_text="test.secret")).to_have_count(0)
    for hidden in (
        address(letter),
        f"/support/dlq/jobs/{gone.job_id}",
        f"/support/dlq/archive/{gone.archive_id}",
        "/support/dlq/nowhere/1",
        "/support/dlq/email-send/one",
    ):
        screen.go(hidden)
        expect(page.get_by_test_id("missing")).to_contain_text("There is no such")
    screen.go("/support/dlq?type=test.secret")
    expect(page.get_by_test_id("no-match")).to_be_visible()
    received = "\n".join(frames)
    assert "delta" in received
    assert other.message_id not in received
    answer = page.request.get("/files/dead-letters.jsonl")
    assert "test.secret" not in answer.text()


def test_finance_is_told_that_it_may_not_and_its_events_do_nothing(
    open_dlq: LettersOpener, quiet: Quiet
):
    quiet.bury_some("test.forbidden", 1)
    letter = quiet.letter("test.forbidden")
    chosen = Matching(LetterFilter(message_type="test.forbidden"))
    job = start_job(
        quiet.db, quiet.transport, quiet.world.actor, JobKind.DISCARD, chosen, expected_count=1
    )
    screen = open_dlq(role="finance")
    page = screen.page
    expect(page.get_by_test_id("not-allowed")).to_be_visible()
    expect(page.get_by_role("link", name="Dead letters")).to_have_count(0)
    for path in (address(letter), f"/support/dlq/jobs/{job.job_id}", "/support/dlq/archive"):
        screen.go(path)
        expect(page.get_by_test_id("not-allowed")).to_be_visible()
    answer = send_crafted(
        page, f"{STATE}support_dlq_job____dead_letter_job_state.cancel", {},
        f"/support/dlq/jobs/{job.job_id}", job_id=str(job.job_id),
    )  # fmt: skip
    assert "does not allow this" in answer
    assert read(quiet.db, quiet.world.actor, get_job, job.job_id).state is JobState.OPEN
    assert page.request.get("/files/dead-letters.jsonl").status == 403
    quiet.do_jobs()


def test_an_event_without_a_choice_is_about_nothing(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.unchosen", 1)
    page = open_dlq("/support/dlq?type=test.unchosen").page
    answer = send_crafted(
        page, f"{STATE}support_dlq____dead_letters_state.open_plan", {"kind": "discard"},
        "/support/dlq", type="test.unchosen",
    )  # fmt: skip
    assert "must be chosen first" in answer.lower()
    assert quiet.letter("test.unchosen")


def test_the_platforms_own_see_all_of_it(
    open_dlq: LettersOpener, quiet: Quiet, gallery: InvoiceView
):
    screen = open_dlq("/", role="superadmin")
    page = screen.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Dead letters").click()
    expect(screen.card(Queue.WEBHOOK_INGEST).get_by_test_id("queue-count")).not_to_have_text("0")
    screen.go("/support/dlq?type=dunning.evaluate")
    expect(screen.messages.first.get_by_test_id("cell-tenant")).to_have_text("Northwind Heating")
    screen.messages.first.get_by_role("link", name="Northwind Heating").click()
    expect(page.get_by_role("link", name="Remove filter: Business is Northwind")).to_be_visible()
    screen.go("/support/dlq?reason=bad_envelope")
    screen.open("No type")
    expect(page.get_by_test_id("letter-body")).to_have_text('{"half":')
    expect(screen.title).to_have_text("Message without a type")


def test_without_dead_letters_the_page_says_so(open_page: Opener):
    page = open_page("/support/dlq", role="stranger")
    expect(page.get_by_test_id("empty")).to_contain_text("No dead letters")
    expect(page.get_by_test_id("queue-card").filter(has_text="none")).to_have_count(4)
    look_at(page, "dlq-empty")


def test_the_list_is_for_everyone(open_dlq: LettersOpener, gallery: InvoiceView):
    screen = open_dlq()
    look_at(screen.page, "dlq-groups")
    screen.go("/support/dlq?type=email.send_requested")
    screen.tick(0, 2)
    look_at(screen.page, "dlq-chosen")
    screen.plan("resubmit")
    look_at(screen.page, "dlq-plan")
    platform = open_dlq("/support/dlq?q=nothing-like-this", role="superadmin")
    look_at(platform.page, "dlq-no-match")


def test_a_letter_is_for_everyone(open_dlq: LettersOpener, quiet: Quiet, gallery: InvoiceView):
    letter = quiet.letters(queue=Queue.PAYMENT_COMMANDS)[0]
    screen = open_dlq(address(letter))
    look_at(screen.page, "dlq-letter")
    screen.page.get_by_test_id("resubmit").click()
    look_at(screen.page, "dlq-resubmit")
    admin = open_dlq(address(letter), role="admin")
    admin.page.get_by_test_id("edit").click()
    admin.type_body(admin.editor.input_value().replace('"120.00"', '"130.00"'))
    expect(admin.page.get_by_test_id("diff")).to_be_visible()
    look_at(admin.page, "dlq-edit")
    admin.type_body(admin.editor.input_value().replace('"USD"', '"USD'))
    expect(admin.page.get_by_test_id("edit-problems")).to_contain_text("Line 14")
    look_at(admin.page, "dlq-edit-wrong")


def test_jobs_and_the_archive_are_for_everyone(open_dlq: LettersOpener, quiet: Quiet):
    quiet.bury_some("test.seen", 3)
    letters = quiet.letters(message_type="test.seen")
    sent = act_now(quiet.db, quiet.transport, quiet.world.actor, JobKind.RESUBMIT, letters[0].key)
    kept = act_now(quiet.db, quiet.transport, quiet.world.actor, JobKind.DISCARD, letters[1].key)
    job = start_job(
        quiet.db,
        quiet.transport,
        quiet.world.actor,
        JobKind.DISCARD,
        Matching(LetterFilter(message_type="test.seen")),
        expected_count=1,
    )
    assert sent.state is kept.state is ItemState.DONE
    screen = open_dlq(f"/support/dlq/jobs/{job.job_id}")
    look_at(screen.page, "dlq-job-open")
    screen.go(f"/support/dlq/jobs/{sent.job_id}")
    look_at(screen.page, "dlq-job-done")
    screen.go("/support/dlq/archive")
    look_at(screen.page, "dlq-archive")
    screen.go(f"/support/dlq/archive/{kept.archive_id}")
    look_at(screen.page, "dlq-archived")
    quiet.do_jobs()
