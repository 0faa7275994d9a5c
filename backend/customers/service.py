"""Creating and changing customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_email, optional_text, required_text
from backend.customers.models import CUSTOMERS, EmailStatus
from backend.customers.queries import CustomerView, get_customer
from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement
from backend.db.types import Id
from backend.errors import InvalidInput
from backend.ids import new_id
from backend.unit_of_work import UnitOfWork

PAYMENT_TERMS_DAYS_DEFAULT = 30
PAYMENT_TERMS_DAYS_MAX = 3650

_CHANGEABLE = (
    "display_name",
    "email",
    "email_status",
    "phone",
    "billing_address",
    "payment_terms_days",
    "external_source",
    "external_reference_id",
    "dunning_plan_id",
)
_ADD = Statement(sa.insert(CUSTOMERS))
_CHANGE = Statement(
    sa.update(CUSTOMERS)
    .where(
        CUSTOMERS.c.tenant_id == TENANT,
        CUSTOMERS.c.id == sa.bindparam("customer_id"),
        CUSTOMERS.c.version == sa.bindparam("seen_version"),
    )
    .values({name: sa.bindparam(f"new_{name}") for name in _CHANGEABLE})
    .values(updated_at=sa.bindparam("now"), version=CUSTOMERS.c.version + 1)
)
# Dunning knows customers, not the other way round: of its plans only the key is needed here.
_PLANS = sa.table("dunning_plans", sa.column("tenant_id", Id()), sa.column("id", Id()))
_PLAN = Statement(
    sa.select(_PLANS.c.id).where(
        _PLANS.c.tenant_id == TENANT, _PLANS.c.id == sa.bindparam("plan_id", type_=Id())
    )
)


@dataclass(frozen=True, slots=True)
class CreateCustomer:
    """A new customer. `payment_terms_days` are days from issue to due date."""

    display_name: str
    email: str | None = None
    phone: str | None = None
    billing_address: str | None = None
    payment_terms_days: int = PAYMENT_TERMS_DAYS_DEFAULT
    external_source: str | None = None
    external_reference_id: str | None = None


def create_customer(work: UnitOfWork, command: CreateCustomer) -> CustomerView:
    """Add a customer. Raises InvalidInput, NotAllowed."""
    work.actor.require(Action.CUSTOMERS_WRITE)
    values = _checked(
        {
            "display_name": command.display_name,
            "email": command.email,
            "phone": command.phone,
            "billing_address": command.billing_address,
            "payment_terms_days": command.payment_terms_days,
            "external_source": command.external_source,
            "external_reference_id": command.external_reference_id,
        }
    )
    customer_id = new_id()
    work.execute(
        _ADD,
        **values,
        id=customer_id,
        email_status=EmailStatus.OK,
        dunning_plan_id=None,
        hold_kind=None,
        hold_until=None,
        hold_reason=None,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )
    work.record("customer.created", "customer", customer_id, after=values)
    return get_customer(work, customer_id)


def update_customer(work: UnitOfWork, customer_id: UUID, changes: dict[str, Any]) -> CustomerView:
    """Change the named fields; None clears one. Raises NotFound, InvalidInput, NotAllowed."""
    work.actor.require(Action.CUSTOMERS_WRITE)
    before = get_customer(work, customer_id)
    checked = _checked(changes)
    if checked.get("dunning_plan_id") is not None and (
        work.first(_PLAN, plan_id=checked["dunning_plan_id"]) is None
    ):
        raise InvalidInput.of("dunning_plan_id", "is not a dunning plan of this tenant")
    if "email" in checked and checked["email"] != before.email:
        # A new address has not bounced yet.
        checked["email_status"] = EmailStatus.OK
    old = {name: getattr(before, name) for name in _CHANGEABLE}
    changed = {name: value for name, value in checked.items() if value != old[name]}
    if not changed:
        return before
    touched = work.execute(
        _CHANGE,
        customer_id=customer_id,
        seen_version=before.version,
        now=work.now,
        **{f"new_{name}": value for name, value in (old | changed).items()},
    )
    if touched != 1:
        raise LostRace
    work.record(
        "customer.updated",
        "customer",
        customer_id,
        before={name: old[name] for name in changed},
        after=changed,
    )
    return get_customer(work, customer_id)


_TEXTS = {
    "phone": 50,
    "billing_address": 1000,
    "external_source": 100,
    "external_reference_id": 200,
}


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _checked_field(name, value) for name, value in given.items()}


def _checked_field(name: str, value: Any) -> Any:
    match name:
        case "display_name":
            return required_text(value, field=name, max_length=200)
        case "email":
            return optional_email(value)
        case "payment_terms_days":
            return _terms(value)
        case "dunning_plan_id":
            return value
    return optional_text(
        value, field=name, max_length=_TEXTS[name], many_lines=name == "billing_address"
    )


def _terms(days: int | None) -> int:
    if days is None:
        return PAYMENT_TERMS_DAYS_DEFAULT
    if not 0 <= days <= PAYMENT_TERMS_DAYS_MAX:
        raise InvalidInput.of(
            "payment_terms_days", f"must be between 0 and {PAYMENT_TERMS_DAYS_MAX}"
        )
    return days
