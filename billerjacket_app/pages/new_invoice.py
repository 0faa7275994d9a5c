"""/invoices/new: a customer, lines, and totals that follow the typing; also edits a draft."""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.money import CURRENCY_CODES
from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, forms, shell, states
from billerjacket_app.pages.invoice_form import NewInvoiceState

_TYPING_MS = 250


def _line_input(line: Any, name: str, label: str, **props: Any) -> rx.Component:
    state = NewInvoiceState
    full = name + "-" + line.key
    error = state.errors[full]
    return rx.el.div(
        rx.el.label(label, html_for="f-" + full),
        rx.el.input(
            id="f-" + full,
            name=full,
            default_value=getattr(line, name),
            on_change=lambda value: state.typed(full, value).debounce(_TYPING_MS),
            on_blur=lambda value: state.typed(full, value),
            auto_complete="off",
            aria_invalid=rx.cond(error, "true", "false"),
            aria_describedby=rx.cond(error, "f-" + full + "-error", ""),
            **props,
        ),
        rx.cond(
            error,
            rx.el.div(error, id="f-" + full + "-error", class_name="error"),
            rx.fragment(),
        ),
        class_name="field",
    )


def _line(line: Any, index: Any) -> rx.Component:
    state = NewInvoiceState
    return rx.el.div(
        _line_input(line, "description", "Description", max_length=1000),
        _line_input(line, "quantity", "Quantity", input_mode="decimal", class_name="amount"),
        _line_input(line, "unit_price", "Unit price", input_mode="decimal", class_name="amount"),
        _line_input(line, "tax_rate", "Tax, %", input_mode="decimal", class_name="amount"),
        rx.el.div(
            rx.el.span("Line total", class_name="line-label"),
            rx.el.output(state.line_sums[line.key], class_name="sum", data_testid="line-total"),
            class_name="field",
        ),
        rx.cond(
            state.lines.length() > 1,
            basic.button(
                basic.icon("trash-2", size=14),
                kind="quiet",
                class_name="icon-only",
                aria_label="Remove line " + (index + 1).to_string(),
                on_click=state.remove_line(line.key),
            ),
            rx.fragment(),
        ),
        class_name="line",
        key=line.key,
        role="group",
        aria_label="Line " + (index + 1).to_string(),
        data_testid="line-item",
    )


def _field(
    name: str, label: str, *, hint: str = "", kind: Any = forms.text, **props: Any
) -> rx.Component:
    state = NewInvoiceState
    return forms.field(
        name,
        label,
        kind(
            name,
            error=state.errors[name],
            hint=hint,
            default_value=state.start[name],
            on_change=lambda value: state.typed(name, value).debounce(_TYPING_MS),
            on_blur=lambda value: state.typed(name, value),
            **props,
        ),
        error=state.errors[name],
        hint=hint,
    )


def _customer() -> rx.Component:
    state = NewInvoiceState
    return rx.el.div(
        forms.field(
            "customer",
            "Customer",
            forms.text(
                "customer",
                error=state.errors["customer"],
                default_value=state.customer_label,
                on_change=state.pick_customer.debounce(_TYPING_MS),
                on_blur=state.pick_customer,
                auto_complete="off",
                placeholder="Type a name, then choose",
                list="customer-options",
                data_testid="customer-picker",
            ),
            error=state.errors["customer"],
        ),
        rx.el.datalist(
            rx.foreach(state.suggestions, lambda label: rx.el.option(value=label)),
            id="customer-options",
        ),
        rx.el.div(state.customer_note, class_name="small muted", role="status"),
        class_name="field",
    )


def _currency() -> rx.Component:
    state = NewInvoiceState
    return forms.field(
        "currency_code",
        "Currency",
        forms.choice(
            "currency_code",
            [(code, code) for code in CURRENCY_CODES],
            error=state.errors["currency_code"],
            default_value=state.start["currency_code"],
            on_change=lambda value: state.typed("currency_code", value),
        ),
        error=state.errors["currency_code"],
    )


