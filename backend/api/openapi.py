"""The OpenAPI document: what FastAPI reads from the signatures, and what it cannot know.

Added here: the two headers that say who calls, correlation and idempotency, and every error an
endpoint can answer with, each as a problem.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from backend.api.endpoints import KEY_LENGTH_MAX, KEY_PATTERN, Endpoint, Idempotency
from backend.api.problems import TITLES, TYPE_PREFIX
from backend.api.routes.signed_webhooks import SIGNED_PATH
from backend.api.schemas.common import Problem, Queued
from backend.webhooks.providers import PROVIDERS

TITLE = "BillerJacket API"
VERSION = "1.0.0"
DESCRIPTION = f"""
Invoices, payments and chasing for businesses that bill by the job. JSON, snake_case.

**Who calls.** Every request carries `X-Api-Key` and `X-Tenant-Id`. What is checked, in this order:
who it is (401, 400, 403), whether its role may (403), the headers (400), the body (413, 415, 422),
and at last the state of things (404, 409, 422).

**Money** is exact: answers write decimals as text (`"1234.50"`, `"1000"` where the currency has
none); requests may use text or JSON numbers with at most two decimals. Dates are `YYYY-MM-DD` in
the tenant's time zone, instants are ISO 8601 in UTC, ids are UUIDs. Unknown fields are ignored.

**Safe to repeat.** Send an `Idempotency-Key` (1 to {KEY_LENGTH_MAX} printable characters) with any
POST; where money moves it is required. The same key and body get the first answer again, marked
`Idempotent-Replayed: true`; with another body the answer is 422 `idempotency_key_reused`. What the
rules decided is kept too, 409 and 422 included; invalid input and failures are not. Keys are kept
for 30 days, `(external_provider, external_payment_id)` for ever.

**Correlation.** Send `X-Correlation-Id` (1 to 128 of `A-Z a-z 0-9 . _ : -`) or get one. It is in
the answer, the logs, the audit log and every message; `GET /api/trace/{{id}}` shows all of it.

