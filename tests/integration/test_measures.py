"""The measures, each by an example worked out by hand."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import HoldInvoice, hold_invoice, release_invoice
from backend.dunning.models import HoldEnd
from backend.dunning.plans import CreatePlan, StepInput, create_plan
from backend.dunning.promises import settle_promises
from backend.errors import InvalidInput
from backend.invoices.models import InvoiceHold
from backend.invoices.service import void_invoice
from backend.payments.reversal import reverse_payment
from backend.reporting.dso import DSO_FORMULA, CountedMonth, get_dso
from backend.reporting.promise_rate import PROMISE_FORMULA, list_ended_promises, promise_rate
from backend.reporting.recovery import (
    RECOVERY_FORMULA,
    RecoveredBy,
    RecoveredFilter,
    RecoveredTotal,
    list_recovered,
    recovered,
)
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, invoice_now, make_customer, make_invoice, pay

TODAY = date(2026, 3, 4)
D = Decimal


def chased(db: Database, actor: Actor, name: str, amount: str) -> UUID:
    """An invoice that fell due yesterday, of a customer that takes e-mail."""
    customer_id = make_customer(db, actor, name, email=f"{name}@example.com").customer_id
    due = TODAY - timedelta(days=1)
    return make_invoice(db, actor, customer_id, amount, issue_date=due, due_date=due).invoice_id


def all_sent(db: Database, status: str = "sent") -> None:
    """The queued reminders went out, or failed; the worker's part is tested elsewhere."""
    driver = db.connect().driver
    driver.execute(
        "UPDATE communications SET status = ? WHERE status = 'queued' AND type = 'dunning'",
        (status,),
    )
    driver.close()


@pytest.fixture
def plan(db: Database, actor: Actor) -> None:
    steps = (StepInput(0, "friendly_reminder"), StepInput(5, "final_warning"))
    run(db, actor, create_plan, CreatePlan("Two", steps, is_default=True))


@pytest.mark.usefixtures("plan")
def test_recovered_money_is_told_by_the_last_reminder_sent(
    db: Database, actor: Actor, clock: Clock
):
    abe, bea, cid, dan = (chased(db, actor, name, "100.00") for name in ("A", "B", "C", "D"))
    pay(db, actor, "10.00", invoice_id=abe)  # the 4th, before any reminder
    run(db, actor, run_evaluation)  # the first reminder, on the 4th
    all_sent(db)
    pay(db, actor, "20.00", invoice_id=bea)  # the same day
    clock.pass_time(days=2)
    pay(db, actor, "30.00", invoice_id=cid)  # two days after it
    clock.pass_time(days=3)
    run(db, actor, run_evaluation)  # the second, on the 9th
    all_sent(db)
    clock.pass_time(days=1)
    pay(db, actor, "40.00", invoice_id=abe)
    bounced = pay(db, actor, "50.00", invoice_id=dan)
    run(db, actor, reverse_payment, bounced.payment_id, "Bounced")
    found = read(db, actor, recovered)
    friendly, final = found.groups
    # The money of the 4th came by the ledger on the day of the first reminder.
    assert friendly == RecoveredBy("USD", 0, "friendly_reminder", D("60.00"), 3, D("0.0"), D("0.7"))
    assert final == RecoveredBy("USD", 5, "final_warning", D("40.00"), 1, D("1.0"), D("1.0"))
    assert found.totals == (RecoveredTotal("USD", D("100.00"), D("100.00"), 4),)
    assert (found.since, found.until) == (TODAY - timedelta(days=83), TODAY + timedelta(days=6))


@pytest.mark.usefixtures("plan")
def test_a_reminder_that_was_not_sent_recovers_nothing(db: Database, actor: Actor, clock: Clock):
    invoice_id = chased(db, actor, "Abe", "100.00")
    run(db, actor, run_evaluation)
    clock.pass_time(days=1)
    pay(db, actor, "10.00", invoice_id=invoice_id)
    before = RecoveredBy("USD", None, None, D("10.00"), 1, None, None)
    for status in ("queued", "failed"):
        all_sent(db, status)
        assert read(db, actor, recovered).groups == (before,)
        driver = db.connect().driver
        driver.execute("UPDATE communications SET status = 'queued'")
        driver.close()
    assert read(db, actor, recovered).totals[0].after_reminder == D("0.00")


@pytest.mark.usefixtures("plan")
def test_money_that_came_before_the_reminder_is_not_its_doing(
    db: Database, actor: Actor, clock: Clock
):
    invoice_id = chased(db, actor, "Abe", "100.00")
    pay(db, actor, "10.00", invoice_id=invoice_id)
    clock.pass_time(days=1)
    run(db, actor, run_evaluation)
    all_sent(db)
    pay(db, actor, "20.00", invoice_id=invoice_id)
    assert [(one.days_after_due, one.amount) for one in read(db, actor, recovered).groups] == [
        (None, D("10.00")),
        (0, D("20.00")),
    ]


