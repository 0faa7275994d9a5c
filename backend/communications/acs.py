"""E-mail by Azure Communication Services, through its SDK.

What the service has accepted (202) it answers for; what becomes of it later comes back as a bounce
or a complaint. The operation's id is the communication's, so that a repeat after a crash can ask
whether the service has it already, and then does not send it twice.
"""

from __future__ import annotations

import base64
import os
import threading
from email.utils import parseaddr
from typing import Any
from uuid import UUID, uuid5

from azure.communication.email import EmailClient
from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
)
from azure.core.rest import HttpRequest

from backend.communications.mailer import (
    AddressRefused,
    DeliveryProblem,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
    ProviderReceipt,
)
from backend.communications.wording import single_line
from backend.config import AcsAccount

# One answer of the service may take this long, and the whole hand-over no longer than the last
# figure, which ends well before a worker's lease on the e-mail does.
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
DELIVERY_SECONDS_MAX = 40.0

# A person may send a refused e-mail again; each of these tries is an operation of its own.
OPERATIONS_MAX = 20

_API_VERSION = "2023-03-31"
_OK, _ACCEPTED, _NOT_FOUND = 200, 202, 404
_TOO_LARGE = 413
_BAD_REQUEST = 400
_UNDER_WAY = frozenset({"NotStarted", "Running", "Succeeded"})
_CLIENT_ID = "AZURE_CLIENT_ID"


def open_client(account: AcsAccount, *, is_production: bool) -> EmailClient:
    """A client of the resource, with its key or a managed identity; connects at the first use.

    Outside of production an identity may also be a developer's own sign-in.
    """
    key = account.access_key
    credential = (
        _identity(is_production=is_production)
        if key is None
        else AzureKeyCredential(key.get_secret_value())
    )
    return client_of(f"https://{account.host}", credential)


def client_of(endpoint: str, credential: AzureKeyCredential | TokenCredential) -> EmailClient:
    """A client that tries once: trying again is the queue's work."""
    return EmailClient(
        endpoint,
        credential,
        retry_total=0,
        connection_timeout=CONNECT_SECONDS_MAX,
        read_timeout=ANSWER_SECONDS_MAX,
    )


def _identity(*, is_production: bool) -> TokenCredential:
    # Imported where it is needed: it brings much along.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if is_production:
        return ManagedIdentityCredential(client_id=os.environ.get(_CLIENT_ID))
    return DefaultAzureCredential()


class AcsMailer:
    """Hands e-mails to one resource; `sender` is an address of a domain that is linked to it.

    The name that recipients see beside the address is the one set up for it in Azure: the service
    takes none with an e-mail.
    """

    def __init__(
        self,
        client: EmailClient,
        sender: str,
        *,
        delivery_seconds_max: float = DELIVERY_SECONDS_MAX,
    ) -> None:
        self._client = client
        _, self._address = parseaddr(sender)
        self._delivery_seconds_max = delivery_seconds_max

    @property
    def keeps_contents(self) -> bool:
        """False: the recipient has the attachments; name, size and digest are kept."""
        return False

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Send; returns when the service has accepted the e-mail, or has it already."""
        result: list[ProviderReceipt | DeliveryProblem] = []

        def send() -> None:
            try:
                result.append(self._deliver(email))
            except DeliveryProblem as problem:
                result.append(problem)
            except AzureError as problem:
                result.append(_problem_of(problem))

        # The SDK bounds each answer, but not a server that drips one byte at a time.
        thread = threading.Thread(target=send, daemon=True, name="acs-delivery")
        thread.start()
        thread.join(self._delivery_seconds_max)
        if not result:
            raise MailerUnavailable("Azure Communication Services did not answer in time")
        if isinstance(result[0], DeliveryProblem):
            raise result[0]
        return result[0]

    def _deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        operation_id = email.communication_id
        if email.is_repeat:
            operation_id, is_there = self._find_operation(email.communication_id)
            if is_there:
                return ProviderReceipt(str(operation_id))
        try:
            self._client.begin_send(
                message_of(email, self._address), operation_id=str(operation_id), polling=False
            )
        except ResourceExistsError:
            # An operation of that id is there: the same e-mail, by an earlier try.
            return ProviderReceipt(str(operation_id))
        return ProviderReceipt(str(operation_id))

    def _find_operation(self, communication_id: UUID) -> tuple[UUID, bool]:
        """The operation that has the e-mail, or the id of the next one; whether it is there.

        One that the service gave up is passed over: the e-mail was sent again since.
        """
        operation_id = communication_id
        for number in range(1, OPERATIONS_MAX):
            status = self._status_of(operation_id)
            if status is None or status in _UNDER_WAY:
                return operation_id, status is not None
            operation_id = uuid5(communication_id, str(number))
        return operation_id, False

    def _status_of(self, operation_id: UUID) -> str | None:
        """Where an operation stands; None when the service knows none of that id."""
        path = f"{{endpoint}}/emails/operations/{operation_id}?api-version={_API_VERSION}"
        response = self._client.send_request(HttpRequest("GET", path))
        if response.status_code == _NOT_FOUND:
            return None
        if response.status_code != _OK:
            raise HttpResponseError(response=response)
        return str(response.json().get("status"))


def message_of(email: OutgoingEmail, sender: str) -> dict[str, Any]:
    """The e-mail in the service's own form. Openings and clicks are not watched."""
    message: dict[str, Any] = {
        "senderAddress": sender,
        "recipients": {"to": [{"address": email.to_address}]},
        "content": {
            "subject": single_line(email.subject, characters_max=200),
            "plainText": email.text_body,
            "html": email.html_body,
        },
        "attachments": [
            {
                "name": attachment.filename,
                "contentType": attachment.content_type,
                "contentInBase64": base64.b64encode(attachment.content).decode("ascii"),
            }
            for attachment in email.attachments
        ],
        "headers": email.headers,
        "userEngagementTrackingDisabled": True,
    }
    if email.reply_to is not None:
        message["replyTo"] = [{"address": email.reply_to}]
    return message


def _problem_of(problem: AzureError) -> DeliveryProblem:
    """What a refusal or a failure means for us. Nothing of the request is in its text."""
    if not isinstance(problem, HttpResponseError) or isinstance(problem, ClientAuthenticationError):
        return MailerUnavailable(_told(type(problem).__name__, str(problem.message)))
    status = problem.status_code or 0
    error = problem.error
    code = str(error.code) if error is not None and error.code else f"HTTP {status}"
    message = str(error.message) if error is not None and error.message else ""
    told = _told(code, message)
    if status == _TOO_LARGE:
        return EmailRefused(told)
    if status != _BAD_REQUEST:
        return MailerUnavailable(told)
    targets = [str(one.target) for one in (error, *(error.details or [])) if one] if error else []
    said = " ".join([code, message, *targets]).lower()
    if "sender" in said:
        return MailerUnavailable(told)
    if "suppress" in said or "recipient" in said:
        return AddressRefused(told)
    return MailerUnavailable(told) if "domain" in said else EmailRefused(told)


def _told(what: str, message: str) -> str:
    return single_line(
        f"Azure Communication Services: {what}: {message}".rstrip(": "), characters_max=300
    )
