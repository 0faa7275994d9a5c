"""Tables of what was done with dead letters; the letters themselves stay in their queues.

`tenant_id` is whose it is: of an item and of an archived message the tenant that the message
names, of a job and of a note the tenant of whoever made it. What belongs to no tenant stands
under PLATFORM_CHAIN, as in the audit log; so every query is tied to a tenant here too, and only
the platform's own reach across.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import Row, table_of
from backend.db.types import Id, LongText, Text, UtcInstant, choice

MESSAGE_ID_LENGTH = 128
# Of an item's problem: one or two sentences.
PROBLEM_LENGTH_MAX = 500


class JobKind(StrEnum):
    """What is done with the letters."""

    RESUBMIT = "resubmit"
    DISCARD = "discard"
    PURGE = "purge"


class JobState(StrEnum):
    """A job is open until each of its letters has an outcome."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """Where one letter of a job stands. The first three are open: the letter is claimed."""

    WAITING = "waiting"
    SENT = "sent"  # the copy is in the queue, the original not yet removed
    ARCHIVED = "archived"  # it is in the archive, the original not yet removed
    DONE = "done"
    GONE = "gone"  # it was no longer among the dead letters
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeadLetterJob(Row, table=True):
    """An act on one or many dead letters, and who asked for it.

    Whoever runs it holds the lease; it is run again from `due_at` on while items are open.
    """

    __tablename__ = "dead_letter_jobs"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.Index("ix_dead_letter_jobs__tenant", "tenant_id", "row_id"),
        sa.Index(
            "ix_dead_letter_jobs__open",
            "due_at",
            "row_id",
            sqlite_where=sa.text("state = 'open'"),
            mssql_where=sa.text("state = 'open'"),
        ),
        sa.CheckConstraint("item_count > 0", name="item_count"),
    )

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)
    kind: JobKind = Field(sa_type=choice(JobKind, "kind"))
    state: JobState = Field(sa_type=choice(JobState, "state"))
    scope: str = Field(sa_type=Text(1000))
    who: str = Field(sa_type=Text(200))
    user_id: UUID | None = Field(default=None, sa_type=Id)
    correlation_id: str = Field(sa_type=Text(128))
    item_count: int = Field(sa_type=sa.Integer)
    created_at: datetime = Field(sa_type=UtcInstant)
    finished_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    cancel_asked_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    cancelled_by: str | None = Field(default=None, sa_type=Text(200))
    due_at: datetime = Field(sa_type=UtcInstant)
    setbacks: int = Field(sa_type=sa.Integer)
    problem: str | None = Field(default=None, sa_type=Text(PROBLEM_LENGTH_MAX))
    lease_token: UUID | None = Field(default=None, sa_type=Id)
    leased_until: datetime | None = Field(default=None, sa_type=UtcInstant)


class DeadLetterItem(Row, table=True):
    """One letter of a job: claimed before anything is done, then noted step by step.

    A letter has one open item at most, so of two people who act on it one is told. `body` is what
    to send instead of the letter's own body, when it was edited.
    """

    __tablename__ = "dead_letter_items"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.Index("ix_dead_letter_items__job", "job_id", "row_id"),
        sa.Index("ix_dead_letter_items__letter", "queue", "sequence_number"),
        sa.Index("ix_dead_letter_items__original", "queue", "original_message_id"),
        sa.Index(
            "uq_dead_letter_items__claim",
            "queue",
            "sequence_number",
            "message_id",
            unique=True,
            sqlite_where=sa.text("finished_at IS NULL"),
            mssql_where=sa.text("finished_at IS NULL"),
        ),
    )

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)
    job_id: UUID = Field(sa_type=Id)
    kind: JobKind = Field(sa_type=choice(JobKind, "kind"))
    who: str = Field(sa_type=Text(200))
    queue: str = Field(sa_type=Text(64))
    sequence_number: int = Field(sa_type=sa.BigInteger)
    message_id: str = Field(sa_type=Text(MESSAGE_ID_LENGTH))
    original_message_id: str = Field(sa_type=Text(MESSAGE_ID_LENGTH))
    message_type: str | None = Field(default=None, sa_type=Text(64))
    correlation_id: str | None = Field(default=None, sa_type=Text(128))
    state: ItemState = Field(sa_type=choice(ItemState, "state"))
    body: str | None = Field(default=None, sa_type=LongText)
    copy_message_id: str | None = Field(default=None, sa_type=Text(MESSAGE_ID_LENGTH))
    archive_id: UUID | None = Field(default=None, sa_type=Id)
    tries: int = Field(sa_type=sa.Integer)
    problem: str | None = Field(default=None, sa_type=Text(PROBLEM_LENGTH_MAX))
    claimed_at: datetime = Field(sa_type=UtcInstant)
    changed_at: datetime = Field(sa_type=UtcInstant)
    finished_at: datetime | None = Field(default=None, sa_type=UtcInstant)


class ArchivedLetter(Row, table=True):
    """A dead letter that was discarded, as it lay in its queue; it can be sent again once."""

    __tablename__ = "dead_letter_archive"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("item_id"),
        sa.Index("ix_dead_letter_archive__tenant", "tenant_id", "row_id"),
        sa.Index("ix_dead_letter_archive__original", "queue", "original_message_id"),
    )

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)
    item_id: UUID = Field(sa_type=Id)
    queue: str = Field(sa_type=Text(64))
    sequence_number: int = Field(sa_type=sa.BigInteger)
    message_id: str = Field(sa_type=Text(MESSAGE_ID_LENGTH))
    original_message_id: str = Field(sa_type=Text(MESSAGE_ID_LENGTH))
    message_type: str | None = Field(default=None, sa_type=Text(64))
    correlation_id: str | None = Field(default=None, sa_type=Text(128))
    body: bytes = Field(sa_type=sa.LargeBinary)
    properties: str = Field(sa_type=LongText)
    reason: str | None = Field(default=None, sa_type=Text(500))
    description: str | None = Field(default=None, sa_type=LongText)
    delivery_count: int = Field(sa_type=sa.Integer)
    enqueued_at: datetime = Field(sa_type=UtcInstant)
    dead_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    archived_at: datetime = Field(sa_type=UtcInstant)
    archived_by: str = Field(sa_type=Text(200))
    restoring_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    restored_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    restored_by: str | None = Field(default=None, sa_type=Text(200))
    copy_message_id: str | None = Field(default=None, sa_type=Text(MESSAGE_ID_LENGTH))


class DeadLetterNote(Row, table=True):
    """What somebody wrote about a group of dead letters; empty text where the group has no name."""

    __tablename__ = "dead_letter_notes"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("tenant_id", "queue", "reason", "message_type"),
    )

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)
    queue: str = Field(sa_type=Text(64))
    reason: str = Field(sa_type=Text(200))
    message_type: str = Field(sa_type=Text(64))
    note: str = Field(sa_type=Text(2000))
    who: str = Field(sa_type=Text(200))
    noted_at: datetime = Field(sa_type=UtcInstant)


JOBS = table_of(DeadLetterJob)
ITEMS = table_of(DeadLetterItem)
ARCHIVE = table_of(ArchivedLetter)
NOTES = table_of(DeadLetterNote)