def _totals() -> rx.Component:
    state = NewInvoiceState
    return rx.el.dl(
        rx.el.div(rx.el.dt("Subtotal"), rx.el.dd(state.subtotal, data_testid="form-subtotal")),
        rx.el.div(rx.el.dt("Tax"), rx.el.dd(state.tax, data_testid="form-tax")),
        rx.el.div(
            rx.el.dt("Total"), rx.el.dd(state.total, data_testid="form-total"), class_name="sum"
        ),
        class_name="totals",
        aria_live="polite",
    )


def _form() -> rx.Component:
    state = NewInvoiceState
    return rx.el.form(
        forms.problem_note(state.refusal),
        basic.card(
            rx.el.div(
                _customer(),
                _field("purchase_order_number", "Purchase order", max_length=100),
                class_name="cols2",
            ),
            rx.el.div(
                _field("issue_date", "Issue date", type="date"),
                _field(
                    "due_date", "Due date", type="date",
                    hint="Empty: by the customer's payment terms.",
                ),
                _currency(),
                class_name="cols3",
            ),
            class_name="form",
        ),
        basic.card(
            rx.el.h2("Lines"),
            rx.el.div(rx.foreach(state.lines, _line), class_name="lines"),
            rx.el.div(
                basic.button(
                    basic.icon("plus", size=14), "Add line", on_click=state.add_line,
                    data_testid="add-line",
                ),
                class_name="row",
            ),
            _totals(),
            class_name="form",
        ),
        basic.card(
            rx.el.div(
                _field("notes", "Notes for the customer", kind=forms.area, max_length=2000),
                _field(
                    "tax_amount", "Tax for the whole invoice", kind=forms.amount,
                    hint="One amount here, or rates on the lines; not both.",
                ),
                class_name="cols2",
            ),
            class_name="form",
        ),
        rx.el.div(
            basic.button("Discard", kind="quiet", on_click=state.discard),
            basic.button(
                "Save draft", type="submit", disabled=state.busy, data_testid="save-draft"
            ),
            basic.button(
                basic.icon("send", size=14), "Save and send…", kind="primary",
                on_click=state.ask_to_send, disabled=state.busy, data_testid="save-and-send",
            ),
            class_name="row end",
        ),
        key=state.form_id,
        on_submit=state.save_draft,
        reset_on_submit=False,
        class_name="form",
        custom_attrs={"noValidate": True},
        data_testid="invoice-form",
    )  # fmt: skip


def _send_dialog() -> rx.Component:
    state = NewInvoiceState
    return dialog.dialog(
        state,
        "send",
        "Send this invoice?",
        rx.el.p("A sent invoice gets its number and never changes. ", state.customer_note),
        _totals_line(),
        rx.el.div(
            basic.button("Back to the form", on_click=state.close_dialog),
            basic.button(
                rx.cond(state.busy, "Sending…", "Send invoice"),
                kind="primary",
                on_click=state.save_and_send,
                disabled=state.busy,
                data_testid="confirm-send",
            ),
            class_name="foot",
        ),
    )


def _totals_line() -> rx.Component:
    return basic.facts(
        basic.fact("Total", rx.el.span(NewInvoiceState.total, class_name="strong num")),
        basic.fact("Of which tax", rx.el.span(NewInvoiceState.tax, class_name="num")),
    )


def page() -> rx.Component:
    """The form of an invoice."""
    state = NewInvoiceState
    return shell.page(
        state,
        rx.cond(state.draft_id != "", "Edit draft", "New invoice"),
        states.body(state, _form(), noun="draft", back=(routes.INVOICES, "To the invoices")),
        _send_dialog(),
        section="invoices",
        crumbs=[("Invoices", routes.INVOICES)],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.NEW_INVOICE,
        title="New invoice · Invoices · BillerJacket",
        on_load=NewInvoiceState.load,
    )
