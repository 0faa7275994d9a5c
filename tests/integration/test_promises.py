"""Promises to pay: kept, broken or let go; and the history that every hold of an invoice leaves."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, platform_system
from backend.db.engine import Database
from backend.dunning.holds import (
    HoldInvoice,
    HoldRecordView,
    hold_invoice,
    hold_overdue,
    list_holds,
    release_invoice,
)
from backend.dunning.models import HoldEnd
from backend.dunning.promises import settle_promises, tenants_with_promises_to_settle
from backend.errors import InvalidInput, NotFound, StateConflict
from backend.invoices.models import InvoiceHold
from backend.invoices.service import cancel_invoice, void_invoice
from backend.payments.reversal import reverse_payment
from backend.reporting.timeline import list_invoice_timeline
from backend.unit_of_work import read, run
from backend.verification.service import verify_books
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
    raw_rows,
)

# The clock stands at noon of March 4 in Chicago.
TODAY, FRIDAY = date(2026, 3, 4), date(2026, 3, 6)
AFTER_FRIDAY = datetime(2026, 3, 7, 6, 0, tzinfo=UTC)  # midnight in Chicago


@pytest.fixture
def invoice_id(db: Database, actor: Actor) -> UUID:
    day = date(2026, 2, 1)
    customer_id = make_customer(db, actor).customer_id
    return make_invoice(db, actor, customer_id, issue_date=day, due_date=day).invoice_id


def promise(db: Database, actor: Actor, invoice_id: UUID, amount: str | None = None) -> None:
    command = HoldInvoice(InvoiceHold.PROMISE, FRIDAY, amount)
    run(db, actor, hold_invoice, invoice_id, command)


def settle(db: Database, actor: Actor) -> int:
    return run(db, actor, settle_promises)


def waiting(db: Database) -> list[UUID]:
    return read(db, platform_system("test"), tenants_with_promises_to_settle)


def newest(db: Database, actor: Actor, invoice_id: UUID) -> HoldRecordView:
    return read(db, actor, list_holds, invoice_id)[0]


def told(db: Database, actor: Actor, invoice_id: UUID) -> list[tuple[str, str, str | None]]:
    items = read(db, actor, list_invoice_timeline, invoice_id)
    return [(i.type, i.title, i.detail) for i in items if i.type.startswith("promise.")]


def audit_of(db: Database, action: str) -> list[dict[str, Any]]:
    rows = raw_rows(db, "SELECT data FROM audit_log WHERE action = ? ORDER BY row_id", action)
    return [json.loads(row[0]) for row in rows]


def test_a_promise_is_kept_as_soon_as_its_amount_has_come(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id, "40.00")
    pay(db, actor, "39.99", invoice_id=invoice_id)
    assert (waiting(db), settle(db, actor)) == ([], 0)
    pay(db, actor, "0.01", invoice_id=invoice_id)
    assert waiting(db) == [actor.tenant_id]
    assert (settle(db, actor), settle(db, actor), waiting(db)) == (1, 0, [])
    assert invoice_now(db, actor, invoice_id).hold_kind is None
    record = newest(db, actor, invoice_id)
    assert (record.ended_as, record.ended_on) == (HoldEnd.KEPT, TODAY)
    assert record.balance_then == Decimal("100.00")
    kept = told(db, actor, invoice_id)
    assert kept == [
        (
            "promise.kept",
            "Promise to pay kept",
            "Payment of $40.00 by Mar 6, 2026: $40.00 less is due than on the day it was given",
        )
    ]


@pytest.mark.parametrize("amount", [None, "100.00", "250.00"])
def test_a_promise_of_everything_is_kept_by_paying_everything(
    db: Database, actor: Actor, invoice_id: UUID, amount: str | None
) -> None:
    """Also one of more than is open."""
    promise(db, actor, invoice_id, amount)
    pay(db, actor, "99.99", invoice_id=invoice_id)
    assert settle(db, actor) == 0
    pay(db, actor, "0.01", invoice_id=invoice_id)
    assert settle(db, actor) == 1
    assert newest(db, actor, invoice_id).ended_as is HoldEnd.KEPT


def test_what_was_paid_before_the_promise_keeps_none_of_it(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    pay(db, actor, "60.00", invoice_id=invoice_id)
    promise(db, actor, invoice_id, "30.00")
    assert settle(db, actor) == 0
    pay(db, actor, "30.00", invoice_id=invoice_id)
    assert settle(db, actor) == 1
    assert invoice_now(db, actor, invoice_id).balance_due == Decimal("10.00")


def test_a_promise_breaks_at_the_tenants_midnight_and_stays_on_the_invoice(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id, "40.00")
    pay(db, actor, "15.00", invoice_id=invoice_id)
    clock.now = AFTER_FRIDAY
    clock.pass_time(microseconds=-1)
    assert (waiting(db), settle(db, actor)) == ([], 0)
    clock.now = AFTER_FRIDAY
    assert waiting(db) == [actor.tenant_id]
    assert (settle(db, actor), settle(db, actor), waiting(db)) == (1, 0, [])
    after = invoice_now(db, actor, invoice_id)
    assert (after.hold_kind, after.hold_until) == (InvoiceHold.PROMISE, FRIDAY)
    record = newest(db, actor, invoice_id)
    assert (record.ended_as, record.ended_on) == (HoldEnd.BROKEN, date(2026, 3, 7))
    detail = "Payment was promised by Mar 6, 2026; chasing resumes; $15.00 of it came"
    clock.pass_time(days=3)
    assert told(db, actor, invoice_id) == [("promise.broken", "Promise to pay broken", detail)]


@pytest.mark.parametrize(
    ("received", "end"),
    [(FRIDAY, HoldEnd.KEPT), (date(2026, 3, 7), HoldEnd.BROKEN)],
)
def test_after_the_day_the_ledger_of_that_day_decides(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID, received: date, end: HoldEnd
) -> None:
    """Written down on Monday: received in time it keeps the promise, received later it does not."""
    promise(db, actor, invoice_id)
    clock.now = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)
    pay(db, actor, "100.00", invoice_id=invoice_id, received_on=received)
    assert settle(db, actor) == 1
    assert newest(db, actor, invoice_id).ended_as is end


def test_a_payment_that_bounces_before_the_look_keeps_nothing(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id)
    payment = pay(db, actor, "100.00", invoice_id=invoice_id)
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    assert settle(db, actor) == 0
    clock.now = AFTER_FRIDAY
    assert settle(db, actor) == 1
    assert newest(db, actor, invoice_id).ended_as is HoldEnd.BROKEN


def test_a_payment_that_bounces_later_does_not_bring_a_kept_promise_back(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id)
    payment = pay(db, actor, "100.00", invoice_id=invoice_id)
    assert settle(db, actor) == 1
    run(db, actor, reverse_payment, payment.payment_id, "Bounced")
    clock.now = AFTER_FRIDAY
    assert settle(db, actor) == 0
    after = invoice_now(db, actor, invoice_id)
    assert (after.status, after.hold_kind) == ("overdue", None)


@pytest.mark.parametrize("close", [void_invoice, cancel_invoice])
def test_a_promise_about_an_invoice_that_is_gone_is_released(
    db: Database, actor: Actor, invoice_id: UUID, close: Any
) -> None:
    promise(db, actor, invoice_id)
    run(db, actor, close, invoice_id, "Job called off")
    assert (settle(db, actor), settle(db, actor)) == (1, 0)
    assert newest(db, actor, invoice_id).ended_as is HoldEnd.RELEASED
    assert invoice_now(db, actor, invoice_id).hold_kind is None
    assert told(db, actor, invoice_id) == []


def test_a_promise_is_taken_only_about_an_invoice_that_is_owed(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    draft = make_draft(db, actor, invoice_now(db, actor, invoice_id).customer_id)
    pay(db, actor, "100.00", invoice_id=invoice_id)
    for one in (draft.invoice_id, invoice_id):
        with pytest.raises(StateConflict) as refusal:
            promise(db, actor, one)
        assert refusal.value.code == "invoice_not_open"


def test_two_workers_settle_a_promise_once(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id)
    clock.now = AFTER_FRIDAY
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: settle(db, actor), range(8)))
    assert sum(counts) == 1
    assert len(audit_of(db, "promise.broken")) == 1


def test_a_tenants_promises_are_settled_on_its_own_day(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    """Auckland's Saturday has begun while it is still Friday in Chicago."""
    auckland = actor_in(make_tenant(db, "Kauri Plumbing", time_zone="Pacific/Auckland"))
    other = make_invoice(db, auckland, make_customer(db, auckland).customer_id).invoice_id
    promise(db, actor, invoice_id)
    promise(db, auckland, other)
    clock.now = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
    assert waiting(db) == [auckland.tenant_id]
    clock.now = AFTER_FRIDAY
    assert set(waiting(db)) == {actor.tenant_id, auckland.tenant_id}


