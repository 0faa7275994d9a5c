"""How the editor of a template looks: the wording, its preview, and what it may place."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, filters, forms, shell, states, table
from billerjacket_app.session import SessionState

# Long enough to finish a word; the preview follows the hand, not each key.
DEBOUNCE_MS = 400
_HTML_HINT = "Only what stands inside the e-mail's frame. Values are always made safe for HTML."


def layout(state: Any) -> rx.Component:
    """The page."""
    shown = state.shown
    content = rx.el.div(
        _conflict(state),
        rx.el.div(_editor(state), _preview(state), class_name="grid2 even editor-grid"),
        _variables(state),
        class_name="stack wide-gap",
    )
    acts = rx.cond(
        SessionState.may_write,
        rx.fragment(
            basic.button(
                basic.icon("send", size=14),
                "Send test to me…",
                on_click=state.open_dialog("test"),
                data_testid="test",
            ),
            rx.cond(
                shown.is_own,
                basic.button(
                    rx.cond(shown.is_tenants, "Delete…", "Reset to the default wording…"),
                    on_click=state.open_dialog("reset"),
                    data_testid="reset",
                ),
                rx.fragment(),
            ),
        ),
        rx.fragment(),
    )
    return shell.page(
        state,
        rx.cond(shown.name != "", shown.name, "E-mail template"),
        states.body(
            state, content, noun="e-mail template", back=(routes.TEMPLATES, "To the templates")
        ),
        _dialogs(state),
        section="dunning",
        crumbs=[("Chasing", routes.DUNNING), ("E-mail templates", routes.TEMPLATES)],
        beside=rx.cond(shown.name != "", basic.badge(shown.wording), rx.fragment()),
        actions=[rx.cond(state.view == "ready", acts, rx.fragment())],
    )


def _editor(state: Any) -> rx.Component:
    shown, errors = state.shown, state.errors
    fixed = ~SessionState.may_write
    return basic.section(
        "Wording",
        rx.el.form(
            forms.problem_note(state.refusal),
            rx.el.div(
                forms.text_field(
                    "name",
                    "Name",
                    error=errors["name"],
                    default_value=shown.name,
                    max_length=100,
                    read_only=fixed,
                    auto_complete="off",
                    on_change=state.type_name.debounce(DEBOUNCE_MS),
                ),
                forms.text_field(
                    "subject",
                    "Subject",
                    error=errors["subject"],
                    default_value=shown.subject,
                    max_length=500,
                    read_only=fixed,
                    auto_complete="off",
                    on_change=state.type_subject.debounce(DEBOUNCE_MS),
                ),
                forms.field(
                    "text",
                    "Plain text",
                    forms.area(
                        "text",
                        error=errors["text"],
                        default_value=shown.text,
                        read_only=fixed,
                        class_name="editor wrapped",
                        on_change=state.type_text.debounce(DEBOUNCE_MS),
                    ),
                    error=errors["text"],
                ),
                forms.field(
                    "html",
                    "HTML",
                    forms.area(
                        "html",
                        error=errors["html"],
                        hint=_HTML_HINT,
                        default_value=shown.html,
                        read_only=fixed,
                        spell_check=False,
                        class_name="editor wrapped",
                        on_change=state.type_html.debounce(DEBOUNCE_MS),
                    ),
                    error=errors["html"],
                    hint=_HTML_HINT,
                ),
                class_name="form",
                key=state.fields_key,
            ),
            rx.cond(
                SessionState.may_write,
                rx.el.div(
                    basic.button(
                        rx.cond(state.busy, "Saving…", "Save wording"),
                        type="submit",
                        kind="primary",
                        disabled=state.busy,
                        data_testid="save-template",
                    ),
                    rx.el.span(
                        rx.cond(state.unsaved, "Unsaved changes", ""),
                        role="status",
                        class_name="small medium",
                        custom_attrs={"data-unsaved": rx.cond(state.unsaved, "true", "false")},
                        data_testid="unsaved",
                    ),
                    class_name="row save-bar",
                ),
                basic.callout(
                    "Only Finance and Admins change what customers read.", symbol="lock",
                    data_testid="read-only",
                ),
            ),
            on_submit=state.save,
            reset_on_submit=False,
            class_name="form card",
            custom_attrs={"noValidate": True},
        ),
    )  # fmt: skip


def _preview(state: Any) -> rx.Component:
    preview = state.preview
    narrow = (state.show == "phone") | (state.show == "phone-dark")
    dark = (state.show == "dark") | (state.show == "phone-dark")
    frame = rx.el.div(
        rx.el.iframe(
            src_doc=preview.html,
            sandbox="",
            title="The e-mail as its reader sees it",
            class_name=rx.cond(narrow, "mailframe narrow ", "mailframe ")
            + rx.cond(dark, "in-dark", "in-light"),
            data_testid="preview-html",
        ),
        class_name="frame-box",
        tab_index=0,
        role="region",
        aria_label="Preview",
    )
    return basic.section(
        "Preview",
        rx.el.div(
            forms.field(
                "invoice",
                "About the invoice",
                rx.fragment(
                    rx.el.input(
                        id="f-invoice",
                        name="invoice",
                        list="invoices-offered",
                        default_value=state.invoice,
                        placeholder="A sample. Or a number, such as INV-000042",
                        auto_complete="off",
                        on_change=state.choose_invoice.debounce(DEBOUNCE_MS),
                        aria_invalid=rx.cond(state.invoice_error != "", "true", "false"),
                        aria_describedby=rx.cond(state.invoice_error != "", "f-invoice-error", ""),
                    ),
                    rx.el.datalist(
                        rx.foreach(
                            state.offered, lambda it: rx.el.option(it.label, value=it.value)
                        ),
                        id="invoices-offered",
                    ),
                ),
                error=state.invoice_error,
            ),
            filters.tabs("How it is shown", state.tabs),
            rx.el.div(
                rx.el.span("Subject", class_name="small muted"),
                rx.el.strong(preview.subject, data_testid="preview-subject"),
                class_name="stack none",
            ),
            rx.cond(
                state.show == "text",
                rx.el.pre(preview.text, class_name="code pre", data_testid="preview-text"),
                frame,
            ),
            class_name="card stack tight",
        ),
        rx.el.p(
            rx.cond(state.shown.used_by != "", "Sent by ", "No step sends it yet."),
            state.shown.used_by,
            class_name="small muted",
        ),
    )


def _variables(state: Any) -> rx.Component:
    return basic.section(
        "What can be placed",
        rx.el.p(
            "Write ", rx.el.code("{{ name }}"), " where a value belongs, and ",
            rx.el.code("{% if name %}…{% endif %}"), " around what is said only when there is one.",
            class_name="muted",
        ),
        table.plain_table(
            "Values a template may place",
            [
                table.Column("written", "Written"),
                table.Column("meaning", "Is"),
                table.Column("example", "For example"),
                table.Column("copy", "Copy"),
            ],
            rx.foreach(
                state.examples,
                lambda it: rx.el.tr(
                    table.row_header(rx.el.code(it.written)),
                    table.cell(it.meaning, class_name="wrap"),
                    table.cell(it.example),
                    table.cell(
                        basic.button(
                            basic.icon("copy", size=12),
                            kind="quiet",
                            class_name="icon-only",
                            aria_label="Copy " + it.name,
                            custom_attrs={"data-copy": it.written},
                        )
                    ),
                ),
            ),
            testid="table-variables",
        ),
    )  # fmt: skip


def _conflict(state: Any) -> rx.Component:
    theirs = state.theirs
    return rx.cond(
        state.conflict,
        basic.callout(
            rx.el.div(
                rx.el.p(
                    rx.el.strong("Somebody else saved this template meanwhile. "),
                    "What you typed is still here and not saved.",
                ),
                rx.el.details(
                    rx.el.summary("What they saved, ", theirs.changed.text),
                    rx.el.div(
                        rx.el.strong(theirs.subject),
                        rx.el.pre(theirs.text, class_name="code pre tall"),
                        rx.el.pre(theirs.html, class_name="code pre tall"),
                        class_name="stack tight",
                    ),
                    class_name="twin",
                ),
                rx.el.div(
                    basic.button(
                        "Save mine over it", on_click=state.save_mine, data_testid="save-mine"
                    ),
                    basic.button(
                        "Take theirs", on_click=state.take_theirs, data_testid="take-theirs"
                    ),
                    class_name="row",
                ),
                class_name="stack tight",
            ),
            tone="warn",
            symbol="triangle-alert",
            role="alert",
            data_testid="conflict",
        ),
        rx.fragment(),
    )


def _dialogs(state: Any) -> rx.Component:
    shown = state.shown
    return rx.fragment(
        dialog.form_dialog(
            state,
            "test",
            "Send a test to yourself",
            rx.el.p(
                "To ", rx.el.strong(state.test_to, data_testid="test-to"), ", with what stands in "
                "the fields now, saved or not. No customer gets it.",
            ),
            submit=state.send_to_me,
            verb="Send test",
        ),
        dialog.form_dialog(
            state,
            "reset",
            rx.cond(shown.is_tenants, "Delete this template", "Reset to the default wording"),
            rx.el.p(
                rx.cond(
                    shown.is_tenants,
                    "It is gone for good. A template that a step uses cannot be deleted.",
                    "Your wording is gone for good; the one that comes with BillerJacket is sent "
                    "from the next e-mail on.",
                )
            ),
            submit=state.reset_wording,
            verb=rx.cond(shown.is_tenants, "Delete template", "Reset wording"),
            kind="danger",
        ),
    )  # fmt: skip
