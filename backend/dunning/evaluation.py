"""The evaluation: every overdue invoice of a tenant takes its next step, by a few statements.

What to chase is decided by `candidates`; here the decision is written down. Each customer gets one
e-mail about all its invoices that take a step. The unique keys of a notice (invoice and step for
ever, invoice and day) make a second run of the same day find nothing left to do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.communications.models import (
    COMMUNICATION_INVOICES,
    COMMUNICATIONS,
    Channel,
    CommunicationStatus,
    CommunicationType,
)
from backend.customers.models import CUSTOMERS
from backend.db.expressions import fresh_id, id_prefix
from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Id
from backend.dunning.candidates import AS_OF, PLAN_OF_CUSTOMER, get_default_plan_id, verdicts
from backend.dunning.models import (
    DUNNING_NOTICES,
    DUNNING_RUNS,
    DUNNING_STATES,
    DUNNING_STEPS,
)
from backend.dunning.schedule import is_window_open
from backend.ids import new_id
from backend.invoices.models import INVOICES
from backend.invoices.overdue import sweep_overdue
from backend.messaging.contracts import DunningEmailRequested, EvaluateDunning
from backend.unit_of_work import UnitOfWork

# One transaction of SQLite keeps every other writer waiting: some 5,000 invoices take a fifth of a
# second. What is left over follows in a transaction of its own.
INVOICES_PER_RUN = 5_000

_COM, _LINK, _I, _C = COMMUNICATIONS, COMMUNICATION_INVOICES, INVOICES, CUSTOMERS
_STEP, _STATE, _NOTICE, _RUN = DUNNING_STEPS, DUNNING_STATES, DUNNING_NOTICES, DUNNING_RUNS
_NOW = sa.bindparam("now", type_=_NOTICE.c.created_at.type)
_RUN_ID = sa.bindparam("run_id", type_=Id())
_NOTICES_OF_THE_RUN = (_NOTICE.c.tenant_id == TENANT, _NOTICE.c.dunning_run_id == _RUN_ID)
_ITS_INVOICE = (_I.c.tenant_id == _NOTICE.c.tenant_id, _I.c.id == _NOTICE.c.invoice_id)
_ITS_CUSTOMER = (_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id)

_CHASED = verdicts("customer_id", "email", "plan_id", "step_number", only_chased=True).subquery()
_BY_CUSTOMER = (
    sa.select(
        _CHASED.c.customer_id,
        _CHASED.c.email,
        _CHASED.c.plan_id,
        sa.func.max(_CHASED.c.step_number).label("step_number"),
        sa.func.count().label("invoice_count"),
    )
    .group_by(_CHASED.c.customer_id, _CHASED.c.email, _CHASED.c.plan_id)
    .subquery()
)
# A customer has one plan, so the highest step among its invoices names the e-mail it gets.
_CUSTOMERS_TO_CHASE = Statement(
    sa.select(_BY_CUSTOMER, _STEP.c.template_key)
    .join(
        _STEP,
        sa.and_(
            _STEP.c.tenant_id == TENANT,
            _STEP.c.plan_id == _BY_CUSTOMER.c.plan_id,
            _STEP.c.step_number == _BY_CUSTOMER.c.step_number,
        ),
    )
    .order_by(_BY_CUSTOMER.c.customer_id)
)
_ADD_RUN = Statement(sa.insert(_RUN))
_ADD_COMMUNICATION = Statement(sa.insert(_COM))

_NEXT = verdicts(
    "tenant_id",
    "invoice_id",
    "customer_id",
    "step_number",
    "days_after_due",
    "template_key",
    only_chased=True,
).subquery()
_ADD_NOTICES = Statement(
    sa.insert(_NOTICE).from_select(
        [
            "tenant_id",
            "id",
            "invoice_id",
            "step_number",
            "days_after_due",
            "template_key",
            "noticed_on",
            "dunning_run_id",
            "communication_id",
            "created_at",
        ],
        sa.select(
            _NEXT.c.tenant_id,
            fresh_id(),
            _NEXT.c.invoice_id,
            _NEXT.c.step_number,
            _NEXT.c.days_after_due,
            _NEXT.c.template_key,
            AS_OF,
            _COM.c.dunning_run_id,
            _COM.c.id,
            _NOW,
        ).join(
            _COM,
            sa.and_(
                _COM.c.tenant_id == TENANT,
                _COM.c.dunning_run_id == _RUN_ID,
                _COM.c.customer_id == _NEXT.c.customer_id,
            ),
        ),
    )
)
_LINK_INVOICES = Statement(
    sa.insert(_LINK).from_select(
        ["tenant_id", "id", "communication_id", "invoice_id"],
        sa.select(
            _NOTICE.c.tenant_id, fresh_id(), _NOTICE.c.communication_id, _NOTICE.c.invoice_id
        ).where(*_NOTICES_OF_THE_RUN),
    )
)
_MOVE_STATES = Statement(
    sa.update(_STATE)
    .where(
        _STATE.c.tenant_id == TENANT,
        _STATE.c.invoice_id == _NOTICE.c.invoice_id,
        *_NOTICES_OF_THE_RUN,
        *_ITS_INVOICE,
        *_ITS_CUSTOMER,
    )
    .values(
        plan_id=PLAN_OF_CUSTOMER,
        last_step_number=_NOTICE.c.step_number,
        last_days_after_due=_NOTICE.c.days_after_due,
        last_step_on=_NOTICE.c.noticed_on,
        updated_at=_NOTICE.c.created_at,
        version=_STATE.c.version + 1,
    )
)
_BEGIN_STATES = Statement(
    sa.insert(_STATE).from_select(
        [
            "tenant_id",
            "id",
            "invoice_id",
            "plan_id",
            "last_step_number",
            "last_days_after_due",
            "last_step_on",
            "updated_at",
            "version",
        ],
        sa.select(
            _NOTICE.c.tenant_id,
            fresh_id(),
            _NOTICE.c.invoice_id,
            PLAN_OF_CUSTOMER,
            _NOTICE.c.step_number,
            _NOTICE.c.days_after_due,
            _NOTICE.c.noticed_on,
            _NOTICE.c.created_at,
            constant(1),
        ).where(
            *_NOTICES_OF_THE_RUN,
            *_ITS_INVOICE,
            *_ITS_CUSTOMER,
            ~sa.exists().where(
                _STATE.c.tenant_id == _NOTICE.c.tenant_id,
                _STATE.c.invoice_id == _NOTICE.c.invoice_id,
            ),
        ),
    )
)
_STEPS_TAKEN = Statement(
    sa.select(_NOTICE.c.communication_id, _I.c.invoice_number, _NOTICE.c.step_number)
    .where(*_NOTICES_OF_THE_RUN, *_ITS_INVOICE)
    .order_by(_NOTICE.c.row_id)
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run did. `is_window_closed`: nothing was looked at, for it was scheduled.

    `has_more`: the run reached its bound, and another one, already queued, goes on.
    """

    as_of: date
    email_count: int = 0
    invoice_count: int = 0
    is_window_closed: bool = False
    has_more: bool = False


