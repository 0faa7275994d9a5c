"""Once per key: the effect, and the answer that is given again, in one transaction.

The key of a request is (tenant, operation, key). With it stand the hash of the request and the
answer. The same key with the same request gets the stored answer; with another request it is
refused. The database serialises two that race: the second one finds the first one's answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import Field

from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.db.tables import Row, table_of
from backend.db.types import Id, LongText, Text, UtcInstant
from backend.errors import IdempotencyKeyReused
from backend.unit_of_work import Reader, UnitOfWork

KEPT_DAYS = 30
# A message may lie among the dead letters for years; what it has done must not be done twice.
OF_MESSAGES_KEPT_DAYS = 3650


class IdempotencyKey(Row, table=True):
    """A request that was answered, and its answer."""

    __tablename__ = "idempotency_keys"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("tenant_id", "operation", "key"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.Index("ix_idempotency_keys__expires_at", "expires_at"),
    )

    tenant_id: UUID = Field(sa_type=Id)
    operation: str = Field(sa_type=Text(200))
    key: str = Field(sa_type=Text(255))
    request_hash: str = Field(sa_type=Text(64))
    status_code: int = Field(sa_type=sa.Integer)
    response: str = Field(sa_type=LongText)
    location: str | None = Field(default=None, sa_type=Text(300))
    created_at: datetime = Field(sa_type=UtcInstant)
    expires_at: datetime = Field(sa_type=UtcInstant)


IDEMPOTENCY_KEYS = table_of(IdempotencyKey)

_FIND = Statement(
    sa.select(
        IDEMPOTENCY_KEYS.c.request_hash,
        IDEMPOTENCY_KEYS.c.status_code,
        IDEMPOTENCY_KEYS.c.response,
        IDEMPOTENCY_KEYS.c.location,
    ).where(
        IDEMPOTENCY_KEYS.c.tenant_id == TENANT,
        IDEMPOTENCY_KEYS.c.operation == sa.bindparam("operation"),
        IDEMPOTENCY_KEYS.c.key == sa.bindparam("key"),
    )
)
_KEEP = Statement(sa.insert(IDEMPOTENCY_KEYS))
_EXPIRE = PlatformStatement(
    sa.delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.expires_at < sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered: a status, a JSON text, perhaps a Location."""

    status_code: int
    response: str
    location: str | None = None
    replayed: bool = False


def request_hash(*parts: object) -> str:
    """The hash that tells whether a request is the same: its JSON with sorted keys."""
    canonical = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(canonical).hexdigest()


def once(
    work: UnitOfWork,
    *,
    operation: str,
    key: str,
    hash_of_request: str,
    produce: Callable[[], Answer],
) -> Answer:
    """The stored answer, or what `produce` answers now, stored with its effect.

    `produce` raises for what must not be stored. Raises IdempotencyKeyReused for the same key
    with another request.
    """
    found = work.first(_FIND, operation=operation, key=key)
    if found is not None:
        if found.request_hash != hash_of_request:
            raise IdempotencyKeyReused("This Idempotency-Key was used with a different request.")
        return Answer(found.status_code, found.response, found.location, replayed=True)
    answer = produce()
    _keep(work, operation, key, answer, hash_of_request=hash_of_request, days=KEPT_DAYS)
    return answer


def find_message_answer(reader: Reader, operation: str, message_id: str) -> Answer | None:
    """What was answered to a message under this operation."""
    found = reader.first(_FIND, operation=operation, key=message_id)
    if found is None:
        return None
    return Answer(found.status_code, found.response, found.location, replayed=True)


def keep_message_answer(work: UnitOfWork, operation: str, message_id: str, answer: Answer) -> None:
    """Store the answer to a message that has none, for long, in the transaction of its effect."""
    _keep(work, operation, message_id, answer, hash_of_request="", days=OF_MESSAGES_KEPT_DAYS)


def claim_message(work: UnitOfWork, message_type: str, message_id: str) -> bool:
    """Whether this delivery is the first; claims it in the handler's own transaction.

    For KEPT_DAYS, so for what does no harm when it is done again after that.
    """
    operation = f"message:{message_type}"
    if work.first(_FIND, operation=operation, key=message_id) is not None:
        return False
    _keep(work, operation, message_id, Answer(0, ""), hash_of_request="", days=KEPT_DAYS)
    return True


def forget_expired(work: UnitOfWork) -> int:
    """Delete keys that were kept long enough, in all tenants; how many."""
    return work.execute(_EXPIRE, now=work.now)


def _keep(
    work: UnitOfWork,
    operation: str,
    key: str,
    answer: Answer,
    *,
    hash_of_request: str,
    days: int,
) -> None:
    work.execute(
        _KEEP,
        operation=operation,
        key=key,
        request_hash=hash_of_request,
        status_code=answer.status_code,
        response=answer.response,
        location=answer.location,
        created_at=work.now,
        expires_at=work.now + timedelta(days=days),
    )
