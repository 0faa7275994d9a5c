"""/activity: who did what and when, newest first, and what it changed. Filters in the address."""

from __future__ import annotations

import uuid
from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, changes, filters, forms, shell, states, table
from billerjacket_app.newer import NewerState, newer_bar
from billerjacket_app.pages.activity_chain import ChainState, chain_card
from billerjacket_app.pages.activity_rows import (
    CHOSEN,
    FILTERS,
    TYPED,
    ActivityRow,
    Option,
    load_activity,
    look_for_newer,
)
from billerjacket_app.session import SessionState


class ActivityState(ChainState, NewerState, rx.State):
    """The log."""

    rows: list[ActivityRow] = []
    kinds: list[Option] = []
    actions: list[Option] = []
    actors: list[Option] = []
    chips: list[filters.Chip] = []
    pager: filters.Pager = filters.Pager()
    export_href: str = ""
    chosen: dict[str, str] = dict.fromkeys(FILTERS, "")
    typed_key: str = "0"

    _ids: dict[str, str] = {}  # what the fields for ids hold

    async def fetch(self) -> None:
        """Load the page that the address names."""
        query = self._query()
        session = await self.get_state(SessionState)
        outcome = await self.read(load_activity, query, session.is_support)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.show_query(routes.ACTIVITY, query, ())
        if any(self._ids.get(name, "") != query[name] for name in TYPED):
            # The address changed by a link, not by typing: the fields must follow.
            self._ids = {name: query[name] for name in TYPED}
            self.typed_key = uuid.uuid4().hex
        self.know(found.newest)
        self.assign(
            rows=found.rows,
            kinds=found.kinds,
            actions=found.actions,
            actors=found.actors,
            chips=found.chips,
            pager=found.pager,
            export_href=found.export_href,
            chosen=query,
        )

    async def follow(self) -> None:
        """Entries never change, so there is only to tell of new ones."""
        outcome = await self.read(look_for_newer, self._query())
        if not outcome.problem:
            self.tell_newer(outcome.must)

    @rx.event
    def narrow(self, name: str, value: str) -> Any:
        """Put a filter into the address. What is chosen is a step that Back undoes."""
        if name not in FILTERS:
            return None
        if name in TYPED:
            self._ids = self._ids | {name: value.strip()}
        query = self._query() | {name: value.strip(), "cursor": ""}
        return rx.redirect(routes.activity(**query), replace=name not in CHOSEN)

    def _query(self) -> dict[str, str]:
        return {name: self.arg(name) for name in FILTERS}


def _select(name: str, label: str, first: str, options: Any) -> rx.Component:
    state = ActivityState
    return forms.field(
        name,
        label,
        rx.el.select(
            rx.el.option(first, value=""),
            rx.foreach(options, lambda option: rx.el.option(option.label, value=option.value)),
            id=f"f-{name}",
            name=name,
            value=state.chosen[name],
            on_change=lambda value: state.narrow(name, value),
        ),
        class_name="narrow",
    )


def _day(name: str, label: str) -> rx.Component:
    state = ActivityState
    return forms.field(
        name,
        label,
        rx.el.input(
            type="date",
            id=f"f-{name}",
            name=name,
            default_value=state.chosen[name],
            key=name + state.chosen[name],
            on_change=lambda value: state.narrow(name, value).debounce(600),
        ),
        class_name="narrow",
    )


def _id(name: str, label: str, **attributes: Any) -> rx.Component:
    state = ActivityState
    return forms.field(
        name,
        label,
        rx.el.input(
            type="search",
            id=f"f-{name}",
            name=name,
            default_value=state.chosen[name],
            key=name + state.typed_key,
            placeholder="Paste an id",
            auto_complete="off",
            spell_check=False,
            max_length=128,
            on_change=lambda value: state.narrow(name, value).debounce(filters.SEARCH_DEBOUNCE_MS),
            custom_attrs=attributes,
        ),
        class_name="narrow",
    )


def _filters() -> rx.Component:
    state = ActivityState
    return rx.el.div(
        _select("entity_type", "About", "Everything", state.kinds),
        _select("action", "Action", "All actions", state.actions),
        _select("actor", "Who", "Everybody", state.actors),
        _day("since", "From"),
        _day("until", "Until"),
        _id("correlation_id", "Correlation id", **{"data-hotkey": "/"}),
        _id("entity_id", "Id of the record"),
        class_name="filters",
    )


def _cells(row: Any) -> list[rx.Component]:
    return [
        table.row_header(basic.when(row.when, class_name="mono"), class_name="top"),
        table.cell(
            rx.el.div(
                rx.el.span(basic.icon(row.mark.icon), class_name="node " + row.mark.tone),
                rx.el.div(
                    rx.el.div(row.title, class_name="medium"),
                    rx.el.div(row.action, class_name="mono muted"),
                ),
                class_name="fact",
            ),
            class_name="wrap top",
        ),
        table.cell(
            rx.el.div(
                rx.cond(
                    row.about_href != "",
                    basic.link(row.about, href=row.about_href, title=row.about_id),
                    rx.el.span(row.about, title=row.about_id, class_name="mono"),
                ),
                class_name="one-line",
            ),
            rx.el.div(row.kind, class_name="small muted"),
            class_name="clip top",
        ),
        table.cell(
            changes.changes(row.lines, row.more, row.more_text), name="changes", class_name="top"
        ),
        table.cell(
            rx.el.div(row.actor, class_name="one-line", title=row.actor, data_testid="actor"),
            rx.el.span(
                basic.link(
                    row.correlation_short,
                    href=row.correlation_href,
                    title=row.correlation_id,
                    aria_label="What else happened under " + row.correlation_id,
                    data_testid="correlation",
                ),
                basic.button(
                    basic.icon("copy", size=12),
                    kind="quiet",
                    aria_label="Copy the correlation id",
                    custom_attrs={"data-copy": row.correlation_id},
                ),
                class_name="copy mono",
            ),
            class_name="clip top",
        ),
    ]


def page() -> rx.Component:
    """The log."""
    state = ActivityState
    listing = rx.el.div(
        chain_card(state),
        _filters(),
        filters.chips(state.chips),
        newer_bar(state, state.pager.text),
        table.data_table(
            "Activity",
            [
                table.Column("when", "When"),
                table.Column("what", "What happened"),
                table.Column("about", "About"),
                table.Column("changes", "Before and after"),
                table.Column("who", "Who, under which id"),
            ],
            state.rows,
            _cells,
            state=state,
            testid="table-activity",
            row_testid="activity-row",
            filtered=state.filtered,
            clear_href=routes.ACTIVITY,
            noun="entries",
            empty=states.empty(
                "activity",
                "Nothing has happened yet",
                "Every change that anybody makes stands here, with who made it and what it was "
                "before. Nobody can alter it.",
            ),
        ),
        filters.pager(state.pager),
        class_name="sec",
    )
    return shell.page(
        state,
        "Activity",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        section="activity",
        actions=[
            rx.cond(
                state.export_href != "",
                basic.download_link(
                    "Export CSV", href=state.export_href, data_testid="export-activity"
                ),
                rx.fragment(),
            )
        ],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.ACTIVITY, title="Activity · BillerJacket", on_load=ActivityState.load
    )