def run_evaluation(
    work: UnitOfWork, *, as_of: date | None = None, scheduled: bool = False
) -> Evaluation:
    """Let the tenant's overdue invoices take their next step, and queue the e-mails.

    `as_of` stands for the tenant's today everywhere, also where one step a day is the rule. A
    scheduled run keeps to the sending window. May be repeated at any time. Raises NotAllowed.
    """
    work.actor.require(Action.DUNNING_WRITE)
    day = as_of or work.today
    if scheduled and not is_window_open(work.now, work.tenant):
        return Evaluation(day, is_window_closed=True)
    sweep_overdue(work)
    plan = {"as_of": day, "default_plan_id": get_default_plan_id(work)}
    chased, has_more = _first_of(work.rows(_CUSTOMERS_TO_CHASE, **plan))
    run_id = new_id()
    invoice_count = sum(customer.invoice_count for customer in chased)
    work.execute(
        _ADD_RUN,
        id=run_id,
        as_of=day,
        is_scheduled=scheduled,
        keeps_gap=False,
        email_count=len(chased),
        invoice_count=invoice_count,
        overdue_count=invoice_count,
        finished_at=work.now,
        correlation_id=work.actor.correlation_id,
        created_at=work.now,
    )
    if chased:
        communication_ids = _write_communications(work, run_id, day, chased)
        of_run = {"run_id": run_id, "id_prefix": id_prefix()}
        work.execute(_ADD_NOTICES, **of_run, **plan, now=work.now)
        work.execute(_LINK_INVOICES, **of_run)
        work.execute(_MOVE_STATES, **of_run, **plan)
        work.execute(_BEGIN_STATES, **of_run, **plan)
        _record_steps(work, run_id, communication_ids, chased)
    work.record(
        "dunning.evaluated",
        "dunning_run",
        run_id,
        after={
            "as_of": day,
            "scheduled": scheduled,
            "email_count": len(chased),
            "invoice_count": invoice_count,
        },
    )
    if has_more:
        work.send(EvaluateDunning(as_of=day, scheduled=scheduled))
    return Evaluation(day, len(chased), invoice_count, has_more=has_more)


