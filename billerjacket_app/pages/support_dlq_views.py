"""How the dead letters' page looks: cards of queues, groups, filters, messages, latest jobs."""

from __future__ import annotations

from typing import Any

import reflex as rx

from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, filters, forms, states, table
from billerjacket_app.pages.support_dlq_state import QUEUE_TITLES
from billerjacket_app.session import SessionState


def queue_cards(cards: Any) -> rx.Component:
    """Every queue with its count and the age of its oldest; one with letters leads to them."""
    return rx.el.ul(
        rx.foreach(
            cards,
            lambda card: rx.el.li(
                rx.cond(
                    card.has_any,
                    rx.el.a(*_card(card), href=card.href, class_name="card queue"),
                    rx.el.div(*_card(card), class_name="card queue none"),
                ),
                data_testid="queue-card",
            ),
        ),
        class_name="queues",
        aria_label="Queues",
    )


def _card(card: Any) -> list[rx.Component]:
    return [
        rx.el.span(card.title, class_name="small muted"),
        rx.el.span(card.count, class_name="value", data_testid="queue-count"),
        rx.el.span(card.note, class_name="small muted"),
        rx.el.code(card.queue, class_name="muted"),
    ]


def group_table(state: Any) -> rx.Component:
    """Groups: reason, type, queue; how many, since when, what is known."""
    return table.data_table(
        "Groups of dead letters",
        [
            table.Column("reason", "Reason"),
            table.Column("type", "Message type"),
            table.Column("queue", "Queue"),
            table.Column("count", "Count", numeric=True),
            table.Column("first", "First seen"),
            table.Column("last", "Last seen"),
            table.Column("note", "Note"),
        ],
        state.groups,
        lambda group: [
            table.row_header(rx.el.a(basic.badge(group.badge), href=group.href, class_name="hit")),
            table.cell(
                rx.el.a(group.type_text, href=group.href, class_name="hit"), class_name="clip"
            ),
            table.cell(group.queue),
            table.number(group.count, name="count"),
            table.cell(basic.when(group.first)),
            table.cell(basic.when(group.last)),
            table.cell(
                rx.el.div(
                    rx.el.span(group.note, class_name="one-line", title=group.noted),
                    basic.button(
                        basic.icon("pencil", size=12),
                        kind="quiet",
                        class_name="icon-only",
                        aria_label="Note on " + group.badge.label + ", " + group.type_text,
                        on_click=state.open_note(group.key),
                        data_testid="edit-note",
                    ),
                    class_name="note",
                )
            ),
        ],
        state=state,
        testid="table-groups",
        row_testid="dlq-group",
        empty=rx.fragment(),
        noun="groups",
    )


def note_dialog(state: Any) -> rx.Component:
    """What is known about a group: the next one who looks need not find it out again."""
    hint = "The others of your team see it beside the group. Leave it empty to take it away."
    return dialog.form_dialog(
        state,
        "note",
        "Note on this group",
        forms.field(
            "note",
            "Note",
            forms.area(
                "note",
                error=state.errors["note"],
                hint=hint,
                max_length=2000,
                rows=4,
                default_value=state.note.note,
            ),
            error=state.errors["note"],
            hint=hint,
        ),
        submit=state.save_note,
        verb="Save note",
        lead=state.note.title,
    )


def filter_row(state: Any) -> rx.Component:
    """Search, queue, reason, type: all of it stands in the address."""
    queues = [("", "All queues"), *((queue.value, title) for queue, title in QUEUE_TITLES.items())]
    return rx.el.div(
        filters.search_box(
            "q",
            "Search messages",
            value=state.q,
            key=state.search_key,
            on_change=state.search,
            placeholder="Id, correlation id, words in it",
        ),
        _select(state, "queue", "Queue", state.queue, [_option(*pair) for pair in queues]),
        _select(state, "reason", "Reason", state.reason, _options("All reasons", state.reasons)),
        _select(state, "type", "Message type", state.kind, _options("All types", state.types)),
        class_name="filters",
    )


