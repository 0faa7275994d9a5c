"""/support/webhooks: what payment providers told us, and what became of it; replay of many.

Events come while somebody reads, so no row moves by itself: rows change in place, and new ones
are counted until they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reflex as rx

from backend.unit_of_work import Reader
from backend.webhooks.models import SignatureResult
from backend.webhooks.plan import get_webhook_position
from billerjacket_app import routes, status
from billerjacket_app.components import basic, filters, forms, shell, states, table
from billerjacket_app.newer import NewerState, newer_button
from billerjacket_app.pages.webhooks_bulk import BulkState, bulk_bar, plan_dialog
from billerjacket_app.pages.webhooks_rows import (
    FILTERS,
    EndpointRow,
    load_webhooks,
    look_again,
)
from billerjacket_app.session import SessionState


class WebhooksState(BulkState, NewerState, rx.State):
    """The list."""

    tabs: list[filters.Tab] = []
    types: list[str] = []
    chips: list[filters.Chip] = []
    pager: filters.Pager = filters.Pager()
    endpoints: list[EndpointRow] = []
    warnings: list[str] = []
    chosen: dict[str, str] = dict.fromkeys(FILTERS, "")

    _shown: dict[str, str] = {}  # the filters of the rows that are shown

    def position_of(self) -> Callable[[Reader], int]:
        """That an event came counts as well."""
        return get_webhook_position

    def query(self) -> dict[str, str]:
        """The filters of the address."""
        return {name: self.arg(name) for name in FILTERS}

    async def fetch(self) -> None:
        """Load the page that the address names."""
        query = self.query()
        outcome = await self.read(load_webhooks, query)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        if query != self._shown:
            # What was chosen under other filters must not be acted on under these.
            self.forget_choice()
            self._shown = query
        self.show_query(routes.WEBHOOKS, query, ())
        self.know(found.newest)
        self.assign(
            rows=found.rows,
            tabs=found.tabs,
            types=found.types,
            chips=found.chips,
            pager=found.pager,
            endpoints=found.endpoints,
            warnings=found.warnings,
            chosen=query,
        )
        there = {row.key for row in found.rows}
        if not self.is_all and not there.issuperset(self.selected):
            self.selected = [key for key in self.selected if key in there]
            await self.show_scope()

    async def follow(self) -> None:
        """Show how the rows stand now, each at its place, and tell of new ones."""
        keys = [row.key for row in self.rows]
        outcome = await self.read(look_again, self.query(), keys)
        if outcome.problem:
            return
        found = outcome.must
        self.assign(rows=[found.rows.get(row.key, row) for row in self.rows])
        self.tell_newer(found.newest)

    @rx.event
    def narrow(self, name: str, value: str) -> Any:
        """Put a filter into the address. What is chosen is a step that Back undoes."""
        if name not in FILTERS:
            return None
        query = self.query() | {name: value.strip(), "cursor": ""}
        return rx.redirect(routes.webhooks(**query), replace=name == "type")


def _select(name: str, label: str, first: str, options: list[tuple[str, str]]) -> rx.Component:
    state = WebhooksState
    return forms.field(
        name,
        label,
        forms.choice(
            name,
            [("", first), *options],
            value=state.chosen[name],
            on_change=lambda value: state.narrow(name, value),
        ),
        class_name="narrow",
    )


def _filters() -> rx.Component:
    state = WebhooksState
    return rx.el.div(
        filters.search_box(
            "q",
            "Provider's event id",
            value=state.q,
            key=state.search_key,
            on_change=state.search,
            placeholder="Paste an id, such as evt_1Q…",
        ),
        _select("provider", "Provider", "All providers", list(status.PROVIDERS.items())),
        _select(
            "signature",
            "Signature",
            "Any",
            [(str(result), status.SIGNATURE[result].label) for result in SignatureResult],
        ),
        forms.field(
            "type",
            "Event type",
            rx.el.input(
                type="search",
                id="f-type",
                name="type",
                default_value=state.chosen["type"],
                # Not the type itself: while it is typed the field must stay.
                key="type" + state.search_key,
                auto_complete="off",
                spell_check=False,
                list="known-types",
                max_length=100,
                on_change=lambda value: state.narrow("type", value).debounce(600),
            ),
            class_name="narrow broad",
        ),
        rx.el.datalist(
            rx.foreach(state.types, lambda name: rx.el.option(value=name)), id="known-types"
        ),
        class_name="filters",
    )


def _cells(row: Any) -> list[rx.Component]:
    state = WebhooksState
    return [
        rx.el.td(
            rx.el.input(
                type="checkbox",
                checked=state.is_all | state.selected.contains(row.key),
                on_change=state.toggle(row.key).stop_propagation,
                aria_label="Select the event " + row.external_id,
            ),
            class_name="choose",
        ),
        table.row_header(
            rx.el.a(
                basic.when(row.received, class_name="mono"),
                href=row.href,
                class_name="hit",
                aria_label=row.event_type + ", received " + row.received.text,
            )
        ),
        table.cell(row.provider, name="provider"),
        table.cell(row.event_type, name="type", class_name="clip narrower", title=row.event_type),
        table.cell(
            rx.el.span(row.external_id, class_name="mono"),
            name="external-id",
            class_name="clip narrower",
            title=row.external_id,
        ),
        table.cell(basic.badge(row.signature, data_testid="badge-signature")),
        table.cell(
            rx.el.span(
                basic.badge(row.badge),
                rx.cond(
                    row.problem != "",
                    rx.el.span(row.problem, class_name="small muted one-line"),
                    rx.fragment(),
                ),
                class_name="state-of",
                title=row.problem,
            )
        ),
        table.number(row.attempts, name="attempts"),
        table.number(row.latency, name="latency"),
        table.cell(
            rx.el.span(
                basic.link(
                    row.correlation_short,
                    href=row.trace_href,
                    title=row.correlation_id,
                    aria_label="Trace of " + row.correlation_id,
                ),
                class_name="mono",
            ),
            name="correlation",
        ),
    ]


def _pick_page() -> rx.Component:
    state = WebhooksState
    return rx.el.input(
        type="checkbox",
        checked=state.page_chosen,
        on_change=state.toggle_page.stop_propagation,
        aria_label="Select every event of this page",
        data_testid="choose-page",
    )


def _endpoints() -> rx.Component:
    state = WebhooksState
    return basic.section(
        "Endpoints",
        rx.cond(
            state.endpoints.length() > 0,
            table.plain_table(
                "Endpoints",
                [
                    table.Column("name", "Endpoint"),
                    table.Column("status", "Status"),
                    table.Column("last", "Last event"),
                    table.Column("refused", "Refused", True),
                    table.Column("refused-last", "Last refused"),
                    table.Column("reason", "Why"),
                ],
                rx.foreach(
                    state.endpoints,
                    lambda row: rx.el.tr(
                        table.row_header(rx.el.a(row.name, href=row.events_href, class_name="hit")),
                        table.cell(basic.badge(row.badge)),
                        table.cell(basic.when(row.last, class_name="mono")),
                        table.number(row.refused, name="refused"),
                        table.cell(basic.when(row.refused_last, class_name="mono")),
                        table.cell(row.reason, class_name="wrap"),
                        data_testid="endpoint-row",
                    ),
                ),
                testid="table-endpoints",
            ),
            rx.el.p("There is no endpoint yet.", class_name="muted"),
        ),
        aside=rx.cond(
            SessionState.is_admin,
            basic.link("Set up endpoints", href=routes.SETTINGS),
            rx.fragment(),
        ),
    )


def page() -> rx.Component:
    """The list."""
    state = WebhooksState
    listing = rx.el.div(
        rx.foreach(
            state.warnings,
            lambda text: basic.callout(
                text, tone="warn", symbol="shield-alert", data_testid="refused-warning"
            ),
        ),
        rx.el.div(
            filters.tabs("Events by status", state.tabs),
            _filters(),
            filters.chips(state.chips),
            bulk_bar(state, newer_button(state)),
            table.data_table(
                "Webhook events",
                [
                    table.Column("select", _pick_page()),
                    table.Column("received", "Received"),
                    table.Column("provider", "Provider"),
                    table.Column("type", "Type"),
                    table.Column("external-id", "Provider's id"),
                    table.Column("signature", "Signature"),
                    table.Column("status", "Status"),
                    table.Column("attempts", "Tries", True),
                    table.Column("latency", "Took", True),
                    table.Column("correlation", "Correlation id"),
                ],
                state.rows,
                _cells,
                state=state,
                testid="table-webhooks",
                row_testid="webhook-row",
                filtered=state.filtered,
                clear_href=routes.WEBHOOKS,
                noun="events",
                empty=states.empty(
                    "webhook",
                    "No provider has told us anything yet",
                    "Make an endpoint in the settings and give its address to your payment "
                    "provider. Every event it sends shows here, with what it did to the books.",
                    rx.cond(
                        SessionState.is_admin,
                        basic.link_button("Set up an endpoint", href=routes.SETTINGS),
                        rx.fragment(),
                    ),
                ),
            ),
            filters.pager(state.pager),
            class_name="sec",
        ),
        _endpoints(),
        plan_dialog(state),
        class_name="stack wide-gap",
    )
    return shell.page(
        state,
        "Webhooks",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        section="webhooks",
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.WEBHOOKS, title="Webhooks · BillerJacket", on_load=WebhooksState.load
    )
