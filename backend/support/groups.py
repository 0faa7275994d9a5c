"""Dead letters at a glance: how many of each queue, reason and type, since when, and what is known.

Counting means peeking through the queues. What was counted is kept for a few seconds, so that
many open pages do not ask the broker again and again; every act here forgets it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from backend.checks import optional_text
from backend.db.engine import Database
from backend.db.statements import TENANT, Statement
from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.transport import Transport
from backend.support.access import AnyActor, may_see, require, scope_of
from backend.support.letters import NONE, SCAN_MAX, walk
from backend.support.models import NOTES
from backend.unit_of_work import Reader, UnitOfWork, read

KEPT_FOR = timedelta(seconds=5)
NOTE_LENGTH_MAX = 2000
_REASON_LENGTH_MAX = 200

_N = NOTES.c
_NOTES = Statement(
    sa.select(_N.queue, _N.reason, _N.message_type, _N.note, _N.who, _N.noted_at).where(
        _N.tenant_id == TENANT
    )
)
_THE_GROUP = (
    _N.tenant_id == TENANT,
    _N.queue == sa.bindparam("of_queue"),
    _N.reason == sa.bindparam("of_reason"),
    _N.message_type == sa.bindparam("of_type"),
)
_FIND = Statement(sa.select(_N.id, _N.note).where(*_THE_GROUP))
_ADD = Statement(sa.insert(NOTES))
_CHANGE = Statement(
    sa.update(NOTES)
    .where(*_THE_GROUP)
    .values(
        note=sa.bindparam("new_note"),
        who=sa.bindparam("new_who"),
        noted_at=sa.bindparam("now", type_=_N.noted_at.type),
    )
)
_FORGET = Statement(sa.delete(NOTES).where(*_THE_GROUP))


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters of one queue, reason and type, and the note of whoever looked into them (UTC)."""

    queue: Queue
    reason: str | None
    message_type: str | None
    count: int
    first_at: datetime
    last_at: datetime
    note: str | None = None
    note_by: str | None = None
    note_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueDead:
    """How many dead letters a queue has; at least as many when it is not exact."""

    queue: Queue
    count: int
    is_exact: bool
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups, the largest first, and all queues; complete unless a queue has too many."""

    groups: list[LetterGroup]
    queues: list[QueueDead]
    is_complete: bool


class _Counted(NamedTuple):
    tenant_id: UUID | None
    reason: str | None
    message_type: str | None
    at: datetime


class _Scan(NamedTuple):
    at: datetime
    letters: list[_Counted]
    is_complete: bool


_scans: WeakKeyDictionary[Transport, dict[Queue, _Scan]] = WeakKeyDictionary()
_lock = threading.Lock()


def group_letters(
    db: Database, transport: Transport, actor: AnyActor, *, anew: bool = False
) -> Groups:
    """The dead letters that the actor may see, counted. Raises NotAllowed, Busy.

    At most SCAN_MAX letters of a queue are counted; the figures may be KEPT_FOR old, unless they
    are asked for anew.
    """
    require(actor)
    scans = {queue: _scan(db, transport, queue, anew=anew) for queue in Queue}
    notes = {tuple(row[:3]): row for row in read(db, actor, _list_notes)}
    groups: list[LetterGroup] = []
    queues: list[QueueDead] = []
    for queue, scan in scans.items():
        letters = [one for one in scan.letters if may_see(actor, one.tenant_id)]
        oldest = min((one.at for one in letters), default=None)
        queues.append(QueueDead(queue, len(letters), scan.is_complete, oldest))
        groups += _grouped(queue, letters, notes)
    groups.sort(key=lambda one: (-one.count, one.queue, one.reason or "", one.message_type or ""))
    return Groups(groups, queues, all(scan.is_complete for scan in scans.values()))


def forget_counts(transport: Transport) -> None:
    """Count anew when asked next: something was done with the letters."""
    with _lock:
        _scans.pop(transport, None)


def note_group(
    work: UnitOfWork, queue: Queue, reason: str | None, message_type: str | None, note: str | None
) -> None:
    """Write down what is known about a group, for the others of the same scope; blank forgets it.

    Raises InvalidInput, NotAllowed.
    """
    require(work.actor)
    text = optional_text(note, field="note", max_length=NOTE_LENGTH_MAX, many_lines=True)
    group = {
        "tenant_id": scope_of(work.actor),
        "of_queue": queue.value,
        "of_reason": _kept(reason, _REASON_LENGTH_MAX),
        "of_type": _kept(message_type, 64),
    }
    found = work.first(_FIND, **group)
    if text == (found.note if found is not None else None):
        return
    note_id: UUID = new_id() if found is None else found.id
    if text is None:
        work.execute(_FORGET, **group)
    elif found is not None:
        work.execute(_CHANGE, **group, new_note=text, new_who=work.actor.who, now=work.now)
    else:
        work.execute(
            _ADD,
            tenant_id=group["tenant_id"],
            id=note_id,
            queue=queue.value,
            reason=group["of_reason"],
            message_type=group["of_type"],
            note=text,
            who=work.actor.who,
            noted_at=work.now,
        )
    named = {"queue": queue, "reason": reason, "message_type": message_type}
    work.record(
        "dead_letter_group.noted",
        "dead_letter_group",
        note_id,
        before={**named, "note": found.note} if found is not None else None,
        after={**named, "note": text},
    )


def _kept(text: str | None, length_max: int) -> str:
    return (text or NONE)[:length_max]


def _scan(db: Database, transport: Transport, queue: Queue, *, anew: bool = False) -> _Scan:
    now = db.clock()
    with _lock:
        known = _scans.get(transport, {}).get(queue)
    if not anew and known is not None and timedelta() <= now - known.at < KEPT_FOR:
        return known
    letters = []
    is_complete = True
    for number, seen in enumerate(walk(transport, queue)):
        if number == SCAN_MAX:
            is_complete = False
            break
        one = seen.summary
        letters.append(_Counted(one.tenant_id, one.reason, one.message_type, one.at))
    scan = _Scan(now, letters, is_complete)
    with _lock:
        _scans.setdefault(transport, {})[queue] = scan
    return scan


def _grouped(
    queue: Queue, letters: Iterable[_Counted], notes: dict[tuple[Any, ...], Any]
) -> list[LetterGroup]:
    found: dict[tuple[str | None, str | None], list[datetime]] = {}
    for one in letters:
        found.setdefault((one.reason, one.message_type), []).append(one.at)
    groups = []
    for (reason, message_type), instants in found.items():
        key = (queue.value, _kept(reason, _REASON_LENGTH_MAX), _kept(message_type, 64))
        note = notes.get(key)
        groups.append(
            LetterGroup(
                queue=queue,
                reason=reason,
                message_type=message_type,
                count=len(instants),
                first_at=min(instants),
                last_at=max(instants),
                note=note.note if note is not None else None,
                note_by=note.who if note is not None else None,
                note_at=note.noted_at if note is not None else None,
            )
        )
    return groups


def _list_notes(reader: Reader) -> list[Any]:
    return reader.rows(_NOTES, tenant_id=scope_of(reader.actor))
