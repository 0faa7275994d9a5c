"""Dialogs, one of a page at a time, opened by the State's `dialog` (a name, or nothing).

The ladder of confirmations:
1. reversible            no dialog at all
2. sends something out   a dialog that names the recipient
3. changes money         a dialog with the amounts; a reason is required
Buttons name the verb. Focus moves in, stays in, and returns; Esc closes.

    form_dialog(State, "pay", "Record a payment", …fields…, submit=State.pay, verb="Record payment")
"""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_radix.primitives.dialog import dialog as primitive

from billerjacket_app import theme
from billerjacket_app.components import basic, forms


def dialog(
    state: Any, name: str, title: Any, *content: Any, lead: Any = "", large: bool = False
) -> rx.Component:
    """A dialog open while `state.dialog == name`."""
    return primitive.root(
        primitive.portal(
            primitive.overlay(class_name="overlay"),
            primitive.content(
                primitive.title(title, as_child=False),
                primitive.description(lead, class_name="lead")
                if not isinstance(lead, str) or lead
                else rx.fragment(),
                *content,
                class_name="dialog large" if large else "dialog",
                data_testid=f"dlg-{name}",
            ),
        ),
        open=state.dialog == name,
        on_open_change=state.dialog_changed,
    )


def form_dialog(
    state: Any,
    name: str,
    title: Any,
    *content: Any,
    submit: Any,
    verb: Any,
    kind: theme.ButtonKind = "primary",
    lead: Any = "",
    dismiss: str = "Cancel",
    large: bool = False,
    blocked: Any = False,
    working: str = "Working…",
) -> rx.Component:
    """A dialog with a form; a refusal is shown in it, and what was typed stays.

    While `blocked`, the verb cannot be pressed; the content says why.
    """
    return dialog(
        state,
        name,
        title,
        rx.el.form(
            forms.problem_note(state.refusal),
            *content,
            rx.el.div(
                basic.button(dismiss, on_click=state.close_dialog),
                basic.button(
                    rx.cond(state.busy, working, verb),
                    type="submit",
                    kind=kind,
                    disabled=state.busy | blocked,
                    data_testid=f"confirm-{name}",
                ),
                class_name="foot",
            ),
            on_submit=submit,
            reset_on_submit=False,
            class_name="form",
            custom_attrs={"noValidate": True},
        ),
        lead=lead,
        large=large,
    )


def reason_field(state: Any, *, hint: str) -> rx.Component:
    """The reason that a change of money needs; it is kept in the timeline."""
    return forms.field(
        "reason",
        "Reason",
        forms.area(
            "reason", error=state.errors["reason"], hint=hint, required=True, max_length=500
        ),
        error=state.errors["reason"],
        hint=hint,
    )
