"""Tenants: made, renamed, given other settings, switched off and on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import sqlalchemy as sa

from backend import money
from backend.actor import Action, Actor
from backend.business_days import calendar_of_zone, calendars
from backend.checks import optional_email, optional_text, required_text
from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.errors import FieldError, InvalidInput, NotFound
from backend.ids import new_id
from backend.tenants.models import TENANTS, TenantStatus
from backend.tenants.settings import (
    DEFAULT_NUMBER_PREFIX,
    DEFAULT_REMINDER_GAP_DAYS,
    DEFAULT_SENDING_FROM_MINUTE,
    DEFAULT_SENDING_UNTIL_MINUTE,
    DEFAULT_SENDING_WEEKDAYS,
    TenantSettings,
)
from backend.unit_of_work import Reader, UnitOfWork

NAME_LENGTH_MAX = 200
PREFIX_LENGTH_MAX = 16
ADDRESS_LENGTH_MAX = 500
REMINDER_GAP_DAYS_MAX = 60
DEFAULT_CURRENCY = "USD"
DEFAULT_TIME_ZONE = "America/Chicago"
MINUTES_A_DAY = 24 * 60

_T = TENANTS.c
_INSERT = PlatformStatement(sa.insert(TENANTS))
_UPDATE = Statement(
    sa.update(TENANTS)
    .where(_T.id == TENANT)
    .values(
        name=sa.bindparam("new_name"),
        time_zone=sa.bindparam("new_time_zone"),
        invoice_number_prefix=sa.bindparam("new_prefix"),
        sending_from_minute=sa.bindparam("new_from"),
        sending_until_minute=sa.bindparam("new_until"),
        sending_weekdays=sa.bindparam("new_weekdays"),
        holiday_calendar=sa.bindparam("new_calendar"),
        reminder_gap_days=sa.bindparam("new_gap"),
        reply_to_email=sa.bindparam("new_reply_to"),
        postal_address=sa.bindparam("new_postal_address"),
        high_value_amount=sa.bindparam("new_high_value", type_=_T.high_value_amount.type),
        version=_T.version + 1,
    )
)
_SET_STATUS = PlatformStatement(
    sa.update(TENANTS)
    .where(_T.id == sa.bindparam("wanted"))
    .values(status=sa.bindparam("new_status", type_=_T.status.type), version=_T.version + 1)
)
_ROW = sa.select(_T.id, _T.name, _T.status, _T.currency_code, _T.time_zone, _T.created_at)
_GET = PlatformStatement(_ROW.where(_T.id == sa.bindparam("wanted")))
_LIST = PlatformStatement(_ROW.order_by(_T.row_id.desc()))


@dataclass(frozen=True, slots=True)
class CreateTenant:
    """A business that will bill its customers here."""

    name: str
    currency_code: str = DEFAULT_CURRENCY
    time_zone: str = DEFAULT_TIME_ZONE


@dataclass(frozen=True, slots=True)
class UpdateTenant:
    """New settings; None leaves one as it is. Minutes are after midnight in the time zone.

    The empty text clears what may be missing: calendar, reply-to, address, and the amount, which
    is in the tenant's currency.
    """

    name: str | None = None
    time_zone: str | None = None
    invoice_number_prefix: str | None = None
    sending_from_minute: int | None = None
    sending_until_minute: int | None = None
    sending_weekdays: str | None = None
    holiday_calendar: str | None = None
    reminder_gap_days: int | None = None
    reply_to_email: str | None = None
    postal_address: str | None = None
    high_value_amount: Decimal | str | int | None = None


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as the platform sees it."""

    id: UUID
    name: str
    status: TenantStatus
    currency_code: str
    time_zone: str
    created_at: datetime


def add_tenant(work: UnitOfWork, command: CreateTenant) -> UUID:
    """Insert a tenant with default settings, its country's holidays among them.

    Raises InvalidInput.

    Only a part of making one: `backend.onboarding` decides who may, and gives it its plan.
    """
    name = required_text(command.name, field="name", max_length=NAME_LENGTH_MAX)
    _check(time_zone=command.time_zone)
    currency = money.currency(command.currency_code.strip().upper())
    tenant_id = new_id()
    work.execute(
        _INSERT,
        id=tenant_id,
        name=name,
        status=TenantStatus.ACTIVE,
        currency_code=currency.code,
        time_zone=command.time_zone,
        invoice_number_prefix=DEFAULT_NUMBER_PREFIX,
        sending_from_minute=DEFAULT_SENDING_FROM_MINUTE,
        sending_until_minute=DEFAULT_SENDING_UNTIL_MINUTE,
        sending_weekdays=DEFAULT_SENDING_WEEKDAYS,
        holiday_calendar=calendar_of_zone(command.time_zone),
        reminder_gap_days=DEFAULT_REMINDER_GAP_DAYS,
        reply_to_email=None,
        postal_address=None,
        high_value_amount=None,
        created_at=work.now,
        version=1,
    )
    return tenant_id


