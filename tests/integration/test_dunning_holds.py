"""Holds: what stops the chasing of an invoice or a customer, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.customers.models import CustomerHold
from backend.customers.queries import get_customer
from backend.db.engine import Database
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    HoldView,
    hold_customer,
    hold_invoice,
    release_customer,
    release_invoice,
)
from backend.errors import InvalidInput, NotAllowed, NotFound, StateConflict
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView
from backend.invoices.service import cancel_invoice
from backend.unit_of_work import read, run
from tests.factories import (
    actor_in,
    invoice_now,
    make_customer,
    make_invoice,
    make_tenant,
    raw_rows,
)

LATER = date(2026, 3, 20)


@pytest.fixture
def invoice(db: Database, actor: Actor) -> InvoiceView:
    return make_invoice(db, actor, make_customer(db, actor).customer_id)


def audit_of(db: Database, action: str) -> list[dict[str, Any]]:
    rows = raw_rows(db, "SELECT data FROM audit_log WHERE action = ? ORDER BY row_id", action)
    return [json.loads(row[0]) for row in rows]


def test_a_promise_is_kept_with_its_day_and_amount(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    command = HoldInvoice(InvoiceHold.PROMISE, until=LATER, amount="40.00", reason="Called back")
    hold = run(db, actor, hold_invoice, invoice.invoice_id, command)
    assert hold == HoldView(InvoiceHold.PROMISE, LATER, Decimal("40.00"), "Called back")
    after = invoice_now(db, actor, invoice.invoice_id)
    assert (after.hold_kind, after.hold_until, after.hold_amount, after.hold_reason) == (
        hold.kind,
        hold.until,
        hold.amount,
        hold.reason,
    )
    assert audit_of(db, "invoice.held") == [
        {
            "before": None,
            "after": {
                "kind": "promise",
                "until": "2026-03-20",
                "amount": "40.00",
                "reason": "Called back",
            },
        }
    ]


def test_another_hold_takes_the_place_of_the_first(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    run(db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PROMISE, LATER))
    dispute = HoldInvoice(InvoiceHold.DISPUTE, reason="Leaks again")
    run(db, actor, hold_invoice, invoice.invoice_id, dispute)
    after = invoice_now(db, actor, invoice.invoice_id)
    assert (after.hold_kind, after.hold_until) == (InvoiceHold.DISPUTE, None)
    assert audit_of(db, "invoice.held")[1]["before"] == {"kind": "promise", "until": "2026-03-20"}


def test_the_same_hold_again_changes_nothing(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    for _ in range(2):
        run(db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    assert len(audit_of(db, "invoice.held")) == 1


def test_a_released_invoice_has_no_hold_and_releasing_twice_is_no_error(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    run(db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE, LATER))
    for _ in range(2):
        run(db, actor, release_invoice, invoice.invoice_id)
    after = invoice_now(db, actor, invoice.invoice_id)
    assert (after.hold_kind, after.hold_until, after.hold_reason) == (None, None, None)
    assert len(audit_of(db, "invoice.released")) == 1


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (HoldInvoice(InvoiceHold.DISPUTE), "reason"),
        (HoldInvoice(InvoiceHold.DISPUTE, reason="   "), "reason"),
        (HoldInvoice(InvoiceHold.PROMISE, amount="10"), "until"),
        (HoldInvoice(InvoiceHold.PROMISE, LATER, amount="0"), "amount"),
        (HoldInvoice(InvoiceHold.PROMISE, LATER, amount="10.005"), "amount"),
        (HoldInvoice(InvoiceHold.PAUSE, LATER, amount="10"), "amount"),
        (HoldInvoice(InvoiceHold.PAUSE, date(1912, 1, 1)), "until"),
        (HoldInvoice(InvoiceHold.PAUSE, reason="x" * 501), "reason"),
    ],
)
def test_a_hold_that_says_too_little_or_too_much_is_refused(
    db: Database, actor: Actor, invoice: InvoiceView, command: HoldInvoice, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, hold_invoice, invoice.invoice_id, command)
    assert [error.field for error in refusal.value.errors] == [field]
    assert invoice_now(db, actor, invoice.invoice_id).hold_kind is None


def test_a_cancelled_invoice_takes_no_hold(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    run(db, actor, cancel_invoice, invoice.invoice_id, "Job called off")
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    assert refusal.value.code == "invoice_not_open"


def test_a_customer_is_excluded_and_released(db: Database, actor: Actor) -> None:
    customer_id = make_customer(db, actor).customer_id
    command = HoldCustomer(CustomerHold.EXCLUDE, reason="Family")
    for _ in range(2):
        hold = run(db, actor, hold_customer, customer_id, command)
    assert hold == HoldView(CustomerHold.EXCLUDE, None, None, "Family")
    assert read(db, actor, get_customer, customer_id).hold_kind is CustomerHold.EXCLUDE
    for _ in range(2):
        run(db, actor, release_customer, customer_id)
    assert read(db, actor, get_customer, customer_id).hold_kind is None
    assert len(audit_of(db, "customer.held")) == 1
    assert audit_of(db, "customer.released") == [
        {"before": {"kind": "exclude", "reason": "Family"}, "after": None}
    ]


def test_support_holds_nothing(db: Database, actor: Actor, invoice: InvoiceView) -> None:
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    pause = HoldInvoice(InvoiceHold.PAUSE)
    with pytest.raises(NotAllowed):
        run(db, support, hold_invoice, invoice.invoice_id, pause)
    with pytest.raises(NotAllowed):
        run(db, support, release_invoice, invoice.invoice_id)
    with pytest.raises(NotAllowed):
        run(db, support, hold_customer, invoice.customer_id, HoldCustomer(CustomerHold.PAUSE))
    with pytest.raises(NotAllowed):
        run(db, support, release_customer, invoice.customer_id)


def test_another_tenants_rows_cannot_be_held(
    db: Database, actor: Actor, invoice: InvoiceView
) -> None:
    stranger = actor_in(make_tenant(db, "Cool Air"))
    with pytest.raises(NotFound):
        run(db, stranger, hold_invoice, invoice.invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    with pytest.raises(NotFound):
        run(db, stranger, hold_customer, invoice.customer_id, HoldCustomer(CustomerHold.PAUSE))
    assert invoice_now(db, actor, invoice.invoice_id).hold_kind is None
