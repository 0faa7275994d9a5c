"""Tenants: their settings, who may change them, and being switched off and on."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from backend.actor import Actor, Role, platform_system
from backend.audit import AUDIT_LOG
from backend.db.engine import Database
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, NotAllowed, NotFound
from backend.ids import new_id
from backend.tenants import service
from backend.tenants.models import TenantStatus
from backend.tenants.service import UpdateTenant
from backend.tenants.settings import TenantSettings
from backend.unit_of_work import Reader, read, run
from tests.factories import actor_in, make_tenant

PLATFORM = platform_system("test")
_ACTIONS = Statement(
    AUDIT_LOG.select().where(AUDIT_LOG.c.tenant_id == TENANT).order_by(AUDIT_LOG.c.sequence)
)


def settings_of(db: Database, tenant_id: UUID) -> TenantSettings:
    def get(reader: Reader) -> TenantSettings:
        return reader.tenant

    return read(db, actor_in(tenant_id), get)


def actions(db: Database, tenant_id: UUID) -> list[str]:
    def get(reader: Reader) -> list[str]:
        return [row.action for row in reader.rows(_ACTIONS)]

    return read(db, actor_in(tenant_id), get)


def test_a_new_tenant_has_the_default_settings(db: Database):
    tenant_id = make_tenant(db, "  Ridge Roofing ", currency_code="eur", time_zone="Europe/Rome")
    assert settings_of(db, tenant_id) == TenantSettings(
        id=tenant_id,
        name="Ridge Roofing",
        status=TenantStatus.ACTIVE,
        currency_code="EUR",
        time_zone="Europe/Rome",
        invoice_number_prefix="INV-",
        sending_from_minute=480,
        sending_until_minute=1080,
        sending_weekdays="1111100",
        holiday_calendar="IT",
        reminder_gap_days=3,
        reply_to_email=None,
        postal_address=None,
        high_value_amount=None,
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"currency_code": "XXX"}, "currency_code"),
        ({"currency_code": "BHD"}, "currency_code"),
    ],
    ids=str,
)
def test_refuses_a_tenant_that_cannot_be(db: Database, wrong: dict[str, str], field: str):
    with pytest.raises(InvalidInput) as refusal:
        make_tenant(db, **wrong)
    assert [error.field for error in refusal.value.errors] == [field]
    assert read(db, PLATFORM, service.list_tenants) == []


def test_an_admin_changes_some_settings_and_the_others_stay(db: Database, actor: Actor):
    before = settings_of(db, actor.tenant_id)
    command = UpdateTenant(
        name=" New Name ",
        invoice_number_prefix="RR-",
        sending_until_minute=1440,
        sending_weekdays="1111111",
    )
    after = run(db, actor, service.update_tenant, command)
    assert settings_of(db, actor.tenant_id) == after
    assert (after.name, after.invoice_number_prefix) == ("New Name", "RR-")
    assert (after.time_zone, after.sending_from_minute) == (before.time_zone, 480)
    assert actions(db, actor.tenant_id) == ["tenant.updated"]
    run(db, actor, service.update_tenant, command)
    assert actions(db, actor.tenant_id) == ["tenant.updated"], "nothing changed, nothing to say"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (UpdateTenant(name=""), "name"),
        (UpdateTenant(time_zone="Nowhere"), "time_zone"),
        (UpdateTenant(invoice_number_prefix="x" * 17), "invoice_number_prefix"),
        (UpdateTenant(sending_from_minute=1080), "sending_until_minute"),
        (UpdateTenant(sending_from_minute=-1), "sending_until_minute"),
        (UpdateTenant(sending_until_minute=1441), "sending_until_minute"),
        (UpdateTenant(sending_weekdays="0000000"), "sending_weekdays"),
        (UpdateTenant(sending_weekdays="11111"), "sending_weekdays"),
        (UpdateTenant(sending_weekdays="1111x00"), "sending_weekdays"),
        (UpdateTenant(holiday_calendar="Mars"), "holiday_calendar"),
        (UpdateTenant(reminder_gap_days=-1), "reminder_gap_days"),
        (UpdateTenant(reminder_gap_days=61), "reminder_gap_days"),
        (UpdateTenant(reply_to_email="office"), "reply_to_email"),
        (UpdateTenant(postal_address="x" * 501), "postal_address"),
        (UpdateTenant(high_value_amount="0"), "high_value_amount"),
        (UpdateTenant(high_value_amount="1.005"), "high_value_amount"),
    ],
    ids=str,
)
def test_refuses_settings_that_cannot_be(
    db: Database, actor: Actor, command: UpdateTenant, field: str
):
    before = settings_of(db, actor.tenant_id)
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, service.update_tenant, command)
    assert [error.field for error in refusal.value.errors] == [field]
    assert settings_of(db, actor.tenant_id) == before


def test_what_may_be_missing_is_set_and_cleared(db: Database, actor: Actor):
    given = UpdateTenant(
        holiday_calendar="US-TX",
        reply_to_email="office@ridge.example",
        postal_address="1 Main St\nAustin",
        high_value_amount="2500",
    )
    after = run(db, actor, service.update_tenant, given)
    assert settings_of(db, actor.tenant_id) == after
    assert (after.holiday_calendar, after.reply_to_email) == ("US-TX", "office@ridge.example")
    assert (after.postal_address, after.high_value_amount) == ("1 Main St\nAustin", Decimal(2500))
    nothing = UpdateTenant(
        holiday_calendar="", reply_to_email="", postal_address="", high_value_amount=""
    )
    cleared = run(db, actor, service.update_tenant, nothing)
    assert settings_of(db, actor.tenant_id) == cleared
    assert (cleared.holiday_calendar, cleared.reply_to_email) == ("", None)
    assert (cleared.postal_address, cleared.high_value_amount) == (None, None)


@pytest.mark.parametrize("role", [Role.FINANCE, Role.SUPPORT])
def test_only_an_admin_changes_settings(db: Database, tenant_id: UUID, role: Role):
    with pytest.raises(NotAllowed):
        run(db, actor_in(tenant_id, role), service.update_tenant, UpdateTenant(name="Mine"))
    assert settings_of(db, tenant_id).name == "Ridge Roofing"


def test_the_platform_switches_a_tenant_off_and_on_and_the_tenant_can_read_that(
    db: Database, tenant_id: UUID
):
    for _ in range(2):
        run(db, PLATFORM, service.deactivate_tenant, tenant_id)
    assert read(db, PLATFORM, service.get_tenant, tenant_id).status is TenantStatus.INACTIVE
    for _ in range(2):
        run(db, PLATFORM, service.activate_tenant, tenant_id)
    assert read(db, PLATFORM, service.get_tenant, tenant_id).status is TenantStatus.ACTIVE
    assert actions(db, tenant_id) == ["tenant.deactivated", "tenant.activated"]


def test_the_platform_lists_tenants_and_misses_unknown_ones(db: Database):
    first, second = make_tenant(db, "First"), make_tenant(db, "Second")
    assert [tenant.id for tenant in read(db, PLATFORM, service.list_tenants)] == [second, first]
    for use_case in (service.get_tenant, service.deactivate_tenant, service.activate_tenant):
        with pytest.raises(NotFound):
            run(db, PLATFORM, use_case, new_id())


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_no_tenant_manages_tenants(db: Database, tenant_id: UUID, role: Role):
    actor = actor_in(tenant_id, role)
    for use_case in (service.get_tenant, service.deactivate_tenant, service.activate_tenant):
        with pytest.raises(NotAllowed):
            run(db, actor, use_case, tenant_id)
    with pytest.raises(NotAllowed):
        read(db, actor, service.list_tenants)
