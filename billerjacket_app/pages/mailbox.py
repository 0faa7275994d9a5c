"""/mailbox: every e-mail we sent or tried to, and one of them opened as its reader saw it.

The e-mail's HTML stands in a frame without scripts, forms or an origin of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import reflex as rx

from backend.communications.models import CommunicationStatus, CommunicationType
from backend.communications.queries import (
    CommunicationDetail,
    CommunicationFilter,
    get_communication,
    list_communications,
)
from backend.invoices.queries import find_invoice
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, filters, shell, states
from billerjacket_app.page_state import ListState
from billerjacket_app.pages import rows
from billerjacket_app.pages.emails import email_row
from billerjacket_app.status import Badge

PAGE_SIZE = 25
_FILTERS = ("type", "status", "cursor")


@dataclass
class MailRow:
    """An e-mail in the list."""

    href: str = ""
    subject: str = ""
    recipient: str = ""
    badge: Badge = field(default_factory=Badge)
    kind: str = ""
    when: fmt.When = field(default_factory=fmt.When)
    current: bool = False


@dataclass
class Link:
    """A link with its text."""

    label: str = ""
    href: str = ""


@dataclass
class OpenMail:
    """The e-mail that is open."""

    communication_id: str = ""
    subject: str = ""
    recipient: str = ""
    customer: Link = field(default_factory=Link)
    badge: Badge = field(default_factory=Badge)
    kind: str = ""
    created: fmt.When = field(default_factory=fmt.When)
    sent: fmt.When = field(default_factory=fmt.When)
    error: str = ""
    template_problem: str = ""
    correlation_id: str = ""
    html: str = ""
    text: str = ""
    invoices: list[Link] = field(default_factory=list)
    attachments: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Mailbox:
    """The list and, when one is open, that one."""

    mails: list[MailRow]
    tabs: list[filters.Tab]
    pager: filters.Pager
    opened: OpenMail


def load_mailbox(reader: Reader, query: dict[str, str], opened: str) -> Mailbox:
    """The e-mails the address names. Raises InvalidInput, NotFound for the open one."""
    narrowed = CommunicationFilter(
        type=rows.optional_choice(CommunicationType, query["type"], "type"),
        status=rows.optional_choice(CommunicationStatus, query["status"], "status"),
    )
    page = list_communications(reader, narrowed, limit=PAGE_SIZE, cursor=query["cursor"] or None)
    chosen = rows.optional_id(opened, "open")
    if chosen is None and page.items:
        chosen = page.items[0].communication_id
    mails = []
    for item in page.items:
        row = email_row(reader, item)
        mails.append(
            MailRow(
                href=routes.mailbox(**query, open=item.communication_id),
                subject=row.subject,
                recipient=row.recipient,
                badge=row.badge,
                kind=row.kind,
                when=row.when,
                current=item.communication_id == chosen,
            )
        )
    here = {**query, "cursor": ""}
    text = fmt.count(len(page.items), "e-mail")
    more = page.next_cursor
    return Mailbox(
        mails=mails,
        tabs=_tabs(here),
        pager=filters.Pager(
            text=f"{text} on this page" if more or query["cursor"] else text,
            first_href=routes.mailbox(**here) if query["cursor"] else "",
            next_href=routes.mailbox(**here | {"cursor": more}) if more else "",
        ),
        opened=_opened(reader, get_communication(reader, chosen)) if chosen else OpenMail(),
    )


def _tabs(here: dict[str, str]) -> list[filters.Tab]:
    found = [("All", {"type": "", "status": ""})]
    found += [
        (label, {"type": kind, "status": ""})
        for kind, label in (
            ("invoice", "Invoices"),
            ("dunning", "Reminders"),
            ("receipt", "Receipts"),
        )
    ]
    found.append(("Failed", {"type": "", "status": "failed"}))
    return [
        filters.Tab(
            label,
            "",
            routes.mailbox(**here | chosen),
            all(here[name] == value for name, value in chosen.items()),
        )
        for label, chosen in found
    ]


def _opened(reader: Reader, mail: CommunicationDetail) -> OpenMail:
    head, zone = mail.head, rows.zone_of(reader)
    row = email_row(reader, head)
    invoices = [find_invoice(reader, invoice_id) for invoice_id in head.invoice_ids]
    return OpenMail(
        communication_id=str(head.communication_id),
        subject=row.subject,
        recipient=head.to_address,
        customer=Link(head.customer_name, routes.customer(head.customer_id)),
        badge=status.EMAIL[head.status],
        kind=row.kind,
        created=fmt.when_exactly(head.created_at, zone),
        sent=fmt.when_exactly(head.sent_at, zone),
        error=head.error or "",
        template_problem=mail.template_problem or "",
        correlation_id=head.correlation_id,
        html=mail.html_body,
        text=mail.text_body,
        invoices=[
            Link(invoice.invoice_number or "Draft", routes.invoice(invoice.invoice_id))
            for invoice in invoices
            if invoice is not None
        ],
        attachments=[
            Link(
                f"{attached.filename} ({fmt.size(attached.size)})",
                f"/files/emails/{head.communication_id}/{attached.attachment_id}"
                if attached.is_kept
                else "",
            )
            for attached in mail.attachments
        ],
    )


class MailboxState(ListState, rx.State):
    """The list and the e-mail that is open."""

    mails: list[MailRow] = []
    tabs: list[filters.Tab] = []
    pager: filters.Pager = filters.Pager()
    opened: OpenMail = OpenMail()
    chosen: bool = False  # by the address; a narrow screen then shows the e-mail alone
    list_href: str = routes.MAILBOX

    async def fetch(self) -> None:
        """Load what the address names."""
        query = {name: self.arg(name) for name in _FILTERS}
        outcome = await self.read(load_mailbox, query, self.arg("open"))
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.show_query(routes.MAILBOX, query, ())
        self.assign(mails=found.mails, tabs=found.tabs, pager=found.pager, opened=found.opened)


def _row(row: MailRow) -> rx.Component:
    return rx.el.li(
        rx.el.a(
            rx.el.span(row.subject, class_name="medium one-line"),
            rx.el.span(row.recipient, class_name="small muted one-line"),
            rx.el.span(
                basic.badge(row.badge),
                rx.el.span(row.kind),
                basic.when(row.when),
                class_name="small muted row",
            ),
            href=row.href,
            custom_attrs={"aria-current": rx.cond(row.current, "true", rx.Var("undefined"))},
        ),
        data_testid="email-row",
    )


def _links(label: str, items: rx.Var, render: object) -> rx.Component:
    return rx.cond(
        items.length() > 0,
        basic.fact(label, rx.el.span(rx.foreach(items, render), class_name="row")),
        rx.fragment(),
    )


def _mail() -> rx.Component:
    mail = MailboxState.opened
    return rx.el.article(
        rx.el.a(
            basic.icon("chevron-left", size=14),
            "All e-mails",
            href=MailboxState.list_href,
            class_name="btn narrow-only",
        ),
        rx.el.div(
            rx.el.h2(mail.subject, data_testid="email-subject"),
            basic.badge(mail.badge),
            class_name="row",
        ),
        rx.cond(
            mail.error != "",
            basic.callout(
                "Last try: ", mail.error, tone="bad", symbol="triangle-alert",
                data_testid="email-error",
            ),
            rx.fragment(),
        ),
        rx.cond(
            mail.template_problem != "",
            basic.callout(
                "Sent with the default wording, for your own could not be used: ",
                mail.template_problem, tone="warn", symbol="triangle-alert",
                data_testid="email-template-problem",
            ),
            rx.fragment(),
        ),
        basic.card(
            basic.facts(
                basic.fact("To", mail.recipient, data_testid="email-to"),
                basic.fact("Customer", basic.link(mail.customer.label, href=mail.customer.href)),
                basic.fact("What", mail.kind),
                basic.fact("Queued", basic.when(mail.created, class_name="mono")),
                basic.fact("Sent", basic.when(mail.sent, class_name="mono")),
                _links("Invoices", mail.invoices, lambda it: basic.link(it.label, href=it.href)),
                _links("Attachments", mail.attachments, _attachment),
                basic.fact(
                    "Correlation id",
                    basic.copy_id(mail.correlation_id, label="the correlation id"),
                ),
            )
        ),
        rx.cond(
            mail.html != "",
            rx.el.iframe(
                src_doc=mail.html,
                sandbox="",
                title="The e-mail as its reader saw it",
                class_name="mailframe",
                data_testid="email-body",
            ),
            basic.card(
                states.empty(
                    "loader", "Not written yet", "It is rendered just before it is sent."
                )
            ),
        ),
        rx.cond(
            mail.text != "",
            rx.el.details(
                rx.el.summary("Plain text"),
                rx.el.pre(mail.text, class_name="code pre"),
                class_name="twin",
            ),
            rx.fragment(),
        ),
        class_name="stack",
        aria_label="E-mail",
        data_testid="email",
    )  # fmt: skip


def _attachment(item: Link) -> rx.Component:
    return rx.cond(
        item.href != "",
        basic.download_link(item.label, href=item.href, data_testid="attachment"),
        rx.el.span(item.label, " (sent, not kept)"),
    )


def page() -> rx.Component:
    """The mailbox."""
    state = MailboxState
    content = rx.el.div(
        filters.tabs("E-mails by kind", state.tabs),
        rx.cond(
            state.mails.length() > 0,
            rx.el.div(
                rx.el.div(
                    rx.el.div(
                        rx.el.ul(rx.foreach(state.mails, _row), class_name="maillist"),
                        class_name="card flush",
                    ),
                    filters.pager(state.pager),
                    class_name="sec",
                ),
                _mail(),
                class_name=rx.cond(state.chosen, "mailgrid chosen", "mailgrid"),
            ),
            rx.el.div(
                rx.cond(
                    state.filtered,
                    states.no_match(routes.MAILBOX, noun="e-mails"),
                    states.empty(
                        "mail",
                        "No e-mails yet",
                        "Send an invoice: its e-mail, with the PDF, shows here within seconds.",
                    ),
                ),
                class_name="card",
            ),
        ),
        class_name="stack",
    )
    return shell.page(
        state,
        "Mailbox",
        states.body(state, content, noun="e-mail", back=(routes.MAILBOX, "To the mailbox")),
        section="mailbox",
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.MAILBOX, title="Mailbox · BillerJacket", on_load=MailboxState.load
    )
