"""A dead letter's body edited by a person: what is wrong with it, and what was changed.

What says whose the message is, who asked for it and which message it is stays as it was; only
where the original has no such thing that anybody could read, it may be given.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from backend.actor import Action
from backend.errors import FieldError, InvalidInput
from backend.messaging.contracts import ApplyPayment, Queue
from backend.messaging.envelope import (
    BadEnvelope,
    Envelope,
    UnknownMessageType,
    read_envelope,
    read_message,
)
from backend.payments.service import RecordPayment
from backend.support.access import AnyActor, as_uuid, json_object, require
from backend.support.contents import pretty_json
from backend.support.letters import LetterDetail

# As much as a message may have on the smallest tier of Service Bus, with room for its properties.
BODY_BYTES_MAX = 192 * 1024

_COMMAND: TypeAdapter[RecordPayment] = TypeAdapter(RecordPayment)
_FIXED = ("message_id", "tenant_id", "requested_by_user_id")


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of the two texts laid side by side: " " in both, "-" before, "+" after."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class EditProblem:
    """What is wrong with an edited body; `line` counts from 1 where one can be named."""

    line: int | None
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class EditCheck:
    """What an edit changes, and why it cannot be sent; it can be when there are no problems."""

    diff: list[DiffLine]
    problems: list[EditProblem]

    @property
    def is_changed(self) -> bool:
        """Whether anything differs."""
        return any(line.sign != " " for line in self.diff)


class _Twice(ValueError):
    """A name occurs twice in an object: readers differ in which one they take."""


def check_edit(actor: AnyActor, letter: LetterDetail, text: str) -> EditCheck:
    """Whether this text may be sent instead of the letter's body; nothing is sent.

    Raises NotAllowed: who edits a payment must be allowed to record one.
    """
    require_edit(actor, letter.summary.queue)
    problems = _problems(letter, text)
    contents = None if problems and problems[0].field is None else json_object(text.encode())
    after = text if contents is None else pretty_json(contents)
    return EditCheck(_diff(letter.body_text, after), problems)


def require_edit(actor: AnyActor, queue: Queue) -> None:
    """Raise NotAllowed unless the actor may edit messages of this queue."""
    require(actor)
    if queue is Queue.PAYMENT_COMMANDS:
        actor.require(Action.PAYMENTS_WRITE)


def checked_edit(actor: AnyActor, letter: LetterDetail, text: str) -> str:
    """The text, when it may be sent. Raises InvalidInput with every problem, NotAllowed."""
    problems = check_edit(actor, letter, text).problems
    if problems:
        raise InvalidInput(
            [FieldError(one.field or "body", _with_line(one)) for one in problems],
            code="edit_refused",
        )
    return text


def _with_line(problem: EditProblem) -> str:
    where = f"line {problem.line}: " if problem.line is not None else ""
    return f"{where}{problem.message}"


def _problems(letter: LetterDetail, text: str) -> list[EditProblem]:
    if len(text.encode("utf-8", "backslashreplace")) > BODY_BYTES_MAX:
        return [EditProblem(None, None, f"must be at most {BODY_BYTES_MAX // 1024} KiB")]
    try:
        contents = json.loads(
            text, object_pairs_hook=_each_name_once, parse_constant=_no_such_number
        )
    except json.JSONDecodeError as error:
        return [EditProblem(error.lineno, None, f"{error.msg} (column {error.colno})")]
    except (ValueError, RecursionError) as error:
        return [EditProblem(None, None, str(error))]
    if not isinstance(contents, dict):
        return [EditProblem(1, None, "must be a JSON object")]
    return _fixed_problems(letter, contents) + _schema_problems(letter, text)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _Twice(f"the name {twice!r} occurs twice in one object")
    return dict(pairs)


def _no_such_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _fixed_problems(letter: LetterDetail, contents: dict[str, Any]) -> list[EditProblem]:
    before = json_object(letter.body_text.encode()) if letter.is_json else None
    problems = []
    for name in _FIXED:
        wanted = _fixed_value(letter, before, name)
        is_free = wanted is None and name != "requested_by_user_id"
        if not is_free and as_uuid(contents.get(name)) != wanted:
            told = "may not be given" if wanted is None else f"must stay {wanted}"
            problems.append(EditProblem(None, name, told))
    return problems


def _fixed_value(letter: LetterDetail, before: dict[str, Any] | None, name: str) -> UUID | None:
    """What the field must be: what it was, else what the queue knows of it."""
    if name == "tenant_id":
        return letter.summary.tenant_id
    was = as_uuid((before or {}).get(name))
    if was is None and name == "message_id":
        return as_uuid(letter.summary.original_message_id)
    return was


def _schema_problems(letter: LetterDetail, text: str) -> list[EditProblem]:
    try:
        envelope = read_envelope(text.encode())
        message = read_message(envelope)
    except BadEnvelope as error:
        return [EditProblem(None, "envelope", str(error))]
    except UnknownMessageType as error:
        return [EditProblem(None, "message_type", str(error))]
    except UnicodeEncodeError:
        return [EditProblem(None, None, "holds half a character")]
    if message.queue is not letter.summary.queue:
        told = f"{envelope.message_type} belongs into the queue {message.queue.value}"
        return [EditProblem(None, "message_type", told)]
    return _command_problems(envelope, message) if isinstance(message, ApplyPayment) else []


def _command_problems(envelope: Envelope, message: ApplyPayment) -> list[EditProblem]:
    try:
        _COMMAND.validate_python(message.command)
    except ValidationError as error:
        return [
            EditProblem(
                None,
                ".".join(("payload.command", *(str(part) for part in problem["loc"]))),
                problem["msg"],
            )
            for problem in error.errors(include_url=False, include_input=False)
        ]
    return []


def _diff(before: str, after: str) -> list[DiffLine]:
    old, new = before.splitlines(), after.splitlines()
    lines = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            lines += [DiffLine(" ", line) for line in old[start:end]]
        else:
            lines += [DiffLine("-", line) for line in old[start:end]]
            lines += [DiffLine("+", line) for line in new[new_start:new_end]]
    return lines
