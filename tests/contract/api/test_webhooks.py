"""Webhooks over HTTP: who may deliver, what is stored, what is answered, and that nobody learns."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog

from backend.actor import Role, platform_system
from backend.api.app import create_app
from backend.api.entrance import path_for_log
from backend.api.floods import Allowance
from backend.api.problems import BodyTooLarge
from backend.api.routes import signed_webhooks
from backend.bootstrap import Services
from backend.tenants.service import activate_tenant, deactivate_tenant
from backend.unit_of_work import read, run
from backend.verification.service import verify_books
from backend.webhooks.endpoints import (
    CreateEndpoint,
    NewEndpoint,
    activate_endpoint,
    add_secret,
    create_endpoint,
    deactivate_endpoint,
    get_endpoint,
    retire_secret,
)
from backend.webhooks.secrets import SecretBox, new_secret, new_token
from tests.contract.api.client import Client
from tests.contract.api.house import House, at_once, done, invalid, problem, queued
from tests.factories import Clock, actor_in, raw_count, raw_rows
from tests.webhooks import (
    STANDARD_SECRET,
    STRIPE_SECRET,
    as_bytes,
    charge,
    dispute,
    payment_intent,
    signed_by_standard,
    signed_by_stripe,
    standard_event,
    stripe_event,
)
from worker.handlers.table import HANDLERS
from worker.process import Worker

BOX = SecretBox("s" * 32)  # as the settings of the services have it
Json = dict[str, Any]


@pytest.fixture
def clock() -> Clock:
    """The real time: the library that verifies the standard scheme looks at no other clock."""
    return Clock(datetime.now(UTC))


def endpoint_of(house: House, provider: str, secret: str | None = None) -> NewEndpoint:
    return run(
        house.services.db,
        actor_in(house.tenant_id),
        create_endpoint,
        BOX,
        CreateEndpoint(provider, secret),
    )


@pytest.fixture
def stripe(house: House) -> NewEndpoint:
    return endpoint_of(house, "stripe", STRIPE_SECRET)


@pytest.fixture
def standard(house: House) -> NewEndpoint:
    return endpoint_of(house, "standard", STANDARD_SECRET)


def path_of(endpoint: NewEndpoint) -> str:
    return f"/api/webhooks/{endpoint.provider}/{endpoint.endpoint_token}"


def deliver(
    client: Client,
    endpoint: NewEndpoint,
    event: Json | bytes,
    *,
    secret: str | None = None,
    at: datetime | None = None,
    event_id: str = "msg_1",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """What the provider sends, signed with the endpoint's secret unless told otherwise."""
    body = event if isinstance(event, bytes) else as_bytes(event)
    moment = at or datetime.now(UTC)
    if endpoint.provider == "stripe":
        signed = signed_by_stripe(body, secret or endpoint.secret, at=moment)
    else:
        signed = signed_by_standard(body, event_id, secret or endpoint.secret, at=moment)
    signed |= headers or {}
    return client.request("POST", path_of(endpoint), content=body, headers=signed)


