"""/dunning/templates/{key}: one e-mail's wording, with a preview that follows what is typed.

What is typed stays in the browser's fields and, a moment later, in `_draft`: no save, refusal or
reload of the data takes it away. When somebody else saved meanwhile, it is the person who decides
which wording stands.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import reflex as rx

from backend.communications.samples import variables_of
from backend.communications.template_store import (
    TemplateView,
    checked_source,
    get_template,
    save_template,
)
from backend.communications.templates import RenderedEmail, TemplateSource
from backend.dunning.plans import list_plans
from backend.dunning.template_trial import preview_template, reset_template, send_test
from backend.errors import InvalidInput
from backend.invoices.queries import InvoiceFilter, InvoiceView, list_invoices
from backend.paging import LIMIT_MAX
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.bridge import Problem, sentence
from billerjacket_app.components.filters import Tab
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.pages.template_view import layout
from billerjacket_app.pages.templates import used_by, wording_badge
from billerjacket_app.session import SessionState
from billerjacket_app.status import Badge

PARTS = ("subject", "text", "html")
VIEWS = (
    ("html", "HTML, light"),
    ("dark", "HTML, dark"),
    ("phone", "Phone, 380 px"),
    ("phone-dark", "Phone, dark"),
    ("text", "Plain text"),
)
INVOICES_OFFERED = 20


@dataclass
class Option:
    """An invoice that can be shown."""

    value: str = ""
    label: str = ""


@dataclass
class Example:
    """A value that may be placed, as it is written and as it comes out."""

    name: str = ""
    written: str = ""
    meaning: str = ""
    example: str = ""


@dataclass
class Shown:
    """A template as the page shows it, beside its fields."""

    key: str = ""
    name: str = ""
    is_reminder: bool = False
    is_own: bool = False
    # One that the tenant made itself has no default to go back to.
    is_tenants: bool = False
    wording: Badge = field(default_factory=Badge)
    used_by: str = ""
    changed: fmt.When = field(default_factory=fmt.When)
    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass
class Preview:
    """The e-mail that the wording makes."""

    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass(frozen=True)
class Loaded:
    """What the page needs of the database."""

    template: TemplateView
    shown: Shown
    offered: list[Option]
    examples: list[Example]


def load_template(reader: Reader, key: str) -> Loaded:
    """A template, and what stands around it. Raises NotFound, NotAllowed."""
    found = get_template(reader, key)
    plans = list_plans(reader, limit=LIMIT_MAX).items
    newest = list_invoices(reader, InvoiceFilter(), limit=INVOICES_OFFERED, sort="-number").items
    shown = Shown(
        key=found.template_key,
        name=found.name,
        is_reminder=found.is_reminder,
        is_own=found.is_own,
        is_tenants=not found.is_default_key,
        wording=wording_badge(found),
        used_by="; ".join(used_by(found.template_key, plans)),
        changed=fmt.when_exactly(found.updated_at, rows.zone_of(reader)),
        subject=found.source.subject,
        text=found.source.text,
        html=found.source.html,
    )
    return Loaded(
        found,
        shown,
        [
            Option(it.invoice_number, f"{it.customer_name}, {fmt.calendar(it.due_date)}")
            for it in newest
            if it.invoice_number
        ],
        [
            Example(it.name, f"{{{{ {it.name} }}}}", it.meaning, it.example)
            for it in variables_of(key)
        ],
    )


def invoice_of(reader: Reader, number: str) -> InvoiceView | None:
    """The invoice of that number; None without a number. Raises InvalidInput."""
    if not number:
        return None
    found = list_invoices(reader, InvoiceFilter(q=number), limit=5).items
    for invoice in found:
        if (invoice.invoice_number or "").casefold() == number.casefold():
            return invoice
    raise InvalidInput.of("invoice", f"has no number {number}")


@dataclass(frozen=True)
class Tried:
    """What a wording makes, and what is wrong with its parts; either may be missing."""

    email: RenderedEmail | None
    errors: dict[str, str]


def try_wording(reader: Reader, key: str, source: TemplateSource, number: str) -> Tried:
    """Prove the wording as a save would, and fill it in with the invoice of that number."""
    errors: dict[str, str] = {}
    try:
        checked_source(key, source)
    except InvalidInput as wrong:
        errors |= {item.field: sentence(item.message) for item in wrong.errors}
    try:
        invoice = invoice_of(reader, number)
        email = preview_template(reader, key, source, invoice.invoice_id if invoice else None)
    except InvalidInput as wrong:
        errors |= {item.field: sentence(item.message) for item in wrong.errors}
        return Tried(None, errors)
    return Tried(email, errors)


def in_theme(html: str, *, dark: bool) -> str:
    """The e-mail as a mail program in this theme shows it, whatever the theme of the browser is."""
    rule, scheme = ("all", "dark") if dark else ("not all", "light")
    return (
        html.replace("@media (prefers-color-scheme: dark)", f"@media {rule}")
        .replace("color-scheme: light dark", f"color-scheme: {scheme}")
        .replace('content="light dark"', f'content="{scheme}"')
    )


def send_trial(work: UnitOfWork, key: str, source: TemplateSource, number: str, to: str) -> None:
    """Send the e-mail of this wording to one's own address."""
    invoice = invoice_of(work, number)
    send_test(work, key, source, invoice.invoice_id if invoice else None, to)


