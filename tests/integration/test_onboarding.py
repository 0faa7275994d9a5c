"""A new tenant: complete at once, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.actor import Actor, PlatformActor, Role, platform_system
from backend.bootstrap import open_services
from backend.communications.mailbox import MailboxMailer
from backend.communications.smtp import SmtpMailer
from backend.config import Settings
from backend.db.engine import Database
from backend.dunning.service import list_plans
from backend.errors import BillerJacketError, NotAllowed, StateConflict
from backend.identity.service import RegisterUser, register_user
from backend.identity.teammates import list_teammates
from backend.onboarding import SetUpTenant, create_tenant, set_up_tenant
from backend.tenants.service import list_tenants
from backend.unit_of_work import read, run
from backend.verification.service import verify_books
from tests.factories import actor_in, raw_rows

PLATFORM = platform_system("test")
COMMAND = SetUpTenant("Ridge Roofing", "USD", "America/Denver")


@pytest.fixture
def newcomer(db: Database) -> PlatformActor:
    """Somebody who registered and has no tenant yet."""
    command = RegisterUser("owner@example.com", "correct horse battery", "Olive Owner")
    user_id = register_user(db, command, address="192.0.2.1", correlation_id="c")
    return PlatformActor("owner@example.com", "c", user_id, Role.ADMIN)


def test_a_newcomer_sets_up_a_tenant_and_is_its_admin(db: Database, newcomer: PlatformActor):
    tenant_id = run(db, newcomer, set_up_tenant, COMMAND)
    actor = actor_in(tenant_id)
    (owner,) = read(db, actor, list_teammates)
    assert (owner.id, owner.role) == (newcomer.user_id, Role.ADMIN)
    (plan,) = read(db, actor, list_plans).items
    assert plan.is_default


def test_what_was_done_stands_in_the_tenants_own_audit_chain(db: Database, newcomer: PlatformActor):
    tenant_id = run(db, newcomer, set_up_tenant, COMMAND)
    rows = raw_rows(
        db,
        "SELECT action, actor FROM audit_log WHERE tenant_id = ? ORDER BY sequence",
        tenant_id.hex,
    )
    assert ("tenant.created", "owner@example.com") in rows
    assert verify_books(db).is_proven


def test_setting_up_a_second_tenant_leaves_nothing_behind(db: Database, newcomer: PlatformActor):
    first = run(db, newcomer, set_up_tenant, COMMAND)
    for actor in (newcomer, PLATFORM, PlatformActor("anonymous", "c", role=Role.SUPPORT)):
        with pytest.raises(StateConflict):
            run(db, actor, set_up_tenant, COMMAND)
    assert [tenant.id for tenant in read(db, PLATFORM, list_tenants)] == [first]


def test_only_the_platform_makes_tenants_for_others(db: Database, newcomer: PlatformActor):
    tenant_id = run(db, PLATFORM, create_tenant, COMMAND)
    others: list[Actor | PlatformActor] = [newcomer]
    others += [actor_in(tenant_id, role) for role in (Role.ADMIN, Role.FINANCE, Role.SUPPORT)]
    for actor in others:
        with pytest.raises(NotAllowed):
            run(db, actor, create_tenant, COMMAND)


def settings_with(tmp_path: Path, email_url: str) -> Settings:
    return Settings.model_validate(
        {"database_url": f"sqlite:///{tmp_path}/x.db", "email_url": email_url}
    )


def test_the_settings_choose_the_mailer(tmp_path: Path):
    for url, kind in (("mailbox:", MailboxMailer), ("smtp://localhost:2525", SmtpMailer)):
        services = open_services(settings_with(tmp_path, url))
        assert isinstance(services.mailer, kind)
        services.close()


def test_closed_services_take_no_more_writes(tmp_path: Path):
    services = open_services(settings_with(tmp_path, "mailbox:"))
    services.close()
    with pytest.raises(BillerJacketError):
        run(services.db, PLATFORM, create_tenant, COMMAND)
