"""How one dead letter looks: why it died, its body, its failed deliveries, what was done."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, table
from billerjacket_app.pages import support_dlq_letter_forms as letter_forms
from billerjacket_app.session import SessionState


def actions(state: Any) -> rx.Component:
    """Resubmit, edit and resubmit, discard; while a colleague is at it, nothing."""
    facts = state.facts
    off = state.busy | facts.is_claimed
    return rx.fragment(
        basic.button(
            basic.icon("archive", size=14),
            "Discard",
            on_click=state.discard,
            disabled=off,
            title="Into the archive, from where it can be sent again",
            data_testid="discard",
        ),
        basic.button(
            basic.icon("pencil", size=14),
            "Edit and resubmit",
            on_click=state.open_edit,
            disabled=off | ~facts.may_edit,
            data_testid="edit",
        ),
        basic.button(
            basic.icon("rotate-ccw", size=14),
            rx.cond(state.busy, "Sending…", "Resubmit"),
            kind="primary",
            on_click=state.open_dialog("resubmit"),
            disabled=off,
            data_testid="resubmit",
        ),
    )


def letter(state: Any) -> rx.Component:
    """The page below its heading."""
    return rx.el.div(
        _answer(state.answer),
        _remarks(state),
        rx.el.div(
            rx.el.div(
                _why(state.facts),
                _body(state.facts),
                _attempts(state.attempts),
                class_name="stack wide-gap",
            ),
            rx.el.div(
                _about(state),
                _history(state.history),
                class_name="stack wide-gap",
            ),
            class_name="grid2",
        ),
        letter_forms.resubmit_dialog(state),
        letter_forms.edit_dialog(state),
        class_name="stack wide-gap",
        data_testid="letter",
    )


def handled_before(problem: Any) -> rx.Component:
    """A letter that somebody has dealt with: who, when and how, instead of "not found"."""
    return rx.el.div(
        basic.icon("circle-check"),
        rx.el.strong("This message was dealt with"),
        rx.el.p(problem.detail),
        basic.link_button("To the dead letters", href=routes.DEAD_LETTERS),
        class_name="void-state card",
        data_testid="handled-before",
    )


def _answer(answer: Any) -> rx.Component:
    return rx.el.div(
        rx.cond(
            answer.title != "",
            rx.el.div(
                basic.icon(
                    rx.match(
                        answer.tone,
                        ("good", "circle-check"),
                        ("warn", "triangle-alert"),
                        "octagon-alert",
                    )
                ),
                rx.el.div(
                    rx.el.strong(answer.title),
                    rx.cond(answer.text != "", rx.el.div(answer.text), rx.fragment()),
                    rx.el.div(
                        rx.cond(
                            answer.href != "",
                            basic.link(answer.link, href=answer.href),
                            rx.fragment(),
                        ),
                        basic.link("Back to the dead letters", href=routes.DEAD_LETTERS),
                        class_name="row",
                    ),
                ),
                class_name="callout " + answer.tone,
            ),
            rx.fragment(),
        ),
        class_name="answer",
        role="status",
        data_testid="answer",
    )


def _remarks(state: Any) -> rx.Component:
    facts = state.facts
    return rx.fragment(
        rx.cond(
            (facts.handled != "") & (state.answer.title == ""),
            basic.callout(
                facts.handled,
                tone="warn",
                symbol="user",
                data_testid="handled",
            ),
            rx.fragment(),
        ),
        rx.cond(
            (facts.edit_why != "") & ~state.is_over,
            rx.el.p(facts.edit_why, class_name="muted small", data_testid="edit-why"),
            rx.fragment(),
        ),
    )


def _why(facts: Any) -> rx.Component:
    return basic.section(
        "Why it was set aside",
        rx.el.div(
            rx.el.div(
                basic.badge(facts.badge),
                rx.cond(facts.reason != "", rx.el.code(facts.reason), rx.fragment()),
                class_name="row",
            ),
            rx.cond(
                facts.description != "",
                rx.el.p(facts.description, class_name="pre", data_testid="description"),
                rx.el.p("Nothing was noted.", class_name="muted"),
            ),
            rx.cond(
                (facts.unreadable != "") & (facts.unreadable != facts.description),
                rx.el.p(
                    "The worker cannot read it as it is: ",
                    facts.unreadable,
                    class_name="small muted",
                    data_testid="unreadable",
                ),
                rx.fragment(),
            ),
            class_name="card stack tight",
        ),
    )


def _body(facts: Any) -> rx.Component:
    return basic.section(
        "Body",
        rx.el.pre(
            facts.body,
            class_name="code pre",
            tab_index=0,
            role="region",
            aria_label="Body of the message",
            data_testid="letter-body",
        ),
        aside=rx.el.span(
            rx.el.span(facts.language, class_name="small muted"),
            basic.button(
                basic.icon("copy", size=12),
                kind="quiet",
                class_name="icon-only",
                aria_label="Copy the body",
                custom_attrs={"data-copy": facts.body},
            ),
            class_name="row",
        ),
    )


def _attempts(attempts: Any) -> rx.Component:
    return basic.section(
        "Failed deliveries",
        rx.cond(
            attempts.length() > 0,
            table.plain_table(
                "Failed deliveries",
                [
                    table.Column("number", "No.", numeric=True),
                    table.Column("at", "At"),
                    table.Column("outcome", "Then"),
                    table.Column("problem", "Problem"),
                ],
                rx.foreach(
                    attempts,
                    lambda attempt: rx.el.tr(
                        table.number(attempt.number),
                        table.cell(basic.when(attempt.at, class_name="mono")),
                        table.cell(attempt.outcome),
                        table.cell(attempt.problem, class_name="wrap"),
                        data_testid="attempt",
                    ),
                ),
                testid="table-attempts",
            ),
            rx.el.p("None was noted.", class_name="muted small"),
        ),
    )


def _about(state: Any) -> rx.Component:
    facts = state.facts
    return basic.section(
        "Message",
        basic.card(
            rx.el.dl(
                _line("Message id", basic.copy_id(facts.message_id, label="the message id")),
                _line_if(
                    facts.original_id,
                    "First sent as",
                    basic.copy_id(facts.original_id, label="the first message id"),
                ),
                _line("Queue", basic.link(facts.queue, href=facts.queue_href)),
                _line("Number", rx.el.span(facts.sequence, class_name="num")),
                _line(
                    "Deliveries",
                    rx.el.span(facts.deliveries, class_name="num", data_testid="deliveries"),
                ),
                _line("Queued", basic.when(facts.queued, class_name="mono")),
                _line("Set aside", basic.when(facts.died, class_name="mono")),
                rx.cond(SessionState.is_platform, _line("Business", facts.tenant), rx.fragment()),
                _line_if(
                    facts.correlation_id,
                    "Correlation id",
                    basic.copy_id(facts.correlation_id, label="the correlation id"),
                    rx.cond(
                        facts.trace_href != "",
                        basic.link("Trace", href=facts.trace_href, data_testid="trace-link"),
                        rx.fragment(),
                    ),
                ),
                rx.foreach(
                    state.links,
                    lambda pair: _line(
                        pair.name,
                        rx.cond(
                            pair.href != "",
                            rx.el.a(pair.value, href=pair.href, class_name="link mono"),
                            rx.el.span(pair.value, class_name="mono"),
                        ),
                        data_testid="letter-link",
                    ),
                ),
                class_name="lines-of",
            ),
            rx.cond(
                state.properties.length() > 0,
                rx.fragment(
                    rx.el.h3("Properties"),
                    rx.el.dl(
                        rx.foreach(
                            state.properties,
                            lambda pair: _line(
                                pair.name, rx.el.span(pair.value, class_name="mono")
                            ),
                        ),
                        class_name="lines-of",
                    ),
                ),
                rx.fragment(),
            ),
            class_name="stack",
        ),
    )


def _line(name: Any, *value: Any, **props: Any) -> rx.Component:
    return rx.el.div(rx.el.dt(name), rx.el.dd(*value), **props)


def _line_if(text: Any, name: str, *value: Any) -> rx.Component:
    return rx.cond(text != "", _line(name, *value), rx.fragment())


def _history(history: Any) -> rx.Component:
    return basic.section(
        "What was done with it",
        rx.cond(
            history.length() > 0,
            rx.el.ol(
                rx.foreach(
                    history,
                    lambda act: rx.el.li(
                        rx.el.div(
                            basic.badge(act.badge),
                            basic.when(act.at, class_name="mono muted"),
                            class_name="row spread",
                        ),
                        rx.el.div(
                            act.who, " · ", basic.link("details", href=act.href),
                            class_name="small muted",
                        ),
                        rx.el.div(act.text, class_name="small"),
                        key=act.key,
                        data_testid="act",
                    ),
                ),
                class_name="card acts",
            ),
            rx.el.p("Nobody has acted on it yet.", class_name="muted small"),
        ),
    )  # fmt: skip
