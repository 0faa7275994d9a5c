"""The worklist as text: rows, reasons with their counts, and the query behind the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from backend.dunning.contacts import ContactView
from backend.reporting.worklist import Reason, WorklistRow, worklist
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components.filters import Pager, Tab
from billerjacket_app.components.hold_form import PROMISE, HoldFacts
from billerjacket_app.pages import rows
from billerjacket_app.status import Badge

PAGE_SIZE = 50
SORTS = ("priority", "name", "amount", "days_late", "last_contact")
NOTE_SHOWN_MAX = 90


@dataclass
class Row:
    """A customer with money overdue in one currency."""

    key: str = ""
    customer_id: str = ""
    name: str = ""
    href: str = ""
    invoices_href: str = ""
    reasons: list[Badge] = field(default_factory=list)
    overdue: str = ""
    made_of: str = ""
    days: str = ""
    phone: str = ""
    tel: str = ""
    email: str = ""
    contact: str = ""
    contacted: fmt.When = field(default_factory=fmt.When)
    note: str = ""
    next_on: str = ""
    reminded: str = ""
    # What a promise form offers: the amount where there is one invoice to promise for.
    is_single: bool = False
    amount: str = ""
    hold: HoldFacts = field(default_factory=lambda: HoldFacts(kind=PROMISE))


@dataclass
class Found:
    """What the page shows."""

    rows: list[Row]
    tabs: list[Tab]
    pager: Pager
    put_off: str
    today: str


def load_worklist(reader: Reader, query: dict[str, str]) -> Found:
    """The worklist that the address names. Raises NotAllowed, InvalidInput."""
    reason = rows.optional_choice(Reason, query["reason"], "reason")
    page = worklist(
        reader,
        sort=query["sort"] or "priority",
        reason=reason,
        q=query["q"] or None,
        limit=PAGE_SIZE,
        cursor=query["cursor"] or None,
    )
    shown = [row_of(reader, row) for row in page.items]
    return Found(
        rows=shown,
        tabs=tabs_of({str(it): n for it, n in page.counts.items()}, page.total, query),
        pager=_pager(len(shown), page.next_cursor, query),
        put_off=put_off_text(page.snoozed),
        today=reader.today.isoformat(),
    )


def row_of(reader: Reader, row: WorklistRow) -> Row:
    """One row as text."""
    code, zone = row.currency_code, rows.zone_of(reader)
    last = row.last_contact
    return Row(
        key=f"{row.customer_id}-{code}",
        customer_id=str(row.customer_id),
        name=row.customer_name,
        href=routes.customer(row.customer_id),
        invoices_href=routes.invoices(customer_id=row.customer_id, status="overdue"),
        reasons=[reason_badge(row, reason) for reason in row.reasons],
        overdue=fmt.money(row.overdue_amount, code),
        made_of=made_of(row),
        days=fmt.count(row.days_late, "day"),
        phone=row.phone or "",
        tel=tel(row.phone),
        email=row.email or "",
        contact=contact_text(last),
        contacted=fmt.when(last.created_at if last else None, zone, reader.now),
        note=_short(last.note) if last else "",
        next_on=fmt.calendar(row.next_on),
        reminded=f"Reminded {fmt.calendar(row.last_reminded_on)}" if row.last_reminded_on else "",
        is_single=row.invoice_count == 1,
        amount=fmt.amount_input(row.overdue_amount, code),
    )


def reason_badge(row: WorklistRow, reason: Reason) -> Badge:
    """Why to call, with the day or the days that the reason is about."""
    look = status.WORKLIST[reason]
    if reason is Reason.BROKEN_PROMISE and row.broken_promise_on:
        return Badge(f"{look.label} {fmt.calendar(row.broken_promise_on)}", look.icon, look.scale)
    if reason is Reason.UNREACHABLE and not row.email:
        return Badge("No e-mail address", look.icon, look.scale)
    return look


def made_of(row: WorklistRow) -> str:
    """What the amount is made of: `3 invoices · $80.00 held · $1,200.00 open`."""
    parts = [fmt.count(row.invoice_count, "invoice")]
    if row.held_amount:
        parts.append(f"{fmt.money(row.held_amount, row.currency_code)} on hold")
    if row.open_amount != row.overdue_amount:
        parts.append(f"{fmt.money(row.open_amount, row.currency_code)} open")
    return " · ".join(parts)


def contact_text(contact: ContactView | None) -> str:
    """What the last contact was: the outcome of a call, or that it was a note."""
    if contact is None:
        return "Never"
    what = status.CONTACT_OUTCOMES[contact.outcome] if contact.outcome else "Note"
    return f"{what} · {contact.created_by}"


def tel(phone: str | None) -> str:
    """A phone number as a link's address: figures, a plus in front, nothing else of it."""
    figures = "".join(c for c in phone or "" if c.isascii() and c.isdecimal())
    plus = "+" if (phone or "").strip().startswith("+") else ""
    return f"tel:{quote(plus + figures, safe='+')}" if figures else ""


def put_off_text(number: int) -> str:
    """How many customers wait for a day that was agreed on."""
    if not number:
        return ""
    return f"{fmt.count(number, 'more customer')} put off until a later day."


def tabs_of(counts: dict[str, int], total: int, query: dict[str, str]) -> list[Tab]:
    """A link for each reason, with how many customers have it; those of nobody are left out."""
    here = {name: value for name, value in query.items() if name not in ("reason", "cursor")}
    chosen = query["reason"]
    found = [Tab("All", fmt.count(total), routes.worklist(**here), not chosen)]
    for reason in Reason:
        number = counts.get(reason, 0)
        if number or chosen == reason:
            href = routes.worklist(reason=reason, **here)
            look = status.WORKLIST[reason]
            found.append(Tab(look.label, fmt.count(number), href, chosen == reason))
    return found


def next_row(before: list[str], done: str, after: list[str]) -> str:
    """The row to go on with when one is done: the first behind it that is still there.

    A "-" when no row is left.
    """
    place = before.index(done) if done in before else 0
    behind = [key for key in before[place + 1 :] if key in after]
    ahead = [key for key in before[:place] if key in after]
    if behind:
        return behind[0]
    if ahead:
        return ahead[-1]
    return after[0] if after else "-"


def _short(note: str) -> str:
    line = " ".join(note.split())
    return line if len(line) <= NOTE_SHOWN_MAX else f"{line[: NOTE_SHOWN_MAX - 1]}…"


def _pager(number: int, following: str | None, query: dict[str, str]) -> Pager:
    return Pager(
        text=fmt.count(number, "row") + (" on this page" if following or query["cursor"] else ""),
        first_href=routes.worklist(**query | {"cursor": ""}) if query["cursor"] else "",
        next_href=routes.worklist(**query | {"cursor": following}) if following else "",
    )
