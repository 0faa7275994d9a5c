"""/: who owes us, how late it is, what came in, and what needs a person now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import reflex as rx

from backend.invoices.models import InvoiceStatus
from backend.invoices.queries import InvoiceFilter, count_by_status, list_invoices
from backend.payments.queries import PaymentFilter, list_payments
from backend.reporting.dashboard import CashIn, CurrencyDashboard, get_dashboard
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes, theme
from billerjacket_app.components import basic, figures, shell, states, table
from billerjacket_app.components.figures import AgingBucket, CashColumn
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import health_strip, rows
from billerjacket_app.pages.health_strip import HealthState
from billerjacket_app.pages.rows import InvoiceRow, PaymentRow
from billerjacket_app.session import SessionState

# A glance; the whole lists are one link away.
ROWS_MAX = 6
_AGES = ("Current", "1–30 days", "31–60 days", "61–90 days", "Over 90 days")  # noqa: RUF001


@dataclass
class CurrencyFigures:
    """Everything in one currency, as text. `suffix` tells the test ids of others apart."""

    code: str = ""
    suffix: str = ""
    outstanding: str = ""
    open_count: str = ""
    overdue: str = ""
    overdue_note: str = ""
    paid: str = ""
    credit: str = ""
    aging: list[AgingBucket] = field(default_factory=list)
    aging_sentence: str = ""
    cash: list[CashColumn] = field(default_factory=list)
    cash_sentence: str = ""
    cash_peak: str = ""


@dataclass(frozen=True)
class DashboardPage:
    """All of the page."""

    currencies: list[CurrencyFigures]
    late: list[InvoiceRow]
    recent: list[PaymentRow]
    is_new: bool


def load_dashboard(reader: Reader) -> DashboardPage:
    """Everything, over one snapshot."""
    found = get_dashboard(reader)
    mixed = len(found.currencies) > 1
    late = list_invoices(
        reader, InvoiceFilter(status=InvoiceStatus.OVERDUE), limit=ROWS_MAX, sort="due"
    ).items
    recent = list_payments(reader, PaymentFilter(), limit=ROWS_MAX).items
    return DashboardPage(
        currencies=[
            _figures(currency, found.as_of, mixed, first=number == 0)
            for number, currency in enumerate(found.currencies)
        ],
        late=[rows.invoice_row(reader, invoice, with_code=mixed) for invoice in late],
        recent=[rows.payment_row(payment, with_code=mixed) for payment in recent],
        is_new=not count_by_status(reader),
    )


def _figures(
    currency: CurrencyDashboard, as_of: date, mixed: bool, *, first: bool
) -> CurrencyFigures:
    code = currency.currency_code

    def text(amount: Decimal) -> str:
        return fmt.money(amount, code, with_code=mixed)

    buckets = _aging(currency, as_of, text)
    this_month = currency.cash_by_month[-1]
    return CurrencyFigures(
        code=code,
        suffix="" if first else f"-{code}",
        outstanding=text(currency.outstanding_amount),
        open_count=fmt.count(currency.open_invoice_count, "open invoice"),
        overdue=text(currency.overdue_amount),
        overdue_note=f"{fmt.percent(currency.overdue_amount, currency.open_amount)} of open"
        if currency.open_amount
        else "nothing is open",
        paid=text(currency.paid_this_month),
        credit=text(currency.unapplied_amount),
        aging=buckets,
        aging_sentence="Open amounts by age: "
        + ", ".join(f"{bucket.label} {bucket.amount}" for bucket in buckets),
        cash=_cash(currency.cash_by_month, text),
        cash_peak=f"Highest month: {text(max(month.amount for month in currency.cash_by_month))}",
        cash_sentence=f"Cash in by month; {text(this_month.amount)} so far in "
        f"{this_month.begins_on:%B %Y}.",
    )


def _aging(currency: CurrencyDashboard, as_of: date, text: Any) -> list[AgingBucket]:
    aging, total = currency.aging, currency.open_amount
    amounts = (
        aging.current, aging.days_1_30, aging.days_31_60, aging.days_61_90, aging.days_over_90,
    )  # fmt: skip
    # Days past due at which a bucket ends and begins; the list it leads to is cut the same way.
    edges = ((None, 0), (1, 30), (31, 60), (61, 90), (91, None))
    return [
        AgingBucket(
            label=label,
            amount=text(amount),
            share=fmt.percent(amount, total) if total else "",
            width=fmt.share(amount, total),
            tone=tone,
            href=routes.invoices(
                status="overdue" if from_days else "sent",
                due_after=None if until is None else as_of - timedelta(days=until),
                due_before=None if from_days is None else as_of - timedelta(days=from_days),
            ),
        )
        for label, amount, tone, (from_days, until) in zip(
            _AGES, amounts, theme.AGING_CLASSES, edges, strict=True
        )
    ]


def _cash(months: tuple[CashIn, ...], text: Any) -> list[CashColumn]:
    most = max(month.amount for month in months)
    return [
        CashColumn(
            label=f"{month.begins_on:%b}",
            name=f"{month.begins_on:%B %Y}" + (" so far" if month is months[-1] else ""),
            amount=text(month.amount),
            height=fmt.share(month.amount, most),
            partial=month is months[-1],
        )
        for month in months
    ]


class DashboardState(PageState, rx.State):
    """The dashboard."""

    currencies: list[CurrencyFigures] = []
    late: list[InvoiceRow] = []
    recent: list[PaymentRow] = []
    is_new: bool = False

    async def fetch(self) -> None:
        """Load the dashboard."""
        outcome = await self.read(load_dashboard)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            currencies=found.currencies,
            late=found.late,
            recent=found.recent,
            is_new=found.is_new,
        )


def _currency(item: Any) -> rx.Component:
    return rx.el.div(
        figures.kpis(
            figures.kpi(
                "Outstanding", item.outstanding, note=item.open_count,
                testid="stat-outstanding" + item.suffix,
            ),
            figures.kpi(
                "Overdue", item.overdue, note=item.overdue_note,
                testid="stat-overdue" + item.suffix,
            ),
            figures.kpi(
                "Paid this month", item.paid, note="received, all methods",
                testid="stat-paid-this-month" + item.suffix,
            ),
            figures.kpi(
                "Credit", item.credit, note="received, not applied yet",
                testid="stat-credit" + item.suffix,
            ),
        ),
        rx.el.div(
            basic.section(
                "Open amounts by age, " + item.code,
                basic.card(figures.aging(item.aging, sentence=item.aging_sentence)),
            ),
            basic.section(
                "Cash in by month, " + item.code,
                basic.card(
                    figures.cash_in(
                        item.cash,
                        peak=item.cash_peak,
                        sentence=item.cash_sentence,
                        caption="Cash in by month",
                    )
                ),
            ),
            class_name="grid2 even",
        ),
        class_name="stack wide-gap",
    )  # fmt: skip


def _lists() -> rx.Component:
    state = DashboardState
    return rx.el.div(
        basic.section(
            "Most overdue",
            table.data_table(
                "Most overdue invoices",
                [table.Column("number", "Number"), table.Column("customer", "Customer"),
                 table.Column("status", "Status"), table.Column("balance", "Balance", True)],
                state.late,
                lambda row: [
                    table.row_header(rx.el.a(row.number, href=row.href, class_name="hit")),
                    table.cell(
                        rx.el.a(row.customer, href=row.customer_href, class_name="hit"),
                        class_name="clip",
                    ),
                    table.cell(basic.badge(row.badge)),
                    table.number(row.balance),
                ],
                state=state,
                testid="table-late",
                row_testid="late-row",
                empty=states.empty("circle-check", "Nothing is overdue", "Everyone is on time."),
            ),
            aside=basic.link("All overdue", href=routes.invoices(status="overdue", sort="due")),
        ),
        basic.section(
            "Latest payments",
            table.data_table(
                "Latest payments",
                [table.Column("received", "Received"), table.Column("customer", "Customer"),
                 table.Column("status", "Status"), table.Column("amount", "Amount", True)],
                state.recent,
                lambda row: [
                    table.row_header(
                        rx.el.a(basic.day(row.received), href=row.href, class_name="hit")
                    ),
                    table.cell(
                        rx.el.a(row.customer, href=row.customer_href, class_name="hit"),
                        class_name="clip",
                    ),
                    table.cell(basic.badge(row.badge)),
                    table.number(rows.figure(row.amount, row.struck)),
                ],
                state=state,
                testid="table-recent",
                row_testid="recent-row",
                empty=states.empty("banknote", "No payments yet", "Money received shows here."),
            ),
            aside=basic.link("All payments", href=routes.PAYMENTS),
        ),
        class_name="grid2 even",
    )  # fmt: skip


def _first_steps() -> rx.Component:
    return rx.cond(
        DashboardState.is_new,
        basic.card(
            states.empty(
                "file-text",
                "Write your first invoice",
                "Add who you bill, write the invoice, send it. What is owed shows here.",
                rx.el.div(
                    basic.link_button("Add a customer", href=routes.CUSTOMERS),
                    basic.link_button("New invoice", href=routes.NEW_INVOICE, kind="primary"),
                    class_name="row",
                ),
            )
        ),
        rx.fragment(),
    )


def page() -> rx.Component:
    """The dashboard."""
    state = DashboardState
    return shell.page(
        state,
        "Dashboard",
        states.body(
            state,
            rx.el.div(
                health_strip.strip(),
                _first_steps(),
                rx.foreach(state.currencies, _currency),
                _lists(),
                class_name="stack wide-gap",
            ),
        ),
        section="dashboard",
        actions=[
            rx.cond(
                SessionState.may_write,
                basic.link_button(
                    basic.icon("plus", size=14), "New invoice", href=routes.NEW_INVOICE,
                    kind="primary", custom_attrs={"data-hotkey": "n"},
                ),
                rx.fragment(),
            )
        ],
    )  # fmt: skip


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.DASHBOARD,
        title="Dashboard · BillerJacket",
        on_load=[DashboardState.load, HealthState.watch],
    )
