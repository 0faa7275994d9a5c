"""Dunning, as it comes in and goes out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import Cursor, Day, Limit, QuerySwitch, Switch, one_line, required_line
from backend.api.schemas.common import Answer, Body, Date, Instant, Money, Uuid, example
from backend.dunning.candidates import NotChased
from backend.dunning.models import DunningChannel
from backend.dunning.plans import DAYS_AFTER_DUE_MAX, STEPS_MAX, SUBJECT_LENGTH_MAX
from backend.paging import LIMIT_DEFAULT

_STEPS = [
    {"days_after_due": 0, "template_key": "friendly_reminder", "channel": "email"},
    {"days_after_due": 7, "template_key": "final_warning", "channel": "email"},
]
_INVOICE = {
    "invoice_id": "0199f0a3-02b4-7d0e-8c55-7d1f3a9be410",
    "invoice_number": "INV-000042",
    "balance_due": "10002.30",
    "currency_code": "USD",
    "due_date": "2026-04-03",
}


class NewRun(Body):
    """A run to be queued. `as_of` stands for today everywhere."""

    model_config = example(as_of="2026-03-31", keep_gap=True)

    as_of: Day | None = None
    keep_gap: Switch = Field(
        default=False,
        description="Pass over customers who had a reminder within the gap, as by schedule.",
    )


class PreviewQuery(Body):
    """Which day's run; today when left out. `keep_gap` as for the run itself."""

    as_of: Day | None = None
    keep_gap: QuerySwitch = False


class RunQuery(Body):
    """Which page of the runs."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class SkipCountOut(Answer):
    """How many overdue invoices were passed over for one reason."""

    reason: NotChased
    invoice_count: int


class RunOut(Answer):
    """What a run did. Without `finished_at` it is under way, and its counts grow."""

    model_config = example(
        dunning_run_id="0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
        as_of="2026-04-04",
        is_scheduled=True,
        keeps_gap=True,
        email_count=12,
        invoice_count=19,
        overdue_count=24,
        started_at="2026-04-04T13:00:07Z",
        finished_at="2026-04-04T13:00:07Z",
        correlation_id="9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
        skipped=[{"reason": "customer_reminded_lately", "invoice_count": 5}],
    )

    dunning_run_id: Uuid
    as_of: Date
    is_scheduled: bool
    keeps_gap: bool
    email_count: int
    invoice_count: int = Field(description="Overdue invoices that took a step.")
    overdue_count: int = Field(description="Overdue invoices that were looked at.")
    started_at: Instant
    finished_at: Instant | None
    correlation_id: str
    skipped: list[SkipCountOut] = Field(description="The most frequent reason first.")


class RunPage(Answer):
    """Some runs, newest first."""

    items: list[RunOut]
    next_cursor: str | None


class NewStep(Body):
    """A step: so many days after the due date (0 is the first overdue day), this e-mail."""

    days_after_due: Annotated[int, Field(strict=True, ge=0, le=DAYS_AFTER_DUE_MAX)]
    template_key: Annotated[str, required_line(64)]
    channel: DunningChannel = DunningChannel.EMAIL
    subject: Annotated[str, one_line(SUBJECT_LENGTH_MAX)] | None = Field(
        default=None, description="In place of the template's own; with the same variables."
    )


Steps = Annotated[list[NewStep], Field(min_length=1, max_length=STEPS_MAX)]


class NewPlan(Body):
    """A plan. As the default one it takes the place of the default there is."""

    model_config = example(name="Gentle", is_default=False, is_active=True, steps=_STEPS)

    name: Annotated[str, required_line(200)]
    is_default: Switch = False
    is_active: Switch = True
    steps: Steps


class PlanChanges(Body):
    """What to change; a field that is left out stays. `steps` replaces all steps."""

    model_config = example(is_active=False)

    name: Annotated[str, required_line(200)] = ""
    is_default: Switch = False
    is_active: Switch = True
    steps: Steps = Field(default_factory=list)


class PlanQuery(Body):
    """Which page of the plans."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class StepOut(Answer):
    """A step of a plan."""

    step_number: int
    days_after_due: int
    template_key: str
    channel: Literal["email"]
    subject: str | None


class PlanOut(Answer):
    """A dunning plan. One that is not active chases nobody."""

    model_config = example(
        dunning_plan_id="0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
        name="Gentle",
        is_default=False,
        is_active=True,
        steps=[
            {"step_number": number, **step, "subject": None}
            for number, step in enumerate(_STEPS, start=1)
        ],
    )

    dunning_plan_id: Uuid
    name: str
    is_default: bool
    is_active: bool
    steps: list[StepOut]


class PlanEffectOut(Answer):
    """What a change would do to overdue invoices; under_way is the sum of the four after it."""

    model_config = example(
        under_way=5,
        unaffected=3,
        next_step_changes=2,
        exhausted=0,
        no_longer_chased=0,
        sent_by_next_run=1,
        next_run_on="2026-04-06",
        sentences=[
            "2 overdue invoices get another next step; 1 of them is reminded by the next run, "
            "on Apr 6, 2026.",
            "3 overdue invoices go on as before.",
            "Reminders that were sent stay sent, and none is sent again.",
        ],
    )

    under_way: int
    unaffected: int
    next_step_changes: int
    exhausted: int
    no_longer_chased: int
    sent_by_next_run: int
    next_run_on: Date
    sentences: list[str]


class PlanPage(Answer):
    """Some plans, newest first."""

    items: list[PlanOut]
    next_cursor: str | None


class PlannedStepOut(Answer):
    """An invoice that would take this step."""

    invoice_id: Uuid
    invoice_number: str
    step_number: int
    balance_due: Money
    currency_code: str
    due_date: Date


class PlannedEmailOut(Answer):
    """The one e-mail that a customer would get."""

    customer_id: Uuid
    customer_name: str
    to_address: str
    template_key: str
    last_reminded_on: Date | None
    invoices: list[PlannedStepOut]


class PassedOverOut(Answer):
    """An overdue invoice that would not be chased, and why; until when, if that is known."""

    invoice_id: Uuid
    invoice_number: str
    customer_id: Uuid
    customer_name: str
    due_date: Date
    balance_due: Money
    currency_code: str
    reason: NotChased
    until: Date | None
    next_step_on: Date | None
    reminded_on: Date | None = Field(description="The reminder that is too near.")


class PreviewOut(Answer):
    """What a run on that day would send, and what not."""

    model_config = example(
        as_of="2026-04-04",
        would_send=[
            {
                "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
                "customer_name": "Hilltop Apartments LLC",
                "to_address": "ap@hilltop.example",
                "template_key": "friendly_reminder",
                "last_reminded_on": None,
                "invoices": [{**_INVOICE, "step_number": 1}],
            }
        ],
        not_chased=[
            {
                **_INVOICE,
                "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
                "customer_name": "Hilltop Apartments LLC",
                "reason": "promised",
                "until": "2026-04-15",
                "next_step_on": None,
                "reminded_on": None,
            }
        ],
    )

    as_of: Date
    would_send: list[PlannedEmailOut]
    not_chased: list[PassedOverOut]
