"""A consuming app in a test: a tenant, its keys, and calls as an HTTP client makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import sqlalchemy as sa

from backend.actor import Role, platform_system
from backend.bootstrap import Services
from backend.db.statements import PlatformStatement
from backend.identity.api_keys import CreateApiKey, create_api_key
from backend.messaging.models import OUTBOX
from backend.onboarding import create_tenant
from backend.payments.models import PAYMENT_ATTEMPTS
from backend.tenants.service import CreateTenant
from backend.unit_of_work import Reader, read, run
from tests.contract.api.client import Client
from tests.factories import actor_in

Json = dict[str, Any]
LINE = {"description": "Re-roof", "quantity": "2", "unit_price": "50.00"}


@dataclass
class House:
    """A tenant and a client that calls with one of its keys, an Admin's unless told otherwise."""

    client: Client
    services: Services
    tenant_id: UUID
    api_key: str
    more_headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, client: Client, services: Services, name: str, **settings: str) -> House:
        """A new tenant as `python -m backend tenant create` makes it, with an Admin's key."""
        command = CreateTenant(name, **settings)
        tenant_id = run(services.db, platform_system("test"), create_tenant, command)
        house = cls(client, services, tenant_id, "")
        house.api_key = house.new_key()
        return house

    def new_key(self, role: Role = Role.ADMIN) -> str:
        """Another key of this tenant."""
        command = CreateApiKey(f"{role} app", role)
        return run(self.services.db, actor_in(self.tenant_id), create_api_key, command).api_key

    def with_role(self, role: Role) -> House:
        """The same tenant, called with a key of this role."""
        return House(self.client, self.services, self.tenant_id, self.new_key(role))

    @property
    def headers(self) -> dict[str, str]:
        """What every call carries."""
        own = {"X-Api-Key": self.api_key, "X-Tenant-Id": str(self.tenant_id)}
        return own | self.more_headers

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        content: Any = None,
    ) -> httpx.Response:
        """One request; a POST gets a fresh Idempotency-Key unless one is given."""
        sent: dict[str, str | bytes] = dict(self.headers)
        if method == "POST":
            sent["Idempotency-Key"] = key or uuid4().hex
        sent.update(headers or {})
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
            return self.client.request(method, path, content=content, headers=sent)
        return self.client.request(method, path, json=body, headers=sent)

    def get(self, path: str, **params: Any) -> httpx.Response:
        """A GET with query parameters."""
        return self.client.get(path, params=params, headers=self.headers)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A POST."""
        return self.call("POST", path, body, **more)

    def add_customer(self, **fields: Any) -> Json:
        """A customer without an e-mail address, unless told otherwise."""
        return made(self.post("/api/customers", {"display_name": "Hilltop Apartments"} | fields))

    def draft(self, **fields: Any) -> Json:
        """A draft of 100.00."""
        if "customer_id" not in fields:
            fields["customer_id"] = self.add_customer()["customer_id"]
        return made(self.post("/api/invoices", {"line_items": [LINE]} | fields))

    def sent_invoice(self, **fields: Any) -> Json:
        """A sent invoice of 100.00."""
        draft = self.draft(**fields)
        return done(self.post(f"/api/invoices/{draft['invoice_id']}/send"))

    def pay(self, invoice: Json, amount: str, **fields: Any) -> Json:
        """A payment on an invoice."""
        body = {"amount": amount, "invoice_id": invoice["invoice_id"]} | fields
        return made(self.post("/api/payments", body))

    def invoice(self, invoice_id: str) -> Json:
        """The invoice as it stands."""
        return done(self.get(f"/api/invoices/{invoice_id}"))


def made(response: httpx.Response) -> Json:
    """The body of a 201."""
    assert response.status_code == 201, response.text
    return response.json()


def done(response: httpx.Response) -> Json:
    """The body of a 200."""
    assert response.status_code == 200, response.text
    return response.json()


def problem(response: httpx.Response, status: int, code: str | None = None) -> Json:
    """The body of an error, which must be a complete problem of this status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    members = {"type", "title", "status", "detail", "instance", "code", "correlation_id"}
    assert members <= body.keys()
    assert body["status"] == status
    assert body["instance"] == response.request.url.raw_path.decode().partition("?")[0]
    if code is not None:
        assert body["code"] == code
        assert body["type"].endswith(code)
    assert response.headers["x-correlation-id"]
    return body


def invalid(response: httpx.Response, *fields: str) -> Json:
    """The body of a 422 that names exactly these fields."""
    body = problem(response, 422)
    assert {one["field"] for one in body["errors"]} == set(fields), body["errors"]
    assert all(one["message"] for one in body["errors"])
    return body


def at_once(count: int, act: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """What `count` threads get that all begin at the same moment."""
    barrier = threading.Barrier(count)
    answers: list[httpx.Response] = []

    def go(number: int) -> None:
        barrier.wait()
        with suppress(Exception):
            answers.append(act(number))

    threads = [threading.Thread(target=go, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count, "a request failed"
    return answers


_ATTEMPTS = PlatformStatement(
    sa.select(PAYMENT_ATTEMPTS.c.outcome, PAYMENT_ATTEMPTS.c.failure_code).order_by(
        PAYMENT_ATTEMPTS.c.row_id
    )
)
_QUEUED = PlatformStatement(
    sa.select(OUTBOX.c.message_type, OUTBOX.c.body).order_by(OUTBOX.c.row_id)
)


def attempts(house: House) -> list[tuple[str, str | None]]:
    """Every attempt to pay in the database: its outcome, and why it failed."""
    return _rows(house, _ATTEMPTS)


def queued(house: House) -> list[tuple[str, str]]:
    """Every message that was sent: its type and its envelope."""
    return _rows(house, _QUEUED)


def _rows(house: House, statement: PlatformStatement) -> list[Any]:
    def look(reader: Reader) -> list[Any]:
        return [tuple(row) for row in reader.rows(statement)]

    return read(house.services.db, actor_in(house.tenant_id), look)


def shown(value: object) -> str:
    """A parameter as the name of a test shows it."""
    return repr(value)[:90]
