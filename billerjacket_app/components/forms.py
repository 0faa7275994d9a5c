"""Fields with their label, hint and error tied together, and native forms.

    field("amount", "Amount", forms.text("amount", …), error=State.errors["amount"], hint="…")
    native_form(action="/auth/login", …)     a form the browser posts itself (cookies)

Inputs are uncontrolled: what a person typed stays in the browser when the server refuses it, and
no keystroke waits for the server. The control's id is `f-NAME`, its error's `f-NAME-error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

from billerjacket_app.components import basic


def field(
    name: str, label: Any, control: rx.Component, *, error: Any = "", hint: str = "", **props: Any
) -> rx.Component:
    """A label, its control, a hint and, when there is one, the error; all tied by ids."""
    return rx.el.div(
        rx.el.label(label, html_for=f"f-{name}"),
        control,
        rx.el.div(hint, id=f"f-{name}-hint", class_name="hint") if hint else rx.fragment(),
        rx.cond(
            error,
            rx.el.div(
                basic.icon("triangle-alert", size=12),
                error,
                id=f"f-{name}-error",
                class_name="error",
                data_testid=f"error-{name}",
            ),
            rx.fragment(),
        ),
        class_name=f"field {props.pop('class_name', '')}".strip(),
        **props,
    )


def _wiring(name: str, error: Any, hint: str, props: dict[str, Any]) -> dict[str, Any]:
    described = f"f-{name}-hint" if hint else ""
    wired: dict[str, Any] = {"id": f"f-{name}", "name": name, **props}
    if isinstance(error, rx.Var):
        wired["aria_invalid"] = rx.cond(error, "true", "false")
        ids = f"{described} f-{name}-error".strip()
        wired["aria_describedby"] = rx.cond(error, ids, described)
    elif hint:
        wired["aria_describedby"] = described
    return wired


def text(name: str, *, error: Any = "", hint: str = "", **props: Any) -> rx.Component:
    """A one-line input."""
    return rx.el.input(**_wiring(name, error, hint, {"type": "text", **props}))


def amount(name: str, *, error: Any = "", hint: str = "", **props: Any) -> rx.Component:
    """An amount of money: figures to the right, a number pad on a phone, never a float."""
    return text(
        name, error=error, hint=hint, input_mode="decimal", auto_complete="off",
        class_name="amount", **props,
    )  # fmt: skip


def area(name: str, *, error: Any = "", hint: str = "", **props: Any) -> rx.Component:
    """Several lines of text."""
    return rx.el.textarea(**_wiring(name, error, hint, props))


def choice(
    name: str,
    options: Sequence[tuple[str, str]] | rx.Component,
    *,
    error: Any = "",
    hint: str = "",
    **props: Any,
) -> rx.Component:
    """A native select of (value, label) pairs, or of a foreach of options."""
    children = (
        [options]
        if isinstance(options, rx.Component)
        else [rx.el.option(label, value=value) for value, label in options]
    )
    return rx.el.select(*children, **_wiring(name, error, hint, props))


def text_field(
    name: str, label: str, *, error: Any = "", hint: str = "", **props: Any
) -> rx.Component:
    """`field` with `text`."""
    return field(name, label, text(name, error=error, hint=hint, **props), error=error, hint=hint)


def problem_note(problem: Any) -> rx.Component:
    """A refusal above a form: what is wrong, read out at once, with the id to quote."""
    return rx.cond(
        problem.title != "",
        basic.callout(
            rx.el.strong(problem.title),
            " ",
            problem.detail,
            rx.cond(
                problem.quotable,
                rx.el.div(
                    "Correlation id ",
                    basic.copy_id(problem.correlation_id, label="the correlation id"),
                    class_name="small",
                ),
                rx.fragment(),
            ),
            tone="bad",
            symbol="triangle-alert",
            role="alert",
            data_testid="form-problem",
        ),
        rx.fragment(),
    )


def native_form(*content: Any, action: str, **props: Any) -> rx.Component:
    """A form that the browser posts itself: the answer sets an HttpOnly cookie."""
    return rx.el.form(
        *content, action=action, method="post", on_submit=None, class_name="form", **props
    )
