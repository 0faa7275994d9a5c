"""Acts on dead letters: what would be done, and doing it, to one letter or to many.

First a plan: how many, how old, what is left out and why. To start, the letters are looked up
again; if they are not as many as the plan said, nothing is done. A job then has exactly these
letters: what arrives later, or starts to match, is not touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID, uuid4

import sqlalchemy as sa

from backend.actor import Action
from backend.audit import PLATFORM_CHAIN
from backend.db.engine import Database
from backend.db.statements import PlatformStatement, Statement
from backend.errors import InvalidInput, StateConflict
from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.transport import Transport
from backend.support.access import AnyActor, require, scope_of
from backend.support.claims import (
    find_claims,
    free_ones,
    look_up,
    refuse,
    require_untouched,
)
from backend.support.editing import checked_edit
from backend.support.executor import run_job
from backend.support.groups import forget_counts
from backend.support.items import ItemView
from backend.support.jobs import JobView, get_job, list_items
from backend.support.letters import (
    LetterFilter,
    LetterKey,
    LetterSummary,
    get_letter,
    matching,
)
from backend.support.models import (
    ITEMS,
    JOBS,
    MESSAGE_ID_LENGTH,
    ItemState,
    JobKind,
    JobState,
)
from backend.support.progress import LEASE
from backend.unit_of_work import UnitOfWork, read, run

# Written in one transaction, for which everybody else waits: some tenths of a second.
ITEMS_MAX = 10_000

_ADD_JOB = Statement(sa.insert(JOBS))
_ADD_ITEM = PlatformStatement(sa.insert(ITEMS))


@dataclass(frozen=True, slots=True)
class Selected:
    """These letters."""

    keys: tuple[LetterKey, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """All letters that match, as they are when the job starts."""

    filter: LetterFilter


Scope = Selected | Matching


class Wanted(TypedDict, total=False):
    """What a start is checked against: as many letters as the plan said.

    `body` is sent instead of the one letter's own; a purge needs the queue's name as it was typed.
    """

    expected_count: Required[int]
    body: str | None
    queue_typed: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do: how many letters, how old (UTC), and what it leaves out and why.

    Not complete: there are more than one job takes, and these are the oldest of each queue.
    """

    kind: JobKind
    count: int
    oldest_at: datetime | None
    newest_at: datetime | None
    by_queue: list[tuple[Queue, int]]
    skipped: list[tuple[str, int]]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _Chosen:
    letters: list[LetterSummary]
    skipped: list[tuple[str, int]]
    is_complete: bool


def plan_job(
    db: Database, transport: Transport, actor: AnyActor, kind: JobKind, scope: Scope
) -> Plan:
    """What would be done; nothing is. Raises InvalidInput, NotAllowed, Busy."""
    _require(actor, kind, scope)
    chosen = _choose(db, transport, actor, scope)
    instants = [one.at for one in chosen.letters]
    return Plan(
        kind=kind,
        count=len(chosen.letters),
        oldest_at=min(instants, default=None),
        newest_at=max(instants, default=None),
        by_queue=list(Counter(one.queue for one in chosen.letters).items()),
        skipped=chosen.skipped,
        is_complete=chosen.is_complete,
    )


def start_job(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    kind: JobKind,
    scope: Scope,
    **wanted: Unpack[Wanted],
) -> JobView:
    """Claim the letters and let a worker do it.

    Raises StateConflict (count_changed, already_claimed, nothing_to_do), NotFound
    (already_handled, dead_letter_not_found), InvalidInput, NotAllowed, Busy.
    """
    job_id = _start(db, transport, actor, kind, scope, None, **wanted)
    return read(db, actor, get_job, job_id)


def run_here(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    kind: JobKind,
    scope: Scope,
    **wanted: Unpack[Wanted],
) -> JobView:
    """`start_job`, carried out by the caller before this returns.

    What cannot be done now, for the queue is away, a worker does later; the job says so.
    """
    token = uuid4()
    job_id = _start(db, transport, actor, kind, scope, token, **wanted)
    run_job(db, transport, job_id, token=token)
    return read(db, actor, get_job, job_id)


def act_now(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    kind: JobKind,
    key: LetterKey,
    *,
    body: str | None = None,
) -> ItemView:
    """Do it to one letter at once; what became of it, which may be "not yet".

    Raises what `start_job` raises.
    """
    job = run_here(db, transport, actor, kind, Selected((key,)), expected_count=1, body=body)
    (item,) = read(db, actor, list_items, job.job_id).items
    return item


def run_again(db: Database, transport: Transport, actor: AnyActor, job_id: UUID) -> JobView:
    """Go on now with a job that waits for its next try. Raises NotFound, NotAllowed."""
    read(db, actor, get_job, job_id)
    run_job(db, transport, job_id)
    return read(db, actor, get_job, job_id)


def _require(actor: AnyActor, kind: JobKind, scope: Scope) -> None:
    require(actor)
    if kind is JobKind.PURGE:
        require(actor, Action.SUPPORT_PURGE)
        if not isinstance(scope, Matching) or scope.filter.queue is None:
            raise InvalidInput.of("queue", "a purge takes a whole queue")
        if not scope.filter.is_any:
            raise InvalidInput.of("filter", "a purge takes a whole queue; discard takes a filter")
    if isinstance(scope, Selected) and len(scope.keys) > ITEMS_MAX:
        raise InvalidInput.of("keys", f"must be at most {ITEMS_MAX}")


