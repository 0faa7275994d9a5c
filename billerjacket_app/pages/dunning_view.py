"""What /dunning shows, as text: the next run, whom it reaches, whom it leaves out and why.

No Reflex in here. What would go out is asked for one of three runs: the next one by the clock,
one now that keeps the gap between reminders, one now that does not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

from backend.dunning.preview import PassedOver, PlannedEmail, PreviewView
from backend.dunning.runs import NextRun
from backend.dunning.schedule import why_closed
from backend.dunning.service import next_run, preview_run
from backend.tenants.settings import TenantSettings
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import filters
from billerjacket_app.pages import rows

T = TypeVar("T")

NEXT, NOW, EVERYBODY = "next", "now", "all"
ROWS_MAX = 50
INVOICES_NAMED_MAX = 3
# A long holiday is told by its first days; nobody counts a month of them.
CLOSED_DAYS_MAX = 6
_END_OF_DAY = 24 * 60


@dataclass
class InvoiceLink:
    """An invoice named in a row."""

    number: str = ""
    href: str = ""
    amount: str = ""


@dataclass
class SendRow:
    """A reminder that would go out."""

    customer: str = ""
    customer_href: str = ""
    address: str = ""
    template: str = ""
    invoices: list[InvoiceLink] = field(default_factory=list)
    more: list[InvoiceLink] = field(default_factory=list)
    more_text: str = ""
    amount: str = ""
    note: str = ""


@dataclass
class PassedRow:
    """An overdue invoice that would get no reminder."""

    number: str = ""
    href: str = ""
    customer: str = ""
    customer_href: str = ""
    due: str = ""
    why: str = ""
    balance: str = ""


@dataclass
class NextRunFacts:
    """When the clock starts the next run, and why not earlier."""

    at: fmt.When = field(default_factory=fmt.When)
    text: str = ""
    zone: str = ""
    closed: list[str] = field(default_factory=list)
    window: str = ""
    gap: str = ""


@dataclass
class Preview:
    """What a run would do; every list is one page of it."""

    show: str = NEXT
    kinds: list[filters.Tab] = field(default_factory=list)
    lead: str = ""
    sends: list[SendRow] = field(default_factory=list)
    sends_pager: filters.Pager = field(default_factory=filters.Pager)
    total: str = ""
    count: int = 0
    reasons: list[filters.Tab] = field(default_factory=list)
    passed: list[PassedRow] = field(default_factory=list)
    passed_pager: filters.Pager = field(default_factory=filters.Pager)
    passed_count: int = 0


def load_preview(
    reader: Reader, show: str, reason: str, page: int, part: int, names: dict[str, str]
) -> tuple[NextRunFacts, Preview]:
    """The next run, and what the run that the address names would do. Raises NotAllowed."""
    upcoming = next_run(reader)
    show = show if show in (NOW, EVERYBODY) else NEXT
    day = upcoming.day if show == NEXT else reader.today
    found = preview_run(reader, day, keep_gap=show != EVERYBODY)
    return _next_facts(reader, upcoming), _preview(
        found, reader.tenant, show, reason, page, part, names
    )


def _preview(
    found: PreviewView,
    tenant: TenantSettings,
    show: str,
    reason: str,
    page: int,
    part: int,
    names: dict[str, str],
) -> Preview:
    counts = Counter(item.reason.value for item in found.not_chased)
    chosen = reason if reason in counts else ""
    passed = [item for item in found.not_chased if not chosen or item.reason == chosen]
    kept = {"show": "" if show == NEXT else show}
    return Preview(
        show=show,
        kinds=_kinds(show, found, tenant),
        lead=_lead(show, found.as_of, tenant.reminder_gap_days),
        sends=[send_row(email, names) for email in slice_of(found.would_send, page)],
        sends_pager=_pager(
            len(found.would_send), page, "reminder", kept | {"reason": chosen}, "page"
        ),
        total=amounts_text(
            (step.currency_code, step.balance_due)
            for email in found.would_send
            for step in email.invoices
        ),
        count=len(found.would_send),
        reasons=_reasons(counts, chosen, kept),
        passed=[passed_row(item) for item in slice_of(passed, part)],
        passed_pager=_pager(len(passed), part, "invoice", kept | {"reason": chosen}, "part"),
        passed_count=len(found.not_chased),
    )


def send_row(email: PlannedEmail, names: dict[str, str]) -> SendRow:
    """A planned reminder as a row; `names` are what the templates are called."""
    invoices = [
        InvoiceLink(
            step.invoice_number,
            routes.invoice(step.invoice_id),
            fmt.money(step.balance_due, step.currency_code),
        )
        for step in email.invoices
    ]
    shown, more = invoices[:INVOICES_NAMED_MAX], invoices[INVOICES_NAMED_MAX:]
    if len(more) == 1:
        shown, more = invoices, []
    reminded = email.last_reminded_on
    return SendRow(
        customer=email.customer_name,
        customer_href=routes.customer(email.customer_id),
        address=email.to_address,
        template=names.get(email.template_key, email.template_key),
        invoices=shown,
        more=more,
        more_text=f"{len(more)} more" if more else "",
        amount=amounts_text((step.currency_code, step.balance_due) for step in email.invoices),
        note=f"Last reminder {reminded}" if reminded else "",
    )


def passed_row(item: PassedOver) -> PassedRow:
    """An invoice that would get no reminder, with the reason and the day that belongs to it."""
    why = status.NOT_CHASED[item.reason]
    if item.until is not None:
        why += f" until {item.until}"
    if item.next_step_on is not None:
        why += f": {item.next_step_on}"
    if item.reminded_on is not None:
        why += f": {item.reminded_on}"
    return PassedRow(
        number=item.invoice_number,
        href=routes.invoice(item.invoice_id),
        customer=item.customer_name,
        customer_href=routes.customer(item.customer_id),
        due=fmt.calendar(item.due_date),
        why=why,
        balance=fmt.money(item.balance_due, item.currency_code),
    )


def amounts_text(amounts: Iterable[tuple[str, Decimal]]) -> str:
    """Amounts added up by currency, the codes named when there are several."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for code, amount in amounts:
        sums[code] += amount
    mixed = len(sums) > 1
    return " + ".join(fmt.money(sums[code], code, with_code=mixed) for code in sorted(sums))