@pytest.mark.usefixtures("plan")
def test_the_rows_sum_up_to_the_totals_and_are_narrowed(db: Database, actor: Actor, clock: Clock):
    invoices = [chased(db, actor, name, "100.00") for name in ("A", "B", "C")]
    pay(db, actor, "1.00", invoice_id=invoices[0])
    clock.pass_time(days=1)
    run(db, actor, run_evaluation)
    all_sent(db)
    for number, invoice_id in enumerate(invoices, start=2):
        pay(db, actor, f"{number}.00", invoice_id=invoice_id)
    rows, cursor = [], None
    while True:
        page = read(db, actor, list_recovered, limit=3, cursor=cursor)
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    sums: dict[int | None, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.days_after_due] += row.amount
    assert sums == {None: D("1.00"), 0: D("9.00")}
    assert sums == {one.days_after_due: one.amount for one in read(db, actor, recovered).groups}
    reminded = rows[0]
    assert (reminded.paid_on, reminded.reminded_on, reminded.days) == (
        TODAY + timedelta(days=1),
        TODAY + timedelta(days=1),
        0,
    )
    for narrowed, count in (
        (RecoveredFilter(days_after_due=0), 3),
        (RecoveredFilter(is_before_any=True), 1),
        (RecoveredFilter(currency_code="EUR"), 0),
        (RecoveredFilter(currency_code="USD"), 4),
    ):
        assert len(read(db, actor, list_recovered, None, None, narrowed).items) == count


def test_the_period_includes_both_of_its_days(db: Database, actor: Actor, customer: CustomerView):
    invoice = make_invoice(db, actor, customer.customer_id)
    pay(db, actor, "10.00", invoice_id=invoice.invoice_id)
    day = timedelta(days=1)
    for since, until, count in (
        (TODAY, TODAY, 1),
        (TODAY - day, TODAY - day, 0),
        (TODAY + day, TODAY + day, 0),
    ):
        assert len(read(db, actor, recovered, since, until).totals) == count


def test_promises_kept_are_counted_and_weighed(
    db: Database, actor: Actor, clock: Clock, customer: CustomerView
):
    """Two of three kept; 30 and all of 100 of them, against a broken one of 70."""
    made = [make_invoice(db, actor, customer.customer_id, "100.00").invoice_id for _ in range(4)]
    until = TODAY + timedelta(days=2)
    promised = (D("30.00"), None, D("70.00"), None)
    for invoice_id, amount in zip(made, promised, strict=True):
        run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PROMISE, until, amount))
    run(db, actor, release_invoice, made[3])  # neither kept nor broken
    pay(db, actor, "30.00", invoice_id=made[0])
    pay(db, actor, "100.00", invoice_id=made[1])
    clock.pass_time(days=3)
    run(db, actor, settle_promises)
    found = read(db, actor, promise_rate)
    assert (found.kept_count, found.broken_count, found.rate) == (2, 1, D("66.7"))
    [dollars] = found.currencies
    assert (dollars.kept_amount, dollars.broken_amount) == (D("130.00"), D("70.00"))
    assert dollars.rate_by_amount == D("65.0")
    rows, cursor = [], None
    for _ in range(2):
        page = read(db, actor, list_ended_promises, limit=2, cursor=cursor)
        rows += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert {(row.invoice_id, row.amount, row.ended_as) for row in rows} == {
        (made[0], D("30.00"), HoldEnd.KEPT),
        (made[1], D("100.00"), HoldEnd.KEPT),
        (made[2], D("70.00"), HoldEnd.BROKEN),
    }
    before = TODAY - timedelta(days=1)
    assert read(db, actor, promise_rate, before, before).rate is None


def sold(db: Database, actor: Actor, customer_id: UUID, day: date, amount: str) -> UUID:
    return make_invoice(db, actor, customer_id, amount, issue_date=day, due_date=day).invoice_id


@pytest.fixture
def books(db: Database, actor: Actor, clock: Clock, customer: CustomerView) -> list[UUID]:
    """Sold: 900.00 on 10 January, 1,400.00 on 20 February, 300.00 on 2 March."""
    made = []
    for day, amount in (
        (date(2026, 1, 10), "900.00"),
        (date(2026, 2, 20), "1400.00"),
        (date(2026, 3, 2), "300.00"),
    ):
        clock.now = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        made.append(sold(db, actor, customer.customer_id, day, amount))
    clock.now = Clock().now
    return made


def months_of(db: Database, actor: Actor, as_of: date | None = None) -> list[CountedMonth]:
    [one] = read(db, actor, get_dso, as_of).currencies
    return list(one.months)


def test_dso_counts_back_month_by_month(db: Database, actor: Actor, books: list[UUID]):
    """1,000.00 open: the 4 days of March with 300, then 700 of 1,400: half of February."""
    pay(db, actor, "1600.00", invoice_id=books[1], keep_excess_as_credit=True)
    pay(db, actor, "200.00", invoice_id=books[0])
    [one] = read(db, actor, get_dso).currencies
    assert (one.receivable_amount, one.days, one.uncounted_amount) == (
        D("1000.00"),
        D("18.0"),
        D("0.00"),
    )
    assert list(one.months) == [
        CountedMonth(date(2026, 3, 1), 4, D("300.00"), D("300.00"), D("4.0")),
        CountedMonth(date(2026, 2, 1), 28, D("1400.00"), D("700.00"), D("14.0")),
    ]


