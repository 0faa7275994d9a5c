"""Authentication, tenants, roles: checked before anything else, in the promised order."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from backend.actor import Role, platform_system
from backend.identity.api_keys import authenticate_api_key, list_api_keys, revoke_api_key
from backend.tenants.service import activate_tenant, deactivate_tenant
from backend.unit_of_work import read, run
from tests.contract.api.house import House, made, problem
from tests.factories import actor_in

CUSTOMERS = "/api/customers"


def test_a_missing_api_key_is_401(house: House):
    response = house.client.get(CUSTOMERS, headers={"X-Tenant-Id": str(house.tenant_id)})
    problem(response, 401, "unknown_api_key")
    assert response.headers["www-authenticate"].startswith("ApiKey")


@pytest.mark.parametrize("key", ["", "nonsense", "bj_" + "a" * 12 + "_" + "b" * 43])
def test_an_unknown_api_key_is_401(house: House, key: str):
    problem(house.call("GET", CUSTOMERS, headers={"X-Api-Key": key}), 401, "unknown_api_key")


def test_a_key_with_the_right_prefix_and_another_secret_is_401(house: House):
    forged = house.api_key[:-1] + ("a" if house.api_key[-1] != "a" else "b")
    problem(house.call("GET", CUSTOMERS, headers={"X-Api-Key": forged}), 401, "unknown_api_key")


def test_a_missing_tenant_is_400(house: House):
    response = house.client.get(CUSTOMERS, headers={"X-Api-Key": house.api_key})
    problem(response, 400, "malformed_tenant")


@pytest.mark.parametrize("tenant", ["", "42", "not-a-uuid", "'; DROP TABLE tenants; --"])
def test_a_malformed_tenant_is_400(house: House, tenant: str):
    problem(house.call("GET", CUSTOMERS, headers={"X-Tenant-Id": tenant}), 400, "malformed_tenant")


def test_the_key_is_looked_at_before_the_tenant(house: House):
    headers = {"X-Api-Key": "nonsense", "X-Tenant-Id": "nonsense"}
    problem(house.client.get(CUSTOMERS, headers=headers), 401)


def test_a_key_used_with_another_or_an_unknown_tenant_is_403(house: House, stranger: House):
    for tenant in (str(stranger.tenant_id), str(uuid4())):
        response = house.call("GET", CUSTOMERS, headers={"X-Tenant-Id": tenant})
        problem(response, 403, "wrong_tenant")


def test_a_revoked_key_is_403_from_the_next_request_on(house: House):
    key = house.new_key()
    headers = {"X-Api-Key": key}
    assert house.call("GET", CUSTOMERS, headers=headers).status_code == 200
    db = house.services.db
    identity = read(db, platform_system(), authenticate_api_key, key)
    run(db, actor_in(house.tenant_id), revoke_api_key, identity.id)
    problem(house.call("GET", CUSTOMERS, headers=headers), 403, "api_key_revoked")


def test_an_inactive_tenant_is_403_until_it_is_active_again(house: House):
    db = house.services.db
    run(db, platform_system(), deactivate_tenant, house.tenant_id)
    problem(house.get(CUSTOMERS), 403, "tenant_inactive")
    run(db, platform_system(), activate_tenant, house.tenant_id)
    assert house.get(CUSTOMERS).status_code == 200


def test_the_use_of_a_key_is_kept_at_most_once_a_minute(house: House):
    house.get(CUSTOMERS)
    house.add_customer()
    db = house.services.db
    used = [key.last_used_at for key in read(db, actor_in(house.tenant_id), list_api_keys)]
    assert used == [db.clock()]


# What each role may do: (method, path, body). "{…}" is an id that is not there.
READS = [
    ("GET", "/api/customers", None),
    ("GET", "/api/invoices", None),
    ("GET", "/api/payments", None),
    ("GET", "/api/communications", None),
    ("GET", "/api/email-templates", None),
    ("GET", "/api/webhooks/events", None),
    ("GET", "/api/dunning/plans", None),
    ("GET", "/api/dunning/runs", None),
    ("GET", "/api/dunning/preview", None),
    ("GET", "/api/billing-summary", None),
    ("GET", "/api/dunning/worklist", None),
    ("GET", "/api/reports/aging", None),
    ("GET", "/api/reports/recovery", None),
    ("GET", "/api/reports/promises", None),
    ("GET", "/api/reports/dso", None),
]
# Questions with a body; nothing is changed.
ASKS: list[tuple[str, str, Any]] = [
    ("POST", "/api/dunning/plans/{id}/effect", {}),
    (
        "POST",
        "/api/email-templates/{id}/preview",
        {"subject": "Due", "text": "Due", "html": "<p>Due</p>"},
    ),
]
WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/api/communications/{id}/returned", {}),
    ("POST", "/api/email-templates", {}),
    ("PUT", "/api/email-templates/{id}", {}),
    ("DELETE", "/api/email-templates/{id}", None),
    ("POST", "/api/customers", {}),
    ("PATCH", "/api/customers/{id}", {}),
    ("POST", "/api/customers/{id}/contacts", {}),
    ("PUT", "/api/customers/{id}/hold", {}),
    ("DELETE", "/api/customers/{id}/hold", None),
    ("POST", "/api/invoices", {}),
    ("PATCH", "/api/invoices/{id}", {}),
    ("POST", "/api/invoices/{id}/send", None),
    ("POST", "/api/invoices/{id}/void", {}),
    ("POST", "/api/invoices/{id}/cancel", {}),
    ("PUT", "/api/invoices/{id}/hold", {}),
    ("DELETE", "/api/invoices/{id}/hold", None),
    ("POST", "/api/payments", {}),
    ("POST", "/api/payments/{id}/reverse", {}),
    ("POST", "/api/payments/{id}/allocations", {}),
    ("POST", "/api/dunning/run", {"as_of": "never"}),
    ("POST", "/api/dunning/plans", {}),
    ("PATCH", "/api/dunning/plans/{id}", {}),
    ("POST", "/api/webhooks/{id}", {}),
]
# What support does and finance does not.
TOOLS = [("POST", "/api/webhooks/{id}/replay", None)]
# A provider has no key: it signs, and test_webhooks looks at that.
SIGNED = [("POST", "/api/webhooks/{id}/{id}", None)]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_every_role_of_a_tenant_reads_everything(house: House, role: Role):
    caller = house.with_role(role)
    for method, path, _ in READS:
        assert caller.call(method, path).status_code == 200, path
    for method, path, body in ASKS:
        problem(caller.call(method, path.replace("{id}", str(uuid4())), body), 404)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE])
def test_admin_and_finance_get_past_the_role_on_every_write(house: House, role: Role):
    caller = house.with_role(role)
    for method, path, body in WRITES:
        response = caller.call(method, path.replace("{id}", str(uuid4())), body)
        assert response.status_code in (404, 422, 200), (path, response.text)


def test_support_is_refused_on_every_write_before_its_body_is_read(house: House):
    caller = house.with_role(Role.SUPPORT)
    for method, path, _ in WRITES:
        address = path.replace("{id}", str(uuid4()))
        response = caller.call(method, address, content=b"{this is not JSON")
        problem(response, 403, "role_not_allowed")


@pytest.mark.parametrize(
    ("role", "status"), [(Role.ADMIN, 404), (Role.SUPPORT, 404), (Role.FINANCE, 403)]
)
def test_the_tools_of_support_are_not_for_finance(house: House, role: Role, status: int):
    caller = house.with_role(role)
    for method, path, body in TOOLS:
        response = caller.call(method, path.replace("{id}", str(uuid4())), body)
        problem(response, status)


def test_the_tables_of_roles_name_every_endpoint_that_is_documented(house: House):
    document = house.client.get("/api/openapi.json").json()
    documented = {
        (method.upper(), "/".join("{id}" if "{" in part else part for part in path.split("/")))
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/api/")
    }
    single = {entry for entry in documented if entry[0] == "GET" and "{id}" in entry[1]}
    named = {(method, path) for method, path, _ in READS + ASKS + WRITES + TOOLS + SIGNED}
    assert documented - single == named


def test_only_an_admin_voids_what_is_sent(house: House):
    finance = house.with_role(Role.FINANCE)
    draft, sent = house.draft(), house.sent_invoice()
    body = {"reason": "entered twice"}
    draft_path, sent_path = (f"/api/invoices/{one['invoice_id']}/void" for one in (draft, sent))
    assert finance.post(draft_path, body).status_code == 200
    problem(finance.post(sent_path, body), 403, "role_not_allowed")
    assert house.post(sent_path, body).json()["status"] == "void"


def test_what_was_refused_for_the_role_is_not_kept_for_its_key(house: House):
    body = {"display_name": "Hilltop"}
    key = uuid4().hex
    problem(house.with_role(Role.SUPPORT).post(CUSTOMERS, body, key=key), 403)
    made(house.post(CUSTOMERS, body, key=key))
