"""The audit log: append-only rows, chained by hash per tenant, so that tampering shows.

Each row's hash covers its content and the hash before it. The newest hash and the count stand in
`audit_heads`, outside the log, so that cutting off its end shows too. Triggers refuse UPDATE and
DELETE on the log itself. What belongs to no tenant is chained under PLATFORM_CHAIN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import Field

from backend.db.connection import Connection
from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.db.tables import Row, table_of
from backend.db.types import Id, LongText, Text, UtcInstant
from backend.ids import new_id

PLATFORM_CHAIN = UUID(int=0)
GENESIS = "0" * 64  # the hash before the first row of a chain


class AuditEntry(Row, table=True):
    """One state change: what, by whom, when, and the values before and after."""

    __tablename__ = "audit_log"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("tenant_id", "sequence"),
        sa.Index("ix_audit_log__entity", "tenant_id", "entity_type", "entity_id", "sequence"),
        sa.Index("ix_audit_log__correlation_id", "tenant_id", "correlation_id"),
        sa.Index("ix_audit_log__action", "tenant_id", "action", "sequence"),
        sa.Index("ix_audit_log__actor", "tenant_id", "actor", "sequence"),
    )

    tenant_id: UUID = Field(sa_type=Id)
    id: UUID = Field(sa_type=Id)
    sequence: int = Field(sa_type=sa.BigInteger)
    entity_type: str = Field(sa_type=Text(64))
    entity_id: UUID = Field(sa_type=Id)
    action: str = Field(sa_type=Text(64))
    actor: str = Field(sa_type=Text(200))
    user_id: UUID | None = Field(default=None, sa_type=Id)
    at: datetime = Field(sa_type=UtcInstant)
    correlation_id: str = Field(sa_type=Text(128))
    data: str = Field(sa_type=LongText)
    previous_hash: str = Field(sa_type=Text(64))
    hash: str = Field(sa_type=Text(64))


class AuditHead(Row, table=True):
    """The newest hash of a chain, and how many rows the chain has."""

    __tablename__ = "audit_heads"
    __table_args__: ClassVar[Any] = (sa.UniqueConstraint("tenant_id"),)

    tenant_id: UUID = Field(sa_type=Id)
    sequence: int = Field(sa_type=sa.BigInteger)
    hash: str = Field(sa_type=Text(64))


AUDIT_LOG = table_of(AuditEntry)
AUDIT_HEADS = table_of(AuditHead)

# UPDLOCK: on SQL Server two transactions of one tenant must not both read the same head.
_HEAD = Statement(
    sa.select(AUDIT_HEADS.c.sequence, AUDIT_HEADS.c.hash)
    .where(AUDIT_HEADS.c.tenant_id == TENANT)
    .with_hint(AUDIT_HEADS, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
)
_START_HEAD = Statement(sa.insert(AUDIT_HEADS))
_MOVE_HEAD = Statement(
    sa.update(AUDIT_HEADS)
    .where(AUDIT_HEADS.c.tenant_id == TENANT)
    .values(sequence=sa.bindparam("new_sequence"), hash=sa.bindparam("new_hash"))
)
_APPEND = PlatformStatement(sa.insert(AUDIT_LOG))


@dataclass(frozen=True, slots=True)
class Change:
    """A state change to be written when its use case ends."""

    action: str
    entity_type: str
    entity_id: UUID
    data: str


def data_of(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """The JSON kept with an entry; amounts and ids as text."""
    return orjson.dumps({"before": before, "after": after}, default=str).decode()


def chain_hash(
    previous: str,
    tenant_id: UUID,
    sequence: int,
    entity: tuple[str, UUID, str],
    who: tuple[str, UUID | None, datetime, str],
    data: str,
) -> str:
    """SHA-256 over the previous hash and every field of the row, as hexadecimal text."""
    entity_type, entity_id, action = entity
    actor, user_id, at, correlation_id = who
    content = "\x1f".join(
        (
            previous,
            tenant_id.hex,
            str(sequence),
            entity_type,
            entity_id.hex,
            action,
            actor,
            user_id.hex if user_id else "",
            at.isoformat(),
            correlation_id,
            data,
        )
    )
    return hashlib.sha256(content.encode()).hexdigest()


def append(
    connection: Connection,
    tenant_id: UUID,
    changes: Iterable[Change],
    *,
    who: str,
    user_id: UUID | None,
    at: datetime,
    correlation_id: str,
) -> None:
    """Chain the changes to the tenant's log, inside the caller's transaction."""
    found = connection.query(_HEAD, {"tenant_id": tenant_id})
    sequence, previous = (found[0].sequence, found[0].hash) if found else (0, GENESIS)
    rows = []
    for change in changes:
        sequence += 1
        digest = chain_hash(
            previous,
            tenant_id,
            sequence,
            (change.entity_type, change.entity_id, change.action),
            (who, user_id, at, correlation_id),
            change.data,
        )
        rows.append(
            {
                "tenant_id": tenant_id,
                "id": new_id(),
                "sequence": sequence,
                "entity_type": change.entity_type,
                "entity_id": change.entity_id,
                "action": change.action,
                "actor": who,
                "user_id": user_id,
                "at": at,
                "correlation_id": correlation_id,
                "data": change.data,
                "previous_hash": previous,
                "hash": digest,
            }
        )
        previous = digest
    connection.execute_many(_APPEND, rows)
    if found:
        connection.execute(
            _MOVE_HEAD, {"tenant_id": tenant_id, "new_sequence": sequence, "new_hash": previous}
        )
    else:
        connection.execute(
            _START_HEAD, {"tenant_id": tenant_id, "sequence": sequence, "hash": previous}
        )