def accepted(response: httpx.Response, status: int = 202) -> str:
    """The event's id."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body == {"webhook_event_id": body["webhook_event_id"], "status": "received"}
    return str(body["webhook_event_id"])


def paid(intent: str = "pi_1", amount: int = 10_000, **metadata: str) -> Json:
    subject = payment_intent(intent, amount, **metadata)
    return stripe_event(f"evt_{intent}", "payment_intent.succeeded", subject)


def drain(house: House) -> None:
    Worker(house.services, HANDLERS).run_once()


def events(house: House, **params: Any) -> list[Json]:
    return done(house.get("/api/webhooks/events", **params))["items"]


def test_a_signed_event_is_stored_and_answered_at_once(house: House, stripe: NewEndpoint):
    body = b'{"id":"evt_1",\r\n "type": "customer.created"}'
    response = deliver(house.client, stripe, body, headers={"X-Correlation-Id": "hook-1"})
    event_id = accepted(response)
    assert response.headers["x-correlation-id"] == "hook-1"
    event = done(house.get(f"/api/webhooks/events/{event_id}"))
    assert event["payload"] == body.decode()
    assert event["headers"]["stripe-signature"].endswith(",v1=[redacted]")
    assert (event["status"], event["signature"], event["attempts"]) == ("received", "verified", 0)
    assert (event["provider"], event["external_event_id"]) == ("stripe", "evt_1")
    assert event["webhook_endpoint_id"] == str(stripe.webhook_endpoint_id)
    assert event["correlation_id"] == "hook-1"
    [(kind, envelope)] = queued(house)
    assert kind == "webhook.received"
    assert json.loads(envelope)["payload"] == {"webhook_event_id": event_id}
    assert json.loads(envelope)["correlation_id"] == "hook-1"


def test_a_known_event_is_answered_with_the_first_id_for_ever(
    house: House, stripe: NewEndpoint, clock: Clock
):
    first = accepted(deliver(house.client, stripe, paid()))
    clock.pass_time(days=400)
    again = deliver(house.client, stripe, paid(), at=clock.now)
    assert accepted(again, 200) == first
    assert len(queued(house)) == 1
    assert events(house)[0]["deliveries"] == 2


def test_the_same_event_many_times_at_once_is_stored_once(house: House, stripe: NewEndpoint):
    answers = at_once(16, lambda _: deliver(house.client, stripe, paid()))
    assert sorted(one.status_code for one in answers) == [200] * 15 + [202]
    assert len({one.json()["webhook_event_id"] for one in answers}) == 1
    assert events(house)[0]["deliveries"] == 16
    assert len(queued(house)) == 1


def test_the_books_agree_at_each_step_from_paid_to_restored(house: House, stripe: NewEndpoint):
    invoice = house.sent_invoice()
    number = invoice["invoice_number"]

    def after(event: Json) -> tuple[str, str]:
        accepted(deliver(house.client, stripe, event))
        drain(house)
        assert verify_books(house.services.db).findings == []
        now = house.invoice(invoice["invoice_id"])
        return now["status"], now["balance_due"]

    assert after(paid(invoice_number=number)) == ("paid", "0.00")
    refund = stripe_event("evt_2", "charge.refunded", charge("pi_1", 10_000, 2_500))
    assert after(refund) == ("sent", "25.00")
    said = dispute("pi_1", 7_500, "needs_response")
    assert after(stripe_event("evt_3", "charge.dispute.created", said)) == ("sent", "100.00")
    said = dispute("pi_1", 7_500, "won")
    assert after(stripe_event("evt_4", "charge.dispute.closed", said)) == ("sent", "25.00")
    assert {one["status"] for one in events(house)} == {"processed"}


def test_the_standard_shape_does_the_same(house: House, standard: NewEndpoint):
    invoice = house.sent_invoice()
    facts = {"payment_id": "pay_1", "currency_code": "USD", "invoice_id": invoice["invoice_id"]}
    event = standard_event("payment.succeeded", amount="100.00", **facts)
    accepted(deliver(house.client, standard, event, event_id="msg_1"))
    drain(house)
    assert house.invoice(invoice["invoice_id"])["status"] == "paid"
    event = standard_event("payment.refunded", amount="100.00", refunded_amount="40.00", **facts)
    accepted(deliver(house.client, standard, event, event_id="msg_2"))
    drain(house)
    assert house.invoice(invoice["invoice_id"])["balance_due"] == "40.00"
    [refund, payment] = events(house, provider="standard")
    assert (refund["external_event_id"], payment["external_event_id"]) == ("msg_2", "msg_1")


def test_both_secrets_are_good_while_one_is_replaced(house: House, stripe: NewEndpoint):
    db, actor = house.services.db, actor_in(house.tenant_id)
    added = run(db, actor, add_secret, BOX, stripe.webhook_endpoint_id)
    accepted(deliver(house.client, stripe, paid("pi_1")))
    accepted(deliver(house.client, stripe, paid("pi_2"), secret=added))
    run(db, actor, retire_secret, stripe.webhook_endpoint_id)
    problem(deliver(house.client, stripe, paid("pi_3")), 401, "bad_signature")
    accepted(deliver(house.client, stripe, paid("pi_4"), secret=added))


def refused_in_every_way(house: House, endpoint: NewEndpoint, switch: Any) -> Iterator[Any]:
    """Deliveries that prove nothing."""
    client, event = house.client, paid() | {"type": "x"}
    now = datetime.now(UTC)
    yield deliver(client, endpoint, event, secret=new_secret())
    yield deliver(client, endpoint, event, at=now - timedelta(seconds=302))
    yield deliver(client, endpoint, event, at=now + timedelta(seconds=305))
    yield client.request(
        "POST", path_of(endpoint), content=as_bytes(event), headers={"webhook-id": "msg_1"}
    )
    unknown = NewEndpoint(uuid4(), endpoint.provider, new_token(), endpoint.secret)
    yield deliver(client, unknown, event)
    other = {"stripe": "standard", "standard": "stripe"}[endpoint.provider]
    elsewhere = NewEndpoint(uuid4(), other, endpoint.endpoint_token, endpoint.secret)
    yield deliver(client, elsewhere, event, secret=STANDARD_SECRET)
    yield deliver(client, endpoint, b"{", secret=new_secret())
    with switch("endpoint"):
        yield deliver(client, endpoint, event)
    with switch("tenant"):
        yield deliver(client, endpoint, event)


class Switch:
    """Switches an endpoint or its tenant off, and on again."""

    def __init__(self, house: House, endpoint: NewEndpoint) -> None:
        self._db, self._tenant_id = house.services.db, house.tenant_id
        self._endpoint_id = endpoint.webhook_endpoint_id
        self._what = ""

    def __call__(self, what: str) -> Switch:
        self._what = what
        return self

    def __enter__(self) -> None:
        if self._what == "tenant":
            run(self._db, platform_system("test"), deactivate_tenant, self._tenant_id)
        else:
            run(self._db, actor_in(self._tenant_id), deactivate_endpoint, self._endpoint_id)

    def __exit__(self, *_: object) -> None:
        if self._what == "tenant":
            run(self._db, platform_system("test"), activate_tenant, self._tenant_id)
        else:
            run(self._db, actor_in(self._tenant_id), activate_endpoint, self._endpoint_id)


@pytest.mark.parametrize("provider", ["stripe", "standard"])
def test_whatever_proves_nothing_gets_one_answer_and_leaves_nothing(
    house: House, services: Services, provider: str
):
    secret = {"stripe": STRIPE_SECRET, "standard": STANDARD_SECRET}[provider]
    endpoint = endpoint_of(house, provider, secret)
    answers = set()
    for response in refused_in_every_way(house, endpoint, Switch(house, endpoint)):
        body = problem(response, 401, "bad_signature")
        answers.add((body["title"], body["detail"], tuple(sorted(body)), tuple(response.headers)))
        assert secret not in response.text
    assert len(answers) == 1
    assert raw_count(services.db, "webhook_events") == 0
    assert queued(house) == []
    accepted(deliver(house.client, endpoint, paid()))


def test_refusals_are_counted_where_support_can_see_them(
    house: House, stripe: NewEndpoint, services: Services
):
    for _ in range(3):
        problem(deliver(house.client, stripe, paid(), secret="whsec_wrong"), 401)
    problem(deliver(house.client, stripe, paid(), at=datetime.now(UTC) - timedelta(hours=1)), 401)
    support = actor_in(house.tenant_id, Role.SUPPORT)
    seen = _until(
        lambda: read(services.db, support, get_endpoint, stripe.webhook_endpoint_id),
        lambda endpoint: endpoint.refused_count == 4,
    )
    assert seen.last_refused_reason == "the signature is more than five minutes old"
    assert seen.last_refused_at is not None


def _until(look: Any, is_so: Any) -> Any:
    deadline = time.monotonic() + 10
    while not is_so(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.01)
    return seen


def test_another_tenants_secret_and_event_get_nowhere(house: House, stranger: House):
    mine, theirs = endpoint_of(house, "stripe"), endpoint_of(stranger, "stripe")
    problem(deliver(house.client, theirs, paid(), secret=mine.secret), 401, "bad_signature")
    event_id = accepted(deliver(house.client, theirs, paid()))
    unknown = str(uuid4())
    for wanted in ("/api/webhooks/events/{}", "/api/trace/{}"):
        assert _alike(house, "GET", wanted, event_id, unknown) == 404
    assert _alike(house, "POST", "/api/webhooks/{}/replay", event_id, unknown) == 404
    assert events(house) == []
    assert events(house, external_event_id="evt_pi_1") == []
    # The same event id is another event for another tenant.
    assert accepted(deliver(house.client, mine, paid())) != event_id
    assert done(stranger.get(f"/api/webhooks/events/{event_id}"))["deliveries"] == 1


def _alike(house: House, method: str, path: str, theirs: str, unknown: str) -> int:
    answers = []
    for wanted in (theirs, unknown):
        response = house.call(method, path.format(wanted))
        body = response.json() | {"correlation_id": None, "instance": None}
        answers.append((response.status_code, body))
    assert answers[0] == answers[1]
    return answers[0][0]


def test_an_app_with_a_key_may_hand_over_what_it_got(house: House):
    body = as_bytes(stripe_event("evt_1", "customer.created", {}))
    first = accepted(house.post("/api/webhooks/stripe", content=body))
    assert accepted(house.post("/api/webhooks/stripe", content=body), 200) == first
    [event] = events(house)
    assert (event["signature"], event["webhook_endpoint_id"]) == ("api_key", None)
    headers = {"webhook-id": "msg_1"}
    accepted(house.post("/api/webhooks/standard", {"type": "ping"}, headers=headers))


def test_an_idempotency_key_gives_the_first_answer_again(house: House):
    body = as_bytes(stripe_event("evt_1", "customer.created", {}))
    first = house.post("/api/webhooks/stripe", content=body, key="once")
    again = house.post("/api/webhooks/stripe", content=body, key="once")
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = as_bytes(stripe_event("evt_2", "customer.created", {}))
    reused = house.post("/api/webhooks/stripe", content=other, key="once")
    problem(reused, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("role", "status"), [(Role.ADMIN, 202), (Role.FINANCE, 202), (Role.SUPPORT, 403)]
)
def test_only_who_may_move_money_may_hand_over_events(house: House, role: Role, status: int):
    body = as_bytes(stripe_event("evt_1", "customer.created", {}))
    response = house.with_role(role).post("/api/webhooks/stripe", content=body)
    assert response.status_code == status


def test_without_a_key_nobody_hands_over_anything(house: House):
    response = house.client.request("POST", "/api/webhooks/stripe", content=b"{}")
    problem(response, 401, "unknown_api_key")


@pytest.mark.parametrize("name", ["paypal", "Stripe", "stripe%20"])
def test_an_unknown_provider_is_not_there(house: House, name: str):
    problem(house.post(f"/api/webhooks/{name}", content=b"{}"), 404, "unknown_provider")
    path = f"/api/webhooks/{name}/{new_token()}"
    response = house.client.request("POST", path, content=b"{}")
    problem(response, 404, "unknown_provider")


def test_the_addresses_of_events_are_no_providers(house: House):
    for path in ("/api/webhooks/events", f"/api/webhooks/events/{uuid4()}"):
        response = house.post(path, content=b"{}")
        problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "GET"


MALFORMED = [b"", b"{", b"\xff\xfe", b"[1]", b"7", b'{"id": Infinity}', b"[" * 50_000]


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_not_json_is_kept_and_answered_422(house: House, body: bytes):
    refused = invalid(house.post("/api/webhooks/stripe", content=body), "body")
    assert refused["code"] == "malformed_json"
    [event] = events(house)
    assert event["webhook_event_id"] == refused["webhook_event_id"]
    assert (event["status"], event["event_type"]) == ("failed", None)
    assert raw_rows(house.services.db, "SELECT payload FROM webhook_events") == [(body,)]
    again = invalid(house.post("/api/webhooks/stripe", content=body), "body")
    assert again["webhook_event_id"] == refused["webhook_event_id"]
    shown = done(house.get(f"/api/webhooks/events/{event['webhook_event_id']}"))
    assert shown["payload"] == body.decode("utf-8", "replace")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]"])
def test_what_is_signed_and_not_json_is_kept_too(
    house: House, stripe: NewEndpoint, standard: NewEndpoint, body: bytes
):
    for endpoint in (stripe, standard):
        refused = problem(deliver(house.client, endpoint, body), 422, "malformed_json")
        event = done(house.get(f"/api/webhooks/events/{refused['webhook_event_id']}"))
        assert (event["signature"], event["status"]) == ("verified", "failed")
    # The event proper still has its id to itself.
    accepted(deliver(house.client, standard, {"type": "ping"}))


def test_an_event_without_an_id_is_kept_and_answered_422(house: House, stripe: NewEndpoint):
    invalid(house.post("/api/webhooks/stripe", content=b'{"type": "x"}'), "id")
    invalid(deliver(house.client, stripe, {"id": "evt_1"}), "type")
    assert len(events(house, status="failed")) == 2


def test_the_standard_without_its_id_header_is_422_for_whoever_asks(
    house: House, standard: NewEndpoint
):
    invalid(house.post("/api/webhooks/standard", {"type": "ping"}), "webhook-id")
    for token in (standard.endpoint_token, new_token()):
        response = house.client.request("POST", f"/api/webhooks/standard/{token}", content=b"{}")
        invalid(response, "webhook-id")
    assert events(house) == []


def test_a_body_above_one_mebibyte_is_413(house: House, stripe: NewEndpoint):
    event = stripe_event("evt_1", "customer.created", {"x": "y" * (1024 * 1024)})
    for response in (
        deliver(house.client, stripe, event),
        house.post("/api/webhooks/stripe", content=as_bytes(event)),
    ):
        problem(response, 413, BodyTooLarge.default_code)
    fits = b'{"id":"evt_1","type":"x","pad":"' + b"y" * (1024 * 1024 - 34) + b'"}'
    assert len(fits) == 1024 * 1024
    accepted(deliver(house.client, stripe, fits))


@pytest.fixture
def narrow(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A tenant of a server whose endpoints take little."""
    monkeypatch.setattr(signed_webhooks, "SIGNED", Allowance(at_once=20, per_second=1))
    monkeypatch.setattr(signed_webhooks, "UNSIGNED", Allowance(at_once=10, per_second=1))
    with Client(create_app(services)) as client:
        yield House.build(client, services, "Ridge Roofing")


