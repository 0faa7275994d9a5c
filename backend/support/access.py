"""Whose dead letters somebody sees: a tenant's people those that name their tenant, no others.

What names no tenant, or two different ones, is for the platform's own. To everybody else a letter
that is not theirs does not exist: not in a list, not in a count, not by its number.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic_core import from_json

from backend.actor import Action, Actor, PlatformActor
from backend.audit import PLATFORM_CHAIN
from backend.db.statements import PlatformStatement, Statement
from backend.messaging.transport import DeadLetter
from backend.unit_of_work import Reader

AnyActor = Actor | PlatformActor


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


def visible_rows(
    reader: Reader, own: Statement, everybodys: PlatformStatement, **params: Any
) -> list[Any]:
    """Rows of the actor's tenant, or of all for the platform's own."""
    is_platform = isinstance(reader.actor, PlatformActor)
    return reader.rows(everybodys if is_platform else own, **params)
