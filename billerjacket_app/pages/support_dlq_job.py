"""/support/dlq/jobs/{id}: an act on many dead letters, how far it is, what became of each.

The job lives in the database, so its page can be closed, opened again, or opened by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, filters, shell, states, table
from billerjacket_app.page_state import say
from billerjacket_app.pages.support_dlq_job_view import Found, ItemRow, JobFacts, load_job, stop_job
from billerjacket_app.pages.support_dlq_state import SupportState


class DeadLetterJobState(SupportState, rx.State):
    """One job."""

    facts: JobFacts = JobFacts()
    tabs: list[filters.Tab] = []
    items: list[ItemRow] = []
    pager: filters.Pager = filters.Pager()
    said: str = ""

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The job that the address names."""
        return load_job, (self.job_id, self.arg("state"), self.arg("cursor"))

    def _show(self, found: Found) -> None:
        """Show it."""
        facts = found.facts
        said = "" if facts.is_open else f"{facts.badge.label}: {facts.progress}."
        self.assign(
            title=facts.title,
            facts=facts,
            tabs=found.tabs,
            items=found.items,
            pager=found.pager,
            said=said,
        )

    @rx.event
    async def cancel(self) -> Any:
        """Do no more than what is begun."""
        self.busy = True
        yield
        outcome = await self._act(stop_job, self.job_id)
        await self.fetch()
        if outcome.problem:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
        else:
            yield say("The job stops after the messages in hand.")


def _progress(facts: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.label("Done", html_for="job-progress", class_name="strong"),
            rx.el.span(facts.progress, class_name="num", data_testid="job-progress"),
            class_name="row spread",
        ),
        rx.el.progress(
            value=facts.finished, max=facts.total, id="job-progress", class_name="progress"
        ),
        rx.cond(
            facts.no_worker,
            basic.callout(
                rx.el.strong("It waits for a worker: none is running. "),
                "It begins by itself when one is started; this page can be closed.",
                tone="warn",
                symbol="triangle-alert",
                data_testid="no-worker",
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.problem != "",
            basic.callout(
                facts.problem, tone="warn", symbol="triangle-alert", data_testid="job-problem"
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.cancelled != "",
            rx.el.p(facts.cancelled, class_name="muted small", data_testid="job-cancelled"),
            rx.fragment(),
        ),
        class_name="card stack",
        data_testid="job",
    )


def _about(facts: Any) -> rx.Component:
    return basic.card(
        basic.facts(
            basic.fact("Messages", facts.scope),
            basic.fact("By", facts.who),
            basic.fact("Started", basic.when(facts.started, class_name="mono")),
            basic.fact("Ended", basic.when(facts.ended, class_name="mono")),
            basic.fact(
                "Correlation id",
                basic.copy_id(facts.correlation_id, label="the correlation id"),
                rx.cond(
                    facts.trace_href != "",
                    basic.link("Trace", href=facts.trace_href),
                    rx.fragment(),
                ),
            ),
        )
    )


def _results(state: Any) -> rx.Component:
    return basic.section(
        "Result of each message",
        filters.tabs("Messages by result", state.tabs),
        table.data_table(
            "Messages of this job",
            [
                table.Column("id", "Message"),
                table.Column("type", "Type"),
                table.Column("queue", "Queue"),
                table.Column("result", "Result"),
                table.Column("text", "What is known"),
                table.Column("at", "At"),
            ],
            state.items,
            lambda item: [
                table.row_header(
                    rx.cond(
                        item.href != "",
                        rx.el.a(
                            item.short_id, href=item.href, class_name="hit mono",
                            title=item.message_id,
                        ),
                        rx.el.span(item.short_id, class_name="mono", title=item.message_id),
                    )
                ),
                table.cell(item.message_type, class_name="clip"),
                table.cell(item.queue),
                table.cell(basic.badge(item.badge)),
                table.cell(item.text, class_name="wrap"),
                table.cell(basic.when(item.at, class_name="mono")),
            ],
            state=state,
            testid="table-items",
            row_testid="job-item",
            empty=states.empty("inbox", "No messages", "None has this result."),
        ),
        filters.pager(state.pager),
    )  # fmt: skip


def page() -> rx.Component:
    """One job."""
    state, facts = DeadLetterJobState, DeadLetterJobState.facts
    content = rx.el.div(
        _progress(facts),
        _about(facts),
        _results(state),
        rx.el.div(state.said, class_name="vh", role="status"),
        class_name="stack wide-gap",
    )
    ready = state.view == "ready"
    cancel = rx.cond(
        ready & facts.is_open & (facts.cancelled == ""),
        basic.button(
            basic.icon("pause", size=14),
            rx.cond(state.busy, "Cancelling…", "Cancel the job"),
            on_click=state.cancel,
            disabled=state.busy,
            title="It stops after the messages in hand.",
            data_testid="cancel-job",
        ),
        rx.fragment(),
    )
    return shell.page(
        state,
        rx.cond(ready, state.title, "Job"),
        states.body(state, content, noun="job", back=(routes.DEAD_LETTERS, "To the dead letters")),
        section="dead-letters",
        crumbs=[("Dead letters", routes.DEAD_LETTERS)],
        beside=rx.cond(ready, basic.badge(facts.badge, data_testid="job-state"), rx.fragment()),
        actions=[cancel],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DEAD_LETTER_JOB,
        title="Job · Dead letters · BillerJacket",
        on_load=DeadLetterJobState.load,
    )
