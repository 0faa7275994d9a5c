"""What was discarded: kept as it lay in its queue, and sent again when that was a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from backend import audit
from backend.audit import PLATFORM_CHAIN
from backend.db.engine import Database
from backend.db.failures import LostRace
from backend.db.statements import PlatformStatement
from backend.errors import NotFound, StateConflict
from backend.messaging.contracts import Queue
from backend.messaging.transport import DeadLetter, Transport
from backend.paging import LIMIT_DEFAULT, Page
from backend.support.access import AnyActor, Visible, json_object, newest_first, require
from backend.support.contents import body_text, pretty_json
from backend.support.copies import queued_again
from backend.support.items import moment
from backend.support.models import ARCHIVE
from backend.support.progress import next_copy_id, told_to
from backend.unit_of_work import Reader, UnitOfWork, read, run

# Whoever began to restore a message and has not ended by then is gone; somebody else may.
_RESTORING = timedelta(seconds=60)
_REASON_LENGTH_MAX = 500

_A = ARCHIVE.c
_INSTANT = _A.archived_at.type
_ADD = PlatformStatement(sa.insert(ARCHIVE))
_HEAD = (
    _A.row_id,
    _A.id,
    _A.tenant_id,
    _A.queue,
    _A.sequence_number,
    _A.message_id,
    _A.original_message_id,
    _A.message_type,
    _A.correlation_id,
    _A.reason,
    _A.description,
    _A.delivery_count,
    _A.enqueued_at,
    _A.dead_at,
    _A.archived_at,
    _A.archived_by,
    _A.restored_at,
    _A.restored_by,
    _A.copy_message_id,
)
_LIST = Visible(
    sa.select(*_HEAD)
    .where(_A.row_id < sa.bindparam("before", type_=_A.row_id.type))
    .order_by(_A.row_id.desc())
    .limit(sa.bindparam("rows_max", type_=sa.Integer)),
    _A.tenant_id,
)
_ONE = Visible(
    sa.select(*_HEAD, _A.body, _A.properties, _A.restoring_at).where(_A.id == sa.bindparam("id")),
    _A.tenant_id,
)
_BEGIN = PlatformStatement(
    sa.update(ARCHIVE)
    .where(
        _A.row_id == sa.bindparam("of_row_id"),
        _A.restored_at.is_(None),
        sa.or_(
            _A.restoring_at.is_(None),
            _A.restoring_at <= sa.bindparam("given_up", type_=_INSTANT),
            _A.restoring_at > sa.bindparam("now", type_=_INSTANT),
        ),
    )
    .values(
        restoring_at=sa.bindparam("now", type_=_INSTANT),
        restored_by=sa.bindparam("who"),
        copy_message_id=sa.bindparam("new_copy_message_id"),
    )
)
_END = PlatformStatement(
    sa.update(ARCHIVE)
    .where(_A.row_id == sa.bindparam("of_row_id"), _A.restored_at.is_(None))
    .values(restored_at=sa.bindparam("now", type_=_INSTANT), restoring_at=None)
)
_GIVE_UP = PlatformStatement(
    sa.update(ARCHIVE)
    .where(_A.row_id == sa.bindparam("of_row_id"), _A.restored_at.is_(None))
    .values(restoring_at=None, restored_by=None)
)


@dataclass(frozen=True, slots=True)
class ArchivedHead:
    """A discarded message in a list. Instants are UTC; restored ones keep their place."""

    archive_id: UUID
    tenant_id: UUID | None
    queue: Queue
    sequence_number: int
    message_id: str
    original_message_id: str
    message_type: str | None
    correlation_id: str | None
    reason: str | None
    description: str | None
    delivery_count: int
    enqueued_at: datetime
    dead_at: datetime | None
    archived_at: datetime
    archived_by: str
    restored_at: datetime | None
    restored_by: str | None
    copy_message_id: str | None


@dataclass(frozen=True, slots=True)
class ArchivedDetail:
    """A discarded message with its body."""

    head: ArchivedHead
    body_text: str
    is_json: bool
    properties: dict[str, str]


def add_to_archive(
    work: UnitOfWork, archive_id: UUID, item: Any, letter: DeadLetter, *, who: str
) -> None:
    """Keep a letter as it lies in its queue; `item` is the row of the act that discards it."""
    work.execute(
        _ADD,
        tenant_id=item.tenant_id,
        id=archive_id,
        item_id=item.id,
        queue=item.queue,
        sequence_number=item.sequence_number,
        message_id=item.message_id,
        original_message_id=item.original_message_id,
        message_type=item.message_type,
        correlation_id=item.correlation_id,
        body=letter.body,
        properties=orjson.dumps(dict(letter.properties)).decode(),
        reason=letter.reason[:_REASON_LENGTH_MAX] if letter.reason is not None else None,
        description=letter.description,
        delivery_count=letter.delivery_count,
        enqueued_at=letter.enqueued_at,
        dead_at=letter.dead_at,
        archived_at=work.now,
        archived_by=who,
        restoring_at=None,
        restored_at=None,
        restored_by=None,
        copy_message_id=None,
    )


def list_archive(
    reader: Reader, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[ArchivedHead]:
    """The discarded messages that the actor may see, the last one first.

    Raises InvalidInput (limit, cursor), NotAllowed.
    """
    return newest_first(reader, _LIST, _ONE, _head, limit=limit, cursor=cursor)


def get_archived(reader: Reader, archive_id: UUID) -> ArchivedDetail:
    """One discarded message. Raises NotFound (another tenant's too), NotAllowed."""
    row = _find(reader, archive_id)
    contents = json_object(row.body)
    return ArchivedDetail(
        _head(row),
        body_text(row.body) if contents is None else pretty_json(contents),
        contents is not None,
        orjson.loads(row.properties),
    )


def restore(
    db: Database, transport: Transport, actor: AnyActor, archive_id: UUID
) -> ArchivedDetail:
    """Send a discarded message to its queue again, as the next copy of its original. Once.

    Raises NotFound, StateConflict (already_restored, restore_running), NotAllowed, Busy: then
    nothing was sent, as far as is known, and it can be tried again.
    """
    begun = run(db, actor, _begin, archive_id)
    try:
        transport.send(
            [
                queued_again(
                    Queue(begun.queue),
                    begun.copy_message_id,
                    begun.body,
                    message_type=begun.message_type,
                    tenant_id=None if begun.tenant_id == PLATFORM_CHAIN else begun.tenant_id,
                    correlation_id=begun.correlation_id,
                    now=db.clock(),
                )
            ]
        )
    except Exception:
        run(db, actor, _give_up, begun)
        raise
    run(db, actor, _end, begun)
    return read(db, actor, get_archived, archive_id)


def _find(reader: Reader, archive_id: UUID) -> Any:
    require(reader.actor)
    rows = _ONE.rows(reader, id=archive_id)
    if not rows:
        raise NotFound("There is no such archived message.", code="archived_not_found")
    return rows[0]


def _begin(work: UnitOfWork, archive_id: UUID) -> Any:
    """Claim the message for us; its row with the id that the copy will have."""
    row = _find(work, archive_id)
    if row.restored_at is not None:
        raise StateConflict(
            f"Already restored by {row.restored_by} at {moment(row.restored_at, work.now)}.",
            code="already_restored",
            who=row.restored_by,
            at=row.restored_at,
        )
    since = row.restoring_at
    if since is not None and timedelta() <= work.now - since < _RESTORING:
        raise StateConflict(
            f"{row.restored_by} has been restoring it since {moment(since, work.now)}.",
            code="restore_running",
            who=row.restored_by,
            at=since,
        )
    # One that was begun before keeps its id: if it was sent after all, the queue may know it.
    named = row.copy_message_id or next_copy_id(
        work, Queue(row.queue), row.original_message_id, row.message_id
    )
    begun = work.execute(
        _BEGIN,
        of_row_id=row.row_id,
        now=work.now,
        given_up=work.now - _RESTORING,
        who=work.actor.who,
        new_copy_message_id=named,
    )
    if not begun:
        raise LostRace
    return row._replace(copy_message_id=named)


def _end(work: UnitOfWork, row: Any) -> None:
    if not work.execute(_END, of_row_id=row.row_id, now=work.now):
        return
    chain, correlation_id = told_to(
        work, row.tenant_id, row.correlation_id, otherwise=work.actor.correlation_id
    )
    after = {
        "queue": row.queue,
        "message_type": row.message_type,
        "message_id": row.message_id,
        "copy_message_id": row.copy_message_id,
    }
    audit.append(
        work.connection,
        chain,
        [audit.Change("dead_letter.restored", "dead_letter", row.id, audit.data_of(None, after))],
        who=work.actor.who,
        user_id=work.actor.user_id,
        at=work.now,
        correlation_id=correlation_id,
    )


def _give_up(work: UnitOfWork, row: Any) -> None:
    work.execute(_GIVE_UP, of_row_id=row.row_id)


def _head(row: Any) -> ArchivedHead:
    as_kept = [name for name in ArchivedHead.__dataclass_fields__ if name != "archive_id"]
    values = {name: getattr(row, name) for name in as_kept} | {"queue": Queue(row.queue)}
    if row.tenant_id == PLATFORM_CHAIN:
        values["tenant_id"] = None
    return ArchivedHead(archive_id=row.id, **values)