**Errors** are `application/problem+json` with a stable `code`. Bodies are at most 1 MiB.
"""
TAGS = [
    {"name": "Customers", "description": "Who owes."},
    {"name": "Invoices", "description": "What is owed, and for what."},
    {"name": "Payments", "description": "Money received, applied, reversed."},
    {"name": "Dunning", "description": "Chasing what is overdue, and holding it."},
    {"name": "Communications", "description": "What was said to customers."},
    {"name": "Webhooks", "description": "What payment providers say, stored and processed once."},
    {"name": "Health", "description": "Whether the process lives, and can do its work."},
    {"name": "Reports", "description": "Who owes how much, and what happened."},
]

_SECURITY: list[dict[str, list[str]]] = [{"ApiKey": [], "Tenant": []}]
_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "A key of the tenant: `python -m backend api-key create`.",
    },
    "Tenant": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Tenant-Id",
        "description": "The tenant the key belongs to, a UUID.",
    },
}
_CORRELATION_HEADER = {
    "X-Correlation-Id": {
        "description": "The caller's correlation id, or a new one.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_CORRELATION_PARAMETER = {
    "name": "X-Correlation-Id",
    "in": "header",
    "required": False,
    "description": "Ties everything this request causes together; anything malformed is replaced.",
    "schema": {"type": "string"},
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before the same request is sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
# What each status means when the endpoint's rules say nothing more exact; with an example's code.
_MEANINGS = {
    400: ("A header is missing or malformed.", "malformed_tenant"),
    401: ("`X-Api-Key` is missing or unknown.", "unknown_api_key"),
    403: (
        "The key is revoked, of another tenant, or its role may not do this; or the tenant is "
        "inactive.",
        "role_not_allowed",
    ),
    404: ("There is nothing of this id in the tenant.", "not_found"),
    409: ("The state of things does not permit it.", "state_conflict"),
    413: ("The body is larger than 1 MiB.", "body_too_large"),
    415: ("The body is not JSON.", "unsupported_media_type"),
    422: ("The input is invalid; `errors` names every field.", "invalid_input"),
    429: ("Too many at once; others are not affected.", "too_many_requests"),
    503: ("The database cannot answer just now. Nothing changed.", "temporarily_unavailable"),
}

_LIVE = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
_READY = {
    "type": "object",
    "properties": {
        "status": {"const": "ready"},
        "checks": {"type": "object", "additionalProperties": {"const": "ok"}},
        "worker": {
            "type": "object",
            "description": "A process without a worker is ready all the same.",
            "properties": {
                "running": {"type": "boolean"},
                "last_seen_seconds": {"type": ["integer", "null"]},
            },
        },
        "queues": {
            "type": "object",
            "description": "By name of the queue. Null is what the queue does not tell just now.",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "unsent": {"type": "integer", "description": "On the way to the queue."},
                    "active": {"type": ["integer", "null"]},
                    "scheduled": {"type": ["integer", "null"]},
                    "dead": {"type": ["integer", "null"]},
                    "oldest_seconds": {"type": ["integer", "null"]},
                },
            },
        },
    },
    "required": ["status", "checks"],
}


def _probe(summary: str, answers: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["Health"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {
                "description": answers,
                "headers": _CORRELATION_HEADER,
                "content": {"application/json": {"schema": schema}},
            }
        },
    }


def complete(document: dict[str, Any], endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """FastAPI's document with everything else a caller must know."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (Problem, Queued):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = _SCHEMES
    for name, schema in schemas.items():
        if name.endswith("Changes"):
            # What is left out of a change stays as it is: it has no default.
            for field in schema["properties"].values():
                field.pop("default", None)
    document["paths"] |= _health_paths()
    for endpoint in endpoints:
        declared = endpoint.declaration
        operation = document["paths"][declared.path][declared.method.lower()]
        for named in (declared.answer, endpoint.body_model):
            if named is not None:
                schemas[named.__name__] |= _examples_of(named)
        operation["security"] = _SECURITY
        operation.setdefault("parameters", []).extend(_parameters(endpoint))
        if declared.body_is_optional:
            operation["requestBody"]["required"] = False
        if endpoint.takes_raw_body:
            _describe_delivery(operation)
        responses = operation["responses"]
        responses.pop("422", None)  # FastAPI's own idea of it.
        responses.update(_problems(endpoint))
        success = responses[str(declared.status)]
        if declared.media_type != "application/json":
            success["content"] = {declared.media_type: {"schema": {"type": "string"}}}
        success["headers"] = dict(_CORRELATION_HEADER)
        if declared.idempotency is not Idempotency.NONE:
            success["headers"]["Idempotent-Replayed"] = {
                "description": "`true` when this is the first answer given again.",
                "schema": {"type": "string", "enum": ["true"]},
            }
        if declared.status == 201:
            success["headers"]["Location"] = {
                "description": "The path of what was made.",
                "required": True,
                "schema": {"type": "string"},
            }
        if declared.accepts_async:
            responses["202"] = _queued()
        operation["responses"] = dict(sorted(responses.items()))
    document["paths"][SIGNED_PATH] = {"post": _signed_delivery()}
    return document


def _examples_of(model: type[BaseModel]) -> dict[str, Any]:
    """The model's examples as they were written: FastAPI drops what is null in them."""
    extra = model.model_config.get("json_schema_extra")
    return dict(extra) if isinstance(extra, dict) else {}


def _health_paths() -> dict[str, Any]:
    live = _probe("Whether the process lives", "It does.", _LIVE)
    ready = _probe("Whether the process can do its work", "It can.", _READY)
    ready["responses"]["503"] = _problem(503, "/readyz", "`checks` says what is not there.")
    return {"/healthz": {"get": live}, "/readyz": {"get": ready}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [_CORRELATION_PARAMETER]
    kind = endpoint.declaration.idempotency
    if kind is not Idempotency.NONE:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": kind is Idempotency.REQUIRED,
                "description": "Makes the request safe to repeat.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": KEY_LENGTH_MAX,
                    "pattern": KEY_PATTERN,
                    "examples": ["8f14e45f-ceea-467f-a0e6-b1c1f1b7a0d2"],
                },
            }
        )
    if endpoint.declaration.accepts_async:
        found.append(
            {
                "name": "Prefer",
                "in": "header",
                "required": False,
                "description": "`respond-async`: queue it, and let the worker do it.",
                "schema": {"type": "string", "examples": ["respond-async"]},
            }
        )
    return found


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    declared = endpoint.declaration
    statuses = {400, 401, 403, 503, *declared.problems}
    if "{" in declared.path:
        statuses.add(404)
    if endpoint.body_model is not None:
        statuses.update((413, 415, 422))
    if endpoint.takes_raw_body:
        statuses.update((413, 422))
    if endpoint.query_model is not None or declared.idempotency is not Idempotency.NONE:
        statuses.add(422)
    return {
        str(status): _problem(status, declared.path, declared.problems.get(status))
        for status in statuses
    }