def test_a_flood_is_answered_429_and_others_are_not_affected(narrow: House):
    flooded, calm = endpoint_of(narrow, "stripe"), endpoint_of(narrow, "stripe")
    answers = [deliver(narrow.client, flooded, paid()) for _ in range(60)]
    statuses = [one.status_code for one in answers]
    assert statuses[:20] == [202] + [200] * 19
    assert set(statuses[20:]) >= {429}
    refused = next(one for one in answers if one.status_code == 429)
    assert problem(refused, 429, "too_many_requests")["retry_after_seconds"] == 1
    assert refused.headers["retry-after"] == "1"
    accepted(deliver(narrow.client, calm, paid("pi_2")))
    assert events(narrow)[0]["external_event_id"] == "evt_pi_2"


def test_a_flood_of_forged_deliveries_does_not_keep_the_provider_out(narrow: House):
    endpoint = endpoint_of(narrow, "stripe")
    unknown = NewEndpoint(uuid4(), "stripe", new_token(), endpoint.secret)
    for attacked in (endpoint, unknown):
        statuses = [
            deliver(narrow.client, attacked, paid(), secret="whsec_forged").status_code
            for _ in range(30)
        ]
        assert statuses[:10] == [401] * 10
        assert 429 in statuses
        assert set(statuses) == {401, 429}
    accepted(deliver(narrow.client, endpoint, paid()))


