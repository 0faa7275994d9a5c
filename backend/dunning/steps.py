"""Taking steps: the e-mails of a stretch of customers, and the step each of their invoices took."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

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
from backend.dunning.candidates import AS_OF, PLAN_OF_CUSTOMER, verdicts
from backend.dunning.models import DUNNING_NOTICES, DUNNING_STATES
from backend.ids import new_id
from backend.invoices.models import INVOICES
from backend.messaging.contracts import DunningEmailRequested
from backend.unit_of_work import UnitOfWork

# What one audit row names; a customer with more invoices is rare, and its e-mail counts them too.
STEPS_NAMED_MAX = 500

_COM, _LINK, _I, _C = COMMUNICATIONS, COMMUNICATION_INVOICES, INVOICES, CUSTOMERS
_STATE, _NOTICE = DUNNING_STATES, DUNNING_NOTICES
_NOW = sa.bindparam("now", type_=_NOTICE.c.created_at.type)
_RUN_ID = sa.bindparam("run_id", type_=Id())
_NEW_NOTICES = (
    _NOTICE.c.tenant_id == TENANT,
    _NOTICE.c.dunning_run_id == _RUN_ID,
    _NOTICE.c.row_id > sa.bindparam("after_notice", type_=sa.BigInteger),
)
_ITS_INVOICE = (_I.c.tenant_id == _NOTICE.c.tenant_id, _I.c.id == _NOTICE.c.invoice_id)
_ITS_CUSTOMER = (_C.c.tenant_id == _I.c.tenant_id, _C.c.id == _I.c.customer_id)

_ADD_COMMUNICATION = Statement(sa.insert(_COM))
_LAST_NOTICE = Statement(
    sa.select(sa.func.max(_NOTICE.c.row_id)).where(
        _NOTICE.c.tenant_id == TENANT, _NOTICE.c.dunning_run_id == _RUN_ID
    )
)

_NEXT = verdicts(
    "tenant_id",
    "invoice_id",
    "customer_id",
    "step_number",
    "days_after_due",
    "template_key",
    only_chased=True,
    of_a_stretch=True,
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
        ).where(*_NEW_NOTICES),
    )
)
_MOVE_STATES = Statement(
    sa.update(_STATE)
    .where(
        _STATE.c.tenant_id == TENANT,
        _STATE.c.invoice_id == _NOTICE.c.invoice_id,
        *_NEW_NOTICES,
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
            *_NEW_NOTICES,
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
    .where(*_NEW_NOTICES, *_ITS_INVOICE)
    .order_by(_NOTICE.c.row_id)
)


def take_steps(
    work: UnitOfWork, run_id: UUID, day: date, chased: list[Any], params: dict[str, Any]
) -> None:
    """Queue an e-mail for each customer of a stretch, and let its invoices take their step.

    `chased` are the customers with `customer_id`, `email`, `step_number`, `template_key` and
    `invoice_count`, and `params` those of the verdicts by which they were found.
    """
    communication_ids = _write_communications(work, run_id, day, chased)
    new = {
        "run_id": run_id,
        "after_notice": work.scalar(_LAST_NOTICE, run_id=run_id) or 0,
        "id_prefix": id_prefix(),
    }
    work.execute(_ADD_NOTICES, **params, id_prefix=id_prefix(), now=work.now)
    work.execute(_LINK_INVOICES, **new)
    plan = {"default_plan_id": params["default_plan_id"]}
    work.execute(_MOVE_STATES, **new, **plan)
    work.execute(_BEGIN_STATES, **new, **plan)
    _record_steps(work, new, communication_ids, chased)


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
    work: UnitOfWork, new: dict[str, Any], communication_ids: list[UUID], chased: list[Any]
) -> None:
    """One audit row for each e-mail, naming the step that each of its invoices took."""
    steps: dict[UUID, dict[str, int]] = defaultdict(dict)
    for taken in work.rows(_STEPS_TAKEN, run_id=new["run_id"], after_notice=new["after_notice"]):
        named = steps[taken.communication_id]
        if len(named) < STEPS_NAMED_MAX:
            named[taken.invoice_number] = taken.step_number
    for communication_id, customer in zip(communication_ids, chased, strict=True):
        work.record(
            "dunning.notice_queued",
            "communication",
            communication_id,
            after={
                "customer_id": customer.customer_id,
                "to_address": customer.email,
                "template_key": customer.template_key,
                "invoice_count": customer.invoice_count,
                "steps": steps[communication_id],
            },
        )
