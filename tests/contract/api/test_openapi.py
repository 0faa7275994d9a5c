"""The OpenAPI document is complete and true, and its page needs no other server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, validator_for

from tests.contract.api.house import House

# contract.md's table of endpoints.
ENDPOINTS = {
    "/api/customers": "get post",
    "/api/customers/{customer_id}": "get patch",
    "/api/customers/{customer_id}/hold": "put delete",
    "/api/customers/{customer_id}/contacts": "get post",
    "/api/invoices": "get post",
    "/api/invoices/{invoice_id}": "get patch",
    "/api/invoices/{invoice_id}/pdf": "get",
    "/api/invoices/{invoice_id}/timeline": "get",
    "/api/invoices/{invoice_id}/send": "post",
    "/api/invoices/{invoice_id}/void": "post",
    "/api/invoices/{invoice_id}/cancel": "post",
    "/api/invoices/{invoice_id}/hold": "put delete",
    "/api/payments": "get post",
    "/api/payments/{payment_id}": "get",
    "/api/payments/{payment_id}/reverse": "post",
    "/api/payments/{payment_id}/allocations": "post",
    "/api/dunning/run": "post",
    "/api/dunning/preview": "get",
    "/api/dunning/runs": "get",
    "/api/dunning/runs/{dunning_run_id}": "get",
    "/api/dunning/worklist": "get",
    "/api/dunning/plans": "get post",
    "/api/dunning/plans/{dunning_plan_id}": "patch",
    "/api/dunning/plans/{dunning_plan_id}/effect": "post",
    "/api/invoices/{invoice_id}/holds": "get",
    "/api/communications": "get",
    "/api/communications/{communication_id}": "get",
    "/api/communications/{communication_id}/returned": "post",
    "/api/email-templates": "get post",
    "/api/email-templates/{template_key}": "get put delete",
    "/api/email-templates/{template_key}/preview": "post",
    "/api/webhooks/{provider}": "post",
    "/api/webhooks/{provider}/{endpoint_token}": "post",
    "/api/webhooks/events": "get",
    "/api/webhooks/events/{webhook_event_id}": "get",
    "/api/webhooks/{webhook_event_id}/replay": "post",
    "/api/billing-summary": "get",
    "/api/reports/aging": "get",
    "/api/reports/recovery": "get",
    "/api/reports/promises": "get",
    "/api/reports/dso": "get",
    "/api/trace/{any_id}": "get",
    "/healthz": "get",
    "/readyz": "get",
}
_QUERIES = {
    "/api/customers": "q external_source external_reference_id limit cursor",
    "/api/invoices": "status customer_id due_before due_after external_reference_id q limit cursor",
    "/api/payments": "customer_id invoice_id status limit cursor",
    "/api/communications": "customer_id invoice_id type limit cursor",
    "/api/webhooks/events": "provider status event_type external_event_id limit cursor",
    "/api/billing-summary": "customer_id external_reference_id",
    "/api/reports/aging": "as_of",
    "/api/reports/recovery": "since until currency_code step limit cursor",
    "/api/reports/promises": "since until limit cursor",
    "/api/reports/dso": "as_of",
    "/api/customers/{customer_id}/contacts": "limit cursor",
    "/api/dunning/worklist": "sort reason q limit cursor",
    "/api/dunning/preview": "as_of keep_gap",
    "/api/dunning/runs": "limit cursor",
}
# Who delivers there has no key: the signature says who it is.
SIGNED = "/api/webhooks/{provider}/{endpoint_token}"
# What comes as the provider wrote it is no JSON body of ours.
RAW = {SIGNED, "/api/webhooks/{provider}"}
_BODIES = {
    "NewCustomer": "display_name email phone billing_address payment_terms_days external_source "
    "external_reference_id",
    "NewInvoice": "customer_id issue_date due_date currency_code purchase_order_number notes "
    "tax_amount line_items external_source external_reference_id",
    "NewLine": "description quantity unit_price tax_rate",
    "NewPayment": "amount currency_code method invoice_id customer_id allocations "
    "keep_excess_as_credit external_provider external_payment_id received_on note",
    "NewAllocations": "allocations",
    "NewAllocation": "invoice_id amount",
    "NewPlan": "name is_default is_active steps",
    "NewStep": "days_after_due template_key channel subject",
    "NewInvoiceHold": "kind until amount reason",
    "NewCustomerHold": "kind until reason",
    "NewReturn": "kind detail",
    "NewTemplate": "name based_on",
    "KeptTemplate": "name subject text html expected_version",
    "TemplateTrial": "subject text html invoice_id",
    "NewContact": "kind outcome note next_on invoice_id",
    "Reason": "reason",
    "NewRun": "as_of",
}


@pytest.fixture
def document(house: House) -> dict[str, Any]:
    response = house.client.get("/api/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def test_every_endpoint_is_there_and_no_other(document: dict[str, Any]):
    found = {path: set(operations) for path, operations in document["paths"].items()}
    assert found == {path: set(methods.split()) for path, methods in ENDPOINTS.items()}


def test_every_query_parameter_and_every_field_of_a_body_is_there(document: dict[str, Any]):
    for path, names in _QUERIES.items():
        parameters = document["paths"][path]["get"]["parameters"]
        found = {one["name"] for one in parameters if one["in"] == "query"}
        assert found >= set(names.split()), path
    schemas = document["components"]["schemas"]
    for name, fields in _BODIES.items():
        assert set(schemas[name]["properties"]) >= set(fields.split()), name


def test_an_event_of_a_provider_is_described_the_same_for_both_ways(document: dict[str, Any]):
    for path in RAW:
        operation = document["paths"][path]["post"]
        parameters = {one["name"]: one for one in operation["parameters"]}
        assert parameters["provider"]["schema"]["enum"] == ["standard", "stripe"]
        assert "webhook-id" in parameters
        assert set(operation["responses"]) >= {"200", "202", "404", "422"}
    assert "Retry-After" in document["paths"][SIGNED]["post"]["responses"]["429"]["headers"]


def test_every_reference_leads_somewhere(document: dict[str, Any], house: House):
    text = house.client.get("/api/openapi.json").text
    for reference in set(re.findall(r'"#/components/([^"]+)"', text)):
        kind, _, name = reference.partition("/")
        assert name in document["components"][kind], reference


def test_every_operation_tells_what_can_go_wrong_as_a_problem(document: dict[str, Any]):
    for path, method, operation in _operations(document):
        if not path.startswith("/api/"):
            continue
        statuses = set(operation["responses"])
        by_key = set() if path == SIGNED else {"400", "403"}
        assert {"401", "503"} | by_key <= statuses, (path, method)
        if "{" in path:
            assert "404" in statuses, (path, method)
        if "requestBody" in operation:
            json_only = set() if path in RAW else {"415"}
            assert {"413", "422"} | json_only <= statuses, (path, method)
        for status, response in operation["responses"].items():
            assert response["description"], (path, method, status)
            if status >= "400":
                content = response["content"]
                assert list(content) == ["application/problem+json"], (path, method, status)
                assert content["application/problem+json"]["example"]["status"] == int(status)


def test_every_operation_has_words_and_its_headers(document: dict[str, Any]):
    seen = set()
    for path, method, operation in _operations(document):
        assert operation["summary"].endswith(("", ".")), path
        assert operation["tags"]
        if not path.startswith("/api/"):
            continue
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        parameters = {one["name"]: one for one in operation.get("parameters", [])}
        assert "X-Correlation-Id" in parameters
        if path == SIGNED:
            assert operation["security"] == []
            continue
        assert operation["security"] == [{"ApiKey": [], "Tenant": []}]
        assert ("Idempotency-Key" in parameters) == (method == "post")
        if method == "post":
            moves_money = path.startswith("/api/payments")
            assert parameters["Idempotency-Key"]["required"] is moves_money


def test_every_model_of_a_body_and_an_answer_has_an_example_that_fits_it(
    document: dict[str, Any],
):
    named = set()
    for _, _, operation in _operations(document):
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [r.get("content", {}) for r in operation["responses"].values()]
        for content in contents:
            reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
            if reference:
                named.add(reference.rpartition("/")[2])
    schemas = document["components"]["schemas"]
    for name in named:
        schema = schemas[name]
        examples = schema.get("examples", [])
        if not name.endswith(("Page", "HoldSet")):
            assert examples, name
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        for example in examples:
            assert validator_for(whole).is_valid(example), (name, example)


def test_only_a_run_of_dunning_may_leave_its_body_out(document: dict[str, Any]):
    optional = {
        path
        for path, _, operation in _operations(document)
        if operation.get("requestBody", {}).get("required") is False
    }
    assert optional == {"/api/dunning/run"}


def test_a_change_has_no_defaults(document: dict[str, Any]):
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Changes"):
            for field in schema["properties"].values():
                assert "default" not in field, name
            assert "required" not in schema


def test_the_document_says_it_is_openapi_3_1(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1")
    for name, schema in document["components"]["schemas"].items():
        assert Draft202012Validator(schema | {"components": document["components"]}), name


def test_the_page_and_all_it_loads_come_from_here(house: House):
    page = house.client.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    own = [address for address in loaded if address.startswith("/")]
    assert len(own) >= 3
    assert [address for address in loaded if address not in own] == ["data:,"]
    for address in own:
        response = house.client.get(address)
        assert response.status_code == 200, address
        assert len(response.content) > 100
    assert "<script>" not in page.text


def test_the_assets_are_sent_squeezed_to_who_can_unsqueeze(house: House):
    address = "/api/docs/assets/swagger-ui.css"
    plain = house.client.get(address, headers={"Accept-Encoding": "identity"})
    squeezed = house.client.get(address, headers={"Accept-Encoding": "gzip, br"})
    assert "content-encoding" not in plain.headers
    assert squeezed.headers["content-encoding"] == "gzip"
    assert int(squeezed.headers["content-length"]) < len(plain.content) / 3
    assert squeezed.content == plain.content
