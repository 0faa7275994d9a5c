"""E-mail by Azure Communication Services, against a server that answers as it does."""

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from azure.core.credentials import AzureKeyCredential

from backend.bootstrap import open_services
from backend.communications.acs import DELIVERY_SECONDS_MAX, AcsMailer, client_of
from backend.communications.mailer import (
    AddressRefused,
    Attachment,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
)
from backend.communications.service import HAND_OVER_SECONDS_MAX
from backend.config import Settings
from tests.acs import FakeAcs, serving_acs
from tests.emails import HOST, free_port

KEY = base64.b64encode(b"the key of a resource").decode()
COMMUNICATION_ID = UUID("0199f0c1-10aa-7d20-91f1-0b8e64a4c733")
EMAIL = OutgoingEmail(
    communication_id=COMMUNICATION_ID,
    to_address="ap@harbor.example",
    from_name="Ridge Roofing",
    subject="Two\nlines",
    text_body="Hello",
    html_body="<p>Hello</p>",
    written_at=datetime(2026, 3, 4, 18, 0, tzinfo=UTC),
    attachments=(Attachment("INV-000042.pdf", "application/pdf", b"%PDF"),),
    reply_to="office@ridge.example",
    is_reminder=True,
)


@pytest.fixture
def acs() -> Iterator[FakeAcs]:
    with serving_acs() as server:
        yield server


def mailer_of(endpoint: str, **options: Any) -> AcsMailer:
    client = client_of(endpoint, AzureKeyCredential(KEY))
    return AcsMailer(client, "Billing <billing@ridge.example>", **options)


@pytest.fixture
def mailer(acs: FakeAcs) -> AcsMailer:
    return mailer_of(acs.endpoint)


def test_the_whole_e_mail_is_handed_over_under_the_communications_id(
    acs: FakeAcs, mailer: AcsMailer
) -> None:
    receipt = mailer.deliver(EMAIL)
    assert receipt.provider_id == str(COMMUNICATION_ID)
    [(operation_id, message)] = acs.sent
    assert operation_id == str(COMMUNICATION_ID)
    assert message == {
        "senderAddress": "billing@ridge.example",
        "recipients": {"to": [{"address": "ap@harbor.example"}]},
        "content": {"subject": "Two lines", "plainText": "Hello", "html": "<p>Hello</p>"},
        "attachments": [
            {
                "name": "INV-000042.pdf",
                "contentType": "application/pdf",
                "contentInBase64": base64.b64encode(b"%PDF").decode(),
            }
        ],
        "headers": EMAIL.headers,
        "replyTo": [{"address": "office@ridge.example"}],
        "userEngagementTrackingDisabled": True,
    }
    assert "List-Unsubscribe" in EMAIL.headers
    assert acs.authorizations[0].startswith("HMAC-SHA256 ")
    assert acs.asked == [], "a first try has nothing to ask for"
    assert not mailer.keeps_contents


def test_a_repeat_after_a_crash_is_not_sent_twice(acs: FakeAcs, mailer: AcsMailer) -> None:
    first = mailer.deliver(EMAIL)
    again = mailer.deliver(replace(EMAIL, is_repeat=True))
    assert again == first
    assert len(acs.sent) == 1


def test_a_repeat_of_what_never_arrived_is_sent(acs: FakeAcs, mailer: AcsMailer) -> None:
    mailer.deliver(replace(EMAIL, is_repeat=True))
    assert [operation_id for operation_id, _ in acs.sent] == [str(COMMUNICATION_ID)]


def test_what_the_service_gave_up_is_sent_again_as_an_operation_of_its_own(
    acs: FakeAcs, mailer: AcsMailer
) -> None:
    acs.statuses[str(COMMUNICATION_ID)] = "Failed"
    repeat = replace(EMAIL, is_repeat=True)
    receipt = mailer.deliver(repeat)
    assert [operation_id for operation_id, _ in acs.sent] == [receipt.provider_id]
    assert receipt.provider_id != str(COMMUNICATION_ID)
    assert mailer.deliver(repeat) == receipt
    assert len(acs.sent) == 1


def test_an_operation_that_is_there_counts_as_sent(acs: FakeAcs, mailer: AcsMailer) -> None:
    acs.answers = [(409, {"code": "OperationIdInUse", "message": "there"})]
    assert mailer.deliver(EMAIL).provider_id == str(COMMUNICATION_ID)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, {"code": "TooManyRequests", "message": "slow down"}, MailerUnavailable),
        (500, {"code": "InternalServerError", "message": "oh"}, MailerUnavailable),
        (503, {}, MailerUnavailable),
        (401, {"code": "Denied", "message": "wrong key"}, MailerUnavailable),
        (403, {"code": "Forbidden", "message": "no"}, MailerUnavailable),
        (404, {"code": "DomainNotLinked", "message": "no"}, MailerUnavailable),
        (400, {"code": "InvalidSenderUserName", "message": "no"}, MailerUnavailable),
        (400, {"code": "DomainNotLinked", "message": "no"}, MailerUnavailable),
        (400, {"code": "EmailDroppedAllRecipientsSuppressed", "message": "x"}, AddressRefused),
        (400, {"code": "BadRequest", "message": "Invalid recipient address"}, AddressRefused),
        (
            400,
            {
                "code": "BadRequest",
                "message": "no",
                "details": [{"code": "Bad", "target": "recipients.to[0]"}],
            },
            AddressRefused,
        ),
        (400, {"code": "InvalidAttachment", "message": "type"}, EmailRefused),
        (413, {"code": "RequestEntityTooLarge", "message": "big"}, EmailRefused),
    ],
)
def test_a_refusal_is_told_apart_by_what_it_is_about(
    acs: FakeAcs,
    mailer: AcsMailer,
    caplog: pytest.LogCaptureFixture,
    status: int,
    error: dict[str, str],
    expected: type[Exception],
) -> None:
    acs.answers = [(status, error)]
    with caplog.at_level(logging.DEBUG), pytest.raises(expected) as problem:
        mailer.deliver(EMAIL)
    assert type(problem.value) is expected
    assert error.get("code", f"HTTP {status}") in str(problem.value)
    assert acs.sent == []
    assert KEY not in f"{problem.value} {caplog.text}"


def test_a_service_that_is_away_can_be_tried_later() -> None:
    with pytest.raises(MailerUnavailable) as problem:
        mailer_of(f"http://{HOST}:{free_port()}").deliver(EMAIL)
    assert KEY not in str(problem.value)


def test_a_service_that_does_not_answer_holds_nobody_up(acs: FakeAcs) -> None:
    acs.may_answer.clear()
    with pytest.raises(MailerUnavailable, match="in time"):
        mailer_of(acs.endpoint, delivery_seconds_max=0.1).deliver(EMAIL)
    assert DELIVERY_SECONDS_MAX < HAND_OVER_SECONDS_MAX


def test_the_settings_choose_the_mailer_and_hide_its_key(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLERJACKET_DATABASE_URL", f"sqlite:///{tmp_path}/x.db")
    url = f"acs://ridge.unitedstates.communication.azure.com?accesskey={KEY}"
    monkeypatch.setenv("BILLERJACKET_EMAIL_URL", url)
    services = open_services(Settings())
    try:
        assert isinstance(services.mailer, AcsMailer)
        assert KEY not in json.dumps(repr(services.settings)) + repr(services.settings.acs)
    finally:
        services.close()
