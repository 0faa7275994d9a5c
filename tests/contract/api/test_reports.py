"""Reports over HTTP: the summary and the aging."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.api.house import House, done, invalid, problem, shown

SUMS = {
    "current", "days_1_30", "days_31_60", "days_61_90", "days_over_90", "unapplied", "outstanding",
    "disputed",
}  # fmt: skip


def _books(house: House) -> dict[str, Any]:
    """100.00 overdue since January with 30.00 paid, 100.00 not due, 5.00 of credit."""
    customer_id = house.add_customer()["customer_id"]
    old = house.sent_invoice(
        customer_id=customer_id,
        issue_date="2026-01-01",
        due_date="2026-01-20",
        external_reference_id="job-1",
    )
    house.sent_invoice(customer_id=customer_id)
    house.pay(old, "30.00", received_on="2026-03-04")
    body = {"amount": "5.00", "customer_id": customer_id, "allocations": []}
    assert house.post("/api/payments", body).status_code == 201
    return old


def test_the_summary_is_of_all_of_a_customer_or_of_a_reference(house: House):
    old = _books(house)
    house.sent_invoice(currency_code="JPY")
    yen, dollars = done(house.get("/api/billing-summary"))["currencies"]
    assert yen == {
        "currency_code": "JPY",
        "open_amount": "100",
        "overdue_amount": "0",
        "paid_amount": "0",
        "unapplied_amount": "0",
        "outstanding_amount": "100",
        "open_invoice_count": 1,
    }
    expected = {
        "currency_code": "USD",
        "open_amount": "170.00",
        "overdue_amount": "70.00",
        "paid_amount": "30.00",
        "unapplied_amount": "5.00",
        "outstanding_amount": "165.00",
        "open_invoice_count": 2,
    }
    assert dollars == expected
    of_customer = done(house.get("/api/billing-summary", customer_id=old["customer_id"]))
    assert of_customer == {"currencies": [expected]}
    [of_job] = done(house.get("/api/billing-summary", external_reference_id="job-1"))["currencies"]
    assert (of_job["open_amount"], of_job["paid_amount"]) == ("70.00", "30.00")
    assert (of_job["unapplied_amount"], of_job["open_invoice_count"]) == ("0.00", 1)
    nothing = done(house.get("/api/billing-summary", external_reference_id="job-2"))
    assert nothing == {"currencies": []}


def test_a_summary_of_nobody_is_404_and_of_no_id_422(house: House, stranger: House):
    foreign = stranger.add_customer()["customer_id"]
    for unknown in (foreign, str(uuid4())):
        problem(house.get("/api/billing-summary", customer_id=unknown), 404, "not_found")
    invalid(house.get("/api/billing-summary", customer_id="42"), "customer_id")


def test_the_aging_is_per_customer_and_in_total(house: House):
    old = _books(house)
    aging = done(house.get("/api/reports/aging"))
    assert aging["as_of"] == "2026-03-04"
    [dollars] = aging["currencies"]
    assert dollars["currency_code"] == "USD"
    assert dollars["totals"].keys() == SUMS
    expected = {
        "current": "100.00",
        "days_1_30": "0.00",
        "days_31_60": "70.00",
        "days_61_90": "0.00",
        "days_over_90": "0.00",
        "unapplied": "5.00",
        "outstanding": "165.00",
        "disputed": "0.00",
    }
    assert dollars["totals"] == expected
    named = {"customer_id": old["customer_id"], "customer_name": "Hilltop Apartments"}
    assert dollars["customers"] == [named | expected]


def test_the_aging_of_an_earlier_day_is_what_it_was_then(house: House):
    _books(house)
    assert done(house.get("/api/reports/aging", as_of="2025-12-31")) == {
        "as_of": "2025-12-31",
        "currencies": [],
    }
    for as_of in ("2026-03-05", "9999-12-31", "soon", ""):
        invalid(house.get("/api/reports/aging", as_of=as_of), "as_of")


def test_the_trace_of_a_correlation_id_goes_from_the_request_to_the_rows(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]}
    response = house.post("/api/payments", body, headers={"X-Correlation-Id": "job:42"})
    payment = response.json()
    for wanted in ("job:42", payment["payment_id"], invoice["invoice_id"]):
        items = done(house.get(f"/api/trace/{wanted}"))["items"]
        for item in items:
            assert item.keys() >= {"at", "type", "title", "detail", "actor", "correlation_id"}
        assert "payment.recorded" in {item["type"] for item in items}, wanted
        assert [item["at"] for item in items] == sorted(item["at"] for item in items)


@pytest.mark.parametrize("unknown", ["42", "%00", "a" * 500, "%C3%A9", "x%20y"], ids=shown)
def test_the_trace_of_an_unknown_id_is_404(house: House, unknown: str):
    problem(house.call("GET", f"/api/trace/{unknown}"), 404, "not_found")
