"""Aging as of any day equals what a plain walk over the postings says, on both of its paths."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.actor import Actor
from backend.db.engine import Database
from backend.dunning.holds import HoldInvoice, hold_invoice, release_invoice
from backend.errors import Refused
from backend.invoices.models import InvoiceHold
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.credit import allocate_credit
from backend.payments.reversal import reverse_payment
from backend.reporting.aging import Aging, get_aging
from backend.reporting.dashboard import get_dashboard
from backend.reporting.summary import get_billing_summary
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_customer, make_invoice, make_tenant, pay, raw_rows

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BUCKETS = ("current", "days_1_30", "days_31_60", "days_61_90", "days_over_90")


@dataclass(frozen=True)
class Event:
    """Something to do after some days; `number` chooses among the rows there are."""

    days: int
    kind: str
    number: int
    amount: int


EVENTS = st.lists(
    st.builds(
        Event,
        days=st.integers(0, 25),
        kind=st.sampled_from(
            [
                "invoice",
                "invoice",
                "euros",
                "pay",
                "pay",
                "early",
                "apply",
                "reverse",
                "void",
                "cancel",
                "dispute",
                "dispute for a while",
                "promise",
                "release",
            ]
        ),
        number=st.integers(0, 50),
        amount=st.integers(1, 20_000),
    ),
    min_size=1,
    max_size=14,
)


# Chance seldom has all of it: two disputes about an invoice that is paid in part.
DISPUTE = [
    Event(days, kind, number, 300 if kind == "pay" else 1_000)
    for days, kind, number in (
        (0, "invoice", 10),
        (1, "dispute", 0),
        (2, "pay", 0),
        (1, "release", 0),
        (1, "invoice", 12),
        (1, "dispute for a while", 3),
        (9, "pay", 1),
    )
]


class Books:
    """The rows made so far, and how to make more."""

    def __init__(self, db: Database, actor: Actor, clock: Clock) -> None:
        self.db, self.actor, self.clock = db, actor, clock
        self.customers = [make_customer(db, actor, name).customer_id for name in ("Ames", "Bly")]
        self.invoices: list[UUID] = []
        self.payments: list[UUID] = []
        self.held: list[UUID] = []
        # On each day that has ended: the invoices that were under dispute then.
        self.disputed: dict[date, set[str]] = {}

    def pass_days(self, days: int) -> None:
        """Let days go by, and remember which invoices are in dispute at the end of each."""
        rows = raw_rows(
            self.db,
            "SELECT id, COALESCE(hold_until, '9999') FROM invoices "
            "WHERE tenant_id = ? AND hold_kind = 'dispute'",
            self.actor.tenant_id.hex,
        )
        for _ in range(days):
            today = self.clock.now.date()
            self.disputed[today] = {key for key, until in rows if until >= today.isoformat()}
            self.clock.pass_time(days=1)

    def do(self, event: Event) -> None:
        """Do it; what the rules refuse is simply not done."""
        self.pass_days(event.days)
        today = self.clock.now.date()
        customer = self.customers[event.number % 2]
        amount = str(Decimal(event.amount) / 100)
        if event.kind in ("invoice", "euros"):
            due = today + timedelta(days=event.number % 40 - 20)
            code = "EUR" if event.kind == "euros" else "USD"
            made = make_invoice(
                self.db,
                self.actor,
                customer,
                amount,
                issue_date=min(due, today),
                due_date=due,
                currency_code=code,
            )
            self.invoices.append(made.invoice_id)
        elif event.kind in ("pay", "early"):
            received = today - timedelta(days=30 if event.kind == "early" else 0)
            made_payment = pay(
                self.db, self.actor, amount, customer_id=customer, received_on=received
            )
            self.payments.append(made_payment.payment_id)
        elif event.kind == "apply" and self.payments:
            chosen = self.payments[event.number % len(self.payments)]
            run(self.db, self.actor, allocate_credit, chosen, None)
        elif event.kind == "reverse" and self.payments:
            chosen = self.payments[event.number % len(self.payments)]
            run(self.db, self.actor, reverse_payment, chosen, "Bounced")
        elif event.kind.startswith(("dispute", "promise")) and self.invoices:
            kind = InvoiceHold(event.kind.split()[0])
            until = None if event.kind == "dispute" else today + timedelta(days=event.number)
            chosen = self.invoices[event.number % len(self.invoices)]
            hold = HoldInvoice(kind, until, reason="Leaks")
            run(self.db, self.actor, hold_invoice, chosen, hold)
            self.held.append(chosen)
        elif event.kind == "release" and self.held:
            run(self.db, self.actor, release_invoice, self.held.pop())
        elif event.kind in ("void", "cancel") and self.invoices:
            close = void_invoice if event.kind == "void" else cancel_invoice
            chosen = self.invoices[event.number % len(self.invoices)]
            run(self.db, self.actor, close, chosen, "Mistake")


def walked(
    db: Database, actor: Actor, day: date, disputed: set[str]
) -> dict[tuple[str, UUID], list[Decimal]]:
    """Buckets, credit and what is disputed of each currency and customer, from every posting."""
    tenant = actor.tenant_id.hex
    due = dict(raw_rows(db, "SELECT id, due_date FROM invoices WHERE tenant_id = ?", tenant))
    sums: dict[tuple[str, UUID], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 7)
    for code, customer, invoice, account, entry_day, cents in raw_rows(
        db,
        "SELECT currency_code, customer_id, invoice_id, account, entry_day, amount "
        "FROM ledger_postings WHERE tenant_id = ?",
        tenant,
    ):
        if date.fromisoformat(entry_day) > day:
            continue
        line = sums[code, UUID(customer)]
        if account == "accounts_receivable":
            late = (day - date.fromisoformat(due[invoice])).days
            bucket = 0 if late <= 0 else min((late - 1) // 30 + 1, 4)
            line[bucket] += Decimal(cents) / 100
            if invoice in disputed:
                line[6] += Decimal(cents) / 100
        elif account == "unapplied_cash":
            line[5] -= Decimal(cents) / 100
    return {key: line for key, line in sums.items() if any(line)}


def told(aging: Aging) -> dict[tuple[str, UUID], list[Decimal]]:
    found = {}
    for one in aging.currencies:
        for customer in one.customers:
            sums = customer.sums
            line = [*(getattr(sums, name) for name in BUCKETS), sums.unapplied, sums.disputed]
            assert sums.outstanding == sum(line[:5]) - line[5]
            if any(line):
                found[one.currency_code, customer.customer_id] = line
        totals = [sum(column) for column in zip(*(c.sums for c in one.customers), strict=True)]
        assert list(one.totals) == totals
    return found


def overall(currencies: Any) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        one.currency_code: (one.open_amount, one.unapplied_amount)
        for one in currencies
        if one.open_amount or one.unapplied_amount
    }


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=EVENTS)
@example(events=DISPUTE)
def test_aging_of_any_day_is_what_the_postings_say(
    db: Database, clock: Clock, events: list[Event]
) -> None:
    clock.now = START
    actor = actor_in(make_tenant(db))
    books = Books(db, actor, clock)
    for event in events:
        with suppress(Refused):
            books.do(event)
    today = clock.now.date()
    books.pass_days(1)
    clock.pass_time(days=-1)

    days = {START.date() - timedelta(days=40), today}
    for day, disputed in books.disputed.items():
        if disputed != books.disputed.get(day + timedelta(days=1)):
            days |= {day, day + timedelta(days=1)}
    for entry_day, due_date in raw_rows(
        db,
        "SELECT p.entry_day, i.due_date FROM ledger_postings p JOIN invoices i "
        "ON i.id = p.invoice_id WHERE p.tenant_id = ?",
        actor.tenant_id.hex,
    ):
        entered, due = date.fromisoformat(entry_day), date.fromisoformat(due_date)
        days |= {entered, entered - timedelta(days=1)}
        days |= {due + timedelta(days=late) for late in (0, 1, 30, 31, 60, 61, 90, 91)}
    for day in sorted(day for day in days if day <= today):
        disputed = books.disputed.get(day, set())
        assert told(read(db, actor, get_aging, day)) == walked(db, actor, day, disputed), day

    # The caches agree with the ledger, and so does everything that is told from them.
    aging = read(db, actor, get_aging)
    by_code = {
        one.currency_code: (one.totals.outstanding + one.totals.unapplied, one.totals.unapplied)
        for one in aging.currencies
        if any(one.totals)
    }
    assert overall(read(db, actor, get_billing_summary)) == by_code
    assert overall(read(db, actor, get_dashboard).currencies) == by_code

    # Something dated tomorrow makes today's report come from the ledger: nothing may change.
    tomorrow = today + timedelta(days=1)
    make_invoice(db, actor, books.customers[0], "7.00", issue_date=tomorrow, due_date=tomorrow)
    assert told(read(db, actor, get_aging)) == told(aging)
