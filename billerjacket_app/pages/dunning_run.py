"""/dunning/runs/{id}: what one run of chasing sent, what it left out and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.communications.queries import CommunicationFilter, list_communications
from backend.dunning.service import get_run
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, figures, filters, shell, states, table
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import rows
from billerjacket_app.pages.dunning_rows import reason_label, run_badge, run_kind, template_names
from billerjacket_app.status import Badge

EMAILS_MAX = 50


@dataclass
class ReminderRow:
    """A reminder of the run."""

    customer: str = ""
    customer_href: str = ""
    address: str = ""
    email: str = ""
    href: str = ""
    invoices: str = ""
    badge: Badge = field(default_factory=Badge)
    error: str = ""


@dataclass
class SkipRow:
    """A reason, and how many invoices it kept from being chased."""

    reason: str = ""
    count: str = ""


@dataclass
class RunFacts:
    """The run itself."""

    title: str = ""
    badge: Badge = field(default_factory=Badge)
    emails: str = ""
    invoices: str = ""
    overdue: str = ""
    skipped: str = ""
    day: str = ""
    kind: str = ""
    started: fmt.When = field(default_factory=fmt.When)
    finished: fmt.When = field(default_factory=fmt.When)
    correlation_id: str = ""
    trace_href: str = ""


@dataclass(frozen=True)
class Found:
    """All of the page."""

    facts: RunFacts
    emails: list[ReminderRow]
    skips: list[SkipRow]
    pager: filters.Pager


def load_run(reader: Reader, run_id: str, cursor: str) -> Found:
    """The run with its e-mails. Raises NotFound, InvalidInput, NotAllowed."""
    run = get_run(reader, rows.record_id(run_id, "run"))
    zone, names = rows.zone_of(reader), template_names(reader)
    page = list_communications(
        reader,
        CommunicationFilter(dunning_run_id=run.dunning_run_id),
        limit=EMAILS_MAX,
        cursor=cursor or None,
    )
    more = page.next_cursor
    skipped = sum(skip.invoice_count for skip in run.skipped)
    return Found(
        facts=RunFacts(
            title=f"Run of {fmt.calendar(run.as_of)}",
            badge=run_badge(run),
            emails=fmt.count(run.email_count),
            invoices=fmt.count(run.invoice_count),
            overdue=fmt.count(run.overdue_count),
            skipped=fmt.count(skipped),
            day=fmt.calendar(run.as_of),
            kind=run_kind(run),
            started=fmt.when_exactly(run.started_at, zone),
            finished=fmt.when_exactly(run.finished_at, zone),
            correlation_id=run.correlation_id,
            trace_href=routes.trace(run.correlation_id),
        ),
        emails=[
            ReminderRow(
                customer=email.customer_name,
                customer_href=routes.customer(email.customer_id),
                address=email.to_address,
                email=names.get(email.template_key, email.template_key),
                href=routes.mailbox(open=email.communication_id),
                invoices=fmt.count(len(email.invoice_ids)),
                badge=status.EMAIL[email.status],
                error=email.error or "",
            )
            for email in page.items
        ],
        skips=[
            SkipRow(reason_label(skip.reason), fmt.count(skip.invoice_count))
            for skip in run.skipped
        ],
        pager=filters.Pager(
            text=fmt.count(run.email_count, "reminder")
            if not (more or cursor)
            else f"{len(page.items)} of {fmt.count(run.email_count, 'reminder')}",
            first_href=routes.dunning_run(run_id) if cursor else "",
            next_href=routes.dunning_run(run_id, cursor=more) if more else "",
        ),
    )


class DunningRunState(PageState, rx.State):
    """One run."""

    facts: RunFacts = RunFacts()
    emails: list[ReminderRow] = []
    skips: list[SkipRow] = []
    pager: filters.Pager = filters.Pager()

    async def fetch(self) -> None:
        """Load the run named in the address."""
        outcome = await self.read(load_run, self.run_id, self.arg("cursor"))
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            title=f"{found.facts.title} · Chasing · BillerJacket",
            facts=found.facts,
            emails=found.emails,
            skips=found.skips,
            pager=found.pager,
        )


def _emails(state: Any) -> rx.Component:
    return basic.section(
        "Reminders",
        table.data_table(
            "Reminders of this run",
            [
                table.Column("customer", "Customer"),
                table.Column("address", "To"),
                table.Column("email", "E-mail"),
                table.Column("invoices", "Invoices", True),
                table.Column("status", "Status"),
            ],
            state.emails,
            lambda row: [
                table.row_header(
                    rx.el.a(row.customer, href=row.customer_href, class_name="hit"),
                    class_name="clip",
                ),
                table.cell(row.address, class_name="clip", title=row.address),
                table.cell(rx.el.a(row.email, href=row.href, class_name="hit link")),
                table.number(row.invoices),
                table.cell(
                    basic.badge(row.badge),
                    rx.cond(
                        row.error != "",
                        rx.el.div(row.error, class_name="small muted"),
                        rx.fragment(),
                    ),
                    class_name="wrap",
                ),
            ],
            state=state,
            testid="table-reminders",
            row_testid="reminder-row",
            empty=states.empty(
                "circle-check", "No reminders", "Every overdue invoice had a reason to wait."
            ),
        ),
        filters.pager(state.pager),
    )


def _skips(state: Any) -> rx.Component:
    return basic.section(
        "Left out",
        table.data_table(
            "Overdue invoices that got no reminder, by reason",
            [table.Column("reason", "Reason"), table.Column("count", "Invoices", True)],
            state.skips,
            lambda row: [table.row_header(row.reason), table.number(row.count, name="count")],
            state=state,
            testid="table-skips",
            row_testid="skip-row",
            empty=states.empty("circle-check", "Nothing", "Every overdue invoice was chased."),
        ),
    )


def _content(state: Any) -> rx.Component:
    facts = state.facts
    return rx.el.div(
        figures.kpis(
            figures.kpi("Reminders", facts.emails, testid="run-emails"),
            figures.kpi("Invoices chased", facts.invoices, testid="run-invoices"),
            figures.kpi("Left out", facts.skipped, testid="run-skipped"),
            figures.kpi("Overdue, looked at", facts.overdue, testid="run-overdue"),
        ),
        rx.el.div(
            _emails(state),
            rx.el.div(
                _skips(state),
                basic.section(
                    "Details",
                    basic.card(
                        basic.facts(
                            basic.fact("For the day", basic.day(facts.day)),
                            basic.fact("Started by", facts.kind),
                            basic.fact("Started", basic.when(facts.started, class_name="mono")),
                            basic.fact("Finished", basic.when(facts.finished, class_name="mono")),
                            basic.fact(
                                "Correlation id",
                                basic.copy_id(facts.correlation_id, label="the correlation id"),
                                " ",
                                basic.link("Trace", href=facts.trace_href),
                            ),
                        )
                    ),
                ),
                class_name="stack wide-gap",
            ),
            class_name="grid2",
        ),
        class_name="stack wide-gap",
    )


def page() -> rx.Component:
    """One run."""
    state = DunningRunState
    ready = state.view == "ready"
    return shell.page(
        state,
        rx.cond(ready, state.facts.title, "Run"),
        states.body(state, _content(state), noun="run", back=(routes.DUNNING, "To chasing")),
        section="dunning",
        crumbs=[("Chasing", routes.DUNNING)],
        beside=rx.cond(
            ready, basic.badge(state.facts.badge, data_testid="run-state"), rx.fragment()
        ),
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DUNNING_RUN,
        title=rx.cond(DunningRunState.title != "", DunningRunState.title, "Run · BillerJacket"),
        on_load=DunningRunState.load,
    )
