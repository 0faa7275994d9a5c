"""The preview: what a run would do on a day, and for each invoice it would pass over, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from backend.actor import Action
from backend.checks import sensible_day
from backend.db.statements import Statement
from backend.dunning.candidates import NotChased, verdict_params, verdicts
from backend.dunning.schedule import step_due_on
from backend.unit_of_work import Reader

_VERDICTS = Statement(
    verdicts(
        "invoice_id",
        "invoice_number",
        "due_date",
        "currency_code",
        "balance_due",
        "hold_until",
        "customer_id",
        "customer_name",
        "customer_hold_until",
        "email",
        "step_number",
        "days_after_due",
        "template_key",
        "reminded_on",
        "reason",
    )
)
_HELD_BY_CUSTOMER = frozenset({NotChased.CUSTOMER_EXCLUDED, NotChased.CUSTOMER_PAUSED})
_HELD = frozenset({NotChased.DISPUTED, NotChased.PAUSED, NotChased.PROMISED})


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """An invoice that would take this step."""

    invoice_id: UUID
    invoice_number: str
    step_number: int
    balance_due: Decimal
    currency_code: str
    due_date: date


@dataclass(frozen=True, slots=True)
class PlannedEmail:
    """The one e-mail that a customer would get.

    `last_reminded_on` is the day of a reminder within the tenant's gap, which the run does not
    keep; None when there is none.
    """

    customer_id: UUID
    customer_name: str
    to_address: str
    template_key: str
    last_reminded_on: date | None
    invoices: tuple[PlannedStep, ...]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An overdue invoice that would not be chased.

    `until` is the last day of the hold behind the reason; `next_step_on` the first day on which
    the next step may go out, when waiting for it is the reason; `reminded_on` the day of the
    reminder that is too near.
    """

    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    customer_name: str
    due_date: date
    balance_due: Decimal
    currency_code: str
    reason: NotChased
    until: date | None
    next_step_on: date | None
    reminded_on: date | None


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What a run on `as_of` would do; customers by name, invoices oldest due first."""

    as_of: date
    would_send: tuple[PlannedEmail, ...]
    not_chased: tuple[PassedOver, ...]


def preview_run(
    reader: Reader, as_of: date | None = None, *, keep_gap: bool = False
) -> PreviewView:
    """What the run of a day, today when none is given, would send if it ran now.

    With `keep_gap` the run that keeps the gap between two reminders, as the scheduled one does.
    Raises InvalidInput for a day that no run can be asked for.
    """
    reader.actor.require(Action.READ)
    day = reader.today if as_of is None else sensible_day(as_of, field="as_of")
    rows = reader.rows(_VERDICTS, **verdict_params(reader, day, keep_gap=keep_gap))
    rows.sort(key=lambda row: (row.customer_name, row.customer_id, row.due_date, row.invoice_id))
    planned: dict[UUID, list[Any]] = {}
    for row in rows:
        if row.reason is None:
            planned.setdefault(row.customer_id, []).append(row)
    return PreviewView(
        day,
        tuple(_email(steps) for steps in planned.values()),
        tuple(_passed_over(row) for row in rows if row.reason is not None),
    )


def _email(steps: list[Any]) -> PlannedEmail:
    furthest = max(steps, key=lambda row: row.step_number)
    return PlannedEmail(
        furthest.customer_id,
        furthest.customer_name,
        furthest.email,
        furthest.template_key,
        furthest.reminded_on,
        tuple(
            PlannedStep(
                row.invoice_id,
                row.invoice_number,
                row.step_number,
                row.balance_due,
                row.currency_code,
                row.due_date,
            )
            for row in steps
        ),
    )


def _passed_over(row: Any) -> PassedOver:
    reason = NotChased(row.reason)
    until = None
    if reason in _HELD_BY_CUSTOMER:
        until = row.customer_hold_until
    elif reason in _HELD:
        until = row.hold_until
    waits = reason is NotChased.NEXT_STEP_NOT_DUE
    return PassedOver(
        row.invoice_id,
        row.invoice_number,
        row.customer_id,
        row.customer_name,
        row.due_date,
        row.balance_due,
        row.currency_code,
        reason,
        until,
        step_due_on(row.due_date, row.days_after_due) if waits else None,
        row.reminded_on if reason is NotChased.CUSTOMER_REMINDED_LATELY else None,
    )
