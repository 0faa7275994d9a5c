"""The bar of what is chosen, and the dialogs that confirm acts on many dead letters."""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.support.models import JobKind
from billerjacket_app.components import basic, dialog, forms


def bulk_bar(state: Any) -> rx.Component:
    """What is chosen and what can be done with it; it always stands there, so nothing moves."""
    chosen = state.scope_name != ""
    return rx.el.div(
        rx.el.span(
            state.scope_text, class_name="strong num", role="status", data_testid="bulk-count"
        ),
        rx.cond(
            state.is_all,
            rx.fragment(),
            basic.button(
                "Select ", state.all_name, on_click=state.choose_all, data_testid="select-all"
            ),
        ),
        rx.cond(
            chosen,
            rx.fragment(
                basic.button(
                    basic.icon("rotate-ccw", size=14),
                    "Resubmit ",
                    state.scope_name,
                    kind="primary",
                    on_click=state.open_plan(JobKind.RESUBMIT.value),
                    data_testid="bulk-resubmit",
                ),
                basic.button(
                    basic.icon("archive", size=14),
                    "Discard ",
                    state.scope_name,
                    on_click=state.open_plan(JobKind.DISCARD.value),
                    data_testid="bulk-discard",
                ),
                basic.button("Clear", kind="quiet", on_click=state.choose_none),
            ),
            rx.el.span("Tick messages to resubmit or discard them.", class_name="muted small"),
        ),
        class_name=rx.cond(chosen, "bulkbar chosen", "bulkbar"),
        role="group",
        aria_label="Acts on what is selected",
        data_testid="bulk-bar",
    )


def purge_box(state: Any) -> rx.Component:
    """To empty a queue's dead letters into the archive; who may not reads why."""
    return rx.cond(
        state.purge_queue != "",
        rx.el.div(
            rx.el.div(
                rx.el.strong("Purge the dead letters of ", state.purge_queue),
                rx.el.div(state.purge_why, class_name="small muted", id="purge-why"),
            ),
            basic.button(
                basic.icon("trash-2", size=14),
                "Purge…",
                kind="danger",
                disabled=~state.may_purge,
                on_click=state.open_plan(JobKind.PURGE.value),
                aria_describedby="purge-why",
                data_testid="purge",
            ),
            class_name="card row spread",
        ),
        rx.fragment(),
    )


def plan_dialogs(state: Any) -> rx.Component:
    """The plan of an act on many letters; for a purge the queue's name must be typed."""
    plan = state.plan
    typed = forms.field(
        "queue_name",
        "Type the queue's name to confirm",
        forms.text(
            "queue_name",
            hint="Its name stands in the line above, letter by letter.",
            auto_complete="off",
            spell_check=False,
            class_name="mono",
            on_change=state.type_queue.debounce(100),
        ),
        hint="Its name stands in the line above, letter by letter.",
    )
    return rx.fragment(
        dialog.form_dialog(
            state,
            "plan",
            plan.title,
            _facts(plan),
            submit=state.start,
            verb=plan.verb,
            blocked=plan.is_counting | plan.is_empty,
            lead="A job does it, one message after the other. You can cancel it on the way.",
        ),
        dialog.form_dialog(
            state,
            "purge",
            plan.title,
            _facts(plan),
            rx.el.p("The queue is ", rx.el.code(plan.queue), "."),
            typed,
            submit=state.start,
            verb=plan.verb,
            kind="danger",
            blocked=plan.is_counting | plan.is_empty | ~state.typed_right,
            lead="Each message goes into the archive first and is then removed from the queue.",
        ),
    )


def _facts(plan: Any) -> rx.Component:
    return rx.cond(
        plan.is_counting,
        rx.el.p("Counting the messages…", class_name="muted", role="status"),
        rx.el.div(
            rx.cond(
                plan.changed != "",
                basic.callout(
                    rx.el.strong("The number changed. "),
                    plan.changed,
                    tone="warn",
                    symbol="triangle-alert",
                    role="alert",
                    data_testid="count-changed",
                ),
                rx.fragment(),
            ),
            rx.cond(plan.more != "", basic.callout(plan.more, tone="warn"), rx.fragment()),
            rx.cond(
                plan.money != "",
                basic.callout(
                    plan.money, tone="warn", symbol="banknote", data_testid="plan-money"
                ),
                rx.fragment(),
            ),
            rx.cond(
                plan.is_empty,
                rx.el.p("Nothing is left that this could be done with.", class_name="muted"),
                basic.facts(
                    basic.fact(
                        "Count", rx.el.strong(plan.count, class_name="num"),
                        data_testid="plan-count",
                    ),
                    basic.fact("Oldest", basic.when(plan.oldest, class_name="mono")),
                    basic.fact("Newest", basic.when(plan.newest, class_name="mono")),
                    basic.fact(
                        "Queues",
                        rx.el.ul(
                            rx.foreach(plan.queues, lambda text: rx.el.li(text, class_name="num"))
                        ),
                    ),
                ),
            ),
            rx.cond(
                plan.skipped.length() > 0,
                rx.el.div(
                    rx.el.h3("Left out"),
                    rx.el.ul(
                        rx.foreach(plan.skipped, lambda text: rx.el.li(text)),
                        class_name="dots",
                        data_testid="plan-skipped",
                    ),
                ),
                rx.fragment(),
            ),
            class_name="stack",
        ),
    )  # fmt: skip
