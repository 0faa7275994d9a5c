"""E-mail by SMTP, against a real server on this machine in all its moods."""

import email.message
import email.policy
import email.utils
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from backend.communications.mailbox import MailboxMailer
from backend.communications.mailer import (
    AddressRefused,
    Attachment,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
)
from backend.communications.smtp import SmtpMailer, compose
from backend.config import SmtpServer
from tests.emails import HOST, Inbox, free_port, serving

DATA = Path(__file__).parents[1] / "data"
CERTIFICATE = DATA / "localhost-certificate.pem"
COMMUNICATION_ID = UUID("01890000-0000-7000-8000-000000000001")


def an_email(to_address: str = "ap@harborview.example", **changes: object) -> OutgoingEmail:
    facts: dict[str, object] = {
        "communication_id": COMMUNICATION_ID,
        "to_address": to_address,
        "from_name": "Summit Ridge Roofing",
        "subject": "Invoice INV-000123 — due Jul 3",
        "text_body": "Hello,\n\nHere is the invoice for ¥1,000.\n",
        "html_body": "<p>Hello</p>",
        "written_at": datetime(2026, 6, 3, 15, 0, tzinfo=UTC),
        "attachments": (Attachment("INV-000123.pdf", "application/pdf", b"%PDF-1.7\x00\xff"),),
    }
    return OutgoingEmail(**(facts | changes))  # type: ignore[arg-type]


def a_mailer(port: int, **changes: object) -> SmtpMailer:
    options: dict[str, object] = {"answer_seconds_max": 2.0, "delivery_seconds_max": 4.0}
    server: dict[str, object] = {
        "host": HOST,
        "username": None,
        "password": None,
        "starttls": False,
    }
    for name, value in changes.items():
        (server if name in server else options)[name] = value
    return SmtpMailer(SmtpServer(port=port, **server), "billing@acme.example", **options)  # type: ignore[arg-type]


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    serving_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving_side.load_cert_chain(CERTIFICATE, DATA / "localhost-key.pem")
    return serving_side, ssl.create_default_context(cafile=str(CERTIFICATE))


def test_an_e_mail_arrives_with_both_bodies_and_its_attachment() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        receipt = a_mailer(port).deliver(an_email())
    message = inbox.message()
    assert inbox.envelopes[0].rcpt_tos == ["ap@harborview.example"]
    assert message["To"] == "ap@harborview.example"
    assert message["From"] == "Summit Ridge Roofing <billing@acme.example>"
    assert message["Subject"] == "Invoice INV-000123 — due Jul 3"
    assert email.utils.parsedate_to_datetime(message["Date"]) == an_email().written_at
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "¥1,000" in text.get_content()
    assert html.get_content().strip() == "<p>Hello</p>"
    [attached] = message.iter_attachments()
    assert attached.get_filename() == "INV-000123.pdf"
    assert attached.get_content() == b"%PDF-1.7\x00\xff"
    assert receipt.provider_id == message["Message-ID"]


def test_a_repeat_has_the_same_message_id_and_no_other_e_mail_has_it() -> None:
    first, again = (compose(an_email(), "billing@acme.example")["Message-ID"] for _ in range(2))
    other = compose(an_email(communication_id=UUID(int=7)), "billing@acme.example")["Message-ID"]
    assert first == again == f"<{COMMUNICATION_ID}@acme.example>"
    assert other != first


def test_a_name_cannot_add_a_header() -> None:
    hostile = 'Acme" <evil@example.com>\r\nBcc: all@example.com'
    message = compose(an_email(from_name=hostile, subject=hostile), "billing@acme.example")
    raw = message.as_bytes()
    assert not re.search(rb"(?m)^Bcc:", raw)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert [address.addr_spec for address in parsed["From"].addresses] == ["billing@acme.example"]


@pytest.mark.parametrize("address", ["", "nobody", "a@b\r\nBcc: c@d", "a b@c", "a@b, c@d", "@"])
def test_a_malformed_address_is_refused_before_anything_is_sent(address: str) -> None:
    with pytest.raises(AddressRefused):
        a_mailer(free_port()).deliver(an_email(address))


