"""One dead letter as text: what it is, why it died, what it is about, what was done with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backend.actor import Action
from backend.errors import NotFound
from backend.messaging.contracts import Queue
from backend.messaging.transport import Transport
from backend.support.editing import DiffLine, EditCheck, EditProblem, check_edit
from backend.support.items import ItemView
from backend.support.letters import LetterDetail, get_letter, parse_queue
from billerjacket_app import bridge, routes, status
from billerjacket_app import format as fmt
from billerjacket_app.pages.support_dlq_list import handled_text
from billerjacket_app.pages.support_dlq_state import AnyActor, letter_link, permits, zone_of
from billerjacket_app.status import Badge

# Unchanged lines shown around a change.
DIFF_CONTEXT = 3
_LINK_LABELS = {
    "invoice": "Invoice",
    "payment": "Payment",
    "customer": "Customer",
    "communication": "E-mail",
    "webhook_event": "Webhook event",
}
_OPEN = ("waiting", "sent", "archived")


@dataclass
class Pair:
    """A name and its value, with a page when there is one."""

    name: str = ""
    value: str = ""
    href: str = ""


@dataclass
class AttemptRow:
    """One delivery that failed."""

    number: str = ""
    at: fmt.When = field(default_factory=fmt.When)
    outcome: str = ""
    problem: str = ""


@dataclass
class ActRow:
    """One act on the message or a copy of it."""

    badge: Badge = field(default_factory=Badge)
    who: str = ""
    text: str = ""
    at: fmt.When = field(default_factory=fmt.When)
    href: str = ""
    key: str = ""


@dataclass
class LetterFacts:
    """The letter."""

    title: str = ""
    badge: Badge = field(default_factory=Badge)
    retried: str = ""
    message_id: str = ""
    original_id: str = ""
    queue: str = ""
    queue_href: str = ""
    group_href: str = ""
    sequence: str = ""
    tenant: str = ""
    deliveries: str = ""
    queued: fmt.When = field(default_factory=fmt.When)
    died: fmt.When = field(default_factory=fmt.When)
    reason: str = ""
    description: str = ""
    unreadable: str = ""
    body: str = ""
    language: str = ""
    digest: str = ""
    correlation_id: str = ""
    trace_href: str = ""
    handled: str = ""
    is_claimed: bool = False
    money: str = ""
    may_edit: bool = False
    edit_why: str = ""


@dataclass(frozen=True)
class Found:
    """All that the page shows; `detail` stays on the server."""

    facts: LetterFacts
    links: list[Pair]
    properties: list[Pair]
    attempts: list[AttemptRow]
    history: list[ActRow]
    detail: LetterDetail


@dataclass
class DiffRow:
    """A line of a diff: what stood there, what stands there, or a gap."""

    sign: str = ""
    text: str = ""
    look: str = ""


@dataclass(frozen=True)
class Checked:
    """An edited body: what is wrong with it, what it changes."""

    problems: list[str]
    diff: list[DiffRow]
    is_changed: bool


def load_letter(db: Any, transport: Transport, actor: AnyActor, queue: str, sequence: str) -> Found:
    """The letter that the address names. Raises NotFound, NotAllowed, Busy."""
    if queue not in tuple(Queue) or not sequence.isdecimal():
        raise NotFound("There is no such dead letter.", code="dead_letter_not_found")
    detail = get_letter(db, transport, actor, parse_queue(queue), int(sequence))
    zone, now = zone_of(db, actor), db.clock()
    return Found(
        facts=_facts(actor, detail, zone, now),
        links=[
            Pair(_LINK_LABELS.get(kind, kind), identifier, letter_link(actor, kind, identifier))
            for kind, identifier in detail.links
            if kind != "correlation"
        ],
        properties=[Pair(name, value) for name, value in sorted(detail.properties.items())],
        attempts=[
            AttemptRow(
                number=fmt.count(attempt.delivery_count),
                at=fmt.when_exactly(attempt.at, zone),
                outcome="Put back" if attempt.outcome == "put_back" else "Set aside",
                problem=attempt.problem,
            )
            for attempt in detail.attempts
        ],
        history=[_act(item, zone) for item in reversed(detail.history)],
        detail=detail,
    )


def check_text(
    _db: Any, _transport: Transport, actor: AnyActor, detail: LetterDetail, text: str
) -> Checked:
    """Whether an edited body may be sent, and what it changes. Raises NotAllowed."""
    check: EditCheck = check_edit(actor, detail, text)
    return Checked(
        problems=[problem_text(one, text) for one in check.problems],
        diff=diff_rows(check.diff) if check.is_changed else [],
        is_changed=check.is_changed,
    )


def problem_text(problem: EditProblem, text: str) -> str:
    """A problem with the line it is on; a field is looked for in the text."""
    line = problem.line or (line_of(problem.field, text) if problem.field else None)
    name = problem.field or ""
    said = bridge.sentence(f"{name} {problem.message}".strip() if name else problem.message)
    return f"Line {line}: {said}" if line else said


def line_of(path: str, text: str) -> int | None:
    """The first line on which the last name of a dotted path stands as a key."""
    wanted = f'"{path.rpartition(".")[2]}"'
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith(wanted):
            return number
    return None


def diff_rows(lines: list[DiffLine]) -> list[DiffRow]:
    """The changed lines with some of their neighbours; the rest is one line that says so."""
    near: set[int] = set()
    for number, line in enumerate(lines):
        if line.sign != " ":
            near.update(range(number - DIFF_CONTEXT, number + DIFF_CONTEXT + 1))
    rows: list[DiffRow] = []
    for number, line in enumerate(lines):
        if number in near:
            look = {"-": "rem", "+": "add"}.get(line.sign, "same")
            rows.append(DiffRow("\u2212" if line.sign == "-" else line.sign, line.text, look))
        elif not rows or rows[-1].look != "gap":
            rows.append(DiffRow("", "…", "gap"))
    return rows


def _facts(actor: AnyActor, detail: LetterDetail, zone: ZoneInfo, now: datetime) -> LetterFacts:
    one = detail.summary
    is_payment = one.queue is Queue.PAYMENT_COMMANDS
    may_edit = not is_payment or permits(actor, Action.PAYMENTS_WRITE)
    return LetterFacts(
        title=one.message_type or "Message without a type",
        badge=status.dead_reason(one.reason),
        retried=f"Resubmitted {_times(one.resubmission)}" if one.resubmission else "",
        message_id=one.message_id,
        original_id=one.original_message_id if one.resubmission else "",
        queue=one.queue.value,
        queue_href=routes.dead_letters(queue=one.queue.value),
        sequence=fmt.count(one.sequence_number),
        tenant=one.tenant_name or (str(one.tenant_id) if one.tenant_id else "Unreadable"),
        deliveries=fmt.count(one.delivery_count),
        queued=fmt.when_exactly(one.enqueued_at, zone),
        died=fmt.when_exactly(one.dead_at, zone),
        reason=one.reason or "",
        description=one.description or "",
        unreadable=bridge.sentence(detail.problem or ""),
        body=detail.body_text,
        language="JSON" if detail.is_json else "not JSON",
        digest=detail.digest,
        correlation_id=one.correlation_id or "",
        trace_href=letter_link(actor, "correlation", one.correlation_id)
        if one.correlation_id
        else "",
        handled=handled_text(one.handled, zone, now),
        is_claimed=one.handled is not None and one.handled.state in _OPEN,
        money=_money(detail) if is_payment else "",
        may_edit=may_edit,
        edit_why=""
        if may_edit
        else "You may send this payment again as it is. To edit one, you must be allowed to record "
        "payments.",
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{fmt.count(number)} times"


def _money(detail: LetterDetail) -> str:
    """What a payment command would record, as it says itself."""
    contents = json.loads(detail.body_text) if detail.is_json else {}
    payload = contents.get("payload")
    command = payload.get("command") if isinstance(payload, dict) else None
    if not isinstance(command, dict) or "amount" not in command:
        return "This is a payment. Its amount cannot be read."
    currency = command.get("currency_code")
    amount = f"{currency} {command['amount']}" if currency else f"{command['amount']}"
    return f"This is a payment of {amount}: it is recorded as received when it succeeds."


def _act(item: ItemView, zone: ZoneInfo) -> ActRow:
    href = routes.dead_letter_job(item.job_id)
    if item.archive_id is not None:
        href = routes.archived_letter(item.archive_id)
    return ActRow(
        badge=status.dead_letter_item(item.state, item.kind),
        who=item.who,
        text=item.text,
        at=fmt.when_exactly(item.changed_at, zone),
        href=href,
        key=str(item.item_id),
    )
