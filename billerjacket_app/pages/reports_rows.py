"""The measures as text, each with its formula in words, and the rows behind each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from backend.communications.template_store import list_templates
from backend.errors import InvalidInput
from backend.paging import Page
from backend.reporting.dso import CurrencyDso, get_dso
from backend.reporting.promise_rate import (
    EndedPromise,
    PromisedAmounts,
    list_ended_promises,
    promise_rate,
)
from backend.reporting.recovery import (
    RecoveredBy,
    RecoveredFilter,
    RecoveredRow,
    list_recovered,
    recovered,
)
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components.filters import Pager
from billerjacket_app.pages import rows

PAGE_SIZE = 50
RECOVERY, PROMISES, DSO = "recovery", "promises", "dso"
# In the address: what came in before any reminder has no step.
BEFORE_ANY = "none"


@dataclass
class RecoveryRow:
    """What came in after one step with one template, in one currency."""

    step: str = ""
    template: str = ""
    amount: str = ""
    payments: str = ""
    median: str = ""
    mean: str = ""
    href: str = ""


@dataclass
class Amount:
    """A sum in one currency, with what it is."""

    label: str = ""
    text: str = ""


@dataclass
class Promises:
    """How many promises were kept."""

    rate: str = ""
    kept: str = ""
    broken: str = ""
    amounts: list[Amount] = field(default_factory=list)
    href: str = ""


@dataclass
class DsoRow:
    """Days sales outstanding in one currency, and the months that make them."""

    currency: str = ""
    days: str = ""
    receivable: str = ""
    how: str = ""
    href: str = ""


@dataclass
class Head:
    """A column of the rows of a measure."""

    text: str = ""
    is_number: bool = False


@dataclass
class Cell:
    """One value of a row; with an address it is a link."""

    text: str = ""
    href: str = ""
    is_number: bool = False


@dataclass
class DetailRow:
    """One row of a measure."""

    cells: list[Cell] = field(default_factory=list)


@dataclass
class Detail:
    """The rows of one measure."""

    title: str = ""
    formula: str = ""
    back: str = ""
    heads: list[Head] = field(default_factory=list)
    rows: list[DetailRow] = field(default_factory=list)


@dataclass(frozen=True)
class Measures:
    """The measures of a period."""

    recovery: list[RecoveryRow]
    totals: list[Amount]
    promises: Promises
    dso: list[DsoRow]
    formulas: dict[str, str]


@dataclass(frozen=True)
class Period:
    """The days that the address names, both inclusive."""

    since: date
    until: date

    @property
    def query(self) -> dict[str, object]:
        """As it stands in an address."""
        return {"since": self.since, "until": self.until}


def load_measures(reader: Reader, period: Period) -> Measures:
    """All measures of the period. Raises NotAllowed, InvalidInput."""
    found = recovered(reader, period.since, period.until)
    kept = promise_rate(reader, period.since, period.until)
    dso = get_dso(reader, min(period.until, reader.today))
    names = _template_names(reader)
    return Measures(
        recovery=[recovery_row(group, names, period) for group in found.groups],
        totals=[
            Amount(
                f"After a reminder, {one.currency_code}",
                f"{fmt.money(one.after_reminder, one.currency_code)} of "
                f"{fmt.money(one.amount, one.currency_code)}",
            )
            for one in found.totals
        ],
        promises=Promises(
            rate=percent(kept.rate),
            kept=fmt.count(kept.kept_count),
            broken=fmt.count(kept.broken_count),
            amounts=[
                Amount(f"By amount, {one.currency_code}", promised_text(one))
                for one in kept.currencies
            ],
            href=routes.reports(measure=PROMISES, **period.query),
        ),
        dso=[dso_row(one, period) for one in dso.currencies],
        formulas={RECOVERY: found.formula, PROMISES: kept.formula, DSO: dso.formula},
    )


def recovery_row(group: RecoveredBy, names: dict[str, str], period: Period) -> RecoveryRow:
    """One line of what was recovered."""
    step = BEFORE_ANY if group.days_after_due is None else str(group.days_after_due)
    return RecoveryRow(
        step=step_text(group.days_after_due),
        template=template_text(group.template_key, names),
        amount=fmt.money(group.amount, group.currency_code),
        payments=fmt.count(group.payment_count),
        median=days_text(group.median_days),
        mean=days_text(group.mean_days),
        href=routes.reports(
            measure=RECOVERY, step=step, currency=group.currency_code, **period.query
        ),
    )


def promised_text(one: PromisedAmounts) -> str:
    """A currency's promises by amount: `75.0% ($300.00 kept, $100.00 broken)`."""
    kept = fmt.money(one.kept_amount, one.currency_code)
    broken = fmt.money(one.broken_amount, one.currency_code)
    return f"{percent(one.rate_by_amount)} ({kept} kept, {broken} broken)"


