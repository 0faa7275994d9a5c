"""Dead letters as text: what an act came to, what an edit changes, how a view is addressed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from backend.actor import Actor, PlatformActor, Role
from backend.errors import InvalidInput
from backend.messaging.contracts import Queue
from backend.support.editing import DiffLine, EditProblem
from backend.support.items import ItemView, handled_of
from backend.support.letters import NONE, LetterKey
from backend.support.models import ItemState, JobKind
from billerjacket_app import routes, status
from billerjacket_app.pages import support_dlq_state as shared
from billerjacket_app.pages.support_dlq_letter import answer_of
from billerjacket_app.pages.support_dlq_letter_view import diff_rows, line_of, problem_text
from billerjacket_app.pages.support_dlq_list import FILTERS, filter_of, handled_text, key_of

NOW = datetime(2026, 9, 22, 19, 3, 11, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
ARCHIVED = UUID(int=5)


def item(state, kind=JobKind.RESUBMIT, problem=None):
    return ItemView(
        item_id=UUID(int=1), job_id=UUID(int=2), kind=kind, who="dana@example.com",
        tenant_id=UUID(int=3), queue=Queue.EMAIL_SEND, sequence_number=18,
        message_id="m-1", original_message_id="m-1", message_type=None, state=state,
        copy_message_id="m-1:retry-1", archive_id=ARCHIVED, problem=problem,
        claimed_at=NOW, changed_at=NOW, finished_at=NOW,
    )  # fmt: skip


def test_what_the_broker_confirmed_is_told_with_the_new_id():
    answer, is_over = answer_of(item(ItemState.DONE))
    assert answer.title == "Resubmitted as m-1:retry-1."
    assert answer.tone == "good"
    assert is_over


def test_a_discarded_letter_leads_to_the_archive():
    answer, is_over = answer_of(item(ItemState.DONE, JobKind.DISCARD))
    assert answer.href == routes.archived_letter(ARCHIVED)
    assert is_over


def test_a_copy_without_its_original_removed_is_told_as_it_is():
    answer, is_over = answer_of(item(ItemState.SENT))
    assert "the original is still among the dead letters" in answer.title
    assert answer.tone == "warn"
    assert answer.href == routes.dead_letter_job(UUID(int=2))
    assert is_over  # nobody must send it once more meanwhile


def test_what_failed_is_not_told_as_done_and_can_be_tried_again():
    answer, is_over = answer_of(item(ItemState.FAILED, problem="The queue said no."))
    assert (answer.tone, answer.text) == ("bad", "The queue said no.")
    assert not is_over


def test_a_letter_that_was_gone_cannot_be_tried_again():
    answer, is_over = answer_of(item(ItemState.GONE))
    assert answer.title == "Nothing was done."
    assert is_over


@pytest.mark.parametrize("state", list(ItemState))
def test_every_state_has_an_answer_and_a_badge(state):
    for kind in JobKind:
        answer, _ = answer_of(item(state, kind))
        assert answer.title
        assert status.dead_letter_item(state, kind).label


def test_who_handled_it_is_named_with_the_time_of_the_one_who_reads():
    told = handled_text(handled_of(item(ItemState.DONE)), CHICAGO, NOW)
    assert told.startswith("Resubmit by dana@example.com at 14:03:11: Sent again as")
    later = handled_text(handled_of(item(ItemState.WAITING)), CHICAGO, NOW + timedelta(days=2))
    assert later.startswith("Resubmit by dana@example.com since 2026-09-22 14:03:11")
    assert handled_text(None, CHICAGO, NOW) == ""


def test_a_diff_shows_what_changed_with_its_neighbours_only():
    lines = [DiffLine(" ", f"line {number}") for number in range(20)]
    lines[9:10] = [DiffLine("-", "old"), DiffLine("+", "new")]
    rows = diff_rows(lines)
    assert [row.look for row in rows] == ["gap", *["same"] * 3, "rem", "add", *["same"] * 3, "gap"]
    assert (rows[4].sign, rows[5].sign) == ("\N{MINUS SIGN}", "+")


def test_a_problem_names_its_line_also_where_only_a_field_is_known():
    text = '{\n  "payload": {\n    "amount": "x"\n  }\n}'
    assert line_of("payload.command.amount", text) == 3
    assert problem_text(EditProblem(14, None, "Expecting value"), text) == (
        "Line 14: Expecting value."
    )
    assert problem_text(EditProblem(None, "payload.amount", "must be a number"), text) == (
        "Line 3: Payload.amount must be a number."
    )
    assert problem_text(EditProblem(None, "tenant_id", "must stay"), text) == (
        "Tenant_id must stay."
    )


def test_a_rows_key_names_its_letter_whatever_its_id_is():
    assert key_of("email-send/18/a/b c") == LetterKey(Queue.EMAIL_SEND, 18, "a/b c")


@pytest.mark.parametrize(
    "text", ["", "email-send", "email-send/x/m", "nowhere/1/m", "email-send/1/"]
)
def test_a_key_that_names_nothing_is_refused(text):
    with pytest.raises(InvalidInput):
        key_of(text)


def test_an_address_is_a_filter_and_none_is_a_value_of_its_own():
    nothing = dict.fromkeys(FILTERS, "")
    assert filter_of(nothing).is_any
    wanted = filter_of(nothing | {"queue": "email-send", "reason": "none", "type": "x", "q": "y"})
    assert wanted.queue is Queue.EMAIL_SEND
    assert (wanted.reason, wanted.message_type, wanted.q) == (NONE, "x", "y")
    with pytest.raises(InvalidInput):
        filter_of(nothing | {"queue": "nowhere"})


def test_links_lead_only_where_the_reader_may_go():
    actor = Actor(UUID(int=3), Role.SUPPORT, "dana", "c-1")
    assert shared.letter_link(actor, "invoice", "7") == routes.invoice("7")
    assert shared.letter_link(actor, "correlation", "c-1") == routes.trace("c-1")
    assert shared.letter_link(actor, "webhook_event", "7") == routes.webhook("7")
    assert shared.letter_link(actor, "something_else", "7") == ""
    assert shared.letter_link(PlatformActor("root", "c-1"), "invoice", "7") == ""


def test_an_age_has_its_two_largest_units():
    ages = {"40s": 40, "5m": 300, "2h 5m": 7500, "1d": 86_400, "3d 4h": 273_600}
    for text, seconds in ages.items():
        assert shared.age(NOW - timedelta(seconds=seconds), NOW) == text
    assert shared.age(None, NOW) == ""
    assert shared.age(NOW + timedelta(seconds=9), NOW) == "0s"


def test_a_reason_that_is_not_ours_is_shown_as_it_stands():
    assert status.dead_reason("SomeBrokersReason").label == "SomeBrokersReason"
    assert status.dead_reason(None).label == "No reason given"