def test_dso_as_of_an_earlier_day_is_told_as_it_was(db: Database, actor: Actor, books: list[UUID]):
    """On 14 February 900.00 were open, sold in January: 14 days without sales and all of 31."""
    months = months_of(db, actor, date(2026, 2, 14))
    assert [(one.days, one.sales_amount, one.counted_days) for one in months] == [
        (14, D("0.00"), D("14.0")),
        (31, D("900.00"), D("31.0")),
    ]


def test_dso_of_a_part_of_the_running_month(db: Database, actor: Actor, books: list[UUID]):
    """100.00 of March's 300.00 are open on its 4th day: 4 / 3 days."""
    pay(db, actor, "2500.00", customer_id=_payer(db, actor, books))
    [one] = read(db, actor, get_dso).currencies
    assert (one.receivable_amount, one.days) == (D("100.00"), D("1.3"))


def _payer(db: Database, actor: Actor, books: list[UUID]) -> UUID:
    return invoice_now(db, actor, books[0]).customer_id


def test_dso_without_anything_owed_is_no_days(db: Database, actor: Actor, books: list[UUID]):
    pay(db, actor, "2600.00", customer_id=_payer(db, actor, books))
    [one] = read(db, actor, get_dso).currencies
    assert (one.days, one.months) == (D("0.0"), ())
    assert read(db, actor, get_dso, date(2026, 1, 9)).currencies == ()


def test_dso_when_more_is_owed_than_was_ever_sold_net(
    db: Database, actor: Actor, clock: Clock, customer: CustomerView
):
    """A void in a month without sales takes them below zero: that month still has its days."""
    clock.now = datetime(2026, 2, 10, 18, tzinfo=UTC)
    sold(db, actor, customer.customer_id, date(2026, 2, 10), "100.00")
    wrong = sold(db, actor, customer.customer_id, date(2026, 2, 10), "40.00")
    clock.now = Clock().now
    run(db, actor, void_invoice, wrong, "Wrong customer")
    [one] = read(db, actor, get_dso).currencies
    assert [(row.sales_amount, row.counted_amount, row.counted_days) for row in one.months] == [
        (D("-40.00"), D("0.00"), D("4.0")),
        (D("140.00"), D("100.00"), D("20.0")),
    ]
    assert (one.days, one.uncounted_amount) == (D("24.0"), D("0.00"))


def test_dso_keeps_currencies_apart_and_refuses_the_future(
    db: Database, actor: Actor, customer: CustomerView
):
    for code in ("USD", "JPY"):
        make_invoice(db, actor, customer.customer_id, "100", currency_code=code)
    found = read(db, actor, get_dso)
    assert [one.currency_code for one in found.currencies] == ["JPY", "USD"]
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, get_dso, TODAY + timedelta(days=1))
    assert refusal.value.errors[0].field == "as_of"


@pytest.mark.parametrize("measure", [recovered, list_recovered, promise_rate, list_ended_promises])
@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        (TODAY, TODAY - timedelta(days=1), "since"),
        (TODAY + timedelta(days=1), None, "since"),
        (date.min, TODAY, "since"),
        (None, date.max, "until"),
    ],
)
def test_a_period_that_is_none_is_refused(
    db: Database,
    actor: Actor,
    measure: Callable[..., Any],
    since: date | None,
    until: date | None,
    field: str,
):
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, measure, since, until)
    assert refusal.value.errors[0].field == field


@pytest.mark.parametrize("rows", [list_recovered, list_ended_promises])
@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"cursor": "A" * 22}]
)
def test_bad_pages_are_refused(
    db: Database, actor: Actor, rows: Callable[..., Any], asked: dict[str, Any]
):
    with pytest.raises(InvalidInput) as refusal:
        read(db, actor, rows, **asked)
    assert {error.field for error in refusal.value.errors} == asked.keys()


def test_others_see_nothing_of_it(db: Database, actor: Actor, stranger: Actor, books: list[UUID]):
    pay(db, actor, "10.00", invoice_id=books[0])
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    assert read(db, support, recovered).totals
    assert read(db, support, get_dso).currencies
    assert read(db, stranger, recovered).totals == ()
    assert read(db, stranger, get_dso).currencies == ()
    assert read(db, stranger, list_recovered).items == []


@pytest.mark.parametrize(
    ("measure", "formula"),
    [
        (recovered, RECOVERY_FORMULA),
        (promise_rate, PROMISE_FORMULA),
        (get_dso, DSO_FORMULA),
    ],
)
def test_what_is_told_is_what_the_code_says(measure: Callable[..., Any], formula: str):
    assert formula in " ".join((inspect.getdoc(measure) or "").split())