def _start(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    kind: JobKind,
    scope: Scope,
    token: UUID | None,
    *,
    expected_count: int,
    body: str | None = None,
    queue_typed: str | None = None,
) -> UUID:
    _require(actor, kind, scope)
    if kind is JobKind.PURGE and isinstance(scope, Matching) and queue_typed != scope.filter.queue:
        raise InvalidInput.of("queue_typed", f"must be {scope.filter.queue}")
    single = scope.keys[0] if isinstance(scope, Selected) and len(scope.keys) == 1 else None
    if body is not None:
        if kind is not JobKind.RESUBMIT or single is None:
            raise InvalidInput.of("body", "only one message that is sent again can be edited")
        letter = get_letter(db, transport, actor, single.queue, single.sequence_number)
        body = checked_edit(actor, letter, body)
    seen_at = db.clock()
    chosen = _choose(db, transport, actor, scope)
    if single is not None:
        if not chosen.letters:
            read(db, actor, refuse, single)
    elif not chosen.letters:
        told = "; ".join(f"{count} {reason}" for reason, count in chosen.skipped)
        raise StateConflict(
            f"There is nothing to do{f': {told}' if told else ''}.", code="nothing_to_do"
        )
    _require_count(expected_count, len(chosen.letters))
    job_id = run(db, actor, _write, kind, scope, chosen.letters, body, token, seen_at)
    forget_counts(transport)
    return job_id


def _require_count(expected: int, found: int) -> None:
    if found != expected:
        raise StateConflict(
            f"There are {found} messages now, not {expected}; nothing was done.",
            code="count_changed",
            expected=expected,
            found=found,
        )


def _choose(db: Database, transport: Transport, actor: AnyActor, scope: Scope) -> _Chosen:
    """The letters of a scope that are there and that nobody is at work on."""
    is_complete = True
    missing: list[LetterKey] = []
    found: list[LetterSummary] = []
    if isinstance(scope, Selected):
        found, missing = look_up(transport, actor, scope.keys)
    else:
        for seen in matching(transport, actor, scope.filter):
            if seen is None or len(found) == ITEMS_MAX:
                is_complete = False
                if seen is not None:
                    break
            else:
                found.append(seen.summary)
    letters, skipped = read(db, actor, free_ones, found, missing)
    return _Chosen(letters, skipped, is_complete)


def _write(
    work: UnitOfWork,
    kind: JobKind,
    scope: Scope,
    letters: Sequence[LetterSummary],
    body: str | None,
    token: UUID | None,
    seen_at: datetime,
) -> UUID:
    """The job and its claims, unless somebody has claimed one of the letters meanwhile."""
    claims = find_claims(work, [one.key for one in letters])
    taken = [claims[one.key] for one in letters if one.key in claims]
    if len(letters) == 1:
        require_untouched(work, letters[0].key, taken, seen_at=seen_at)
    _require_count(len(letters), len(letters) - len(taken))
    job_id = new_id()
    text = _described(scope, letters)
    work.execute(
        _ADD_JOB,
        tenant_id=scope_of(work.actor),
        id=job_id,
        kind=kind,
        state=JobState.OPEN,
        scope=text,
        who=work.actor.who,
        user_id=work.actor.user_id,
        correlation_id=work.actor.correlation_id,
        item_count=len(letters),
        created_at=work.now,
        finished_at=None,
        cancel_asked_at=None,
        cancelled_by=None,
        due_at=work.now,
        setbacks=0,
        problem=None,
        lease_token=token,
        leased_until=work.now + LEASE if token is not None else None,
    )
    work.execute_many(_ADD_ITEM, [_item(work, job_id, kind, one, body) for one in letters])
    work.record(
        "dead_letter_job.started",
        "dead_letter_job",
        job_id,
        after={"kind": kind, "scope": text, "item_count": len(letters)},
    )
    return job_id


def _item(
    work: UnitOfWork, job_id: UUID, kind: JobKind, one: LetterSummary, body: str | None
) -> dict[str, Any]:
    return {
        "tenant_id": one.tenant_id or PLATFORM_CHAIN,
        "id": new_id(),
        "job_id": job_id,
        "kind": kind,
        "who": work.actor.who,
        "queue": one.queue.value,
        "sequence_number": one.sequence_number,
        "message_id": one.message_id,
        "original_message_id": one.original_message_id,
        "message_type": _cut(one.message_type, 64),
        "correlation_id": _cut(one.correlation_id, MESSAGE_ID_LENGTH),
        "state": ItemState.WAITING,
        "body": body,
        "copy_message_id": None,
        "archive_id": None,
        "tries": 0,
        "problem": None,
        "claimed_at": work.now,
        "changed_at": work.now,
        "finished_at": None,
    }


def _cut(text: str | None, length_max: int) -> str | None:
    return None if text is None else text[:length_max]


def _described(scope: Scope, letters: Sequence[LetterSummary]) -> str:
    """What the job is about, for a person."""
    if isinstance(scope, Selected):
        if len(letters) == 1:
            return f"message {letters[0].message_id} of {letters[0].queue.value}"
        return f"{len(letters)} selected messages"
    wanted = scope.filter
    told = {
        "queue": wanted.queue,
        "reason": wanted.reason,
        "type": wanted.message_type,
        "tenant": wanted.tenant_id,
        "text": wanted.q,
    }
    parts = [f"{name} {value or 'none'}" for name, value in told.items() if value is not None]
    return f"all with {', '.join(parts)}"[:1000] if parts else "all dead letters"