def test_a_server_that_is_down_is_unavailable() -> None:
    port = free_port()
    with pytest.raises(MailerUnavailable, match=f"{HOST}:{port}"):
        a_mailer(port).deliver(an_email())


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(MailerUnavailable):
        a_mailer(25, host="no-such-host.invalid").deliver(an_email())


@contextmanager
def a_server_that(speaks: bytes, pause_seconds: float) -> Iterator[int]:
    """A server that sends one byte at a time, with pauses, until its client gives up."""
    listener = socket.create_server((HOST, 0))
    stopping = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            position = 0
            while not stopping.wait(pause_seconds):
                try:
                    connection.sendall(speaks[position : position + 1])
                except OSError:
                    return
                position += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        thread.join()
        listener.close()


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    started = time.monotonic()
    with a_server_that(b"", 0.05) as port, pytest.raises(MailerUnavailable, match="timed out"):
        a_mailer(port, answer_seconds_max=0.3).deliver(an_email())
    assert time.monotonic() - started < 3


def test_a_server_that_drips_is_given_up_in_time() -> None:
    started = time.monotonic()
    with a_server_that(b"220-" + b"x" * 10_000, 0.05) as port, pytest.raises(MailerUnavailable):
        a_mailer(port, answer_seconds_max=1.0, delivery_seconds_max=0.5).deliver(an_email())
    assert time.monotonic() - started < 3


def test_a_server_that_greets_with_an_error_is_unavailable() -> None:
    with a_server_that(b"554 go away\r\n", 0.001) as port, pytest.raises(MailerUnavailable):
        a_mailer(port).deliver(an_email())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("550 5.1.1 No such user", AddressRefused),
        ("553 Mailbox name not allowed", AddressRefused),
        ("550 5.2.1 Mailbox disabled", AddressRefused),
        ("552 5.2.2 Mailbox full", EmailRefused),
        ("554 5.7.1 Relay access denied", MailerUnavailable),
        ("550 5.7.1 Your network is on a list", MailerUnavailable),
        ("450 4.2.0 Greylisted", MailerUnavailable),
        ("451 Try later", MailerUnavailable),
    ],
)
def test_a_refused_recipient_is_told_from_a_server_in_trouble(
    answer: str, problem: type[Exception]
) -> None:
    with (
        serving(Inbox(rcpt=answer)) as port,
        pytest.raises(problem, match=re.escape(answer)),
    ):
        a_mailer(port).deliver(an_email())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("554 5.7.1 Looks like spam", EmailRefused),
        ("552 5.3.4 Too large", EmailRefused),
        ("451 4.3.0 Try later", MailerUnavailable),
    ],
)
def test_a_refused_message_is_not_the_addresss_fault(answer: str, problem: type[Exception]) -> None:
    with serving(Inbox(data=answer)) as port, pytest.raises(problem, match=re.escape(answer)):
        a_mailer(port).deliver(an_email())


def test_one_refused_address_does_not_stop_the_next() -> None:
    inbox = Inbox(rcpt="550 5.1.1 No such user")
    with serving(inbox) as port:
        mailer = a_mailer(port)
        with pytest.raises(AddressRefused):
            mailer.deliver(an_email("gone@harborview.example"))
        inbox.rcpt = "250 OK"
        mailer.deliver(an_email())
    assert len(inbox.envelopes) == 1


def test_an_address_in_another_script_needs_a_server_that_takes_it() -> None:
    inbox = Inbox()
    with serving(inbox, enable_SMTPUTF8=True) as port:
        a_mailer(port).deliver(an_email("büro@bücher.example"))
    assert inbox.envelopes[0].rcpt_tos == ["büro@xn--bcher-kva.example"]
    with serving(Inbox(), enable_SMTPUTF8=False) as port, pytest.raises(AddressRefused):
        a_mailer(port).deliver(an_email("büro@harborview.example"))


def check_password(
    _server: object, _session: object, _envelope: object, _mechanism: str, given: object
) -> AuthResult:
    accepted = isinstance(given, LoginPassword) and given == LoginPassword(b"user", b"p@ss word")
    return AuthResult(success=accepted)