def test_events_are_listed_and_narrowed(house: House, stripe: NewEndpoint):
    ids = [accepted(deliver(house.client, stripe, paid(f"pi_{n}"))) for n in range(3)]
    headers = {"webhook-id": "msg_1"}
    ids.append(accepted(house.post("/api/webhooks/standard", {"type": "ping"}, headers=headers)))
    drain(house)

    def found(**params: Any) -> list[int]:
        return [ids.index(one["webhook_event_id"]) for one in events(house, **params)]

    assert found() == [3, 2, 1, 0]
    assert found(provider="stripe") == [2, 1, 0]
    assert found(status="ignored") == [3]
    assert found(status="failed", provider="standard") == []
    assert found(event_type="ping") == [3]
    assert found(external_event_id="evt_pi_1") == [1]
    assert found(signature="api_key") == [3]
    page = done(house.get("/api/webhooks/events", limit=3))
    rest = done(house.get("/api/webhooks/events", limit=3, cursor=page["next_cursor"]))
    assert [one["webhook_event_id"] for one in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", "paypal"),
        ("status", "done"),
        ("signature", "good"),
        ("event_type", "x" * 101),
        ("limit", "0"),
        ("cursor", "x"),
    ],
)
def test_an_unknown_value_of_a_filter_is_422(house: House, name: str, value: str):
    invalid(house.get("/api/webhooks/events", **{name: value}), name)