def _select(
    state: Any, name: str, label: str, value: Any, options: list[rx.Component]
) -> rx.Component:
    return forms.field(
        name,
        label,
        rx.el.select(
            *options,
            id=f"f-{name}",
            name=name,
            value=value,
            on_change=lambda chosen: state.choose(name, chosen),
        ),
        class_name="narrow wider",
    )


def _option(value: str, label: str) -> rx.Component:
    return rx.el.option(label, value=value)


def _options(every: str, choices: Any) -> list[rx.Component]:
    return [
        rx.el.option(every, value=""),
        rx.foreach(choices, lambda choice: rx.el.option(choice.label, value=choice.value)),
    ]


def pick(label: Any, *, checked: Any, on_change: Any, **props: Any) -> rx.Component:
    """A box to tick, with a name for who cannot see what it stands beside."""
    return rx.el.label(
        rx.el.input(type="checkbox", checked=checked, on_change=on_change, **props),
        rx.el.span(label, class_name="vh"),
        class_name="pick-box",
    )


def letter_table(state: Any) -> rx.Component:
    """The messages; who has no business of their own sees whose each one is."""
    chosen = lambda row: state.is_all | state.selected.contains(row.key)  # noqa: E731
    return table.data_table(
        "Dead letters",
        [
            table.Column(
                "pick",
                "",
                control=pick(
                    "Select every message of this page",
                    checked=state.page_chosen,
                    on_change=lambda _checked: state.toggle_page(),
                    data_testid="select-page",
                ),
            ),
            table.Column("id", "Message"),
            table.Column("type", "Type"),
            table.Column("reason", "Reason"),
            table.Column("error", "Error"),
            table.Column("queue", "Queue"),
            table.Column("business", "Business", only_if=SessionState.is_platform),
            table.Column("deliveries", "Deliveries", numeric=True),
            table.Column("at", "Queued"),
            table.Column("handled", "Handled"),
        ],
        state.rows,
        lambda row: [
            table.cell(
                pick(
                    "Select message " + row.message_id,
                    checked=chosen(row),
                    on_change=lambda _checked: state.toggle(row.key),
                ),
                class_name="pick",
            ),
            table.row_header(
                rx.el.a(row.short_id, href=row.href, class_name="hit mono", title=row.message_id)
            ),
            table.cell(row.message_type, name="type", class_name="clip"),
            table.cell(basic.badge(row.badge)),
            table.cell(row.description, class_name="clip error-text", title=row.description),
            table.cell(row.queue),
            rx.cond(
                SessionState.is_platform,
                table.cell(
                    rx.cond(
                        row.tenant_href != "",
                        rx.el.a(row.tenant, href=row.tenant_href, class_name="hit"),
                        rx.el.span(row.tenant, class_name="muted"),
                    ),
                    name="tenant",
                    class_name="clip",
                ),
                rx.fragment(),
            ),
            table.number(row.deliveries, name="deliveries"),
            table.cell(basic.when(row.at)),
            table.cell(row.handled, name="handled", class_name="clip", title=row.handled),
        ],
        state=state,
        testid="table-dead-letters",
        row_testid="dlq-message",
        row_class=lambda row: rx.cond(chosen(row), "chosen", ""),
        filtered=state.narrowed,
        clear_href=routes.DEAD_LETTERS,
        noun="dead letters",
        empty=states.empty("circle-check", "No dead letters", "Every message was handled."),
    )


def job_table(jobs: Any) -> rx.Component:
    """What is being done to many at once, and what was."""
    return table.plain_table(
        "Latest jobs",
        [
            table.Column("what", "Job"),
            table.Column("state", "State"),
            table.Column("progress", "Done", numeric=True),
            table.Column("who", "By"),
            table.Column("at", "Started"),
        ],
        rx.foreach(
            jobs,
            lambda job: rx.el.tr(
                table.row_header(rx.el.a(job.title, href=job.href, class_name="hit")),
                table.cell(basic.badge(job.badge)),
                table.number(job.progress),
                table.cell(job.who, class_name="clip"),
                table.cell(basic.when(job.at)),
                data_testid="job-row",
            ),
        ),
        testid="table-jobs",
    )