def _first_of(customers: list[Any]) -> tuple[list[Any], bool]:
    """As many customers as have INVOICES_PER_RUN invoices together, and whether some are left."""
    invoice_count = 0
    for taken, customer in enumerate(customers):
        if invoice_count >= INVOICES_PER_RUN:
            return customers[:taken], True
        invoice_count += customer.invoice_count
    return customers, False


def _write_communications(
    work: UnitOfWork, run_id: UUID, day: date, chased: list[Any]
) -> list[UUID]:
    """One queued e-mail for each customer, and its message; their ids in the same order."""
    communication_ids = []
    rows = []
    for customer in chased:
        communication_id = new_id()
        message_id = work.send(DunningEmailRequested(communication_id=communication_id))
        communication_ids.append(communication_id)
        rows.append(
            {
                "id": communication_id,
                "customer_id": customer.customer_id,
                "payment_id": None,
                "dunning_run_id": run_id,
                "channel": Channel.EMAIL,
                "type": CommunicationType.DUNNING,
                "status": CommunicationStatus.QUEUED,
                "to_address": customer.email,
                "template_key": customer.template_key,
                "step_number": customer.step_number,
                "subject": "",
                "text_body": "",
                "html_body": "",
                "source_message_id": message_id,
                "provider_id": None,
                "error": None,
                "correlation_id": work.actor.correlation_id,
                "created_at": work.now,
                "sent_at": None,
                "reminded_on": day,
                "sending_until": None,
                "template_problem": None,
                "version": 1,
            }
        )
    work.execute_many(_ADD_COMMUNICATION, rows)
    return communication_ids


def _record_steps(
    work: UnitOfWork, run_id: UUID, communication_ids: list[UUID], chased: list[Any]
) -> None:
    """One audit row for each e-mail, naming the step that each of its invoices took."""
    steps: dict[UUID, dict[str, int]] = defaultdict(dict)
    for taken in work.rows(_STEPS_TAKEN, run_id=run_id):
        steps[taken.communication_id][taken.invoice_number] = taken.step_number
    for communication_id, customer in zip(communication_ids, chased, strict=True):
        work.record(
            "dunning.notice_queued",
            "communication",
            communication_id,
            after={
                "customer_id": customer.customer_id,
                "to_address": customer.email,
                "template_key": customer.template_key,
                "steps": steps[communication_id],
            },
        )
