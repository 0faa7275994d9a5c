"""Invoices over HTTP: drafts, totals, sending, voiding, lists."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pypdf import PdfReader

from tests.contract.api.house import LINE, House, done, invalid, made, problem, shown

FIELDS = {
    "invoice_id", "invoice_number", "status", "customer_id", "customer_name", "issue_date",
    "due_date", "currency_code", "subtotal_amount", "tax_amount", "total_amount", "paid_amount",
    "credited_amount", "balance_due", "sent_at", "paid_at", "created_at", "notes",
    "purchase_order_number", "external_source", "external_reference_id", "line_items",
}  # fmt: skip
LINE_FIELDS = {
    "invoice_line_item_id", "line_number", "description", "quantity", "unit_price", "tax_rate",
    "line_total",
}  # fmt: skip


def _body(house: House, **fields: Any) -> dict[str, Any]:
    customer_id = house.add_customer(display_name="Hilltop", payment_terms_days=10)["customer_id"]
    return {"customer_id": customer_id, "line_items": [LINE]} | fields


def test_a_draft_has_every_field_and_owes_nothing(house: House):
    response = house.post("/api/invoices", _body(house))
    draft = made(response)
    assert draft.keys() >= FIELDS
    assert draft["line_items"][0].keys() >= LINE_FIELDS
    assert draft["invoice_number"] is None
    assert draft["status"] == "draft"
    assert draft["customer_name"] == "Hilltop"
    assert (draft["issue_date"], draft["due_date"]) == ("2026-03-04", "2026-03-14")
    assert draft["currency_code"] == "USD"
    amounts = {name: value for name, value in draft.items() if name.endswith("_amount")}
    assert amounts == {
        "subtotal_amount": "100.00",
        "tax_amount": "0.00",
        "total_amount": "100.00",
        "paid_amount": "0.00",
        "credited_amount": "0.00",
    }
    assert draft["balance_due"] == "0.00"
    assert draft["sent_at"] is draft["paid_at"] is None
    location = response.headers["location"]
    assert location == f"/api/invoices/{draft['invoice_id']}"
    assert done(house.get(location)) == draft


def test_a_draft_keeps_what_it_was_given(house: House):
    given = {
        "issue_date": "2026-01-31",
        "due_date": "2026-02-28",
        "currency_code": "EUR",
        "purchase_order_number": "PO-1",
        "notes": "Two\nlines",
        "external_source": "jobs",
        "external_reference_id": "job-1",
    }
    draft = made(house.post("/api/invoices", _body(house, **given)))
    assert {name: draft[name] for name in given} == given


def test_lines_are_rounded_half_up_once_and_tax_is_per_line(house: House):
    lines = [
        {"description": "Hours", "quantity": "1.5", "unit_price": "33.33", "tax_rate": "8.25"},
        {"description": "Nails", "quantity": "0.0001", "unit_price": "50.00"},
        {"description": "Tiles", "quantity": 3, "unit_price": 1.10, "tax_rate": 10},
    ]
    draft = made(house.post("/api/invoices", _body(house, line_items=lines)))
    # 49.995 → 50.00; 0.005 → 0.01; 3.30. Tax: 4.125 → 4.13, none, 0.33.
    assert [line["line_total"] for line in draft["line_items"]] == ["50.00", "0.01", "3.30"]
    assert [line["quantity"] for line in draft["line_items"]] == ["1.5", "0.0001", "3"]
    assert [line["tax_rate"] for line in draft["line_items"]] == ["8.25", None, "10"]
    assert draft["subtotal_amount"] == "53.31"
    assert draft["tax_amount"] == "4.46"
    assert draft["total_amount"] == "57.77"


def test_tax_may_be_one_amount_for_the_whole_invoice_but_not_both(house: House):
    draft = made(house.post("/api/invoices", _body(house, tax_amount="7.13")))
    assert draft["total_amount"] == "107.13"
    both = _body(house, tax_amount="1.00", line_items=[LINE | {"tax_rate": "5"}])
    invalid(house.post("/api/invoices", both), "tax_amount")


@pytest.mark.parametrize(
    "number", ["1.10", "1.1", "0.10", "999999999999.99", "1e2", "1.0E1", "12345678901.23"]
)
def test_a_json_number_is_exactly_what_was_written(house: House, number: str):
    customer_id = house.add_customer()["customer_id"]
    content = (
        f'{{"customer_id": "{customer_id}", "line_items": [{{"description": "x", '
        f'"quantity": 1, "unit_price": {number}}}]}}'
    )
    draft = made(house.post("/api/invoices", content=content.encode()))
    assert draft["total_amount"] == str(Decimal(number).quantize(Decimal("0.01")))


def test_yen_are_whole(house: House):
    body = _body(house, currency_code="JPY", line_items=[LINE | {"unit_price": "500"}])
    draft = made(house.post("/api/invoices", body))
    assert draft["total_amount"] == "1000"
    assert draft["balance_due"] == "0"
    body["line_items"] = [LINE | {"unit_price": "500.50"}]
    invalid(house.post("/api/invoices", body), "line_items.0.unit_price")


BAD_LINES: list[tuple[str, Any]] = [
    ("quantity", "0"),
    ("quantity", "-1"),
    ("quantity", "1.00001"),
    ("quantity", None),
    ("quantity", "two"),
    ("quantity", "1_000"),
    ("quantity", " 1"),
    ("quantity", "\u0661"),
    ("quantity", ""),
    ("quantity", True),
    ("quantity", []),
    ("quantity", "1" + "0" * 30),
    ("unit_price", "1.001"),
    ("unit_price", 1.001),
    ("unit_price", -0.01),
    ("unit_price", "1000000000000.00"),
    ("unit_price", "NaN"),
    ("unit_price", "Infinity"),
    ("unit_price", "1e2"),
    ("unit_price", "$5"),
    ("tax_rate", "-1"),
    ("tax_rate", "100.01"),
    ("tax_rate", "8.12345"),
    ("description", ""),
    ("description", None),
    ("description", "x" * 1001),
    ("description", 7),
]


@pytest.mark.parametrize(("field", "value"), BAD_LINES, ids=shown)
def test_a_bad_line_is_named_and_nothing_is_made(house: House, field: str, value: Any):
    body = _body(house, line_items=[LINE, LINE | {field: value}])
    invalid(house.post("/api/invoices", body), f"line_items.1.{field}")
    assert house.get("/api/invoices").json()["items"] == []


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400000000000000000000", "1" * 5000, "01", "+1"],
    ids=shown,
)
def test_what_is_no_json_number_is_malformed(house: House, number: str):
    content = f'{{"customer_id": "x", "line_items": [], "tax_amount": {number}}}'
    body = problem(house.post("/api/invoices", content=content.encode()), 422, "malformed_json")
    assert body["errors"][0]["field"] == "body"


@pytest.mark.parametrize(
    "number", ["1e999999", "1e-999999", "123456789012345678901234567890", "0.001", "-1"]
)
def test_a_number_beyond_all_bounds_is_refused_by_its_field(house: House, number: str):
    content = (
        f'{{"customer_id": "{uuid4()}", "tax_amount": {number}, "line_items": '
        '[{"description": "x", "quantity": 1, "unit_price": 1}]}'
    )
    invalid(house.post("/api/invoices", content=content.encode()), "tax_amount")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nope", b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe", b'{"a": "\xff"}', b"[" * 100_000],
    ids=shown,
)
def test_malformed_json_is_422(house: House, content: bytes):
    problem(house.post("/api/invoices", content=content), 422, "malformed_json")


@pytest.mark.parametrize("content", [b"null", b"[]", b'"text"', b"42", b"true"])
def test_a_body_that_is_no_object_is_422(house: House, content: bytes):
    invalid(house.post("/api/invoices", content=content), "body")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customer_id", None),
        ("customer_id", "42"),
        ("customer_id", 42),
        ("customer_id", "0199f0a27c1e7b649a412f6c1d0e8a55"),
        ("issue_date", "2026-13-01"),
        ("issue_date", "2026-02-30"),
        ("issue_date", "04/03/2026"),
        ("issue_date", "2026-03-04T00:00:00Z"),
        ("issue_date", 20260304),
        ("issue_date", "0001-01-01"),
        ("due_date", "2026-03-03"),
        ("due_date", "9999-12-31"),
        ("currency_code", "XXX"),
        ("currency_code", "usd"),
        ("currency_code", "KWD"),
        ("currency_code", ""),
        ("currency_code", 840),
        ("line_items", []),
        ("line_items", None),
        ("line_items", {}),
        ("line_items", "none"),
        ("line_items", [LINE] * 501),
        ("line_items.0", [5]),
        ("purchase_order_number", "p" * 101),
        ("notes", "n" * 4001),
        ("tax_amount", "-1.00"),
        ("tax_amount", "0.001"),
        ("external_source", "s" * 101),
    ],
    ids=shown,
)
def test_a_bad_field_of_an_invoice_is_named(house: House, field: str, value: Any):
    body = _body(house) | {field.partition(".")[0]: value}
    invalid(house.post("/api/invoices", body), field)
    assert house.get("/api/invoices").json()["items"] == []


def test_a_customer_that_is_not_there_is_a_bad_field_and_not_a_404(house: House, stranger: House):
    foreign = stranger.add_customer()["customer_id"]
    answers = []
    for unknown in (foreign, str(uuid4())):
        body = _body(house) | {"customer_id": unknown}
        answers.append(invalid(house.post("/api/invoices", body), "customer_id")["errors"])
    assert answers[0] == answers[1]


def test_five_hundred_lines_are_not_too_many(house: House):
    draft = made(house.post("/api/invoices", _body(house, line_items=[LINE] * 500)))
    assert draft["total_amount"] == "50000.00"


def test_a_total_beyond_what_is_kept_is_refused(house: House):
    line = {"description": "x", "quantity": "1", "unit_price": "999999999999.99"}
    made(house.post("/api/invoices", _body(house, line_items=[line])))
    invalid(house.post("/api/invoices", _body(house, line_items=[line, line])), "line_items")


def test_a_draft_changes_and_a_sent_invoice_does_not(house: House):
    draft = made(house.post("/api/invoices", _body(house, notes="old")))
    path = f"/api/invoices/{draft['invoice_id']}"
    lines = [LINE | {"quantity": "3"}]
    body = {"notes": None, "due_date": "2026-05-01", "line_items": lines}
    changed = done(house.call("PATCH", path, body))
    assert changed["notes"] is None
    assert changed["due_date"] == "2026-05-01"
    assert changed["total_amount"] == "150.00"
    assert changed["line_items"][0]["quantity"] == "3"
    invalid(house.call("PATCH", path, {"due_date": "2026-01-01"}), "due_date")
    invalid(house.call("PATCH", path, {"line_items": []}), "line_items")
    done(house.post(f"{path}/send"))
    problem(house.call("PATCH", path, {"notes": "new"}), 409, "invoice_not_draft")


def test_sending_gives_the_number_the_balance_and_the_instant(house: House):
    first, second = house.sent_invoice(), house.sent_invoice()
    assert first["status"] == "sent"
    assert first["balance_due"] == first["total_amount"] == "100.00"
    assert first["sent_at"] == "2026-03-04T18:00:00Z"
    assert [first["invoice_number"], second["invoice_number"]] == ["INV-000001", "INV-000002"]
    problem(house.post(f"/api/invoices/{first['invoice_id']}/send"), 409, "invoice_not_draft")


def test_a_total_of_zero_is_paid_when_it_is_sent(house: House):
    invoice = house.sent_invoice(line_items=[LINE | {"unit_price": "0"}])
    assert (invoice["status"], invoice["balance_due"]) == ("paid", "0.00")


@pytest.mark.parametrize(("verb", "status"), [("void", "void"), ("cancel", "cancelled")])
def test_a_sent_invoice_is_closed_with_a_reason_and_keeps_its_number(
    house: House, verb: str, status: str
):
    invoice = house.sent_invoice()
    path = f"/api/invoices/{invoice['invoice_id']}"
    for body in ({}, {"reason": ""}, {"reason": None}, {"reason": 5}, {"reason": "r" * 501}):
        invalid(house.post(f"{path}/{verb}", body), "reason")
    closed = done(house.post(f"{path}/{verb}", {"reason": "wrong customer"}))
    assert (closed["status"], closed["balance_due"]) == (status, "0.00")
    assert closed["invoice_number"] == invoice["invoice_number"]
    problem(house.post(f"{path}/{verb}", {"reason": "again"}), 409)


def test_a_draft_is_voided_but_not_cancelled(house: House):
    path = f"/api/invoices/{house.draft()['invoice_id']}"
    problem(house.post(f"{path}/cancel", {"reason": "no"}), 409, "illegal_transition")
    assert done(house.post(f"{path}/void", {"reason": "no"}))["status"] == "void"


@pytest.mark.parametrize("verb", ["void", "cancel"])
def test_an_invoice_with_a_payment_is_not_closed(house: House, verb: str):
    invoice = house.sent_invoice()
    house.pay(invoice, "10.00")
    response = house.post(f"/api/invoices/{invoice['invoice_id']}/{verb}", {"reason": "no"})
    problem(response, 409, "invoice_has_payments")


@pytest.mark.parametrize("verb", ["send", "void", "cancel", "pdf", "timeline"])
def test_an_unknown_invoice_is_404_for_every_verb(house: House, verb: str):
    method = "GET" if verb in ("pdf", "timeline") else "POST"
    for unknown in (str(uuid4()), "42"):
        path = f"/api/invoices/{unknown}/{verb}"
        problem(house.call(method, path, {"reason": "no"}), 404, "not_found")


def test_the_pdf_shows_the_invoice(house: House):
    invoice = house.sent_invoice()
    response = house.get(f"/api/invoices/{invoice['invoice_id']}/pdf")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == 'inline; filename="INV-000001.pdf"'
    text = PdfReader(io.BytesIO(response.content)).pages[0].extract_text()
    assert "INV-000001" in text
    assert "100.00" in text


def test_the_timeline_tells_everything_in_order(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "100.01", "invoice_id": invoice["invoice_id"]}
    problem(house.post("/api/payments", body), 422, "overpayment")
    house.post("/api/payments", body | {"amount": "100.00"}, headers={"X-Correlation-Id": "pay-1"})
    items = done(house.get(f"/api/invoices/{invoice['invoice_id']}/timeline"))["items"]
    for item in items:
        assert item.keys() >= {"at", "type", "title", "detail", "actor", "correlation_id"}
        assert item["title"]
    types = [item["type"] for item in items]
    assert types.index("invoice.created") < types.index("invoice.sent")
    assert {"payment.recorded", "payment.failed", "invoice.paid"} <= set(types)
    [paid] = [item for item in items if item["type"] == "payment.recorded"]
    assert paid["correlation_id"] == "pay-1"
    assert paid["actor"] == "api-key:admin app"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


def test_invoices_are_listed_by_every_filter(house: House):
    hilltop = house.add_customer(display_name="Hilltop", email="ap@hilltop.example")
    due = {"issue_date": "2026-03-01", "due_date": "2026-03-20"}
    mine = house.sent_invoice(
        customer_id=hilltop["customer_id"],
        external_reference_id="job-77",
        purchase_order_number="PO-4711",
        **due,
    )
    other = house.add_customer(display_name="Somebody else")["customer_id"]
    house.draft(customer_id=other, issue_date="2026-03-01", due_date="2026-04-20")
    for params in (
        {"status": "sent"},
        {"customer_id": hilltop["customer_id"]},
        {"due_before": "2026-03-20"},
        {"due_after": "2026-03-20", "due_before": "2026-03-20"},
        {"external_reference_id": "job-77"},
        {"q": "INV-000001"},
        {"q": "hillt"},
        {"q": "ap@hill"},
        {"q": "job-7"},
        {"q": "PO-47"},
        {"q": "47"},
        {"status": "sent", "customer_id": hilltop["customer_id"], "q": "hill", "limit": 1},
    ):
        items = done(house.get("/api/invoices", **params))["items"]
        assert [one["invoice_id"] for one in items] == [mine["invoice_id"]], params
        assert items[0] == mine
    assert len(done(house.get("/api/invoices", q=""))["items"]) == 2
    assert done(house.get("/api/invoices", customer_id=str(uuid4())))["items"] == []


def test_invoices_are_paged_by_key(house: House):
    customer_id = house.add_customer()["customer_id"]
    ids = [house.draft(customer_id=customer_id)["invoice_id"] for _ in range(5)]
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = done(house.get("/api/invoices", **params))
        found += [one["invoice_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ids[::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "open"),
        ("status", ""),
        ("status", "SENT"),
        ("customer_id", "42"),
        ("due_before", "soon"),
        ("due_after", "2026-02-30"),
        ("q", "q" * 201),
        ("q", "nul\x00"),
    ],
    ids=shown,
)
def test_an_unknown_filter_value_is_422(house: House, name: str, value: str):
    invalid(house.get("/api/invoices", **{name: value}), name)
