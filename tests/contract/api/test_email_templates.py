"""Wordings and returned mail, as a program sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api.house import House, made, problem
from tests.emails import RecordingMailer, handle_all

KEY = "/api/email-templates/friendly_reminder"
WORDING = {"subject": "Hi", "text": "{{ total_due }}", "html": "<p>{{ total_due }}</p>"}


def test_a_wording_is_read_kept_tried_and_reset(house: House):
    default = house.get(KEY).json()
    assert (default["is_own"], default["version"]) == (False, 0)
    assert "customer_name" in {one["name"] for one in default["variables"]}
    kept = house.call("PUT", KEY, body={**WORDING, "expected_version": 0})
    assert kept.status_code == 200
    assert (kept.json()["is_own"], kept.json()["version"]) == (True, 1)
    problem(house.call("PUT", KEY, body={**WORDING, "expected_version": 0}), 409)
    tried = house.post(f"{KEY}/preview", WORDING)
    assert tried.json()["text"].startswith("$142.00")
    assert house.call("DELETE", KEY).status_code == 204
    assert house.get(KEY).json() == default


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_broken_wording_is_refused_by_its_part(house: House, part: str):
    response = house.call("PUT", KEY, body={**WORDING, part: "{{ nope }}"})
    found = problem(response, 422)
    assert [one["field"] for one in found["errors"]] == [part]


def test_a_reminder_of_ones_own_can_be_sent_by_a_step(house: House):
    own = made(house.post("/api/email-templates", {"name": "Visit", "based_on": "last_call"}))
    assert own["template_key"] == "visit"
    listed = house.get("/api/email-templates").json()["items"]
    assert listed[-1] == own
    steps = [{"days_after_due": 3, "template_key": "visit"}]
    made(house.post("/api/dunning/plans", {"name": "P", "steps": steps}))
    problem(house.call("DELETE", "/api/email-templates/visit"), 409, "template_in_use")


def test_word_that_an_e_mail_came_back_marks_the_address_once(house: House):
    customer = house.add_customer(email="ap@x.example")
    house.sent_invoice(customer_id=customer["customer_id"])
    handle_all(house.services.db, RecordingMailer())
    [email] = house.get("/api/communications").json()["items"]
    path = f"/api/communications/{email['communication_id']}/returned"
    told: dict[str, Any] = house.post(path, {"kind": "complained", "detail": "spam"}).json()
    assert told["is_new"]
    assert told["marked_customer_ids"] == [customer["customer_id"]]
    assert not house.post(path, {"kind": "complained"}).json()["is_new"]
    found = house.get(f"/api/customers/{customer['customer_id']}").json()
    assert found["email_status"] == "complained"
    problem(house.post(path, {"kind": "lost"}), 422)
