"""The same key and request: the same answer, byte for byte, and one effect."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from backend.api.calls import Call
from backend.customers.service import CreateCustomer, create_customer
from backend.errors import Refused, StateConflict
from backend.idempotency import Answer
from backend.unit_of_work import UnitOfWork
from tests.contract.api.house import (
    LINE,
    House,
    at_once,
    attempts,
    done,
    invalid,
    made,
    problem,
    shown,
)
from tests.factories import actor_in

MOVES_MONEY = [
    "/api/payments",
    "/api/payments/{id}/reverse",
    "/api/payments/{id}/allocations",
]


@pytest.mark.parametrize("path", MOVES_MONEY)
def test_where_money_moves_a_key_is_required_before_the_body_is_read(house: House, path: str):
    address = path.replace("{id}", str(uuid4()))
    response = house.client.request(
        "POST", address, content=b"{not json", headers=house.headers | {"Content-Type": "x/y"}
    )
    problem(response, 400, "idempotency_key_missing")


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\there", b"\xc2\x85", "del\x7f"], ids=shown)
@pytest.mark.parametrize("path", ["/api/payments", "/api/customers"])
def test_a_malformed_key_is_400_on_every_post(house: House, path: str, key: str | bytes):
    response = house.post(path, {}, headers={"Idempotency-Key": key})
    problem(response, 400, "malformed_idempotency_key")


@pytest.mark.parametrize(
    "key", ["a", "a" * 255, "with space", "!~", "schlüssel".encode()], ids=shown
)
def test_every_printable_key_is_taken(house: House, key: str | bytes):
    headers = {"Idempotency-Key": key}
    first = house.post("/api/customers", {"display_name": "A"}, headers=headers)
    again = house.post("/api/customers", {"display_name": "A"}, headers=headers)
    assert made(first) == made(again)


def _replayed(first: Any, again: Any) -> None:
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert again.headers.get("location") == first.headers.get("location")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


def test_a_payment_is_replayed_and_paid_once(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]}
    key = uuid4().hex
    first = house.post("/api/payments", body, key=key, headers={"X-Correlation-Id": "first"})
    again = house.post("/api/payments", body, key=key, headers={"X-Correlation-Id": "again"})
    _replayed(first, again)
    assert again.headers["x-correlation-id"] == "again"
    assert house.invoice(invoice["invoice_id"])["paid_amount"] == "10.00"


def test_every_post_honours_a_key(house: House):
    customer = house.add_customer()
    draft, sent, unwanted = house.draft(), house.sent_invoice(), house.sent_invoice()
    payment = house.pay(house.sent_invoice(), "150.00", keep_excess_as_credit=True)
    bounced = house.pay(house.sent_invoice(), "10.00")
    plan = {
        "name": "P",
        "steps": [{"days_after_due": 1, "template_key": "friendly_reminder"}],
    }
    posts: list[tuple[str, Any]] = [
        ("/api/customers", {"display_name": "A"}),
        ("/api/invoices", {"customer_id": customer["customer_id"], "line_items": [LINE]}),
        (f"/api/invoices/{draft['invoice_id']}/send", None),
        (f"/api/invoices/{sent['invoice_id']}/void", {"reason": "no"}),
        (f"/api/invoices/{unwanted['invoice_id']}/cancel", {"reason": "no"}),
        ("/api/payments", {"amount": "1.00", "customer_id": customer["customer_id"]}),
        (f"/api/payments/{payment['payment_id']}/allocations", {"allocations": []}),
        (f"/api/payments/{bounced['payment_id']}/reverse", {"reason": "no"}),
        ("/api/dunning/run", {}),
        ("/api/dunning/plans", plan),
    ]
    for path, body in posts:
        key = uuid4().hex
        first = house.post(path, body, key=key)
        assert first.status_code in (200, 201, 202), (path, first.text)
        _replayed(first, house.post(path, body, key=key))


def test_the_same_key_with_another_body_is_422(house: House):
    invoice = house.sent_invoice()
    key = uuid4().hex
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]}
    made(house.post("/api/payments", body, key=key))
    for other in ({"amount": "10.01"}, {"note": "x"}, {"received_on": "2026-03-01"}):
        response = house.post("/api/payments", body | other, key=key)
        problem(response, 422, "idempotency_key_reused")
    assert house.invoice(invoice["invoice_id"])["paid_amount"] == "10.00"


def test_the_same_body_written_otherwise_is_the_same_request(house: House):
    invoice_id = house.sent_invoice()["invoice_id"]
    key = uuid4().hex
    first = house.post(
        "/api/payments",
        content=f'{{"amount": 10.10, "invoice_id": "{invoice_id}"}}'.encode(),
        key=key,
    )
    again = house.post(
        "/api/payments",
        content=f'{{\n"invoice_id": "{invoice_id.upper()}", "x": 1, "amount": "10.1"}}'.encode(),
        key=key,
    )
    _replayed(first, again)


def test_a_key_belongs_to_its_operation_its_row_and_its_tenant(house: House, stranger: House):
    key = uuid4().hex
    body = {"reason": "no"}
    paths = [f"/api/invoices/{house.sent_invoice()['invoice_id']}/void" for _ in range(2)]
    for path in paths:
        assert done(house.post(path, body, key=key))["status"] == "void"
    made(house.post("/api/customers", {"display_name": "A"}, key=key))
    theirs = made(stranger.post("/api/customers", {"display_name": "B"}, key=key))
    assert theirs["display_name"] == "B"


def test_what_the_rules_refused_is_replayed_even_when_they_would_now_agree(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "150.00", "invoice_id": invoice["invoice_id"]}
    key = uuid4().hex
    first = house.post("/api/payments", body, key=key)
    problem(first, 422, "overpayment")
    _replayed(first, house.post("/api/payments", body, key=key))

    draft = house.draft()
    path = f"/api/invoices/{draft['invoice_id']}/cancel"
    early = house.post(path, {"reason": "no"}, key=key)
    problem(early, 409, "illegal_transition")
    done(house.post(f"/api/invoices/{draft['invoice_id']}/send"))
    _replayed(early, house.post(path, {"reason": "no"}, key=key))
    assert house.invoice(draft["invoice_id"])["status"] == "sent"


def test_a_refused_attempt_is_kept_once_however_often_it_is_sent(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "150.00", "invoice_id": invoice["invoice_id"]}
    key = uuid4().hex
    for _ in range(3):
        house.post("/api/payments", body, key=key)
    assert attempts(house) == [("failed", "overpayment")]


def test_a_refusal_undoes_what_was_written_before_it_and_is_kept(house: House):
    call = Call(
        {"type": "http", "path": "/x", "headers": []},
        house.services,
        actor_in(house.tenant_id),
        operation="POST /x",
        idempotency_key="once",
    )

    def write_and_refuse(work: UnitOfWork) -> Answer:
        create_customer(work, CreateCustomer("Never"))
        raise StateConflict("Too late.", code="too_late")

    first = asyncio.run(call.write(write_and_refuse))
    again = asyncio.run(call.write(write_and_refuse))
    assert (first.status, again.status) == (409, 409)
    assert first.body == again.body
    assert (b"idempotent-replayed", b"true") in again.headers
    assert house.get("/api/customers").json()["items"] == []


def test_a_refusal_that_is_returned_keeps_what_was_written_about_it(house: House):
    call = Call(
        {"type": "http", "path": "/x", "headers": []},
        house.services,
        actor_in(house.tenant_id),
        operation="POST /x",
        idempotency_key="once",
    )

    def write_and_return(work: UnitOfWork) -> Refused:
        create_customer(work, CreateCustomer("Kept"))
        return StateConflict("Too late.", code="too_late")

    for _ in range(2):
        assert asyncio.run(call.write(write_and_return)).status == 409
    assert len(house.get("/api/customers").json()["items"]) == 1


def test_invalid_input_and_what_is_not_there_are_not_kept(house: House):
    key = uuid4().hex
    invalid(house.post("/api/customers", {"display_name": ""}, key=key), "display_name")
    invalid(house.post("/api/customers", {}, key=key), "display_name")
    made(house.post("/api/customers", {"display_name": "A"}, key=key))
    unknown = house.post("/api/payments", {"amount": "1", "invoice_id": str(uuid4())}, key=key)
    invalid(unknown, "invoice_id")
    house.pay(house.sent_invoice(), "1.00")
    path = f"/api/payments/{uuid4()}/reverse"
    for _ in range(2):
        response = house.post(path, {"reason": "no"}, key=key)
        problem(response, 404)
        assert "idempotent-replayed" not in response.headers


def test_an_asynchronous_payment_replays_its_202_whatever_is_preferred_then(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]}
    key = uuid4().hex
    first = house.post("/api/payments", body, key=key, headers={"Prefer": "respond-async"})
    assert first.status_code == 202
    _replayed(first, house.post("/api/payments", body, key=key))
    assert house.get("/api/payments").json()["items"] == []


def test_thirty_threads_paying_ten_cents_on_one_dollar_are_accepted_ten_times(house: House):
    line = {"description": "x", "quantity": 1, "unit_price": "1.00"}
    invoice = house.sent_invoice(line_items=[line])
    body = {"amount": "0.10", "invoice_id": invoice["invoice_id"]}
    answers = at_once(30, lambda _: house.post("/api/payments", body))
    accepted = [one for one in answers if one.status_code == 201]
    assert len(accepted) == 10
    codes = {one.json()["code"] for one in answers if one.status_code != 201}
    assert codes <= {"overpayment", "invoice_not_open"}
    after = house.invoice(invoice["invoice_id"])
    assert (after["status"], after["balance_due"], after["paid_amount"]) == ("paid", "0.00", "1.00")
    assert len(house.get("/api/payments", limit=100).json()["items"]) == 10


def test_thirty_threads_with_one_key_make_one_payment_and_get_the_same_bytes(house: House):
    invoice = house.sent_invoice()
    body = {"amount": "0.10", "invoice_id": invoice["invoice_id"]}
    key = uuid4().hex
    answers = at_once(30, lambda _: house.post("/api/payments", body, key=key))
    assert {one.status_code for one in answers} == {201}
    assert len({one.content for one in answers}) == 1
    assert sum("idempotent-replayed" in one.headers for one in answers) == 29
    assert house.invoice(invoice["invoice_id"])["paid_amount"] == "0.10"


def test_twenty_invoices_sent_at_once_get_twenty_numbers_in_a_row(house: House):
    customer_id = house.add_customer()["customer_id"]
    drafts = [house.draft(customer_id=customer_id)["invoice_id"] for _ in range(20)]
    answers = at_once(20, lambda n: house.post(f"/api/invoices/{drafts[n]}/send"))
    numbers = sorted(done(one)["invoice_number"] for one in answers)
    assert numbers == [f"INV-{n:06d}" for n in range(1, 21)]


def test_one_invoice_sent_twenty_times_at_once_is_sent_once(house: House):
    path = f"/api/invoices/{house.draft()['invoice_id']}/send"
    answers = at_once(20, lambda _: house.post(path))
    assert sorted(one.status_code for one in answers) == [200] + [409] * 19
    assert house.sent_invoice()["invoice_number"] == "INV-000002"
