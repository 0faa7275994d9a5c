"""Ready-made things for tests: a clock, tenants, actors, users."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from backend.actor import Actor, Role, platform_system
from backend.db.engine import Database
from backend.ids import new_id
from backend.tenants.service import CreateTenant, add_tenant
from backend.unit_of_work import run


@dataclass
class Clock:
    """A clock that stands still until a test moves it. A Wednesday noon in Chicago."""

    now: datetime = field(default=datetime(2026, 3, 4, 18, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **much: float) -> None:
        """Move on by a timedelta's keywords, such as minutes=5."""
        self.now += timedelta(**much)


def make_tenant(db: Database, name: str = "Ridge Roofing", **settings: str) -> UUID:
    """A tenant, without the plan that onboarding gives it."""
    return run(db, platform_system("test"), add_tenant, CreateTenant(name, **settings))


def actor_in(tenant_id: UUID, role: Role = Role.ADMIN, who: str = "test") -> Actor:
    """Somebody acting in this tenant."""
    return Actor(tenant_id, role, who, new_id().hex)
