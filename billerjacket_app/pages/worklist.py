"""/dunning/worklist: whom to call today and why, worked through with the keyboard or the mouse.

j and k walk, Enter opens the customer, c logs a call, n a note, h holds (assets/hotkeys.js). What
is logged takes a row off the list or updates it; the focus goes on to the next one.
"""

from __future__ import annotations

from typing import Any

import reflex as rx

from backend.dunning.models import ContactKind
from backend.errors import InvalidInput
from billerjacket_app import routes
from billerjacket_app.components import basic, filters, hold_form, shell, states, table
from billerjacket_app.page_state import ListState, say
from billerjacket_app.pages import rows, worklist_forms, worklist_rows
from billerjacket_app.pages.worklist_rows import Row, load_worklist, next_row
from billerjacket_app.session import SessionState

_QUERY = ("reason", "q", "sort", "cursor")


class WorklistState(ListState, rx.State):
    """The list, and the row a dialog is about."""

    rows: list[Row] = []
    tabs: list[filters.Tab] = []
    pager: filters.Pager = filters.Pager()
    put_off: str = ""
    today: str = ""
    next_row: str = ""
    about: Row = Row()
    outcome: str = ""

    _turn: int = 0

    async def fetch(self) -> None:
        """Load what the address names."""
        query = {name: self.arg(name) for name in _QUERY}
        outcome = await self.read(load_worklist, query)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.show_query(routes.WORKLIST, query, worklist_rows.SORTS)
        self.assign(
            rows=found.rows,
            tabs=found.tabs,
            pager=found.pager,
            put_off=found.put_off,
            today=found.today,
        )

    @rx.event
    def open_about(self, name: str, key: str) -> None:
        """Open a dialog about one of the rows."""
        found = next((row for row in self.rows if row.key == key), None)
        if found is not None:
            self.close_dialog_now()
            self.assign(about=found, outcome="", dialog=name)

    @rx.event
    def choose_outcome(self, outcome: str) -> None:
        """Offer the promise where one was made."""
        self.assign(outcome=outcome)

    @rx.event
    async def log_call(self, form: dict[str, Any]) -> Any:
        """Log a call, with the promise that was made in it."""
        self.busy = True
        yield
        try:
            command = worklist_forms.parse_contact(ContactKind.CALL, form)
            promise = (
                worklist_forms.parse_promise(form) if form.get("outcome") == "promised" else None
            )
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        customer_id = rows.record_id(self.about.customer_id, "customer")
        outcome = await self.call(worklist_forms.log_call, customer_id, command, promise)
        if not outcome.problem:
            yield await self._go_on(f"The call with {self.about.name} is logged.")

    @rx.event
    async def log_note(self, form: dict[str, Any]) -> Any:
        """Add a note."""
        self.busy = True
        yield
        try:
            command = worklist_forms.parse_contact(ContactKind.NOTE, form)
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        customer_id = rows.record_id(self.about.customer_id, "customer")
        outcome = await self.call(worklist_forms.log_call, customer_id, command, None)
        if not outcome.problem:
            yield await self._go_on(f"The note about {self.about.name} is added.")

    @rx.event
    async def hold(self, form: dict[str, Any]) -> Any:
        """Hold the customer's reminders."""
        self.busy = True
        yield
        customer_id = rows.record_id(self.about.customer_id, "customer")
        outcome = await self.call(hold_form.place_on_customer, customer_id, form)
        if not outcome.problem:
            yield await self._go_on(outcome.must)

    async def _go_on(self, said: str) -> Any:
        """Close the dialog, load the list again, and lead the focus on to the next row."""
        before = [row.key for row in self.rows]
        self.close_dialog_now()
        await self.fetch()
        self._turn += 1
        key = next_row(before, self.about.key, [row.key for row in self.rows])
        self.next_row = f"{key} {self._turn}"
        return say(said)


def _acts(state: Any, row: Any) -> rx.Component:
    return rx.el.div(
        *(
            basic.button(
                label,
                rx.el.span(" ", row.name, class_name="vh"),
                on_click=state.open_about(name, row.key),
                custom_attrs={"data-row-key": key},
                data_testid=f"row-{name}",
            )
            for name, key, label in (
                ("call", "c", "Call"),
                ("note", "n", "Note"),
                ("hold", "h", "Hold"),
            )
        ),
        class_name="row row-acts",
    )


