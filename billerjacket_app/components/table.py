"""The one table: real rows and headers, sorting by links, and every state inside its body.

    data_table(
        "Invoices",                                  # caption, read by screen readers
        [Column("number", "Number", sort="number"), Column("total", "Total", numeric=True), …],
        State.rows,
        lambda row: [row_header(…), cell(…), number(…)],
        state=State, testid="table-invoices", row_testid="invoice-row",
        empty=states.empty(…), filtered=State.filtered, clear_href=routes.INVOICES, noun="invoices",
        foot=[…cells…],
    )

`state` needs `view`, `problem`, `load` (PageState) and, for sorting, `sort` and `sort_links`
(ListState). The identifier is the row's header and a link; the row itself is not clickable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import reflex as rx

from billerjacket_app.components import basic, states

SKELETON_ROWS = 8


@dataclass(frozen=True)
class Column:
    """A column: its key, its heading, whether it holds figures, and the sort key it offers.

    `control` stands in the heading instead of the label: the box that chooses every row.
    `only_if` is a Var: without it the column is not shown (its cells must ask the same).
    """

    key: str
    label: str
    numeric: bool = False
    sort: str = ""
    control: rx.Component | None = None
    only_if: Any = None


def row_header(*content: Any, **props: Any) -> rx.Component:
    """The cell that names the row."""
    return rx.el.th(*content, scope="row", **props)


def cell(*content: Any, name: str = "", class_name: str = "", **props: Any) -> rx.Component:
    """A cell of text; `name` gives it a test id."""
    if name:
        props["data_testid"] = f"cell-{name}"
    return rx.el.td(*content, class_name=class_name, **props)


def number(*content: Any, name: str = "", class_name: str = "", **props: Any) -> rx.Component:
    """A cell of figures, right-aligned."""
    return cell(*content, name=name, class_name=f"num {class_name}".strip(), **props)


def data_table(
    caption: Any,
    columns: Sequence[Column],
    rows: Any,
    render: Callable[[Any], Sequence[rx.Component]],
    *,
    state: Any,
    testid: str,
    row_testid: str,
    empty: rx.Component,
    filtered: Any = False,
    clear_href: Any = "",
    noun: str = "rows",
    foot: rx.Component | None = None,
    row_class: Callable[[Any], Any] | None = None,
    walked_by: Callable[[Any], Any] | None = None,
    next_row: Any = None,
) -> rx.Component:
    """See the top of this file.

    `walked_by` gives a row its name for the keys j and k (assets/hotkeys.js); `next_row` names the
    one that gets the focus next.
    """

    def shown(row: Any) -> rx.Component:
        look = row_class(row) if row_class else ""
        walked: dict[str, Any] = {}
        if walked_by:
            name = walked_by(row)
            walked = {"key": name, "tab_index": -1, "custom_attrs": {"data-row": name}}
        return rx.el.tr(*render(row), class_name=look, data_testid=row_testid, **walked)

    body = rx.match(
        state.view,
        ("loading", _skeleton(len(columns))),
        ("failed", _span(len(columns), states.failure(state.problem, state.load))),
        rx.cond(
            rows.length() > 0,
            rx.foreach(rows, shown),
            _span(
                len(columns),
                rx.cond(filtered, states.no_match(clear_href, noun=noun), empty),
            ),
        ),
    )
    parts = [
        rx.el.caption(caption, class_name="vh"),
        rx.el.thead(rx.el.tr(*(_heading(column, state) for column in columns))),
        rx.el.tbody(body),
    ]
    if foot is not None:
        parts.append(rx.cond(rows.length() > 0, rx.el.tfoot(foot), rx.fragment()))
    asked = {} if next_row is None else {"custom_attrs": {"data-next-row": next_row}}
    shown_table = rx.el.table(*parts, class_name="bj", data_testid=testid, **asked)
    return scroll_box(shown_table, label=caption)


def plain_table(
    caption: Any,
    columns: Sequence[Column],
    body: rx.Component,
    *,
    testid: str,
    foot: rx.Component | None = None,
) -> rx.Component:
    """A table without states or sorting, for the parts of a page that has loaded."""
    parts = [
        rx.el.caption(caption, class_name="vh"),
        rx.el.thead(rx.el.tr(*(_heading(column, None) for column in columns))),
        rx.el.tbody(body),
    ]
    if foot is not None:
        parts.append(rx.el.tfoot(foot))
    return scroll_box(rx.el.table(*parts, class_name="bj", data_testid=testid), label=caption)


def scroll_box(content: rx.Component, *, label: Any) -> rx.Component:
    """A wide table scrolls in its own box, by keyboard as well, and never the page."""
    return rx.el.div(content, class_name="twrap", tab_index=0, role="region", aria_label=label)


def _heading(column: Column, state: Any) -> rx.Component:
    if column.only_if is not None:
        column, asked = replace(column, only_if=None), column.only_if
        return rx.cond(asked, _heading(column, state), rx.fragment())
    if column.control is not None:
        return rx.el.td(column.control, class_name="pick")
    class_name = "num" if column.numeric else ""
    if not column.label:
        return rx.el.td()
    if not column.sort or state is None:
        return rx.el.th(column.label, scope="col", class_name=class_name)
    ascending, descending = state.sort == column.sort, state.sort == "-" + column.sort
    return rx.el.th(
        rx.el.a(
            column.label,
            rx.cond(
                ascending,
                basic.icon("arrow-up", size=12),
                rx.cond(descending, basic.icon("arrow-down", size=12), rx.fragment()),
            ),
            href=state.sort_links[column.sort],
        ),
        scope="col",
        class_name=class_name,
        aria_sort=rx.cond(ascending, "ascending", rx.cond(descending, "descending", "none")),
    )


def _span(columns: int, content: rx.Component) -> rx.Component:
    return rx.el.tr(rx.el.td(content, col_span=columns, class_name="void"), class_name="quiet")


def _skeleton(columns: int) -> rx.Component:
    row = rx.el.tr(
        *(rx.el.td(rx.el.span(class_name="skeleton")) for _ in range(columns)),
        class_name="quiet",
        aria_hidden="true",
    )
    return rx.fragment(*(row for _ in range(SKELETON_ROWS)))
