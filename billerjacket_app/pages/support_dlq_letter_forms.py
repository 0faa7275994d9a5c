"""The dialogs of one dead letter: sent again as it is, or edited, with what an edit changes."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app.components import basic, dialog

# Long enough to type a word: the check answers when somebody pauses.
CHECK_DEBOUNCE_MS = 300
EDITOR_ROWS = 18


def _money_note(facts: Any) -> rx.Component:
    return rx.cond(
        facts.money != "",
        basic.callout(facts.money, tone="warn", symbol="banknote", data_testid="money"),
        rx.fragment(),
    )


def resubmit_dialog(state: Any) -> rx.Component:
    facts = state.facts
    return dialog.form_dialog(
        state,
        "resubmit",
        "Resubmit this message?",
        _money_note(facts),
        basic.facts(
            basic.fact("Message", facts.title),
            basic.fact("Queue", facts.queue),
            basic.fact("Deliveries so far", facts.deliveries),
        ),
        submit=state.resubmit,
        verb="Resubmit message",
        working="Sending…",
        lead="A copy is sent to its queue. When the queue has confirmed it, this one is removed.",
    )


def edit_dialog(state: Any) -> rx.Component:
    wrong = state.problems.length() > 0
    hint = "The message's id, business and requester stay as they are."
    return dialog.form_dialog(
        state,
        "edit",
        "Edit and resubmit",
        rx.cond(
            state.facts.money != "",
            basic.callout(
                "It records a payment when it succeeds: look at the amount below before you send.",
                tone="warn",
                symbol="banknote",
            ),
            rx.fragment(),
        ),
        rx.el.div(
            rx.el.label("Body", html_for="f-body"),
            rx.el.textarea(
                id="f-body",
                name="body",
                default_value=state.facts.body,
                rows=EDITOR_ROWS,
                spell_check=False,
                wrap="off",
                class_name="mono editor",
                on_change=state.check.debounce(CHECK_DEBOUNCE_MS),
                aria_invalid=rx.cond(wrong, "true", "false"),
                aria_describedby=rx.cond(wrong, "f-body-hint f-body-error", "f-body-hint"),
                data_testid="editor",
            ),
            rx.el.div(hint, id="f-body-hint", class_name="hint"),
            rx.el.div(
                rx.foreach(
                    state.problems,
                    lambda text: rx.el.div(
                        basic.icon("triangle-alert", size=12), text, class_name="error"
                    ),
                ),
                id="f-body-error",
                role="alert",
                data_testid="edit-problems",
            ),
            class_name="field",
        ),
        _diff(state),
        submit=state.send_edited,
        verb="Resubmit edited message",
        working="Sending…",
        blocked=wrong | ~state.is_changed,
        large=True,
    )


def _diff(state: Any) -> rx.Component:
    return rx.el.div(
        rx.el.h3("Changes", id="diff-title"),
        rx.cond(
            state.diff.length() > 0,
            rx.el.div(
                rx.foreach(
                    state.diff,
                    lambda row: rx.el.div(
                        rx.el.span(row.sign, class_name="sign"), row.text, class_name=row.look
                    ),
                ),
                class_name="diff code",
                tab_index=0,
                role="region",
                aria_labelledby="diff-title",
                data_testid="diff",
            ),
            rx.el.p("Nothing is changed yet.", class_name="muted small", data_testid="no-diff"),
        ),
        class_name="stack tight",
    )
