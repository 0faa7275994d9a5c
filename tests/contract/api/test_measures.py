"""The measures over HTTP."""

from __future__ import annotations

import pytest

from backend.reporting.dso import DSO_FORMULA
from backend.reporting.promise_rate import PROMISE_FORMULA
from backend.reporting.recovery import RECOVERY_FORMULA
from tests.contract.api.house import House, done, invalid


def test_recovered_money_with_the_rows_that_make_it(house: House):
    invoice = house.sent_invoice()
    payment = house.pay(invoice, "40.00")
    found = done(house.get("/api/reports/recovery", since="2026-03-01", until="2026-03-31"))
    [row] = found.pop("items")
    total = {"currency_code": "USD", "amount": "40.00", "payment_count": 1}
    assert found == {
        "since": "2026-03-01",
        "until": "2026-03-31",
        "formula": RECOVERY_FORMULA,
        "totals": [total | {"after_reminder": "0.00"}],
        "steps": [
            total
            | {
                "days_after_due": None,
                "template_key": None,
                "median_days": None,
                "mean_days": None,
            }
        ],
        "next_cursor": None,
    }
    assert (row["payment_id"], row["amount"]) == (payment["payment_id"], "40.00")
    assert row["invoice_id"] == invoice["invoice_id"]
    assert (row["paid_on"], row["reminded_on"], row["days"]) == ("2026-03-04", None, None)
    assert len(done(house.get("/api/reports/recovery", step="none"))["items"]) == 1
    assert done(house.get("/api/reports/recovery", step="3"))["items"] == []
    assert done(house.get("/api/reports/recovery", currency_code="EUR"))["items"] == []


def test_the_rate_of_promises(house: House):
    invoice = house.sent_invoice()
    promise = {"kind": "promise", "until": "2026-03-10", "amount": "30.00"}
    done(house.call("PUT", f"/api/invoices/{invoice['invoice_id']}/hold", promise))
    assert done(house.get("/api/reports/promises")) == {
        "since": "2025-12-05",
        "until": "2026-03-04",
        "formula": PROMISE_FORMULA,
        "kept_count": 0,
        "broken_count": 0,
        "rate": None,
        "currencies": [],
        "items": [],
        "next_cursor": None,
    }


def test_days_sales_outstanding_with_the_months_counted(house: House):
    invoice = house.sent_invoice()
    house.pay(invoice, "25.00")
    assert done(house.get("/api/reports/dso")) == {
        "as_of": "2026-03-04",
        "formula": DSO_FORMULA,
        "currencies": [
            {
                "currency_code": "USD",
                "days": "3.0",
                "receivable_amount": "75.00",
                "uncounted_amount": "0.00",
                "months": [
                    {
                        "begins_on": "2026-03-01",
                        "days": 4,
                        "sales_amount": "100.00",
                        "counted_amount": "75.00",
                        "counted_days": "3.0",
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("measure", ["recovery", "promises"])
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "2026-03-02", "until": "2026-03-01"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-30"}, "until"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "AAAAAAAAAAAAAAAAAAAAAA"}, "cursor"),
    ],
)
def test_a_bad_question_is_422_with_its_field(
    house: House, measure: str, asked: dict[str, str], field: str
):
    invalid(house.get(f"/api/reports/{measure}", **asked), field)


def test_a_step_that_is_none_and_a_day_to_come_are_refused(house: House):
    for step in ("-1", "third", "99999", ""):
        invalid(house.get("/api/reports/recovery", step=step), "step")
    invalid(house.get("/api/reports/dso", as_of="2026-03-05"), "as_of")