def dso_row(one: CurrencyDso, period: Period) -> DsoRow:
    """One currency's days, and how they add up."""
    parts = [f"{month.begins_on:%b %Y} {days_text(month.counted_days)}" for month in one.months]
    more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
    at_least = "at least " if one.uncounted_amount > 0 else ""
    return DsoRow(
        currency=one.currency_code,
        days=f"{at_least}{days_text(one.days)}",
        receivable=fmt.money(one.receivable_amount, one.currency_code),
        how=", ".join(parts[:4]) + more if parts else "Nothing is owed",
        href=routes.reports(measure=DSO, currency=one.currency_code, **period.query),
    )


def load_detail(reader: Reader, period: Period, query: dict[str, str]) -> tuple[Detail, Pager]:
    """The rows of the measure that the address names. Raises NotAllowed, InvalidInput."""
    measure = query["measure"]
    if measure == RECOVERY:
        return _recovered_rows(reader, period, query)
    if measure == PROMISES:
        return _promised_rows(reader, period, query)
    if measure == DSO:
        return _months(reader, period, query), Pager()
    raise InvalidInput.of("measure", f"must be one of {RECOVERY}, {PROMISES}, {DSO}")


def _recovered_rows(reader: Reader, period: Period, query: dict[str, str]) -> tuple[Detail, Pager]:
    step = query["step"]
    if step not in ("", BEFORE_ANY) and not (step.isascii() and step.isdecimal() and len(step) < 6):
        raise InvalidInput.of("step", "must be a number of days after the due date")
    narrowed = RecoveredFilter(
        currency_code=query["currency"] or None,
        days_after_due=int(step) if step not in ("", BEFORE_ANY) else None,
        is_before_any=step == BEFORE_ANY,
    )
    page = list_recovered(
        reader, period.since, period.until, narrowed,
        limit=PAGE_SIZE, cursor=query["cursor"] or None,
    )  # fmt: skip
    names = _template_names(reader)
    formula = recovered(reader, period.since, period.until).formula
    said = step_text(narrowed.days_after_due) if step else "all steps"
    detail = Detail(
        title=", ".join(part for part in (f"Recovered: {said}", query["currency"]) if part),
        formula=formula,
        back=routes.reports(**period.query),
        heads=[
            Head("Paid on"), Head("Customer"), Head("Invoice"), Head("Reminder"),
            Head("Sent for"), Head("Days", True), Head("Amount", True),
        ],
        rows=[_recovered_row(row, names) for row in page.items],
    )  # fmt: skip
    return detail, _pager(page, query, period)


def _recovered_row(row: RecoveredRow, names: dict[str, str]) -> DetailRow:
    mail = routes.mailbox(open=row.communication_id) if row.communication_id else ""
    return DetailRow(
        [
            Cell(fmt.calendar(row.paid_on), routes.payment(row.payment_id)),
            Cell(row.customer_name, routes.customer(row.customer_id)),
            Cell(row.invoice_number, routes.invoice(row.invoice_id)),
            Cell(template_text(row.template_key, names), mail),
            Cell(fmt.calendar(row.reminded_on)),
            Cell(fmt.NOTHING if row.days is None else fmt.count(row.days), is_number=True),
            Cell(fmt.money(row.amount, row.currency_code, with_code=True), is_number=True),
        ]
    )