def update_tenant(work: UnitOfWork, command: UpdateTenant) -> TenantSettings:
    """Change the acting tenant's settings; the new ones. Raises NotAllowed, InvalidInput.

    A new number prefix is for invoices sent from now on; numbers already given stay.
    """
    work.actor.require(Action.TENANT_ADMIN)
    before = work.tenant
    wanted: dict[str, Any] = {
        field: value
        for field in UpdateTenant.__dataclass_fields__
        if (value := getattr(command, field)) is not None
    }
    if "name" in wanted:
        wanted["name"] = required_text(wanted["name"], field="name", max_length=NAME_LENGTH_MAX)
    if "invoice_number_prefix" in wanted:
        wanted["invoice_number_prefix"] = (
            optional_text(
                wanted["invoice_number_prefix"],
                field="invoice_number_prefix",
                max_length=PREFIX_LENGTH_MAX,
            )
            or ""
        )
    if "reply_to_email" in wanted:
        wanted["reply_to_email"] = optional_email(wanted["reply_to_email"], field="reply_to_email")
    if "postal_address" in wanted:
        wanted["postal_address"] = optional_text(
            wanted["postal_address"],
            field="postal_address",
            max_length=ADDRESS_LENGTH_MAX,
            many_lines=True,
        )
    if "high_value_amount" in wanted:
        wanted["high_value_amount"] = _threshold(wanted["high_value_amount"], before.currency_code)
    after = replace(before, **wanted)
    _check(
        time_zone=after.time_zone,
        window=(after.sending_from_minute, after.sending_until_minute),
        weekdays=after.sending_weekdays,
        calendar=after.holiday_calendar,
        gap_days=after.reminder_gap_days,
    )
    changed = [field for field in wanted if getattr(before, field) != getattr(after, field)]
    if not changed:
        return before
    work.execute(
        _UPDATE,
        new_name=after.name,
        new_time_zone=after.time_zone,
        new_prefix=after.invoice_number_prefix,
        new_from=after.sending_from_minute,
        new_until=after.sending_until_minute,
        new_weekdays=after.sending_weekdays,
        new_calendar=after.holiday_calendar,
        new_gap=after.reminder_gap_days,
        new_reply_to=after.reply_to_email,
        new_postal_address=after.postal_address,
        new_high_value=after.high_value_amount,
    )
    work.record(
        "tenant.updated",
        "tenant",
        after.id,
        before={field: getattr(before, field) for field in changed},
        after={field: getattr(after, field) for field in changed},
    )
    return after


def deactivate_tenant(work: UnitOfWork, tenant_id: UUID) -> None:
    """Refuse the tenant's keys and sessions from now on; its rows stay. Twice is no error."""
    _set_status(work, tenant_id, TenantStatus.INACTIVE, "tenant.deactivated")


def activate_tenant(work: UnitOfWork, tenant_id: UUID) -> None:
    """Take the tenant's keys and sessions again. Twice is no error."""
    _set_status(work, tenant_id, TenantStatus.ACTIVE, "tenant.activated")


def get_tenant(reader: Reader, tenant_id: UUID) -> TenantRow:
    """One tenant, for the platform. Raises NotAllowed, NotFound."""
    reader.actor.require(Action.PLATFORM_ADMIN)
    row = reader.first(_GET, wanted=tenant_id)
    if row is None:
        raise NotFound("There is no such tenant.", code="tenant_not_found")
    return TenantRow(**row._asdict())


def list_tenants(reader: Reader) -> list[TenantRow]:
    """All tenants, newest first, for the platform. Raises NotAllowed."""
    reader.actor.require(Action.PLATFORM_ADMIN)
    return [TenantRow(**row._asdict()) for row in reader.rows(_LIST)]


def inside_tenant(work: UnitOfWork, tenant_id: UUID) -> UnitOfWork:
    """The same transaction seen from inside a tenant, for what the platform does to it.

    What it records joins the tenant's own audit chain. The caller ends it with `finish()`.
    """
    actor = work.actor
    system = Actor.system(tenant_id, actor.correlation_id, who=actor.who, user_id=actor.user_id)
    return UnitOfWork(work.connection, system, work.now)


def _set_status(work: UnitOfWork, tenant_id: UUID, status: TenantStatus, action: str) -> None:
    tenant = get_tenant(work, tenant_id)
    if tenant.status is status:
        return
    work.execute(_SET_STATUS, wanted=tenant_id, new_status=status)
    inside = inside_tenant(work, tenant_id)
    inside.record(
        action, "tenant", tenant_id, before={"status": tenant.status}, after={"status": status}
    )
    inside.finish()


def _check(
    *,
    time_zone: str,
    window: tuple[int, int] = (DEFAULT_SENDING_FROM_MINUTE, DEFAULT_SENDING_UNTIL_MINUTE),
    weekdays: str = DEFAULT_SENDING_WEEKDAYS,
    calendar: str = "",
    gap_days: int = DEFAULT_REMINDER_GAP_DAYS,
) -> None:
    errors = []
    if time_zone not in _time_zones():
        errors.append(FieldError("time_zone", "must be a time zone such as America/Chicago"))
    start, end = window
    if not 0 <= start < end <= MINUTES_A_DAY:
        errors.append(
            FieldError("sending_until_minute", "must be after the beginning, on the same day")
        )
    if len(weekdays) != 7 or not set(weekdays) <= {"0", "1"} or "1" not in weekdays:
        errors.append(
            FieldError("sending_weekdays", "must be seven of 0 and 1, Monday first, with a 1")
        )
    if calendar and calendar not in calendars():
        errors.append(
            FieldError("holiday_calendar", "must be a country such as US, or a part of one: US-TX")
        )
    if not 0 <= gap_days <= REMINDER_GAP_DAYS_MAX:
        errors.append(
            FieldError("reminder_gap_days", f"must be between 0 and {REMINDER_GAP_DAYS_MAX}")
        )
    if errors:
        raise InvalidInput(errors)


def _threshold(given: Decimal | str | int, currency_code: str) -> Decimal | None:
    """The amount from which on a customer is called; None for an empty text."""
    if given == "":
        return None
    field = "high_value_amount"
    amount = money.parse_amount(given, in_currency=money.currency(currency_code), field=field)
    if amount <= money.ZERO:
        raise InvalidInput.of(field, "must be more than zero")
    return amount


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
