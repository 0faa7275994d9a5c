"""Whatever goes wrong is told as problem+json, with a correlation id, and without a traceback."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from typing import Any

import pytest

import backend
from backend.api.problems import STATUS_OF, TITLES, problem_of, status_of
from backend.bootstrap import Services
from backend.errors import (
    BillerJacketError,
    Busy,
    FieldError,
    InvalidInput,
    StateConflict,
    TooManyRequests,
)
from tests.contract.api.house import House, made, problem


def _error_classes() -> list[type[BillerJacketError]]:
    """Every error of the backend, wherever it is defined."""
    for module in pkgutil.walk_packages(backend.__path__, "backend."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, type[BillerJacketError]] = {}
    waiting = BillerJacketError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        found[kind.__qualname__] = kind
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_class_has_its_status_in_the_one_table(kind: type[BillerJacketError]):
    assert kind in STATUS_OF
    assert STATUS_OF[kind] in TITLES


def test_an_error_class_of_a_service_has_the_status_of_its_base():
    class InvoiceFrozen(StateConflict):
        """A kind that some service might define."""

    assert status_of(InvoiceFrozen("It is frozen.")) == 409


def test_the_facts_of_an_error_are_members_but_never_replace_the_problems_own():
    error = StateConflict("Taken.", code="duplicate", payment_id="p-1", status="sent")
    body = problem_of(error, instance="/x", correlation_id="c-1").body
    assert b'"payment_id":"p-1"' in body
    assert b'"status":409' in body


def test_invalid_input_names_every_field():
    error = InvalidInput([FieldError("amount", "is required"), FieldError("note", "is too long")])
    body = problem_of(error, instance="/x", correlation_id="c-1").body
    assert b'[{"field":"amount","message":"is required"},{"field":"note"' in body


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(Busy("Later."), b"1"), (TooManyRequests("Slowly.", retry_after_seconds=30), b"30")],
)
def test_who_must_wait_is_told_how_long(error: BillerJacketError, seconds: bytes):
    found = problem_of(error, instance="/x", correlation_id="c-1")
    assert (b"retry-after", seconds) in found.headers


@pytest.mark.parametrize("path", ["/", "/nope", "/api", "/api/", "/api/nope", "/api/invoices/"])
def test_an_unknown_path_is_a_404_problem(house: House, path: str):
    problem(house.call("GET", path), 404, "path_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/invoices", "GET, POST"),
        ("DELETE", "/api/invoices/0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55", "GET, PATCH"),
        ("GET", "/api/payments/0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55/reverse", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/api/payments", "GET, POST"),
        ("BREW", "/api/payments", "GET, POST"),
    ],
)
def test_a_wrong_method_is_a_405_problem_that_tells_the_right_ones(
    house: House, method: str, path: str, allowed: str
):
    response = house.call(method, path)
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; b=x"]
)
def test_a_body_that_is_not_json_is_a_415_problem(house: House, media_type: str):
    response = house.post(
        "/api/customers", content=b'{"display_name": "A"}', headers={"Content-Type": media_type}
    )
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "application/vnd.a+json"]
)
def test_json_by_any_of_its_names_is_taken(house: House, media_type: str):
    made(
        house.post(
            "/api/customers",
            content=b'{"display_name": "A"}',
            headers={"Content-Type": media_type},
        )
    )


def test_a_body_above_one_mebibyte_is_a_413_problem(house: House):
    body = b'{"display_name": "' + b"a" * (1024 * 1024) + b'"}'
    problem(house.post("/api/customers", content=body), 413, "body_too_large")


def test_a_body_of_exactly_one_mebibyte_is_read(house: House):
    filler = b" " * (1024 * 1024 - len(b'{"display_name": "A"}'))
    made(house.post("/api/customers", content=b'{"display_name": "A"}' + filler))


def test_a_body_without_a_length_is_bounded_too(house: House):
    def parts() -> Any:
        async def stream() -> Any:
            for _ in range(40):
                yield b" " * 64 * 1024

        return stream()

    response = house.call("POST", "/api/customers", content=parts())
    assert "content-length" not in response.request.headers
    problem(response, 413, "body_too_large")


def test_the_callers_correlation_id_comes_back_on_every_kind_of_answer(house: House):
    for method, path in (
        ("GET", "/api/customers"),
        ("GET", "/api/nope"),
        ("PUT", "/api/customers"),
        ("POST", "/api/customers"),
        ("GET", "/healthz"),
    ):
        response = house.call(method, path, headers={"X-Correlation-Id": "job:42_a-b.C"})
        assert response.headers["x-correlation-id"] == "job:42_a-b.C"
        if response.status_code >= 400:
            assert response.json()["correlation_id"] == "job:42_a-b.C"


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "naïve", "<script>", "x;y"])
def test_a_malformed_correlation_id_is_replaced_and_never_an_error(house: House, given: str):
    response = house.call("GET", "/api/customers", headers={"X-Correlation-Id": given.encode()})
    assert response.status_code == 200
    assert response.headers["x-correlation-id"] not in ("", given)


def test_every_answer_carries_the_headers_that_keep_browsers_away(house: House):
    for path in ("/api/customers", "/api/nope", "/healthz"):
        headers = house.call("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_a_bug_is_a_500_problem_without_its_traceback(house: House):
    # A table that is gone is a bug, not a database that is away.
    with sqlite3.connect(str(house.services.db.path)) as connection:
        connection.execute("ALTER TABLE customers RENAME TO elsewhere")
    connection.close()
    response = house.call("GET", "/api/customers", headers={"X-Correlation-Id": "c-500"})
    problem(response, 500, "internal_error")
    assert "Traceback" not in response.text
    assert "customers" not in response.json()["detail"]


def _wait_less_for_locks(services: Services) -> None:
    """Not the five seconds of production."""
    connection = services.db.writer
    assert connection is not None
    connection.run(lambda opened: opened.driver.execute("PRAGMA busy_timeout=50").close())


def test_a_locked_database_is_a_503_problem_and_nothing_changed(house: House, services: Services):
    customer = house.add_customer()
    _wait_less_for_locks(services)
    other = sqlite3.connect(str(services.db.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        response = house.post("/api/customers", {"display_name": "Late"})
    finally:
        other.execute("ROLLBACK")
        other.close()
    problem(response, 503, "temporarily_unavailable")
    assert int(response.headers["retry-after"]) >= 1
    names = [one["customer_id"] for one in house.get("/api/customers").json()["items"]]
    assert names == [customer["customer_id"]]
    made(house.post("/api/customers", {"display_name": "In time"}))
