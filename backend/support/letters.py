"""Dead letters as they lie in their queues: listed, searched and opened without being touched."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Actor
from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import InvalidInput, NotFound
from backend.messaging.attempts import FailedDelivery, list_failed_deliveries
from backend.messaging.contracts import Queue
from backend.messaging.lineage import original_id, resubmission_of
from backend.messaging.transport import DeadLetter, Transport
from backend.paging import checked_limit, unknown_cursor
from backend.support.access import (
    AnyActor,
    json_object,
    may_see,
    readable_tenant,
    require,
)
from backend.support.contents import body_text, links_of, pretty_json, problem_of
from backend.support.items import (
    Handled,
    ItemView,
    find_last_item,
    handled_of,
    list_items_of_original,
    moment,
)
from backend.support.models import ItemState
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, read

LIMIT_DEFAULT = 50
# What a request looks through in one queue before it answers with what it has.
SCAN_MAX = 10_000
_PEEK_MAX = 250
NONE = ""  # in a filter: letters that have no reason, or no readable type

_NAME = PlatformStatement(sa.select(TENANTS.c.name).where(TENANTS.c.id == sa.bindparam("wanted")))


@dataclass(frozen=True, slots=True)
class LetterKey:
    """What names a dead letter: its number in the queue, and its id, so that no other is meant."""

    queue: Queue
    sequence_number: int
    message_id: str


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; None means any. NONE as reason or type: those without one.

    `q` is looked for in the ids, the reason, the description and the body.
    """

    queue: Queue | None = None
    reason: str | None = None
    message_type: str | None = None
    tenant_id: UUID | None = None
    q: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether it lets every letter of its queues through."""
        narrowing = (self.reason, self.message_type, self.tenant_id)
        return all(one is None for one in narrowing) and not self.q


@dataclass(frozen=True, slots=True)
class LetterSummary:
    """A dead letter in a list. Instants are UTC; not every broker tells when a letter died."""

    queue: Queue
    sequence_number: int
    message_id: str
    original_message_id: str
    resubmission: int
    message_type: str | None
    tenant_id: UUID | None
    tenant_name: str | None
    correlation_id: str | None
    reason: str | None
    description: str | None
    delivery_count: int
    enqueued_at: datetime
    dead_at: datetime | None
    handled: Handled | None = None

    @property
    def key(self) -> LetterKey:
        """What names it."""
        return LetterKey(self.queue, self.sequence_number, self.message_id)

    @property
    def at(self) -> datetime:
        """When it died, as far as is known; else when it was queued."""
        return self.dead_at or self.enqueued_at


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some letters in the order of their queues, and where to go on; None after the last."""

    items: list[LetterSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """A dead letter opened. `problem` says why the worker cannot read it, None when it can.

    `attempts` are the failed deliveries of the message and its copies, `history` what was done
    with them, `links` pairs of a kind of thing and its id; `digest` is the body's SHA-256.
    """

    summary: LetterSummary
    body_text: str
    is_json: bool
    problem: str | None
    properties: dict[str, str]
    attempts: list[FailedDelivery]
    links: list[tuple[str, str]]
    history: list[ItemView]
    digest: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A letter with what its body says of it."""

    letter: DeadLetter
    contents: dict[str, Any] | None
    summary: LetterSummary


def list_letters(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    filter: LetterFilter,  # noqa: A002 (the word that fits)
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> LetterPage:
    """A page of the letters that the actor may see, queue after queue, oldest first.

    Where thousands do not match, a page may end early and go on with its cursor. Raises
    InvalidInput (limit, cursor), NotAllowed, Busy.
    """
    require(actor)
    limit = checked_limit(limit)
    queues, after = _start(filter, cursor)
    found: list[LetterSummary] = []
    for queue in queues:
        # A tenant's letters lie among others', as those that match lie among those that do not.
        is_whole = filter.is_any and not isinstance(actor, Actor)
        ahead = limit + 1 - len(found) if is_whole else _PEEK_MAX
        for number, seen in enumerate(walk(transport, queue, after=after, ahead=ahead)):
            is_wanted = _is_wanted(actor, filter, seen)
            if number == SCAN_MAX or (is_wanted and len(found) == limit):
                return LetterPage(_told(db, actor, found), _cursor(queue, after))
            after = seen.letter.sequence_number
            if is_wanted:
                found.append(seen.summary)
        after = 0
    return LetterPage(_told(db, actor, found), None)


def get_letter(
    db: Database, transport: Transport, actor: AnyActor, queue: Queue, sequence_number: int
) -> LetterDetail:
    """One letter with its body, its failures, and what was done with it; nothing is touched.

    Raises NotFound when it is not there or is another tenant's, with code `already_handled` and
    who and when if somebody has dealt with it. Raises NotAllowed, Busy.
    """
    require(actor)
    seen = find_letter(transport, actor, queue, sequence_number)
    if seen is None:
        raise read(db, actor, gone, queue, sequence_number)
    return read(db, actor, _detail, seen)


def find_letter(
    transport: Transport, actor: AnyActor, queue: Queue, sequence_number: int
) -> Seen | None:
    """The letter with this number, if it is there and the actor may see it. Raises Busy."""
    for letter in transport.peek_dead_letters(queue, after=sequence_number - 1, messages_max=1):
        seen = look_at(letter)
        if letter.sequence_number == sequence_number and may_see(actor, seen.summary.tenant_id):
            return seen
    return None


def gone(
    reader: Reader, queue: Queue, sequence_number: int, message_id: str | None = None
) -> NotFound:
    """The error for a letter that is not there, telling who dealt with it if somebody did."""
    item = find_last_item(reader, queue, sequence_number, message_id)
    if item is None or item.state not in (ItemState.DONE, ItemState.SENT, ItemState.ARCHIVED):
        return NotFound("There is no such dead letter.", code="dead_letter_not_found")
    at = moment(item.changed_at, reader.now)
    return NotFound(
        f"Already handled by {item.who} at {at}: {item.text}",
        code="already_handled",
        who=item.who,
        at=item.changed_at,
        job_id=str(item.job_id),
    )


def walk(
    transport: Transport, queue: Queue, *, after: int = 0, ahead: int = _PEEK_MAX
) -> Iterator[Seen]:
    """Every dead letter of a queue behind a number, in order; `ahead` of them fetched at once."""
    while letters := transport.peek_dead_letters(queue, after=after, messages_max=ahead):
        for letter in letters:
            yield look_at(letter)
        after = letters[-1].sequence_number


def matching(
    transport: Transport,
    actor: AnyActor,
    filter: LetterFilter,  # noqa: A002
) -> Iterator[Seen | None]:
    """All letters that match and that the actor may see; None where a queue goes on too far.

    Of each queue SCAN_MAX letters are looked at. Raises Busy.
    """
    for queue in _queues(filter):
        for number, seen in enumerate(walk(transport, queue)):
            if number == SCAN_MAX:
                yield None
                break
            if _is_wanted(actor, filter, seen):
                yield seen


def look_at(letter: DeadLetter) -> Seen:
    """What a letter says of itself; its tenant's name and who handled it stand elsewhere."""
    contents = json_object(letter.body)
    summary = LetterSummary(
        queue=letter.queue,
        sequence_number=letter.sequence_number,
        message_id=letter.message_id,
        original_message_id=original_id(letter.message_id),
        resubmission=resubmission_of(letter.message_id),
        message_type=_text_of(contents, "message_type") or letter.message_type,
        tenant_id=readable_tenant(letter, contents),
        tenant_name=None,
        correlation_id=_text_of(contents, "correlation_id") or letter.correlation_id,
        reason=letter.reason,
        description=letter.description,
        delivery_count=letter.delivery_count,
        enqueued_at=letter.enqueued_at,
        dead_at=letter.dead_at,
    )
    return Seen(letter, contents, summary)


def parse_queue(text: str) -> Queue:
    """The queue of that name. Raises InvalidInput."""
    try:
        return Queue(text)
    except ValueError:
        names = ", ".join(queue.value for queue in Queue)
        raise InvalidInput.of("queue", f"must be one of {names}") from None


def _is_wanted(actor: AnyActor, wanted: LetterFilter, seen: Seen) -> bool:
    one = seen.summary
    if not may_see(actor, one.tenant_id):
        return False
    if wanted.tenant_id is not None and one.tenant_id != wanted.tenant_id:
        return False
    if wanted.reason is not None and (one.reason or NONE) != wanted.reason:
        return False
    if wanted.message_type is not None and (one.message_type or NONE) != wanted.message_type:
        return False
    return not wanted.q or _contains(seen, wanted.q.strip().casefold())


def _contains(seen: Seen, text: str) -> bool:
    one = seen.summary
    told = "\n".join(
        text or "" for text in (one.message_id, one.correlation_id, one.reason, one.description)
    )
    return text in told.casefold() or text in body_text(seen.letter.body).casefold()


def _queues(wanted: LetterFilter) -> Sequence[Queue]:
    return [wanted.queue] if wanted.queue is not None else list(Queue)


def _start(wanted: LetterFilter, cursor: str | None) -> tuple[Sequence[Queue], int]:
    """The queues that are still to be read, and the number after which the first one goes on."""
    queues = _queues(wanted)
    if cursor is None:
        return queues, 0
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
        name, _, number = raw.partition("/")
        at, after = Queue(name), int(number)
    except (ValueError, binascii.Error):
        raise unknown_cursor() from None
    if at not in queues or after < 0:
        raise unknown_cursor()
    return queues[queues.index(at) :], after


def _cursor(queue: Queue, after: int) -> str:
    return base64.urlsafe_b64encode(f"{queue.value}/{after}".encode()).decode()


def _told(db: Database, actor: AnyActor, found: list[LetterSummary]) -> list[LetterSummary]:
    return read(db, actor, _with_names, found) if found else []


def _with_names(reader: Reader, found: Sequence[LetterSummary]) -> list[LetterSummary]:
    ids = {one.tenant_id for one in found if one.tenant_id is not None}
    names = {one: reader.scalar(_NAME, wanted=one) for one in ids}
    told = []
    for one in found:
        last = find_last_item(reader, one.queue, one.sequence_number, one.message_id)
        told.append(
            replace(
                one,
                tenant_name=names.get(one.tenant_id) if one.tenant_id else None,
                handled=handled_of(last) if last is not None else None,
            )
        )
    return told


def _detail(reader: Reader, seen: Seen) -> LetterDetail:
    letter = seen.letter
    (summary,) = _with_names(reader, [seen.summary])
    actor = reader.actor
    return LetterDetail(
        summary=summary,
        body_text=_shown(seen),
        is_json=seen.contents is not None,
        problem=problem_of(letter),
        properties=dict(letter.properties),
        attempts=list(
            list_failed_deliveries(
                reader.connection,
                letter.queue,
                letter.message_id,
                tenant_id=actor.tenant_id if isinstance(actor, Actor) else None,
            )
        ),
        links=links_of(seen.contents, summary.correlation_id),
        history=list_items_of_original(reader, letter.queue, summary.original_message_id),
        digest=hashlib.sha256(letter.body).hexdigest(),
    )


def _shown(seen: Seen) -> str:
    contents = seen.contents
    return body_text(seen.letter.body) if contents is None else pretty_json(contents)


def _text_of(contents: dict[str, Any] | None, name: str) -> str | None:
    value = contents.get(name) if contents is not None else None
    return value if isinstance(value, str) and value else None
