"""/support/webhooks/{id}: one provider event: what came, why it was believed, what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reflex as rx

from backend.unit_of_work import Reader
from backend.webhooks.plan import get_webhook_position
from backend.webhooks.replay import replay_event
from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, shell, states, table
from billerjacket_app.components.timeline import TimelineDay, timeline
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.pages.webhook_text import Link, Pair, WebhookFacts, load_webhook


class WebhookState(PageState, rx.State):
    """One event."""

    facts: WebhookFacts = WebhookFacts()
    headers: list[Pair] = []
    caused: list[Link] = []
    history: list[TimelineDay] = []
    effects: list[TimelineDay] = []

    def position_of(self) -> Callable[[Reader], int]:
        """That an event came counts as well."""
        return get_webhook_position

    async def fetch(self) -> None:
        """Load the event named in the address."""
        outcome = await self.read(load_webhook, self.webhook_event_id)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            title=f"{found.facts.title} · Webhooks · BillerJacket",
            facts=found.facts,
            headers=found.headers,
            caused=found.caused,
            history=found.history,
            effects=found.effects,
        )

    @rx.event
    async def replay(self, _form: dict[str, Any] | None = None) -> Any:
        """Have the event processed again."""
        self.busy = True
        yield
        event_id = rows.record_id(self.webhook_event_id, "webhook event")
        outcome = await self.call(replay_event, event_id)
        if outcome.problem and not self.dialog:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
        elif not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("Queued for replay; what comes of it shows here.")


def _replay_button() -> rx.Component:
    state = WebhookState
    symbol = basic.icon("rotate-ccw", size=14)
    return rx.cond(
        state.view == "ready",
        rx.cond(
            state.facts.is_processed,
            basic.button(
                symbol, "Replay…", on_click=state.open_dialog("replay"), data_testid="replay"
            ),
            basic.button(
                symbol,
                rx.cond(state.busy, "Queuing…", "Replay"),
                kind="primary",
                on_click=state.replay(None),
                disabled=state.busy,
                data_testid="replay",
            ),
        ),
        rx.fragment(),
    )


def _replay_dialog() -> rx.Component:
    state = WebhookState
    return dialog.form_dialog(
        state,
        "replay",
        "Replay a processed event?",
        rx.el.p("It was processed at ", state.facts.processed.text, ": ", state.facts.detail),
        rx.el.p(
            "Asked again, an event that is in the books changes nothing. Afterwards this page "
            "says so.",
            class_name="muted",
        ),
        submit=state.replay,
        verb="Replay event",
    )


def _notes() -> rx.Component:
    facts = WebhookState.facts
    return rx.fragment(
        rx.cond(
            facts.error != "",
            basic.callout(
                rx.el.strong("It could not be processed. "),
                facts.error,
                tone="bad",
                symbol="triangle-alert",
                data_testid="webhook-error",
            ),
            rx.fragment(),
        ),
        rx.cond(
            facts.replay != "",
            basic.callout(facts.replay, tone="info", symbol="rotate-ccw", role="status"),
            rx.fragment(),
        ),
    )


def _effect() -> rx.Component:
    state, facts = WebhookState, WebhookState.facts
    return basic.section(
        "What it did",
        basic.card(
            rx.cond(
                facts.has_effect | (facts.detail != ""),
                rx.el.div(
                    rx.el.div(
                        rx.cond(
                            facts.has_effect,
                            basic.badge(facts.effect, data_testid="badge-effect"),
                            rx.fragment(),
                        ),
                        rx.el.span(facts.detail, data_testid="webhook-detail"),
                        class_name="row",
                    ),
                    rx.cond(
                        facts.codes != "",
                        rx.el.p("Out of the ordinary: ", facts.codes, class_name="small muted"),
                        rx.fragment(),
                    ),
                    rx.cond(
                        state.caused.length() > 0,
                        rx.el.div(
                            rx.foreach(state.caused, lambda it: basic.link(it.label, href=it.href)),
                            class_name="row links",
                            data_testid="webhook-caused",
                        ),
                        rx.fragment(),
                    ),
                    class_name="stack snug",
                ),
                rx.el.p(
                    rx.cond(facts.is_unfinished, "It waits for the worker.", "Nothing."),
                    class_name="muted",
                    data_testid="webhook-detail",
                ),
            ),
            rx.cond(
                state.effects.length() > 0,
                rx.el.div(timeline(state.effects), class_name="under"),
                rx.fragment(),
            ),
        ),
    )


def _signature() -> rx.Component:
    state, facts = WebhookState, WebhookState.facts
    return basic.section(
        "Signature",
        basic.card(
            basic.badge(facts.signature, data_testid="badge-signature"),
            rx.el.p(facts.why, data_testid="signature-why"),
            class_name="stack snug",
        ),
        rx.cond(
            state.headers.length() > 0,
            table.plain_table(
                "Headers that came with it",
                [table.Column("name", "Header"), table.Column("value", "Value")],
                rx.foreach(
                    state.headers,
                    lambda pair: rx.el.tr(
                        table.row_header(rx.el.code(pair.name)),
                        table.cell(rx.el.code(pair.value), class_name="wrap"),
                    ),
                ),
                testid="table-headers",
            ),
            rx.fragment(),
        ),
        rx.el.p("Signatures and secrets are never kept.", class_name="small muted"),
    )


def _body() -> rx.Component:
    facts = WebhookState.facts
    pretty = rx.el.pre(
        facts.pretty, class_name="code tall", tab_index=0, data_testid="body-pretty",
        role="region", aria_label="Body, indented",
    )  # fmt: skip
    raw = rx.el.pre(
        facts.raw, class_name="code pre tall", tab_index=0, data_testid="body-raw",
        role="region", aria_label="Body as it came",
    )  # fmt: skip
    return basic.section(
        "Body",
        rx.cond(
            facts.pretty != "",
            rx.fragment(
                pretty,
                rx.el.details(rx.el.summary("As it came"), raw, class_name="twin"),
            ),
            raw,
        ),
        rx.cond(facts.cut != "", rx.el.p(facts.cut, class_name="small muted"), rx.fragment()),
        aside=basic.download_link("Download", href=facts.download_href),
    )


def _facts() -> rx.Component:
    facts = WebhookState.facts
    return basic.card(
        basic.facts(
            basic.fact("Provider", facts.provider),
            basic.fact(
                "Provider's event id",
                basic.copy_id(facts.external_id, label="the provider's event id"),
                data_testid="external-id",
            ),
            basic.fact("Received", basic.when(facts.received, class_name="mono")),
            basic.fact("Delivered", facts.deliveries, data_testid="deliveries"),
            basic.fact("Processed", basic.when(facts.processed, class_name="mono")),
            basic.fact("Took", facts.latency),
            basic.fact("Tries", facts.attempts, data_testid="attempts"),
            rx.cond(
                facts.endpoint.href != "",
                basic.fact("Endpoint", basic.link(facts.endpoint.label, href=facts.endpoint.href)),
                rx.fragment(),
            ),
            basic.fact(
                "Correlation id",
                basic.copy_id(facts.correlation_id, label="the correlation id"),
                rx.el.div(
                    basic.link("Trace", href=facts.trace_href, data_testid="to-trace"),
                    class_name="small",
                ),
            ),
        ),
        class_name="wide-facts",
    )


def page() -> rx.Component:
    """One event."""
    state = WebhookState
    content = rx.el.div(
        _notes(),
        _facts(),
        rx.el.div(
            rx.el.div(_effect(), _body(), class_name="stack wide-gap"),
            rx.el.div(
                _signature(),
                basic.section("What happened to it", basic.card(timeline(state.history))),
                class_name="stack wide-gap",
            ),
            class_name="grid2",
        ),
        _replay_dialog(),
        class_name="stack",
    )
    return shell.page(
        state,
        rx.cond(state.facts.title != "", state.facts.title, "Webhook event"),
        states.body(state, content, noun="webhook event", back=(routes.WEBHOOKS, "To all events")),
        section="webhooks",
        crumbs=[("Webhooks", routes.WEBHOOKS)],
        beside=rx.cond(state.view == "ready", basic.badge(state.facts.badge), rx.fragment()),
        actions=[_replay_button()],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.WEBHOOK,
        title=rx.cond(WebhookState.title != "", WebhookState.title, "Webhook event · BillerJacket"),
        on_load=WebhookState.load,
    )
