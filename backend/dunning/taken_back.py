"""Steps taken back because their e-mail is not sent, and taken again when it is sent after all.

A step counts as taken when its e-mail is queued; one that never left has not happened. Both are
written in the transaction in which a reminder is claimed, so that what is recorded is what goes.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from backend.communications.letters import Letter
from backend.communications.models import COMMUNICATION_INVOICES, COMMUNICATIONS
from backend.db.statements import TENANT, Statement, at_most
from backend.dunning.models import DUNNING_NOTICES, DUNNING_RUNS, DUNNING_STATES
from backend.dunning.steps import take_steps_again
from backend.unit_of_work import UnitOfWork

_M, _RUN, _LINK = COMMUNICATIONS, DUNNING_RUNS, COMMUNICATION_INVOICES
_N, _S = DUNNING_NOTICES, DUNNING_STATES
_COMMUNICATION_ID = sa.bindparam("communication_id", type_=_M.c.id.type)

_RUN_OF = Statement(
    sa.select(_RUN.c.as_of)
    .join(_M, sa.and_(_M.c.tenant_id == _RUN.c.tenant_id, _M.c.dunning_run_id == _RUN.c.id))
    .where(_RUN.c.tenant_id == TENANT, _M.c.id == _COMMUNICATION_ID)
)
# An invoice of the e-mail without the notice of its step.
_IS_TAKEN_BACK = Statement(
    sa.select(_LINK.c.invoice_id)
    .where(
        _LINK.c.tenant_id == TENANT,
        _LINK.c.communication_id == _COMMUNICATION_ID,
        ~sa.exists().where(
            _N.c.tenant_id == _LINK.c.tenant_id,
            _N.c.invoice_id == _LINK.c.invoice_id,
            _N.c.communication_id == _LINK.c.communication_id,
        ),
    )
    .order_by(_LINK.c.invoice_id)
    .limit(at_most(1))
)
_COUNTS_FOR = Statement(
    sa.update(_M)
    .where(_M.c.tenant_id == TENANT, _M.c.id == _COMMUNICATION_ID)
    .values(reminded_on=sa.bindparam("day", type_=sa.Date))
)
_NOTICE_OF = (
    _N.c.tenant_id == TENANT,
    _N.c.communication_id == _COMMUNICATION_ID,
    _N.c.invoice_id == sa.bindparam("invoice_id"),
)
_STEP = Statement(sa.select(_N.c.step_number, _N.c.days_after_due).where(*_NOTICE_OF))
_WITHDRAW = Statement(sa.delete(_N).where(*_NOTICE_OF))
_STEP_BEFORE = Statement(
    sa.select(_N.c.step_number, _N.c.days_after_due, _N.c.noticed_on)
    .where(_N.c.tenant_id == TENANT, _N.c.invoice_id == sa.bindparam("invoice_id"))
    .order_by(_N.c.days_after_due.desc())
)
_STATE_OF = (
    _S.c.tenant_id == TENANT,
    _S.c.invoice_id == sa.bindparam("of_invoice"),
    _S.c.last_days_after_due == sa.bindparam("of_days_after_due"),
)
_START_OVER = Statement(sa.delete(_S).where(*_STATE_OF))
_STEP_BACK = Statement(
    sa.update(_S)
    .where(*_STATE_OF)
    .values(
        last_step_number=sa.bindparam("new_step"),
        last_days_after_due=sa.bindparam("new_days_after_due"),
        last_step_on=sa.bindparam("new_step_on"),
        updated_at=sa.bindparam("now"),
        version=_S.c.version + 1,
    )
)


def settle_steps(work: UnitOfWork, communication_id: UUID, letter: Letter) -> None:
    """Let the steps of a reminder that is being claimed agree with what is sent, and when.

    Those of invoices that it is not about any more are taken back, so that chasing can resume
    there; all of them when it is not sent.
    """
    if letter.obstacle is None:
        day = max(work.one(_RUN_OF, communication_id=communication_id).as_of, work.today)
        work.execute(_COUNTS_FOR, communication_id=communication_id, day=day)
        if work.first(_IS_TAKEN_BACK, communication_id=communication_id) is not None:
            take_steps_again(work, communication_id, day)
        _take_back(work, communication_id, {one.invoice_id: one.reason for one in letter.dropped})
    else:
        reasons = dict.fromkeys(letter.invoice_ids, letter.obstacle)
        reasons |= {one.invoice_id: one.reason for one in letter.dropped}
        _take_back(work, communication_id, reasons)


def _take_back(work: UnitOfWork, communication_id: UUID, reasons: dict[UUID, str]) -> None:
    for invoice_id, reason in reasons.items():
        taken = work.first(_STEP, communication_id=communication_id, invoice_id=invoice_id)
        if taken is None:
            continue
        work.execute(_WITHDRAW, communication_id=communication_id, invoice_id=invoice_id)
        before = work.first(_STEP_BEFORE, invoice_id=invoice_id)
        state = {"of_invoice": invoice_id, "of_days_after_due": taken.days_after_due}
        if before is None:
            work.execute(_START_OVER, **state)
        else:
            work.execute(
                _STEP_BACK,
                **state,
                new_step=before.step_number,
                new_days_after_due=before.days_after_due,
                new_step_on=before.noticed_on,
                now=work.now,
            )
        work.record(
            "dunning.step_taken_back",
            "invoice",
            invoice_id,
            before={"step_number": taken.step_number, "communication_id": communication_id},
            after={"reason": reason},
        )
