"""A new tenant, complete in one transaction: its row, its first Admin, its default plan."""

from __future__ import annotations

from uuid import UUID

from backend.actor import Action
from backend.dunning.service import create_default_plan
from backend.identity.service import join_tenant
from backend.tenants.service import CreateTenant, add_tenant, inside_tenant
from backend.unit_of_work import UnitOfWork

# What a person types into the set-up page is what the platform types on the command line.
SetUpTenant = CreateTenant


def create_tenant(work: UnitOfWork, command: CreateTenant) -> UUID:
    """Make a tenant that nobody has joined yet. Raises NotAllowed, InvalidInput."""
    work.actor.require(Action.PLATFORM_ADMIN)
    return _make(work, command)


def set_up_tenant(work: UnitOfWork, command: SetUpTenant) -> UUID:
    """Make the tenant of the acting user, who registered and becomes its Admin.

    Raises InvalidInput, or StateConflict when the user has a tenant or is a SuperAdmin.
    """
    tenant_id = _make(work, command)
    join_tenant(work, tenant_id)
    return tenant_id


def _make(work: UnitOfWork, command: CreateTenant) -> UUID:
    tenant_id = add_tenant(work, command)
    inside = inside_tenant(work, tenant_id)
    settings = inside.tenant
    inside.record(
        "tenant.created",
        "tenant",
        tenant_id,
        after={
            "name": settings.name,
            "currency_code": settings.currency_code,
            "time_zone": settings.time_zone,
        },
    )
    create_default_plan(inside)
    inside.finish()
    return tenant_id