def test_the_history_of_an_invoice_tells_of_every_hold(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id, "40.00")
    clock.pass_time(days=1)
    dispute = HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks again")
    run(db, actor, hold_invoice, invoice_id, dispute)
    run(db, actor, hold_invoice, invoice_id, dispute)
    clock.pass_time(days=1)
    run(db, actor, release_invoice, invoice_id)
    run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    history = read(db, actor, list_holds, invoice_id)
    assert [(h.kind, h.placed_on, h.ended_as, h.ended_on) for h in history] == [
        (InvoiceHold.PAUSE, date(2026, 3, 6), None, None),
        (InvoiceHold.DISPUTE, date(2026, 3, 5), HoldEnd.RELEASED, date(2026, 3, 6)),
        (InvoiceHold.PROMISE, TODAY, HoldEnd.REPLACED, date(2026, 3, 5)),
    ]
    assert {h.placed_by for h in history} == {"test"}
    items = read(db, actor, list_invoice_timeline, invoice_id)
    [replaced] = [item for item in items if item.title == "Invoice disputed"]
    assert replaced.detail == "Leaks again; instead of the promise to pay until Mar 6, 2026"


def test_a_broken_promise_gives_way_to_a_new_one(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id)
    clock.now = AFTER_FRIDAY
    settle(db, actor)
    again = HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 20))
    run(db, actor, hold_invoice, invoice_id, again)
    ends = [record.ended_as for record in read(db, actor, list_holds, invoice_id)]
    assert ends == [None, HoldEnd.BROKEN]
    run(db, actor, release_invoice, invoice_id)
    ends = [record.ended_as for record in read(db, actor, list_holds, invoice_id)]
    assert ends == [HoldEnd.RELEASED, HoldEnd.BROKEN]