def _promised_rows(reader: Reader, period: Period, query: dict[str, str]) -> tuple[Detail, Pager]:
    page = list_ended_promises(
        reader, period.since, period.until, limit=PAGE_SIZE, cursor=query["cursor"] or None
    )
    detail = Detail(
        title="Promises that were kept or broken",
        formula=promise_rate(reader, period.since, period.until).formula,
        back=routes.reports(**period.query),
        heads=[
            Head("Invoice"), Head("Customer"), Head("Promised on"), Head("Promised for"),
            Head("Ended on"), Head("Ended as"), Head("Amount", True),
        ],
        rows=[_promised_row(row) for row in page.items],
    )  # fmt: skip
    return detail, _pager(page, query, period)


def _promised_row(row: EndedPromise) -> DetailRow:
    return DetailRow(
        [
            Cell(row.invoice_number, routes.invoice(row.invoice_id)),
            Cell(row.customer_name, routes.customer(row.customer_id)),
            Cell(fmt.calendar(row.placed_on)),
            Cell(fmt.calendar(row.until)),
            Cell(fmt.calendar(row.ended_on)),
            Cell(str(row.ended_as).capitalize()),
            Cell(fmt.money(row.amount, row.currency_code, with_code=True), is_number=True),
        ]
    )


def _months(reader: Reader, period: Period, query: dict[str, str]) -> Detail:
    found = get_dso(reader, min(period.until, reader.today))
    wanted = [one for one in found.currencies if query["currency"] in ("", one.currency_code)]
    return Detail(
        title=f"Days sales outstanding on {fmt.calendar(found.as_of)}",
        formula=found.formula,
        back=routes.reports(**period.query),
        heads=[
            Head("Month"), Head("Its days", True), Head("Sold", True),
            Head("Of it unpaid", True), Head("Days that count", True),
        ],
        rows=[
            DetailRow(
                [
                    Cell(f"{month.begins_on:%B %Y}"),
                    Cell(fmt.count(month.days), is_number=True),
                    Cell(_coded(month.sales_amount, one.currency_code), is_number=True),
                    Cell(_coded(month.counted_amount, one.currency_code), is_number=True),
                    Cell(str(month.counted_days), is_number=True),
                ]
            )
            for one in wanted
            for month in one.months
        ],
    )  # fmt: skip


def step_text(days_after_due: int | None) -> str:
    """A step by its days, as plans name it."""
    if days_after_due is None:
        return "Before any reminder"
    return f"{fmt.count(days_after_due, 'day')} after due"


def template_text(key: str | None, names: dict[str, str]) -> str:
    """A template by its name; one that is gone by its key."""
    return fmt.NOTHING if key is None else names.get(key, key)


def days_text(days: Decimal | None) -> str:
    """Days with one decimal."""
    return fmt.NOTHING if days is None else f"{days} d"


def percent(rate: Decimal | None) -> str:
    """A percentage; of nothing there is none."""
    return fmt.NOTHING if rate is None else f"{rate}%"


def period_of(since: str, until: str, today: date, days: int) -> Period:
    """The period that the address names; without one the last `days`. Raises InvalidInput."""
    last = rows.optional_date(until, "until") or today
    first = rows.optional_date(since, "since")
    if first is None:
        first = date.fromordinal(max(last.toordinal() - days + 1, 1))
    if first > last:
        raise InvalidInput.of("until", "must not be before the first day")
    return Period(first, last)


def _template_names(reader: Reader) -> dict[str, str]:
    return {one.template_key: one.name for one in list_templates(reader)}


def _coded(amount: Decimal, code: str) -> str:
    return fmt.money(amount, code, with_code=True)


def _pager(
    page: Page[RecoveredRow] | Page[EndedPromise], query: dict[str, str], period: Period
) -> Pager:
    here = {name: value for name, value in query.items() if name != "cursor"} | period.query
    further = page.next_cursor
    text = fmt.count(len(page.items), "row")
    return Pager(
        text=f"{text} on this page" if further or query["cursor"] else text,
        first_href=routes.reports(**here) if query["cursor"] else "",
        next_href=routes.reports(**here, cursor=further) if further else "",
    )
