"""Whose dead letters somebody sees: a tenant's people those that name their tenant, no others.

What names no tenant, or two different ones, is for the platform's own. To everybody else a letter
that is not theirs does not exist: not in a list, not in a count, not by its number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic_core import from_json

from backend.actor import Action, Actor, PlatformActor
from backend.audit import PLATFORM_CHAIN
from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.messaging.transport import DeadLetter
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader

T = TypeVar("T")

AnyActor = Actor | PlatformActor

# More than any table has rows.
_NEWEST = 2**62


def require(actor: AnyActor, action: Action = Action.SUPPORT_TOOLS) -> None:
    """Raise NotAllowed unless the actor may; who reaches across tenants must be a SuperAdmin."""
    actor.require(action)
    if isinstance(actor, PlatformActor):
        actor.require(Action.PLATFORM_ADMIN)


def scope_of(actor: AnyActor) -> UUID:
    """Under whom the actor's own jobs and notes stand."""
    return actor.tenant_id if isinstance(actor, Actor) else PLATFORM_CHAIN


def may_see(actor: AnyActor, tenant_id: UUID | None) -> bool:
    """Whether letters of this tenant (None: of nobody that can be read) are the actor's to see."""
    return not isinstance(actor, Actor) or actor.tenant_id == tenant_id


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is, read as the worker reads it; None when it is none."""
    try:
        value = from_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def readable_tenant(letter: DeadLetter, contents: dict[str, Any] | None) -> UUID | None:
    """The tenant a letter names; `contents` is its body as a JSON object, if it is one.

    A body that names a tenant is believed, unless what the queue noted beside it says otherwise.
    """
    if contents is None or "tenant_id" not in contents:
        return letter.tenant_id
    named = as_uuid(contents["tenant_id"])
    if letter.tenant_id is not None and letter.tenant_id != named:
        return None
    return named


def as_uuid(value: object) -> UUID | None:
    """The UUID that a JSON value spells, or None."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


class Visible:
    """A query over what the actor may see: rows of its tenant, or all for the platform's own.

    `tenant` is the column that says whose a row is.
    """

    def __init__(self, query: sa.Select[Any], tenant: sa.Column[Any]) -> None:
        self._own = Statement(query.where(tenant == TENANT))
        self._everybodys = PlatformStatement(query)

    def rows(self, reader: Reader, **params: Any) -> list[Any]:
        """The rows, as named tuples."""
        is_platform = isinstance(reader.actor, PlatformActor)
        return reader.rows(self._everybodys if is_platform else self._own, **params)


def newest_first(
    reader: Reader,
    listed: Visible,
    one: Visible,
    view: Callable[[Any], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """A page of rows, the last one first. Raises InvalidInput (limit, cursor), NotAllowed.

    `listed` takes `before` and `rows_max` and gives rows with `row_id` and `id`; `one` finds the
    row of an `id`.
    """
    require(reader.actor)
    limit = checked_limit(limit)
    before = _NEWEST
    if cursor is not None:
        found = one.rows(reader, id=decode_cursor(cursor))
        if not found:
            raise unknown_cursor()
        before = found[0].row_id
    rows = listed.rows(reader, before=before, rows_max=limit + 1)
    shown = rows[:limit]
    more = encode_cursor(shown[-1].id) if len(rows) > limit else None
    return Page([view(row) for row in shown], more)