def test_two_who_hold_at_once_leave_one_standing(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    commands = [HoldInvoice(InvoiceHold.DISPUTE, reason=f"Leak {number}") for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: run(db, actor, hold_invoice, invoice_id, one), commands))
    history = read(db, actor, list_holds, invoice_id)
    assert [record.ended_as for record in history] == [None] + [HoldEnd.REPLACED] * 7
    assert invoice_now(db, actor, invoice_id).hold_reason == history[0].reason


def test_all_that_is_overdue_is_promised_at_once(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    customer_id = invoice_now(db, actor, invoice_id).customer_id
    late: dict[str, Any] = {"issue_date": date(2026, 2, 1), "due_date": date(2026, 3, 1)}
    second = make_invoice(db, actor, customer_id, **late).invoice_id
    disputed = make_invoice(db, actor, customer_id, **late).invoice_id
    current = make_invoice(db, actor, customer_id).invoice_id
    run(db, actor, hold_invoice, disputed, HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks"))
    command = HoldInvoice(InvoiceHold.PROMISE, FRIDAY, reason="Called back")
    assert run(db, actor, hold_overdue, customer_id, command) == 2
    kinds = [
        invoice_now(db, actor, one).hold_kind for one in (invoice_id, second, disputed, current)
    ]
    assert kinds == [InvoiceHold.PROMISE, InvoiceHold.PROMISE, InvoiceHold.DISPUTE, None]

    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, hold_overdue, customer_id, HoldInvoice(InvoiceHold.PROMISE, FRIDAY, "5"))
    assert refusal.value.errors[0].field == "amount"
    pay(db, actor, "100.00", invoice_id=second)
    amount = HoldInvoice(InvoiceHold.PROMISE, FRIDAY, "5")
    assert run(db, actor, hold_overdue, customer_id, amount) == 1


def test_holding_all_that_is_overdue_needs_something_overdue_and_is_no_dispute(
    db: Database, actor: Actor, invoice_id: UUID
) -> None:
    customer_id = invoice_now(db, actor, invoice_id).customer_id
    with pytest.raises(InvalidInput) as wrong:
        run(db, actor, hold_overdue, customer_id, HoldInvoice(InvoiceHold.DISPUTE, reason="x"))
    assert wrong.value.errors[0].field == "kind"
    pay(db, actor, "100.00", invoice_id=invoice_id)
    with pytest.raises(StateConflict) as nothing:
        run(db, actor, hold_overdue, customer_id, HoldInvoice(InvoiceHold.PAUSE))
    assert nothing.value.code == "nothing_overdue"


def test_another_tenants_holds_are_not_there(db: Database, actor: Actor, invoice_id: UUID) -> None:
    promise(db, actor, invoice_id)
    stranger = actor_in(make_tenant(db, "Cool Air"))
    customer_id = invoice_now(db, actor, invoice_id).customer_id
    with pytest.raises(NotFound):
        read(db, stranger, list_holds, invoice_id)
    with pytest.raises(NotFound):
        run(db, stranger, hold_overdue, customer_id, HoldInvoice(InvoiceHold.PAUSE))
    pay(db, actor, "100.00", invoice_id=invoice_id)
    assert settle(db, stranger) == 0
    assert newest(db, actor, invoice_id).ended_as is None


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE invoices SET hold_kind = NULL",
        "UPDATE invoices SET hold_until = '2026-03-09'",
        "UPDATE invoices SET hold_amount = hold_amount + 1",
        "UPDATE invoice_holds SET ended_on = placed_on, ended_at = placed_at, "
        "ended_as = 'released'",
    ],
)
def test_a_hold_that_is_not_the_one_of_its_history_is_found(
    db: Database, actor: Actor, invoice_id: UUID, tampering: str
) -> None:
    promise(db, actor, invoice_id, "40.00")
    assert verify_books(db).is_proven
    assert db.path is not None
    with contextlib.closing(sqlite3.connect(db.path)) as connection, connection:
        connection.execute(tampering)
    found = verify_books(db).findings
    assert [(one.check, one.subject) for one in found] == [
        ("invoice_hold_is_in_its_history", str(invoice_id))
    ]


def test_every_end_of_a_promise_is_proven(
    db: Database, actor: Actor, clock: Clock, invoice_id: UUID
) -> None:
    promise(db, actor, invoice_id)
    clock.now = AFTER_FRIDAY
    settle(db, actor)
    assert verify_books(db).is_proven
    run(db, actor, hold_invoice, invoice_id, HoldInvoice(InvoiceHold.PROMISE, date(2026, 3, 20)))
    pay(db, actor, "100.00", invoice_id=invoice_id)
    settle(db, actor)
    assert verify_books(db).is_proven
