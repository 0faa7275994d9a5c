"""Editing a dead letter: checked like a message, fixed where it says whose it is, and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from backend.actor import Actor, PlatformActor
from backend.bootstrap import Services
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed
from backend.messaging.contracts import ApplyPayment, EvaluateDunning, Message
from backend.messaging.transport import DeadReason
from backend.support.acting import Matching, Selected, act_now, run_here
from backend.support.editing import BODY_BYTES_MAX, EditCheck, check_edit
from backend.support.letters import LetterDetail, LetterFilter, get_letter
from backend.support.models import ItemState, JobKind
from tests.factories import invoice_now, make_invoice, raw_rows
from tests.integration.support.letters import (
    PAYMENTS,
    Faulty,
    audited,
    bury,
    dead,
    message_of,
    nobodys,
    seen_by,
    work_off,
)


def open_one(
    db: Database, transport: Faulty, who: Any, tenant_id: UUID, message: Message
) -> LetterDetail:
    bury(transport, message_of(tenant_id, message))
    (one,) = seen_by(db, transport, who)
    return get_letter(db, transport, who, one.queue, one.sequence_number)


def changed(detail: LetterDetail, change: Callable[[dict[str, Any]], Any]) -> str:
    contents = orjson.loads(detail.body_text)
    change(contents)
    return orjson.dumps(contents).decode()


def told(check: EditCheck) -> list[tuple[int | None, str | None, str]]:
    return [(one.line, one.field, one.message) for one in check.problems]


@pytest.fixture
def detail(db: Database, transport: Faulty, actor: Actor, dana: Actor) -> LetterDetail:
    return open_one(db, transport, dana, actor.tenant_id, EvaluateDunning())


def test_an_edit_shows_what_it_changes_line_by_line(dana: Actor, detail: LetterDetail):
    text = changed(detail, lambda body: body["payload"].update(as_of="2026-03-01"))

    check = check_edit(dana, detail, text)

    assert check.problems == []
    assert check.is_changed
    moved = [(line.sign, line.text.strip()) for line in check.diff if line.sign != " "]
    assert moved == [("-", '"as_of": null,'), ("+", '"as_of": "2026-03-01",')]
    before = [line.text for line in check.diff if line.sign != "+"]
    assert "\n".join(before) == detail.body_text
    assert not check_edit(dana, detail, detail.body_text).is_changed


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{\n  "a": 1,\n  "b": oops\n}', 3, "Expecting value"),
        ('{\n  "a": 1\n', 3, "Expecting ',' delimiter"),
        ("", 1, "Expecting value"),
        ("[]", 1, "must be a JSON object"),
        ('{"a": NaN}', None, "NaN is no number of JSON"),
        ('{"a": 1, "a": 2}', None, "the name 'a' occurs twice"),
        ('{"p": {"a": 1, "b": 2, "a": 3}}', None, "the name 'a' occurs twice"),
        ("[" * 100_000, None, "recursion"),
        (f'{{"a": "{"x" * BODY_BYTES_MAX}"}}', None, "must be at most 192 KiB"),
        ('{"a": "\\ud800"}', None, ""),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(
    dana: Actor, detail: LetterDetail, text: str, line: int | None, message: str
):
    problem = check_edit(dana, detail, text).problems[0]

    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda b: b.update(message_id=str(uuid4())), "message_id", "must stay"),
        pytest.param(
            lambda b: b.pop("message_id"), "message_id", "must stay", id="without a message id"
        ),
        (lambda b: b.update(tenant_id=str(uuid4())), "tenant_id", "must stay"),
        (
            lambda b: b.update(requested_by_user_id=str(uuid4())),
            "requested_by_user_id",
            "may not be given",
        ),
        (lambda b: b.update(message_type="dunning.wrong"), "message_type", "nobody knows"),
        (
            lambda b: (
                b.update(message_type="email.receipt_requested"),
                b["payload"].update(payment_id=str(uuid4())),
            ),
            "message_type",
            "belongs into the queue email-send",
        ),
        (lambda b: b.update(occurred_at="yesterday"), "envelope", "occurred_at"),
        (lambda b: b.pop("correlation_id"), "envelope", "correlation_id: Field required"),
        (lambda b: b.update(resubmission=-1), "envelope", "resubmission"),
        (lambda b: b["payload"].update(as_of="soon"), "envelope", "as_of"),
        (lambda b: b.update(payload=[]), "envelope", "payload"),
    ],
)
def test_an_edit_that_no_handler_could_take_is_refused(
    dana: Actor,
    detail: LetterDetail,
    change: Callable[[dict[str, Any]], Any],
    field: str,
    message: str,
):
    problems = told(check_edit(dana, detail, changed(detail, change)))

    assert [where for _, where, _ in problems if where == field], problems
    assert any(message in text for _, where, text in problems if where == field), problems


def test_what_fails_the_check_is_not_sent(
    db: Database, transport: Faulty, dana: Actor, detail: LetterDetail
):
    for text in ("{", changed(detail, lambda b: b.update(tenant_id=str(uuid4())))):
        with pytest.raises(InvalidInput) as refusal:
            act_now(db, transport, dana, JobKind.RESUBMIT, detail.summary.key, body=text)
        assert refusal.value.code == "edit_refused"
    assert transport.sent == []
    assert dead(transport) == [detail.summary.message_id]


def test_an_edited_message_is_sent_in_place_of_the_original(
    db: Database, transport: Faulty, actor: Actor, dana: Actor, detail: LetterDetail
):
    text = changed(
        detail,
        lambda b: (b["payload"].update(as_of="2026-03-01"), b.update(correlation_id="mended-1")),
    )

    item = act_now(db, transport, dana, JobKind.RESUBMIT, detail.summary.key, body=text)

    assert item.state is ItemState.DONE
    (sent,) = transport.sent
    assert orjson.loads(sent.body) == orjson.loads(text) | {"resubmission": 1}
    assert (sent.tenant_id, sent.correlation_id) == (actor.tenant_id, "mended-1")
    ((data,),) = raw_rows(db, "SELECT data FROM audit_log WHERE action = 'dead_letter.resubmitted'")
    assert orjson.loads(data)["after"]["is_edited"] is True
    assert len(audited(db)) == 2


def test_only_one_message_can_be_edited_and_only_to_be_sent(
    db: Database, transport: Faulty, dana: Actor, detail: LetterDetail
):
    one = Selected((detail.summary.key,))
    for kind, scope in (
        (JobKind.DISCARD, one),
        (JobKind.RESUBMIT, Matching(LetterFilter())),
    ):
        with pytest.raises(InvalidInput, match="body"):
            run_here(db, transport, dana, kind, scope, expected_count=1, body=detail.body_text)


def test_support_edits_no_payment_but_sends_it_again(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    command: dict[str, object] = {"amount": "1.00", "invoice_id": str(uuid4())}
    detail = open_one(db, transport, dana, actor.tenant_id, ApplyPayment(command=command))

    with pytest.raises(NotAllowed):
        check_edit(dana, detail, detail.body_text)
    with pytest.raises(NotAllowed):
        act_now(db, transport, dana, JobKind.RESUBMIT, detail.summary.key, body=detail.body_text)
    assert check_edit(actor, detail, detail.body_text).problems == []
    assert (
        act_now(db, transport, dana, JobKind.RESUBMIT, detail.summary.key).state is ItemState.DONE
    )


def test_a_superadmin_moves_no_money_either(
    db: Database, transport: Faulty, actor: Actor, root: PlatformActor
):
    detail = open_one(db, transport, root, actor.tenant_id, ApplyPayment(command={}))

    with pytest.raises(NotAllowed):
        check_edit(root, detail, detail.body_text)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"method": "barter"}, "payload.command.method"),
        ({"invoice_id": "the last one"}, "payload.command.invoice_id"),
        ({"received_on": "soon"}, "payload.command.received_on"),
    ],
)
def test_an_edited_payment_must_be_one(
    db: Database,
    transport: Faulty,
    actor: Actor,
    change: dict[str, str],
    field: str,
):
    command: dict[str, object] = {"amount": "1.00", "invoice_id": str(uuid4())}
    detail = open_one(db, transport, actor, actor.tenant_id, ApplyPayment(command=command))

    text = changed(detail, lambda b: b["payload"]["command"].update(change))

    assert [one.field for one in check_edit(actor, detail, text).problems] == [field]


def test_an_edited_payment_is_recorded_as_edited(
    db: Database, services: Services, transport: Faulty, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id, "100.00")
    command: dict[str, object] = {"amount": "1000.00", "invoice_id": str(invoice.invoice_id)}
    detail = open_one(db, transport, actor, actor.tenant_id, ApplyPayment(command=command))

    text = changed(detail, lambda b: b["payload"]["command"].update(amount="100.00"))
    act_now(db, transport, actor, JobKind.RESUBMIT, detail.summary.key, body=text)
    work_off(services, PAYMENTS)

    assert str(invoice_now(db, actor, invoice.invoice_id).balance_due) == "0.00"


def test_a_superadmin_mends_what_nobody_could_read(
    db: Database, transport: Faulty, actor: Actor, root: PlatformActor
):
    whole = orjson.loads(message_of(actor.tenant_id, EvaluateDunning()).body)
    broken = orjson.dumps(whole).decode()[:-1]
    bury(transport, nobodys(whole["message_id"], broken.encode()), reason=DeadReason.BAD_ENVELOPE)
    (one,) = seen_by(db, transport, root)
    detail = get_letter(db, transport, root, one.queue, one.sequence_number)
    assert not detail.is_json

    wrong = whole | {"message_id": str(uuid4())}
    problems = check_edit(root, detail, orjson.dumps(wrong).decode()).problems
    assert [problem.field for problem in problems] == ["message_id"], "the queue knows it"

    text = orjson.dumps(whole).decode()
    assert check_edit(root, detail, text).problems == []
    act_now(db, transport, root, JobKind.RESUBMIT, one.key, body=text)
    (sent,) = transport.sent
    assert (sent.tenant_id, sent.message_type) == (actor.tenant_id, "dunning.evaluate")
