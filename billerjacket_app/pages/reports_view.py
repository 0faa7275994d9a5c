"""How the measures look: each with its formula in words, its figures, and a link to its rows."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app.components import basic, filters, forms, shell, states, table


def layout(state: Any) -> rx.Component:
    """The page: the measures, or the rows of one of them."""
    content = rx.el.div(
        _period(state),
        rx.cond(
            state.measure == "",
            rx.el.div(
                _recovery(state, state.formulas["recovery"]),
                _promises(state, state.formulas["promises"]),
                _dso(state, state.formulas["dso"]),
                class_name="stack wide-gap",
            ),
            _detail(state),
        ),
        class_name="stack wide-gap",
    )
    return shell.page(state, "Reports", states.body(state, content), section="reports")


def _period(state: Any) -> rx.Component:
    return rx.el.div(
        filters.tabs("Period", state.tabs),
        rx.el.form(
            forms.text_field(
                "since",
                "From",
                error=state.errors["since"],
                type="date",
                default_value=state.since,
            ),
            forms.text_field(
                "until",
                "To",
                error=state.errors["until"],
                type="date",
                default_value=state.until,
            ),
            basic.button("Show", type="submit", data_testid="show-period"),
            on_submit=state.choose_period,
            reset_on_submit=False,
            class_name="filters",
            key=state.since + state.until,
            custom_attrs={"noValidate": True},
        ),
        class_name="row spread period",
    )


def _formula(text: Any) -> rx.Component:
    return rx.el.p(text, class_name="small muted formula")


def _none(text: str) -> rx.Component:
    return basic.card(rx.el.p(text, class_name="muted"))


def _recovery(state: Any, formula: Any) -> rx.Component:
    return basic.section(
        "Recovered after a reminder",
        _formula(formula),
        rx.cond(
            state.recovery.length() > 0,
            table.plain_table(
                "Recovered by step and template",
                [
                    table.Column("step", "Last reminder"),
                    table.Column("template", "Template"),
                    table.Column("amount", "Recovered", True),
                    table.Column("payments", "Payments", True),
                    table.Column("median", "Median", True),
                    table.Column("mean", "Mean", True),
                ],
                rx.foreach(
                    state.recovery,
                    lambda row: rx.el.tr(
                        table.row_header(basic.link(row.step, href=row.href)),
                        table.cell(row.template, class_name="clip"),
                        table.number(row.amount, name="recovered"),
                        table.number(row.payments, name="payments"),
                        table.number(row.median, name="median"),
                        table.number(row.mean, name="mean"),
                        data_testid="recovery-row",
                    ),
                ),
                testid="table-recovery",
            ),
            _none("No payment came in this period."),
        ),
        rx.cond(
            state.totals.length() > 0,
            basic.card(
                basic.facts(
                    rx.foreach(state.totals, lambda it: basic.fact(it.label, basic.money(it.text)))
                )
            ),
            rx.fragment(),
        ),
        data_testid="measure-recovery",
    )


def _promises(state: Any, formula: Any) -> rx.Component:
    kept = state.promises
    return basic.section(
        "Promises kept",
        _formula(formula),
        basic.card(
            basic.facts(
                basic.fact(
                    "Kept, of those that were decided",
                    rx.el.strong(kept.rate, class_name="num", data_testid="promise-rate"),
                ),
                basic.fact("Kept", rx.el.span(kept.kept, class_name="num")),
                basic.fact("Broken", rx.el.span(kept.broken, class_name="num")),
                rx.foreach(kept.amounts, lambda it: basic.fact(it.label, basic.money(it.text))),
            ),
            rx.el.p(basic.link("The promises", href=kept.href), class_name="under"),
        ),
        data_testid="measure-promises",
    )


def _dso(state: Any, formula: Any) -> rx.Component:
    return basic.section(
        "Days sales outstanding",
        _formula(formula),
        rx.cond(
            state.dso.length() > 0,
            table.plain_table(
                "Days sales outstanding by currency",
                [
                    table.Column("currency", "Currency"),
                    table.Column("days", "Days", True),
                    table.Column("receivable", "Receivable", True),
                    table.Column("how", "How it adds up"),
                ],
                rx.foreach(
                    state.dso,
                    lambda row: rx.el.tr(
                        table.row_header(basic.link(row.currency, href=row.href)),
                        table.number(row.days, name="dso"),
                        table.number(row.receivable, name="receivable"),
                        table.cell(row.how, class_name="wrap"),
                        data_testid="dso-row",
                    ),
                ),
                testid="table-dso",
            ),
            _none("Nothing is owed on the last day of this period."),
        ),
        data_testid="measure-dso",
    )


def _detail(state: Any) -> rx.Component:
    """The rows of one measure; what kinds of cells they have is decided where they are loaded."""
    return basic.section(
        state.detail.title,
        rx.el.p(basic.link("All measures", href=state.detail.back), class_name="small"),
        _formula(state.detail.formula),
        rx.cond(
            state.detail.rows.length() > 0,
            table.scroll_box(
                rx.el.table(
                    rx.el.caption(state.detail.title, class_name="vh"),
                    rx.el.thead(
                        rx.el.tr(
                            rx.foreach(
                                state.detail.heads,
                                lambda head: rx.el.th(
                                    head.text,
                                    scope="col",
                                    class_name=rx.cond(head.is_number, "num", ""),
                                ),
                            )
                        )
                    ),
                    rx.el.tbody(
                        rx.foreach(
                            state.detail.rows,
                            lambda row: rx.el.tr(
                                rx.foreach(row.cells, _cell), data_testid="detail-row"
                            ),
                        )
                    ),
                    class_name="bj",
                    data_testid="table-detail",
                ),
                label=state.detail.title,
            ),
            basic.card(
                states.empty("search", "No rows", "Nothing in this period counts for it."),
            ),
        ),
        filters.pager(state.pager),
        data_testid="detail",
    )


def _cell(cell: Any) -> rx.Component:
    return rx.el.td(
        rx.cond(cell.href != "", basic.link(cell.text, href=cell.href), cell.text),
        class_name=rx.cond(cell.is_number, "num", ""),
    )
