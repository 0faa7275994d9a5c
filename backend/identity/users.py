"""The rows of users: how they are made and found, and what their fields must be."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action, Role
from backend.checks import optional_email, required_text
from backend.db.statements import PlatformStatement
from backend.errors import InvalidInput, NotFound
from backend.identity import passwords
from backend.identity.models import USERS
from backend.ids import new_id
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, UnitOfWork

NAME_LENGTH_MAX = 200
# What a tenant can give; a SuperAdmin is made on the platform only.
TENANT_ROLES = (Role.ADMIN, Role.FINANCE, Role.SUPPORT)

_INSERT = PlatformStatement(sa.insert(USERS))
_BY_EMAIL = PlatformStatement(sa.select(USERS.c.id).where(USERS.c.email == sa.bindparam("email")))
_TENANT = PlatformStatement(sa.select(TENANTS.c.id).where(TENANTS.c.id == sa.bindparam("wanted")))
_HAVE_ANY = PlatformStatement(sa.select(USERS.c.id).limit(1))


@dataclass(frozen=True, slots=True)
class CreateUser:
    """A user made by the platform. `role` superadmin takes no tenant, every other needs one."""

    email: str
    role: Role
    tenant_id: UUID | None
    password_hash: str
    display_name: str = ""


def normalise_email(email: str, *, field: str = "email") -> str:
    """The address as it is kept and compared: trimmed, in lower case. Raises InvalidInput."""
    address = optional_email(email, field=field)
    if address is None:
        raise InvalidInput.of(field, "must not be empty")
    return address.lower()


def create_user(work: UnitOfWork, command: CreateUser) -> UUID:
    """Make a user. Raises NotAllowed, InvalidInput, or NotFound when the tenant is unknown."""
    work.actor.require(Action.PLATFORM_ADMIN)
    email = normalise_email(command.email)
    if (command.role is Role.SUPERADMIN) != (command.tenant_id is None):
        raise InvalidInput.of("tenant", "a superadmin takes no tenant, every other role needs one")
    if command.tenant_id is not None:
        require_tenant(work, command.tenant_id)
    user_id = add_user(
        work,
        email=email,
        display_name=command.display_name.strip() or email.partition("@")[0],
        role=command.role,
        tenant_id=command.tenant_id,
        password_hash=command.password_hash,
    )
    work.record(
        "user.created",
        "user",
        user_id,
        after={"email": email, "role": command.role, "tenant_id": command.tenant_id},
    )
    return user_id


def add_user(
    work: UnitOfWork,
    *,
    email: str,
    display_name: str,
    role: Role,
    tenant_id: UUID | None,
    password_hash: str,
) -> UUID:
    """Insert a user whose fields are checked. Raises InvalidInput when the e-mail is taken."""
    if is_registered(work, email):
        raise InvalidInput.of("email", "is already in use", code="email_taken")
    user_id = new_id()
    work.execute(
        _INSERT,
        id=user_id,
        tenant_id=tenant_id,
        email=email,
        display_name=required_text(display_name, field="display_name", max_length=NAME_LENGTH_MAX),
        password_hash=password_hash,
        role=role,
        is_active=True,
        created_at=work.now,
        version=1,
    )
    return user_id


def require_tenant(reader: Reader, tenant_id: UUID) -> None:
    """Raise NotFound unless there is such a tenant."""
    if reader.first(_TENANT, wanted=tenant_id) is None:
        raise NotFound("There is no such tenant.", code="tenant_not_found")


def is_registered(reader: Reader, email: str) -> bool:
    """Whether somebody signs in with this address, which is in its normal form."""
    return reader.first(_BY_EMAIL, email=email) is not None


def has_users(reader: Reader) -> bool:
    """Whether anybody can sign in at all: an empty database has nobody."""
    return reader.first(_HAVE_ANY) is not None


def hash_new_password(password: str, *, email: str, field: str = "password") -> str:
    """Check a chosen password and hash it; outside any transaction. Raises InvalidInput."""
    passwords.check_strength(password, email=email, field=field)
    return passwords.hash_password(password)
