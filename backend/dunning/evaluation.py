"""The evaluation: every overdue invoice of a tenant takes its next step, by a few statements.

What to chase is decided by `candidates`; here the decision is written down. Each customer gets one
e-mail about all its invoices that take a step. The unique keys of a notice (invoice and days after
the due date for ever, invoice and day) make a second run of the same day find nothing left to do.

A run walks the customers in the order of their ids, a stretch of them in each transaction, and the
message that asks for the next stretch commits with this one. Its counts add up in one row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.db.statements import TENANT, Statement, at_most, constant
from backend.db.types import Id
from backend.dunning.candidates import (
    AFTER_CUSTOMER,
    AS_OF,
    EVERYBODY,
    NOBODY,
    verdict_params,
    verdicts,
)
from backend.dunning.models import (
    DUNNING_RUN_SKIPS,
    DUNNING_RUNS,
    DUNNING_STEPS,
)
from backend.dunning.schedule import is_window_open
from backend.dunning.steps import take_steps
from backend.ids import new_id
from backend.invoices.models import INVOICES
from backend.invoices.overdue import sweep_overdue
from backend.messaging.contracts import EvaluateDunning
from backend.unit_of_work import UnitOfWork

# One transaction of SQLite keeps every other writer waiting: some 5,000 invoices take a quarter of
# a second. What is left over follows in a transaction of its own. A customer is never split.
INVOICES_PER_STRETCH = 5_000

_I, _STEP, _RUN, _SKIP = INVOICES, DUNNING_STEPS, DUNNING_RUNS, DUNNING_RUN_SKIPS
_RUN_ID = sa.bindparam("run_id", type_=Id())

# The customer of the so manieth overdue invoice from here on.
_STRETCH_END = Statement(
    sa.select(_I.c.customer_id)
    .where(
        _I.c.tenant_id == TENANT,
        _I.c.status.in_((constant("sent"), constant("overdue"))),
        _I.c.customer_id > AFTER_CUSTOMER,
        _I.c.due_date < AS_OF,
    )
    .order_by(_I.c.customer_id)
    .limit(at_most(1))
    .offset(sa.bindparam("invoices_before", type_=sa.Integer))
)
_VERDICT = verdicts(
    "customer_id", "email", "plan_id", "step_number", "reason", of_a_stretch=True
).subquery()
_BY_CUSTOMER = (
    sa.select(
        _VERDICT.c.customer_id,
        _VERDICT.c.email,
        _VERDICT.c.plan_id,
        _VERDICT.c.reason,
        sa.func.max(_VERDICT.c.step_number).label("step_number"),
        sa.func.count().label("invoice_count"),
    )
    .group_by(_VERDICT.c.customer_id, _VERDICT.c.email, _VERDICT.c.plan_id, _VERDICT.c.reason)
    .subquery()
)
# A customer has one plan, so the furthest step among its invoices names the e-mail it gets.
_CUSTOMERS = Statement(
    sa.select(_BY_CUSTOMER, _STEP.c.template_key)
    .outerjoin(
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
_COUNT_ON = Statement(
    sa.update(_RUN)
    .where(_RUN.c.tenant_id == TENANT, _RUN.c.id == _RUN_ID, _RUN.c.finished_at.is_(None))
    .values(
        email_count=_RUN.c.email_count + sa.bindparam("more_emails", type_=sa.Integer),
        invoice_count=_RUN.c.invoice_count + sa.bindparam("more_invoices", type_=sa.Integer),
        overdue_count=_RUN.c.overdue_count + sa.bindparam("more_overdue", type_=sa.Integer),
        finished_at=sa.bindparam("ended_at", type_=_RUN.c.finished_at.type),
    )
)
_COUNT_SKIPS = Statement(
    sa.update(_SKIP)
    .where(
        _SKIP.c.tenant_id == TENANT,
        _SKIP.c.dunning_run_id == _RUN_ID,
        _SKIP.c.reason == sa.bindparam("of_reason"),
    )
    .values(invoice_count=_SKIP.c.invoice_count + sa.bindparam("more_invoices", type_=sa.Integer))
)
_ADD_SKIPS = Statement(sa.insert(_SKIP))
_RUN_SO_FAR = Statement(
    sa.select(
        _RUN.c.as_of,
        _RUN.c.is_scheduled.label("scheduled"),
        _RUN.c.keeps_gap,
        _RUN.c.email_count,
        _RUN.c.invoice_count,
        _RUN.c.overdue_count,
    ).where(_RUN.c.tenant_id == TENANT, _RUN.c.id == _RUN_ID)
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a run that has begun goes on: after this customer."""

    run_id: UUID
    after_customer: UUID


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a stretch of a run did. `is_window_closed`: it was scheduled, and nothing was looked at.

    `overdue_count` invoices were looked at, and `skipped` says for which reasons some were not
    chased. `goes_on`: where the next stretch begins, which is already queued; None for the last.
    """

    as_of: date
    run_id: UUID | None = None
    email_count: int = 0
    invoice_count: int = 0
    overdue_count: int = 0
    skipped: tuple[tuple[str, int], ...] = ()
    is_window_closed: bool = False
    goes_on: Stretch | None = None


def run_evaluation(
    work: UnitOfWork,
    *,
    as_of: date | None = None,
    scheduled: bool = False,
    keep_gap: bool = False,
    go_on: Stretch | None = None,
) -> Evaluation:
    """Let the tenant's overdue invoices take their next step, and queue the e-mails.

    `as_of` stands for the tenant's today everywhere, also where one step a day is the rule. A
    scheduled run is about today whatever it is given, keeps to the sending window, and keeps the
    gap between two reminders of a customer, which another one does when it is told to. May be
    repeated at any time. Raises NotAllowed.
    """
    work.actor.require(Action.DUNNING_WRITE)
    day = work.today if scheduled or as_of is None else as_of
    keeps_gap = scheduled or keep_gap
    is_another_day = as_of is not None and as_of != day
    if scheduled and (is_another_day or not is_window_open(work.now, work.tenant)):
        if go_on is not None:
            _count(work, go_on.run_id, Evaluation(day), is_over=True)
        return Evaluation(day, is_window_closed=True)
    if go_on is None:
        run_id = _begin_run(work, day, scheduled=scheduled, keeps_gap=keeps_gap)
        go_on = Stretch(run_id, NOBODY)
    found = _evaluate_stretch(work, go_on, day, keeps_gap=keeps_gap)
    _count(work, go_on.run_id, found, is_over=found.goes_on is None)
    if found.goes_on is not None:
        work.send(
            EvaluateDunning(
                as_of=day,
                scheduled=scheduled,
                keep_gap=keeps_gap,
                run_id=found.goes_on.run_id,
                after_customer_id=found.goes_on.after_customer,
            )
        )
    return found


def answer_message(work: UnitOfWork, message: EvaluateDunning) -> Evaluation:
    """Do what a message of the queue asks for: begin a run, or go on with one."""
    go_on = None
    if message.run_id is not None and message.after_customer_id is not None:
        go_on = Stretch(message.run_id, message.after_customer_id)
    return run_evaluation(
        work,
        as_of=message.as_of,
        scheduled=message.scheduled,
        keep_gap=message.keep_gap,
        go_on=go_on,
    )


def _begin_run(work: UnitOfWork, day: date, *, scheduled: bool, keeps_gap: bool) -> UUID:
    run_id = new_id()
    work.execute(
        _ADD_RUN,
        id=run_id,
        as_of=day,
        is_scheduled=scheduled,
        keeps_gap=keeps_gap,
        email_count=0,
        invoice_count=0,
        overdue_count=0,
        finished_at=None,
        correlation_id=work.actor.correlation_id,
        created_at=work.now,
    )
    return run_id


def _evaluate_stretch(
    work: UnitOfWork, go_on: Stretch, day: date, *, keeps_gap: bool
) -> Evaluation:
    after, until, has_more = _stretch_of(work, go_on.after_customer, day)
    sweep_overdue(work, customers=(after, until))
    params = {
        **verdict_params(work, day, keep_gap=keeps_gap, run_id=go_on.run_id),
        "after_customer": after,
        "until_customer": until,
    }
    skipped: Counter[str] = Counter()
    chased = []
    for customer in work.rows(_CUSTOMERS, **params):
        if customer.reason is None:
            chased.append(customer)
        else:
            skipped[customer.reason] += customer.invoice_count
    if chased:
        take_steps(work, go_on.run_id, day, chased, params)
    invoice_count = sum(customer.invoice_count for customer in chased)
    return Evaluation(
        day,
        go_on.run_id,
        email_count=len(chased),
        invoice_count=invoice_count,
        overdue_count=invoice_count + skipped.total(),
        skipped=tuple(sorted(skipped.items())),
        goes_on=Stretch(go_on.run_id, until) if has_more else None,
    )


def _stretch_of(work: UnitOfWork, after: UUID, day: date) -> tuple[UUID, UUID, bool]:
    """Customers with INVOICES_PER_STRETCH overdue invoices together, and whether some are left."""
    here = {"as_of": day, "after_customer": after}
    until = work.scalar(_STRETCH_END, **here, invoices_before=INVOICES_PER_STRETCH - 1)
    if until is None:
        return after, EVERYBODY, False
    beyond = {"as_of": day, "after_customer": until}
    has_more = work.first(_STRETCH_END, **beyond, invoices_before=0) is not None
    return after, until, has_more


def _count(work: UnitOfWork, run_id: UUID, found: Evaluation, *, is_over: bool) -> None:
    """Add what a stretch did to what the run did before, and say so when it was the last one."""
    work.execute(
        _COUNT_ON,
        run_id=run_id,
        more_emails=found.email_count,
        more_invoices=found.invoice_count,
        more_overdue=found.overdue_count,
        ended_at=work.now if is_over else None,
    )
    for reason, invoice_count in found.skipped:
        more = {"run_id": run_id, "of_reason": reason, "more_invoices": invoice_count}
        if not work.execute(_COUNT_SKIPS, **more):
            work.execute(
                _ADD_SKIPS,
                id=new_id(),
                dunning_run_id=run_id,
                reason=reason,
                invoice_count=invoice_count,
            )
    if is_over:
        total = work.one(_RUN_SO_FAR, run_id=run_id)
        work.record("dunning.evaluated", "dunning_run", run_id, after=total._asdict())
