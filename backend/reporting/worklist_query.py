"""The worklist as SQL: what is overdue, per customer and currency, and the reasons to call.

First the overdue invoices are summed up, along the index of the open ones; everything else is
asked about each customer, or about the few broken promises.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from backend.communications.models import COMMUNICATIONS, CommunicationStatus
from backend.customers.models import CUSTOMERS, EmailStatus
from backend.db.search import matching
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id, MoneyAmount, Text, UtcInstant
from backend.dunning.models import (
    CONTACT_LOG,
    DUNNING_PLANS,
    DUNNING_STATES,
    DUNNING_STEPS,
    INVOICE_HOLDS,
    HoldEnd,
)
from backend.invoices.models import INVOICES, InvoiceHold
from backend.reporting.places import Order, after_place, sorted_by, turned


class Reason(StrEnum):
    """Why somebody should call, the weightiest reason first."""

    BROKEN_PROMISE = "broken_promise"
    FOLLOW_UP = "follow_up"
    UNREACHABLE = "unreachable"
    PLAN_EXHAUSTED = "plan_exhausted"
    NO_PLAN = "no_plan"
    HIGH_VALUE = "high_value"
    LONG_OVERDUE = "long_overdue"


_I, _C, _H, _L, _M = INVOICES, CUSTOMERS, INVOICE_HOLDS, CONTACT_LOG, COMMUNICATIONS
_PLAN, _STEP, _STATE = DUNNING_PLANS, DUNNING_STEPS, DUNNING_STATES
_TODAY = sa.bindparam("today", type_=sa.Date)
_OPEN = _I.c.status.in_((constant("sent"), constant("overdue")))


def _when(condition: Any, then: Any = None, otherwise: Any = None) -> Any:
    """A CASE of one condition: 1 or 0 unless something else is named."""
    value = constant(1) if then is None else then
    return sa.case((condition, value), else_=constant(0) if otherwise is None else otherwise)


_IS_LATE = _I.c.due_date < _TODAY
_STANDS = sa.and_(
    _IS_LATE,
    _I.c.hold_kind.is_not(None),
    sa.or_(_I.c.hold_until.is_(None), _I.c.hold_until >= _TODAY),
)
_FREE = sa.and_(
    _IS_LATE,
    sa.or_(_I.c.hold_kind.is_(None), _I.c.hold_until < _TODAY),
)
# Lateness is asked in the sums, not in WHERE: the index on due dates has all that was ever paid.
_LATE = (
    sa.select(
        _I.c.customer_id,
        _I.c.currency_code,
        sa.func.sum(_I.c.balance_due).label("open_amount"),
        sa.func.sum(_when(_IS_LATE, _I.c.balance_due)).label("overdue_amount"),
        sa.func.sum(_when(_STANDS, _I.c.balance_due)).label("held_amount"),
        sa.func.sum(_when(_IS_LATE)).label("invoice_count"),
        sa.func.min(_I.c.due_date).label("oldest_due_on"),
        sa.func.sum(_when(_FREE, _I.c.balance_due)).label("free_amount"),
        sa.func.min(_when(_FREE, _I.c.due_date, sa.null())).label("oldest_free_on"),
        # How far the furthest of those that may be chased has come; null when there is none.
        sa.func.max(
            _when(_FREE, sa.func.coalesce(_STATE.c.last_days_after_due, constant(-1)), sa.null())
        ).label("furthest"),
    )
    .select_from(
        _I.outerjoin(
            _STATE,
            sa.and_(_STATE.c.tenant_id == _I.c.tenant_id, _STATE.c.invoice_id == _I.c.id, _IS_LATE),
        )
    )
    .where(_I.c.tenant_id == TENANT, _OPEN, _I.c.balance_due > constant(0))
    .group_by(_I.c.currency_code, _I.c.customer_id)
    .having(sa.func.min(_I.c.due_date) < _TODAY)
    .subquery("late")
)
_NEWER = INVOICE_HOLDS.alias("newer")
_BROKEN = (
    sa.select(_I.c.customer_id, _I.c.currency_code, sa.func.max(_H.c.until).label("until"))
    .select_from(_H.join(_I, sa.and_(_I.c.tenant_id == TENANT, _I.c.id == _H.c.invoice_id)))
    .where(
        _H.c.tenant_id == TENANT,
        _H.c.kind == constant(InvoiceHold.PROMISE.value),
        _H.c.ended_as == constant(HoldEnd.BROKEN.value),
        _OPEN,
        ~sa.select(constant(1))
        .where(
            _NEWER.c.tenant_id == _H.c.tenant_id,
            _NEWER.c.invoice_id == _H.c.invoice_id,
            _NEWER.c.row_id > _H.c.row_id,
        )
        .correlate(_H)
        .exists(),
    )
    .group_by(_I.c.customer_id, _I.c.currency_code)
    .subquery("broken")
)
_DEFAULT = DUNNING_PLANS.alias("default_plan")
_PLAN_OF_CUSTOMER = sa.func.coalesce(
    _C.c.dunning_plan_id,
    sa.select(_DEFAULT.c.id)
    .where(_DEFAULT.c.tenant_id == TENANT, _DEFAULT.c.is_default == constant(1))
    .scalar_subquery(),
)
_LAST_STEP = (
    sa.select(_STEP.c.plan_id, sa.func.max(_STEP.c.days_after_due).label("days_after_due"))
    .where(_STEP.c.tenant_id == TENANT)
    .group_by(_STEP.c.plan_id)
    .subquery("last_step")
)
_ANY_CONTACT = CONTACT_LOG.alias("any_contact")
_NEWEST_CONTACT = (
    sa.select(sa.func.max(_ANY_CONTACT.c.row_id))
    .where(_ANY_CONTACT.c.tenant_id == _C.c.tenant_id, _ANY_CONTACT.c.customer_id == _C.c.id)
    .correlate(_C)
    .scalar_subquery()
)
_LEFT_ALONE = sa.and_(
    _C.c.hold_kind.is_not(None), sa.or_(_C.c.hold_until.is_(None), _C.c.hold_until >= _TODAY)
)
_MAY_CHASE = _LATE.c.furthest.is_not(None)
_FLAGS: dict[Reason, Any] = {
    Reason.BROKEN_PROMISE: _BROKEN.c.until.is_not(None),
    Reason.FOLLOW_UP: _L.c.next_on <= _TODAY,
    Reason.UNREACHABLE: sa.and_(
        _MAY_CHASE,
        sa.or_(_C.c.email.is_(None), _C.c.email_status != constant(EmailStatus.OK.value)),
    ),
    Reason.PLAN_EXHAUSTED: sa.and_(
        _MAY_CHASE,
        _PLAN.c.id.is_not(None),
        sa.or_(
            _LAST_STEP.c.days_after_due.is_(None),
            _LATE.c.furthest >= _LAST_STEP.c.days_after_due,
        ),
    ),
    Reason.NO_PLAN: sa.and_(_MAY_CHASE, _PLAN.c.id.is_(None)),
    Reason.HIGH_VALUE: sa.and_(
        _LATE.c.currency_code == sa.bindparam("own_currency", type_=Text(3)),
        # Null when the tenant calls no amount high; then nothing is.
        _LATE.c.free_amount >= sa.bindparam("high_value", type_=MoneyAmount()),
    ),
    Reason.LONG_OVERDUE: _LATE.c.oldest_free_on < sa.bindparam("long_before", type_=sa.Date),
}
_TABLES = (
    _LATE.join(_C, sa.and_(_C.c.tenant_id == TENANT, _C.c.id == _LATE.c.customer_id))
    .outerjoin(
        _PLAN,
        sa.and_(
            _PLAN.c.tenant_id == _C.c.tenant_id,
            _PLAN.c.id == _PLAN_OF_CUSTOMER,
            _PLAN.c.is_active == constant(1),
        ),
    )
    .outerjoin(_LAST_STEP, _LAST_STEP.c.plan_id == _PLAN.c.id)
    .outerjoin(_L, sa.and_(_L.c.tenant_id == _C.c.tenant_id, _L.c.row_id == _NEWEST_CONTACT))
    .outerjoin(
        _BROKEN,
        sa.and_(
            _BROKEN.c.customer_id == _LATE.c.customer_id,
            _BROKEN.c.currency_code == _LATE.c.currency_code,
        ),
    )
)
_FACTS = (
    sa.select(
        _LATE.c.customer_id,
        _C.c.display_name.label("customer_name"),
        _C.c.phone,
        _C.c.email,
        _LATE.c.currency_code,
        *(
            sa.type_coerce(_LATE.c[name], MoneyAmount()).label(name)
            for name in ("overdue_amount", "held_amount", "open_amount")
        ),
        _LATE.c.invoice_count,
        _LATE.c.oldest_due_on,
        _BROKEN.c.until.label("broken_promise_on"),
        sa.func.coalesce(_L.c.created_at, sa.bindparam("never", type_=UtcInstant())).label(
            "contacted_at"
        ),
        _when(_L.c.next_on > _TODAY).label("is_snoozed"),
        *(_when(condition).label(reason.value) for reason, condition in _FLAGS.items()),
    )
    .select_from(_TABLES)
    .where(sa.not_(_LEFT_ALONE))
)

_TAIL: Order = (("customer_id", False), ("currency_code", False))
_ORDERS: dict[str, Order] = {
    "priority": (("rank", False), ("overdue_amount", True), *_TAIL),
    "amount": (("overdue_amount", False), *_TAIL),
    "days_late": (("oldest_due_on", True), *_TAIL),
    "name": (("customer_name", False), *_TAIL),
    "last_contact": (("contacted_at", False), *_TAIL),
}
SORTS = frozenset(_ORDERS)


def order_of(sort: str) -> Order:
    """The columns that a sort compares; a minus turns it around."""
    order = _ORDERS[sort.removeprefix("-")]
    return turned(order) if sort.startswith("-") else order


@functools.lru_cache(maxsize=128)
def page_statement(
    sort: str, reason: Reason | None, search: str | None, *, goes_on: bool
) -> Statement:
    """The rows of one page; `goes_on` asks for those after a place."""
    facts = _facts(search)
    ranked = (
        sa.select(
            facts,
            sa.case(
                *((facts.c[one.value] == constant(1), constant(at)) for at, one in _RANKS),
                else_=sa.null(),
            ).label("rank"),
        )
        .where(facts.c.is_snoozed == constant(0))
        .subquery("ranked")
    )
    query = sa.select(ranked).where(ranked.c.rank.is_not(None))
    if reason is not None:
        query = query.where(ranked.c[reason.value] == constant(1))
    order = order_of(sort)
    if goes_on:
        query = query.where(after_place(ranked.c, order))
    limit: sa.BindParameter[int] = sa.bindparam("page", type_=sa.Integer)
    return Statement(query.order_by(*sorted_by(ranked.c, order)).limit(limit))


@functools.lru_cache(maxsize=4)
def count_statement(search: str | None) -> Statement:
    """How many rows there are in all, for each reason, and snoozed ones that had one."""
    facts = _facts(search)
    has_reason = sa.or_(*(facts.c[one.value] == constant(1) for one in Reason))
    awake = facts.c.is_snoozed == constant(0)
    return Statement(
        sa.select(
            sa.func.count(_when(sa.and_(awake, has_reason), None, sa.null())).label("total"),
            sa.func.count(_when(sa.and_(~awake, has_reason), None, sa.null())).label("snoozed"),
            *(
                sa.func.count(
                    _when(sa.and_(awake, facts.c[one.value] == constant(1)), None, sa.null())
                ).label(one.value)
                for one in Reason
            ),
        )
    )


def _facts(search: str | None) -> Any:
    query = _FACTS if search is None else _FACTS.where(matching(_C, search))
    return query.subquery("facts")


_RANKS = tuple(enumerate(Reason, start=1))
_CUSTOMER = sa.bindparam("customer_id", type_=Id())
LAST_REMINDED_ON = Statement(
    sa.select(sa.func.max(_M.c.reminded_on)).where(
        _M.c.tenant_id == TENANT,
        _M.c.customer_id == _CUSTOMER,
        _M.c.status != constant(CommunicationStatus.FAILED.value),
    )
)
