"""The form of a plan as it looks: name, switches, steps, what a change does, who has the plan."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, forms, states
from billerjacket_app.session import SessionState

_TYPING_MS = 300
_READ_ONLY = "Only Finance and Admins change plans."


def content(state: Any) -> rx.Component:
    """Form and customers."""
    return rx.el.div(
        rx.cond(
            state.is_stale,
            basic.callout(
                rx.el.div(
                    rx.el.span(
                        rx.el.strong("Somebody else saved this plan. "),
                        "What you see is not what is saved now.",
                    ),
                    basic.button(
                        "Load what is saved", on_click=state.load_saved, data_testid="load-saved"
                    ),
                    class_name="row spread",
                ),
                tone="warn", symbol="triangle-alert", role="status", data_testid="stale",
            ),
            rx.fragment(),
        ),
        rx.el.div(
            _form(state),
            rx.cond(state.is_new, rx.fragment(), _customers(state)),
            class_name="grid2",
        ),
        class_name="stack wide-gap",
    )  # fmt: skip


def badges(state: Any) -> rx.Component:
    """Whether it is the default one, and whether it chases."""
    return rx.fragment(
        rx.cond(
            state.was_default,
            rx.el.span(
                basic.icon("circle-check", size=12), "Default", class_name="badge b-indigo",
                data_testid="badge-default",
            ),
            rx.fragment(),
        ),
        rx.cond(
            state.is_active,
            rx.fragment(),
            rx.el.span(
                basic.icon("pause", size=12), "Not active", class_name="badge b-slate",
                data_testid="badge-inactive",
            ),
        ),
    )  # fmt: skip


def effect_dialog(state: Any) -> rx.Component:
    """What the change does, before it is saved."""
    return dialog.form_dialog(
        state,
        "effect",
        "What this change does",
        rx.el.ul(
            rx.foreach(state.sentences, lambda text: rx.el.li(text)),
            class_name="dots",
            data_testid="effect",
        ),
        submit=state.confirm,
        verb="Save plan",
        dismiss="Go on editing",
    )


def _form(state: Any) -> rx.Component:
    may = SessionState.may_chase
    return rx.el.form(
        forms.problem_note(state.refusal),
        rx.el.fieldset(
            basic.card(
                forms.text_field(
                    "name", "Name", error=state.errors["name"], default_value=state.name,
                    max_length=200, required=True,
                ),
                _switch(
                    "is_default", "The default plan",
                    "For every customer without a plan of their own. Another plan stops being "
                    "the default.",
                    state.is_default, locked=state.was_default,
                ),
                _switch(
                    "is_active", "Active", "A plan that is not active chases nobody.",
                    state.is_active,
                ),
                class_name="form",
            ),
            basic.card(
                rx.el.h2("Steps"),
                rx.el.p(
                    "Day 0 is the due date: what is due on day 0 or 1 goes out on the first day "
                    "overdue. Moving a step moves its e-mail; the days stay in order.",
                    class_name="small muted",
                ),
                rx.cond(
                    state.errors["steps"],
                    rx.el.p(state.errors["steps"], role="alert", class_name="error-line"),
                    rx.fragment(),
                ),
                rx.el.div(
                    rx.foreach(state.steps, lambda step, index: _step(state, step, index)),
                    class_name="steps",
                ),
                rx.el.div(
                    basic.button(
                        basic.icon("plus", size=14), "Add step", on_click=state.add_step,
                        data_testid="add-step",
                    ),
                    class_name="row",
                ),
                class_name="form",
            ),
            disabled=~may,
            class_name="plain-set form",
            key=state.form_id,
        ),
        rx.el.div(
            rx.cond(
                may,
                rx.fragment(
                    basic.button("Cancel", kind="quiet", on_click=state.leave),
                    basic.button(
                        rx.cond(
                            state.busy, "Working…",
                            rx.cond(state.is_new, "Save plan", "Save plan…"),
                        ),
                        type="submit", kind="primary", disabled=state.busy,
                        data_testid="save-plan",
                    ),
                ),
                basic.locked("save-plan", "Save plan…", _READ_ONLY),
            ),
            class_name="row end",
        ),
        on_submit=state.review,
        reset_on_submit=False,
        class_name="form",
        custom_attrs={"noValidate": True},
    )  # fmt: skip


def _switch(name: str, label: str, hint: str, value: Any, *, locked: Any = False) -> rx.Component:
    """A box to tick. A locked one is on and stays on: the form sends it all the same."""
    return rx.el.label(
        rx.cond(
            locked,
            rx.fragment(
                rx.el.input(type="checkbox", checked=True, disabled=True, read_only=True),
                rx.el.input(type="hidden", name=name, value="yes"),
            ),
            rx.el.input(type="checkbox", name=name, value="yes", default_checked=value),
        ),
        rx.el.span(
            rx.el.span(label, class_name="medium"),
            rx.el.span(
                rx.cond(
                    locked,
                    "For every customer without a plan of their own. To change it, make another "
                    "plan the default.",
                    hint,
                )
                if isinstance(locked, rx.Var)
                else hint,
                class_name="small muted",
            ),
            class_name="stack none",
        ),
        class_name="check",
    )


def _step(state: Any, step: Any, index: Any) -> rx.Component:
    number = (index + 1).to_string()
    error = state.errors
    days, template, subject = (
        f"{name}-" + step.key.to(str) for name in ("days", "template", "subject")
    )

    def keep(name: Any) -> dict[str, Any]:
        return {
            "on_change": lambda value: state.typed(name, value).debounce(_TYPING_MS),
            "on_blur": lambda value: state.typed(name, value),
        }

    return rx.el.div(
        rx.el.span("Step ", number, class_name="step-number medium"),
        _field(
            days, "Days after due", error[days],
            rx.el.input(
                type="text", input_mode="numeric", auto_complete="off", class_name="amount",
                default_value=step.days, key=step.days_key, max_length=6,
                **_wired(days, error[days]), **keep(days),
            ),
        ),
        _field(
            template, "E-mail", error[template],
            rx.el.select(
                rx.foreach(
                    state.templates, lambda one: rx.el.option(one.label, value=one.value)
                ),
                default_value=step.template_key,
                on_change=lambda value: state.typed(template, value),
                **_wired(template, error[template]),
            ),
        ),
        _field(
            subject, "Subject", error[subject],
            rx.el.input(
                type="text", default_value=step.subject, max_length=500,
                placeholder="As in the template", auto_complete="off",
                **_wired(subject, error[subject]), **keep(subject),
            ),
        ),
        rx.el.span("By e-mail", class_name="small muted channel"),
        rx.el.span(
            _act("arrow-up", "Move step " + number + " earlier", state.move_step(step.key, -1),
                 disabled=index == 0, testid="step-up"),
            _act("arrow-down", "Move step " + number + " later", state.move_step(step.key, 1),
                 disabled=index == state.steps.length() - 1, testid="step-down"),
            _act("trash-2", "Remove step " + number, state.remove_step(step.key),
                 disabled=state.steps.length() == 1, testid="step-remove"),
            class_name="acts-of",
        ),
        class_name="step",
        key=step.key,
        role="group",
        aria_label="Step " + number,
        data_testid="step",
    )  # fmt: skip


def _field(name: Any, label: str, error: Any, control: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.label(label, html_for="f-" + name),
        control,
        rx.cond(
            error,
            rx.el.div(
                basic.icon("triangle-alert", size=12), error, id="f-" + name + "-error",
                class_name="error", data_testid="step-error",
            ),
            rx.fragment(),
        ),
        class_name="field",
    )  # fmt: skip


def _wired(name: Any, error: Any) -> dict[str, Any]:
    return {
        "id": "f-" + name,
        "name": name,
        "aria_invalid": rx.cond(error, "true", "false"),
        "aria_describedby": rx.cond(error, "f-" + name + "-error", ""),
    }


def _act(symbol: str, label: Any, event: Any, *, disabled: Any, testid: str) -> rx.Component:
    return basic.button(
        basic.icon(symbol, size=14), kind="quiet", class_name="icon-only", aria_label=label,
        on_click=event, disabled=disabled, data_testid=testid,
    )  # fmt: skip


def _customers(state: Any) -> rx.Component:
    return basic.section(
        "Customers with this plan",
        basic.card(
            rx.cond(
                state.was_default,
                rx.el.p(
                    "Every customer without a plan of their own has it too.",
                    class_name="muted small",
                ),
                rx.fragment(),
            ),
            rx.cond(
                state.customers.length() > 0,
                rx.el.div(
                    rx.el.ul(
                        rx.foreach(
                            state.customers,
                            lambda one: rx.el.li(
                                rx.el.a(one.label, href=one.value, class_name="link"),
                                data_testid="plan-customer",
                            ),
                        ),
                        class_name="stack tight",
                    ),
                    rx.cond(state.has_more, rx.el.p("and more", class_name="muted"), rx.fragment()),
                    class_name="stack tight",
                ),
                states.empty(
                    "users", "Nobody has it as their own",
                    "It is chosen on the page of a customer.",
                ),
            ),
            class_name="stack",
        ),
        aside=basic.link("All customers", href=routes.CUSTOMERS),
    )  # fmt: skip
