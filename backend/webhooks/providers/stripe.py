"""Stripe: its signature scheme by its own library, and the events about money.

`Stripe-Signature: t=…,v1=…` over "t.body"; while a secret is rolled there are several. The
library checks the signature; the time is checked here, because it would accept any future.
https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from backend.errors import InvalidInput
from backend.webhooks.events import EventKind, ProviderEvent
from backend.webhooks.payloads import (
    CODE_LENGTH_MAX,
    MESSAGE_LENGTH_MAX,
    TYPE_LENGTH_MAX,
    Part,
    meant_by,
)
from backend.webhooks.providers.base import (
    SECRET_LENGTH_MAX,
    TOLERANCE_SECONDS,
    Headers,
    Identity,
    Ignored,
    Json,
    NotAuthentic,
    printable,
)

_HEADER = "stripe-signature"
# One time, first, and signatures of any scheme. Stricter than the library, so that the time that
# is checked is the time that was signed.
_FORM = re.compile(r"t=([0-9]{1,12})((?:,(?!t=)[A-Za-z0-9]{1,16}=[A-Za-z0-9+/_=-]{1,200}){1,20})")
_SECRET = re.compile(r"[\x21-\x7e]{8,500}")

# Currencies that Stripe counts in whole units. It counts UGX and ISK in hundredths, although they
# have none: https://docs.stripe.com/currencies#zero-decimal
_WHOLE_UNITS = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)


class Stripe:
    """Events of a Stripe account. The payment's id is that of its payment intent."""

    name = "stripe"

    def prepare(self) -> None:
        _verifier()

    def check_secret(self, secret: str) -> None:
        if not _SECRET.fullmatch(secret):
            raise InvalidInput.of(
                "secret",
                f"must be the signing secret that Stripe shows: 8 to {SECRET_LENGTH_MAX} "
                "characters, no spaces",
            )

    def require_headers(self, headers: Headers) -> None:
        """The event's id is in the body."""

    def verify(self, body: bytes, headers: Headers, secrets: Sequence[str], now: datetime) -> None:
        header = headers.get(_HEADER)
        if header is None:
            raise NotAuthentic("there is no Stripe-Signature header")
        form = _FORM.fullmatch(header)
        if form is None:
            raise NotAuthentic("the Stripe-Signature header is malformed")
        # Every secret is tried, so that the time it takes tells nothing of which one fits.
        signed = [_is_signed(body, header, secret) for secret in secrets]
        if not any(signed):
            raise NotAuthentic("no signature matches a secret of this endpoint")
        age = now.timestamp() - int(form[1])
        if age > TOLERANCE_SECONDS:
            raise NotAuthentic("the signature is more than five minutes old")
        if age < -TOLERANCE_SECONDS:
            raise NotAuthentic("the signature is from more than five minutes in the future")

    def identify(self, body: Json, headers: Headers) -> Identity:
        event = Part(body)
        return Identity(event.text("id"), event.text("type", TYPE_LENGTH_MAX))

    def normalise(self, body: Json, received_at: datetime) -> ProviderEvent | Ignored:
        event = Part(body)
        event_type = event.text("type", TYPE_LENGTH_MAX)
        read = _READERS.get(event_type)
        if read is None:
            return Ignored(f"Events of type {event_type} are not used.")
        subject = event.part("data").part("object")
        return read(subject, event.instant("created", received_at))

    def explain(self, headers: Headers) -> dict[str, str]:
        kept = {
            name: printable(headers[name])
            for name in ("content-type", "user-agent")
            if name in headers
        }
        if _HEADER in headers:
            kept[_HEADER] = ",".join(map(_blanked, printable(headers[_HEADER]).split(",")))
        return kept


def _verifier() -> Any:
    # Takes a fifth of a second to import, which no command line should wait for.
    from stripe import SignatureVerificationError, WebhookSignature

    return WebhookSignature, SignatureVerificationError


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    signature, refused = _verifier()
    try:
        signature.verify_header(body, header, secret)
    except (refused, ValueError):  # ValueError: the body is not UTF-8, and was never signed.
        return False
    return True


