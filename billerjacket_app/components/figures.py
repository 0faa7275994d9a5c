"""Figures of the dashboard: key numbers, the aging bar, cash by month. HTML and CSS, no chart
library: bars are as wide as the server says, and each chart has its table beside it.

    kpis(kpi("Outstanding", State.outstanding, note=…, testid="stat-outstanding"), …)
    aging(State.aging)          a list of AgingBucket
    cash_in(State.cash)         a list of CashColumn
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from billerjacket_app.components import table


@dataclass
class AgingBucket:
    """One bucket: amount and share as text, the share as a CSS width, the list it stands for."""

    label: str = ""
    amount: str = ""
    share: str = ""
    width: str = "0%"
    tone: str = "age-0"
    href: str = ""


@dataclass
class CashColumn:
    """Money collected in one month; `partial` marks the month that is not over."""

    label: str = ""
    name: str = ""
    amount: str = ""
    height: str = "0%"
    partial: bool = False


def kpis(*items: rx.Component) -> rx.Component:
    """A row of key numbers."""
    return rx.el.dl(*items, class_name="kpis card")


def kpi(label: str, value: Any, *, note: Any = "", testid: str) -> rx.Component:
    """One number with what it is and, below it, what it is made of."""
    return rx.el.div(
        rx.el.dt(label),
        rx.el.dd(
            rx.el.div(value, class_name="value", data_testid=testid),
            rx.el.div(note, class_name="note"),
        ),
        class_name="kpi",
    )


def aging(buckets: Any, *, sentence: Any) -> rx.Component:
    """Open amounts by how late they are: one bar, and five rows that lead to the invoices."""
    return rx.el.div(
        rx.el.div(
            rx.foreach(
                buckets,
                lambda bucket: rx.cond(
                    bucket.width != "0%",
                    rx.el.span(class_name=bucket.tone, style={"width": bucket.width}),
                    rx.fragment(),
                ),
            ),
            class_name="bar",
            role="img",
            aria_label=sentence,
        ),
        rx.el.ul(
            rx.foreach(
                buckets,
                lambda bucket: rx.el.li(
                    rx.el.a(
                        rx.el.span(rx.el.i(class_name=bucket.tone), bucket.label, class_name="k"),
                        rx.el.span(bucket.share, class_name="num muted small"),
                        rx.el.span(bucket.amount, class_name="v"),
                        href=bucket.href,
                    )
                ),
            ),
            class_name="legend",
        ),
        data_testid="aging",
    )


def cash_in(columns: Any, *, peak: Any, sentence: Any, caption: str) -> rx.Component:
    """Money collected by month: bars from zero up to `peak`, and the same numbers as a table."""
    return rx.el.div(
        rx.el.p(peak, class_name="small muted num"),
        rx.el.div(
            rx.el.div(
                rx.foreach(
                    columns,
                    lambda column: rx.el.div(
                        rx.el.span(style={"height": column.height}, title=column.amount),
                        class_name=rx.cond(column.partial, "col partial", "col"),
                    ),
                ),
                class_name="chart",
            ),
            rx.el.div(
                rx.foreach(columns, lambda column: rx.el.span(column.label)),
                class_name="chart-x",
            ),
            role="img",
            aria_label=sentence,
        ),
        rx.el.details(
            rx.el.summary("The numbers"),
            table.plain_table(
                caption,
                [table.Column("month", "Month"), table.Column("amount", "Collected", True)],
                rx.foreach(
                    columns,
                    lambda column: rx.el.tr(
                        table.row_header(column.name), table.number(column.amount)
                    ),
                ),
                testid="table-cash-in",
            ),
            class_name="twin",
        ),
        data_testid="cash-in",
    )