def slice_of(items: Sequence[T], page: int) -> Sequence[T]:
    """One page of the items; pages count from 1."""
    return items[(page - 1) * ROWS_MAX : page * ROWS_MAX]


def closed_days(today: date, upcoming: date, tenant: TenantSettings) -> list[str]:
    """The days before the next run on which nothing goes out, each with the reason."""
    days = [today + timedelta(days=ahead) for ahead in range((upcoming - today).days)]
    told = [f"{day:%a} {day}: {why}" for day in days if (why := why_closed(day, tenant))]
    if len(told) > CLOSED_DAYS_MAX:
        return [*told[:CLOSED_DAYS_MAX], f"and {len(told) - CLOSED_DAYS_MAX} days more"]
    return told


def window_text(tenant: TenantSettings) -> str:
    """When reminders go out: `Mon Tue Wed Thu Fri, 08:00 to 18:00, not on US holidays`."""
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    days = " ".join(
        name for name, on in zip(names, tenant.sending_weekdays, strict=True) if on == "1"
    )
    calendar = tenant.holiday_calendar
    holidays = f", not on {calendar} holidays" if calendar else ""
    opens, closes = _clock(tenant.sending_from_minute), _clock(tenant.sending_until_minute)
    return f"{days}, {opens} to {closes}{holidays}"


def gap_text(days: int) -> str:
    """The gap between two reminders in words."""
    if not days:
        return "No gap between two reminders to a customer"
    return f"At least {fmt.count(days, 'day')} between two reminders to a customer"


def page_number(text: str) -> int:
    """A page in the address; what makes no sense is the first."""
    return max(int(text), 1) if text.isdecimal() and len(text) < 7 else 1


def _clock(minute: int) -> str:
    return "24:00" if minute == _END_OF_DAY else f"{minute // 60:02}:{minute % 60:02}"


def _next_facts(reader: Reader, upcoming: NextRun) -> NextRunFacts:
    zone = rows.zone_of(reader)
    local = upcoming.at.astimezone(zone)
    is_due = upcoming.at <= reader.now
    return NextRunFacts(
        at=fmt.when_exactly(upcoming.at, zone),
        text="Due now" if is_due else f"{local:%a} {local.day} {local:%b %Y}, {local:%H:%M}",
        zone=reader.tenant.time_zone,
        closed=closed_days(reader.today, upcoming.day, reader.tenant),
        window=window_text(reader.tenant),
        gap=gap_text(reader.tenant.reminder_gap_days),
    )


def _kinds(show: str, found: PreviewView, tenant: TenantSettings) -> list[filters.Tab]:
    labels = [(NEXT, "Next run"), (NOW, "Now")]
    if tenant.reminder_gap_days:
        labels.append((EVERYBODY, "Now, also within the gap"))
    return [
        filters.Tab(
            label,
            fmt.count(len(found.would_send)) if kind == show else "",
            routes.dunning(show="" if kind == NEXT else kind),
            kind == show,
        )
        for kind, label in labels
    ]


def _lead(show: str, day: date, gap: int) -> str:
    if show == NEXT:
        return f"What the run of {day} sends by itself, as things stand now."
    lead = "What “Run now” sends."
    if gap and show == NOW:
        return f"{lead} Customers who had a reminder within {fmt.count(gap, 'day')} get none."
    return lead


def _reasons(counts: Counter[str], chosen: str, kept: dict[str, str]) -> list[filters.Tab]:
    if not counts:
        return []
    every = filters.Tab("All", fmt.count(counts.total()), routes.dunning(**kept), not chosen)
    return [every] + [
        filters.Tab(
            label, fmt.count(counts[key]), routes.dunning(**kept, reason=key), chosen == key
        )
        for key, label in status.NOT_CHASED.items()
        if counts[key]
    ]


def _pager(total: int, page: int, noun: str, kept: dict[str, str], name: str) -> filters.Pager:
    first = (page - 1) * ROWS_MAX
    shown = max(min(total - first, ROWS_MAX), 0)
    text = fmt.count(total, noun)
    if shown < total:
        text = f"{first + 1:,} to {first + shown:,} of {text}" if shown else f"None of {text} here"
    return filters.Pager(
        text=text,
        first_href=routes.dunning(**kept) if page > 1 else "",
        next_href=routes.dunning(**kept, **{name: page + 1}) if first + shown < total else "",
    )