def _blanked(item: str) -> str:
    name, _, _ = item.partition("=")
    return item if name == "t" else f"{name[:16]}=[redacted]"


def _money(part: Part, name: str, currency_code: str) -> Decimal:
    decimals = 0 if currency_code in _WHOLE_UNITS else 2
    return part.minor_units(name, currency_code, decimals=decimals)


def _succeeded(intent: Part, at: datetime) -> ProviderEvent:
    code = intent.currency_code("currency")
    # What was received may be less than what was asked for.
    amount = "amount_received" if intent.has("amount_received") else "amount"
    return ProviderEvent(
        kind=EventKind.PAYMENT_SUCCEEDED,
        external_payment_id=intent.text("id"),
        occurred_at=at,
        currency_code=code,
        amount=_money(intent, amount, code),
        **meant_by(intent.optional_part("metadata")),
    )


def _failed(intent: Part, at: datetime) -> ProviderEvent:
    code = intent.currency_code("currency")
    error = intent.optional_part("last_payment_error")
    # "card_declined" is what happened, "insufficient_funds" is why.
    reason = error.words("decline_code", CODE_LENGTH_MAX) or error.words("code", CODE_LENGTH_MAX)
    return ProviderEvent(
        kind=EventKind.PAYMENT_FAILED,
        external_payment_id=intent.text("id"),
        occurred_at=at,
        currency_code=code,
        amount=_money(intent, "amount", code),
        failure_code=reason or "payment_failed",
        failure_message=error.words("message", MESSAGE_LENGTH_MAX),
        **meant_by(intent.optional_part("metadata")),
    )


def _refunded(charge: Part, at: datetime) -> ProviderEvent:
    code = charge.currency_code("currency")
    return ProviderEvent(
        kind=EventKind.PAYMENT_REFUNDED,
        external_payment_id=_payment_of(charge),
        occurred_at=at,
        currency_code=code,
        amount=_money(charge, "amount", code),
        refunded_total=_money(charge, "amount_refunded", code),
        **meant_by(charge.optional_part("metadata")),
    )


def _disputed(dispute: Part, at: datetime) -> ProviderEvent | Ignored:
    if _is_inquiry(dispute):
        return Ignored("An inquiry: the bank asks, and no money has moved.")
    return _about_dispute(dispute, at, EventKind.PAYMENT_DISPUTED, is_won=None)


def _dispute_closed(dispute: Part, at: datetime) -> ProviderEvent | Ignored:
    if _is_inquiry(dispute):
        return Ignored("An inquiry was closed, and no money had moved.")
    status = dispute.text("status", CODE_LENGTH_MAX)
    if status not in ("won", "lost"):
        raise InvalidInput.of(dispute.path_of("status"), "must be won or lost")
    return _about_dispute(dispute, at, EventKind.DISPUTE_CLOSED, is_won=status == "won")


def _about_dispute(
    dispute: Part, at: datetime, kind: EventKind, *, is_won: bool | None
) -> ProviderEvent:
    code = dispute.currency_code("currency")
    return ProviderEvent(
        kind=kind,
        external_payment_id=_payment_of(dispute),
        occurred_at=at,
        currency_code=code,
        amount=_money(dispute, "amount", code),
        dispute_id=dispute.text("id"),
        is_won=is_won,
        **meant_by(dispute.optional_part("metadata")),
    )


def _is_inquiry(dispute: Part) -> bool:
    status = dispute.optional_text("status", CODE_LENGTH_MAX)
    return status is not None and status.startswith("warning_")


def _payment_of(part: Part) -> str:
    found = part.reference("payment_intent")
    if found is None:
        raise InvalidInput.of(
            part.path_of("payment_intent"), "is missing: which payment this is about is unknown"
        )
    return found


_READERS: dict[str, Callable[[Part, datetime], ProviderEvent | Ignored]] = {
    "payment_intent.succeeded": _succeeded,
    "payment_intent.payment_failed": _failed,
    "charge.refunded": _refunded,
    "charge.dispute.created": _disputed,
    # An inquiry that becomes a dispute is not created again; this says that the money is gone.
    "charge.dispute.funds_withdrawn": _disputed,
    "charge.dispute.closed": _dispute_closed,
}