def _problem(status: int, path: str, rules: str | None) -> dict[str, Any]:
    meaning, code = _MEANINGS[status]
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": TITLES[status],
        "status": status,
        "detail": meaning.replace("`", ""),
        "instance": path,
        "code": code,
        "correlation_id": "9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
    }
    if status == 422:
        example["errors"] = [{"field": "amount", "message": "must have at most 2 decimals"}]
    return {
        "description": meaning if rules is None else f"{rules} {meaning}",
        "headers": _CORRELATION_HEADER | (_RETRY_AFTER if status in (429, 503) else {}),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example,
            }
        },
    }


def _signed_delivery() -> dict[str, Any]:
    """A provider's own delivery: no key, the signature says who sends it."""
    operation: dict[str, Any] = {
        "tags": ["Webhooks"],
        "summary": "Deliver an event to a tenant's own address, signed by the provider.",
        "description": "Made with `python -m backend webhook-endpoint create`. A Stripe account "
        "signs with `Stripe-Signature`, others with the headers of the Standard Webhooks; the "
        "time in it may differ from ours by five minutes, either way.",
        "operationId": "deliver_signed_event",
        "security": [],
        "parameters": [
            {"name": "provider", "in": "path", "required": True, "schema": {"type": "string"}},
            {
                "name": "endpoint_token",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
            },
            _CORRELATION_PARAMETER,
            _optional_header("Stripe-Signature", "`stripe`: the time, and the signatures."),
            _optional_header("webhook-timestamp", "`standard`: seconds since 1970."),
            _optional_header("webhook-signature", "`standard`: the signatures."),
        ],
        "responses": {
            "202": {
                "description": "Stored. The worker processes it.",
                "headers": dict(_CORRELATION_HEADER),
                "content": _content_of("Delivered"),
            },
            **{
                str(status): _problem(status, SIGNED_PATH, rules)
                for status, rules in (
                    (401, "The address, or the signature, is unknown, or it is too old."),
                    (404, "There is no such payment provider."),
                    (413, None),
                    (422, "The body is no event; it is kept, and `webhook_event_id` names it."),
                    (429, None),
                    (503, None),
                )
            },
        },
    }
    _describe_delivery(operation)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    return operation


def _describe_delivery(operation: dict[str, Any]) -> None:
    """What both ways of delivering an event have in common."""
    operation["requestBody"] = {
        "required": True,
        "description": "The event as the provider sent it, to the byte. `standard`: `type` "
        "(payment.succeeded, .failed, .refunded, .disputed, .dispute_closed), `timestamp`, and "
        "`data` with `payment_id`, `amount`, `currency_code`, one of `invoice_id`, "
        "`invoice_number`, `customer_id`, and `failure_code`, `refunded_amount` (all so far), "
        "`dispute_id`, `outcome` (won or lost) where they belong. Of mail that came back "
        "(email.bounced, email.complained): `data` with `communication_id` or `address`, and "
        "`reason`.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EVENT}},
    }
    for parameter in operation["parameters"]:
        if parameter["name"] == "provider":
            parameter["schema"] = {"type": "string", "enum": sorted(PROVIDERS)}
    operation["parameters"].append(
        _optional_header("webhook-id", "`standard`: the event's id, which it needs.")
    )
    operation["responses"]["200"] = {
        "description": "The event is known; this is its id.",
        "headers": dict(_CORRELATION_HEADER),
        "content": _content_of("Delivered"),
    }


_EVENT = {
    "type": "payment.succeeded",
    "timestamp": "2026-03-20T15:21:08Z",
    "data": {
        "payment_id": "pay_8842",
        "amount": "500.00",
        "currency_code": "USD",
        "invoice_number": "INV-000042",
    },
}


def _optional_header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _content_of(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}


def _queued() -> dict[str, Any]:
    return {
        "description": "Queued: the caller preferred not to wait.",
        "headers": dict(_CORRELATION_HEADER),
        "content": _content_of("Queued"),
    }
