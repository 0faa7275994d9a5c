"""Customers over HTTP."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.contract.api.house import House, done, invalid, made, problem, shown

FULL = {
    "display_name": "Hilltop Apartments LLC",
    "email": "ap@hilltop.example",
    "phone": "+1 312 555 0142",
    "billing_address": "2200 N Clark St\nChicago, IL 60614",
    "payment_terms_days": 14,
    "external_source": "roofing-jobs",
    "external_reference_id": "cust-1041",
}


def test_a_customer_is_made_with_all_its_fields_and_found_at_its_location(house: House):
    response = house.post("/api/customers", FULL)
    customer = made(response)
    assert {name: customer[name] for name in FULL} == FULL
    assert customer["email_status"] == "ok"
    assert customer["dunning_plan_id"] is None
    assert customer["hold"] is None
    assert customer["created_at"].endswith("Z")
    location = response.headers["location"]
    assert location == f"/api/customers/{customer['customer_id']}"
    assert done(house.get(location)) == customer


def test_a_customer_needs_only_a_name(house: House):
    customer = made(house.post("/api/customers", {"display_name": "Hilltop"}))
    assert customer["payment_terms_days"] == 30
    assert customer["email"] is None


def test_fields_nobody_knows_are_ignored(house: House):
    made(house.post("/api/customers", FULL | {"loyalty": {"points": 10**40}}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", None),
        ("display_name", ""),
        ("display_name", "   "),
        ("display_name", 42),
        ("display_name", ["a"]),
        ("display_name", "a" * 201),
        ("display_name", "bell\x07"),
        ("display_name", "nul\x00"),
        ("email", "nobody"),
        ("email", "a@b.example\r\nBcc: x@y.example"),
        ("phone", "1" * 51),
        ("payment_terms_days", -1),
        ("payment_terms_days", 3651),
        ("payment_terms_days", "30"),
        ("payment_terms_days", 1.5),
        ("payment_terms_days", True),
        ("payment_terms_days", None),
        ("external_reference_id", "r" * 201),
    ],
    ids=shown,
)
def test_a_bad_field_is_named_and_nothing_is_made(house: House, field: str, value: object):
    invalid(house.post("/api/customers", FULL | {field: value}), field)
    assert house.get("/api/customers").json()["items"] == []


def test_all_bad_fields_are_named_together(house: House):
    body = {"display_name": 1, "payment_terms_days": "soon", "phone": []}
    invalid(house.post("/api/customers", body), *body)


def test_a_text_that_is_not_unicode_is_refused(house: House):
    response = house.post("/api/customers", content=rb'{"display_name": "\ud800"}')
    invalid(response, "display_name")


def test_a_change_leaves_out_what_it_does_not_name_and_clears_what_is_null(house: House):
    customer = made(house.post("/api/customers", FULL))
    path = f"/api/customers/{customer['customer_id']}"
    changed = done(house.call("PATCH", path, {"phone": None, "payment_terms_days": 7}))
    expected = customer | {"phone": None, "payment_terms_days": 7}
    assert changed | {"updated_at": ""} == expected | {"updated_at": ""}
    assert done(house.get(path)) == changed
    assert done(house.call("PATCH", path, {})) == changed


def test_a_change_cannot_take_the_name_away(house: House):
    path = f"/api/customers/{house.add_customer()['customer_id']}"
    for nothing in (None, "", " "):
        invalid(house.call("PATCH", path, {"display_name": nothing}), "display_name")


def test_a_customer_takes_a_dunning_plan_and_gives_it_back(house: House, stranger: House):
    path = f"/api/customers/{house.add_customer()['customer_id']}"
    plan_id = house.get("/api/dunning/plans").json()["items"][0]["dunning_plan_id"]
    taken = done(house.call("PATCH", path, {"dunning_plan_id": plan_id}))
    assert taken["dunning_plan_id"] == plan_id
    foreign = stranger.get("/api/dunning/plans").json()["items"][0]["dunning_plan_id"]
    for unknown in (foreign, str(uuid4())):
        invalid(house.call("PATCH", path, {"dunning_plan_id": unknown}), "dunning_plan_id")
    assert done(house.call("PATCH", path, {"dunning_plan_id": None}))["dunning_plan_id"] is None


def test_customers_are_listed_by_key_newest_first(house: House):
    ids = [house.add_customer(display_name=f"C{n}")["customer_id"] for n in range(5)]
    first = done(house.get("/api/customers", limit=2))
    second = done(house.get("/api/customers", limit=2, cursor=first["next_cursor"]))
    third = done(house.get("/api/customers", limit=2, cursor=second["next_cursor"]))
    found = [one["customer_id"] for page in (first, second, third) for one in page["items"]]
    assert found == ids[::-1]
    assert third["next_cursor"] is None


def test_customers_are_found_by_part_of_the_name_and_by_reference(house: House):
    made(house.post("/api/customers", FULL))
    house.add_customer(display_name="Somebody else")
    for params in (
        {"q": "HILLTOP"},
        {"q": "ap@hill"},
        {"q": "1041"},
        {"q": "ll"},
        {"external_reference_id": "cust-1041"},
        {"external_source": "roofing-jobs"},
        {"external_source": "roofing-jobs", "external_reference_id": "cust-1041", "q": "apart"},
    ):
        items = done(house.get("/api/customers", **params))["items"]
        assert [one["display_name"] for one in items] == ["Hilltop Apartments LLC"], params
    assert done(house.get("/api/customers", q="100%"))["items"] == []
    assert done(house.get("/api/customers", q='a"b OR c'))["items"] == []


def test_an_id_that_is_not_there_is_404(house: House):
    for unknown in (str(uuid4()), "42", "not-a-uuid", "%00", "0199f0a27c1e7b649a412f6c1d0e8a55"):
        problem(house.call("GET", f"/api/customers/{unknown}"), 404, "not_found")
        problem(house.call("PATCH", f"/api/customers/{unknown}", {}), 404, "not_found")


LISTS = [
    "/api/customers",
    "/api/invoices",
    "/api/payments",
    "/api/communications",
    "/api/dunning/plans",
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "ten", "1.5", "", " 5", "9" * 30, "1e1"], ids=shown
)
def test_a_limit_out_of_range_is_422_on_every_list(house: House, path: str, limit: str):
    invalid(house.get(path, limit=limit), "limit")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor", ["", "garbage", "AAAA", "A" * 22, "../..", "a" * 101, "\x00"], ids=shown
)
def test_a_garbage_cursor_is_422_on_every_list(house: House, path: str, cursor: str):
    invalid(house.get(path, cursor=cursor), "cursor")


@pytest.mark.parametrize("path", LISTS)
def test_a_list_answers_items_and_a_cursor_at_both_limits(house: House, path: str):
    for limit in (1, 100):
        assert done(house.get(path, limit=limit)).keys() == {"items", "next_cursor"}
