"""Contacts and the worklist over HTTP."""

from __future__ import annotations

from typing import Any, get_args
from uuid import uuid4

import pytest

from backend.actor import Role
from backend.api.schemas.contacts import Outcome, ReasonCounts, WorklistReason
from backend.dunning.models import ContactOutcome
from backend.reporting.worklist import Reason
from tests.contract.api.house import House, done, invalid, made, problem

CALL = {"kind": "call", "outcome": "left_message", "note": "Back on Monday."}


def _late(house: House, **fields: Any) -> str:
    customer_id: str = house.add_customer(**fields)["customer_id"]
    house.sent_invoice(customer_id=customer_id, issue_date="2026-01-01", due_date="2026-02-02")
    return customer_id


def test_a_contact_is_logged_and_listed(house: House):
    customer_id = house.add_customer()["customer_id"]
    path = f"/api/customers/{customer_id}/contacts"
    first = made(house.post(path, CALL | {"next_on": "2026-03-09"}))
    assert first == {
        "contact_id": first["contact_id"],
        "customer_id": customer_id,
        "invoice_id": None,
        "invoice_number": None,
        "kind": "call",
        "outcome": "left_message",
        "note": "Back on Monday.",
        "next_on": "2026-03-09",
        "created_by": "api-key:admin app",
        "created_at": "2026-03-04T18:00:00Z",
        "correlation_id": first["correlation_id"],
    }
    second = made(house.post(path, {"kind": "note", "note": "Moved"}))
    page = done(house.get(path, limit=1))
    assert page["items"] == [second]
    assert done(house.get(path, cursor=page["next_cursor"]))["items"] == [first]


def test_the_same_key_logs_one_contact(house: House):
    path = f"/api/customers/{house.add_customer()['customer_id']}/contacts"
    assert made(house.post(path, CALL, key="k")) == made(house.post(path, CALL, key="k"))
    assert len(done(house.get(path))["items"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "visit"}, "kind"),
        ({"kind": "call"}, "outcome"),
        ({"kind": "call", "outcome": "bribed"}, "outcome"),
        ({"kind": "note"}, "note"),
        ({"kind": "note", "note": 5}, "note"),
        (CALL | {"next_on": "2026-03-03"}, "next_on"),
        (CALL | {"next_on": "soon"}, "next_on"),
        (CALL | {"invoice_id": str(uuid4())}, "invoice_id"),
        (CALL | {"note": "x" * 2001}, "note"),
    ],
)
def test_a_bad_contact_is_422_with_its_field(house: House, body: dict[str, Any], field: str):
    path = f"/api/customers/{house.add_customer()['customer_id']}/contacts"
    invalid(house.post(path, body), field)
    assert done(house.get(path))["items"] == []


def test_support_may_read_contacts_and_log_none(house: House):
    path = f"/api/customers/{house.add_customer()['customer_id']}/contacts"
    support = house.with_role(Role.SUPPORT)
    problem(support.post(path, CALL), 403, "role_not_allowed")
    assert done(support.get(path)) == {"items": [], "next_cursor": None}
    assert done(support.get("/api/dunning/worklist"))["total"] == 0


def test_the_worklist_says_whom_to_call_and_why(house: House):
    customer_id = _late(house, phone="+1 312 555 0142")
    made(house.post(f"/api/customers/{customer_id}/contacts", CALL | {"next_on": "2026-03-04"}))
    page = done(house.get("/api/dunning/worklist"))
    [row] = page.pop("items")
    assert page == {
        "as_of": "2026-03-04",
        "next_cursor": None,
        "total": 1,
        "snoozed": 0,
        "counts": {one.value: 0 for one in Reason} | {"follow_up": 1, "unreachable": 1},
    }
    contact = row.pop("last_contact")
    assert (contact["outcome"], contact["customer_id"]) == ("left_message", customer_id)
    assert row == {
        "customer_id": customer_id,
        "customer_name": "Hilltop Apartments",
        "phone": "+1 312 555 0142",
        "email": None,
        "currency_code": "USD",
        "overdue_amount": "100.00",
        "held_amount": "0.00",
        "open_amount": "100.00",
        "invoice_count": 1,
        "days_late": 30,
        "reasons": ["follow_up", "unreachable"],
        "broken_promise_on": None,
        "last_reminded_on": None,
        "next_on": "2026-03-04",
    }


def test_the_worklist_is_narrowed_and_paged(house: House):
    for name in ("Abe", "Bea", "Cid"):
        _late(house, display_name=name)
    path = "/api/dunning/worklist"
    first = done(house.get(path, sort="-name", limit=2, reason="unreachable"))
    assert [row["customer_name"] for row in first["items"]] == ["Cid", "Bea"]
    second = done(house.get(path, sort="-name", limit=2, cursor=first["next_cursor"]))
    assert [row["customer_name"] for row in second["items"]] == ["Abe"]
    assert second["next_cursor"] is None
    assert done(house.get(path, reason="no_plan"))["items"] == []
    found = done(house.get(path, q="bea"))
    assert [row["customer_name"] for row in found["items"]] == ["Bea"]
    assert found["total"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reason", "boredom"),
        ("sort", "colour"),
        ("sort", "--name"),
        ("limit", "0"),
        ("limit", "101"),
        ("cursor", "x"),
        ("cursor", "é"),
        ("cursor", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("cursor", "A" * 3000),
        ("q", "x" * 201),
    ],
)
def test_a_bad_question_is_422_with_its_field(house: House, name: str, value: str):
    invalid(house.get("/api/dunning/worklist", **{name: value}), name)


def test_the_document_names_every_outcome_and_reason():
    assert set(get_args(Outcome)) == {one.value for one in ContactOutcome}
    assert set(get_args(WorklistReason)) == {one.value for one in Reason}
    assert set(ReasonCounts.model_fields) == {one.value for one in Reason}
