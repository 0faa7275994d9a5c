"""What the pages of activity and webhooks say: changes, latencies, bodies, plans, the file."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from backend.reporting.activity import ActivityFilter, ValueChange
from backend.verification.chain import ChainPart, Place
from backend.verification.findings import Finding
from backend.webhooks.endpoints import EndpointView
from backend.webhooks.models import SignatureResult, WebhookEventStatus
from backend.webhooks.plan import ReplayPlan
from backend.webhooks.queries import WebhookEventView
from backend.webhooks.replay import REPLAYS_MAX
from billerjacket_app import activity_file
from billerjacket_app.components.changes import TITLE_LENGTH_MAX, VALUE_LENGTH_MAX, lines_of
from billerjacket_app.format import MINUS
from billerjacket_app.newer import LOOK_MAX, count_newer
from billerjacket_app.pages.activity_chain import FINDINGS_SHOWN, CheckedPart, _view
from billerjacket_app.pages.activity_rows import kind_text
from billerjacket_app.pages.webhook_text import pretty_json, why_believed
from billerjacket_app.pages.webhooks_rows import latency_text, plan_view, problem_text

NOON = datetime(2026, 9, 22, 17, 0, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
ID = UUID(int=7)


def test_a_change_is_a_line_for_each_value_with_a_sign():
    changes = (ValueChange("due_date", "2026-08-01", "2026-08-11"), ValueChange("note", None, "x"))
    assert [(line.text, line.look) for line in lines_of(changes)] == [
        (f"{MINUS} due date: 2026-08-01", "rem"),
        ("+ due date: 2026-08-11", "add"),
        ("+ note: x", "add"),
    ]


def test_a_long_value_is_cut_and_whole_in_its_title():
    (line,) = lines_of((ValueChange("body", "a \n b" + "c" * 5000, None),))
    assert line.text.startswith(f"{MINUS} body: a b")
    assert line.text.endswith("c…")
    assert len(line.text) < VALUE_LENGTH_MAX + 20
    assert len(line.title) == TITLE_LENGTH_MAX


@pytest.mark.parametrize(
    ("now", "known", "count"),
    [
        ("dcba", "ba", 2),
        ("ba", "ba", 0),
        ("cb", "ba", 1),  # the last one left, nothing moved up
        ("cbz", "cba", 0),  # an older one moved up behind those that were there
        ("xczb", "cba", 2),  # one came, one is back among them
        ("xyz", "cba", 3),
        ("x", "", 1),
        ("", "cba", 0),
    ],
)
def test_only_what_came_in_front_is_new(now, known, count):
    assert count_newer(list(now), list(known)) == count


def test_a_page_looks_no_further_than_a_list_gives_at_once():
    assert count_newer([str(n) for n in range(LOOK_MAX)], ["x"]) == LOOK_MAX


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "—"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (59_999, "59.9 s"),
        (60_000, "1 min"), (7_199_999, "119 min"), (7_200_000, "2 h"),
    ],
)  # fmt: skip
def test_a_latency_is_told_in_its_largest_unit(milliseconds, text):
    assert latency_text(milliseconds) == text


def test_a_body_is_indented_and_its_numbers_stay_as_they_came():
    text = '{"amount": 12.50, "id": "é", "list": [1, 1e3, 0.10]}'
    pretty = pretty_json(text)
    assert json.loads(pretty) == json.loads(text)
    assert '"amount": 12.50' in pretty
    assert "1e3" in pretty
    assert "0.10" in pretty
    assert "é" in pretty


@pytest.mark.parametrize("text", ["", "not json", '{"a":', "[" * 100_000])
def test_a_body_that_is_no_json_is_not_indented(text):
    assert pretty_json(text) == ""


def test_a_problem_is_told_without_its_code():
    assert problem_text("invoice_not_open: the invoice is a draft") == "The invoice is a draft."
    assert problem_text("No code: at all") == "No code: at all."
    assert problem_text(None) == ""


def event(signature, **more):
    fields: dict[str, Any] = dict.fromkeys(WebhookEventView.__slots__) | {
        "webhook_event_id": ID,
        "provider": "stripe",
        "status": WebhookEventStatus.PROCESSED,
        "signature": signature,
        "received_at": NOON,
        "codes": (),
    }
    return WebhookEventView(**fields | more)


def endpoint(**more):
    fields: dict[str, Any] = dict.fromkeys(EndpointView.__slots__) | {
        "webhook_endpoint_id": ID,
        "provider": "stripe",
        "token_hint": "AbCdEf",
        "is_active": True,
    }
    return EndpointView(**fields | more)


def test_why_an_event_was_believed_is_told_in_words():
    told = why_believed(event(SignatureResult.VERIFIED), endpoint(), CHICAGO)
    assert "the endpoint Stripe AbCdEf…" in told
    assert "2026-09-22 12:00:00" in told
    assert "Two secrets" not in told
    rolled = endpoint(previous_secret_set_at=NOON)
    assert "Two secrets" in why_believed(event(SignatureResult.VERIFIED), rolled, CHICAGO)
    assert "API key" in why_believed(event(SignatureResult.API_KEY), None, CHICAGO)
    assert "proves nothing" in why_believed(event(SignatureResult.FAILED), None, CHICAGO)


def test_a_plan_says_how_many_and_how_many_of_them_are_done():
    later = NOON + timedelta(hours=1)
    plan = plan_view(ReplayPlan(14, 3, NOON, later), CHICAGO)
    assert plan.title == "Replay 14 events?"
    assert plan.verb == "Replay 14 events"
    assert plan.span == "Received from 2026-09-22 12:00:00 to 2026-09-22 13:00:00."
    assert plan.processed.startswith("3 of them")
    assert plan_view(ReplayPlan(1, 1, NOON, NOON), CHICAGO).processed.startswith("All of them")
    assert plan_view(ReplayPlan(1, 0, NOON, NOON), CHICAGO).processed.startswith("None of them")


def test_a_plan_that_is_none_says_so():
    empty = plan_view(ReplayPlan(0, 0, None, None), CHICAGO)
    many = plan_view(ReplayPlan(REPLAYS_MAX + 1, 0, NOON, NOON), CHICAGO)
    assert (empty.is_possible, many.is_possible) == (False, False)
    assert "too many" in many.title


def checked(sequence, length, is_last, *findings):
    return CheckedPart(ChainPart(Place(sequence, "x"), length, is_last, findings), "14:03:11")


def finding(check, subject="audit_log", expected="#3 a", found="#2 b"):
    return Finding(ID, check, subject, expected, found)


def test_a_check_is_honest_while_it_runs_and_says_what_it_found():
    running = _view(checked(5000, 12_040, False), [])
    assert (running.stage, running.text) == ("running", "Checking… 5,000 of 12,040 entries")
    whole = _view(checked(12_040, 12_040, True), [])
    assert whole.stage == "whole"
    assert whole.text == "The chain of 12,040 entries is whole, checked 14:03:11"
    found = [
        finding("audit_sequence", expected="4", found="6"),
        finding("audit_hash", "audit_log #7"),
        finding("audit_head"),
    ]
    assert "3 faults so far" in _view(checked(5000, 12_040, False), found).text
    broken = _view(checked(9, 9, True), found)
    assert broken.stage == "broken"
    assert broken.findings[0].startswith("Entry 4 is missing; entry 6")
    assert broken.findings[1].startswith("Entry 7 is not as it was written")
    assert "should be #3, and is #2" in broken.findings[2]
    many = _view(checked(9, 9, True), found * FINDINGS_SHOWN)
    assert len(many.findings) == FINDINGS_SHOWN + 1
    assert many.findings[-1] == f"And {2 * FINDINGS_SHOWN} other faults."


def test_kinds_of_things_are_told_in_words():
    assert kind_text("communication") == "E-mail"
    assert kind_text("api_key") == "API key"
    assert kind_text("dunning_plan") == "Dunning plan"


def test_the_file_has_both_times_and_no_formulas():
    row = {
        "sequence": 2,
        "at": NOON,
        "action": "customer.created",
        "entity_type": "customer",
        "entity_id": ID,
        "actor": "=HYPERLINK(1)",
        "correlation_id": "-2+3",
        "data": '{"before":null,"after":{"name":"Élan, \\"Inc\\""}}',
    }
    batches = [[row], []]

    async def read(_query, narrowed, *, before):
        assert narrowed == ActivityFilter()
        assert before == (None if len(batches) == 2 else 2)
        return batches.pop(0)

    async def whole():
        return [piece async for piece in activity_file.pieces(read, ActivityFilter(), CHICAGO)]

    text = b"".join(asyncio.run(whole())).decode()
    head, line = csv.reader(io.StringIO(text, newline=""))
    named = dict(zip(head, line, strict=True))
    assert named["at (UTC)"] == "2026-09-22 17:00:00+00:00"
    assert named["at (America/Chicago)"] == "2026-09-22 12:00:00-05:00"
    assert named["actor"] == "'=HYPERLINK(1)"
    assert named["correlation_id"] == "'-2+3"
    assert named["before"] == ""
    assert json.loads(named["after"]) == {"name": 'Élan, "Inc"'}
