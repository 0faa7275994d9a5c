"""The verdict on every overdue invoice, as one piece of SQL: which step is next, or why none is.

Evaluation, preview and the view of a single invoice all read it, so they cannot disagree. An
invoice is overdue here when its due day has ended as of the day asked about, whether or not the
sweep has marked it yet.

The next step is the first one of the customer's plan with more days after the due date than the
last one sent: a plan may change, or be another one, while its invoices are under way.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.communications.models import COMMUNICATIONS, CommunicationStatus
from backend.customers.models import CUSTOMERS
from backend.db.expressions import days_between
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id
from backend.dunning.models import DUNNING_NOTICES, DUNNING_PLANS, DUNNING_STATES, DUNNING_STEPS
from backend.invoices.models import INVOICES
from backend.unit_of_work import Reader

_I, _C, _M = INVOICES, CUSTOMERS, COMMUNICATIONS
_PLAN, _STEP, _STATE, _NOTICE = DUNNING_PLANS, DUNNING_STEPS, DUNNING_STATES, DUNNING_NOTICES


class NotChased(StrEnum):
    """Why an overdue invoice is not chased, the weightiest reason first."""

    CUSTOMER_EXCLUDED = "customer_excluded"
    CUSTOMER_PAUSED = "customer_paused"
    DISPUTED = "disputed"
    PAUSED = "paused"
    PROMISED = "promised"
    NO_EMAIL = "no_email"
    EMAIL_BOUNCED = "email_bounced"
    EMAIL_COMPLAINED = "email_complained"
    NO_ACTIVE_PLAN = "no_active_plan"
    STEPS_EXHAUSTED = "steps_exhausted"
    CHASED_THAT_DAY = "chased_that_day"
    NEXT_STEP_NOT_DUE = "next_step_not_due"
    CUSTOMER_REMINDED_LATELY = "customer_reminded_lately"


AS_OF = sa.bindparam("as_of", type_=sa.Date)
AFTER_CUSTOMER = sa.bindparam("after_customer", type_=Id())
UNTIL_CUSTOMER = sa.bindparam("until_customer", type_=Id())
# Before the first customer, and after the last one.
NOBODY, EVERYBODY = UUID(int=0), UUID(int=2**128 - 1)
_DEFAULT_PLAN_ID = sa.bindparam("default_plan_id", type_=Id())
_GET_DEFAULT_PLAN_ID = Statement(
    sa.select(_PLAN.c.id).where(_PLAN.c.tenant_id == TENANT, _PLAN.c.is_default == constant(1))
)


def _holding(kind: Any, until: Any, value: str) -> Any:
    """Whether a hold stands on the day asked about; its last day is included."""
    return sa.and_(kind == constant(value), sa.or_(until.is_(None), until >= AS_OF))


_DAYS_OVERDUE = days_between(_I.c.due_date, AS_OF)
# The plan by which a customer is chased.
PLAN_OF_CUSTOMER = sa.func.coalesce(_C.c.dunning_plan_id, _DEFAULT_PLAN_ID)
_ANY_STEP = DUNNING_STEPS.alias("any_step")
_NEXT_STEP = (
    sa.select(sa.func.min(_ANY_STEP.c.step_number))
    .where(
        _ANY_STEP.c.tenant_id == _I.c.tenant_id,
        _ANY_STEP.c.plan_id == _PLAN.c.id,
        _ANY_STEP.c.days_after_due > sa.func.coalesce(_STATE.c.last_days_after_due, constant(-1)),
    )
    .correlate(_I, _PLAN, _STATE)
    .scalar_subquery()
)
# The customer's last reminder within the gap, on either side of the day; but for the run's own one.
_REMINDED_ON = (
    sa.select(sa.func.max(_M.c.reminded_on))
    .where(
        _M.c.tenant_id == _C.c.tenant_id,
        _M.c.customer_id == _C.c.id,
        _M.c.reminded_on > sa.bindparam("gap_after", type_=sa.Date),
        _M.c.reminded_on < sa.bindparam("gap_before", type_=sa.Date),
        _M.c.status != constant(CommunicationStatus.FAILED.value),
        _M.c.dunning_run_id != sa.bindparam("run_id", type_=Id()),
    )
    .correlate(_C)
    .scalar_subquery()
)
_KEEPS_GAP = sa.bindparam("keep_gap", type_=sa.Integer) == constant(1)
_NOTICED = (
    sa.select(constant(1))
    .where(
        _NOTICE.c.tenant_id == _I.c.tenant_id,
        _NOTICE.c.invoice_id == _I.c.id,
        _NOTICE.c.noticed_on == AS_OF,
    )
    .correlate(_I)
    .exists()
)
_REASON = sa.case(
    *(
        (condition, constant(reason.value))
        for condition, reason in (
            (_holding(_C.c.hold_kind, _C.c.hold_until, "exclude"), NotChased.CUSTOMER_EXCLUDED),
            (_holding(_C.c.hold_kind, _C.c.hold_until, "pause"), NotChased.CUSTOMER_PAUSED),
            (_holding(_I.c.hold_kind, _I.c.hold_until, "dispute"), NotChased.DISPUTED),
            (_holding(_I.c.hold_kind, _I.c.hold_until, "pause"), NotChased.PAUSED),
            (_holding(_I.c.hold_kind, _I.c.hold_until, "promise"), NotChased.PROMISED),
            (_C.c.email.is_(None), NotChased.NO_EMAIL),
            (_C.c.email_status == constant("bounced"), NotChased.EMAIL_BOUNCED),
            (_C.c.email_status == constant("complained"), NotChased.EMAIL_COMPLAINED),
            (_PLAN.c.id.is_(None), NotChased.NO_ACTIVE_PLAN),
            (_STEP.c.id.is_(None), NotChased.STEPS_EXHAUSTED),
            (_NOTICED, NotChased.CHASED_THAT_DAY),
            (_STEP.c.days_after_due > _DAYS_OVERDUE, NotChased.NEXT_STEP_NOT_DUE),
            (
                sa.and_(_KEEPS_GAP, _REMINDED_ON.is_not(None)),
                NotChased.CUSTOMER_REMINDED_LATELY,
            ),
        )
    ),
    else_=sa.null(),
).label("reason")

VERDICT_COLUMNS = {
    "tenant_id": _I.c.tenant_id,
    "invoice_id": _I.c.id.label("invoice_id"),
    "invoice_number": _I.c.invoice_number,
    "due_date": _I.c.due_date,
    "currency_code": _I.c.currency_code,
    "balance_due": _I.c.balance_due,
    "hold_until": _I.c.hold_until,
    "customer_hold_until": _C.c.hold_until.label("customer_hold_until"),
    "customer_id": _I.c.customer_id,
    "customer_name": _C.c.display_name.label("customer_name"),
    "email": _C.c.email,
    "plan_id": _PLAN.c.id.label("plan_id"),
    "step_number": _STEP.c.step_number,
    "days_after_due": _STEP.c.days_after_due,
    "template_key": _STEP.c.template_key,
    "reminded_on": _REMINDED_ON.label("reminded_on"),
    "reason": _REASON,
}


def verdicts(
    *columns: str, only_chased: bool = False, of_a_stretch: bool = False
) -> sa.Select[Any]:
    """A query for the named columns of VERDICT_COLUMNS over the tenant's overdue invoices.

    Its parameters are those that `verdict_params` makes. `reason` is null for the invoices to
    chase, and `step_number` is the step that is next. `of_a_stretch` asks about the customers
    after `after_customer` and up to `until_customer` only.
    """
    tables = (
        _I.join(_C, sa.and_(_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id))
        .outerjoin(
            _PLAN,
            sa.and_(
                _PLAN.c.tenant_id == _I.c.tenant_id,
                _PLAN.c.id == PLAN_OF_CUSTOMER,
                _PLAN.c.is_active == constant(1),
            ),
        )
        .outerjoin(
            _STATE,
            sa.and_(_STATE.c.tenant_id == _I.c.tenant_id, _STATE.c.invoice_id == _I.c.id),
        )
        .outerjoin(
            _STEP,
            sa.and_(
                _STEP.c.tenant_id == _I.c.tenant_id,
                _STEP.c.plan_id == _PLAN.c.id,
                _STEP.c.step_number == _NEXT_STEP,
            ),
        )
    )
    query = (
        sa.select(*(VERDICT_COLUMNS[name] for name in columns))
        .select_from(tables)
        .where(
            _I.c.tenant_id == TENANT,
            _I.c.status.in_((constant("sent"), constant("overdue"))),
            _I.c.due_date < AS_OF,
        )
    )
    if of_a_stretch:
        query = query.where(_I.c.customer_id > AFTER_CUSTOMER, _I.c.customer_id <= UNTIL_CUSTOMER)
    return query.where(_REASON.element.is_(None)) if only_chased else query


def get_default_plan_id(reader: Reader) -> Any:
    """The id of the plan for customers that have none of their own, or None."""
    return reader.scalar(_GET_DEFAULT_PLAN_ID)


def verdict_params(
    reader: Reader, day: date, *, keep_gap: bool, run_id: UUID = NOBODY
) -> dict[str, Any]:
    """The parameters of a query of verdicts for the run of a day.

    `run_id` names the run that asks, whose own reminders do not stand in its way.
    """
    gap = timedelta(days=reader.tenant.reminder_gap_days)
    return {
        "as_of": day,
        "default_plan_id": get_default_plan_id(reader),
        "gap_after": day - gap,
        "gap_before": day + gap,
        "keep_gap": int(keep_gap),
        "run_id": run_id,
    }
