"""What providers send: who signed it, which event it is, and what it says in our words."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.errors import InvalidInput, NotFound
from backend.webhooks.events import EmailReturned, EventKind, ProviderEvent
from backend.webhooks.payloads import parse_object
from backend.webhooks.providers import PROVIDERS, provider_called
from backend.webhooks.providers.base import Ignored, NotAuthentic
from backend.webhooks.secrets import new_secret
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

STRIPE, STANDARD = PROVIDERS["stripe"], PROVIDERS["standard"]
NOW = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)
RECEIVED = datetime(2026, 3, 4, 18, 0, 1, tzinfo=UTC)
INVOICE = UUID("0199f0a3-02b4-7d0e-8c55-7d1f3a9be410")
BODY = as_bytes(stripe_event("evt_1", "payment_intent.succeeded", payment_intent("pi_1", 5000)))
OLD_SECRET = "whsec_" + "older" * 7


def plain(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def verify_stripe(body: bytes, headers: dict[str, str], *secrets: str, now: datetime = NOW) -> None:
    STRIPE.verify(body, plain(headers), secrets or (STRIPE_SECRET,), now)


def test_stripes_own_signature_is_taken():
    verify_stripe(BODY, signed_by_stripe(BODY, at=NOW))


def test_a_signature_of_any_of_our_secrets_is_taken():
    by_old = signed_by_stripe(BODY, OLD_SECRET, at=NOW)
    verify_stripe(BODY, by_old, STRIPE_SECRET, OLD_SECRET)
    by_both = signed_by_stripe(BODY, OLD_SECRET, STRIPE_SECRET, at=NOW)
    verify_stripe(BODY, by_both, STRIPE_SECRET)
    with pytest.raises(NotAuthentic, match="no signature matches"):
        verify_stripe(BODY, by_old, STRIPE_SECRET)


@pytest.mark.parametrize("seconds", [-300, -1, 0, 299])
def test_five_minutes_between_the_clocks_are_tolerated(seconds: int):
    verify_stripe(BODY, signed_by_stripe(BODY, at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("seconds", "reason"), [(-301, "five minutes old"), (302, "in the future"), (10**8, "future")]
)
def test_an_old_signature_is_refused_and_one_from_the_future_too(seconds: int, reason: str):
    headers = signed_by_stripe(BODY, at=NOW + timedelta(seconds=seconds))
    with pytest.raises(NotAuthentic, match=reason):
        verify_stripe(BODY, headers)


def forged(signature: str) -> list[str]:
    time, _, rest = signature.partition(",")
    return [
        "",
        "v1=",
        rest,
        time,
        f"{time},v0={rest[3:]}",
        f"t=,{rest}",
        f"t=1٣,{rest}",
        f"t=-5,{rest}",
        f"{time},t={int(NOW.timestamp())},{rest}",
        f"{time},{rest[:-1]}",
        f"{time},v1=é",
        f"{time},v1={'0' * 64}",
        "t=" + "9" * 5000 + f",{rest}",
        ",".join([time, *["v1=ab"] * 5000]),
        f"{time};{rest}",
        "\x00",
    ]


@pytest.mark.parametrize("number", range(16))
def test_a_forged_stripe_signature_is_refused_whatever_its_form(number: int):
    genuine = signed_by_stripe(BODY, at=NOW)["Stripe-Signature"]
    with pytest.raises(NotAuthentic):
        verify_stripe(BODY, {"Stripe-Signature": forged(genuine)[number]})


def test_the_signature_covers_every_byte_of_the_body():
    headers = signed_by_stripe(BODY, at=NOW)
    for body in (BODY + b" ", BODY.replace(b"5000", b"9000"), BODY[:-1], b""):
        with pytest.raises(NotAuthentic):
            verify_stripe(body, headers)


def test_a_body_that_is_no_text_is_not_genuine():
    body = b"\xff\xfe{}"
    with pytest.raises(NotAuthentic):
        verify_stripe(body, signed_by_stripe(body, at=NOW))
    with pytest.raises(NotAuthentic):
        STANDARD.verify(body, signed_by_standard(body, "msg_1"), [STANDARD_SECRET], NOW)


def test_no_signature_at_all_is_refused():
    with pytest.raises(NotAuthentic, match="no Stripe-Signature"):
        verify_stripe(BODY, {})
    with pytest.raises(NotAuthentic, match="no webhook-timestamp"):
        STANDARD.verify(BODY, {"webhook-id": "msg_1"}, [STANDARD_SECRET], NOW)


def verify_standard(headers: dict[str, str], *secrets: str, body: bytes = BODY) -> None:
    STANDARD.verify(body, headers, secrets or (STANDARD_SECRET,), datetime.now(UTC))


def test_the_standards_own_signature_is_taken():
    verify_standard(signed_by_standard(BODY, "msg_1"))
    both = signed_by_standard(BODY, "msg_1", new_secret(), STANDARD_SECRET)
    verify_standard(both)
    verify_standard(both, new_secret(), STANDARD_SECRET)


@pytest.mark.parametrize(("minutes", "reason"), [(-6, "five minutes old"), (6, "in the future")])
def test_the_standards_time_is_held_to_five_minutes_either_way(minutes: int, reason: str):
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    with pytest.raises(NotAuthentic, match=reason):
        verify_standard(signed_by_standard(BODY, "msg_1", at=at))


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,AAAA " * 3000},
        {"webhook-signature": ""},
    ],
)
def test_a_forged_standard_signature_is_refused_whatever_its_form(changes: dict[str, str]):
    with pytest.raises(NotAuthentic):
        verify_standard(signed_by_standard(BODY, "msg_1") | changes)


def test_a_signature_of_another_secret_is_refused():
    with pytest.raises(NotAuthentic, match="no signature matches"):
        verify_standard(signed_by_standard(BODY, "msg_1", new_secret()))


@pytest.mark.parametrize("count", [24, 32, 64])
def test_a_standard_secret_has_24_to_64_bytes(count: int):
    STANDARD.check_secret("whsec_" + base64.b64encode(b"x" * count).decode())
    STANDARD.check_secret(base64.b64encode(b"x" * count).decode().rstrip("="))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_not base64 at all, not at all",
        "whsec_" + "ü" * 40,
        "A" * 100_000,
    ],
)
def test_another_secret_is_none_of_the_standards(secret: str):
    with pytest.raises(InvalidInput) as refused:
        STANDARD.check_secret(secret)
    assert refused.value.errors[0].field == "secret"
    if len(secret) > 10:
        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "secret", ["", "whsec_1", "with spaces", "line\nbreak", "x" * 501, "ü" * 20]
)
def test_a_secret_of_stripe_is_visible_ascii(secret: str):
    with pytest.raises(InvalidInput):
        STRIPE.check_secret(secret)
    STRIPE.check_secret(STRIPE_SECRET)
    STRIPE.check_secret(new_secret())


def test_an_event_is_known_by_the_providers_id():
    identity = STRIPE.identify(parse_object(BODY), {})
    assert (identity.event_id, identity.event_type) == ("evt_1", "payment_intent.succeeded")
    body = standard_event("payment.succeeded")
    assert STANDARD.identify(body, {"webhook-id": "msg_7"}).event_id == "msg_7"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "evt_1"},
        {"id": 1, "type": "x"},
        {"id": "", "type": "x"},
        {"id": "x" * 201, "type": "x"},
        {"id": "evt\x00", "type": "x"},
        {"id": "\ud800", "type": "x"},
        {"id": "evt_1", "type": None},
        {"id": "evt_1", "type": "x" * 101},
    ],
)
def test_what_has_no_identity_is_no_event(body: dict[str, Any]):
    with pytest.raises(InvalidInput):
        STRIPE.identify(body, {})


def test_the_standard_needs_its_id_header():
    for headers in ({}, {"webhook-id": " "}, {"webhook-id": "x" * 201}):
        with pytest.raises(InvalidInput) as refused:
            STANDARD.require_headers(headers)
        assert refused.value.errors[0].field == "webhook-id"
    STRIPE.require_headers({})


def stripe_says(
    event_type: str, subject: dict[str, Any], **more: Any
) -> ProviderEvent | EmailReturned | Ignored:
    body = parse_object(as_bytes(stripe_event("evt_1", event_type, subject, **more)))
    return STRIPE.normalise(body, RECEIVED)


def test_a_payment_of_stripe():
    said = stripe_says(
        "payment_intent.succeeded",
        payment_intent("pi_1", 123_456, invoice_id=str(INVOICE), invoice_number="INV-7"),
    )
    assert said == ProviderEvent(
        kind=EventKind.PAYMENT_SUCCEEDED,
        external_payment_id="pi_1",
        occurred_at=datetime.fromtimestamp(1_772_600_000, UTC),
        currency_code="USD",
        amount=Decimal("1234.56"),
        invoice_id=INVOICE,
        invoice_number="INV-7",
    )


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("usd", 1, "0.01"),
        ("JPY", 1500, "1500.00"),
        ("krw", 7, "7.00"),
        ("mga", 900, "900.00"),
        # Stripe counts these in hundredths although they have none.
        ("ugx", 150_000, "1500.00"),
        ("isk", 500, "5.00"),
        ("eur", 99_999_999_999_999, "999999999999.99"),
    ],
)
def test_amounts_of_stripe_are_in_the_smallest_unit(currency: str, minor: int, amount: str):
    said = stripe_says("payment_intent.succeeded", payment_intent("pi_1", minor, currency))
    assert isinstance(said, ProviderEvent)
    assert said.amount == Decimal(amount)
    assert str(said.amount) == amount


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_received": "5000"}, "amount_received"),
        ({"amount_received": 50.5}, "amount_received"),
        ({"amount_received": True}, "amount_received"),
        ({"amount_received": -1}, "amount_received"),
        ({"amount_received": 10**17}, "amount_received"),
        ({"amount_received": 150, "currency": "isk"}, "amount_received"),
        ({"currency": "kwd"}, "currency"),
        ({"currency": "xyz"}, "currency"),
        ({"currency": None}, "currency"),
        ({"id": None}, "id"),
        ({"metadata": {"invoice_id": "INV-1"}}, "metadata.invoice_id"),
        ({"metadata": {"invoice_id": 12}}, "metadata.invoice_id"),
    ],
)
def test_what_is_wrong_with_a_payment_is_named_by_its_path(changes: dict[str, Any], field: str):
    with pytest.raises(InvalidInput) as refused:
        stripe_says("payment_intent.succeeded", payment_intent("pi_1", 5000) | changes)
    assert refused.value.errors[0].field == f"data.object.{field}"


def test_a_malformed_id_does_no_harm_when_something_else_says_whose_it_is():
    subject = payment_intent("pi_1", 100, invoice_id="gone", customer_id=str(INVOICE))
    said = stripe_says("payment_intent.succeeded", subject)
    assert isinstance(said, ProviderEvent)
    assert (said.invoice_id, said.customer_id) == (None, INVOICE)


def test_a_failure_says_why():
    subject = payment_intent("pi_1", 5000) | {
        "amount_received": 0,
        "last_payment_error": {
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "message": "Your card has\x00 insufficient funds. " + "x" * 900,
        },
    }
    said = stripe_says("payment_intent.payment_failed", subject)
    assert isinstance(said, ProviderEvent)
    assert (said.kind, said.amount) == (EventKind.PAYMENT_FAILED, Decimal("50.00"))
    assert said.failure_code == "insufficient_funds"
    assert said.failure_message is not None
    assert said.failure_message.startswith("Your card has insufficient funds.")
    assert len(said.failure_message) == 500


def test_a_failure_without_a_reason_has_a_code_all_the_same():
    said = stripe_says("payment_intent.payment_failed", payment_intent("pi_1", 5000))
    assert isinstance(said, ProviderEvent)
    assert (said.failure_code, said.failure_message) == ("payment_failed", None)


@pytest.mark.parametrize("intent", ["pi_1", {"id": "pi_1", "object": "payment_intent"}])
def test_a_refund_tells_all_that_was_refunded_so_far(intent: Any):
    subject = charge("pi_1", 5000, 1200) | {"payment_intent": intent}
    said = stripe_says("charge.refunded", subject)
    assert isinstance(said, ProviderEvent)
    assert (said.kind, said.external_payment_id) == (EventKind.PAYMENT_REFUNDED, "pi_1")
    assert (said.amount, said.refunded_total) == (Decimal("50.00"), Decimal("12.00"))


def test_a_charge_without_a_payment_intent_is_about_no_payment_we_know():
    with pytest.raises(InvalidInput, match="payment_intent"):
        stripe_says("charge.refunded", charge("pi_1", 5000, 1200) | {"payment_intent": None})


@pytest.mark.parametrize("event_type", ["charge.dispute.created", "charge.dispute.funds_withdrawn"])
def test_a_dispute(event_type: str):
    said = stripe_says(event_type, dispute("pi_1", 3000, "needs_response"))
    assert isinstance(said, ProviderEvent)
    assert said.kind is EventKind.PAYMENT_DISPUTED
    assert (said.external_payment_id, said.dispute_id) == ("pi_1", "du_pi_1")
    assert (said.amount, said.is_won) == (Decimal("30.00"), None)


@pytest.mark.parametrize(("status", "is_won"), [("won", True), ("lost", False)])
def test_a_dispute_is_closed_one_way_or_the_other(status: str, is_won: bool):
    said = stripe_says("charge.dispute.closed", dispute("pi_1", 3000, status))
    assert isinstance(said, ProviderEvent)
    assert (said.kind, said.is_won) == (EventKind.DISPUTE_CLOSED, is_won)
    with pytest.raises(InvalidInput, match="won or lost"):
        stripe_says("charge.dispute.closed", dispute("pi_1", 3000, "needs_response"))


@pytest.mark.parametrize(
    ("event_type", "status"),
    [
        ("charge.dispute.created", "warning_needs_response"),
        ("charge.dispute.closed", "warning_closed"),
    ],
)
def test_an_inquiry_moves_no_money(event_type: str, status: str):
    assert isinstance(stripe_says(event_type, dispute("pi_1", 3000, status)), Ignored)


@pytest.mark.parametrize("event_type", ["customer.created", "payment_intent.created", "x"])
def test_an_event_that_we_do_not_use_is_ignored_whatever_is_in_it(event_type: str):
    body = {"id": "evt_1", "type": event_type, "data": 7}
    said = STRIPE.normalise(body, RECEIVED)
    assert said == Ignored(f"Events of type {event_type} are not used.")
    assert STANDARD.normalise(body, RECEIVED) == said


def test_an_event_without_a_time_happened_when_it_came():
    body = stripe_event("evt_1", "payment_intent.succeeded", payment_intent("pi_1", 100))
    del body["created"]
    said = STRIPE.normalise(body, RECEIVED)
    assert isinstance(said, ProviderEvent)
    assert said.occurred_at == RECEIVED


def standard_says(event_type: str, **data: Any) -> ProviderEvent:
    common = {"payment_id": "pay_1", "amount": "50.00", "currency_code": "USD"}
    body = parse_object(as_bytes(standard_event(event_type, **(common | data))))
    said = STANDARD.normalise(body, RECEIVED)
    assert isinstance(said, ProviderEvent)
    assert (said.external_payment_id, said.currency_code) == ("pay_1", "USD")
    assert said.occurred_at == datetime(2026, 3, 4, 17, 30, tzinfo=UTC)
    return said


def test_the_events_of_the_standard_shape():
    paid = standard_says("payment.succeeded", invoice_number="INV-1", amount=50.1)
    assert (paid.kind, paid.amount) == (EventKind.PAYMENT_SUCCEEDED, Decimal("50.10"))
    assert paid.invoice_number == "INV-1"
    failed = standard_says("payment.failed", failure_code="expired", invoice_id=str(INVOICE))
    assert (failed.kind, failed.failure_code) == (EventKind.PAYMENT_FAILED, "expired")
    assert failed.invoice_id == INVOICE
    part = standard_says("payment.refunded", refunded_amount="20.00")
    assert (part.kind, part.refunded_total) == (EventKind.PAYMENT_REFUNDED, Decimal("20.00"))
    whole = standard_says("payment.refunded")
    assert whole.refunded_total == Decimal("50.00")
    disputed = standard_says("payment.disputed", amount="30.00")
    assert (disputed.kind, disputed.amount) == (EventKind.PAYMENT_DISPUTED, Decimal("30.00"))
    assert disputed.dispute_id == "pay_1"
    closed = standard_says("payment.dispute_closed", dispute_id="d_1", outcome="won")
    assert (closed.kind, closed.dispute_id, closed.is_won) == (
        EventKind.DISPUTE_CLOSED,
        "d_1",
        True,
    )


@pytest.mark.parametrize(
    ("event_type", "data", "field"),
    [
        ("payment.succeeded", {"amount": None}, "amount"),
        ("payment.succeeded", {"amount": "-1.00"}, "amount"),
        ("payment.succeeded", {"amount": "1.001"}, "amount"),
        ("payment.succeeded", {"amount": "1.50", "currency_code": "JPY"}, "amount"),
        ("payment.succeeded", {"payment_id": None}, "payment_id"),
        ("payment.succeeded", {"currency_code": None}, "currency_code"),
        ("payment.succeeded", {"customer_id": "me"}, "customer_id"),
        ("payment.refunded", {"refunded_amount": "all"}, "refunded_amount"),
        ("payment.dispute_closed", {}, "outcome"),
        ("payment.dispute_closed", {"outcome": "draw"}, "outcome"),
    ],
)
def test_what_is_wrong_in_the_standard_shape_is_named(
    event_type: str, data: dict[str, Any], field: str
):
    with pytest.raises(InvalidInput) as refused:
        standard_says(event_type, **data)
    assert refused.value.errors[0].field == f"data.{field}"


def test_what_is_kept_of_the_headers_explains_the_signature_and_does_not_repeat_it():
    headers = plain(signed_by_stripe(BODY, OLD_SECRET, STRIPE_SECRET, at=NOW))
    kept = STRIPE.explain(
        headers | {"x-api-key": "bj_1_2", "cookie": "c", "user-agent": "Stripe\n"}
    )
    assert kept == {
        "stripe-signature": f"t={int(NOW.timestamp())},v1=[redacted],v1=[redacted]",
        "user-agent": "Stripe�",
    }
    told = STANDARD.explain(signed_by_standard(BODY, "msg_1", at=NOW) | {"authorization": "x"})
    assert told == {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": "v1,[redacted]",
    }
    assert STANDARD.explain({"webhook-signature": "abc v1,def"}) == {
        "webhook-signature": "[redacted] v1,[redacted]"
    }


def test_a_provider_is_asked_for_by_name():
    assert provider_called("stripe") is STRIPE
    with pytest.raises(NotFound):
        provider_called("paypal")


def test_a_command_line_does_not_wait_for_the_providers_libraries():
    asked = "import backend.cli.main, sys; print({'stripe', 'standardwebhooks'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
