"""The parts of /dunning: what goes out, what does not, what is under way, runs, plans."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, filters, states, table
from billerjacket_app.session import SessionState

_ONLY = "Only Finance and Admins send reminders."


def actions(state: Any) -> list[rx.Component]:
    """Run now; disabled, with the reason, for who may not."""
    ready = state.view == "ready"
    return [
        rx.cond(
            ready,
            rx.cond(
                SessionState.may_chase,
                basic.button(
                    basic.icon("send", size=14), "Run now…", kind="primary",
                    on_click=state.ask_to_run, data_testid="run-now",
                ),
                basic.locked("run-now", "Run now…", _ONLY),
            ),
            rx.fragment(),
        )
    ]  # fmt: skip


def content(state: Any) -> rx.Component:
    """All sections."""
    return rx.el.div(
        _queued(state),
        _next_run(state.next_run),
        _sends(state, state.preview),
        _passed(state, state.preview),
        _progress(state),
        _runs(state),
        _plans(state),
        class_name="stack wide-gap",
    )


def run_dialog(state: Any) -> rx.Component:
    """Whom a run now reaches, and how many; the verb counts them."""
    run = state.run_now
    return dialog.form_dialog(
        state,
        "run",
        "Send reminders now?",
        rx.cond(
            run.gap_label != "",
            rx.el.label(
                rx.el.input(
                    type="checkbox", checked=state.within_gap, on_change=state.choose_gap,
                    data_testid="within-gap",
                ),
                run.gap_label,
                class_name="check",
            ),
            rx.fragment(),
        ),
        rx.cond(
            run.count > 0,
            rx.el.div(
                rx.el.ul(
                    rx.foreach(
                        run.rows,
                        lambda row: rx.el.li(
                            rx.el.div(
                                rx.el.div(row.customer, class_name="medium"),
                                rx.el.div(row.address, class_name="small muted"),
                            ),
                            rx.el.div(
                                rx.el.div(basic.money(row.amount)),
                                rx.el.div(row.note, class_name="small muted"),
                                class_name="end-text",
                            ),
                            data_testid="recipient",
                        ),
                    ),
                    class_name="recipients",
                    aria_label="Who gets one",
                ),
                rx.el.p(
                    rx.cond(run.more != "", run.more + " · ", ""),
                    "in all ",
                    rx.el.span(run.total, class_name="strong num"),
                    class_name="small muted",
                    data_testid="recipients-more",
                ),
                class_name="stack snug-list",
            ),
            rx.el.p("Nobody gets a reminder now; the page says why.", data_testid="nobody"),
        ),
        rx.cond(run.no_worker, _no_worker(), rx.fragment()),
        submit=state.start,
        verb=run.verb,
        blocked=run.count == 0,
        lead="Now, whatever the hour and the day. Holds, paid invoices and steps already sent "
        "are kept as always.",
    )  # fmt: skip


def _no_worker() -> rx.Component:
    return basic.callout(
        rx.el.strong("No worker is running. "), "It waits, and begins when one is started.",
        tone="warn", symbol="triangle-alert", data_testid="no-worker",
    )  # fmt: skip


def _queued(state: Any) -> rx.Component:
    """What became of the run that was asked for; announced when it changes."""
    queued = state.queued
    note = basic.callout(
        rx.el.div(
            rx.el.span(
                queued.text,
                rx.cond(
                    queued.href != "",
                    rx.fragment(" ", basic.link("Open the run", href=queued.href)),
                    rx.fragment(),
                ),
                rx.cond(
                    queued.no_worker & (queued.href == ""),
                    " No worker is running: it begins when one is started.",
                    "",
                ),
            ),
            basic.button("Dismiss", kind="quiet", on_click=state.dismiss),
            class_name="row spread",
        ),
        tone="info",
        symbol="send",
        data_testid="queued",
    )
    return rx.el.div(
        rx.cond(queued.text != "", note, rx.fragment()), role="status", class_name="answer"
    )


def _next_run(facts: Any) -> rx.Component:
    return basic.section(
        "Next run",
        basic.card(
            rx.el.div(
                rx.el.div(
                    rx.el.time(
                        facts.text, date_time=facts.at.iso, title=facts.at.title,
                        class_name="figure", data_testid="next-run",
                    ),
                    rx.el.div(facts.zone, class_name="small muted"),
                ),
                rx.cond(
                    facts.closed.length() > 0,
                    rx.el.div(
                        rx.el.div("Not earlier", class_name="small muted"),
                        rx.el.ul(
                            rx.foreach(facts.closed, lambda day: rx.el.li(day)),
                            data_testid="closed-days",
                        ),
                    ),
                    rx.fragment(),
                ),
                rx.el.div(
                    rx.el.div("When reminders go out", class_name="small muted"),
                    rx.el.div(facts.window),
                    rx.el.div(facts.gap),
                ),
                rx.cond(
                    SessionState.is_admin,
                    basic.link("Change in the settings", href=routes.SETTINGS),
                    rx.fragment(),
                ),
                class_name="next-run",
            ),
        ),
    )  # fmt: skip


def _pages(pager: Any, label: str) -> rx.Component:
    """The way on in a list that has more than one page."""
    return rx.cond(
        (pager.next_href != "") | (pager.first_href != ""),
        filters.pager(pager, label),
        rx.fragment(),
    )


def _links(items: Any) -> rx.Component:
    return rx.el.ul(
        rx.foreach(
            items,
            lambda one: rx.el.li(
                rx.el.a(one.number, href=one.href, class_name="link"),
                rx.el.span(one.amount, class_name="num muted"),
            ),
        ),
        class_name="named",
    )


def _sends(state: Any, preview: Any) -> rx.Component:
    return basic.section(
        "What goes out",
        filters.tabs("Which run is previewed", preview.kinds),
        rx.el.p(preview.lead, class_name="muted small"),
        table.data_table(
            "Reminders that would be sent",
            [
                table.Column("customer", "Customer"),
                table.Column("address", "To"),
                table.Column("template", "E-mail"),
                table.Column("invoices", "Invoices"),
                table.Column("amount", "Amount", True),
            ],
            preview.sends,
            lambda row: [
                table.row_header(
                    rx.el.a(row.customer, href=row.customer_href, class_name="hit"),
                    class_name="clip top",
                ),
                table.cell(row.address, class_name="clip top", title=row.address),
                table.cell(
                    row.template,
                    rx.cond(
                        row.note != "",
                        rx.el.div(row.note, class_name="small muted"),
                        rx.fragment(),
                    ),
                    class_name="top",
                ),
                table.cell(
                    _links(row.invoices),
                    rx.cond(
                        row.more_text != "",
                        rx.el.details(rx.el.summary(row.more_text), _links(row.more)),
                        rx.fragment(),
                    ),
                    name="invoices",
                    class_name="top",
                ),
                table.number(row.amount, name="amount", class_name="top"),
            ],
            state=state,
            testid="table-sends",
            row_testid="send-row",
            empty=states.empty(
                "circle-check",
                "Nobody gets a reminder",
                "Nothing is overdue, or each overdue invoice has a reason to wait, below.",
            ),
            foot=rx.el.tr(
                rx.el.th(rx.cond(preview.count == 1, "1 reminder", preview.count.to_string()
                                 + " reminders"), scope="row", col_span=4),
                table.number(preview.total, name="total"),
            ),
        ),
        _pages(preview.sends_pager, "Pages of reminders"),
    )  # fmt: skip


def _passed(state: Any, preview: Any) -> rx.Component:
    return basic.section(
        "What does not, and why",
        rx.cond(
            preview.passed_count > 0,
            rx.fragment(
                filters.tabs("Reasons", preview.reasons),
                table.plain_table(
                    "Overdue invoices that get no reminder",
                    [
                        table.Column("invoice", "Invoice"),
                        table.Column("customer", "Customer"),
                        table.Column("due", "Due"),
                        table.Column("why", "Why not"),
                        table.Column("balance", "Balance", True),
                    ],
                    rx.foreach(
                        preview.passed,
                        lambda row: rx.el.tr(
                            table.row_header(rx.el.a(row.number, href=row.href, class_name="hit")),
                            table.cell(
                                rx.el.a(row.customer, href=row.customer_href, class_name="hit"),
                                class_name="clip",
                            ),
                            table.cell(basic.day(row.due)),
                            table.cell(row.why, name="why"),
                            table.number(row.balance),
                            data_testid="passed-row",
                        ),
                    ),
                    testid="table-passed",
                ),
                _pages(preview.passed_pager, "Pages of what is left out"),
            ),
            basic.card(
                states.empty(
                    "circle-check", "Nothing is left out", "Every overdue invoice is chased."
                )
            ),
        ),
    )


def _progress(state: Any) -> rx.Component:
    return basic.section(
        "Under way",
        table.data_table(
            "Overdue invoices by the last step sent",
            [
                table.Column("step", "Last step sent"),
                table.Column("plan", "Plan"),
                table.Column("email", "E-mail"),
                table.Column("count", "Invoices", True),
                table.Column("amount", "Open", True),
            ],
            state.steps,
            lambda row: [
                table.row_header(row.step),
                table.cell(
                    rx.cond(
                        row.plan_href != "",
                        rx.el.a(row.plan, href=row.plan_href, class_name="hit"),
                        row.plan,
                    ),
                    class_name="clip",
                ),
                table.cell(row.email),
                table.number(row.count, name="count"),
                table.number(row.amount, name="open"),
            ],
            state=state,
            testid="table-progress",
            row_testid="progress-row",
            empty=states.empty("circle-check", "Nothing is overdue", "There is nothing to chase."),
        ),
    )


def _runs(state: Any) -> rx.Component:
    return basic.section(
        "Last runs",
        table.data_table(
            "The last runs of chasing",
            [
                table.Column("started", "Started"),
                table.Column("day", "For the day"),
                table.Column("status", "Status"),
                table.Column("kind", "Started by"),
                table.Column("emails", "Reminders", True),
                table.Column("invoices", "Invoices", True),
                table.Column("skipped", "Left out", True),
                table.Column("reasons", "Why"),
            ],
            state.runs,
            lambda row: [
                table.row_header(
                    rx.el.a(basic.when(row.started), href=row.href, class_name="hit link")
                ),
                table.cell(basic.day(row.day)),
                table.cell(basic.badge(row.badge)),
                table.cell(row.kind),
                table.number(row.emails, name="emails"),
                table.number(row.invoices, name="invoices"),
                table.number(row.skipped, name="skipped"),
                table.cell(row.skipped_text, class_name="wrap small muted"),
            ],
            state=state,
            testid="table-runs",
            row_testid="run-row",
            empty=states.empty(
                "history", "No runs yet", "The first one is made by the clock, or by “Run now”."
            ),
        ),
        _pages(state.runs_pager, "Pages of runs"),
    )


def _plans(state: Any) -> rx.Component:
    return basic.section(
        "Plans",
        table.data_table(
            "Plans of chasing",
            [
                table.Column("name", "Plan"),
                table.Column("status", "Status"),
                table.Column("steps", "Steps", True),
                table.Column("days", "Days after due"),
            ],
            state.plans,
            lambda row: [
                table.row_header(
                    rx.el.a(row.name, href=row.href, class_name="hit"), class_name="clip"
                ),
                table.cell(
                    rx.el.div(rx.foreach(row.badges, basic.badge), class_name="row nowrap-row")
                ),
                table.number(row.steps),
                table.cell(row.days, class_name="num-l"),
            ],
            state=state,
            testid="table-plans",
            row_testid="plan-row",
            empty=states.empty("bell-ring", "No plans", "Without a plan nobody is chased."),
        ),
        aside=rx.cond(
            SessionState.may_chase,
            basic.link_button(
                basic.icon("plus", size=14), "New plan", href=routes.NEW_PLAN,
                data_testid="new-plan",
            ),
            rx.fragment(),
        ),
    )  # fmt: skip