class TemplateState(PageState, rx.State):
    """The editor."""

    shown: Shown = Shown()
    fields_key: str = "0"
    tabs: list[Tab] = []
    show: str = "html"
    invoice: str = ""
    invoice_error: str = ""
    offered: list[Option] = []
    examples: list[Example] = []
    preview: Preview = Preview()
    unsaved: bool = False
    test_to: str = ""
    # Somebody saved another wording: theirs stands here, beside what is typed.
    theirs: Shown = Shown()
    conflict: bool = False

    _draft: TemplateSource = TemplateSource("", "", "")
    _name: str = ""
    _version: int | None = None

    async def fetch(self) -> None:
        """Load the template; what is typed and not saved stays."""
        outcome = await self.read(load_template, str(self.template_key))
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        session = await self.get_state(SessionState)
        self.assign(
            offered=found.offered,
            examples=found.examples,
            show=self.arg("show") if self.arg("show") in dict(VIEWS) else "html",
            invoice=self.arg("invoice"),
            test_to=session.email,
        )
        if self.unsaved and self.shown.key == found.shown.key:
            if found.template.version != self._version:
                self.assign(conflict=True, theirs=found.shown)
        elif found.template.version != self._version or self.shown.key != found.shown.key:
            self._take(found)
        else:
            self.assign(shown=found.shown)
        self.assign(tabs=self._tabs())
        await self._render()

    @rx.event
    async def load(self) -> Any:
        """Load the page; coming from elsewhere, nothing of what was typed before is there."""
        path = self.router.url.path
        if path != self._path or self.view != "ready":
            self._path = path
            self.view = "loading"
            self.unsaved, self._version, self.shown = False, None, Shown()
            self.close_dialog_now()
            yield
        await self._fetch_shown()
        if self.view == "ready":
            yield TemplateState.watch

    def _take(self, found: Loaded) -> None:
        """Fill the fields with what is saved."""
        self._version = found.template.version
        self._draft = found.template.source
        self._name = found.template.name
        self.assign(
            shown=found.shown,
            fields_key=uuid.uuid4().hex,
            unsaved=False,
            conflict=False,
            errors={},
            refusal=Problem(),
        )

    def _tabs(self) -> list[Tab]:
        return [
            Tab(
                label,
                "",
                routes.template(
                    self.shown.key, show="" if key == "html" else key, invoice=self.invoice
                ),
                key == self.show,
            )
            for key, label in VIEWS
        ]

    async def _render(self) -> None:
        """Show what the wording makes; an error stands at its part, the last preview stays."""
        outcome = await self.read(try_wording, self.shown.key, self._draft, self.invoice)
        if outcome.problem:
            self.assign(refusal=outcome.problem)
            return
        tried = outcome.must
        kept = {part: text for part, text in self.errors.items() if part not in PARTS}
        wrong = {part: text for part, text in tried.errors.items() if part in PARTS}
        self.assign(errors=kept | wrong, invoice_error=tried.errors.get("invoice", ""))
        if tried.email is not None:
            email = tried.email
            html = in_theme(email.html, dark=self.show in ("dark", "phone-dark"))
            self.assign(preview=Preview(email.subject, email.text, html))

    async def _typed(self, **parts: str) -> None:
        if self.view != "ready":
            return
        self._draft = replace(self._draft, **parts)
        self.assign(unsaved=self._differs())
        await self._render()

    def _differs(self) -> bool:
        pairs = (
            (self._draft.subject, self.shown.subject),
            (self._draft.text, self.shown.text),
            (self._draft.html, self.shown.html),
            (self._name, self.shown.name),
        )
        return any(typed.strip() != saved.strip() for typed, saved in pairs)

    @rx.event
    async def type_subject(self, text: str) -> None:
        """Follow the subject."""
        await self._typed(subject=text)

    @rx.event
    async def type_text(self, text: str) -> None:
        """Follow the plain text."""
        await self._typed(text=text)

    @rx.event
    async def type_html(self, text: str) -> None:
        """Follow the HTML."""
        await self._typed(html=text)

    @rx.event
    def type_name(self, text: str) -> None:
        """Follow the name."""
        self._name = text
        self.assign(unsaved=self._differs())

    @rx.event
    def choose_invoice(self, number: str) -> Any:
        """Put the invoice into the address; the preview follows."""
        query = dict(self.router.url.query_parameters) | {"invoice": number.strip()}
        return rx.redirect(routes.with_query(self.router.url.path, query), replace=True)

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep the wording, unless somebody else saved one meanwhile."""
        self.busy = True
        yield
        self._name = str(form.get("name", self._name)).strip()
        self._draft = TemplateSource(
            str(form.get("subject", "")), str(form.get("text", "")), str(form.get("html", ""))
        )
        self.assign(unsaved=self._differs())
        async for event in self._save():
            yield event

    @rx.event
    async def save_mine(self) -> Any:
        """Put what is typed in the place of what somebody else saved."""
        found = await self.read(load_template, self.shown.key)
        if found.problem:
            self.refusal = found.problem
            return
        self._version = found.must.template.version
        async for event in self._save():
            yield event

    @rx.event
    async def take_theirs(self) -> None:
        """Let what is typed go; what somebody else saved stands in the fields."""
        self.unsaved, self._version = False, None
        await self.fetch()

    async def _save(self) -> Any:
        outcome = await self.call(
            save_template, self.shown.key, self._name, self._draft, self._version
        )
        if outcome.problem:
            if outcome.problem.code == "template_changed":
                theirs = await self.read(load_template, self.shown.key)
                if not theirs.problem:
                    self.assign(conflict=True, theirs=theirs.must.shown, refusal=Problem())
                    yield say("Not saved: somebody else saved meanwhile.", bad=True)
            return
        self.unsaved = False
        found = await self.read(load_template, self.shown.key)
        if not found.problem:
            self._version = found.must.template.version
            self._draft = found.must.template.source
            self.assign(shown=found.must.shown, conflict=False)
        await self._render()
        yield say("The wording is saved. It is used from the next e-mail on.")

    @rx.event
    async def send_to_me(self, _form: dict[str, Any]) -> Any:
        """Send what is typed to the person's own address."""
        self.busy = True
        yield
        outcome = await self.call(
            send_trial, self.shown.key, self._draft, self.invoice, self.test_to
        )
        if not outcome.problem:
            self.close_dialog_now()
            yield say(f"A test is on its way to {self.test_to}.")

    @rx.event
    async def reset_wording(self, _form: dict[str, Any]) -> Any:
        """Go back to the default wording, or take the tenant's own template away."""
        self.busy = True
        yield
        is_gone = self.shown.is_tenants
        outcome = await self.call(reset_template, self.shown.key)
        if outcome.problem:
            return
        self.close_dialog_now()
        self.unsaved, self._version = False, None
        if is_gone:
            yield say(f"{self.shown.name} is deleted.")
            yield rx.redirect(routes.TEMPLATES)
            return
        await self.fetch()
        yield say("The default wording is back.")


def page() -> rx.Component:
    """The editor."""
    return layout(TemplateState)


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.TEMPLATE,
        title="E-mail template · BillerJacket",
        on_load=TemplateState.load,
    )
