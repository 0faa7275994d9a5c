"""The user behind an account: found by id or e-mail, and who acts for it in which audit chain."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Actor, PlatformActor, Role
from backend.db.statements import PlatformStatement
from backend.identity import passwords
from backend.identity.models import USERS
from backend.tenants.models import TENANTS, TenantStatus
from backend.unit_of_work import Reader

_U = USERS.c
_FIELDS = sa.select(
    _U.id,
    _U.tenant_id,
    _U.email,
    _U.display_name,
    _U.role,
    _U.password_hash,
    _U.is_active,
    TENANTS.c.status.label("tenant_status"),
).select_from(USERS.outerjoin(TENANTS, TENANTS.c.id == _U.tenant_id))
_BY_EMAIL = PlatformStatement(_FIELDS.where(_U.email == sa.bindparam("email")))
_BY_ID = PlatformStatement(_FIELDS.where(_U.id == sa.bindparam("wanted")))


def find_by_email(reader: Reader, email: str) -> Any | None:
    """The user with this address, which is in its normal form."""
    return reader.first(_BY_EMAIL, email=email)


def find_by_id(reader: Reader, user_id: UUID) -> Any | None:
    """The user with this id."""
    return reader.first(_BY_ID, wanted=user_id)


def get_by_id(reader: Reader, user_id: UUID) -> Any:
    """As `find_by_id`; raises NotFound."""
    return reader.one(_BY_ID, wanted=user_id)


def may_sign_in(user: Any) -> bool:
    """Whether this user has joined, is not shut out, and the tenant is active."""
    return (
        user.is_active
        and user.tenant_status is not TenantStatus.INACTIVE
        and user.password_hash != passwords.UNUSABLE
    )


def actor_of(user: Any, correlation_id: str) -> Actor | PlatformActor:
    """The user acting: in the chain of its tenant, or in the platform's when it has none."""
    if user.tenant_id is not None:
        return Actor(user.tenant_id, user.role, user.email, correlation_id, user.id)
    return PlatformActor(user.email, correlation_id, user.id, user.role)


def anonymous(correlation_id: str) -> PlatformActor:
    """Somebody who has not signed in: the least of the roles, and nothing asks for one."""
    return PlatformActor("anonymous", correlation_id, role=Role.SUPPORT)
