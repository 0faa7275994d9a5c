"""The state machine behind the books: what can be done to them, and what must hold after it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from backend.actor import Actor
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import HoldInvoice, hold_invoice, release_invoice
from backend.dunning.plans import create_default_plan
from backend.errors import BillerJacketError
from backend.invoices.models import InvoiceHold
from backend.invoices.overdue import sweep_overdue
from backend.invoices.queries import list_invoices
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    cancel_invoice,
    create_invoice,
    send_invoice,
    update_invoice,
    void_invoice,
)
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.queries import list_payments
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment
from backend.reporting.aging import get_aging
from backend.reporting.dashboard import get_dashboard
from backend.reporting.summary import get_billing_summary
from backend.unit_of_work import read, run
from backend.verification.service import verify_books
from tests.factories import Clock, actor_in, make_customer, make_tenant, raw_rows
from tests.property.model import Invoice, Line, Payment, Sums
from tests.property.provider_model import ProviderBooks

ZONES = ("America/Chicago", "Asia/Tokyo")
CUSTOMERS = 2

_LINES = st.lists(
    st.builds(
        Line,
        st.integers(1, 50_000).map(lambda n: Fraction(n, 10_000)),
        st.integers(0, 20_000),
        st.none() | st.integers(0, 200_000).map(lambda n: Fraction(n, 10_000)),
    ),
    min_size=1,
    max_size=3,
)
_CHOICE = st.integers(0, 999)  # which of what there is
_SHARE = st.sampled_from([1, 3, 10, 10, 10, 11])  # tenths of a balance: part, all, too much
_TENANT = st.integers(0, len(ZONES) - 1)


def money(hundredths: int) -> Decimal:
    return Decimal(hundredths).scaleb(-2)


def hundredths(amount: Decimal) -> int:
    return int(amount * 100)


class BooksMachine(RuleBasedStateMachine):
    """Two tenants, two currencies, and everything that can be done to their money."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = shutil.copy(self.template, Path(self.folder.name) / "books.db")
        self.clock = Clock()
        self.db = Database(f"sqlite:///{path}", clock=self.clock)
        self.actors: list[Actor] = []
        self.books = [ProviderBooks() for _ in ZONES]
        self.customers: list[list[UUID]] = []
        for zone in ZONES:
            actor = actor_in(make_tenant(self.db, zone, time_zone=zone))
            run(self.db, actor, create_default_plan)
            self.actors.append(actor)
            self.customers.append(
                [
                    make_customer(self.db, actor, f"C{n}", email=f"c{n}@b.co").customer_id
                    for n in range(CUSTOMERS)
                ]
            )

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()

    # Doing things, and seeing that the service does or refuses what the model says.

    def today(self, tenant: int) -> date:
        return self.clock.now.astimezone(ZoneInfo(ZONES[tenant])).date()

    def do(self, tenant: int, use_case: Callable[..., Any], *arguments: Any) -> Any:
        return run(self.db, self.actors[tenant], use_case, *arguments)

    def refused(
        self, code: str, tenant: int, use_case: Callable[..., Any], *arguments: Any
    ) -> None:
        with pytest.raises(BillerJacketError) as refusal:
            self.do(tenant, use_case, *arguments)
        assert refusal.value.code == code

    def pick_invoice(self, tenant: int, choice: int, *, open_one: bool = False) -> UUID:
        """One of the invoices; of those that take payments when asked, as far as there are any."""
        books = self.books[tenant]
        invoices = list(books.invoices)
        if open_one:
            invoices = [invoice for invoice in invoices if books.is_open(invoice)] or invoices
        return invoices[choice % len(invoices)]

    def pick_payment(self, tenant: int, choice: int) -> UUID:
        payments = list(self.books[tenant].payments)
        return payments[choice % len(payments)]

    def has_invoices(self) -> bool:
        return all(books.invoices for books in self.books)

    def has_payments(self) -> bool:
        return all(books.payments for books in self.books)

    @initialize(lines=st.lists(_LINES, min_size=3, max_size=5))
    def begin(self, lines: list[list[Line]]) -> None:
        for choice, one in enumerate(lines):
            for tenant in range(len(ZONES)):
                # Due in another order than they are made in.
                terms = (30, 5, 14, 0, 7)[choice]
                self.draft(tenant, choice, "USD", one, -20 + choice, terms, sent=True)

    # Invoices.

    @rule(
        tenant=_TENANT,
        choice=_CHOICE,
        currency=st.sampled_from(["USD", "USD", "JPY"]),
        lines=_LINES,
        issued=st.sampled_from([-35, -20, -10, -3, 0, 3]),
        terms=st.sampled_from([0, 5, 14, 30]),
        sent=st.sampled_from([True, True, True, False]),
    )
    def draft(
        self,
        tenant: int,
        choice: int,
        currency: str,
        lines: list[Line],
        issued: int,
        terms: int,
        sent: bool,
    ) -> None:
        if currency == "JPY":
            lines = [Line(line.quantity, line.price * 100, line.rate) for line in lines]
        issue = self.today(tenant) + timedelta(days=issued)
        customer = self.customers[tenant][choice % CUSTOMERS]
        facts = Invoice(customer, currency, lines, issue, issue + timedelta(days=terms))
        command = CreateInvoice(
            customer,
            [as_input(line) for line in lines],
            issue_date=facts.issue,
            due_date=facts.due,
            currency_code=currency,
        )
        made = self.do(tenant, create_invoice, command)
        self.books[tenant].invoices[made.invoice_id] = facts
        if sent:
            self.send(tenant, len(self.books[tenant].invoices) - 1)

    @precondition(has_invoices)
    @rule(tenant=_TENANT, choice=_CHOICE, lines=_LINES)
    def change(self, tenant: int, choice: int, lines: list[Line]) -> None:
        books, invoice = self.books[tenant], self.pick_invoice(tenant, choice)
        facts = books.invoices[invoice]
        if facts.currency == "JPY":
            lines = [Line(line.quantity, line.price * 100, line.rate) for line in lines]
        changes = {"line_items": [as_input(line) for line in lines]}
        if books.status(invoice) == "draft":
            self.do(tenant, update_invoice, invoice, changes)
            facts.lines = lines
        else:
            self.refused("invoice_not_draft", tenant, update_invoice, invoice, changes)

    @precondition(has_invoices)
    @rule(tenant=_TENANT, choice=_CHOICE)
    def send(self, tenant: int, choice: int) -> None:
        books, invoice = self.books[tenant], self.pick_invoice(tenant, choice)
        if books.status(invoice) == "draft":
            self.do(tenant, send_invoice, invoice)
            books.send(invoice, self.today(tenant))
        else:
            self.refused("invoice_not_draft", tenant, send_invoice, invoice)

    @precondition(has_invoices)
    @rule(tenant=_TENANT, choice=_CHOICE, end=st.sampled_from(["void", "cancelled"]))
    def end(self, tenant: int, choice: int, end: str) -> None:
        books, invoice = self.books[tenant], self.pick_invoice(tenant, choice)
        status = books.status(invoice)
        use_case = void_invoice if end == "void" else cancel_invoice
        if status in ("paid", "void", "cancelled") or (status, end) == ("draft", "cancelled"):
            self.refused("illegal_transition", tenant, use_case, invoice, "x")
        elif books.paid(invoice):
            self.refused("invoice_has_payments", tenant, use_case, invoice, "x")
        else:
            self.do(tenant, use_case, invoice, "x")
            books.close(invoice, end, self.today(tenant))

    # Payments.

    @precondition(has_invoices)
    @rule(
        tenant=_TENANT,
        choice=_CHOICE,
        tenths=_SHARE,
        any_state=st.sampled_from([False] * 4 + [True]),
        keep=st.booleans(),
        earlier=st.integers(0, 20),
        other_currency=st.sampled_from([False] * 9 + [True]),
    )
    def pay_one(
        self,
        tenant: int,
        choice: int,
        tenths: int,
        any_state: bool,
        keep: bool,
        earlier: int,
        other_currency: bool,
    ) -> None:
        books = self.books[tenant]
        invoice = self.pick_invoice(tenant, choice, open_one=not any_state)
        facts = books.invoices[invoice]
        amount = part_of(books.balance(invoice), tenths, facts.unit)
        received = self.today(tenant) - timedelta(days=earlier)
        command = RecordPayment(
            money(amount),
            invoice_id=invoice,
            currency_code="EUR" if other_currency else None,
            keep_excess_as_credit=keep,
            received_on=received,
        )
        if other_currency:
            self.refused("currency_mismatch", tenant, record_payment, command)
        elif not books.is_open(invoice):
            self.refused("invoice_not_open", tenant, record_payment, command)
        elif amount > books.balance(invoice) and not keep:
            self.refused("overpayment", tenant, record_payment, command)
        else:
            shares = {invoice: min(amount, books.balance(invoice))}
            made = self.do(tenant, record_payment, command)
            paid = Payment(facts.customer, facts.currency, amount, received)
            books.pay(made.payment_id, paid, shares)

    @rule(
        tenant=_TENANT,
        choice=_CHOICE,
        currency=st.sampled_from(["USD", "USD", "JPY"]),
        units=st.integers(1, 60_000),
        exact=st.booleans(),
        earlier=st.integers(0, 20),
    )
    def pay_automatically(
        self, tenant: int, choice: int, currency: str, units: int, exact: bool, earlier: int
    ) -> None:
        books, customer = self.books[tenant], self.customers[tenant][choice % CUSTOMERS]
        amount = units * (100 if currency == "JPY" else 1)
        if exact and books.invoices:
            invoice = self.pick_invoice(tenant, choice)
            facts = books.invoices[invoice]
            if books.balance(invoice):
                customer, currency = facts.customer, facts.currency
                amount = books.balance(invoice)
        received = self.today(tenant) - timedelta(days=earlier)
        shares = books.choose(customer, currency, amount)
        command = RecordPayment(
            money(amount), customer_id=customer, currency_code=currency, received_on=received
        )
        made = self.do(tenant, record_payment, command)
        books.pay(made.payment_id, Payment(customer, currency, amount, received), shares)

    @precondition(has_invoices)
    @rule(tenant=_TENANT, choice=_CHOICE, tenths=st.lists(_SHARE, max_size=3), spare=_CHOICE)
    def pay_many(self, tenant: int, choice: int, tenths: list[int], spare: int) -> None:
        books = self.books[tenant]
        facts = books.invoices[self.pick_invoice(tenant, choice, open_one=True)]
        shares = self.wanted(tenant, facts.customer, facts.currency, tenths)
        extra = (spare - 100) * facts.unit  # now and then less than the allocations come to
        amount = max(sum(shares.values()) + extra, facts.unit)
        command = RecordPayment(
            money(amount),
            customer_id=facts.customer,
            currency_code=facts.currency,
            allocations=as_allocations(shares),
        )
        code = books.refusal_of(shares, amount, "allocations_exceed_amount")
        if code is not None:
            self.refused(code, tenant, record_payment, command)
        else:
            made = self.do(tenant, record_payment, command)
            paid = Payment(facts.customer, facts.currency, amount, self.today(tenant))
            books.pay(made.payment_id, paid, shares)

    @precondition(has_payments)
    @rule(tenant=_TENANT, choice=_CHOICE, tenths=st.none() | st.lists(_SHARE, max_size=2))
    def apply_credit(self, tenant: int, choice: int, tenths: list[int] | None) -> None:
        books, payment = self.books[tenant], self.pick_payment(tenant, choice)
        facts, left = books.payments[payment], books.unapplied(payment)
        if tenths is None:
            shares, wanted = books.choose(facts.customer, facts.currency, left), None
        else:
            shares = self.wanted(tenant, facts.customer, facts.currency, tenths)
            wanted = as_allocations(shares)
        code = books.refusal_of(shares, left, "insufficient_credit")
        if not facts.left:
            code = "payment_not_applicable"
        if code is not None:
            self.refused(code, tenant, allocate_credit, payment, wanted)
        else:
            self.do(tenant, allocate_credit, payment, wanted)
            books.apply(payment, shares, self.today(tenant))

    def wanted(
        self, tenant: int, customer: UUID, currency: str, tenths: list[int]
    ) -> dict[UUID, int]:
        """Parts for the customer's invoices, open ones first, then what takes no payment."""
        books = self.books[tenant]
        mine = [
            (invoice, one)
            for invoice, one in books.invoices.items()
            if (one.customer, one.currency) == (customer, currency)
        ]
        mine.sort(key=lambda pair: not books.is_open(pair[0]))
        return {
            invoice: part_of(books.balance(invoice), share, one.unit)
            for (invoice, one), share in zip(mine, tenths, strict=False)
        }

    @precondition(has_payments)
    @rule(tenant=_TENANT, choice=_CHOICE)
    def reverse(self, tenant: int, choice: int) -> None:
        books, payment = self.books[tenant], self.pick_payment(tenant, choice)
        left = books.payments[payment].left
        if not left:
            self.refused("payment_not_reversible", tenant, reverse_payment, payment, "x")
        else:
            self.do(tenant, reverse_payment, payment, "x")
            books.take(payment, left, "hand", self.today(tenant))

    # Time and chasing.

    @rule(hours=st.sampled_from([1, 7, 24, 24, 72, 24 * 20, -2, -30]))
    def time_passes(self, hours: int) -> None:
        self.clock.pass_time(hours=hours)

    @rule(tenant=_TENANT, days=st.integers(0, 9), chased=st.sampled_from([True, True, False]))
    def a_day_begins(self, tenant: int, days: int, chased: bool) -> None:
        self.clock.pass_time(days=days)
        books, today = self.books[tenant], self.today(tenant)
        fallen = books.sweep(today)
        assert self.do(tenant, sweep_overdue) == fallen
        if chased:
            self.chase(tenant, today)

    def chase(self, tenant: int, today: date) -> None:
        books = self.books[tenant]
        before = notices(self.db)
        chased = books.chase(today)
        done = self.do(tenant, run_evaluation)
        assert notices(self.db) - before == {
            (invoice.hex, books.invoices[invoice].steps_sent) for invoice in chased
        }
        assert done.invoice_count == len(chased)
        assert done.email_count == len({books.invoices[one].customer for one in chased})
        assert self.do(tenant, run_evaluation).invoice_count == 0

    @precondition(has_invoices)
    @rule(tenant=_TENANT, choice=_CHOICE)
    def hold_or_release(self, tenant: int, choice: int) -> None:
        books, invoice = self.books[tenant], self.pick_invoice(tenant, choice)
        facts = books.invoices[invoice]
        if facts.held:
            self.do(tenant, release_invoice, invoice)
            facts.held = False
        elif facts.end is not None:
            command = HoldInvoice(InvoiceHold.PAUSE)
            self.refused("invoice_not_open", tenant, hold_invoice, invoice, command)
        else:
            self.do(tenant, hold_invoice, invoice, HoldInvoice(InvoiceHold.PAUSE))
            facts.held = True

    # And after every step.

    @invariant()
    def the_cached_balances_are_what_the_facts_say(self) -> None:
        for actor, books in zip(self.actors, self.books, strict=True):
            seen = {one.invoice_id: one for one in everything(self.db, actor, list_invoices)}
            assert seen.keys() == books.invoices.keys()
            for invoice, one in books.invoices.items():
                view = seen[invoice]
                assert (view.status, view.invoice_number) == (books.status(invoice), one.number)
                assert (
                    hundredths(view.subtotal_amount),
                    hundredths(view.tax_amount),
                    hundredths(view.total_amount),
                    hundredths(view.paid_amount),
                    hundredths(view.balance_due),
                ) == (one.subtotal, one.tax, one.total, books.paid(invoice), books.balance(invoice))
                assert (view.paid_at is not None) == (view.status == "paid")

    @invariant()
    def a_payment_is_what_is_applied_and_what_is_not(self) -> None:
        for actor, books in zip(self.actors, self.books, strict=True):
            seen = {one.payment_id: one for one in everything(self.db, actor, list_payments)}
            assert seen.keys() == books.payments.keys()
            for payment, one in books.payments.items():
                view = seen[payment]
                applied = one.left - books.unapplied(payment)
                assert view.status == ("succeeded" if one.left else "reversed")
                assert hundredths(view.amount) == one.amount
                assert hundredths(view.applied_amount) == applied
                assert hundredths(view.refunded_amount) == one.taken("refund")
                assert hundredths(view.disputed_amount) == one.taken("dispute")
                assert hundredths(view.reversed_amount) == one.taken("hand")
                assert hundredths(view.unapplied_amount) == books.unapplied(payment)
                assert sum(hundredths(part.amount) for part in view.allocations) == applied

    @invariant()
    def aging_is_what_the_facts_say_today_and_on_earlier_days(self) -> None:
        for tenant, books in enumerate(self.books):
            for back in (0, 1, 17, 45):
                day = self.today(tenant) - timedelta(days=back)
                report = read(self.db, self.actors[tenant], get_aging, day)
                seen: dict[tuple[str, UUID], Sums] = {}
                for currency in report.currencies:
                    for customer in currency.customers:
                        *sums, outstanding, disputed = map(hundredths, customer.sums)
                        assert sum(sums[:5]) - sums[5] == outstanding
                        assert disputed == 0
                        seen[currency.currency_code, customer.customer_id] = (
                            sums[0],
                            sums[1],
                            sums[2],
                            sums[3],
                            sums[4],
                            sums[5],
                        )
                    totals = [
                        sum(column)
                        for column in zip(*(c.sums for c in currency.customers), strict=True)
                    ]
                    assert list(currency.totals) == totals
                assert {key: sums for key, sums in seen.items() if any(sums)} == books.aging(day)

    @invariant()
    def the_summary_and_the_dashboard_say_the_same(self) -> None:
        for tenant, books in enumerate(self.books):
            actor, wanted = self.actors[tenant], books.summary(self.today(tenant))
            seen = {}
            for one in read(self.db, actor, get_billing_summary):
                assert one.open_amount - one.unapplied_amount == one.outstanding_amount
                sums = (one.open_amount, one.overdue_amount, one.paid_amount, one.unapplied_amount)
                seen[one.currency_code] = (*map(hundredths, sums), one.open_invoice_count)
            assert {code: sums for code, sums in seen.items() if any(sums)} == wanted
            for shown in read(self.db, actor, get_dashboard).currencies:
                owed, late, _, credit, count = wanted.get(shown.currency_code, (0, 0, 0, 0, 0))
                assert hundredths(shown.open_amount) == owed
                assert hundredths(shown.overdue_amount) == late
                assert hundredths(shown.unapplied_amount) == credit
                assert shown.open_invoice_count == count
                since = self.today(tenant).replace(day=1)
                kept = books.kept_since(since, shown.currency_code)
                assert hundredths(shown.paid_this_month) == kept

    @invariant()
    def verify_finds_nothing(self) -> None:
        assert verify_books(self.db).findings == []


def as_input(line: Line) -> LineInput:
    rate = None if line.rate is None else Decimal(int(line.rate * 10_000)).scaleb(-4)
    quantity = Decimal(int(line.quantity * 10_000)).scaleb(-4)
    return LineInput("Work", quantity, money(line.price), rate)


def as_allocations(shares: dict[UUID, int]) -> tuple[AllocationInput, ...]:
    return tuple(AllocationInput(invoice, money(amount)) for invoice, amount in shares.items())


def part_of(balance: int, tenths: int, unit: int) -> int:
    """Some tenths of a balance in whole units, at least one."""
    return max(balance * tenths // 10 // unit * unit, unit)


def notices(db: Database) -> set[tuple[str, int]]:
    rows = raw_rows(db, "SELECT invoice_id, step_number FROM dunning_notices")
    assert len(rows) == len(set(rows))
    return {(row[0], row[1]) for row in rows}


def everything(db: Database, actor: Actor, query: Callable[..., Any]) -> list[Any]:
    """All pages of a list."""
    items: list[Any] = []
    cursor = None
    while True:
        page = read(db, actor, query, limit=100, cursor=cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