def _cells(state: Any, row: Any) -> list[rx.Component]:
    return [
        table.row_header(
            rx.el.a(
                row.name,
                href=row.href,
                class_name="hit",
                title=row.name,
                custom_attrs={"data-row-key": "Enter"},
            ),
            rx.cond(
                row.tel != "",
                rx.el.div(
                    rx.el.a(
                        row.phone, href=row.tel, class_name="link num small",
                        aria_label="Call " + row.name + " at " + row.phone,
                    )
                ),
                rx.el.div("No phone number", class_name="small muted"),
            ),
            class_name="two clip",
        ),
        table.cell(
            rx.el.div(rx.foreach(row.reasons, basic.badge), class_name="badges"),
            class_name="two why",
        ),
        table.number(
            basic.link(row.overdue, href=row.invoices_href),
            rx.el.div(row.made_of, class_name="small muted"),
            name="overdue",
            class_name="two",
        ),
        table.number(row.days, name="days", class_name="two"),
        table.cell(
            rx.el.div(
                row.contact, rx.cond(row.contacted.iso != "", " · ", ""),
                rx.cond(row.contacted.iso != "", basic.when(row.contacted), rx.fragment()),
            ),
            rx.cond(row.note != "", rx.el.div(row.note, class_name="small muted"), rx.fragment()),
            rx.cond(
                row.reminded != "",
                rx.el.div(row.reminded, class_name="small muted"),
                rx.fragment(),
            ),
            name="contact",
            class_name="two note-of",
        ),
        table.cell(basic.day(row.next_on), name="next", class_name="two narrow-hidden"),
        table.cell(
            rx.cond(SessionState.may_write, _acts(state, row), rx.fragment()), class_name="two"
        ),
    ]  # fmt: skip


def _keys() -> rx.Component:
    hints = (
        ("j k", "next, previous"),
        ("Enter", "customer"),
        ("c", "call"),
        ("n", "note"),
        ("h", "hold"),
    )
    return rx.el.div(
        *(
            rx.el.span(*(rx.el.kbd(key) for key in keys.split()), " ", what, class_name="row")
            for keys, what in hints
        ),
        basic.button(
            "Shortcuts",
            aria_pressed="true",
            custom_attrs={"data-hotkeys-switch": "true"},
            data_testid="hotkeys-switch",
        ),
        class_name="keys small muted",
        role="group",
        aria_label="Keys",
        data_testid="keys",
    )


def page() -> rx.Component:
    """The worklist."""
    state = WorklistState
    listing = rx.el.div(
        filters.tabs("Customers by reason", state.tabs),
        rx.el.div(
            filters.search_box(
                "q",
                "Search the worklist",
                value=state.q,
                key=state.search_key,
                on_change=state.search,
                placeholder="Name, e-mail, reference",
            ),
            _keys(),
            class_name="filters spread",
        ),
        rx.el.div(
            table.data_table(
                "Customers to call",
                [
                    table.Column("customer", "Customer", sort="name"),
                    table.Column("why", "Why", sort="priority"),
                    table.Column("overdue", "Overdue", True, sort="amount"),
                    table.Column("days", "Late for", True, sort="days_late"),
                    table.Column("contact", "Last contact", sort="last_contact"),
                    table.Column("next", "Come back"),
                    table.Column("acts", "Log"),
                ],
                state.rows,
                lambda row: _cells(state, row),
                state=state,
                testid="table-worklist",
                row_testid="worklist-row",
                filtered=state.filtered,
                clear_href=routes.WORKLIST,
                noun="customers",
                empty=states.empty(
                    "circle-check",
                    "Nobody to call today",
                    "Customers come here when reminders do not reach them, are used up, or are not "
                    "enough: a broken promise, a high amount, a day you agreed on.",
                ),
                walked_by=lambda row: row.key,
                next_row=state.next_row,
            ),
            class_name="as-cards",
        ),
        rx.el.p(state.put_off, class_name="small muted", data_testid="put-off"),
        filters.pager(state.pager),
        class_name="sec",
    )
    return shell.page(
        state,
        "Worklist",
        rx.cond(state.view == "forbidden", states.forbidden(), listing),
        worklist_forms.dialogs(state),
        section="worklist",
        crumbs=[("Chasing", routes.DUNNING)],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.WORKLIST,
        title="Worklist · BillerJacket",
        on_load=WorklistState.load,
    )
