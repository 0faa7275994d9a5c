"""Dunning over HTTP: runs, previews, plans, holds, and the e-mails that come of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from backend.dunning.service import run_evaluation
from backend.unit_of_work import run
from tests.contract.api.house import House, done, invalid, made, problem, queued, shown
from tests.factories import actor_in

STEPS = [
    {"days_after_due": 0, "template_key": "friendly_reminder"},
    {"days_after_due": 5, "template_key": "last_call", "channel": "email"},
]
NUMBERED = [{"step_number": n, "channel": "email"} | step for n, step in enumerate(STEPS, 1)]


def _overdue(house: House, **fields: Any) -> dict[str, Any]:
    """An invoice that was due on 1 March, of a customer with an e-mail address."""
    if "customer_id" not in fields:
        customer = house.add_customer(email="ap@hilltop.example")
        fields["customer_id"] = customer["customer_id"]
    return house.sent_invoice(issue_date="2026-02-01", due_date="2026-03-01", **fields)


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"as_of": null}', b'{"as_of": "2026-03-31"}']
)
def test_a_run_is_queued_with_or_without_a_body(house: House, content: bytes | None):
    response = house.post(
        "/api/dunning/run", content=content, headers={"X-Correlation-Id": "run-1"}
    )
    assert response.status_code == 202
    assert response.json() == {"status": "queued", "correlation_id": "run-1"}
    kind, envelope = queued(house)[-1]
    assert kind == "dunning.evaluate"
    as_of = '"2026-03-31"' if content and b"31" in content else "null"
    assert f'"as_of":{as_of}' in envelope


def test_a_run_of_no_day_is_refused(house: House):
    invalid(house.post("/api/dunning/run", {"as_of": "soon"}), "as_of")
    invalid(house.post("/api/dunning/run", {"as_of": 5}), "as_of")


def test_the_preview_tells_what_would_be_sent_and_what_not(house: House):
    chased, silent = (
        _overdue(house),
        _overdue(house, customer_id=house.add_customer()["customer_id"]),
    )
    preview = done(house.get("/api/dunning/preview"))
    assert preview["as_of"] == "2026-03-04"
    [email] = preview["would_send"]
    assert email["customer_id"] == chased["customer_id"]
    assert email["to_address"] == "ap@hilltop.example"
    assert email["template_key"] == "friendly_reminder"
    [step] = email["invoices"]
    assert step["invoice_id"] == chased["invoice_id"]
    assert step["invoice_number"] == chased["invoice_number"]
    assert (step["step_number"], step["balance_due"]) == (1, "100.00")
    [passed_over] = preview["not_chased"]
    assert passed_over["invoice_id"] == silent["invoice_id"]
    assert passed_over["reason"] == "no_email"
    assert done(house.get("/api/dunning/preview", as_of="2026-02-28"))["would_send"] == []
    for as_of in ("", "soon", "2026-02-30"):
        invalid(house.get("/api/dunning/preview", as_of=as_of), "as_of")


def test_a_run_and_its_preview_keep_the_gap_when_asked(house: House):
    invoice = _overdue(house)
    run(house.services.db, actor_in(house.tenant_id), run_evaluation)
    _overdue(house, customer_id=invoice["customer_id"])
    ahead = done(house.get("/api/dunning/preview", as_of="2026-03-05"))
    [email] = ahead["would_send"]
    assert email["last_reminded_on"] == "2026-03-04"
    kept = done(house.get("/api/dunning/preview", as_of="2026-03-05", keep_gap="true"))
    assert kept["would_send"] == []
    reasons = {one["reason"]: one["reminded_on"] for one in kept["not_chased"]}
    assert reasons["customer_reminded_lately"] == "2026-03-04"
    for garbage in ("yes", "1", ""):
        invalid(house.get("/api/dunning/preview", keep_gap=garbage), "keep_gap")
    response = house.post("/api/dunning/run", {"keep_gap": True})
    assert response.status_code == 202
    assert '"keep_gap":true' in queued(house)[-1][1]
    invalid(house.post("/api/dunning/run", {"keep_gap": "yes"}), "keep_gap")


def test_runs_are_listed_and_read(house: House):
    _overdue(house)
    _overdue(house, customer_id=house.add_customer()["customer_id"])
    run(house.services.db, actor_in(house.tenant_id), run_evaluation)
    page = done(house.get("/api/dunning/runs", limit=1))
    [found] = page["items"]
    assert found == done(house.get(f"/api/dunning/runs/{found['dunning_run_id']}"))
    assert (found["as_of"], found["is_scheduled"], found["keeps_gap"]) == (
        "2026-03-04",
        False,
        False,
    )
    assert (found["email_count"], found["invoice_count"], found["overdue_count"]) == (1, 1, 2)
    assert found["skipped"] == [{"reason": "no_email", "invoice_count": 1}]
    assert found["started_at"] == found["finished_at"] is not None
    for unknown in (str(uuid4()), "42"):
        problem(house.get(f"/api/dunning/runs/{unknown}"), 404, "not_found")
    invalid(house.get("/api/dunning/runs", cursor="garbage"), "cursor")


def test_a_plan_is_made_changed_and_listed(house: House):
    response = house.post("/api/dunning/plans", {"name": "Gentle", "steps": STEPS})
    plan = made(response)
    assert plan.keys() >= {"dunning_plan_id", "name", "is_default", "is_active", "steps"}
    assert (plan["name"], plan["is_default"], plan["is_active"]) == ("Gentle", False, True)
    assert plan["steps"] == [step | {"subject": None} for step in NUMBERED]
    path = f"/api/dunning/plans/{plan['dunning_plan_id']}"
    assert response.headers["location"] == path
    changed = done(house.call("PATCH", path, {"name": "Firm", "steps": STEPS[1:]}))
    assert changed["name"] == "Firm"
    assert changed["steps"] == [NUMBERED[1] | {"step_number": 1, "subject": None}]
    assert done(house.call("PATCH", path, {})) == changed
    default = done(house.call("PATCH", path, {"is_default": True}))
    plans = done(house.get("/api/dunning/plans"))["items"]
    assert [one["is_default"] for one in plans] == [True, False]
    assert plans[0] == default
    problem(house.call("PATCH", path, {"is_default": False}), 409, "default_plan_required")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"is_default": "yes"}, "is_default"),
        ({"is_active": None}, "is_active"),
        ({"steps": []}, "steps"),
        ({"steps": [STEPS[0]] * 21}, "steps"),
        ({"steps": [STEPS[1], STEPS[0]]}, "steps.1.days_after_due"),
        ({"steps": [STEPS[0] | {"days_after_due": -1}]}, "steps.0.days_after_due"),
        ({"steps": [STEPS[0] | {"days_after_due": "0"}]}, "steps.0.days_after_due"),
        ({"steps": [STEPS[0] | {"template_key": "threat"}]}, "steps.0.template_key"),
        ({"steps": [STEPS[0] | {"channel": "pigeon"}]}, "steps.0.channel"),
        ({"steps": [STEPS[0] | {"subject": "{{ 1 + 1 }} {% for"}]}, "steps.0.subject"),
        ({"steps": [STEPS[0] | {"subject": "Two\nlines"}]}, "steps.0.subject"),
        ({"steps": [STEPS[0] | {"subject": "x" * 501}]}, "steps.0.subject"),
    ],
    ids=shown,
)
def test_a_bad_plan_is_refused_by_its_field(house: House, change: dict[str, Any], field: str):
    good = {"name": "Gentle", "steps": STEPS}
    invalid(house.post("/api/dunning/plans", good | change), field)
    plan = made(house.post("/api/dunning/plans", good))
    invalid(house.call("PATCH", f"/api/dunning/plans/{plan['dunning_plan_id']}", change), field)


def test_a_step_has_a_subject_and_a_change_of_the_plan_tells_what_it_does(house: House):
    _overdue(house)
    path = (
        f"/api/dunning/plans/{done(house.get('/api/dunning/plans'))['items'][0]['dunning_plan_id']}"
    )
    steps = [STEPS[0] | {"subject": "From {{ issuer_name }}"}]
    effect = done(house.post(f"{path}/effect", {"steps": steps}))
    assert (effect["under_way"], effect["next_step_changes"]) == (1, 1)
    assert effect["sentences"][0].startswith("1 overdue invoice gets another next step")
    assert len(done(house.get("/api/dunning/plans"))["items"][0]["steps"]) == 4
    changed = done(house.call("PATCH", path, {"steps": steps}))
    assert changed["steps"][0]["subject"] == "From {{ issuer_name }}"
    invalid(house.post(f"{path}/effect", {"steps": []}), "steps")
    problem(house.post(f"{path}/effect", {"is_default": False}), 409, "default_plan_required")


def test_the_holds_of_an_invoice_are_listed_with_how_they_ended(house: House):
    invoice = _overdue(house)
    path = f"/api/invoices/{invoice['invoice_id']}/hold"
    done(house.call("PUT", path, {"kind": "promise", "until": "2026-03-10", "amount": "50.00"}))
    done(house.call("PUT", path, {"kind": "dispute", "reason": "Leaks"}))
    dispute, promise = done(house.get(f"{path}s"))["items"]
    assert (dispute["kind"], dispute["ended_as"], dispute["ended_on"]) == ("dispute", None, None)
    assert (promise["amount"], promise["balance_then"], promise["ended_as"]) == (
        "50.00",
        "100.00",
        "replaced",
    )
    assert promise["placed_on"] == promise["ended_on"]


def test_an_invoice_is_held_and_released(house: House):
    invoice = _overdue(house)
    path = f"/api/invoices/{invoice['invoice_id']}/hold"
    promise = {"kind": "promise", "until": "2026-03-10", "amount": "50.00", "reason": "On Friday"}
    assert done(house.call("PUT", path, promise)) == {
        "invoice_id": invoice["invoice_id"],
        **promise,
    }
    assert house.invoice(invoice["invoice_id"])["hold"] == promise
    [passed_over] = done(house.get("/api/dunning/preview"))["not_chased"]
    assert (passed_over["reason"], passed_over["until"]) == ("promised", "2026-03-10")
    for hold in ({"kind": "pause"}, {"kind": "dispute", "reason": "Leaks"}):
        assert done(house.call("PUT", path, hold))["kind"] == hold["kind"]
    for _ in range(2):
        released = house.call("DELETE", path)
        assert (released.status_code, released.content) == (204, b"")
    assert house.invoice(invoice["invoice_id"])["hold"] is None


@pytest.mark.parametrize(
    ("hold", "field"),
    [
        ({}, "kind"),
        ({"kind": "exclude"}, "kind"),
        ({"kind": "dispute"}, "reason"),
        ({"kind": "promise"}, "until"),
        ({"kind": "promise", "until": "soon"}, "until"),
        ({"kind": "pause", "amount": "5.00"}, "amount"),
        ({"kind": "promise", "until": "2026-04-01", "amount": "0"}, "amount"),
        ({"kind": "pause", "reason": "r" * 501}, "reason"),
    ],
    ids=shown,
)
def test_a_bad_hold_of_an_invoice_is_refused(house: House, hold: dict[str, Any], field: str):
    path = f"/api/invoices/{house.sent_invoice()['invoice_id']}/hold"
    invalid(house.call("PUT", path, hold), field)


def test_a_void_invoice_is_not_held(house: House):
    path = f"/api/invoices/{house.draft()['invoice_id']}"
    done(house.post(f"{path}/void", {"reason": "no"}))
    problem(house.call("PUT", f"{path}/hold", {"kind": "pause"}), 409, "invoice_not_open")


def test_a_customer_is_held_and_released(house: House):
    customer_id = _overdue(house)["customer_id"]
    path = f"/api/customers/{customer_id}/hold"
    pause = {"kind": "pause", "until": "2026-03-04", "reason": None}
    assert done(house.call("PUT", path, pause)) == {"customer_id": customer_id, **pause}
    assert done(house.get(f"/api/customers/{customer_id}"))["hold"] == pause
    reason = done(house.get("/api/dunning/preview"))["not_chased"][0]["reason"]
    assert reason == "customer_paused"
    assert done(house.get("/api/dunning/preview", as_of="2026-03-05"))["not_chased"] == []
    assert done(house.call("PUT", path, {"kind": "exclude"}))["until"] is None
    for bad, field in (({}, "kind"), ({"kind": "dispute", "reason": "x"}, "kind")):
        invalid(house.call("PUT", path, bad), field)
    assert house.call("DELETE", path).status_code == 204
    assert done(house.get(f"/api/customers/{customer_id}"))["hold"] is None


@pytest.mark.parametrize("kind", ["invoices", "customers", "dunning/plans"])
def test_what_is_not_there_is_neither_held_nor_changed(house: House, kind: str):
    for unknown in (str(uuid4()), "42"):
        path = f"/api/{kind}/{unknown}"
        if kind == "dunning/plans":
            problem(house.call("PATCH", path, {}), 404, "not_found")
        else:
            problem(house.call("PUT", f"{path}/hold", {"kind": "pause"}), 404, "not_found")
            problem(house.call("DELETE", f"{path}/hold"), 404, "not_found")


def test_communications_are_listed_and_read(house: House):
    invoice = _overdue(house)
    run(house.services.db, actor_in(house.tenant_id), run_evaluation)
    [found] = done(house.get("/api/communications", type="dunning"))["items"]
    assert found.keys() >= {
        "communication_id", "channel", "type", "status", "to_address", "subject", "invoice_ids",
        "step_number", "sent_at", "error", "correlation_id",
    }  # fmt: skip
    assert (found["channel"], found["type"], found["status"]) == ("email", "dunning", "queued")
    assert found["to_address"] == "ap@hilltop.example"
    assert found["invoice_ids"] == [invoice["invoice_id"]]
    assert found["step_number"] == 1
    assert found["sent_at"] is found["error"] is None
    one = done(house.get(f"/api/communications/{found['communication_id']}"))
    assert one == found | {
        "text_body": "",
        "html_body": "",
        "template_problem": None,
        "attachments": [],
    }
    for params in (
        {"customer_id": invoice["customer_id"]},
        {"invoice_id": invoice["invoice_id"]},
        {"status": "queued", "type": "dunning", "limit": 1},
    ):
        assert done(house.get("/api/communications", **params))["items"] == [found]
    assert done(house.get("/api/communications", type="receipt"))["items"] == []
    for name in ("type", "status", "customer_id", "invoice_id"):
        invalid(house.get("/api/communications", **{name: "garbage"}), name)
    for unknown in (str(uuid4()), "42"):
        problem(house.call("GET", f"/api/communications/{unknown}"), 404, "not_found")
