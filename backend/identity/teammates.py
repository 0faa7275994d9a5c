"""The people of one tenant, run by its Admins: invite, change roles, shut out and let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import SecretStr

from backend.actor import Action, Role
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, NotFound, StateConflict
from backend.identity import invitations, passwords, sessions
from backend.identity.models import USERS
from backend.identity.users import TENANT_ROLES, add_user, normalise_email
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, UnitOfWork

_U = USERS.c
_COLUMNS = (_U.id, _U.email, _U.display_name, _U.role, _U.is_active, _U.password_hash)

_LIST = Statement(
    sa.select(*_COLUMNS, _U.created_at).where(_U.tenant_id == TENANT).order_by(_U.email)
)
_GET = Statement(
    sa.select(*_COLUMNS).where(_U.tenant_id == TENANT, _U.id == sa.bindparam("teammate_id"))
)
_UPDATE = Statement(
    sa.update(USERS)
    .where(_U.tenant_id == TENANT, _U.id == sa.bindparam("teammate_id"))
    .values(
        role=sa.bindparam("new_role", type_=_U.role.type),
        is_active=sa.bindparam("new_is_active", type_=_U.is_active.type),
        version=_U.version + 1,
    )
)
_OTHER_ADMINS = Statement(
    sa.select(_U.id, _U.is_active).where(
        _U.tenant_id == TENANT,
        _U.role == sa.bindparam("admin", type_=_U.role.type),
        _U.id != sa.bindparam("teammate_id"),
    )
)
# Two Admins who demote each other at the same moment take turns on the tenant's row.
_TAKE_TURNS = Statement(
    sa.update(TENANTS).where(TENANTS.c.id == TENANT).values(version=TENANTS.c.version + 1)
)


@dataclass(frozen=True, slots=True)
class InviteTeammate:
    """Somebody who is to work in this tenant."""

    email: str
    role: Role
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invited user, and the token of the link to hand over; valid for seven days, once."""

    user_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class Teammate:
    """A user of the tenant. `has_joined` is False until the invitation is accepted."""

    id: UUID
    email: str
    display_name: str
    role: Role
    is_active: bool
    has_joined: bool
    created_at: datetime


def list_teammates(reader: Reader) -> list[Teammate]:
    """Everybody in the tenant, by e-mail. Raises NotAllowed."""
    reader.actor.require(Action.TENANT_ADMIN)
    return [
        Teammate(
            row.id,
            row.email,
            row.display_name,
            row.role,
            row.is_active,
            row.password_hash != passwords.UNUSABLE,
            row.created_at,
        )
        for row in reader.rows(_LIST)
    ]


def invite_teammate(
    work: UnitOfWork, command: InviteTeammate, *, secret_key: SecretStr
) -> Invitation:
    """Add a user who has yet to choose a password. Raises NotAllowed, InvalidInput."""
    work.actor.require(Action.TENANT_ADMIN)
    email = normalise_email(command.email)
    _check_role(command.role)
    user_id = add_user(
        work,
        email=email,
        display_name=command.display_name.strip() or email.partition("@")[0],
        role=command.role,
        tenant_id=work.tenant_id,
        password_hash=passwords.UNUSABLE,
    )
    work.record("user.invited", "user", user_id, after={"email": email, "role": command.role})
    token = invitations.make_invitation(secret_key, user_id, passwords.UNUSABLE, now=work.now)
    return Invitation(user_id, token)


def renew_invitation(reader: Reader, user_id: UUID, *, secret_key: SecretStr) -> Invitation:
    """A new link for who has not joined yet. Raises NotAllowed, NotFound, StateConflict."""
    reader.actor.require(Action.TENANT_ADMIN)
    row = _get(reader, user_id)
    if row.password_hash != passwords.UNUSABLE:
        raise StateConflict("This teammate has already joined.", code="already_joined")
    token = invitations.make_invitation(secret_key, user_id, row.password_hash, now=reader.now)
    return Invitation(user_id, token)


def change_role(work: UnitOfWork, user_id: UUID, role: Role) -> None:
    """Give a teammate another role, effective at once.

    Raises NotAllowed, NotFound, InvalidInput, or StateConflict for the last Admin.
    """
    work.actor.require(Action.TENANT_ADMIN)
    _check_role(role)
    row = _get(work, user_id)
    if row.role is role:
        return
    if row.role is Role.ADMIN and row.is_active:
        _keep_an_admin_besides(work, user_id)
    work.execute(_UPDATE, teammate_id=user_id, new_role=role, new_is_active=row.is_active)
    work.record(
        "user.role_changed", "user", user_id, before={"role": row.role}, after={"role": role}
    )


def deactivate_teammate(work: UnitOfWork, user_id: UUID) -> None:
    """Shut a teammate out and end the sessions; twice is no error.

    Raises NotAllowed, NotFound, or StateConflict for the last Admin.
    """
    work.actor.require(Action.TENANT_ADMIN)
    row = _get(work, user_id)
    if not row.is_active:
        return
    if row.role is Role.ADMIN:
        _keep_an_admin_besides(work, user_id)
    work.execute(_UPDATE, teammate_id=user_id, new_role=row.role, new_is_active=False)
    sessions.revoke_sessions_of(work, user_id)
    work.record("user.deactivated", "user", user_id, before={"email": row.email})


def activate_teammate(work: UnitOfWork, user_id: UUID) -> None:
    """Let a teammate in again; twice is no error. Raises NotAllowed, NotFound."""
    work.actor.require(Action.TENANT_ADMIN)
    row = _get(work, user_id)
    if row.is_active:
        return
    work.execute(_UPDATE, teammate_id=user_id, new_role=row.role, new_is_active=True)
    work.record("user.activated", "user", user_id, after={"email": row.email})


def _get(reader: Reader, user_id: UUID) -> Any:
    row = reader.first(_GET, teammate_id=user_id)
    if row is None:
        raise NotFound("There is no such teammate.", code="user_not_found")
    return row


def _check_role(role: Role) -> None:
    if role not in TENANT_ROLES:
        raise InvalidInput.of("role", f"must be one of {', '.join(TENANT_ROLES)}")


def _keep_an_admin_besides(work: UnitOfWork, user_id: UUID) -> None:
    work.execute(_TAKE_TURNS)
    others = work.rows(_OTHER_ADMINS, admin=Role.ADMIN, teammate_id=user_id)
    if not any(row.is_active for row in others):
        raise StateConflict("A tenant needs at least one Admin.", code="last_admin")
