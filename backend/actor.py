"""Who acts: an explicit value that travels with every use case, never ambient state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from backend.errors import NotAllowed
from backend.ids import new_id


class Role(StrEnum):
    """What somebody may do. SuperAdmin has the platform and no tenant of its own."""

    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    FINANCE = "finance"
    SUPPORT = "support"


class Action(StrEnum):
    """What a use case asks permission for."""

    READ = "read"
    CUSTOMERS_WRITE = "customers.write"
    INVOICES_WRITE = "invoices.write"
    INVOICES_VOID = "invoices.void"  # once sent; voiding a draft is INVOICES_WRITE
    PAYMENTS_WRITE = "payments.write"
    DUNNING_WRITE = "dunning.write"
    SUPPORT_TOOLS = "support.tools"  # dead letters: see, resubmit, edit, discard, restore
    SUPPORT_PURGE = "support.purge"  # all dead letters of a queue at once
    TENANT_ADMIN = "tenant.admin"
    PLATFORM_ADMIN = "platform.admin"


_FINANCE = frozenset(
    {
        Action.READ,
        Action.CUSTOMERS_WRITE,
        Action.INVOICES_WRITE,
        Action.PAYMENTS_WRITE,
        Action.DUNNING_WRITE,
    }
)
PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.SUPERADMIN: frozenset({Action.PLATFORM_ADMIN, Action.SUPPORT_TOOLS, Action.SUPPORT_PURGE}),
    Role.ADMIN: frozenset(Action) - {Action.PLATFORM_ADMIN},
    Role.FINANCE: _FINANCE,
    Role.SUPPORT: frozenset({Action.READ, Action.SUPPORT_TOOLS}),
}

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def correlation_id_from(given: str | None) -> str:
    """The caller's correlation id when it is well formed, else a new one; never an error."""
    if given is not None and _CORRELATION_ID.fullmatch(given):
        return given
    return new_id().hex


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody acting inside one tenant. `who` is shown in the audit log, e.g. "api-key:ERP"."""

    tenant_id: UUID
    role: Role
    who: str
    correlation_id: str
    user_id: UUID | None = None
    causation_id: str | None = None

    def require(self, action: Action) -> None:
        """Raise NotAllowed unless this actor's role permits the action."""
        if action not in PERMISSIONS[self.role]:
            raise NotAllowed(f"The role {self.role} may not do this.", code="role_not_allowed")

    @classmethod
    def system(
        cls,
        tenant_id: UUID,
        correlation_id: str,
        *,
        who: str = "worker",
        user_id: UUID | None = None,
        causation_id: str | None = None,
    ) -> Actor:
        """The service itself, acting for a tenant with an Admin's permissions."""
        return cls(tenant_id, Role.ADMIN, who, correlation_id, user_id, causation_id)


@dataclass(frozen=True, slots=True)
class PlatformActor:
    """Somebody acting on the platform as a whole: a SuperAdmin, the CLI, the worker's upkeep."""

    who: str
    correlation_id: str
    user_id: UUID | None = None
    role: Role = Role.SUPERADMIN

    def require(self, action: Action) -> None:
        """Raise NotAllowed unless this actor's role permits the action."""
        if action not in PERMISSIONS[self.role]:
            raise NotAllowed(f"The role {self.role} may not do this.", code="role_not_allowed")


def platform_system(who: str = "system") -> PlatformActor:
    """The service itself, with a fresh correlation id."""
    return PlatformActor(who=who, correlation_id=new_id().hex)
