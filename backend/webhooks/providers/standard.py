"""Standard Webhooks, for every provider without a module of its own.

Headers `webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC-SHA256 over "id.timestamp.body"
by the scheme's own library, which also holds the time to five minutes either way.
https://www.standardwebhooks.com

The body: {"type", "timestamp", "data": {"payment_id", "amount", "currency_code", "invoice_id"? or
"invoice_number"? or "customer_id"?, "failure_code"?, "failure_message"?, "refunded_amount"?,
"dispute_id"?, "outcome"?}}. `refunded_amount` is all that was refunded so far, the whole amount
when it is left out; `outcome` of a closed dispute is "won" or "lost".

Of mail that came back (email.bounced, email.complained): {"type", "timestamp", "data":
{"communication_id" or "address", "reason"?}}. Only what is final is told, no soft bounces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from backend.checks import required_text
from backend.communications.models import ReturnKind
from backend.errors import InvalidInput
from backend.webhooks.events import EmailReturned, EventKind, ProviderEvent
from backend.webhooks.payloads import (
    CODE_LENGTH_MAX,
    ID_LENGTH_MAX,
    MESSAGE_LENGTH_MAX,
    TYPE_LENGTH_MAX,
    Part,
    meant_by,
)
from backend.webhooks.providers.base import (
    SECRET_LENGTH_MAX,
    Headers,
    Identity,
    Ignored,
    Json,
    NotAuthentic,
    printable,
)
from backend.webhooks.secrets import bytes_in

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_HEADERS = (_ID, _TIMESTAMP, _SIGNATURE)
_SECRET_BYTES_MIN, _SECRET_BYTES_MAX = 24, 64
_SIGNATURES_MAX = 20
_ADDRESS_LENGTH_MAX = 254


class Standard:
    """Events in our documented shape, signed by the Standard Webhooks scheme."""

    name = "standard"

    def prepare(self) -> None:
        _verifier()

    def check_secret(self, secret: str) -> None:
        count = bytes_in(secret) if len(secret) <= SECRET_LENGTH_MAX else None
        if count is None or not _SECRET_BYTES_MIN <= count <= _SECRET_BYTES_MAX:
            raise InvalidInput.of(
                "secret",
                f"must be whsec_ and {_SECRET_BYTES_MIN} to {_SECRET_BYTES_MAX} bytes in base64",
            )

    def require_headers(self, headers: Headers) -> None:
        _event_id(headers)

    def verify(self, body: bytes, headers: Headers, secrets: Sequence[str], now: datetime) -> None:
        missing = [name for name in _HEADERS if not headers.get(name)]
        if missing:
            raise NotAuthentic(f"there is no {missing[0]} header")
        if len(headers[_SIGNATURE].split()) > _SIGNATURES_MAX:
            raise NotAuthentic("there are too many signatures")
        signed = {name: headers[name] for name in _HEADERS}
        # Every secret is tried, so that the time it takes tells nothing of which one fits.
        problems = [_problem(body, signed, secret) for secret in secrets]
        if None not in problems:
            raise NotAuthentic(str(problems[0]))

    def identify(self, body: Json, headers: Headers) -> Identity:
        return Identity(_event_id(headers), Part(body).text("type", TYPE_LENGTH_MAX))

    def normalise(
        self, body: Json, received_at: datetime
    ) -> ProviderEvent | EmailReturned | Ignored:
        event = Part(body)
        event_type = event.text("type", TYPE_LENGTH_MAX)
        if event_type in _RETURNS:
            return _returned(event.part("data"), _RETURNS[event_type])
        read = _READERS.get(event_type)
        if read is None:
            return Ignored(f"Events of type {event_type} are not used.")
        data = event.part("data")
        code = data.currency_code("currency_code")
        common: dict[str, Any] = {
            "external_payment_id": data.text("payment_id"),
            "occurred_at": event.instant("timestamp", received_at),
            "currency_code": code,
            "amount": data.amount("amount", code),
        }
        return ProviderEvent(**common, **read(data, code), **meant_by(data))

    def explain(self, headers: Headers) -> dict[str, str]:
        names = ("content-type", "user-agent", _ID, _TIMESTAMP)
        kept = {name: printable(headers[name]) for name in names if name in headers}
        if _SIGNATURE in headers:
            kept[_SIGNATURE] = " ".join(map(_blanked, printable(headers[_SIGNATURE]).split()))
        return kept


def _blanked(signature: str) -> str:
    version, comma, _ = signature.partition(",")
    return f"{version[:8]},[redacted]" if comma else "[redacted]"


def _verifier() -> Any:
    from standardwebhooks import Webhook, WebhookVerificationError

    return Webhook, WebhookVerificationError


def _problem(body: bytes, signed: Headers, secret: str) -> str | None:
    """Why the secret did not sign it; None when it did."""
    webhook, refused = _verifier()
    try:
        webhook(secret).verify(body, signed, json_parse=False)
    except refused as error:
        return _WORDS.get(str(error), "no signature matches a secret of this endpoint")
    except ValueError:  # A signature that is no base64, or a body that is not UTF-8.
        return "the webhook-signature header is malformed"
    return None


_WORDS = {
    "Message timestamp too old": "the signature is more than five minutes old",
    "Message timestamp too new": "the signature is from more than five minutes in the future",
    "Invalid Signature Headers": "the webhook-timestamp header is malformed",
}


def _event_id(headers: Headers) -> str:
    return required_text(headers.get(_ID), field=_ID, max_length=ID_LENGTH_MAX)


def _succeeded(data: Part, code: str) -> Json:
    return {"kind": EventKind.PAYMENT_SUCCEEDED}


def _failed(data: Part, code: str) -> Json:
    return {
        "kind": EventKind.PAYMENT_FAILED,
        "failure_code": data.words("failure_code", CODE_LENGTH_MAX) or "payment_failed",
        "failure_message": data.words("failure_message", MESSAGE_LENGTH_MAX),
    }


def _refunded(data: Part, code: str) -> Json:
    total = "refunded_amount" if data.has("refunded_amount") else "amount"
    return {"kind": EventKind.PAYMENT_REFUNDED, "refunded_total": data.amount(total, code)}


def _disputed(data: Part, code: str) -> Json:
    return {"kind": EventKind.PAYMENT_DISPUTED, "dispute_id": _dispute_of(data)}


def _dispute_closed(data: Part, code: str) -> Json:
    outcome = data.text("outcome", CODE_LENGTH_MAX)
    if outcome not in ("won", "lost"):
        raise InvalidInput.of(data.path_of("outcome"), "must be won or lost")
    return {
        "kind": EventKind.DISPUTE_CLOSED,
        "dispute_id": _dispute_of(data),
        "is_won": outcome == "won",
    }


def _dispute_of(data: Part) -> str:
    """The dispute's id; a provider that names none has one dispute a payment."""
    return data.optional_text("dispute_id") or data.text("payment_id")


def _returned(data: Part, kind: ReturnKind) -> EmailReturned:
    communication_id = data.row_id("communication_id")
    address = data.optional_text("address", _ADDRESS_LENGTH_MAX)
    if communication_id is None and address is None:
        path = data.path_of("communication_id")
        raise InvalidInput.of(path, "or an address must be given")
    return EmailReturned(kind, communication_id, address, data.words("reason", MESSAGE_LENGTH_MAX))


_RETURNS = {"email.bounced": ReturnKind.BOUNCED, "email.complained": ReturnKind.COMPLAINED}
_READERS: dict[str, Callable[[Part, str], Json]] = {
    "payment.succeeded": _succeeded,
    "payment.failed": _failed,
    "payment.refunded": _refunded,
    "payment.disputed": _disputed,
    "payment.dispute_closed": _dispute_closed,
}
