"""E-mail by SMTP, one connection for each message."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr

from backend.communications.mailer import (
    AddressRefused,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
    ProviderReceipt,
)
from backend.communications.wording import single_line
from backend.config import SmtpServer

# One answer of the server may take this long, and the whole hand-over no longer than the second
# figure, so that a server which drips one byte at a time cannot hold a worker past its lease.
ANSWER_SECONDS_MAX = 10.0
DELIVERY_SECONDS_MAX = 25.0

_ONE_ADDRESS = re.compile(
    r"""[^\s@,;:<>()\[\]\\"\x00-\x1f\x7f]+@[^\s@,;:<>()\[\]\\"\x00-\x1f\x7f]+"""
)

# An enhanced status (RFC 3463) at the start of an answer says what the refusal is about.
_ENHANCED_STATUS = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b")
_ABOUT_US = "7"  # security and policy: our sign-in or our standing, not the recipient
_READY = 220
_PERMANENT = 500
_MAILBOX_FULL_OR_TOO_SMALL = {("2", "2"), ("2", "3")}


class SmtpMailer:
    """Hands e-mails to one SMTP server; `sender` is the address they come from."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        *,
        tls: ssl.SSLContext | None = None,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
        delivery_seconds_max: float = DELIVERY_SECONDS_MAX,
    ) -> None:
        self._server = server
        _, self._address = parseaddr(sender)
        self._tls = tls
        self._answer_seconds_max = answer_seconds_max
        self._delivery_seconds_max = delivery_seconds_max

    @property
    def keeps_contents(self) -> bool:
        """False: the recipient has the attachments; name, size and digest are kept."""
        return False

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Send; returns when the server has accepted the message for its recipient."""
        message = compose(email, self._address)
        session = _Session(self._server, self._address, self._answer_seconds_max)
        try:
            with _cut_off(session, self._delivery_seconds_max):
                self._sign_in(session)
                self._hand_over(session, message)
        except (smtplib.SMTPException, OSError) as problem:
            raise MailerUnavailable(_explained(problem, self._server)) from problem
        finally:
            # The message is accepted or not by now: how the farewell goes must not change that.
            session.close()
        return ProviderReceipt(str(message["Message-ID"]))

    def _sign_in(self, session: smtplib.SMTP) -> None:
        code, answer = session.connect(self._server.host, self._server.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, answer)
        if self._server.starttls:
            session.starttls(context=self._tls or ssl.create_default_context())
        if self._server.username is not None:
            password = self._server.password
            session.login(self._server.username, password.get_secret_value() if password else "")

    def _hand_over(self, session: smtplib.SMTP, message: EmailMessage) -> None:
        try:
            session.send_message(message, self._address, [str(message["To"])])
        except smtplib.SMTPRecipientsRefused as refusal:
            code, answer = next(iter(refusal.recipients.values()))
            refused = _refusal_of_recipient(code, _answer(code, answer))
            if refused is None:
                raise
            raise refused from refusal
        except smtplib.SMTPNotSupportedError as problem:
            raise AddressRefused("the mail server takes no addresses in this script") from problem
        except smtplib.SMTPDataError as refusal:
            if refusal.smtp_code < _PERMANENT:
                raise
            raise EmailRefused(_answer(refusal.smtp_code, refusal.smtp_error)) from refusal
        with contextlib.suppress(smtplib.SMTPException, OSError):
            session.quit()


class _Session(smtplib.SMTP):
    """A connection that is opened by `connect`, so that its opening can be cut off as well."""

    def __init__(self, server: SmtpServer, sender: str, answer_seconds_max: float) -> None:
        domain = sender.rpartition("@")[2]
        # A name of our own to say hello with: looking up this machine's may hang on its DNS.
        hello = domain if "." in domain else socket.gethostname()
        super().__init__(local_hostname=hello, timeout=answer_seconds_max)
        self._host = server.host  # starttls checks the certificate against it


def compose(email: OutgoingEmail, from_address: str) -> EmailMessage:
    """The message as it travels: text and HTML side by side, then the attachments.

    Its Message-ID comes from the communication, so that a repeat after a crash is recognised as the
    same e-mail. Raises AddressRefused when the recipient's address is malformed.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    domain = from_address.rpartition("@")[2]
    message["Message-ID"] = f"<{email.communication_id}@{domain}>"
    message["Date"] = format_datetime(email.written_at)
    message["From"] = Address(
        single_line(email.from_name, characters_max=100), addr_spec=from_address
    )
    message["To"] = _recipient(email.to_address)
    message["Subject"] = single_line(email.subject, characters_max=200)
    if email.reply_to is not None:
        # One that no header can hold is left out: answers then go to the sender.
        with contextlib.suppress(ValueError):
            message["Reply-To"] = _header_address(email.reply_to)
    for name, value in email.headers.items():
        message[name] = value
    message.set_content(email.text_body)
    message.add_alternative(email.html_body, subtype="html")
    for attachment in email.attachments:
        main, _, sub = attachment.content_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.filename
        )
    return message


def _recipient(address: str) -> Address:
    try:
        return _header_address(address)
    except ValueError as problem:
        raise AddressRefused(f"not an e-mail address: {address!r}") from problem


def _header_address(address: str) -> Address:
    """An address as headers hold it, its domain in ASCII. Raises ValueError."""
    if not _ONE_ADDRESS.fullmatch(address):
        raise ValueError("not an e-mail address")
    local_part, _, domain = address.partition("@")
    return Address(username=local_part, domain=domain.encode("idna").decode("ascii"))


@contextlib.contextmanager
def _cut_off(session: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Break the connection when the whole hand-over takes too long."""

    def cut() -> None:
        connection = session.sock
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refusal_of_recipient(code: int, answer: str) -> AddressRefused | EmailRefused | None:
    """What a refused RCPT means for us; None when it may be accepted another time."""
    if code < _PERMANENT:
        return None
    status = _ENHANCED_STATUS.search(answer)
    if status and status.group(1) == _ABOUT_US:
        return None
    if status and status.groups() in _MAILBOX_FULL_OR_TOO_SMALL:
        return EmailRefused(answer)
    return AddressRefused(answer)


def _explained(problem: Exception, server: SmtpServer) -> str:
    where = f"{server.host}:{server.port}"
    match problem:
        case smtplib.SMTPRecipientsRefused():
            return f"{where} answered {_answer(*next(iter(problem.recipients.values())))}"
        case smtplib.SMTPResponseException():
            return f"{where} answered {_answer(problem.smtp_code, problem.smtp_error)}"
    return single_line(f"{where}: {problem}", characters_max=300)


def _answer(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return single_line(f"{code} {text}", characters_max=300)
