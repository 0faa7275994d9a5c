"""Payments over HTTP: applied, kept as credit, refused, reversed, queued."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.api.house import (
    House,
    attempts,
    done,
    invalid,
    made,
    problem,
    queued,
    shown,
)
from tests.factories import actor_in
from tests.provider_events import Teller

# An id that no row has; written down, so that the tests have the same names in every process.
NOBODYS = "5d0c3b1e-8a2f-4c6d-9e7b-1f2a3b4c5d6e"

FIELDS = {
    "payment_id", "customer_id", "amount", "applied_amount", "unapplied_amount", "currency_code",
    "method", "status", "received_on", "applied_at", "external_provider", "external_payment_id",
    "note", "correlation_id", "created_at", "allocations", "refunded_amount", "disputed_amount",
    "reversed_amount",
}  # fmt: skip


def test_a_payment_has_every_field_and_lowers_the_balance(house: House):
    invoice = house.sent_invoice()
    response = house.post(
        "/api/payments",
        {
            "amount": "40.00",
            "invoice_id": invoice["invoice_id"],
            "method": "external",
            "external_provider": "stripe",
            "external_payment_id": "pi_1",
            "received_on": "2026-03-02",
            "note": "Check\n1182",
        },
        headers={"X-Correlation-Id": "job-42"},
    )
    payment = made(response)
    assert payment.keys() >= FIELDS
    assert payment["customer_id"] == invoice["customer_id"]
    assert (payment["amount"], payment["applied_amount"]) == ("40.00", "40.00")
    assert payment["unapplied_amount"] == "0.00"
    assert payment["currency_code"] == "USD"
    assert (payment["method"], payment["status"]) == ("external", "succeeded")
    assert payment["received_on"] == "2026-03-02"
    assert payment["applied_at"] == payment["created_at"] == "2026-03-04T18:00:00Z"
    assert payment["external_provider"] == "stripe"
    assert payment["external_payment_id"] == "pi_1"
    assert payment["note"] == "Check\n1182"
    assert payment["correlation_id"] == "job-42"
    assert payment["allocations"] == [
        {
            "invoice_id": invoice["invoice_id"],
            "invoice_number": invoice["invoice_number"],
            "amount": "40.00",
        }
    ]
    assert response.headers["location"] == f"/api/payments/{payment['payment_id']}"
    assert done(house.get(response.headers["location"])) == payment
    after = house.invoice(invoice["invoice_id"])
    assert (after["paid_amount"], after["balance_due"], after["status"]) == (
        "40.00",
        "60.00",
        "sent",
    )


def test_the_last_cent_makes_the_invoice_paid(house: House):
    invoice = house.sent_invoice()
    house.pay(invoice, "99.99")
    house.pay(invoice, "0.01")
    after = house.invoice(invoice["invoice_id"])
    assert (after["status"], after["balance_due"]) == ("paid", "0.00")
    assert after["paid_at"] == "2026-03-04T18:00:00Z"


@pytest.mark.parametrize("amount", ["100.01", "1000000"])
def test_more_than_the_balance_is_refused_and_only_the_attempt_is_kept(house: House, amount: str):
    invoice = house.sent_invoice()
    body = {"amount": amount, "invoice_id": invoice["invoice_id"]}
    told = problem(house.post("/api/payments", body), 422, "overpayment")
    assert told["balance_due"] == "100.00"
    assert house.get("/api/payments").json()["items"] == []
    assert house.invoice(invoice["invoice_id"])["balance_due"] == "100.00"
    assert attempts(house) == [("failed", "overpayment")]


def test_more_than_the_balance_is_kept_as_credit_when_asked_and_applied_later(house: House):
    invoice = house.sent_invoice()
    payment = house.pay(invoice, "130.00", keep_excess_as_credit=True)
    assert (payment["applied_amount"], payment["unapplied_amount"]) == ("100.00", "30.00")
    later = house.sent_invoice(customer_id=invoice["customer_id"])
    path = f"/api/payments/{payment['payment_id']}/allocations"
    share = {"invoice_id": later["invoice_id"], "amount": "20.00"}
    applied = done(house.post(path, {"allocations": [share]}))
    assert (applied["applied_amount"], applied["unapplied_amount"]) == ("120.00", "10.00")
    assert [part["amount"] for part in applied["allocations"]] == ["100.00", "20.00"]
    problem(house.post(path, {"allocations": [share]}), 422, "insufficient_credit")
    rest = done(house.post(path, {}))
    assert rest["unapplied_amount"] == "0.00"
    assert house.invoice(later["invoice_id"])["balance_due"] == "70.00"


def test_without_allocations_an_exact_match_wins_else_the_oldest_due(house: House):
    customer_id = house.add_customer()["customer_id"]
    for day, price in (("2026-03-20", "10"), ("2026-03-10", "20"), ("2026-03-30", "30")):
        house.sent_invoice(
            customer_id=customer_id,
            issue_date="2026-03-01",
            due_date=day,
            line_items=[{"description": "x", "quantity": 1, "unit_price": price}],
        )
    exact = made(house.post("/api/payments", {"amount": "30", "customer_id": customer_id}))
    assert [part["amount"] for part in exact["allocations"]] == ["30.00"]
    spread = made(house.post("/api/payments", {"amount": 25, "customer_id": customer_id}))
    assert [part["amount"] for part in spread["allocations"]] == ["20.00", "5.00"]
    credit = made(
        house.post(
            "/api/payments", {"amount": "5.00", "customer_id": customer_id, "allocations": []}
        )
    )
    assert (credit["allocations"], credit["unapplied_amount"]) == ([], "5.00")
    assert credit["applied_at"] is None


def test_allocations_share_the_money_as_asked(house: House):
    first = house.sent_invoice()
    second = house.sent_invoice(customer_id=first["customer_id"])
    body: dict[str, Any] = {
        "amount": "50.00",
        "customer_id": first["customer_id"],
        "allocations": [
            {"invoice_id": first["invoice_id"], "amount": "20.00"},
            {"invoice_id": second["invoice_id"], "amount": "25.00"},
        ],
    }
    payment = made(house.post("/api/payments", body))
    assert (payment["applied_amount"], payment["unapplied_amount"]) == ("45.00", "5.00")
    body["allocations"][1]["amount"] = "30.01"
    problem(house.post("/api/payments", body), 422, "allocations_exceed_amount")


def test_only_an_open_invoice_takes_money(house: House):
    closed = {
        "draft": house.draft(),
        "paid": house.sent_invoice(),
        "void": house.sent_invoice(),
        "cancelled": house.sent_invoice(),
    }
    house.pay(closed["paid"], "100.00")
    for verb, state in (("void", "void"), ("cancel", "cancelled")):
        path = f"/api/invoices/{closed[state]['invoice_id']}/{verb}"
        done(house.post(path, {"reason": "no"}))
    for state, invoice in closed.items():
        body = {"amount": "1.00", "invoice_id": invoice["invoice_id"]}
        told = problem(house.post("/api/payments", body), 409, "invoice_not_open")
        assert state in told["detail"]


def test_another_currency_is_refused(house: House):
    invoice = house.sent_invoice(currency_code="EUR")
    body = {"amount": "1.00", "invoice_id": invoice["invoice_id"], "currency_code": "USD"}
    problem(house.post("/api/payments", body), 422, "currency_mismatch")
    assert house.pay(invoice, "1.00")["currency_code"] == "EUR"


def test_a_payment_of_a_provider_is_taken_once_for_ever(house: House):
    invoice = house.sent_invoice()
    external = {"external_provider": "stripe", "external_payment_id": "pi_1"}
    first = house.pay(invoice, "10.00", **external)
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]} | external
    told = problem(house.post("/api/payments", body), 409, "duplicate_external_payment")
    assert told["payment_id"] == first["payment_id"]
    assert first["payment_id"] in told["detail"]
    done(house.post(f"/api/payments/{first['payment_id']}/reverse", {"reason": "bounced"}))
    problem(house.post("/api/payments", body), 409, "duplicate_external_payment")
    house.pay(invoice, "10.00", external_provider="adyen", external_payment_id="pi_1")


def test_a_payment_says_what_a_provider_took_of_it(house: House):
    invoice = house.sent_invoice()
    stripe = Teller(house.services.db, actor_in(house.tenant_id))
    stripe.refunded("15.00")  # told before the payment is here
    payment = house.pay(invoice, "100.00", external_provider="stripe", external_payment_id="pi_1")
    stripe.disputed("30.00")
    path = f"/api/payments/{payment['payment_id']}"
    for taken, disputed, applied in ((payment, "0.00", "85.00"), (None, "30.00", "55.00")):
        now = taken or done(house.get(path))
        assert (now["amount"], now["refunded_amount"]) == ("100.00", "15.00")
        assert (now["disputed_amount"], now["applied_amount"]) == (disputed, applied)
    stripe.closed(won=False)
    stripe.refunded("70.00")
    gone = done(house.get(path))
    assert (gone["status"], gone["allocations"]) == ("reversed", [])
    assert (gone["applied_amount"], gone["unapplied_amount"]) == ("0.00", "0.00")
    assert house.invoice(invoice["invoice_id"])["balance_due"] == "100.00"


def test_a_reversed_payment_opens_its_invoice_again(house: House):
    invoice = house.sent_invoice()
    payment = house.pay(invoice, "100.00")
    path = f"/api/payments/{payment['payment_id']}/reverse"
    invalid(house.post(path, {}), "reason")
    reversed_ = done(house.post(path, {"reason": "bounced"}))
    assert reversed_["status"] == "reversed"
    assert (reversed_["applied_amount"], reversed_["unapplied_amount"]) == ("0.00", "0.00")
    assert (reversed_["amount"], reversed_["reversed_amount"]) == ("100.00", "100.00")
    after = house.invoice(invoice["invoice_id"])
    assert (after["status"], after["balance_due"], after["paid_at"]) == ("sent", "100.00", None)
    problem(house.post(path, {"reason": "again"}), 409, "payment_not_reversible")
    problem(
        house.post(f"/api/payments/{payment['payment_id']}/allocations", {}),
        409,
        "payment_not_applicable",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", None),
        ("amount", "0"),
        ("amount", "0.00"),
        ("amount", "-1.00"),
        ("amount", "0.001"),
        ("amount", 0.001),
        ("amount", "1e2"),
        ("amount", "NaN"),
        ("amount", "1,000.00"),
        ("amount", "1000000000000.00"),
        ("amount", True),
        ("amount", {}),
        ("currency_code", "ZZZ"),
        ("currency_code", "JOD"),
        ("currency_code", ""),
        ("method", "cash"),
        ("method", None),
        ("invoice_id", "42"),
        ("invoice_id", NOBODYS),
        ("customer_id", NOBODYS),
        ("keep_excess_as_credit", "yes"),
        ("keep_excess_as_credit", 1),
        ("received_on", "2026-03-05"),
        ("received_on", "yesterday"),
        ("note", "n" * 1001),
        ("note", 5),
        ("external_provider", "p" * 51),
        ("external_payment_id", "p" * 201),
        ("allocations", [{"invoice_id": NOBODYS, "amount": "1.00"}]),
        ("allocations", "all"),
    ],
    ids=shown,
)
def test_a_bad_field_of_a_payment_is_named_and_no_attempt_is_kept(
    house: House, field: str, value: Any
):
    invoice = house.sent_invoice()
    body = {"amount": "1.00", "invoice_id": invoice["invoice_id"], "external_provider": "p"}
    invalid(house.post("/api/payments", body | {field: value}), field)
    assert attempts(house) == []


@pytest.mark.parametrize(
    ("allocation", "field"),
    [
        ({"amount": "1.00"}, "invoice_id"),
        ({"invoice_id": NOBODYS, "amount": "1.00"}, "invoice_id"),
        ({"invoice_id": "42", "amount": "1.00"}, "invoice_id"),
        ({"amount": "0", "invoice_id": NOBODYS}, "amount"),
        ({"amount": "0.001", "invoice_id": NOBODYS}, "amount"),
    ],
    ids=shown,
)
def test_a_bad_allocation_is_named(house: House, allocation: dict[str, Any], field: str):
    invoice = house.sent_invoice()
    body = {
        "amount": "5.00",
        "customer_id": invoice["customer_id"],
        "allocations": [{"invoice_id": invoice["invoice_id"], "amount": "1.00"}, allocation],
    }
    invalid(house.post("/api/payments", body), f"allocations.1.{field}")


def test_a_payment_is_for_an_invoice_or_from_a_customer(house: House):
    for headers in ({}, {"Prefer": "respond-async"}):
        response = house.post("/api/payments", {"amount": "1.00"}, headers=headers)
        invalid(response, "invoice_id")


def test_an_invoice_of_another_customer_is_a_bad_field(house: House):
    mine, theirs = house.sent_invoice(), house.sent_invoice()
    share = {"invoice_id": theirs["invoice_id"], "amount": "1.00"}
    body = {"amount": "1.00", "customer_id": mine["customer_id"], "allocations": [share]}
    invalid(house.post("/api/payments", body), "allocations.0.invoice_id")


def test_payments_are_listed_by_every_filter(house: House):
    invoice = house.sent_invoice()
    mine = house.pay(invoice, "10.00")
    other = house.pay(house.sent_invoice(), "10.00")
    done(house.post(f"/api/payments/{other['payment_id']}/reverse", {"reason": "bounced"}))
    for params in (
        {"customer_id": invoice["customer_id"]},
        {"invoice_id": invoice["invoice_id"]},
        {"status": "succeeded"},
        {"status": "succeeded", "invoice_id": invoice["invoice_id"], "limit": 1},
    ):
        assert done(house.get("/api/payments", **params))["items"] == [mine], params
    assert len(done(house.get("/api/payments"))["items"]) == 2
    first = done(house.get("/api/payments", limit=1))
    second = done(house.get("/api/payments", limit=1, cursor=first["next_cursor"]))
    assert [one["payment_id"] for one in first["items"] + second["items"]] == [
        other["payment_id"],
        mine["payment_id"],
    ]
    for name, value in (("status", "done"), ("invoice_id", "42"), ("customer_id", "")):
        invalid(house.get("/api/payments", **{name: value}), name)


@pytest.mark.parametrize(
    "prefer",
    ["respond-async", "respond-async, wait=10", "wait=1; x, Respond-Async", "a,respond-async"],
)
def test_who_prefers_not_to_wait_is_told_that_it_is_queued(house: House, prefer: str):
    invoice = house.sent_invoice()
    body = {"amount": 40.10, "invoice_id": invoice["invoice_id"], "note": "later"}
    response = house.post(
        "/api/payments", body, headers={"Prefer": prefer, "X-Correlation-Id": "later-1"}
    )
    assert response.status_code == 202
    assert response.json() == {"status": "queued", "correlation_id": "later-1"}
    assert house.get("/api/payments").json()["items"] == []
    kind, envelope = queued(house)[-1]
    assert kind == "payment.apply"
    assert '"amount":"40.10"' in envelope
    assert '"correlation_id":"later-1"' in envelope


@pytest.mark.parametrize("prefer", ["respond-asynchronously", "wait=5", "no-respond-async", ""])
def test_any_other_preference_is_ignored(house: House, prefer: str):
    body = {"amount": "1.00", "invoice_id": house.sent_invoice()["invoice_id"]}
    made(house.post("/api/payments", body, headers={"Prefer": prefer}))


def test_what_is_queued_names_rows_that_are_there(house: House, stranger: House):
    foreign = stranger.sent_invoice()
    headers = {"Prefer": "respond-async"}
    for field, unknown in (
        ("invoice_id", foreign["invoice_id"]),
        ("customer_id", foreign["customer_id"]),
        ("invoice_id", NOBODYS),
    ):
        body = {"amount": "1.00", field: unknown}
        invalid(house.post("/api/payments", body, headers=headers), field)
    assert "payment.apply" not in [kind for kind, _ in queued(house)]


def test_a_payment_that_is_not_there_is_404(house: House):
    for unknown in (str(uuid4()), "42"):
        problem(house.call("GET", f"/api/payments/{unknown}"), 404, "not_found")
        path = f"/api/payments/{unknown}/reverse"
        problem(house.post(path, {"reason": "no"}), 404, "not_found")
        problem(house.post(f"/api/payments/{unknown}/allocations", {}), 404, "not_found")