def test_a_replay_is_queued_and_says_that_nothing_changed(house: House, stripe: NewEndpoint):
    invoice = house.sent_invoice()
    event_id = accepted(deliver(house.client, stripe, paid(invoice_id=invoice["invoice_id"])))
    drain(house)
    support = house.with_role(Role.SUPPORT)
    response = support.post(f"/api/webhooks/{event_id}/replay")
    assert response.status_code == 202
    assert response.json() == {"webhook_event_id": event_id, "status": "replay_queued"}
    waiting = done(house.get(f"/api/webhooks/events/{event_id}"))
    assert waiting["replay_requested_at"] is not None
    drain(house)
    event = done(house.get(f"/api/webhooks/events/{event_id}"))
    assert (event["status"], event["attempts"]) == ("processed", 2)
    assert "nothing changed" in event["detail"]
    [payment] = done(house.get("/api/payments"))["items"]
    assert payment["payment_id"] == event["payment_id"]
    assert payment["external_payment_id"] == "pi_1"


def test_a_replay_with_a_key_is_asked_for_once(house: House, stripe: NewEndpoint):
    event_id = accepted(deliver(house.client, stripe, paid()))
    for _ in range(2):
        again = house.post(f"/api/webhooks/{event_id}/replay", key="again")
        assert again.status_code == 202
    kinds = [kind for kind, _ in queued(house)]
    assert kinds == ["webhook.received", "webhook.replay_requested"]
    problem(house.with_role(Role.FINANCE).post(f"/api/webhooks/{event_id}/replay"), 403)


