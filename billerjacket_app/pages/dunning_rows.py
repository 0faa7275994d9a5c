"""Chasing as rows of text: what is under way by step, the runs, the plans. No Reflex in here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from backend.communications.template_store import list_templates
from backend.dunning.plans import PlanView
from backend.dunning.progress import StepProgress
from backend.dunning.runs import RunView
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.pages.dunning_view import amounts_text
from billerjacket_app.status import Badge

# In a row of the list of runs; the run's own page has them all.
REASONS_NAMED_MAX = 3


@dataclass
class StepRow:
    """Overdue invoices whose last reminder was this step."""

    plan: str = ""
    plan_href: str = ""
    step: str = ""
    email: str = ""
    count: str = ""
    amount: str = ""


@dataclass
class RunRow:
    """A run."""

    href: str = ""
    started: fmt.When = field(default_factory=fmt.When)
    day: str = ""
    kind: str = ""
    badge: Badge = field(default_factory=Badge)
    emails: str = ""
    invoices: str = ""
    skipped: str = ""
    skipped_text: str = ""


@dataclass
class PlanRow:
    """A plan."""

    name: str = ""
    href: str = ""
    badges: list[Badge] = field(default_factory=list)
    steps: str = ""
    days: str = ""


def template_names(reader: Reader) -> dict[str, str]:
    """What the reminders are called, by the key that a step names. Raises NotAllowed."""
    return {one.template_key: one.name for one in list_templates(reader) if one.is_reminder}


def step_row(progress: StepProgress, names: dict[str, str]) -> StepRow:
    """One line of what is under way."""
    days, key = progress.days_after_due, progress.template_key
    step = "No reminder yet"
    if days is not None:
        number = f"Step {progress.step_number}, " if key else ""
        step = f"{number}day {days}"
    email = names.get(key, key) if key else fmt.NOTHING
    return StepRow(
        plan=progress.plan_name or "No plan",
        plan_href=routes.plan(progress.plan_id) if progress.plan_name else "",
        step=step,
        email="No longer in the plan" if days is not None and not key else email,
        count=fmt.count(progress.invoice_count),
        amount=amounts_text(progress.amounts),
    )


def run_badge(run: RunView) -> Badge:
    """How a run stands."""
    if run.finished_at is None:
        return Badge("Under way", "loader", "indigo")
    if not run.email_count:
        return Badge("Nothing to send", "minus", "slate")
    return Badge("Done", "check", "green")


def run_kind(run: RunView) -> str:
    """Who started it, and whether it kept the gap."""
    if run.is_scheduled:
        return "By the clock"
    return "By hand" if run.keeps_gap else "By hand, also within the gap"


def run_row(run: RunView, zone: ZoneInfo, now: datetime) -> RunRow:
    """A run as a row; the most frequent reasons are named."""
    reasons = [
        f"{reason_label(skip.reason)} {fmt.count(skip.invoice_count)}" for skip in run.skipped
    ]
    shown, more = reasons[:REASONS_NAMED_MAX], len(reasons) - REASONS_NAMED_MAX
    return RunRow(
        href=routes.dunning_run(run.dunning_run_id),
        started=fmt.when(run.started_at, zone, now),
        day=fmt.calendar(run.as_of),
        kind=run_kind(run),
        badge=run_badge(run),
        emails=fmt.count(run.email_count),
        invoices=fmt.count(run.invoice_count),
        skipped=fmt.count(sum(skip.invoice_count for skip in run.skipped)),
        skipped_text=" · ".join(shown) + (f" · {more} more" if more > 0 else ""),
    )


def reason_label(reason: str) -> str:
    """A reason in words; one of another version as it stands."""
    return status.NOT_CHASED.get(reason, reason.replace("_", " "))


def plan_row(plan: PlanView) -> PlanRow:
    """A plan as a row."""
    badges = [Badge("Default", "circle-check", "indigo")] if plan.is_default else []
    badges.append(
        Badge("Active", "check", "green")
        if plan.is_active
        else Badge("Not active: chases nobody", "pause", "slate")
    )
    return PlanRow(
        name=plan.name,
        href=routes.plan(plan.dunning_plan_id),
        badges=badges,
        steps=fmt.count(len(plan.steps)),
        days=", ".join(str(step.days_after_due) for step in plan.steps),
    )
