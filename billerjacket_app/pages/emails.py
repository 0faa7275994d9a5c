"""E-mails as the pages of an invoice and of a customer list them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.communications.queries import CommunicationView
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, states
from billerjacket_app.pages import rows
from billerjacket_app.status import Badge


@dataclass
class EmailRow:
    """An e-mail as a row."""

    href: str = ""
    subject: str = ""
    recipient: str = ""
    badge: Badge = field(default_factory=Badge)
    kind: str = ""
    when: fmt.When = field(default_factory=fmt.When)


def email_row(reader: Reader, email: CommunicationView) -> EmailRow:
    """An e-mail as text; one that is not written yet has no subject."""
    kind = status.EMAIL_TYPES[email.type]
    if email.step_number:
        kind = f"{kind}, step {email.step_number}"
    return EmailRow(
        href=routes.mailbox(open=email.communication_id),
        subject=email.subject or kind,
        recipient=email.to_address,
        badge=status.EMAIL[email.status],
        kind=kind,
        when=fmt.when(email.sent_at or email.created_at, rows.zone_of(reader), reader.now),
    )


def email_list(emails: Any) -> rx.Component:
    """The section with its list; each leads to the mailbox."""
    return basic.section(
        "E-mails",
        rx.cond(
            emails.length() > 0,
            rx.el.div(
                rx.el.ul(rx.foreach(emails, _row), class_name="maillist"),
                class_name="card flush",
            ),
            basic.card(states.empty("mail", "No e-mails yet", "What we send shows here.")),
        ),
    )


def _row(row: Any) -> rx.Component:
    return rx.el.li(
        rx.el.a(
            rx.el.span(row.subject, class_name="medium one-line"),
            rx.el.span(
                basic.badge(row.badge),
                rx.el.span(row.kind),
                basic.when(row.when),
                class_name="small muted row",
            ),
            href=row.href,
        ),
        data_testid="email-row",
    )