PLAIN_TEXT = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
SIGN_IN = {"authenticator": check_password, "auth_required": True, "auth_require_tls": False}


@PLAIN_TEXT
def test_the_right_credentials_are_taken() -> None:
    inbox = Inbox()
    with serving(inbox, **SIGN_IN) as port:
        a_mailer(port, username="user", password=SecretStr("p@ss word")).deliver(an_email())
    assert len(inbox.envelopes) == 1


@PLAIN_TEXT
@pytest.mark.parametrize("username", ["user", None])
def test_wrong_or_missing_credentials_are_ours_to_mend_and_do_not_show(
    username: str | None,
) -> None:
    with serving(Inbox(), **SIGN_IN) as port, pytest.raises(MailerUnavailable) as problem:
        a_mailer(port, username=username, password=SecretStr("wrong-one")).deliver(an_email())
    assert "wrong-one" not in str(problem.value)


def test_starttls_encrypts_and_checks_the_certificate() -> None:
    server_tls, trusting = tls_contexts()
    inbox = Inbox()
    with serving(inbox, tls_context=server_tls, require_starttls=True) as port:
        a_mailer(port, starttls=True, tls=trusting).deliver(an_email())
        with pytest.raises(MailerUnavailable, match="certificate"):
            a_mailer(port, starttls=True).deliver(an_email())
        with pytest.raises(MailerUnavailable):
            a_mailer(port, starttls=False).deliver(an_email())
    assert len(inbox.envelopes) == 1


def test_starttls_is_never_given_up_silently() -> None:
    inbox = Inbox()
    with serving(inbox) as port, pytest.raises(MailerUnavailable, match="STARTTLS"):
        a_mailer(port, starttls=True).deliver(an_email())
    assert inbox.envelopes == []


def test_the_mailbox_takes_everything_and_sends_nothing() -> None:
    mailbox = MailboxMailer()
    assert mailbox.keeps_contents
    assert str(COMMUNICATION_ID) in mailbox.deliver(an_email()).provider_id


def headers_of(**changes: object) -> email.message.EmailMessage:
    return compose(an_email(**changes), "billing@jacket.example")  # type: ignore[arg-type]


def test_every_e_mail_comes_from_our_own_domain_so_that_spf_and_dkim_hold() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        reply_to = "office@ridge.example"
        a_mailer(port).deliver(an_email(reply_to=reply_to, is_reminder=True))
    [envelope] = inbox.envelopes
    message = inbox.message()
    [sender] = message["From"].addresses
    assert sender.addr_spec == envelope.mail_from, "the return path is the sender's"
    assert sender.display_name == "Summit Ridge Roofing"
    assert str(message["Message-ID"]).endswith(f"@{sender.domain}>")
    assert "Sender" not in message
    assert "Return-Path" not in message
    assert message["Reply-To"] == reply_to
    assert message["Date"]
    assert message["MIME-Version"] == "1.0"
    for name in ("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe"):
        assert len(message.get_all(name, [])) == 1, name


def test_only_a_reminder_that_can_be_answered_offers_to_have_no_more() -> None:
    offered = headers_of(is_reminder=True, reply_to="a+b@ridge.example")["List-Unsubscribe"]
    assert offered == f"<mailto:a%2Bb@ridge.example?subject=Unsubscribe%20{COMMUNICATION_ID}>"
    for changes in ({"reply_to": "a@ridge.example"}, {"is_reminder": True}, {}):
        assert "List-Unsubscribe" not in headers_of(**changes)
    assert "List-Unsubscribe-Post" not in headers_of(is_reminder=True, reply_to="a@x.example")


@pytest.mark.parametrize("reply_to", ["a@b..example", "a@b\nBcc: c@d.example", "nonsense", "a@"])
def test_an_answers_address_that_no_header_can_hold_is_left_out(reply_to: str) -> None:
    message = headers_of(reply_to=reply_to)
    assert "Reply-To" not in message
    assert "Bcc" not in message
