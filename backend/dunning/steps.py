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
from backend.dunning.candidates import AS_OF, PLAN_OF_CUSTOMER, verdict_params, verdicts
from backend.dunning.models import DUNNING_NOTICES, DUNNING_STATES
from backend.ids import new_id
from backend.invoices.models import INVOICES
from backend.messaging.contracts import DunningEmailRequested
from backend.unit_of_work import Reader, UnitOfWork

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

_NEXT_COLUMNS = (
    "tenant_id",
    "invoice_id",
    "customer_id",
    "step_number",
    "days_after_due",
    "template_key",
)
_NEXT = verdicts(*_NEXT_COLUMNS, only_chased=True, of_a_stretch=True).subquery()
_NEXT_OF_ANY = verdicts(*_NEXT_COLUMNS, only_chased=True).subquery()


def _notices(following: Any, its_email: Any) -> sa.Insert:
    """Notices of the steps that are next, joined to the e-mails that tell of them."""
    columns = {
        "tenant_id": following.c.tenant_id,
        "id": fresh_id(),
        "invoice_id": following.c.invoice_id,
        "step_number": following.c.step_number,
        "days_after_due": following.c.days_after_due,
        "template_key": following.c.template_key,
        "noticed_on": AS_OF,
        "dunning_run_id": _COM.c.dunning_run_id,
        "communication_id": _COM.c.id,
        "created_at": _NOW,
    }
    found = sa.select(*columns.values()).select_from(following.join(_COM, sa.and_(*its_email)))
    return sa.insert(_NOTICE).from_select(list(columns), found)


_ADD_NOTICES = Statement(
    _notices(
        _NEXT,
        (
            _COM.c.tenant_id == TENANT,
            _COM.c.dunning_run_id == _RUN_ID,
            _COM.c.customer_id == _NEXT.c.customer_id,
        ),
    )
)
_ITS_LINK = (
    _LINK.c.tenant_id == _COM.c.tenant_id,
    _LINK.c.communication_id == _COM.c.id,
    _LINK.c.invoice_id == _NEXT_OF_ANY.c.invoice_id,
)
_REMINDED_SINCE = sa.exists().where(
    _NOTICE.c.tenant_id == _COM.c.tenant_id,
    _NOTICE.c.invoice_id == _NEXT_OF_ANY.c.invoice_id,
    _NOTICE.c.created_at >= _COM.c.created_at,
)
# Without a reminder since then, the step that is next is the one that was taken back.
_TAKEN_BACK = (
    _COM.c.tenant_id == TENANT,
    _COM.c.id == sa.bindparam("communication_id", type_=Id()),
    sa.exists().where(*_ITS_LINK),
    ~_REMINDED_SINCE,
)
_ADD_NOTICES_AGAIN = Statement(_notices(_NEXT_OF_ANY, _TAKEN_BACK))
_TO_TAKE_AGAIN = Statement(
    sa.select(_NEXT_OF_ANY.c.invoice_id).select_from(_NEXT_OF_ANY.join(_COM, sa.and_(*_TAKEN_BACK)))
)
_RUN_OF = Statement(
    sa.select(_COM.c.dunning_run_id).where(
        _COM.c.tenant_id == TENANT, _COM.c.id == sa.bindparam("communication_id", type_=Id())
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
    new = {"run_id": run_id, "after_notice": _last_notice(work, run_id)}
    work.execute(_ADD_NOTICES, **params, id_prefix=id_prefix(), now=work.now)
    work.execute(_LINK_INVOICES, **new, id_prefix=id_prefix())
    _move_states(work, new, params)
    _record_steps(work, new, communication_ids, chased)


def steps_to_take_again(reader: Reader, communication_id: UUID, day: date) -> frozenset[UUID]:
    """The invoices whose steps of this e-mail were taken back, and may be taken on a day again."""
    params = verdict_params(reader, day, keep_gap=False)
    found = reader.rows(_TO_TAKE_AGAIN, communication_id=communication_id, **params)
    return frozenset(row.invoice_id for row in found)


def take_steps_again(work: UnitOfWork, communication_id: UUID, day: date) -> None:
    """Let those invoices take their steps, for the e-mail is sent after all."""
    run_id = work.scalar(_RUN_OF, communication_id=communication_id)
    new = {"run_id": run_id, "after_notice": _last_notice(work, run_id)}
    params = verdict_params(work, day, keep_gap=False)
    again = {"communication_id": communication_id, "id_prefix": id_prefix(), "now": work.now}
    if not work.execute(_ADD_NOTICES_AGAIN, **params, **again):
        return
    _move_states(work, new, params)
    steps: dict[str, int] = {}
    for taken in work.rows(_STEPS_TAKEN, **new):
        if len(steps) < STEPS_NAMED_MAX:
            steps[taken.invoice_number] = taken.step_number
    work.record(
        "dunning.steps_taken_again", "communication", communication_id, after={"steps": steps}
    )


def _last_notice(work: UnitOfWork, run_id: UUID) -> int:
    return work.scalar(_LAST_NOTICE, run_id=run_id) or 0


def _move_states(work: UnitOfWork, new: dict[str, Any], params: dict[str, Any]) -> None:
    plan = {"default_plan_id": params["default_plan_id"]}
    work.execute(_MOVE_STATES, **new, **plan)
    work.execute(_BEGIN_STATES, **new, **plan, id_prefix=id_prefix())


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
    for taken in work.rows(_STEPS_TAKEN, **new):
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
