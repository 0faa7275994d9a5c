"""The messages as they were, and are for ever: golden envelopes, one file for each type.

A file is added for a new type, or for new fields of one (`type.2`, and so on), and never edited:
messages of older versions may be in the queues.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from backend.messaging.contracts import (
    MESSAGE_TYPES,
    AccountEmailRequested,
    ApplyPayment,
    DunningEmailRequested,
    EmailSendRequested,
    EvaluateDunning,
    InvoiceEmailRequested,
    Message,
    ReceiptEmailRequested,
    WebhookReceived,
    WebhookReplayRequested,
)
from backend.messaging.envelope import (
    BadEnvelope,
    UnknownMessageType,
    read_envelope,
    read_message,
)
from backend.messaging.outbox import Pending, envelope_of

GOLDEN = Path(__file__).parent / "messages"
ENVELOPE_FIELDS = {
    "message_id",
    "message_type",
    "tenant_id",
    "correlation_id",
    "causation_id",
    "external_source",
    "external_reference_id",
    "requested_by_user_id",
    "occurred_at",
    "payload",
}


def _id(last: str) -> UUID:
    return UUID(f"01935f6e-0000-7000-8000-{last:>012}")


MESSAGES: dict[str, Message] = {
    "email.invoice_requested": InvoiceEmailRequested(invoice_id=_id("11")),
    "email.receipt_requested": ReceiptEmailRequested(payment_id=_id("12")),
    "email.dunning_requested": DunningEmailRequested(communication_id=_id("13")),
    "email.send_requested": EmailSendRequested(communication_id=_id("13")),
    "email.account_requested": AccountEmailRequested(account_email_id=_id("15")),
    "dunning.evaluate": EvaluateDunning(as_of=date(2026, 3, 4), scheduled=True),
    "dunning.evaluate.2": EvaluateDunning(
        as_of=date(2026, 3, 4),
        scheduled=True,
        keep_gap=True,
        run_id=_id("15"),
        after_customer_id=_id("16"),
    ),
    "payment.apply": ApplyPayment(
        command={"amount": "120.50", "invoice_id": str(_id("11")), "note": "Café, überwiesen"}
    ),
    "webhook.received": WebhookReceived(webhook_event_id=_id("14")),
    "webhook.replay_requested": WebhookReplayRequested(webhook_event_id=_id("14")),
}


# Written by an older version, with fewer fields.
OUTDATED = {"dunning.evaluate"}


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def test_every_message_type_has_a_golden_envelope():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(MESSAGES)
    written = {name.removesuffix(".2") for name in MESSAGES if name not in OUTDATED}
    assert written == set(MESSAGE_TYPES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_golden_envelope_is_still_understood(name: str):
    envelope = read_envelope(golden(name))

    assert envelope.tenant_id == _id("aa")
    assert envelope.correlation_id == "job-4711"
    assert envelope.occurred_at == datetime(2026, 3, 4, 18, tzinfo=UTC)
    assert read_message(envelope) == MESSAGES[name]


@pytest.mark.parametrize("name", sorted(set(MESSAGES) - OUTDATED))
def test_what_is_written_today_looks_like_the_golden_envelope(name: str):
    expected = json.loads(golden(name))

    written = json.loads(
        envelope_of(
            Pending(_id("1"), MESSAGES[name], datetime(2026, 3, 4, 18, tzinfo=UTC)),
            tenant_id=_id("aa"),
            correlation_id="job-4711",
            causation_id=expected["causation_id"],
            user_id=_id("bb") if expected["requested_by_user_id"] else None,
            occurred_at=datetime(2026, 3, 4, 18, tzinfo=UTC),
        )
    )

    assert set(written) == ENVELOPE_FIELDS
    assert written == expected


def test_fields_of_a_later_version_are_ignored():
    later = json.loads(golden("dunning.evaluate"))
    later["priority"] = "high"
    later["payload"]["only_customer"] = "acme"

    envelope = read_envelope(json.dumps(later).encode())

    assert read_message(envelope) == MESSAGES["dunning.evaluate"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tenant_id": None}, "tenant_id"),
        ({"tenant_id": "everybody"}, "tenant_id"),
        ({"message_id": 7}, "message_id"),
        ({"message_type": ""}, "message_type"),
        ({"correlation_id": "two words"}, "correlation_id"),
        ({"correlation_id": "x" * 129}, "correlation_id"),
        ({"occurred_at": "2026-03-04T18:00:00"}, "occurred_at"),
        ({"payload": "none"}, "payload"),
    ],
)
def test_an_envelope_with_a_wrong_field_is_refused_by_its_name(change: dict, problem: str):
    envelope = json.loads(golden("email.invoice_requested")) | change

    with pytest.raises(BadEnvelope, match=f"^{problem}: "):
        read_envelope(json.dumps(envelope).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_envelope_are_refused(body: bytes):
    with pytest.raises(BadEnvelope):
        read_envelope(body)


def test_a_payload_that_is_not_what_its_type_promises_is_refused_without_its_values():
    envelope = json.loads(golden("email.invoice_requested"))
    envelope["payload"] = {"invoice_id": "4242 4242 4242 4242"}

    with pytest.raises(BadEnvelope, match=r"email\.invoice_requested: .*invoice_id") as refused:
        read_message(read_envelope(json.dumps(envelope).encode()))
    assert "4242" not in str(refused.value)


def test_a_type_nobody_knows_is_told_apart_from_a_bad_envelope():
    envelope = json.loads(golden("email.invoice_requested")) | {"message_type": "email.sing"}

    with pytest.raises(UnknownMessageType, match=r"email\.sing"):
        read_message(read_envelope(json.dumps(envelope).encode()))
