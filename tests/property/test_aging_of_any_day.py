"""Aging as of any day equals what a plain walk over the postings says, on both of its paths."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.actor import Actor
from backend.db.engine import Database
from backend.errors import Refused
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
            ]
        ),
        number=st.integers(0, 50),
        amount=st.integers(1, 20_000),
    ),
    min_size=1,
    max_size=14,
)


class Books:
    """The rows made so far, and how to make more."""

    def __init__(self, db: Database, actor: Actor, clock: Clock) -> None:
        self.db, self.actor, self.clock = db, actor, clock
        self.customers = [make_customer(db, actor, name).customer_id for name in ("Ames", "Bly")]
        self.invoices: list[UUID] = []
        self.payments: list[UUID] = []

    def do(self, event: Event) -> None:
        """Do it; what the rules refuse is simply not done."""
        self.clock.pass_time(days=event.days)
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
        elif event.kind in ("void", "cancel") and self.invoices:
            close = void_invoice if event.kind == "void" else cancel_invoice
            chosen = self.invoices[event.number % len(self.invoices)]
            run(self.db, self.actor, close, chosen, "Mistake")


def walked(db: Database, actor: Actor, day: date) -> dict[tuple[str, UUID], list[Decimal]]:
    """Buckets and credit of each currency and customer, by one look at every posting."""
    tenant = actor.tenant_id.hex
    due = dict(raw_rows(db, "SELECT id, due_date FROM invoices WHERE tenant_id = ?", tenant))
    sums: dict[tuple[str, UUID], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 6)
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
        elif account == "unapplied_cash":
            line[5] -= Decimal(cents) / 100
    return {key: line for key, line in sums.items() if any(line)}


def told(aging: Aging) -> dict[tuple[str, UUID], list[Decimal]]:
    found = {}
    for one in aging.currencies:
        for customer in one.customers:
            sums = customer.sums
            line = [*(getattr(sums, name) for name in BUCKETS), sums.unapplied]
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
    days = {START.date() - timedelta(days=40), today}
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
        assert told(read(db, actor, get_aging, day)) == walked(db, actor, day), day

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
