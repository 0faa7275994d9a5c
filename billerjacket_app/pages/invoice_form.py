"""The State of the form of an invoice: what is typed, what it comes to, saving and sending.

Inputs are uncontrolled, so no keystroke waits for the server or is lost to it. What was typed is
kept on the server as well: leaving the page and coming back, or a lost connection, loses nothing
until the form is saved or discarded.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.actor import Action
from backend.errors import InvalidInput
from backend.invoices.queries import get_invoice
from backend.unit_of_work import Reader
from billerjacket_app import routes
from billerjacket_app.bridge import Problem
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import invoice_draft, rows
from billerjacket_app.pages.invoice_draft import Suggestion


@dataclass
class FormLine:
    """One line of the form with what stands in it when it appears."""

    key: str = ""
    description: str = ""
    quantity: str = "1"
    unit_price: str = ""
    tax_rate: str = ""


@dataclass(frozen=True)
class FormStart:
    """What an empty form, or a draft, begins with."""

    values: dict[str, str]
    keys: list[str]
    customer: Suggestion | None
    suggestions: list[Suggestion]
    version: int | None = None  # of the draft


def load_form(reader: Reader, draft: str, customer_id: str) -> FormStart:
    """The form for a new invoice, or for the draft named. Raises NotFound, NotAllowed."""
    reader.actor.require(Action.INVOICES_WRITE)
    suggestions = invoice_draft.suggest_customers(reader, "")
    if draft:
        invoice = get_invoice(reader, rows.record_id(draft, "draft"))
        values, keys = invoice_draft.values_of(invoice)
        chosen = invoice_draft.suggestion_for(reader, invoice.customer_id)
        return FormStart(values, keys, chosen, suggestions, invoice.version)
    wanted = rows.optional_id(customer_id, "customer_id")
    values = {
        "issue_date": reader.today.isoformat(),
        "currency_code": reader.tenant.currency_code,
    }
    chosen = invoice_draft.suggestion_for(reader, wanted) if wanted else None
    return FormStart(values, ["l1"], chosen, suggestions)


class NewInvoiceState(PageState, rx.State):
    """The form."""

    lines: list[FormLine] = []
    start: dict[str, str] = {}
    form_id: str = ""  # changes with each new form, and remounts its inputs
    draft_id: str = ""
    customer_label: str = ""
    customer_note: str = ""
    suggestions: list[str] = []
    line_sums: dict[str, str] = {}
    subtotal: str = ""
    tax: str = ""
    total: str = ""

    _values: dict[str, str] = {}
    _offered: dict[str, Suggestion] = {}
    _customer_id: str = ""
    _for: str = ""
    _version: int | None = None

    async def fetch(self) -> None:
        """Begin the form the address asks for, unless it is the one being filled in."""
        draft, customer = self.arg("draft"), self.arg("customer_id")
        wanted = f"{draft}|{customer}"
        if self.form_id and self._for == wanted:
            self._show_lines([line.key for line in self.lines])
            return
        outcome = await self.read(load_form, draft, customer)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        begun = outcome.must
        self._for, self._version = wanted, begun.version
        self._values = dict(begun.values)
        self._offer(begun.suggestions)
        self._choose(begun.customer)
        self.assign(
            draft_id=draft,
            form_id=uuid.uuid4().hex,
            start=begun.values,
            customer_label=begun.customer.label if begun.customer else "",
            refusal=Problem(),
            errors={},
        )
        self._show_lines(begun.keys)
        self._add_up()

    def _show_lines(self, keys: list[str]) -> None:
        fields = invoice_draft.LINE_FIELDS
        given = [
            FormLine(
                key,
                **{n: self._values[f"{n}-{key}"] for n in fields if f"{n}-{key}" in self._values},
            )
            for key in keys
        ]
        for line in given:
            for name in fields:
                self._values[f"{name}-{line.key}"] = getattr(line, name)
        self.assign(lines=given, start=dict(self._values))

    def _add_up(self) -> None:
        keys = [line.key for line in self.lines]
        sums = invoice_draft.add_up(self._values, keys, self._values["currency_code"])
        self.assign(line_sums=sums.lines, subtotal=sums.subtotal, tax=sums.tax, total=sums.total)

    def _offer(self, found: list[Suggestion]) -> None:
        self._offered = {offered.label: offered for offered in found}
        self.assign(suggestions=list(self._offered))

    def _choose(self, customer: Suggestion | None) -> None:
        self._customer_id = customer.customer_id if customer else ""
        self.assign(customer_note=customer.note if customer else "")

    @rx.event
    def typed(self, name: str, value: str) -> None:
        """Keep what stands in a field, and add up again."""
        if len(value) > 2000 or len(self._values) > 3000:
            return
        self._values[name] = value
        self._add_up()

    @rx.event
    async def pick_customer(self, text: str) -> None:
        """A name was typed or chosen: take the customer it names, or offer what matches."""
        text = text.strip()[:100]
        self._values["customer"] = text
        if text not in self._offered:
            outcome = await self.read(invoice_draft.suggest_customers, text)
            self._offer(outcome.value or [])
        self._choose(self._offered.get(text))

    @rx.event
    def add_line(self) -> None:
        """One more line at the end."""
        self._show_lines([*(line.key for line in self.lines), f"n{uuid.uuid4().hex[:8]}"])
        self._add_up()

    @rx.event
    def remove_line(self, key: str) -> None:
        """Take a line out; the last one stays."""
        if len(self.lines) > 1:
            self._show_lines([line.key for line in self.lines if line.key != key])
            self._add_up()

    @rx.event
    def discard(self) -> Any:
        """Forget what was typed and go back to the list."""
        self.form_id = ""
        return rx.redirect(routes.INVOICES)

    @rx.event
    async def save_draft(self, form: dict[str, Any]) -> Any:
        """Save; the form's own values are the last word."""
        self._values |= {name: str(value) for name, value in form.items()}
        async for step in self._save(send=False):
            yield step

    @rx.event
    def ask_to_send(self) -> None:
        """Check the form, and ask before it goes out."""
        if self._command() is not None:
            self.dialog = "send"

    @rx.event
    async def save_and_send(self) -> Any:
        """Save and send, both or neither."""
        async for step in self._save(send=True):
            yield step

    def _command(self) -> Any:
        keys = [line.key for line in self.lines]
        self.close_dialog_now()
        try:
            command = invoice_draft.command_of(self._values, keys, self._customer_id)
            invoice_draft.check(command, self._values["currency_code"])
        except InvalidInput as wrong:
            self.refuse(wrong)
            self.errors = invoice_draft.form_errors(self.errors, keys)
            return None
        return command

    async def _save(self, *, send: bool) -> Any:
        command = self._command()
        if command is None:
            return
        self.busy = True
        yield
        draft_id = uuid.UUID(self.draft_id) if self.draft_id else None
        outcome = await self.call(
            invoice_draft.save, f"{self.form_id}-{send}", command, draft_id, self._version, send
        )
        if outcome.problem:
            keys = [line.key for line in self.lines]
            self.assign(dialog="", errors=invoice_draft.form_errors(self.errors, keys))
            return
        saved = outcome.must
        self.form_id = ""
        self.close_dialog_now()
        yield say(f"{saved.invoice_number} was sent." if send else "The draft was saved.")
        yield rx.redirect(routes.invoice(saved.invoice_id))
