"""Another tenant's ids: every endpoint answers as it does for ids that nobody has."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from backend.dunning.service import run_evaluation
from backend.paging import encode_cursor
from backend.unit_of_work import run
from tests.contract.api.house import LINE, House, made
from tests.factories import actor_in

_PLAN = {"name": "P", "steps": [{"days_after_due": 1, "template_key": "last_call"}]}

_WORDING = {"subject": "Mine", "text": "Mine", "html": "<p>Mine</p>"}


@pytest.fixture
def theirs(stranger: House) -> dict[str, str]:
    """One of everything in the other tenant, by the name of its id."""
    customer = stranger.add_customer(
        display_name="Zanzibar Towers",
        email="ap@zanzibar.example",
        external_reference_id="secret-ref",
    )
    invoice = stranger.sent_invoice(
        customer_id=customer["customer_id"],
        issue_date="2026-01-01",
        due_date="2026-02-01",
        external_reference_id="secret-job",
        purchase_order_number="SECRET-PO",
    )
    payment = stranger.pay(invoice, "120.00", keep_excess_as_credit=True)
    overdue = stranger.sent_invoice(
        customer_id=customer["customer_id"], issue_date="2026-01-01", due_date="2026-02-01"
    )
    plan = made(stranger.post("/api/dunning/plans", _PLAN))
    run(stranger.services.db, actor_in(stranger.tenant_id), run_evaluation)
    [email] = stranger.get("/api/communications").json()["items"]
    [done] = stranger.get("/api/dunning/runs").json()["items"]
    event = b'{"id": "evt_secret", "type": "customer.created"}'
    stored = stranger.post("/api/webhooks/stripe", content=event).json()
    own = {"name": "Zanzibar secret", "based_on": "last_call"}
    template = made(stranger.post("/api/email-templates", own))
    return {
        "template_key": template["template_key"],
        "customer_id": customer["customer_id"],
        "invoice_id": overdue["invoice_id"],
        "paid_invoice_id": invoice["invoice_id"],
        "payment_id": payment["payment_id"],
        "dunning_plan_id": plan["dunning_plan_id"],
        "dunning_run_id": done["dunning_run_id"],
        "communication_id": email["communication_id"],
        "correlation_id": payment["correlation_id"],
        "webhook_event_id": stored["webhook_event_id"],
    }


def _calls(ids: dict[str, str]) -> list[tuple[str, str, Any]]:
    """Every endpoint that takes an id, in its path, its query or its body."""
    customer, invoice, payment = (
        f"/api/customers/{ids['customer_id']}",
        f"/api/invoices/{ids['invoice_id']}",
        f"/api/payments/{ids['payment_id']}",
    )
    share = {"invoice_id": ids["invoice_id"], "amount": "1.00"}
    return [
        ("POST", f"/api/communications/{ids['communication_id']}/returned", {"kind": "bounced"}),
        ("GET", f"/api/email-templates/{ids['template_key']}", None),
        ("PUT", f"/api/email-templates/{ids['template_key']}", _WORDING),
        ("DELETE", f"/api/email-templates/{ids['template_key']}", None),
        ("POST", f"/api/email-templates/{ids['template_key']}/preview", _WORDING),
        (
            "POST",
            "/api/email-templates/invoice/preview",
            {**_WORDING, "invoice_id": ids["invoice_id"]},
        ),
        ("GET", customer, None),
        ("PATCH", customer, {"display_name": "Mine"}),
        ("PUT", f"{customer}/hold", {"kind": "pause"}),
        ("DELETE", f"{customer}/hold", None),
        ("GET", f"{customer}/contacts", None),
        ("POST", f"{customer}/contacts", {"kind": "note", "note": "Mine"}),
        ("POST", "/api/invoices", {"customer_id": ids["customer_id"], "line_items": [LINE]}),
        ("GET", f"/api/invoices?customer_id={ids['customer_id']}", None),
        ("GET", invoice, None),
        ("GET", f"{invoice}/pdf", None),
        ("GET", f"{invoice}/timeline", None),
        ("PATCH", invoice, {"customer_id": ids["customer_id"]}),
        ("POST", f"{invoice}/send", None),
        ("POST", f"{invoice}/void", {"reason": "no"}),
        ("POST", f"{invoice}/cancel", {"reason": "no"}),
        ("PUT", f"{invoice}/hold", {"kind": "pause"}),
        ("DELETE", f"{invoice}/hold", None),
        ("POST", "/api/payments", {"amount": "1.00", "invoice_id": ids["invoice_id"]}),
        ("POST", "/api/payments", {"amount": "1.00", "customer_id": ids["customer_id"]}),
        ("GET", f"/api/payments?invoice_id={ids['paid_invoice_id']}", None),
        ("GET", f"/api/payments?customer_id={ids['customer_id']}", None),
        ("GET", payment, None),
        ("POST", f"{payment}/reverse", {"reason": "no"}),
        ("POST", f"{payment}/allocations", {"allocations": [share]}),
        ("PATCH", f"/api/dunning/plans/{ids['dunning_plan_id']}", {"name": "Mine"}),
        ("POST", f"/api/dunning/plans/{ids['dunning_plan_id']}/effect", {"is_active": False}),
        ("GET", f"{invoice}/holds", None),
        ("GET", f"/api/dunning/runs/{ids['dunning_run_id']}", None),
        ("GET", f"/api/communications?customer_id={ids['customer_id']}", None),
        ("GET", f"/api/communications?invoice_id={ids['invoice_id']}", None),
        ("GET", f"/api/communications/{ids['communication_id']}", None),
        ("GET", f"/api/webhooks/events/{ids['webhook_event_id']}", None),
        ("POST", f"/api/webhooks/{ids['webhook_event_id']}/replay", None),
        ("GET", f"/api/trace/{ids['webhook_event_id']}", None),
        ("GET", f"/api/billing-summary?customer_id={ids['customer_id']}", None),
        ("GET", f"/api/trace/{ids['invoice_id']}", None),
        ("GET", f"/api/trace/{ids['payment_id']}", None),
        ("GET", f"/api/trace/{ids['correlation_id']}", None),
    ]


def _same(response: httpx.Response, ids: dict[str, str]) -> tuple[int, str]:
    """An answer without what differs in every answer."""
    text = response.text
    for name, value in ids.items():
        text = text.replace(value, name)
    return response.status_code, re.sub(r'"correlation_id":"[^"]*"', "", text)


def test_every_endpoint_answers_for_a_foreign_id_as_for_an_unknown_one(
    house: House, theirs: dict[str, str]
):
    unknown = {name: str(uuid4()) for name in theirs}
    foreign_calls, unknown_calls = _calls(theirs), _calls(unknown)
    for foreign, nobodys in zip(foreign_calls, unknown_calls, strict=True):
        answers = [
            _same(house.call(*call), ids) for call, ids in ((foreign, theirs), (nobodys, unknown))
        ]
        assert answers[0] == answers[1], foreign
        assert answers[0][0] in (200, 404, 422), foreign
        if answers[0][0] == 200:
            assert '"items":[]' in answers[0][1], foreign


def test_every_endpoint_with_an_id_in_its_path_is_tried(house: House, theirs: dict[str, str]):
    document = house.client.get("/api/openapi.json").json()
    templates = {
        (method.upper(), re.sub(r"\{\w+\}", "{id}", path))
        for path, operations in document["paths"].items()
        for method in operations
        # A provider is no tenant's, and its own addresses are tried with the webhooks.
        if "{" in path and "{provider}" not in path
    }
    tried = set()
    for method, path, _ in _calls(theirs):
        for value in theirs.values():
            path = path.replace(value, "{id}")
        tried.add((method, path))
    assert templates <= tried


def test_a_row_of_another_tenant_in_a_body_is_as_unknown_as_any(
    house: House, theirs: dict[str, str]
):
    mine = house.sent_invoice()
    payment = house.pay(mine, "150.00", keep_excess_as_credit=True)
    customer = f"/api/customers/{mine['customer_id']}"
    draft = house.draft(customer_id=mine["customer_id"])
    unknown = {name: str(uuid4()) for name in theirs}

    def calls(ids: dict[str, str]) -> list[tuple[str, str, Any]]:
        share = [{"invoice_id": ids["invoice_id"], "amount": "1.00"}]
        return [
            ("PATCH", customer, {"dunning_plan_id": ids["dunning_plan_id"]}),
            (
                "PATCH",
                f"/api/invoices/{draft['invoice_id']}",
                {"customer_id": ids["customer_id"]},
            ),
            (
                "POST",
                "/api/payments",
                {"amount": "1.00", "customer_id": mine["customer_id"], "allocations": share},
            ),
            ("POST", f"/api/payments/{payment['payment_id']}/allocations", {"allocations": share}),
        ]

    for foreign, nobodys in zip(calls(theirs), calls(unknown), strict=True):
        answers = [
            _same(house.call(*call), ids) for call, ids in ((foreign, theirs), (nobodys, unknown))
        ]
        assert answers[0] == answers[1], foreign
        assert answers[0][0] == 422


def test_no_list_no_search_and_no_report_shows_anothers_rows(house: House, theirs: dict[str, str]):
    for path in (
        "/api/customers",
        "/api/customers?q=Zanzibar",
        "/api/customers?q=Za",
        "/api/customers?external_reference_id=secret-ref",
        "/api/invoices",
        "/api/invoices?q=INV-000001",
        "/api/invoices?q=zanzibar",
        "/api/invoices?q=SECRET-PO",
        "/api/invoices?external_reference_id=secret-job",
        "/api/invoices?status=overdue",
        "/api/payments",
        "/api/communications",
    ):
        assert house.call("GET", path).json() == {"items": [], "next_cursor": None}, path
    for path in (
        "/api/billing-summary",
        "/api/billing-summary?external_reference_id=secret-job",
        "/api/reports/aging",
    ):
        assert house.call("GET", path).json()["currencies"] == [], path
    preview = house.get("/api/dunning/preview").json()
    assert preview["would_send"] == preview["not_chased"] == []
    assert [one["name"] for one in house.get("/api/dunning/plans").json()["items"]] == ["Standard"]


@pytest.mark.parametrize("kind", ["customers", "invoices", "payments", "communications"])
def test_a_cursor_of_another_tenant_is_garbage(
    house: House, stranger: House, theirs: dict[str, str], kind: str
):
    cursor = encode_cursor(UUID(theirs[f"{kind.removesuffix('s')}_id"]))
    assert stranger.get(f"/api/{kind}", cursor=cursor).status_code == 200
    response = house.get(f"/api/{kind}", cursor=cursor)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "cursor"


def test_nothing_of_the_other_tenant_changed(house: House, stranger: House, theirs: dict[str, str]):
    def seen() -> list[str]:
        paths = [
            path for method, path, _ in _calls(theirs) if method == "GET" and "pdf" not in path
        ]
        return [stranger.call("GET", path).text for path in paths]

    before = seen()
    for call in _calls(theirs):
        house.call(*call)
    unchanging = [re.sub(r'"correlation_id":"[^"]*"', "", text) for text in before]
    assert [re.sub(r'"correlation_id":"[^"]*"', "", text) for text in seen()] == unchanging