def test_a_secret_kept_under_another_key_of_the_service_is_no_fault_of_the_sender(
    house: House, services: Services
):
    other = SecretBox("another key of the service")
    endpoint = run(
        services.db,
        actor_in(house.tenant_id),
        create_endpoint,
        other,
        CreateEndpoint("stripe"),
    )
    response = deliver(house.client, endpoint, paid())
    problem(response, 503, "temporarily_unavailable")
    assert response.headers["retry-after"] == "1"


def test_no_secret_and_no_token_gets_into_the_log(house: House, stripe: NewEndpoint):
    with structlog.testing.capture_logs() as lines:
        accepted(deliver(house.client, stripe, paid()))
        problem(deliver(house.client, stripe, paid("pi_2"), secret="whsec_wrong_secret"), 401)
        deliver(house.client, stripe, b"{")
        house.client.request("GET", path_of(stripe))
        house.client.request("POST", path_of(stripe) + "/more", content=b"{}")
    text = repr(lines)
    assert len([line for line in lines if line["event"] == "http.request"]) == 5
    assert stripe.endpoint_token[:6] in text
    for secret in (stripe.endpoint_token, stripe.secret, "whsec_wrong_secret"):
        assert secret[8:] not in text


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/webhooks/stripe/abcdefghijklmnop", "/api/webhooks/stripe/abcdef…"),
        ("/api/webhooks/x/abcdefghijklmnop/", "/api/webhooks/x/abcdef…/"),
        ("/api/webhooks/stripe", "/api/webhooks/stripe"),
        ("/api/webhooks/events/0199f0d4", "/api/webhooks/events/0199f0d4"),
        ("/api/webhooks/0199f0d4-3c10/replay", "/api/webhooks/0199f0d4-3c10/replay"),
        ("/api/invoices/abcdefghijklmnop", "/api/invoices/abcdefghijklmnop"),
    ],
)
def test_the_log_shows_of_a_token_only_how_it_begins(path: str, logged: str):
    assert path_for_log(path) == logged
