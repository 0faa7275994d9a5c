"""What was done with one dead letter: the rows of `dead_letter_items` as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.audit import PLATFORM_CHAIN
from backend.db.statements import at_most
from backend.messaging.contracts import Queue
from backend.support.access import Visible
from backend.support.models import ITEMS, ItemState, JobKind
from backend.unit_of_work import Reader

OPEN_STATES = (ItemState.WAITING, ItemState.SENT, ItemState.ARCHIVED)
# Of one original; whoever sends it again that often has seen enough.
HISTORY_MAX = 100

_I = ITEMS.c
VIEW_COLUMNS = (
    _I.id.label("item_id"),
    _I.job_id,
    _I.kind,
    _I.who,
    _I.tenant_id,
    _I.queue,
    _I.sequence_number,
    _I.message_id,
    _I.original_message_id,
    _I.message_type,
    _I.state,
    _I.copy_message_id,
    _I.archive_id,
    _I.problem,
    _I.claimed_at,
    _I.changed_at,
    _I.finished_at,
)
_LETTER = (
    _I.queue == sa.bindparam("queue"),
    _I.sequence_number == sa.bindparam("sequence_number"),
)
_OF_LETTER = Visible(
    sa.select(*VIEW_COLUMNS).where(*_LETTER).order_by(_I.row_id.desc()), _I.tenant_id
)
_OF_ORIGINAL = Visible(
    sa.select(*VIEW_COLUMNS)
    .where(
        _I.queue == sa.bindparam("queue"),
        _I.original_message_id == sa.bindparam("original_message_id"),
    )
    .order_by(_I.row_id.desc())
    .limit(at_most(HISTORY_MAX)),
    _I.tenant_id,
)


@dataclass(frozen=True, slots=True)
class ItemView:
    """What became of one letter of a job. `text` says it in a sentence; instants are UTC."""

    item_id: UUID
    job_id: UUID
    kind: JobKind
    who: str
    tenant_id: UUID | None
    queue: Queue
    sequence_number: int
    message_id: str
    original_message_id: str
    message_type: str | None
    state: ItemState
    copy_message_id: str | None
    archive_id: UUID | None
    problem: str | None
    claimed_at: datetime
    changed_at: datetime
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done; until then nobody else can act on the letter."""
        return self.state in OPEN_STATES

    @property
    def text(self) -> str:
        """What is known of it, for a person."""
        match self.state:
            case ItemState.WAITING:
                return self.problem or "Waiting for its turn."
            case ItemState.SENT:
                return (
                    f"The copy is in the queue as {self.copy_message_id}; "
                    "the original is still among the dead letters."
                )
            case ItemState.ARCHIVED:
                return "It is in the archive; the original is still among the dead letters."
            case ItemState.DONE if self.kind is JobKind.RESUBMIT:
                return f"Sent again as {self.copy_message_id}."
            case ItemState.DONE:
                return "Discarded; the archive has it."
            case ItemState.GONE:
                return "It was no longer among the dead letters; nothing was done."
            case ItemState.CANCELLED:
                return "Cancelled; it is still among the dead letters."
            case _:
                return self.problem or "It failed; it is still among the dead letters."


@dataclass(frozen=True, slots=True)
class Handled:
    """Who acts, or acted last, on a letter: what, how far it is, and since when (UTC)."""

    who: str
    what: JobKind
    state: ItemState
    at: datetime
    job_id: UUID
    text: str


def item_view(row: Any) -> ItemView:
    """A row of VIEW_COLUMNS as people get it."""
    values = row._asdict()
    values["queue"] = Queue(row.queue)
    if row.tenant_id == PLATFORM_CHAIN:
        values["tenant_id"] = None
    return ItemView(**values)


def handled_of(item: ItemView) -> Handled:
    """The short form of an item."""
    return Handled(item.who, item.kind, item.state, item.changed_at, item.job_id, item.text)


def find_last_item(
    reader: Reader, queue: Queue, sequence_number: int, message_id: str | None = None
) -> ItemView | None:
    """The newest act on a letter that the actor may know of; by its number, and id when given."""
    rows = _OF_LETTER.rows(reader, queue=queue.value, sequence_number=sequence_number)
    found = [row for row in rows if message_id in (None, row.message_id)]
    return item_view(found[0]) if found else None


def list_items_of_original(
    reader: Reader, queue: Queue, original_message_id: str
) -> list[ItemView]:
    """Every act on a message and its copies that the actor may know of, oldest first."""
    rows = _OF_ORIGINAL.rows(reader, queue=queue.value, original_message_id=original_message_id)
    return [item_view(row) for row in reversed(rows)]


def moment(at: datetime, now: datetime) -> str:
    """An instant in a sentence: the time alone when it was today (UTC)."""
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"
